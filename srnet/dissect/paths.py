"""A number of subsets, such as their log loss, along random paths that flip one unit after another.

A path flips every unit once, in random order: subset S_0 to S_N, with numbers u_0 to u_N. What may
live here: mean and covariance along such paths, exactly over all of them, and paths drawn.
"""

from dataclasses import dataclass
from math import comb
from typing import Literal, get_args

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from sdnet.errors import InputError, nearest
from srnet.dissect.report import Report
from srnet.dissect.subset_numbers import subset_sizes, units_in

Start = Literal["random", "off"]
"""S_0: any subset, all equally likely, and then S_N is its complement; or no unit, then S_N all."""


@dataclass(frozen=True, eq=False)
class PathCovariance(Report):
    """Mean and covariance over all random paths; t = 0 to N is how many units were flipped."""

    mean: Float64[Tensor, " flips"]
    """E u_t"""
    from_start: Float64[Tensor, "flips flips"]
    """cov(u_s - u_0, u_t - u_0)"""
    from_end: Float64[Tensor, "flips flips"]
    """cov(u_s - u_N, u_t - u_N)"""

    def rows(self) -> list[dict]:
        """For each t the mean, and the standard deviations of what changed since either end."""
        ends = (self.from_start, self.from_end)
        since = [matrix.diagonal().clamp(min=0).sqrt().tolist() for matrix in ends]
        columns = zip(self.mean.tolist(), *since, strict=True)
        return [
            {"flips": t, "mean": mean, "std from start": start, "std from end": end}
            for t, (mean, start, end) in enumerate(columns)
        ]


def path_covariance(table: Float[Tensor, " subsets"], start: Start = "random") -> PathCovariance:
    """Mean and covariance of a table's numbers along random flip paths: (N + 1, N + 1).

    Exact, over all starts and all orders. From a random start every S_t is any subset, and S_s and
    S_t differ in |s - t| units, so that the covariance follows from the autocorrelation

        C(d) = mean of u(S) u(S') over all S, S' that differ in d units,

    which the squares of the Walsh spectrum give: cov(u_s - u_0, u_t - u_0) = C(|s - t|) - C(s)
    - C(t) + C(0). From the start "off" the subsets grow, S_s within S_t; both ends are then the
    same for all paths, and from start and from end the covariance is that of u_s and u_t alike.
    For a random walk it would be proportional to min(s, t) from start, N - max(s, t) from end.

    Args:
        table: (2^N,), such as `subset_losses(...).log()`.
        start: "random" or "off".

    Raises:
        InputError: not a table of 2^N finite numbers; a start of another name.

    >>> found = path_covariance(torch.tensor([0.0, 1.0, 2.0, 3.0]))  # two steps, of 1 and of 2
    >>> found.from_start.tolist()
    [[0.0, 0.0, 0.0], [0.0, 2.5, 2.5], [0.0, 2.5, 5.0]]
    """
    units = units_in(table)
    _check_start(start)
    u = table.detach().cpu().double()
    return _growing(u, units) if start == "off" else _from_anywhere(u, units)


def flip_paths(
    table: Float[Tensor, " subsets"],
    paths: int,
    generator: torch.Generator,
    start: Start = "random",
) -> Float[Tensor, "paths flips"]:
    """A table's numbers along some random paths: (paths, N + 1).

    Args:
        table: (2^N,).
        paths: how many.
        generator: what starts and orders follow from, on the CPU.
        start: "random" or "off".

    Raises:
        InputError: not a table of 2^N finite numbers; no path; a start of another name.

    >>> generator = torch.Generator().manual_seed(0)
    >>> flip_paths(torch.tensor([0.0, 1.0, 1.0, 2.0]), 2, generator, "off").tolist()
    [[0.0, 1.0, 2.0], [0.0, 1.0, 2.0]]
    """
    units = units_in(table)
    _check_start(start)
    if paths < 1:
        raise InputError(f"paths is {paths}; expected 1 at least")
    first = torch.zeros(paths, 1, dtype=torch.int64)
    if start == "random":
        first.random_(2**units, generator=generator)
    orders = torch.rand(paths, units, generator=generator).argsort(1)
    flipped = (2**orders).cumsum(1)  # each unit once, so adding is flipping
    return table.detach().cpu()[torch.cat([first, first ^ flipped], 1)]


def _check_start(start: str) -> None:
    if start not in get_args(Start):
        raise InputError(f"start is {start!r}; {nearest(str(start), get_args(Start))}")


def _from_anywhere(u: Float64[Tensor, " subsets"], units: int) -> PathCovariance:
    mean = u.mean()
    correlation = _autocorrelation(u - mean, units)
    flips = torch.arange(units + 1)
    apart = (flips[:, None] - flips).abs()
    passed, ahead = correlation, correlation.flip(0)  # C(t), C(N - t)
    between = correlation[apart] + correlation[0]
    return PathCovariance(
        mean.repeat(units + 1),
        between - passed[:, None] - passed,
        between - ahead[:, None] - ahead,
    )


def _autocorrelation(u: Float64[Tensor, " subsets"], units: int) -> Float64[Tensor, " distances"]:
    """C(d), d = 0 to N: that of a Walsh function of k units is Krawtchouk's polynomial."""
    for unit in range(units):
        off, on = u.view(-1, 2, 2**unit).unbind(1)
        u = torch.stack([(off + on) / 2, (off - on) / 2], 1)
    power = torch.zeros(units + 1, dtype=torch.float64)
    power.index_add_(0, subset_sizes(units), u.flatten() ** 2)
    waves = [
        [
            sum((-1) ** j * comb(k, j) * comb(units - k, d - j) for j in range(min(k, d) + 1))
            / comb(units, d)
            for k in range(units + 1)
        ]
        for d in range(units + 1)
    ]
    return torch.tensor(waves, dtype=torch.float64) @ power


def _growing(u: Float64[Tensor, " subsets"], units: int) -> PathCovariance:
    sizes = subset_sizes(units)
    counts = torch.tensor([comb(units, size) for size in range(units + 1)], dtype=torch.float64)

    def means(values: Tensor) -> Tensor:
        return torch.zeros(units + 1, dtype=torch.float64).index_add_(0, sizes, values) / counts

    mean = means(u)
    centred = u - mean[sizes]
    covariance = torch.diag(means(centred**2))
    earlier = centred  # the mean of u_s over the paths through S_t, for s = t - lag
    for lag in range(1, units + 1):
        earlier = _sum_without_one(earlier, units) / sizes.clamp(min=1)
        pairs = means(centred * earlier)[lag:]  # cov(u_{t - lag}, u_t) for t = lag to N
        covariance += torch.diag(pairs, lag) + torch.diag(pairs, -lag)
    return PathCovariance(mean, covariance, covariance.clone())


def _sum_without_one(u: Float64[Tensor, " subsets"], units: int) -> Float64[Tensor, " subsets"]:
    """For each subset the sum over its units of the number of the subset without it."""
    total = torch.zeros_like(u)
    for unit in range(units):
        pairs = (-1, 2, 2**unit)
        total.view(pairs)[:, 1] += u.view(pairs)[:, 0]
    return total
