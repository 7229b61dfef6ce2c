"""The shapes that are tried where no library is given: functions of one variable each.

Their products make the terms (see `srnet.readout.bank`). Coefficients are in units of the
variable's spread, so that the table's units do not matter.
"""

import numpy as np
import sympy
from jaxtyping import Float64
from numpy import ndarray
from scipy.stats import norm, qmc

from srnet.readout.shapes import ONE, Shape

QUADRATICS = 64  # starts of a quadratic's coefficients
POWERS = (1, 2, 3, 4)
FREQUENCIES = np.arange(0.25, 6.01, 0.25)  # radians per standard deviation
RATES = np.array([r for rate in np.arange(0.25, 2.01, 0.25) for r in (rate, -rate)])
WIDTHS = np.array([0.25, 0.5, 1.0, 2.0])
EXPONENTS = np.array([-1.0, -0.5, 0.25, 0.5, 1.5, 2.5])


def wave_shapes(x: Float64[ndarray, "n d"]) -> list[Shape]:
    """For each variable sin(q) and exp(q) of a quadratic q = c0 + c1 x + c2 x^2.

    >>> [str(shape.expression) for shape in wave_shapes(np.random.rand(9, 1))]
    ['sin(c0 + c1*x0 + c2*x0**2)', 'exp(c1*x0 + c2*x0**2)']
    """
    c = sympy.symbols("c0:3", real=True)
    even = norm.ppf(qmc.Halton(3, scramble=False).random(QUADRATICS + 1)[1:])
    shapes = []
    for i, spread in enumerate(x.std(0)):
        if spread == 0:
            continue
        v = sympy.Symbol(f"x{i}", real=True)
        starts = even * np.array([1.0, 1 / spread, 0.5 / spread**2])
        bent = c[1] * v + c[2] * v**2
        shapes.append(Shape(sympy.sin(c[0] + bent), c, starts, cost=7))
        shapes.append(Shape(sympy.exp(bent), c[1:], starts[:, 1:], cost=6))
    return shapes


def generic_shapes(x: Float64[ndarray, "n d"]) -> list[Shape]:
    """For each variable: powers, sin, cos, exp, a bell exp(-c x^2), |x|^c and log|x|.

    >>> {str(shape.expression) for shape in generic_shapes(np.random.rand(9, 1) + 1)} >= {
    ...     "x0**2", "sin(c0*x0)", "exp(c0*x0)", "Abs(x0)**c0", "log(Abs(x0))"}
    True
    """
    return [shape for i in range(x.shape[1]) for shape in _of_variable(i, x[:, i])]


def _of_variable(index: int, values: Float64[ndarray, " n"]) -> list[Shape]:
    spread = float(values.std())
    if spread == 0:
        return []
    x, c = sympy.Symbol(f"x{index}", real=True), sympy.Symbol("c0", real=True)
    powers = [Shape(x**k) for k in POWERS]

    def shape(expression, starts, low, high, limit=ONE, cost=2):
        return Shape(expression, (c,), starts[:, None], (low, high), limit, cost)

    shapes = [
        *powers,
        shape(sympy.sin(c * x), FREQUENCIES / spread, 0.2 / spread, 8 / spread, powers[0]),
        shape(sympy.cos(c * x), FREQUENCIES / spread, 0.2 / spread, 8 / spread),
        shape(sympy.exp(c * x), RATES / spread, 0.15 / spread, 4 / spread),
        shape(sympy.exp(-c * x**2), WIDTHS / spread**2, 0.1 / spread**2, 8 / spread**2),
    ]
    if (values != 0).all():
        size = sympy.Abs(x)
        shapes += [shape(size**c, EXPONENTS, 0.1, 5.0, cost=3), Shape(sympy.log(size), cost=2)]
        shapes.append(Shape(1 / x, cost=2))
    return shapes
