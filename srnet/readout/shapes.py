"""Shapes: templates up to scale and offset, computed for many coefficients at once.

What may live here: what a shape is, and the shapes of a library. The shapes that are tried where
no library is given are in `srnet.readout.generic`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
import sympy
import torch
from jaxtyping import Float64
from numpy import ndarray
from scipy.stats import norm, qmc

from sdnet.formula import derivatives, to_torch
from sdnet.template import Template

STARTS = 64  # draws of a library shape's coefficients, from which a fit begins
LIKELY = (0.02, 4.0)  # sizes of a coefficient that N(0,1) and U(0,1) make likely
COEFFICIENTS = ("N", "U", "c")  # the names' first letters: N(0,1), U(0,1), or of no stated law


@dataclass(frozen=True)
class Shape:
    """s(x; c), a template without the factor and the offset that a linear fit gives it.

    Attributes:
        expression: in x0, x1, ... and the coefficients.
        coefficients: the symbols c of which s is not linear, p of them.
        starts: values of c that a fit begins from, (m, p).
        bounds: of |c|, each coefficient's: beyond them the shape is no longer itself (sin(c x) with
            a tiny c is a line); None has no bounds.
        limit: the simpler shape that it becomes below its bounds; None: it may not go there.
        cost: how much it adds to the length of a formula.

    >>> x0, c0 = sympy.symbols("x0 c0", real=True)
    >>> shape = Shape(sympy.sin(c0 * x0), (c0,), np.array([[0.0], [1.0]]))
    >>> shape.values(np.array([[0.0], [np.pi / 2]]), shape.starts).round(6)
    array([[0., 0.],
           [0., 1.]])
    """

    expression: sympy.Expr
    coefficients: tuple[sympy.Symbol, ...] = ()
    starts: ndarray | None = None
    bounds: tuple[float, float] | None = None
    limit: "Shape | None" = None
    cost: int = 1

    def __getstate__(self) -> dict[str, object]:
        # Compiled formulas can't be pickled, but are made again.
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @cached_property
    def symbols(self) -> list[sympy.Symbol]:
        own = self.expression.free_symbols - set(self.coefficients)
        return sorted(own, key=lambda symbol: int(symbol.name[1:]))

    @cached_property
    def variables(self) -> tuple[int, ...]:
        """The inputs it uses, by their numbers."""
        return tuple(int(symbol.name[1:]) for symbol in self.symbols)

    @cached_property
    def name(self) -> str:
        return str(self.expression)

    @property
    def size(self) -> int:
        return len(self.coefficients)

    def values(
        self, x: Float64[ndarray, "n d"], c: Float64[ndarray, "m p"]
    ) -> Float64[ndarray, "m n"]:
        """s at n points for m rows of coefficients."""
        columns = self.columns(x)
        if self.size:
            columns += torch.as_tensor(c).T.unsqueeze(-1).unbind()
        return self.compiled(*columns)[0].numpy().reshape(-1, len(x))

    def columns(self, x: Float64[ndarray, "n d"]) -> list[torch.Tensor]:
        """The inputs that it uses, as `compiled` and `compiled_slopes` take them."""
        # A copy, since torch takes no read-only and no reversed arrays.
        return [torch.from_numpy(x[:, i].copy()) for i in self.variables]

    @cached_property
    def compiled(self) -> Callable[..., tuple[torch.Tensor, ...]]:
        """(s,) of the inputs that it uses and of its coefficients, as tensors that broadcast."""
        return to_torch([self.expression], [*self.symbols, *self.coefficients])

    @cached_property
    def compiled_slopes(self) -> Callable[..., tuple[torch.Tensor, ...]]:
        """The derivative of s by each of its coefficients, of the same."""
        partials = derivatives(self.expression, self.coefficients)
        return to_torch(partials, [*self.symbols, *self.coefficients])

    def at(self, c: Float64[ndarray, " p"]) -> sympy.Expr:
        """The formula with numbers for its coefficients."""
        numbers = dict(zip(self.coefficients, map(sympy.Float, map(float, c)), strict=True))
        return self.expression.xreplace(numbers)


ONE = Shape(sympy.Integer(1))  # what cos(c x) and exp(c x) become


def library_shapes(templates: Sequence[Template]) -> list[Shape]:
    """The shapes of a library's templates, each shape once, constants left out.

    A factor or a term of the coefficients alone is dropped, since a linear fit finds it. Starts
    are quantiles of N(0,1) and U(0,1), spread evenly (a Halton sequence where there are several).

    >>> from sdnet.library import SDData
    >>> library = SDData.from_lines(["5*N0*cos(6*U0*x1)", "N0*(x0 + 0.5*N1)**2 + N2"], "X07")
    >>> [shape.expression for shape in library_shapes(library.templates)]
    [cos(6*U0*x1), (0.5*N1 + x0)**2]
    """
    shapes: dict[sympy.Expr, Shape] = {}
    for template in templates:
        expression = _without_scale(template.expression)
        if expression is None or expression in shapes:
            continue
        symbols = sorted((s for s in expression.free_symbols if _drawn(s)), key=str)
        shapes[expression] = Shape(
            expression, tuple(symbols), _starts(symbols), LIKELY, cost=1 + len(symbols)
        )
    return list(shapes.values())


def _drawn(symbol: sympy.Symbol) -> bool:
    return symbol.name[0] in COEFFICIENTS


def _without_scale(expression: sympy.Expr) -> sympy.Expr | None:
    """Without the terms, then the factors, that no input enters; None for a constant."""
    inputs = {symbol for symbol in expression.free_symbols if not _drawn(symbol)}
    if not inputs:
        return None
    _, expression = expression.as_independent(*inputs, as_Add=True)
    _, expression = sympy.factor_terms(expression).as_independent(*inputs, as_Add=False)
    return expression


def _starts(symbols: Sequence[sympy.Symbol]) -> Float64[ndarray, "m p"]:
    if not symbols:
        return np.zeros((1, 0))
    if len(symbols) == 1:
        even = (np.arange(STARTS)[:, None] + 0.5) / STARTS
    else:
        even = qmc.Halton(len(symbols), scramble=False).random(STARTS + 1)[1:]
    normal = [symbol.name[0] == "N" for symbol in symbols]
    return np.where(normal, norm.ppf(even), even)
