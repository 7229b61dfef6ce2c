"""All problems from their tables to a formula, judged: exact or not, R2, seconds, equation.

    python benchmarks/discover.py [--problems F07 C01] [--seeds 10] [--generic] [--noise 0.01]
                                  [--rivals] [--rival_seconds 90] [--jobs 1] [--json FILE]

`SymbolicRegressor` gets the training rows and a seed, and the problem's own library where there is
one of its terms (all others, and all with --generic: none); the judge (`exact.py`) has the
validation rows, which no fit has seen. The last table counts the exact ones of each problem.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import sympy
import torch
from joblib import Parallel, delayed
from judging import JUDGED, judged, shortened
from rivals import rival_rows

from srnet.texttable import as_table

ROOT = Path(__file__).resolve().parents[1]
OWN_LIBRARY = {"F00": "F00_v2", "F07": "F07_v2", "F09": "F09_v1", "F12": "F12_v1"}


def discover(name: str, seed: int, generic: bool, noise: float) -> dict:
    """The row of one problem and seed, on one thread."""
    from srnet import SymbolicRegressor

    torch.set_num_threads(1)
    own = None if generic else OWN_LIBRARY.get(name)
    library = str(ROOT / "funs" / f"{own}.lib") if own else None

    def fit(x: np.ndarray, y: np.ndarray) -> sympy.Expr:
        return SymbolicRegressor(library=library, random_state=seed).fit(x, y).sympy()

    return judged(name, fit, f"symdisc {own or 'generic'} seed {seed}", noise, seed)


def summary(rows: list[dict]) -> list[dict]:
    """How many rows of each problem and program are exact, and their seconds.

    >>> row = {"problem": "F00", "way": "operon", "exact": "exact", "seconds": 1.0}
    >>> summary([row, row | {"exact": "no", "seconds": 3.0}])
    [{'problem': 'F00', 'program': 'operon', 'exact': '1 of 2', 'mean seconds': 2.0, 'most': 3.0}]
    """
    table = []
    keys = [(row["problem"], row["way"].split()[0]) for row in rows]
    for name, program in dict.fromkeys(keys):
        of_it = [row for row, key in zip(rows, keys, strict=True) if key == (name, program)]
        seconds = [float(row["seconds"]) for row in of_it]
        table.append(
            {
                "problem": name,
                "program": program,
                "exact": f"{sum(row['exact'] == 'exact' for row in of_it)} of {len(of_it)}",
                "mean seconds": sum(seconds) / len(seconds),
                "most": max(seconds),
            }
        )
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--problems", nargs="*", default=JUDGED, choices=JUDGED, metavar="NAME")
    parser.add_argument("--seeds", type=int, default=1, help="0, 1, ... of each; 0: rivals alone")
    parser.add_argument("--generic", action="store_true", help="no library for any problem")
    parser.add_argument("--noise", type=float, default=0.0, help="added to the training targets")
    parser.add_argument("--rivals", action="store_true", help="also Operon and gplearn")
    parser.add_argument("--rival_seconds", type=float, default=90, help="for each and problem")
    parser.add_argument("--jobs", type=int, default=1, help="processes, one thread each")
    parser.add_argument("--json", type=Path, help="write all rows, uncut, to this file too")
    options = parser.parse_args()
    tasks = [
        delayed(discover)(name, seed, options.generic, options.noise)
        for name in options.problems
        for seed in range(options.seeds)
    ]
    rows = []
    for row in Parallel(options.jobs, return_as="generator")(tasks):
        rows.append(row)
        print(f"{row['problem']} {row['exact']} {row['seconds']} s: {row['equation']}", flush=True)
    others = []
    if options.rivals:
        tasks = [delayed(rival_rows)(name, options.rival_seconds, 0) for name in options.problems]
        for found in Parallel(options.jobs, return_as="generator")(tasks):
            others += found
    print(f"\n{as_table([shortened(row) for row in rows + others])}")
    print(f"\n{as_table(summary(rows + others))}")
    if options.json:
        options.json.write_text(json.dumps(rows + others, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
