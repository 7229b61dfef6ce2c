"""Units as players of a cooperative game: who contributes how much to a table of subsets.

A game v gives each subset S of N units a number, such as the loss with only these units on. What
may live here: values and interactions of units, exactly, from the whole table (2^N,), and the best
subsets. They say by how much v grows: of a loss, a unit that helps has a negative value.

Values are sums over all S of v(S), each times a weight that depends only on the size of S and on
whether a unit is in. So sums over the subsets with unit i, and with units i and j, are all that is
needed: a few passes over the table, whatever the number of pairs.
"""

from dataclasses import dataclass
from math import comb
from typing import Literal, get_args

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from sdnet.errors import InputError, nearest
from srnet.dissect.report import Report
from srnet.dissect.subset_numbers import members, subset_sizes, units_in, units_of

Index = Literal["shapley", "banzhaf"]
"""How contexts are weighted: every size of them alike, or every one of them alike."""


def shapley_values(table: Float[Tensor, " subsets"]) -> Float64[Tensor, " units"]:
    """The Shapley value of each unit (Shapley 1953): (2^N,) -> (N,).

    phi_i = sum over S without i of |S|! (N - |S| - 1)! / N! (v(S + i) - v(S))

    It is what unit i adds when the units come one after the other, averaged over all N! orders.
    The values add up to v(all) - v(none).

    Raises:
        InputError: not a table of 2^N finite numbers.

    >>> shapley_values(torch.tensor([0.0, 1.0, 2.0, 5.0])).tolist()  # 2 more for both together
    [2.0, 3.0]
    """
    return _values(table, "shapley")


def banzhaf_values(table: Float[Tensor, " subsets"]) -> Float64[Tensor, " units"]:
    """The Banzhaf value of each unit (Banzhaf 1965): (2^N,) -> (N,).

    beta_i = mean over all S without i of v(S + i) - v(S)

    It is what unit i adds when each of the others is on or off by a fair coin.

    Raises:
        InputError: not a table of 2^N finite numbers.

    >>> banzhaf_values(torch.tensor([0.0, 1.0, 2.0, 5.0])).tolist()
    [2.0, 3.0]
    """
    return _values(table, "banzhaf")


def pair_interactions(
    table: Float[Tensor, " subsets"], index: Index = "shapley"
) -> Float64[Tensor, "units units"]:
    """The interaction of each pair of units: (2^N,) -> (N, N), symmetric, with 0 on the diagonal.

    I_ij = sum over S without i, j of w(|S|) (v(S + i + j) - v(S + i) - v(S + j) + v(S))

    It is what two units add together beyond what each adds alone. With index "shapley" it is the
    Shapley interaction index, w(s) = s! (N - s - 2)! / (N - 1)!; with "banzhaf" the Banzhaf one,
    w(s) = 1 / 2^(N - 2) (both Grabisch and Roubens 1999). The SHAP interaction values of tree
    explainers are half of the former, since they give half of a pair to each of its entries.

    Raises:
        InputError: not a table of 2^N finite numbers; an index of another name.

    >>> pair_interactions(torch.tensor([0.0, 1.0, 2.0, 5.0])).tolist()
    [[0.0, 2.0], [2.0, 0.0]]
    """
    units = units_in(table)
    weights = _weights(units, 2, index)  # weights[s + 2] = w(s)
    sizes, v = subset_sizes(units), table.detach().cpu().double()
    with_both, with_one, with_none = weights[:-2], weights[1:-1], weights[2:]  # at |T|
    both = _sums_with_pairs(v * (with_both + 2 * with_one + with_none)[sizes])
    one = _sums_with_units(v * (with_one + with_none)[sizes])
    found = both - one[:, None] - one + (v * with_none[sizes]).sum()
    return found.fill_diagonal_(0)


def _values(table: Float[Tensor, " subsets"], index: Index) -> Float64[Tensor, " units"]:
    units = units_in(table)
    weights = _weights(units, 1, index)
    sizes, v = subset_sizes(units), table.detach().cpu().double()
    with_it, without_it = weights[:-1], weights[1:]  # at |T|
    return _sums_with_units(v * (with_it + without_it)[sizes]) - (v * without_it[sizes]).sum()


def _weights(units: int, players: int, index: str) -> Float64[Tensor, " sizes"]:
    """Of contexts by their size: w(0) to w(N - players), with as many zeros as players around."""
    if index not in get_args(Index):
        raise InputError(f"index is {index!r}; {nearest(str(index), get_args(Index))}")
    others = max(units - players, 0)
    if index == "banzhaf":
        inner = [0.5**others] * (others + 1)
    else:
        inner = [1 / ((others + 1) * comb(others, size)) for size in range(others + 1)]
    if units < players:
        inner = []
    edge = [0.0] * players
    filled = [*edge, *inner, *edge]
    return torch.tensor(filled + [0.0] * (units + 1 + players - len(filled)), dtype=torch.float64)


