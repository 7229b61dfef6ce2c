"""Interactions: which inputs a function uses, and which of them act together.

Mixed finite differences between pairs of rows: with a and b two rows and S a set of inputs, let
f(a | T) be f at a, the inputs T taken from b. Then

    D_S = sum over T in S of (-1)^|T| f(a | T)

is 0 for all a and b where f is a sum of functions none of which has all of S. An error of mean
square e at every point adds e to the mean of D_S^2 / 2^|S|, whatever S, so that

    strength(S) = mean D_S^2 / (2^|S| var f)

is compared with e / var f for sets of all sizes. Source: the superset importance of Liu and Owen
(2006), there without the factors.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

Function = Callable[[Float64[ndarray, "m d"]], Float64[ndarray, " m"]]

PAIRS = 400  # of rows
TIMES = 2.0  # an interaction is seen where its strength is so many times the error share
LEAST = 1e-4  # and no less than this


@dataclass(frozen=True)
class Interactions:
    """Strengths of sets of one, two and three inputs, and what is noise.

    floor: the strength that errors of the function alone would show.
    """

    strengths: dict[tuple[int, ...], float]
    floor: float

    def seen(self, size: int) -> list[tuple[int, ...]]:
        """The sets of a size that are stronger than the noise, the strongest first."""
        return [s for s in self.ranked(size) if self.strengths[s] > self.floor]

    def ranked(self, size: int) -> list[tuple[int, ...]]:
        """All sets of a size, the strongest first."""
        sets = [s for s in self.strengths if len(s) == size]
        return sorted(sets, key=lambda s: -self.strengths[s])

    def pieces(self) -> list[tuple[int, ...]]:
        """The inputs that are used, in groups that do not interact with each other."""
        groups = [{i} for (i,) in self.seen(1)]
        for pair in self.seen(2):
            joined = set(pair).union(*(group for group in groups if group & set(pair)))
            groups = [group for group in groups if not group & joined] + [joined]
        return sorted(tuple(sorted(group)) for group in groups)


def interactions(
    function: Function,
    x: Float64[ndarray, "n d"],
    error: float,
    random: np.random.Generator,
    most: int = 3,
) -> Interactions:
    """The interactions of a function on the rows of x.

    Args:
        function: (m, d) -> (m,), such as a trained network.
        error: its mean squared error as a share of its variance.
        most: inputs in a set.

    >>> x = np.random.default_rng(0).normal(size=(300, 4))
    >>> law = lambda x: x[:, 0] * x[:, 1] + x[:, 2]
    >>> found = interactions(law, x, 0.0, np.random.default_rng(1))
    >>> found.pieces(), found.seen(2), found.seen(3)
    ([(0, 1), (2,)], [(0, 1)], [])
    """
    rows = random.integers(len(x), size=(2, PAIRS))
    a, b = x[rows[0]], x[rows[1]]
    variance = max(float(np.var(function(x))), 1e-300)
    floor = max(TIMES * error, LEAST)
    strengths: dict[tuple[int, ...], float] = {}
    for size in range(1, most + 1):
        for chosen in combinations(range(x.shape[1]), size):
            difference = _difference(function, a, b, chosen)
            strengths[chosen] = float(np.mean(difference**2)) / (2**size * variance)
    return Interactions(strengths, floor)


def _difference(
    function: Function, a: ndarray, b: ndarray, chosen: Sequence[int]
) -> Float64[ndarray, " m"]:
    total = np.zeros(len(a))
    for size in range(len(chosen) + 1):
        for taken in combinations(chosen, size):
            mixed = a.copy()
            mixed[:, taken] = b[:, taken]
            total += (-1) ** size * function(mixed)
    return total


def partial_dependence(
    function: Function, x: Float64[ndarray, "n d"], group: Sequence[int], rows: int = 100
) -> Float64[ndarray, " n"]:
    """The part of a function that a group of inputs makes: its mean over the others' values.

    At every row, the inputs outside the group run through `rows` rows of x, evenly chosen. For
    f = g(x_group) + h(others) this is g up to a constant. Source: Friedman (2001).

    >>> x = np.random.default_rng(0).normal(size=(50, 2))
    >>> part = partial_dependence(lambda x: x[:, 0] ** 2 + x[:, 1], x, [0])
    >>> bool(np.allclose(part - x[:, 0] ** 2, part[0] - x[0, 0] ** 2))
    True
    """
    background = x[np.linspace(0, len(x) - 1, min(rows, len(x))).astype(int)]
    total = np.zeros(len(x))
    for row in background:
        mixed = np.tile(row, (len(x), 1))
        mixed[:, list(group)] = x[:, list(group)]
        total += function(mixed)
    return total / len(background)
