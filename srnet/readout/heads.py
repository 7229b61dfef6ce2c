"""Heads: what a network makes of its latents, as a formula of its inputs.

What may live here: the two kinds of head. A linear one is read from its weights (`read_sum`). Any
other is a function f of the latents, which is not read from the network but fitted to the target
over the formulas of the latents (`read_function`): these have no noise, as the network's curves do.
"""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import sympy
from jaxtyping import Float64
from numpy import ndarray
from numpy.typing import ArrayLike
from threadpoolctl import threadpool_limits

from sdnet.errors import InputError
from srnet.equations import evaluate, pareto, scored
from srnet.readout.bank import make_bank
from srnet.readout.constants import refined, snapped
from srnet.readout.engines import Engine, searched
from srnet.readout.generic import generic_shapes
from srnet.readout.latents import LatentReading
from srnet.readout.naming import ERROR, EXPRESSED
from srnet.readout.outer import composites
from srnet.readout.selection import Search, criterion

ROWS = 2000  # that a search looks at; constants are refined on all
SHOWN = 3  # formulas of an engine that become candidates
MOST_TERMS = 10  # of f, if it is a sum of products
LIKELY = 0.07  # share of its roughness that an outer function must leave to be tried first
PRECISE = 1e-6  # of the target's deviation: a formula that misses less needs no rival
MOST_NUMBERS = 30  # that are made short
SAME = 1 - 1e-9  # correlation of two latents' formulas, above which they are one


@dataclass(frozen=True)
class HeadFormula:
    """A candidate y = f(latents), as a formula of the inputs, with the way it was found.

    left: the RMS error on the rows that it was fitted to, as a share of y's deviation.
    """

    expression: sympy.Expr
    way: str
    left: float


def read_sum(readings: Sequence[LatentReading], weights: ArrayLike, offset: float) -> sympy.Expr:
    """The formula of a network with a linear head, offset + sum of weights[j] * latent j.

    Raises:
        InputError: not one finite weight for each reading.

    >>> from srnet.readout.latents import read_latents
    >>> from srnet.readout.shapes import Shape
    >>> x0 = sympy.Symbol("x0", real=True)
    >>> x = np.linspace(-2, 2, 50)[:, None]
    >>> readings = read_latents([2 * x[:, 0] ** 2 + 1], x, [Shape(x0**2)])
    >>> sympy.nsimplify(read_sum(readings, [3.0], 0.5), tolerance=1e-9)
    6*x0**2 + 7/2
    """
    weights = np.asarray(weights, dtype=np.float64)
    if weights.shape != (len(readings),) or not np.isfinite([*weights, offset]).all():
        raise InputError(
            f"the head has weights {weights.tolist()} and offset {offset}, expected a finite "
            f"number for each of the {len(readings)} latents"
        )
    parts = [
        sympy.Float(float(weight)) * reading.expression
        for weight, reading in zip(weights, readings, strict=True)
    ]
    return sympy.Add(sympy.Float(float(offset)), *parts)


@threadpool_limits.wrap(limits=1)  # products this small are slower on several cores
def read_function(
    readings: Sequence[LatentReading],
    x: ArrayLike,
    y: ArrayLike,
    *,
    seconds: float = 20.0,
    engine: Engine | None = None,
) -> list[HeadFormula]:
    """Formulas y = f(t_1, t_2, ...) over the readings' formulas, written out in the inputs.

    A latent a*t + b is as good as t: f is sought over `pure_latents`, and over all their terms,
    each by itself, where a latent has several. It may be a sum of shapes and products of two, first
    of powers, then of sin, cos, exp, log and others; an outer function F of such a sum
    (`srnet.readout.outer`); or, where these leave more than 1e-2 of y's deviation, what the engine
    finds. The constants of f and of the latents are then refined together on the data and written
    short. What follows is left out once a formula is precise to 1e-6 of y's deviation.

    Args:
        x: (n, d) and y: (n,), the rows to fit to, finite.
        seconds: after which searches end with their step; the engine has its own.

    Returns:
        The candidates, that of the least error on these rows first; the mean, at least.

    Raises:
        InputError: x and y that don't fit each other, or that a formula can't be fitted to.

    >>> from srnet.readout.latents import read_latents
    >>> from srnet.readout.shapes import Shape
    >>> x0, x1 = sympy.symbols("x0 x1", real=True)
    >>> x = np.random.default_rng(0).normal(size=(100, 2))
    >>> curves = [1 - 3 * x[:, 0] ** 2, 0.1 * x[:, 1]]
    >>> readings = read_latents(curves, x, [Shape(x0**2)])
    >>> read_function(readings, x, 2 * x[:, 0] ** 2 * x[:, 1] - x[:, 1])[0].expression
    2*x0**2*x1 - x1
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if x.ndim != 2 or y.shape != x.shape[:1] or not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise InputError(
            f"x has shape {x.shape} and y {y.shape}, expected finite numbers, (n, d) and (n,)"
        )
    found = [finished(sympy.Float(float(y.mean())), x, y, "mean")]
    views, begun = _views(readings, x), time.monotonic()
    for count, latents in enumerate(views, 1):
        values = np.column_stack([evaluate(latent, x) for latent in latents])
        names = dict(zip(_symbols(len(latents)), latents, strict=True))
        deadline = begun + seconds * count / len(views)
        for way, enough, formulas in _ways(values, y, deadline, engine):
            for formula in formulas if min(map(_left, found)) > enough else ():
                found.append(finished(formula.xreplace(names), x, y, way))
                if found[-1].left <= PRECISE:
                    break
    return sorted(found, key=_left)


def _ways(
    z: Float64[ndarray, "n k"], y: Float64[ndarray, " n"], deadline: float, engine: Engine | None
) -> Iterator[tuple[str, float, Iterator[sympy.Expr]]]:
    """Each way to f(z): its name, what need not be left of y for it to be gone, its formulas."""
    z, y = z[:ROWS], y[:ROWS]
    shapes = generic_shapes(z)
    search = Search(z, y, make_bank(shapes, z, order=3), beam=2, max_terms=MOST_TERMS)
    powers = make_bank([shape for shape in shapes if not shape.size], z, order=3)
    begun = time.monotonic()

    def until(share: float) -> Search:
        return replace(search, deadline=begun + share * max(deadline - begun, 0.0))

    yield "network", PRECISE, _composites(until(1.0), (0.0, LIKELY))
    yield "network", PRECISE, _sums(replace(until(0.2), bank=powers))
    yield "network", PRECISE, _sums(until(0.6))
    yield "network", PRECISE, _composites(until(1.0), (LIKELY, 1.0))
    yield "search", ERROR, _searched(z, y, engine)


def _composites(search: Search, between: tuple[float, float]) -> Iterator[sympy.Expr]:
    """Outer functions, if there is time for them."""
    if time.monotonic() < search.deadline:
        yield from composites(search, between)


def _sums(search: Search) -> Iterator[sympy.Expr]:
    """The best sums of a search, if there is time for one.

    The latents' constants are the network's, so f may be the sum that is best at a network's
    precision; what a more precise one has beside it may draw their error.
    """
    if time.monotonic() < search.deadline:
        sums = search.run()
        for precision in (ERROR, search.precision):
            yield min(sums, key=lambda s: criterion(s, search.y, precision)).expression


def _searched(
    z: Float64[ndarray, "n k"], y: Float64[ndarray, " n"], engine: Engine | None
) -> Iterator[sympy.Expr]:
    """The most precise of the engine's formulas that no simpler one beats."""
    found = scored(searched(y, z, range(z.shape[1]), engine), z, y, "search")
    yield from (each.expression for each in pareto(found)[: -SHOWN - 1 : -1])


