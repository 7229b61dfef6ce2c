"""Engines: what no shape expresses, a curve or a head, is searched for as a formula.

What may live here: how a search engine (`srnet.search`) is asked in a readout, and how its formulas
become sums of terms that stand beside those of shapes.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import sympy
from jaxtyping import Float64
from numpy import ndarray

from sdnet.errors import InputError, nearest
from sdnet.syntax import real_value
from srnet.equations import complexity
from srnet.readout.leastsq import linear_fit
from srnet.readout.shapes import Shape
from srnet.readout.terms import Sum, Term
from srnet.search import ENGINES, in_table, installed, search

ROWS = 500  # that an engine looks at: its generations take as long as there are rows


@dataclass(frozen=True)
class Engine:
    """A search engine and how long it may take for each curve that it is asked for.

    Attributes:
        name: as for `srnet.search.search`. seconds, seed: of each search.
        max_size: nodes of a formula; with many, it draws the error of a network's curve too.

    Raises:
        InputError: a name of no engine.
    """

    name: str = "operon"
    seconds: float = 4.0
    seed: int = 0
    max_size: int = 20

    def __post_init__(self) -> None:
        if self.name not in ENGINES:
            raise InputError(f"the engine is {self.name!r}; {nearest(str(self.name), ENGINES)}")

    @property
    def usable(self) -> bool:
        """Whether it is installed.

        >>> Engine("pysr").usable in (True, False)
        True
        """
        return installed(self.name)


def searched(
    curve: Float64[ndarray, " n"],
    x: Float64[ndarray, "n d"],
    variables: Sequence[int],
    engine: Engine | None,
) -> list[sympy.Expr]:
    """The engine's formulas for a curve, of these columns of x; none without a usable engine.

    None either for a curve that is constant, or that no variable is left for.
    """
    if engine is None or not engine.usable or not len(variables):
        return []
    rows = np.unique(np.linspace(0, len(x) - 1, min(ROWS, len(x))).astype(int))
    columns, part = list(variables), curve[rows]
    if np.ptp(part) == 0:
        return []
    found = search(
        x[rows][:, columns],
        part,
        engine=engine.name,
        seconds=engine.seconds,
        seed=engine.seed,
        max_size=engine.max_size,
    )
    return [in_table(formula, columns) for formula in found]


def searched_sums(
    curve: Float64[ndarray, " n"],
    x: Float64[ndarray, "n d"],
    variables: Sequence[int],
    engine: Engine | None,
) -> Iterator[Sum]:
    """The formulas of `searched` as sums; those without finite values are left out."""
    for formula in searched(curve, x, variables, engine):
        if (found := as_sum(formula, x, curve)) is not None:
            yield found


def as_sum(
    formula: sympy.Expr, x: Float64[ndarray, "n d"], y: Float64[ndarray, " n"]
) -> Sum | None:
    """A formula as offset + sum of weight * term, its offset and weights fitted to y.

    The numbers within a term are the coefficients of its one shape, so that the sum's size counts
    them. None for a formula that isn't finite on every row, or can't be computed.

    >>> x0 = sympy.Symbol("x0", real=True)
    >>> x = np.linspace(-1, 1, 50)[:, None]
    >>> found = as_sum(2.5 * sympy.sin(2.0 * x0) + x0**2 - 1.0, x, x[:, 0] ** 2)
    >>> [str(term.shapes[0].expression) for term in found.terms], found.size
    (['x0**2', 'sin(c0*x0)'], 4)
    >>> found.weights.round(9) + 0.0, round(found.offset, 9) + 0.0
    (array([1., 0.]), 0.0)
    """
    parts = [p for p in sympy.Add.make_args(formula) if p.free_symbols]
    terms = [_as_term(part.as_independent(*part.free_symbols, as_Add=False)[1]) for part in parts]
    distinct = list({str(term.expression): term for term in terms}.values())
    try:
        found = linear_fit(distinct, x, y)
        if found is None and len(parts) > 1:  # parts that all but cancel are one
            found = linear_fit([_as_term(formula)], x, y)
    except (InputError, NotImplementedError, NameError, TypeError, AttributeError, ValueError):
        return None  # a function that torch lacks
    return found if found is not None and math.isfinite(found.misfit) else None


def _as_term(expression: sympy.Expr) -> Term:
    numbers: list[float] = []

    def shaped(part: sympy.Expr) -> sympy.Expr:
        if part.is_number and part.has(sympy.Float):
            numbers.append(real_value(part))
            return sympy.Symbol(f"c{len(numbers) - 1}", real=True)
        return part.func(*map(shaped, part.args)) if part.args else part

    shape = shaped(expression)
    symbols = tuple(sympy.Symbol(f"c{i}", real=True) for i in range(len(numbers)))
    vector = np.array(numbers, dtype=np.float64)
    return Term((Shape(shape, symbols, vector[None], cost=complexity(expression)),), (vector,))
