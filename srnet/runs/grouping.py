"""Which critic runs train as one stack, and how many at once: by their shapes, and by measuring."""

import math
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import Any, TypeVar

import torch

from sdnet.stack import CriticStack, form
from srnet.runs.assembly import make_critic
from srnet.runs.critic import Run

T = TypeVar("T")

MOST = {"cpu": 32, "cuda": 1024}
"""Critics of a stack at most: larger ones were never quicker on a CPU."""

WORTH = 1.05
"""How much quicker a larger stack has to be."""


def stacks(runs: Sequence[Run]) -> list[list[Run]]:
    """The runs, those that can train as one stack together, in stacks of the size that is quickest.

    One stack have critics of one `sdnet.stack.form` that see as many curves and have as many epochs
    behind them. In a group those with most to do come first, so that a stack's members are alike.
    """
    found = []
    for group in grouped(runs, _key).values():
        size = quickest_size(group[0], len(group)) if len(group) > 1 else 1
        found += parts(sorted(group, key=_work, reverse=True), size)
    return found


def _key(run: Run) -> Hashable:
    shape = form(run.critic)
    done = len(run.record["times"])
    return id(run) if shape is None else (shape, run.config.arch.lat_size, done)


def _work(run: Run) -> tuple[int, int]:
    return run.config.disc.iters, run.config.epochs


def grouped(items: Sequence[T], key: Callable[[T], Hashable]) -> dict[Any, list[T]]:
    """The items of each key, in their order.

    >>> grouped([1, 2, 3], lambda number: number % 2)
    {1: [1, 3], 0: [2]}
    """
    groups: dict[Any, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups


def parts(items: Sequence[T], size: int) -> list[list[T]]:
    """As few parts as have at most `size` items, as even as can be, in their order.

    >>> parts("abcdefghi", 4)
    [['a', 'b', 'c'], ['d', 'e', 'f'], ['g', 'h', 'i']]
    """
    number = math.ceil(len(items) / size)
    ends = [len(items) * part // number for part in range(number + 1)]
    return [list(items[a:b]) for a, b in pairwise(ends)]


def best_size(rate: Callable[[int], float], most: int) -> int:
    """Which of 1, 2, 4, ... is the size to take: the rate is at its best, but for 5 %.

    Sizes are tried from the smallest, until there is no memory for one or its rate falls by a
    quarter.

    Args:
        rate: of a size, the higher the better.
        most: the largest size that is of use; the size tried last may be the next above it.

    >>> best_size(lambda size: min(size, 6) - 0.01 * size, most=100)
    8
    """
    rates: dict[int, float] = {}
    size = 1
    while size < 2 * most:
        try:
            rates[size] = rate(size)
        except torch.OutOfMemoryError:
            break
        if rates[size] < 0.75 * max(rates.values()):
            break
        size *= 2
    best = max(rates.values(), default=0.0)
    return next((size for size, found in rates.items() if found * WORTH >= best), 1)


def quickest_size(run: Run, runs: int) -> int:
    """How many critics like that of the run train most quickly at once, of as many runs."""
    device = run.source.points.device
    arguments = tuple(sorted((k, _fixed(v)) for k, v in run.record["critic_args"].items()))
    most = min(runs, MOST[device.type])
    return min(_quickest_size(arguments, run.config.arch.lat_size, str(device), most), most)


def _fixed(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


@cache
def _quickest_size(arguments: tuple, count: int, device: str, most: int) -> int:
    return best_size(lambda size: member_steps(dict(arguments), count, size, device), most)


def member_steps(
    arguments: Mapping, count: int, size: int, device: str = "cpu", seconds: float = 0.02
) -> float:
    """Steps of all members in a second, of a stack of `size` critics: the best of a few timings.

    Args:
        arguments: what each critic is built from. count: curves a side. seconds: of a timing.
    """
    generator = torch.Generator().manual_seed(0)
    critics = [make_critic(arguments, generator).to(device) for _ in range(size)]
    stack, first = CriticStack(critics, count), critics[0]
    channels = [] if first.emb_size is None else [first.emb_size]
    sides = torch.randn(2, size, count, first.in_size, *channels, generator=generator)
    epsilon = torch.rand(size, count, 1, generator=generator).to(device)
    real, fake = sides.to(device)
    best = 0.0
    for _ in range(4):
        steps, began, taken = 0, time.perf_counter(), 0.0
        while taken < seconds:
            stack.step(0, real, fake, epsilon)
            if real.is_cuda:
                torch.cuda.synchronize()
            steps, taken = steps + 1, time.perf_counter() - began
        best = max(best, size * steps / taken)
    return best
