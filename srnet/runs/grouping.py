"""Which critic runs train as one stack, and how many at once: by their shapes, and by measuring."""

import math
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import suppress
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


def best_size(rates: Mapping[int, float]) -> int:
    """The least size whose rate is the best, or nearly so.

    >>> best_size({1: 10, 2: 15, 4: 20, 8: 20.5, 16: 14})
    4
    """
    best = max(rates.values())
    return min(size for size, rate in rates.items() if rate * WORTH >= best)


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
    sizes = [2**power for power in range(MOST[torch.device(device).type].bit_length())]
    trials = _trials(dict(arguments), count, device, [size for size in sizes if size < 2 * most])
    return best_size(member_steps(trials))


def _trials(
    arguments: Mapping, count: int, device: str, sizes: Sequence[int]
) -> dict[int, Callable[[], object]]:
    """A step of a stack of each size, as far as there is memory for them."""
    trials: dict[int, Callable[[], object]] = {}
    with suppress(torch.OutOfMemoryError):
        for size in sizes:
            trials[size] = _trial(arguments, count, device, size)
    return trials


def _trial(arguments: Mapping, count: int, device: str, size: int) -> Callable[[], object]:
    generator = torch.Generator().manual_seed(0)
    critics = [make_critic(arguments, generator).to(device) for _ in range(size)]
    stack, first = CriticStack(critics, count), critics[0]
    channels = [] if first.emb_size is None else [first.emb_size]
    sides = torch.randn(2, size, count, first.in_size, *channels, generator=generator).to(device)
    epsilon = torch.rand(size, count, 1, generator=generator).to(device)

    def step() -> None:
        stack.step(0, *sides, epsilon)
        if sides.is_cuda:
            torch.cuda.synchronize()

    return step


def member_steps(
    trials: Mapping[int, Callable[[], object]], rounds: int = 5, seconds: float = 0.01
) -> dict[int, float]:
    """How many members' steps a second stacks of each size take, at their best.

    The sizes are timed in turn, as other work on the machine comes and goes, and slows all down.

    Args:
        trials: what takes a step of a stack of each size. seconds: of a timing, about.

    >>> rates = member_steps({1: lambda: time.sleep(0.002), 8: lambda: time.sleep(0.004)})
    >>> 3 < rates[8] / rates[1] < 5
    True
    """
    best = dict.fromkeys(trials, 0.0)
    for _ in range(rounds):
        for size, step in trials.items():
            steps, began, taken = 0, time.perf_counter(), 0.0
            while taken < seconds:
                step()
                steps, taken = steps + 1, time.perf_counter() - began
            best[size] = max(best[size], size * steps / taken)
    return best
