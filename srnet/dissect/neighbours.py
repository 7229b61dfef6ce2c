"""Mutual information of continuous variables from distances to nearest neighbours (KSG)."""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float64
from scipy.spatial import KDTree
from scipy.special import digamma
from torch import Tensor

from sdnet.errors import InputError

GRID = 2.0**36  # steps of a standard deviation
NOISE = 2**16  # steps, about 1e-6 standard deviations


def ksg(
    a: Float[Tensor, "n u"],
    b: Float[Tensor, "n v"],
    neighbours: int = 5,
    generator: torch.Generator | None = None,
) -> Float64[Tensor, "u v"]:
    """Mutual information of each column of a with each of b, by k nearest neighbours, in nats.

    I = psi(n) + psi(k) - mean of psi(n_a + 1) + psi(n_b + 1), where, for each example, r is its
    distance in the larger of both coordinates to its k-th neighbour, and n_a and n_b count the
    other examples that are nearer than r in a and in b: the first estimator of Kraskov, Stögbauer
    and Grassberger (2004). Results below 0 are left, as cutting them off would make a bias.

    Ties: the estimator is for values that all differ. A column with equal values, such as a ReLU's
    zeros, gets noise of 1e-6 of its standard deviation, drawn from the generator, which leaves the
    information of atoms and of mixtures as it is; other columns get none. A constant column has
    information 0 with any other.

    The information of a continuous variable with itself, or with a function of it, is infinite: the
    estimate is about psi(n) - psi(k) and grows with the examples.

    Distances are of columns scaled to the standard deviation 1 and rounded to 2**-36 of it, so that
    sums and differences of them are exact, and an example at the distance r is never counted as
    nearer. The neighbours come from scipy's `KDTree`, one for each pair of columns.

    Args:
        neighbours: k, from 1 to n - 1. Fewer: less bias, more spread.
        generator: what the noise follows from; None: of seed 0.

    Raises:
        InputError: too many neighbours for the examples, or none.

    >>> x = torch.arange(4.0)[:, None]
    >>> ksg(x, x, neighbours=1), ksg(x, torch.ones(4, 1), neighbours=1)  # psi(4) - psi(1), 0
    (tensor([[1.8333]], dtype=torch.float64), tensor([[0.]], dtype=torch.float64))
    """
    n = len(a)
    if not isinstance(neighbours, int) or not 1 <= neighbours < n:
        raise InputError(
            f"neighbours is {neighbours!r} for {n} examples; expected at least 1, and fewer than "
            "the examples"
        )
    generator = generator or torch.Generator().manual_seed(0)
    of_a, of_b = (_columns(side, generator) for side in (a, b))
    values = [[_information(x, y, neighbours) for y in of_b] for x in of_a]
    return torch.tensor(values, dtype=torch.float64, device=a.device)


class _Column(NamedTuple):
    """Whole numbers, sorted once for all pairs that they are in; None for a constant."""

    values: Float64[np.ndarray, " n"]
    ordered: Float64[np.ndarray, " n"]

    def nearer(self, radius: Float64[np.ndarray, " n"]) -> np.ndarray:
        """For each value how many are nearer to it than its radius, itself among them."""
        last = np.searchsorted(self.ordered, self.values + radius, side="left")
        return last - np.searchsorted(self.ordered, self.values - radius, side="right")


def _columns(a: Tensor, generator: torch.Generator) -> list[_Column | None]:
    columns = []
    for values in a.detach().cpu().double().numpy().T:
        levels = len(np.unique(values))
        if levels == 1:
            columns.append(None)
            continue
        grid = np.rint((values - values.mean()) / values.std() * GRID)
        if levels < len(values):
            grid += torch.randint(NOISE, grid.shape, generator=generator).numpy()
        columns.append(_Column(grid, np.sort(grid)))
    return columns


def _information(a: _Column | None, b: _Column | None, neighbours: int) -> float:
    if a is None or b is None:
        return 0.0
    points = np.stack([a.values, b.values], axis=1)
    # one more neighbour, since each point is the nearest to itself
    radius = KDTree(points).query(points, neighbours + 1, p=np.inf)[0][:, -1]
    apart = digamma(a.nearer(radius)) + digamma(b.nearer(radius))
    return float(digamma(len(points)) + digamma(neighbours) - apart.mean())
