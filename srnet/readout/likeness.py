"""Likeness: how near the shapes of a bank come to many curves at once.

What may live here: comparisons of curves with shapes that need no naming: all starts with all
curves in one product, and the share of each curve that no shape explains.
"""

from collections.abc import Sequence
from itertools import combinations_with_replacement

import numpy as np
import sympy
from jaxtyping import Bool, Float64
from numpy import ndarray
from numpy.typing import ArrayLike
from threadpoolctl import threadpool_limits

from sdnet.errors import InputError
from srnet.readout.bank import Bank, make_bank
from srnet.readout.leastsq import fit_added
from srnet.readout.shapes import Shape
from srnet.readout.terms import Term

FITTED = 4  # shapes whose coefficients are fitted to a curve
STEPS = 15  # of such a fit


@threadpool_limits.wrap(limits=1)  # products this small are slower on several cores
def shares_left(
    curves: ArrayLike, x: ArrayLike, shapes: Sequence[Shape], masks: ArrayLike | None = None
) -> Float64[ndarray, " k"]:
    """For each curve min over shapes s and c, a, b of mean (curve - a s(x; c) - b)^2 / variance.

    Cheaper than `srnet.readout.latents.read_latents` and without names: of each curve, the
    coefficients of four shapes alone are fitted, those whose starts are most like it. A constant is
    explained by itself: its share is 0.

    Args, and what is raised: as for `read_latents`.

    >>> x0 = sympy.Symbol("x0", real=True)
    >>> x = np.linspace(-1, 1, 50)[:, None]
    >>> shares_left([3 * x[:, 0] ** 2 + 1, np.sign(x[:, 0])], x, [Shape(x0**2)]).round(2)
    array([0.  , 0.25])
    """
    curves, x, seen = checked(curves, x, masks)
    bank = make_bank(with_simple(shapes, x.shape[1]), x)
    scores = correlations(bank, curves)
    q = np.full((len(x), 1), len(x) ** -0.5)
    shares = []
    for curve, mask, score in zip(curves, seen, scores.T, strict=True):
        variance = float(curve.var())
        left = variance if np.ptp(curve) > 0 else 0.0
        for row in _best_rows(bank, score, mask):
            shape, start = bank.entries[row]
            term = Term((shape,), (start,))
            term, misfit = fit_added(q, curve - curve.mean(), term, x, STEPS)
            if not (term.within and np.isfinite(misfit)):
                misfit = variance * (1 - score[row] ** 2)  # the start's
            left = min(left, misfit)
        shares.append(left / variance if variance > 0 else 0.0)
    return np.array(shares, dtype=np.float64)


def _best_rows(bank: Bank, scores: Float64[ndarray, " m"], mask: Bool[ndarray, " d"]) -> list[int]:
    """The best start of each of the likest shapes of the inputs that a mask shows."""
    rows: dict[str, int] = {}
    for row in np.argsort(-scores, kind="stable"):
        shape, _ = bank.entries[row]
        if shape.name not in rows and all(mask[v] for v in shape.variables):
            rows[shape.name] = int(row)
        if len(rows) == FITTED:
            break
    return list(rows.values())


def with_simple(shapes: Sequence[Shape], inputs: int) -> list[Shape]:
    """The shapes, and of x_i and x_i*x_j those that aren't among them."""
    symbols = [sympy.Symbol(f"x{i}", real=True) for i in range(inputs)]
    products = [Shape(a * b) for a, b in combinations_with_replacement(symbols, 2)]
    simple = [*(Shape(symbol) for symbol in symbols), *products]
    names = {shape.name for shape in shapes}
    return [*shapes, *(shape for shape in simple if shape.name not in names)]


def correlations(bank: Bank, curves: Float64[ndarray, "k n"]) -> Float64[ndarray, "m k"]:
    """|corr| of every start of every shape with every curve."""

    def centred(rows: ndarray) -> ndarray:
        rows = rows - rows.mean(1, keepdims=True)
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-300)

    return np.abs(centred(bank.values.astype(np.float64)) @ centred(curves).T)


def checked(
    curves: ArrayLike, x: ArrayLike, masks: ArrayLike | None
) -> tuple[Float64[ndarray, "k n"], Float64[ndarray, "n d"], Bool[ndarray, "k d"]]:
    """Curves (k, n), points (n, d) and which inputs each curve may be of, (k, d).

    Raises:
        InputError: shapes that don't fit, numbers that aren't finite, fewer than 3 points.
    """
    try:
        curves, x = (np.array(values, dtype=np.float64) for values in (curves, x))
    except (TypeError, ValueError):
        raise InputError("curves and x must be arrays of numbers, (k, n) and (n, d)") from None
    if curves.ndim != 2 or x.ndim != 2 or curves.shape[1] != len(x) or len(x) < 3:
        raise InputError(
            f"curves have shape {curves.shape} and x {x.shape}, expected (k latents, n points) and "
            "(n points, d inputs) with at least 3 points"
        )
    if not (np.isfinite(curves).all() and np.isfinite(x).all()):
        raise InputError("curves and x have values that aren't finite, expected finite numbers")
    shape = (len(curves), x.shape[1])
    seen = np.ones(shape, dtype=bool) if masks is None else np.asarray(masks) != 0
    if seen.shape != shape:
        raise InputError(f"masks have shape {seen.shape}, expected (k latents, d inputs) = {shape}")
    return curves, x, seen
