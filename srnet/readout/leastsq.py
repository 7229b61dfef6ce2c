"""Least squares of sums of terms: weights by a linear fit, coefficients by Levenberg-Marquardt.

Variable projection (Golub and Pereyra, 1973): the weights are eliminated, so that only the
nonlinear coefficients are searched; their Jacobian is Kaufman's (1975), P d(term) * weight with P
the projection off the columns of the fit.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from scipy.optimize import least_squares

from srnet.readout.columns import Column
from srnet.readout.terms import Sum, Term, design

CANCELLATION = 1e4  # a sum whose terms are so many times larger than itself is refused


def basis(terms: Sequence[Term], x: Float64[ndarray, "n d"]) -> Float64[ndarray, "n k"]:
    """An orthonormal basis of 1 and the terms at the points."""
    columns = design(tuple(terms), x)
    return np.linalg.qr(columns / np.linalg.norm(columns, axis=0))[0]


@np.errstate(all="ignore")  # what overflows is found not to be finite
def linear_fit(
    terms: Sequence[Term], x: Float64[ndarray, "n d"], y: Float64[ndarray, " n"]
) -> Sum | None:
    """The best offset and weights.

    None where a term isn't finite, the terms all but cancel, or rows are fewer than weights.
    """
    columns = design(tuple(terms), x)
    sizes = np.linalg.norm(columns, axis=0)
    if len(x) < columns.shape[1] or not np.isfinite(sizes).all() or not sizes.all():
        return None
    q, r = np.linalg.qr(columns / sizes)
    diagonal = np.abs(np.diag(r))
    if diagonal.min() < 1e-10:
        return None
    scaled = np.linalg.solve(r, q.T @ y)
    if np.abs(scaled).max() > CANCELLATION * np.linalg.norm(y):
        return None
    weights = scaled / sizes
    misfit = float(np.mean((y - columns @ weights) ** 2))
    return Sum(tuple(terms), float(weights[0]), weights[1:], misfit)


@np.errstate(all="ignore")  # what overflows is found not to be finite
def fit_added(
    q: Float64[ndarray, "n k"],
    residual: Float64[ndarray, " n"],
    term: Term,
    x: Float64[ndarray, "n d"],
    steps: int = 12,
) -> tuple[Term, float]:
    """The coefficients with which one more term leaves the least of a residual.

    q is the basis of what is there already and residual is orthogonal to it. Returns the term and
    the mean square that is left.
    """

    own = Column(term, x)

    def off(values: ndarray) -> ndarray:
        return values - q @ (values @ q)

    @_remembered
    def parts(vector: ndarray) -> tuple[ndarray, float, ndarray]:
        column = off(own.values(vector))
        square = column @ column
        weight = column @ residual / square if square > 0 else 0.0
        return column, weight, residual - weight * column

    def slopes(vector: ndarray) -> ndarray:
        column, weight, _ = parts(vector)
        partials = np.stack([off(s) for s in own.slopes(vector)], 1)
        return -weight * (partials - np.outer(column, column @ partials / (column @ column)))

    vector = levenberg_marquardt(lambda v: parts(v)[2], slopes, term.vector, steps)
    return term.moved(vector), float(np.mean(parts(vector)[2] ** 2))


@np.errstate(all="ignore")  # what overflows is found not to be finite
def fit_all(
    terms: Sequence[Term], x: Float64[ndarray, "n d"], y: Float64[ndarray, " n"], steps: int = 25
) -> Sum | None:
    """The best weights and coefficients of all terms together, from where the terms are."""
    owners = [Column(term, x) for term in terms]
    ends = np.cumsum([0, *(term.size for term in terms)])
    places = [slice(*pair) for pair in pairwise(ends.tolist())]
    columns = np.ones((len(x), 1 + len(terms)))

    @_remembered
    def parts(vector: ndarray) -> tuple[ndarray, ndarray, ndarray]:
        for i, (owner, place) in enumerate(zip(owners, places, strict=True), start=1):
            columns[:, i] = owner.values(vector[place])
        sizes = np.linalg.norm(columns, axis=0)
        q, r = np.linalg.qr(columns / sizes)
        if not np.isfinite(r).all():
            raise ValueError("a term isn't finite")
        projected = y @ q
        weights = np.linalg.lstsq(r, projected, rcond=1e-12)[0] / sizes
        return q, weights, y - q @ projected

    def slopes(vector: ndarray) -> ndarray:
        q, weights, _ = parts(vector)
        jacobian = np.empty((len(x), len(vector)))
        for weight, owner, place in zip(weights[1:], owners, places, strict=True):
            for i, slope in enumerate(owner.slopes(vector[place]), start=place.start):
                jacobian[:, i] = -weight * slope
        return jacobian - q @ (q.T @ jacobian)

    if not terms:
        return linear_fit([], x, y)
    start = np.concatenate([term.vector for term in terms])
    vector = levenberg_marquardt(lambda v: parts(v)[2], slopes, start, steps)
    moved = [term.moved(vector[place]) for term, place in zip(terms, places, strict=True)]
    return linear_fit(moved, x, y)


def _remembered(parts: Callable[[ndarray], tuple]) -> Callable[[ndarray], tuple]:
    """The function with its last value kept: residual and Jacobian are asked for one after another.

    The vector is copied, for the caller moves it in place.
    """
    last: dict[bytes, tuple] = {}

    def remembered(vector: ndarray) -> tuple:
        key = vector.tobytes()
        if key not in last:
            found = parts(vector)
            last.clear()
            last[key] = found
        return last[key]

    return remembered


def levenberg_marquardt(
    residual: Callable[[ndarray], Float64[ndarray, " n"]],
    slopes: Callable[[ndarray], Float64[ndarray, "n p"]],
    start: Float64[ndarray, " p"],
    steps: int,
) -> Float64[ndarray, " p"]:
    """Where the residual's square is least; the start where the way from it leaves the finite.

    slopes is the residual's Jacobian, and steps how often the residual may be computed.

    >>> found = levenberg_marquardt(lambda v: v**2 - 4, lambda v: np.diag(2 * v), np.ones(1), 20)
    >>> found.round(6)
    array([2.])
    """
    if not len(start):
        return start
    with np.errstate(all="ignore"):
        try:
            found = least_squares(
                residual,
                start,
                slopes,
                method="lm" if len(residual(start)) >= len(start) else "trf",
                x_scale="jac",
                max_nfev=steps,
                ftol=1e-15,
                xtol=1e-15,
                gtol=1e-15,
            )
        except (ValueError, np.linalg.LinAlgError):  # residuals or slopes that aren't finite
            return start
    return found.x
