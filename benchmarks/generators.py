"""How fast trials of generators are trained at once, against the same ones one after another.

    python benchmarks/generators.py [--rounds 7] [--restarts 4 1] [--rows 700 100] [--json FILE]

16 trials as of sweeps/generator.yaml of each shape: 3 latents, lr, sd, disc.lr and iters of their
own, `restarts` members each, on the first rows of F07's table. Member-epochs a second of all of
them: in stacks of the size that is quickest here, and each by itself, in turn in one process and
one thread; the ratio is the median over the rounds, of the processor's time, which other work
disturbs less.
"""

import argparse
import json
import statistics
import time
from itertools import product
from pathlib import Path

import torch

from sdnet.library import SDData
from sdnet.together import train_together
from sdnet.training import BLOCK
from srnet.runs.generator import Run, begin
from srnet.runs.generator_grouping import stacks
from srnet.runs.running import one_thread
from srnet.tables import SRData
from srnet.together import GeneratorTeam

ROOT = Path(__file__).parents[1]
SHAPES = [(2, 32), (3, 64), (2, 128)]
"""Hidden layers and units of the latents' networks."""

SETTINGS = [
    {"lr": lr, "sd": sd, "sd_fun": sd_fun, "disc.lr": disc_lr, "disc.iters": iters}
    for (lr, disc_lr), (sd, sd_fun), iters in product(
        [(1e-5, 1e-3), (1e-3, 1e-4)],
        [(1e-4, "linear"), (1e-2, "sigmoid"), (1.0, "logsigmoid"), (1e2, "linear")],
        [1, 5],
    )
]


def runs_of(shape: tuple[int, int], restarts: int, rows: int) -> list[Run]:
    """The trials, before their first epoch."""
    tables = ROOT / "data", "X07", "G07", "F07"
    train, val = SRData(*tables, rows="train"), SRData(*tables, rows="val")
    train = SRData.from_arrays(train.in_data[:rows], None, train.target_data[:rows])
    library = SDData(ROOT / "funs" / "F07_v2.lib", "X07")
    fixed = {
        "arch": {"lat_size": 3, "hid_num": [shape[0], 0], "hid_size": shape[1]},
        "epochs": 10**6,
        "restarts": restarts,
    }
    options = {"state": None, "path": None, "tracker": None, "device": "cpu"}
    return [
        begin({**fixed, **one}, train, val, library, seed, **options)
        for seed, one in enumerate(SETTINGS)
    ]


class Column:
    """Runs in stacks; a block of epochs of all of them at a time."""

    def __init__(self, parts: list[list[Run]]):
        self.parts, self.done = parts, 0

    def train(self) -> float:
        """Seconds of the processor."""
        began, self.done = time.process_time(), self.done + BLOCK
        for part in self.parts:
            members = [run.trainee() for run in part]
            for member in members:
                member.epochs, member.pauses = self.done, ()
            for _ in train_together(members, start=self.done - BLOCK, team_of=GeneratorTeam):
                pass
        return time.process_time() - began


def measure(rounds: int, shape: tuple[int, int], restarts: int, rows: int) -> dict:
    runs = runs_of(shape, restarts, rows)
    together = Column(stacks(runs))
    alone = Column([[run] for run in runs_of(shape, restarts, rows)])
    times = [(alone.train(), together.train()) for _ in range(rounds + 1)][1:]
    epochs = len(runs) * restarts * BLOCK
    return {
        "alone": epochs / statistics.median(a for a, _ in times),
        "together": epochs / statistics.median(b for _, b in times),
        "ratio": statistics.median(a / b for a, b in times),
        "stacks": [len(part) for part in together.parts],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=7, help="of each, in turn")
    parser.add_argument("--restarts", type=int, nargs="+", default=[4, 1])
    parser.add_argument("--rows", type=int, nargs="+", default=[700, 100], help="of the table")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    options = parser.parse_args()
    print("restarts  rows  network   alone  together  ratio  runs of each stack")
    found = {}
    with one_thread():
        for restarts, rows, shape in product(options.restarts, options.rows, SHAPES):
            row = measure(options.rounds, shape, restarts, rows)
            network = f"{shape[0]} x {shape[1]}"
            found[f"{restarts} {rows} {network}"] = row
            print(f"{restarts:8} {rows:5} {network:>8}", end="")
            print(f" {row['alone']:7.0f} {row['together']:9.0f} {row['ratio']:6.2f}", end="")
            print(f"  {row['stacks']}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
