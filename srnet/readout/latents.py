"""Latents: what each latent unit of a network is, as a formula of the network's inputs.

What may live here: the readings of all latents, what they share, and their table. How one curve is
named is in `srnet.readout.naming`, what the head makes of the latents in `srnet.readout.heads`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import sympy
from jaxtyping import Float64
from numpy import ndarray
from numpy.typing import ArrayLike
from threadpoolctl import threadpool_limits

from sdnet.formula import to_text
from srnet.readout.bank import make_bank
from srnet.readout.engines import Engine, searched_sums
from srnet.readout.leastsq import linear_fit
from srnet.readout.likeness import checked, correlations, with_simple
from srnet.readout.naming import EXPRESSED, MARGIN, Naming, name_curve
from srnet.readout.shapes import Shape
from srnet.readout.terms import Sum, Term
from srnet.texttable import as_table

SAME = 0.999  # correlation of the same term in two latents


@dataclass(frozen=True, eq=False)
class LatentReading:
    """What one latent is.

    Attributes:
        latent: its number.
        found: the best formula, offset + sum of weight * term.
        rival: the best formula of other shapes; None if there is none.
        bic: of the best (`curve_bic`); margin: how much more the rival has, infinite without one.
        residual: the latent's values less the formula's, (n,).
        r2: the share of the latent's variance that the formula has; 1 for a constant latent.
        owners: for each term the number of the latent that it is counted to, which is another
            one where that has more of it.
        way: "shapes", or "search" where an engine found the formula.
    """

    latent: int
    found: Sum
    rival: Sum | None
    bic: float
    margin: float
    residual: Float64[ndarray, " n"]
    r2: float
    owners: tuple[int, ...]
    way: str = "shapes"

    @property
    def expression(self) -> sympy.Expr:
        return self.found.expression

    @property
    def expressed(self) -> bool:
        """Whether the formula misses less than a tenth of the latent's deviation."""
        return 1 - self.r2 <= EXPRESSED**2

    @property
    def decided(self) -> bool:
        """Whether the formula expresses the latent and no other comes within a BIC of 10."""
        return self.expressed and self.margin >= MARGIN


@threadpool_limits.wrap(limits=1)  # products this small are slower on several cores
def read_latents(
    curves: ArrayLike,
    x: ArrayLike,
    shapes: Sequence[Shape],
    masks: ArrayLike | None = None,
    *,
    products: bool = False,
    engine: Engine | None = None,
) -> list[LatentReading]:
    """For each latent the shape s with the best a*s(x; c) + b, or the best short sum of shapes.

    The starts of all shapes are compared with all latents in one product; then each latent is
    named by `name_curve`, from the shapes and the simple ones: x_i and x_i*x_j. What these do not
    express is searched for by the engine, whose formula is taken where it is worth its length. A
    term that two latents share is written as in the one of which it is the larger share, and
    counted to that.

    Args:
        curves: (k latents, n), finite. x: (n, d), finite.
        shapes: such as `library_shapes` or `generic_shapes` make.
        masks: (k, d), which inputs each latent sees (those whose entry isn't 0); None: all.
        products: whether products of two shapes are tried where no shape expresses a latent. The
            lines of a library are whole terms, generic shapes are the factors of terms.
        engine: takes its seconds for each latent that is left; None, or not installed: none is.

    Raises:
        InputError: shapes that don't fit, numbers that aren't finite, fewer than 3 points; an
            engine of no known name.

    >>> x0, c0 = sympy.symbols("x0 c0", real=True)
    >>> x = np.linspace(-2, 2, 50)[:, None]
    >>> shapes = [Shape(x0**2), Shape(sympy.sin(c0 * x0), (c0,), np.array([[1.0], [2.0], [4.0]]))]
    >>> square, wave = read_latents([3 * x[:, 0] ** 2 - 1, np.sin(2.2 * x[:, 0])], x, shapes)
    >>> (square.found.terms[0].expression, square.decided), wave.found.terms[0].vector.round(6)
    ((x0**2, True), array([2.2]))
    """
    curves, x, seen = checked(curves, x, masks)
    bank = make_bank(with_simple(shapes, x.shape[1]), x)
    scores = correlations(bank, curves)
    readings = []
    for latent, (curve, mask) in enumerate(zip(curves, seen, strict=True)):
        variables = np.flatnonzero(mask).tolist()
        within = bank.alone(variables)
        if products:
            within = replace(within, pairs=np.triu(~within.pairs))
        rows = [i for i, (s, _) in enumerate(bank.entries) if all(mask[v] for v in s.variables)]
        others = searched_sums(curve, x, variables, engine)  # asked only where they are needed
        naming = name_curve(curve, x, within, scores[rows, latent], others)
        way = "search" if naming.other else "shapes"
        readings.append(_reading(latent, naming, curve, x, way))
    return _shared_out(readings, curves, x)


