"""How fast many critics are trained at once, against the plain loop of `reference.py`, one by one.

    python benchmarks/sweep.py [--rounds 7] [--processes 1 2] [--json FILE]

16 critics of 2 x 64 for 3 latents on the points of F10, with lr, wd, gp and iters of their own.
Member-epochs a second of a whole sweep: ours in stacks of the size that is quickest here, in one
process and in two with half of the members each; the plain loop trains one critic after another, in
one process. All on one thread a process. They run in turn; the ratio is the median over the rounds.

`of limit`: the share of the rate that the products would allow at that of a large matrix product
(1024 x 1024 x 1024, measured here, on as many processes).
"""

import argparse
import json
import multiprocessing
import statistics
import time
from itertools import product
from multiprocessing.connection import Connection
from pathlib import Path

import reference
import torch
from critic import ROOT, operations, peak

from sdnet.library import SDData
from sdnet.stack import Member, train_together
from sdnet.training import BLOCK
from srnet.runs.critic import Run, begin
from srnet.runs.grouping import stacks
from srnet.tables import SRData

LAT_SIZE, HID_NUM, HID_SIZE = 3, 2, 64
EPOCHS = 2 * BLOCK
"""Of each member in a round."""

SETTINGS = [
    {"iters": iters, "lr": lr, "wd": wd, "gp": gp}
    for iters, (lr, wd, gp) in product(
        (1, 3, 5, 10), [(1e-4, 1e-4, 1e-5), (1e-3, 0, 1e-4), (3e-4, 1e-3, 1e-3), (3e-3, 1e-5, 0)]
    )
]
LEAST = {1: 6.0, 2: 10.0}
"""The ratio to reach in as many processes."""


def table() -> torch.Tensor:
    return SRData(ROOT / "data", "X10[:,0]", rows="train").in_data


class Ours:
    """Members in stacks, an epoch of all of them at a time."""

    def __init__(self, numbers: list[int], device: str = "cpu"):
        points = SRData.from_arrays(table())
        library = SDData(ROOT / "funs" / "F10_v1.lib", "X10")
        disc = {"hid_num": HID_NUM, "hid_size": HID_SIZE}
        runs = [
            begin(
                {
                    "epochs": 10**9,
                    "arch.lat_size": LAT_SIZE,
                    "disc": {**disc, **SETTINGS[number % len(SETTINGS)]},
                },
                points,
                library,
                number,
                state=None,
                path=None,
                tracker=None,
                device=device,
            )
            for number in numbers
        ]
        self.stacks, self.done = stacks(runs), 0

    def train(self) -> None:
        self.done += EPOCHS
        for stack in self.stacks:
            members = [Member(run.critic, run.source.block, self.done) for run in stack]
            for _ in train_together(members, start=self.done - EPOCHS):
                pass

    def operations(self) -> float:
        """In the products of a round."""
        runs = [run for stack in self.stacks for run in stack]
        return EPOCHS * sum(operations(run.critic, LAT_SIZE) for run in runs)


class Plain:
    """The same members by the plain loop, one after another."""

    def __init__(self):
        x, sizes = table(), ([HID_NUM] * 2, [HID_SIZE] * 2)
        self.runs = [
            reference.Run(x, *sizes, LAT_SIZE, one["gp"], None, one["iters"], one["lr"], one["wd"])
            for one in SETTINGS
        ]

    def train(self) -> None:
        for run in self.runs:
            for _ in range(EPOCHS):
                run.epoch()


def work(numbers: list[int], pipe: Connection) -> None:
    """What a process does: train its members each time that it is told to."""
    torch.set_num_threads(1)
    ours = Ours(numbers)
    ours.train()
    pipe.send([[len(stack) for stack in ours.stacks], ours.operations()])
    while pipe.recv():
        ours.train()
        pipe.send(None)


class Processes:
    """Ours in as many processes, each with its part of the members."""

    def __init__(self, number: int):
        context, parts = multiprocessing.get_context("spawn"), range(len(SETTINGS))
        self.pipes = []
        for part in range(number):
            here, there = context.Pipe()
            context.Process(
                target=work, args=(list(parts[part::number]), there), daemon=True
            ).start()
            self.pipes.append(here)
        started = [pipe.recv() for pipe in self.pipes]
        self.sizes = [sizes for sizes, _ in started]
        self.operations = sum(operations for _, operations in started)

    def train(self) -> None:
        for pipe in self.pipes:
            pipe.send(True)
        for pipe in self.pipes:
            pipe.recv()


def timed(train) -> float:
    began = time.perf_counter()
    train()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=7, help="of each, in turn")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    options = parser.parse_args()
    torch.set_num_threads(1)
    plain, ours = Plain(), {number: Processes(number) for number in options.processes}
    plain.train()
    times, rates = [], []
    for _ in range(options.rounds):
        times.append([timed(plain.train), *(timed(one.train) for one in ours.values())])
        rates.append(peak())
    seconds, rate = (
        [statistics.median(column) for column in zip(*times, strict=True)],
        statistics.median(rates),
    )
    epochs = len(SETTINGS) * EPOCHS
    print("                 ratio  least  member-epochs  of limit  stacks")
    print("                               a second")
    print(f"plain, one by one {epochs / seconds[0]:21.0f}", flush=True)
    rows = {"plain": epochs / seconds[0], "peak": rate}
    for column, (number, one) in enumerate(ours.items(), start=1):
        ratio = statistics.median(row[0] / row[column] for row in times)
        share = one.operations / seconds[column] / rate / number
        print(
            f"ours, {number} process{'es' * (number > 1):2} {ratio:7.2f} {LEAST.get(number, 0):6.1f}",
            end="",
        )
        print(f" {epochs / seconds[column]:14.0f} {share:9.0%}  {one.sizes}", flush=True)
        rows[str(number)] = {"ratio": ratio, "rate": epochs / seconds[column], "of_limit": share}
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