def finished(
    expression: sympy.Expr, x: Float64[ndarray, "n d"], y: Float64[ndarray, " n"], way: str
) -> HeadFormula:
    """The formula with its constants refined on the data and, where it expresses y, written short.

    The constants of a formula that misses y, or has very many, say nothing, and take minutes.

    >>> x0 = sympy.Symbol("x0", real=True)
    >>> x = np.linspace(-2, 2, 50)[:, None]
    >>> finished(2.9 * sympy.sin(1.1 * x0), x, 3 * np.sin(x[:, 0]), "network").expression
    3*sin(x0)
    """
    found = _judged(refined(expression, x, y), x, y, way)
    if found.left > EXPRESSED or len(_floats(found.expression)) > MOST_NUMBERS:
        return found
    return _judged(snapped(found.expression, x, y), x, y, way)


def _floats(expression: sympy.Expr) -> list[sympy.Float]:
    return [part for part in sympy.preorder_traversal(expression) if part.is_Float]


def _judged(
    expression: sympy.Expr, x: Float64[ndarray, "n d"], y: Float64[ndarray, " n"], way: str
) -> HeadFormula:
    with_loss = scored([expression], x, y, way)
    loss = with_loss[0].loss if with_loss else math.inf
    return HeadFormula(expression, way, math.sqrt(loss) / max(float(y.std()), 1e-300))


def _left(formula: HeadFormula) -> float:
    return formula.left


def _symbols(count: int) -> list[sympy.Symbol]:
    return [sympy.Symbol(f"x{i}", real=True) for i in range(count)]


def pure_latents(readings: Sequence[LatentReading], x: Float64[ndarray, "n d"]) -> list[sympy.Expr]:
    """What the latents are up to scale and offset: t of a*t + b, its first term with the factor 1.

    Constants are left out, and so is a latent whose t is that of one before it.

    >>> from srnet.readout.latents import read_latents
    >>> from srnet.readout.shapes import Shape
    >>> x0 = sympy.Symbol("x0", real=True)
    >>> x = np.linspace(-2, 2, 50)[:, None]
    >>> curves = [3 * x[:, 0] ** 2 - 1, 0 * x[:, 0] + 7, -x[:, 0] ** 2]
    >>> pure_latents(read_latents(curves, x, [Shape(x0**2)]), x)
    [x0**2]
    """
    pure = []
    for reading in readings:
        found = reading.found
        if found.terms:
            first, *rest = zip(found.weights, found.terms, strict=True)
            parts = [sympy.Float(float(w / first[0])) * term.expression for w, term in rest]
            pure.append(sympy.Add(first[1].expression, *parts))
    return _distinct(pure, x)


def _views(readings: Sequence[LatentReading], x: Float64[ndarray, "n d"]) -> list[list[sympy.Expr]]:
    """What f may be a function of: the latents and, where these are more, their terms; or none."""
    latents = pure_latents(readings, x)
    terms = [term.expression for reading in readings for term in reading.found.terms]
    terms = _distinct(terms, x)
    views = [latents, terms] if len(terms) > len(latents) else [latents]
    return views if latents else []


def _distinct(expressions: Sequence[sympy.Expr], x: Float64[ndarray, "n d"]) -> list[sympy.Expr]:
    kept: dict[sympy.Expr, ndarray] = {}
    for expression in expressions:
        values = evaluate(expression, x)
        values = (values - values.mean()) / max(float(values.std()), 1e-300)
        if not any(abs(np.mean(values * other)) > SAME for other in kept.values()):
            kept[expression] = values
    return list(kept)
