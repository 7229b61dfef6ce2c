"""Naming: which shape, or sum of few shapes, one curve of a trained network is, and how surely.

What may live here: the rules by which formulas of one curve are compared. What is done with the
named curves of all latents is in `srnet.readout.latents`.

The error of a trained network's curve is neither small nor white: it is off by a hundredth or more
of its deviation, and smoothly so. Three rules keep a name from naming that error: misfits below
ERROR count as equal, the points count as no more than POINTS independent ones, and a term more is
taken only where no shorter sum comes within EXPRESSED.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from srnet.readout.bank import Bank
from srnet.readout.leastsq import fit_added, linear_fit
from srnet.readout.selection import Search
from srnet.readout.terms import Sum, Term

ERROR = 1e-2  # of a curve's deviation, which a network's curve is off by
POINTS = 50  # independent values that a network's smooth error has, at most
MARGIN = 10.0  # in BIC: very strong evidence (Kass and Raftery, 1995)
EXPRESSED = 0.1  # of a curve's deviation: a formula that misses more doesn't express it
LARGE = 10.0  # times the curve's deviation: terms that are larger cancel each other
SHAPES, STARTS = 8, 2  # shapes whose coefficients are fitted to a curve, and starts of each
STEPS = 40  # of such a fit
TERMS = 3  # of a sum, at most


@dataclass(frozen=True, eq=False)
class Naming:
    """The best formula of a curve, offset + sum of weight * term, and the best of other shapes.

    Attributes:
        bic: of the best, see `curve_bic`.
        margin: how much more the rival has; infinite if there is none.
    """

    found: Sum
    rival: Sum | None
    bic: float
    margin: float


def curve_bic(found: Sum, variance: float, points: int) -> float:
    """m log(max(misfit / variance, ERROR^2)) + size log m with m = min(points, POINTS).

    Less is better. Source: Schwarz (1978), with the floor and the points of a network's curve.
    """
    points = min(points, POINTS)
    relative = max(found.misfit / max(variance, 1e-300), ERROR**2)
    return points * math.log(relative) + found.size * math.log(points)


def name_curve(
    curve: Float64[ndarray, " n"],
    x: Float64[ndarray, "n d"],
    bank: Bank,
    scores: Float64[ndarray, " m"],
) -> Naming:
    """The naming of least BIC.

    Candidates are a constant; single shapes, fitted from the starts of the largest scores (one
    for each entry of the bank); and where none of them expresses the curve, sums of shapes, the
    shortest that do. The rival is neither the best with further terms, nor a formula of more
    coefficients that draws the same curve, on the points and twice as far out: sin(c*x) with a
    small c is x.
    """
    variance = float(curve.var())

    def rank(found: Sum) -> tuple[float, int, float]:
        return curve_bic(found, variance, len(x)), found.cost, found.misfit

    candidates = [linear_fit([], x, curve)]
    if np.ptp(curve) > 0 and bank.entries:
        candidates += _single(curve, x, bank, scores)
        if not _expressing(candidates, variance):
            longer = Search(x, curve, bank, beam=2, kinds=6, max_terms=TERMS, precision=ERROR).run()
            candidates += [each for found in longer for each in _simpler(found, curve, x, bank)]
    candidates = [found for found in candidates if _sound(found, variance, x)]
    expressing = _expressing(candidates, variance)
    shortest = min((len(found.terms) for found in expressing), default=TERMS)
    candidates = [found for found in candidates if len(found.terms) <= shortest]
    best, *others = sorted(candidates, key=rank)
    rival = next((other for other in others if _is_other(other, best, x, variance)), None)
    margin = math.inf if rival is None else rank(rival)[0] - rank(best)[0]
    return Naming(best, rival, rank(best)[0], margin)


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


def _single(
    curve: Float64[ndarray, " n"],
    x: Float64[ndarray, "n d"],
    bank: Bank,
    scores: Float64[ndarray, " m"],
) -> Iterator[Sum]:
    """The best shapes by the scores of their starts, each fitted from its best starts."""
    chosen: dict[str, int] = {}
    q = np.full((len(x), 1), len(x) ** -0.5)
    for row in np.argsort(-scores, kind="stable"):
        shape, start = bank.entries[row]
        if chosen.get(shape.name, 0) == STARTS:
            continue
        if shape.name not in chosen and len(chosen) == SHAPES:
            return
        chosen[shape.name] = chosen.get(shape.name, 0) + 1
        term, _ = fit_added(q, curve - curve.mean(), Term((shape,), (start,)), x, STEPS)
        term = term.tidied()
        if term and term.within and (found := linear_fit([term], x, curve)):
            yield found


def _is_other(other: Sum, best: Sum, x: Float64[ndarray, "n d"], variance: float) -> bool:
    """Whether it is more than the best with further terms or coefficients that change little."""
    if {term.kind for term in best.terms} <= {term.kind for term in other.terms}:
        return False
    if other.size <= best.size:
        return True
    far = np.concatenate([x, 2 * x])
    allowed = 3 * math.sqrt(max(best.misfit, ERROR**2 * variance))
    with np.errstate(all="ignore"):
        values, theirs = best.values(far), other.values(far)
        return not bool(np.sqrt(np.mean((theirs - values) ** 2)) <= allowed)
