"""Outer functions: targets y = F(s(x)) whose inner function s is a sum of terms.

For each F in a short list the target is taken back through F, u = F^-1(y), and s is searched for
as a sum that fits u. A square has two inverses: which of the two holds at a point is found
together with the sum. The list is short because products, powers of one variable and functions of
one variable are terms already.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import sympy
from jaxtyping import Float64
from numpy import ndarray
from sklearn.preprocessing import PolynomialFeatures

from srnet.readout.leastsq import fit_all
from srnet.readout.selection import Search
from srnet.readout.terms import Sum

MOST_INNER = 6  # terms of an inner sum
SIGN_ROUNDS = 30  # in which the sides of a square may still change, the sum staying
EDGE = 1e-3  # of a root, known as well as the edge, which no point meets exactly
ROUNDS = 3  # of a sum and the sides
THRESHOLDS = np.linspace(0.05, 0.95, 10)  # quantiles at which a side may begin


@dataclass(frozen=True)
class Outer:
    """An invertible F: its name, its inverse on the numbers it admits, and F itself."""

    name: str
    admits: Callable[[ndarray], bool]
    inverse: Callable[[ndarray], ndarray]
    forward: Callable[[sympy.Expr], sympy.Expr]


OUTERS = (
    Outer("exp", lambda y: bool(y.min() > 0), np.log, sympy.exp),
    Outer("log", lambda y: bool(np.ptp(y) < 50), np.exp, sympy.log),
    Outer("sqrt", lambda y: bool(y.min() >= 0), np.square, sympy.sqrt),
    Outer("1/s", lambda y: bool(y.min() > 0 or y.max() < 0), lambda y: 1 / y, lambda s: 1 / s),
)


def composites(search: Search, between: tuple[float, float] = (0.0, 1.0)) -> Iterator[sympy.Expr]:
    """Formulas F(s(x)) for the target of a search, the likeliest F first.

    An F is tried where u = F^-1(y) is smoother than y: the share of it that a cubic of the inputs
    leaves is less than that of y, the ratio of the two lying in the half-open interval `between`.
    The formulas are starting points: their constants fit u, not yet y.

    >>> from srnet.readout.bank import make_bank
    >>> from srnet.readout.generic import generic_shapes
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> y = np.sqrt(x[:, 0] ** 2 + x[:, 1] ** 2 + 1)
    >>> found = next(composites(Search(x, y, make_bank(generic_shapes(x), x))))
    >>> found.func, sympy.nsimplify(found**2, tolerance=1e-6)
    (<class 'sympy.core.power.Pow'>, x0**2 + x1**2 + 1)
    """
    y, q = search.y, _cubics(search.x)
    small = replace(search, beam=2, max_terms=MOST_INNER)
    roughness = _roughness(q, y)
    tried: list[tuple[float, Callable[[], sympy.Expr | None]]] = []
    for outer in OUTERS:
        if outer.admits(y):
            u = outer.inverse(y)
            tried.append((_roughness(q, u), partial(_inverted, replace(small, y=u), outer)))
    for sign in (1, -1):
        size = np.sqrt(sign * y - (sign * y).min())
        left, sides = _smooth_sides(search.x, q, size, search.deadline)
        tried.append((left, partial(_squared, replace(small, precision=EDGE), sign, size, sides)))
    for left, find in sorted(tried, key=lambda pair: pair[0]):
        near, far = (roughness * ratio for ratio in between)
        if time.monotonic() > search.deadline:
            return
        if near <= left < far and (found := find()) is not None:
            yield found


def _inverted(search: Search, outer: Outer) -> sympy.Expr | None:
    found = _best(search)
    return None if found is None else outer.forward(found.expression)


def _best(search: Search) -> Sum | None:
    return min(search.run(), key=search.score, default=None)


def _squared(search: Search, sign: int, size: ndarray, sides: ndarray) -> sympy.Expr | None:
    """sign * (s^2 + edge), s being found together with its sign at each point.

    The edge is the least value of sign * y, and size the root of what is above it.
    """
    found = None
    for _ in range(ROUNDS):
        found = _best(replace(search, y=sides * size))
        if found is None:
            return None
        previous = sides
        found, sides = _settled(found, search.x, size)
        if (sides == previous).all():
            break
    return sign * (found.expression**2 + float((sign * search.y).min()))


def _cubics(x: Float64[ndarray, "n d"]) -> Float64[ndarray, "n k"]:
    """An orthonormal basis of the polynomials of degree 3, or of a lower one where rows are few."""
    scaled = (x - x.mean(0)) / np.maximum(x.std(0), 1e-300)
    sizes = {k: math.comb(x.shape[1] + k, k) for k in (3, 2, 1)}
    degree = next((k for k, size in sizes.items() if size <= len(x) // 4), 1)
    return np.linalg.qr(PolynomialFeatures(degree).fit_transform(scaled))[0]


def _roughness(q: Float64[ndarray, "n k"], u: Float64[ndarray, " n"]) -> float:
    """The share of u's variance that the basis leaves."""
    return float(np.mean((u - q @ (q.T @ u)) ** 2) / max(float(u.var()), 1e-300))


def _smooth_sides(
    x: Float64[ndarray, "n d"],
    q: Float64[ndarray, "n k"],
    size: Float64[ndarray, " n"],
    deadline: float,
) -> tuple[float, Float64[ndarray, " n"]]:
    """Signs with which sides * size is smooth: |s| has a kink where s changes its sign, s has none.

    Tried are no change and a change at a threshold of a variable or a product of two, each
    improved by fitting a polynomial and taking its signs; those that leave least are returned, of
    those tried before the deadline.
    """
    starts = [np.ones(len(size))]
    starts += [
        np.where(column < level, -1.0, 1.0)
        for column in PolynomialFeatures(2, include_bias=False).fit_transform(x).T
        for level in np.quantile(column, THRESHOLDS)
    ]
    fitted = [_settle_sides(starts[0], q, size)]
    for sides in starts[1:]:
        if time.monotonic() > deadline:
            break
        fitted.append(_settle_sides(sides, q, size))
    return min(fitted, key=lambda pair: pair[0])


def _settle_sides(sides: ndarray, q: ndarray, size: ndarray) -> tuple[float, ndarray]:
    for _ in range(SIGN_ROUNDS):
        new = np.where(q @ (q.T @ (sides * size)) < 0, -1.0, 1.0)
        if (new == sides).all():
            break
        sides = new
    return _roughness(q, sides * size), sides


def _settled(
    found: Sum, x: Float64[ndarray, "n d"], size: Float64[ndarray, " n"]
) -> tuple[Sum, Float64[ndarray, " n"]]:
    """The sum's coefficients and the sides of the points in turn, until these stay."""
    sides = np.zeros(len(size))
    for _ in range(SIGN_ROUNDS):
        new = np.where(found.values(x) < 0, -1.0, 1.0)
        if (new == sides).all():
            break
        sides = new
        found = fit_all(found.terms, x, sides * size) or found
    return found, sides
