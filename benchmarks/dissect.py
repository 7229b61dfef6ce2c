"""What the studies of a trained network are measured by, each against a plain loop beside it.

    python benchmarks/dissect.py [ablation|information|modules|subsets ...]

Each part is the function `measure` of the module `dissect_PART` in this folder; without a part all
are run. Figures of MNIST are of ../shared/mnist.npz.
"""

import sys
from importlib import import_module
from itertools import groupby

import torch

from srnet.texttable import as_table

PARTS = ("ablation", "information", "modules", "subsets")


def main(parts: list[str]) -> None:
    """Measure the parts, and print a table for each; rows of other keys have one of their own."""
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        sys.exit(f"unknown part {unknown[0]!r}; choose from {', '.join(PARTS)}")
    torch.set_num_threads(1)
    for part in parts or PARTS:
        print(part, flush=True)
        for _, rows in groupby(import_module(f"dissect_{part}").measure(), key=tuple):
            print(f"{as_table(list(rows))}\n", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