def _sums_with_units(values: Float64[Tensor, " subsets"]) -> Float64[Tensor, " units"]:
    """For each unit the sum over the subsets with it."""
    low, high, table = _halves(values)
    return torch.cat([table.sum(0) @ low, table.sum(1) @ high])


def _sums_with_pairs(values: Float64[Tensor, " subsets"]) -> Float64[Tensor, "units units"]:
    """For each pair of units the sum over the subsets with both."""
    low, high, table = _halves(values)
    within_low = low.T @ (table.sum(0)[:, None] * low)
    within_high = high.T @ (table.sum(1)[:, None] * high)
    across = low.T @ (table.T @ high)
    return torch.cat([torch.cat([within_low, across], 1), torch.cat([across.T, within_high], 1)])


def _halves(values: Float64[Tensor, " subsets"]) -> tuple[Tensor, Tensor, Tensor]:
    """Which of the first units are in (2^l, l), which of the others (2^h, h), values (2^h, 2^l)."""
    units = len(values).bit_length() - 1
    first = units // 2
    low, high = (members(torch.arange(2**k), k).double() for k in (first, units - first))
    return low, high, values.view(2 ** (units - first), 2**first)


@dataclass(frozen=True, eq=False)
class UnitValues(Report):
    """What each unit does to the numbers of a table; `unit_values` makes it."""

    shapley: Float64[Tensor, " units"]
    banzhaf: Float64[Tensor, " units"]
    alone: Float64[Tensor, " units"]
    """v({i}) - v(none)"""
    last: Float64[Tensor, " units"]
    """v(all) - v(all but i)"""
    interactions: Float64[Tensor, "units units"]
    """The Shapley interaction index of pairs."""

    def rows(self) -> list[dict]:
        """For each unit its values, and the unit that it interacts with most, if with any."""
        rows = []
        rounding = 1e-12 * self.interactions.abs().max()
        for unit, pairs in enumerate(self.interactions):
            partner = int(pairs.abs().argmax())
            interacts = bool(pairs[partner].abs() > rounding)
            rows.append(
                {
                    "unit": unit,
                    "shapley": self.shapley[unit].item(),
                    "banzhaf": self.banzhaf[unit].item(),
                    "alone": self.alone[unit].item(),
                    "last": self.last[unit].item(),
                    "partner": partner if interacts else None,
                    "interaction": pairs[partner].item() if interacts else None,
                }
            )
        return rows


def unit_values(table: Float[Tensor, " subsets"]) -> UnitValues:
    """All values of units, from a table (2^N,).

    Raises:
        InputError: not a table of 2^N finite numbers.

    >>> print(unit_values(torch.tensor([0.0, 1.0, 2.0, 5.0])))
    unit  shapley  banzhaf  alone  last  partner  interaction
    0     2        2        1      3     1        2
    1     3        3        2      4     0        2
    """
    units = units_in(table)
    v = table.detach().cpu().double()
    single = 2 ** torch.arange(units)
    return UnitValues(
        shapley=shapley_values(v),
        banzhaf=banzhaf_values(v),
        alone=v[single] - v[0],
        last=v[-1] - v[2**units - 1 - single],
        interactions=pair_interactions(v),
    )


@dataclass(frozen=True)
class BestSubset:
    """The subset of a size with the least number in the table."""

    size: int
    number: int
    value: float

    @property
    def units(self) -> tuple[int, ...]:
        """Those that are in."""
        return units_of(self.number)


def best_subsets(table: Float[Tensor, " subsets"]) -> list[BestSubset]:
    """For each size from 0 to N the subset with the least number (negate what should be large).

    Of equal ones that with the smallest number, which has the first units.

    Raises:
        InputError: not a table of 2^N finite numbers.

    >>> best_subsets(torch.tensor([3.0, 1.0, 2.0, 0.5]))[1]
    BestSubset(size=1, number=1, value=1.0)
    """
    units = units_in(table)
    v, sizes = table.detach().cpu(), subset_sizes(units)
    found = []
    for size in range(units + 1):
        numbers = (sizes == size).nonzero()[:, 0]
        values = v[numbers]
        least = int((values == values.min()).nonzero()[0])  # argmin may give any of equal ones
        found.append(BestSubset(size, int(numbers[least]), values[least].item()))
    return found
