"""Naming: which shape, or short formula of shapes, one curve of a trained network is, how surely.

What may live here: the rules by which formulas of one curve are compared. What is done with the
named curves of all latents is in `srnet.readout.latents`.

The error of a trained network's curve is neither small nor white: it is off by a hundredth or more
of its deviation, and smoothly so. Three rules keep a name from naming that error: misfits below
ERROR count as equal, the points count as no more than POINTS independent ones, and a shape more is
taken only where no formula of fewer shapes comes within EXPRESSED.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from srnet.equations import complexity
from srnet.readout.bank import Bank
from srnet.readout.leastsq import fit_added, linear_fit
from srnet.readout.selection import Search
from srnet.readout.terms import Sum, Term

ERROR = 1e-2  # of a curve's deviation, which a network's curve is off by
POINTS = 50  # independent values that a network's smooth error has, at most
MARGIN = 10.0  # in BIC: very strong evidence (Kass and Raftery, 1995)
EXPRESSED = 0.1  # of a curve's deviation: a formula that misses more doesn't express it
LARGE = 10.0  # times the curve's deviation: terms that are larger cancel each other
SHAPES, STARTS = 8, 2  # kinds of term whose coefficients are fitted to a curve, and starts of each
PRODUCTS = 200  # starts of products that are looked through for these
STEPS = 40  # of such a fit
ROUNDING = 1e-9  # of a curve's deviation: formulas that differ by less are the same
TERMS = 3  # of a sum, at most


@dataclass(frozen=True, eq=False)
class Naming:
    """The best formula of a curve, offset + sum of weight * term, and the best of other shapes.

    Attributes:
        bic: of the best, see `curve_bic`.
        margin: how much more the rival has; infinite if there is none.
        other: whether the best is one of the formulas found elsewhere.
    """

    found: Sum
    rival: Sum | None
    bic: float
    margin: float
    other: bool = False


def curve_bic(found: Sum, variance: float, points: int, size: int | None = None) -> float:
    """m log(max(misfit / variance, ERROR^2)) + size log m with m = min(points, POINTS).

    Less is better. The size is how many numbers were fitted, if no other is given. Source: Schwarz
    (1978), with the floor and the points of a network's curve.
    """
    points = min(points, POINTS)
    relative = max(found.misfit / max(variance, 1e-300), ERROR**2)
    return points * math.log(relative) + (found.size if size is None else size) * math.log(points)


def name_curve(
    curve: Float64[ndarray, " n"],
    x: Float64[ndarray, "n d"],
    bank: Bank,
    scores: Float64[ndarray, " m"],
    others: Iterable[Sum] = (),
) -> Naming:
    """The naming of least BIC.

    Candidates are a constant; single shapes, fitted from the starts of the largest scores (one
    for each entry of the bank); where none of them expresses the curve, products of two shapes, as
    far as the bank admits them, and sums; of these the ones of the fewest shapes that do. Where
    none does, `others` compete too: formulas found elsewhere, asked for only then. As any function
    may stand in these, each node of a formula then counts as a fitted number. The rival is neither
    the best with further terms, nor a formula of more coefficients that draws the same curve, on
    the points and twice as far out: sin(c*x) with a small c is x.
    """
    variance, elsewhere = float(curve.var()), []

    def rank(found: Sum) -> tuple[float, int, float]:
        size = complexity(found.expression) if elsewhere else None
        return curve_bic(found, variance, len(x), size), found.cost, found.misfit

    candidates = [linear_fit([], x, curve)]
    if np.ptp(curve) > 0 and bank.entries:
        candidates += _fitted(_starts(bank, scores), curve, x)
        if not _expressing(candidates, variance):
            candidates += _longer(curve, x, bank, variance)
    candidates = [found for found in candidates if _sound(found, variance, x)]
    expressing = _expressing(candidates, variance)
    if expressing:
        fewest = min(map(_length, expressing))
        candidates = [found for found in candidates if _length(found) <= fewest]
    else:
        elsewhere = [found for found in others if _sound(found, variance, x)]
        candidates += elsewhere
    best, *rest = sorted(candidates, key=rank)
    rival = next((other for other in rest if _is_other(other, best, x, variance)), None)
    margin = math.inf if rival is None else rank(rival)[0] - rank(best)[0]
    other = any(best is each for each in elsewhere)
    return Naming(best, rival, rank(best)[0], margin, other)


def _length(found: Sum) -> int:
    """How many shapes it has: a product of two is as long as a sum of two."""
    return sum(len(term.shapes) for term in found.terms)


def _expressing(candidates: list[Sum], variance: float) -> list[Sum]:
    return [found for found in candidates if found.misfit <= EXPRESSED**2 * variance]


def _sound(found: Sum, variance: float, x: Float64[ndarray, "n d"]) -> bool:
    sizes = [abs(w) * t.values(x).std() for w, t in zip(found.weights, found.terms, strict=True)]
    return bool(max(sizes, default=0.0) <= LARGE * math.sqrt(variance))


def _simpler(
    found: Sum, curve: Float64[ndarray, " n"], x: Float64[ndarray, "n d"], bank: Bank
) -> Iterator[Sum]:
    """The sum; and sums with some of its terms left out or replaced by shapes of no coefficient."""
    plain = [Term((shape,), (c,)) for shape, c in bank.entries if not shape.size]
    choices = [
        [term, None, *(p for p in plain if term.size and p.variables == term.variables)]
        for term in found.terms
    ]
    yield found
    for chosen in product(*choices):
        simpler = linear_fit([term for term in chosen if term], x, curve)
        if simpler:
            yield simpler


def _longer(
    curve: Float64[ndarray, " n"], x: Float64[ndarray, "n d"], bank: Bank, variance: float
) -> list[Sum]:
    """Products of two shapes, where the bank admits them; sums of shapes; sums with products.

    Each only where what stands before it doesn't do: products up to a network's error, since a sum
    of two is as long.
    """
    options = {"beam": 2, "kinds": 6, "max_terms": TERMS, "precision": ERROR}
    plain = replace(bank, pairs=np.zeros_like(bank.pairs), triples=())
    found = [*_fitted(_products(bank, curve), curve, x)] if bank.pairs.any() else []
    if any(one.misfit <= ERROR**2 * variance for one in found):
        return found
    for one in Search(x, curve, plain, **options).run():
        found += _simpler(one, curve, x, bank)
    if bank.pairs.any() and not _expressing(found, variance):
        found += Search(x, curve, bank, **options).run()
    return found


def _starts(bank: Bank, scores: Float64[ndarray, " m"]) -> Iterator[Term]:
    """The entries of a bank, those of the largest scores first."""
    for row in np.argsort(-scores, kind="stable"):
        shape, start = bank.entries[row]
        yield Term((shape,), (start,))


def _products(bank: Bank, curve: Float64[ndarray, " n"]) -> Iterator[Term]:
    """The products of two entries, those that explain most of the curve first."""
    q = np.full((len(curve), 1), len(curve) ** -0.5)
    terms = bank.candidates(q, curve - curve.mean(), PRODUCTS)
    return (term for term in terms if len(term.shapes) > 1)


def _fitted(
    starts: Iterable[Term], curve: Float64[ndarray, " n"], x: Float64[ndarray, "n d"]
) -> Iterator[Sum]:
    """The first kinds of term, each fitted from the first of its starts."""
    chosen: dict[tuple[str, ...], int] = {}
    q = np.full((len(x), 1), len(x) ** -0.5)
    for start in starts:
        if chosen.get(start.kind, 0) == STARTS:
            continue
        if start.kind not in chosen and len(chosen) == SHAPES:
            return
        chosen[start.kind] = chosen.get(start.kind, 0) + 1
        term, _ = fit_added(q, curve - curve.mean(), start, x, STEPS)
        term = term.tidied()
        if term and term.within and (found := linear_fit([term], x, curve)):
            yield found


def _is_other(other: Sum, best: Sum, x: Float64[ndarray, "n d"], variance: float) -> bool:
    """Whether it is more than the best with further terms or coefficients that change little."""
    if {term.kind for term in best.terms} <= {term.kind for term in other.terms}:
        return False
    far = np.concatenate([x, 2 * x])
    with np.errstate(all="ignore"):
        values, theirs = best.values(far), other.values(far)
        apart = float(np.sqrt(np.mean((theirs - values) ** 2)))
    if other.size <= best.size:
        return not apart <= ROUNDING * math.sqrt(variance)  # x0*(x1*x0) is x0**2*x1
    allowed = 3 * math.sqrt(max(best.misfit, ERROR**2 * variance))
    return not apart <= allowed
