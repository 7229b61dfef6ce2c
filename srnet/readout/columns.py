"""Columns: terms at fixed points as functions of their coefficients, for a fit that asks often.

What may live here: how the values and derivatives of a term are had cheaply. What has no
coefficient is computed once, and what was computed for a vector of coefficients is kept until the
next one.
"""

from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float64
from numpy import ndarray

from srnet.readout.terms import Term


class Column:
    """One term at the points x (n, d), as a function of its coefficients (p,).

    >>> import sympy
    >>> from srnet.readout.shapes import Shape
    >>> x0, c0 = sympy.symbols("x0 c0", real=True)
    >>> term = Term((Shape(x0), Shape(sympy.exp(c0 * x0), (c0,))), (np.zeros(0), np.ones(1)))
    >>> column = Column(term, np.array([[0.0], [1.0], [2.0]]))
    >>> column.values(np.zeros(1)), column.slopes(np.zeros(1))
    (array([0., 1., 2.]), [array([0., 1., 4.])])
    """

    def __init__(self, term: Term, x: Float64[ndarray, "n d"]):
        fixed = [shape.values(x, np.zeros((1, 0)))[0] for shape in term.shapes if not shape.size]
        self._fixed = np.prod([np.ones(len(x)), *fixed], axis=0)
        self._free = [(shape, shape.columns(x)) for shape in term.shapes if shape.size]
        ends = np.cumsum([0, *(shape.size for shape, _ in self._free)])
        self._places = [slice(*ends) for ends in pairwise(ends.tolist())]
        self._at: bytes | None = None

    def values(self, vector: Float64[ndarray, " p"]) -> Float64[ndarray, " n"]:
        """The term's values."""
        if self._at != vector.tobytes():
            self._at = vector.tobytes()
            numbers = torch.from_numpy(vector.copy())  # the caller's may change in place
            self._numbers = [numbers[place].unbind() for place in self._places]
            self._factors = [
                shape.compiled(*columns, *c)[0].numpy()
                for (shape, columns), c in zip(self._free, self._numbers, strict=True)
            ]
            self._values = self._fixed
            for factor in self._factors:
                self._values = self._values * factor
        return self._values

    def slopes(self, vector: Float64[ndarray, " p"]) -> list[Float64[ndarray, " n"]]:
        """The derivative by each coefficient."""
        self.values(vector)
        slopes = []
        for i, ((shape, columns), c) in enumerate(zip(self._free, self._numbers, strict=True)):
            rest = self._fixed
            for j, factor in enumerate(self._factors):
                rest = rest * factor if j != i else rest
            slopes.extend(s.numpy() * rest for s in shape.compiled_slopes(*columns, *c))
        return slopes
