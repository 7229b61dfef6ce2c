"""Terms: products of shapes with their coefficients, and sums of terms with weights."""

from dataclasses import dataclass

import numpy as np
import sympy
from jaxtyping import Float64
from numpy import ndarray

from srnet.readout.shapes import ONE, Shape


@dataclass(frozen=True)
class Term:
    """s_1(x; c_1) * s_2(x; c_2) * ...: a product of one to three shapes.

    >>> x0, c0 = sympy.symbols("x0 c0", real=True)
    >>> term = Term((Shape(x0), Shape(sympy.exp(c0 * x0), (c0,))), (np.zeros(0), np.ones(1)))
    >>> term.expression
    x0*exp(1.0*x0)
    """

    shapes: tuple[Shape, ...]
    coefficients: tuple[ndarray, ...]  # a row (p,) for each shape

    @property
    def size(self) -> int:
        """How many nonlinear coefficients it has."""
        return sum(shape.size for shape in self.shapes)

    @property
    def cost(self) -> int:
        return sum(shape.cost for shape in self.shapes)

    @property
    def variables(self) -> frozenset[int]:
        return frozenset(v for shape in self.shapes for v in shape.variables)

    @property
    def kind(self) -> tuple[str, ...]:
        """What it is apart from its coefficients."""
        return tuple(sorted(shape.name for shape in self.shapes))

    @property
    def expression(self) -> sympy.Expr:
        parts = zip(self.shapes, self.coefficients, strict=True)
        return sympy.Mul(*(shape.at(c) for shape, c in parts))

    @property
    def vector(self) -> Float64[ndarray, " p"]:
        """All of its coefficients in one row."""
        return np.concatenate([np.zeros(0), *self.coefficients])

    def moved(self, vector: Float64[ndarray, " p"]) -> "Term":
        """The same term with other coefficients."""
        ends = np.cumsum([shape.size for shape in self.shapes])[:-1]
        return Term(self.shapes, tuple(np.split(vector, ends)))

    def values(self, x: Float64[ndarray, "n d"]) -> Float64[ndarray, " n"]:
        parts = zip(self.shapes, self.coefficients, strict=True)
        return np.prod([shape.values(x, c[None])[0] for shape, c in parts], axis=0)

    def tidied(self) -> "Term | None":
        """With every shape that left its bounds below replaced by its limit; None: a constant."""
        shapes, coefficients = [], []
        for shape, c in zip(self.shapes, self.coefficients, strict=True):
            if shape.limit is not None and abs(c[0]) < shape.bounds[0]:
                if shape.limit is ONE:
                    continue
                shape, c = shape.limit, np.zeros(0)
            shapes.append(shape)
            coefficients.append(c)
        return Term(tuple(shapes), tuple(coefficients)) if shapes else None

    @property
    def within(self) -> bool:
        """Whether no coefficient is beyond its bounds."""
        parts = zip(self.shapes, self.coefficients, strict=True)
        return all(
            shape.bounds is None
            or (bool(np.all(shape.bounds[0] <= abs(c))) and bool(np.all(abs(c) <= shape.bounds[1])))
            for shape, c in parts
        )


@dataclass(frozen=True)
class Sum:
    """b + sum of weight_i * term_i.

    Attributes:
        misfit: mean squared error on the points it was fitted to.
    """

    terms: tuple[Term, ...]
    offset: float
    weights: Float64[ndarray, " k"]
    misfit: float

    @property
    def size(self) -> int:
        """Fitted numbers: offset, weights and nonlinear coefficients."""
        return 1 + len(self.terms) + sum(term.size for term in self.terms)

    @property
    def cost(self) -> int:
        return sum(term.cost for term in self.terms)

    @property
    def expression(self) -> sympy.Expr:
        parts = zip(self.weights, self.terms, strict=True)
        summands = [sympy.Float(float(w)) * term.expression for w, term in parts]
        return sympy.Add(sympy.Float(self.offset), *summands)

    def values(self, x: Float64[ndarray, "n d"]) -> Float64[ndarray, " n"]:
        return design(self.terms, x) @ np.array([self.offset, *self.weights])


def design(terms: tuple[Term, ...], x: Float64[ndarray, "n d"]) -> Float64[ndarray, "n k"]:
    """The columns 1, term_1, term_2, ... at the points."""
    return np.column_stack([np.ones(len(x)), *(term.values(x) for term in terms)])
