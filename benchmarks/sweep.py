"""How fast many critics are trained at once, against the plain loop of `reference.py`, one by one.

    python benchmarks/sweep.py [--rounds 7] [--processes 1 2] [--json FILE]
    python benchmarks/sweep.py --device cuda [--members 1 16 256 1024]

16 critics of 2 x 64 for 3 latents on the points of F10, with lr, wd, gp and iters of their own.
Member-epochs a second of a whole sweep: ours in stacks of the size that is quickest here, in one
process and in two with half of the members each; the plain loop trains one critic after another, in
one process. One thread a process. They run in turn; ratios are medians over the rounds, of the time
on the clock and, which other work on the machine disturbs less, of that of the busiest process.

`of limit`: the share of the rate that the products alone would have at that of a large matrix
product (1024 x 1024 x 1024, measured here, on as many processes).

With a GPU: ours alone, of more and more members, and the share of its arithmetic, likewise, and of
its bandwidth, of weights, gradients and moments read and written once a step.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable
from itertools import product
from multiprocessing.connection import Connection
from pathlib import Path

import reference
import torch
from critic import ROOT, operations, peak

from sdnet.library import SDData
from sdnet.together import Member, train_together
from sdnet.training import BLOCK
from srnet.runs.critic import begin
from srnet.runs.grouping import stacks
from srnet.tables import SRData

LAT_SIZE, HID_NUM, HID_SIZE = 3, 2, 64
EPOCHS, PLAIN_EPOCHS = 16 * BLOCK, 2 * BLOCK
"""Of each member in a round: seconds of work for either way. Processes that wait between short
rounds are not given their cores at once, as a sweep's workers, at work for minutes, have them."""

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
        options = {"state": None, "path": None, "tracker": None, "device": device}
        self.runs = []
        for number in numbers:
            disc = {"hid_num": HID_NUM, "hid_size": HID_SIZE, **SETTINGS[number % len(SETTINGS)]}
            config = {"epochs": 10**9, "arch.lat_size": LAT_SIZE, "disc": disc}
            self.runs.append(begin(config, points, library, number, **options))
        self.stacks, self.done = stacks(self.runs), 0

    def train(self) -> None:
        self.done += EPOCHS
        for stack in self.stacks:
            members = [Member(run.critic, run.source.block, self.done) for run in stack]
            for _ in train_together(members, start=self.done - EPOCHS):
                pass

    def operations(self) -> float:
        """In the products of a round."""
        return EPOCHS * sum(operations(run.critic, LAT_SIZE) for run in self.runs)

    def bytes(self) -> float:
        """Of weights, gradients and two moments, read and written once in each step of a round."""
        numbers = sum(p.numel() for p in self.runs[0].critic.parameters())
        return EPOCHS * sum(run.critic.iters for run in self.runs) * numbers * 4 * 2 * 4


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
            for _ in range(PLAIN_EPOCHS):
                run.epoch()


def work(numbers: list[int], core: int, pipe: Connection) -> None:
    """What a process does: train its members each time that it is told to.

    It keeps to its core: processes woken together can be left on one for a while.
    """
    os.sched_setaffinity(0, {core})
    torch.set_num_threads(1)
    ours = Ours(numbers)
    ours.train()
    pipe.send(([len(stack) for stack in ours.stacks], ours.operations()))
    while pipe.recv():
        pipe.send(timed(ours.train)[1])


class Processes:
    """Ours in as many processes, each with its part of the members."""

    def __init__(self, number: int):
        context, self.pipes = multiprocessing.get_context("spawn"), []
        cores = sorted(os.sched_getaffinity(0))
        for part in range(number):
            here, there = context.Pipe()
            numbers = list(range(len(SETTINGS)))[part::number]
            context.Process(
                target=work, args=(numbers, cores[part % len(cores)], there), daemon=True
            ).start()
            self.pipes.append(here)
        sizes, operations = zip(*(pipe.recv() for pipe in self.pipes), strict=True)
        self.sizes, self.operations = list(sizes), sum(operations)

    def train(self) -> float:
        """A round; the processor's time in the busiest process."""
        for pipe in self.pipes:
            pipe.send(True)
        return max(pipe.recv() for pipe in self.pipes)

    def end(self) -> None:
        for pipe in self.pipes:
            pipe.send(False)