def as_text(readings: Sequence[LatentReading]) -> str:
    """The readings as a table: latent, formula, R2, way, runner-up, margin, decided, and remarks.

    Numbers are cut to four digits.
    """
    return as_table(
        [
            {
                "latent": reading.latent,
                "formula": _short(reading.found),
                "R2": reading.r2,
                "way": reading.way,
                "runner-up": None if reading.rival is None else _short(reading.rival),
                "margin": reading.margin,
                "decided": "yes" if reading.decided else "no",
                "remark": _remark(reading),
            }
            for reading in readings
        ]
    )


def _remark(reading: LatentReading) -> str | None:
    if not reading.expressed:
        what = "no shape" if reading.way == "shapes" else "nothing found"
        return f"{what} expresses it: {math.sqrt(1 - reading.r2):.2g} of its deviation is left"
    others = [
        f"{_short_text(term.expression)} is counted to latent {owner}"
        for term, owner in zip(reading.found.terms, reading.owners, strict=True)
        if owner != reading.latent
    ]
    return "; ".join(others) or None


def _short(found: Sum) -> str:
    """Its text with four digits; an offset that is rounding isn't shown."""
    size = max(map(abs, found.weights), default=0.0)
    if abs(found.offset) <= 1e-9 * size:
        found = replace(found, offset=0.0)
    return _short_text(found.expression)


def _short_text(expression: sympy.Expr) -> str:
    def short(number: sympy.Float) -> sympy.Number:
        value = float(f"{float(number):.4g}")
        return sympy.Integer(int(value)) if value.is_integer() else sympy.Float(value)

    return to_text(expression.xreplace({f: short(f) for f in expression.atoms(sympy.Float)}))


def _reading(
    latent: int,
    naming: Naming,
    curve: Float64[ndarray, " n"],
    x: Float64[ndarray, "n d"],
    way: str,
) -> LatentReading:
    found = naming.found
    return LatentReading(
        latent,
        found,
        naming.rival,
        naming.bic,
        naming.margin,
        residual=curve - found.values(x),
        r2=_r2(found, curve),
        owners=(latent,) * len(found.terms),
        way=way,
    )


def _r2(found: Sum, curve: Float64[ndarray, " n"]) -> float:
    return 1 - found.misfit / float(curve.var()) if np.ptp(curve) > 0 else 1.0


def _shared_out(
    readings: Sequence[LatentReading],
    curves: Float64[ndarray, "k n"],
    x: Float64[ndarray, "n d"],
) -> list[LatentReading]:
    """The readings with each term that two latents share written as in the one that owns it."""
    terms = [(r, place, term) for r in readings for place, term in enumerate(r.found.terms)]

    def share(entry: tuple[LatentReading, int, Term]) -> float:
        reading, place, term = entry
        deviation = abs(reading.found.weights[place]) * term.values(x).std()
        return deviation / curves[reading.latent].std()

    owned: list[tuple[LatentReading, int, Term]] = []
    given: dict[tuple[int, int], tuple[int, Term]] = {}
    for reading, place, term in sorted(terms, key=share, reverse=True):
        same = (other for other in owned if _is_same(term, other[2], x))
        owner, _, theirs = next(same, (reading, place, term))
        given[reading.latent, place] = owner.latent, theirs
        if theirs is term:
            owned.append((reading, place, term))
    return [
        _rewritten(r, [given[r.latent, place] for place in range(len(r.owners))], curves, x)
        for r in readings
    ]


def _is_same(one: Term, other: Term, x: Float64[ndarray, "n d"]) -> bool:
    if one.kind != other.kind:
        return False
    return bool(abs(np.corrcoef(one.values(x), other.values(x))[0, 1]) >= SAME)


def _rewritten(
    reading: LatentReading,
    given: Sequence[tuple[int, Term]],
    curves: Float64[ndarray, "k n"],
    x: Float64[ndarray, "n d"],
) -> LatentReading:
    owners = tuple(owner for owner, _ in given)
    if all(owner == reading.latent for owner in owners):
        return reading
    curve = curves[reading.latent]
    found = linear_fit([term for _, term in given], x, curve)
    if found is None:  # the owner's terms all but cancel here
        return reading
    residual = curve - found.values(x)
    return replace(reading, found=found, residual=residual, r2=_r2(found, curve), owners=owners)
