"""Products and sums of shapes by hand; what becomes of shapes beyond their bounds."""

import numpy as np
import pytest
import sympy

from srnet.readout.shapes import ONE, Shape
from srnet.readout.terms import Sum, Term, design

X0, X1, C0 = sympy.symbols("x0 x1 c0", real=True)
X = np.random.default_rng(0).standard_normal((20, 2))
A, B = X.T
NONE = np.zeros(0)
LINE, SQUARE = Shape(X0), Shape(X1**2)
SINE = Shape(sympy.sin(C0 * X0), (C0,), bounds=(0.2, 8.0), limit=LINE, cost=2)
WAVE = Shape(sympy.exp(C0 * X1), (C0,), bounds=(0.1, 4.0), limit=ONE, cost=2)


def term(*parts):
    return Term(tuple(shape for shape, _ in parts), tuple(np.array(c, float) for _, c in parts))


def test_values_of_a_product():
    product = term((SINE, [2.0]), (SQUARE, []), (WAVE, [0.5]))
    np.testing.assert_allclose(product.values(X), np.sin(2 * A) * B**2 * np.exp(B / 2))


def test_what_a_product_is():
    product = term((SINE, [2.0]), (SQUARE, []), (WAVE, [0.5]))
    assert (product.size, product.cost, product.variables) == (2, 5, {0, 1})
    assert product.kind == term((WAVE, [9]), (SINE, [9]), (SQUARE, [])).kind
    assert product.expression == sympy.sin(2.0 * X0) * X1**2 * sympy.exp(0.5 * X1)
    np.testing.assert_array_equal(product.vector, [2.0, 0.5])
    np.testing.assert_array_equal(product.moved(np.array([3.0, -1.0])).vector, [3.0, -1.0])


def test_tidied_puts_the_limit_in_below_the_bounds():
    assert term((SINE, [0.1]), (SQUARE, [])).tidied().kind == ("x0", "x1**2")
    assert term((WAVE, [-0.05]), (LINE, [])).tidied().kind == ("x0",)
    assert term((WAVE, [0.05])).tidied() is None
    assert term((SINE, [-0.3])).tidied().kind == ("sin(c0*x0)",)


@pytest.mark.parametrize(("c", "inside"), [(0.1, False), (-0.3, True), (8.0, True), (-9.0, False)])
def test_within_is_about_the_size_of_the_coefficient(c, inside):
    assert term((SINE, [c])).within is inside
    assert term((SQUARE, []), (SINE, [c])).within is inside


def test_a_sum():
    found = Sum((term((LINE, [])), term((SINE, [3.0]))), 0.5, np.array([2.0, -1.0]), 0.25)
    np.testing.assert_allclose(found.values(X), 0.5 + 2 * A - np.sin(3 * A))
    assert (found.size, found.cost) == (4, 3)  # an offset, two weights, a frequency
    assert found.expression == 0.5 + 2.0 * X0 - 1.0 * sympy.sin(3.0 * X0)


def test_the_design_begins_with_ones():
    columns = design((term((SQUARE, [])),), X)
    np.testing.assert_array_equal(columns, np.stack([np.ones(20), B**2], 1))
    np.testing.assert_array_equal(design((), X), np.ones((20, 1)))