def timed(train: Callable[[], float | None]) -> tuple[float, float]:
    """Seconds by the clock and by the processor, of this process unless `train` tells others."""
    began, busy = time.perf_counter(), time.process_time()
    other = train()
    own = time.process_time() - busy
    return time.perf_counter() - began, own if other is None else other


def on_cpu(rounds: int, processes: list[int]) -> dict:
    plain, ours = Plain(), {number: Processes(number) for number in processes}
    plain.train()
    columns, rates = [plain, *ours.values()], []
    times: list[list[tuple[float, float]]] = [[] for _ in columns]
    for _ in range(rounds):
        for column, row in zip(columns, times, strict=True):
            row.append(timed(column.train))
        rates.append(peak())
    epochs, more = len(SETTINGS) * EPOCHS, EPOCHS / PLAIN_EPOCHS
    limit = statistics.median(rates)
    print("                 ratio  by the    least  member-epochs  of limit  stacks")
    print("                        processor        a second")
    slow = more * statistics.median(clock for clock, _ in times[0])
    print(f"plain, one by one {epochs / slow:36.0f}", flush=True)
    rows = {"plain": {"rate": epochs / slow}}
    for (number, one), row in zip(ours.items(), times[1:], strict=True):
        one.end()
        clock, busy = (
            statistics.median(more * a[i] / b[i] for a, b in zip(times[0], row, strict=True))
            for i in (0, 1)
        )
        seconds = statistics.median(clock for clock, _ in row)
        share = one.operations / seconds / limit / number
        print(f"ours, {number} process{'es' * (number > 1):2} {clock:6.2f} {busy:8.2f}", end="")
        print(f" {LEAST.get(number, 0):9.1f} {epochs / seconds:13.0f} {share:9.0%}  {one.sizes}")
        rows[f"ours, {number}"] = {
            "ratio": clock,
            "by_processor": busy,
            "rate": epochs / seconds,
            "of_limit": share,
        }
    return rows


def on_gpu(rounds: int, members: list[int]) -> dict:
    """Never run yet: there was no GPU where this was written."""
    a, b = torch.randn(2, 8192, 8192, device="cuda")
    many = torch.randn(2**28, device="cuda")

    def seconds(train: Callable[[], object]) -> float:
        train()
        taken = []
        for _ in range(rounds):
            torch.cuda.synchronize()
            began = time.perf_counter()
            train()
            torch.cuda.synchronize()
            taken.append(time.perf_counter() - began)
        return statistics.median(taken)

    limit = 2 * 8192**3 / seconds(lambda: a @ b)
    bandwidth = 2 * 4 * len(many) / seconds(many.clone)
    print("members  member-epochs a second  of peak  of bandwidth")
    rows = {}
    for size in members:
        ours = Ours(list(range(size)), "cuda")
        taken = seconds(ours.train)
        rows[size] = {
            "rate": size * EPOCHS / taken,
            "of_peak": ours.operations() / taken / limit,
            "of_bandwidth": ours.bytes() / taken / bandwidth,
        }
        print(f"{size:7} {rows[size]['rate']:23.0f} {rows[size]['of_peak']:8.1%}", end="")
        print(f" {rows[size]['of_bandwidth']:13.1%}", flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=7, help="of each, in turn")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--members", type=int, nargs="+", default=[1, 16, 256, 1024])
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.device == "cuda":
        rows = on_gpu(options.rounds, options.members)
    else:
        rows = on_cpu(options.rounds, options.processes)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
