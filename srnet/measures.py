"""How well generators do, on rows they were not trained on, and which of them to keep.

The true latents, where they are known, are looked at here and nowhere else; `choose` is never
given them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sdnet.errors import InputError
from srnet.network import SRNet
from srnet.penalties import correlation

RECORDS = 64
"""Records of the latents that a run keeps at most."""

RECORDED_ROWS = 100
"""Validation rows of each record at most."""


def inside(x: Float[Tensor, "n d"], trained: Float[Tensor, "m d"]) -> Bool[Tensor, " n"]:
    """Which rows lie in the box of the rows that were trained on, column by column.

    Outside it a network extrapolates, and one row in the tails can outweigh all others.

    >>> inside(torch.tensor([[1.0], [5.0]]), torch.tensor([[0.0], [2.0]]))
    tensor([ True, False])
    """
    return ((x >= trained.amin(0)) & (x <= trained.amax(0))).all(-1)


@torch.no_grad()
def measure(
    model: SRNet,
    x: Float[Tensor, "n d"],
    y: Float[Tensor, "n out"],
    truth: Float[Tensor, "n g"] | None = None,
    kept: Bool[Tensor, " n"] | None = None,
) -> dict[str, Tensor]:
    """What a stack (E,) of generators does on rows.

    Args:
        truth: the true latents, where they are known.
        kept: which rows lie `inside`, to measure on these alone as well.

    Returns:
        dict of `loss` (E,), the mean squared error, and `latents` (E, k, n); where the true
        latents are known also `correlation` (E, k, g), |corr(learned, true)| in [0, 1], and
        `min_corr` (E,), see there; with `kept` also `loss_inside` and `min_corr_inside`.

    >>> model, x = SRNet(in_size=1, lat_size=2, hid_size=8, stack=(3,)), torch.rand(20, 1)
    >>> {name: tuple(value.shape) for name, value in measure(model, x, x**2, truth=x**2).items()}
    {'loss': (3,), 'latents': (3, 2, 20), 'correlation': (3, 2, 1), 'min_corr': (3,)}
    """
    z = model.latents(x)
    errors, curves = (model.head(z) - y).square().mean(-1), z.mT
    found = {"loss": errors.mean(-1), "latents": curves}
    if kept is not None:
        found["loss_inside"] = errors[:, kept].mean(-1)
    if truth is not None:
        found["correlation"] = correlation(curves, truth.T).abs()
        found["min_corr"] = min_corr(found["correlation"])
    if truth is not None and kept is not None:
        within = correlation(curves[..., kept], truth[kept].T).abs()
        found["min_corr_inside"] = min_corr(within)
    return found


def min_corr(correlation: Float[Tensor, "*stack k g"]) -> Float[Tensor, "*stack"]:
    """min over true latents of the max over learned ones of |corr(learned, true)|, in [0, 1].

    >>> min_corr(torch.tensor([[1.0, 0.5], [0.25, 0.75]]))
    tensor(0.7500)
    """
    return correlation.amax(-2).amin(-1)


def spacing(count: int) -> int:
    """Of `count` measures in a row, every how many are recorded: the least power of 2 for RECORDS.

    It depends on the count only: what is recorded of a run doesn't depend on where it was stopped.

    >>> spacing(RECORDS), spacing(RECORDS + 1), spacing(4 * RECORDS)
    (1, 2, 4)
    """
    every = 1
    while count // every > RECORDS:
        every *= 2
    return every


@dataclass(frozen=True)
class Criterion:
    """What members are compared by: a number for each, of which the highest or lowest is best.

    A member stays in the choice if its number is at most `slack` + `share` * |best| from the best
    one of those that are still in it.
    """

    name: str
    values: Sequence[float]
    highest: bool = False
    slack: float = 0.0
    share: float = 0.0


def choose(criteria: Sequence[Criterion]) -> tuple[int, list[str]]:
    """The best member, and for each member "chosen" or the reason why not.

    The criteria are gone through in their order: each leaves those of the members that are still
    in the choice which come near the best of them. Of those that all leave, it is the first.
    A value that is no number is worse than all others.

    Raises:
        InputError: no criterion, or different numbers of values.

    >>> loss = Criterion("loss", [0.1, 0.12, 0.5], slack=0.1)
    >>> best, reasons = choose([loss, Criterion("score", [-1.0, 2.0, 3.0], highest=True)])
    >>> best, reasons
    (1, ['score -1, another has 2', 'chosen', 'loss 0.5, another has 0.1'])
    """
    counts = {len(criterion.values) for criterion in criteria}
    if len(counts) != 1 or not min(counts):
        raise InputError(
            f"criteria of {sorted(counts)} members were given; expected at least one criterion, "
            "with a value for each member in each"
        )
    left, reasons = list(range(counts.pop())), {}
    for criterion in criteria:
        sign = -1 if criterion.highest else 1
        costs = {i: sign * criterion.values[i] for i in left}
        numbers = [cost for cost in costs.values() if not math.isnan(cost)]
        if not numbers:
            continue
        best = min(numbers)
        slack = criterion.slack + (criterion.share * abs(best) if criterion.share else 0.0)
        left = [i for i, cost in costs.items() if cost <= best + slack]
        for i in costs.keys() - set(left):
            value = criterion.values[i]
            reasons[i] = f"{criterion.name} {value:.4g}, another has {sign * best:.4g}"
    for i in left[1:]:
        reasons[i] = f"no better than member {left[0]}"
    reasons[left[0]] = "chosen"
    return left[0], [reasons[i] for i in sorted(reasons)]
