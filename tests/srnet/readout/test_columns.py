"""Terms at fixed points: their values and slopes by hand, whatever was asked before."""

import numpy as np
import sympy

from srnet.readout.columns import Column
from srnet.readout.shapes import Shape
from srnet.readout.terms import Term

X0, X1, C0 = sympy.symbols("x0 x1 c0", real=True)
X = np.random.default_rng(0).standard_normal((20, 2))
A, B = X.T
SINE, WAVE = Shape(sympy.sin(C0 * X0), (C0,)), Shape(sympy.exp(C0 * X1), (C0,))
PRODUCT = Term((SINE, Shape(X1**2), WAVE), (np.ones(1), np.zeros(0), np.ones(1)))


def expected(a, b):
    values = np.sin(a * A) * B**2 * np.exp(b * B)
    return values, A * np.cos(a * A) * B**2 * np.exp(b * B), B * values


def test_values_and_slopes_of_a_product():
    column, vector = Column(PRODUCT, X), np.array([2.0, 0.5])
    values, by_sine, by_wave = expected(2.0, 0.5)
    np.testing.assert_allclose(column.values(vector), values, rtol=1e-14)
    np.testing.assert_allclose(column.slopes(vector), [by_sine, by_wave], rtol=1e-14)


def test_a_vector_that_changes_in_place_is_another_one():
    column, vector = Column(PRODUCT, X), np.array([2.0, 0.5])
    column.values(vector)
    vector[:] = 3.0, -1.0
    values, by_sine, by_wave = expected(3.0, -1.0)
    np.testing.assert_allclose(column.slopes(vector), [by_sine, by_wave], rtol=1e-14)
    np.testing.assert_allclose(column.values(vector), values, rtol=1e-14)


def test_what_was_returned_stays_as_it_was():
    column = Column(PRODUCT, X)
    first = column.values(np.array([2.0, 0.5]))
    kept = first.copy()
    column.values(np.array([1.0, 0.5]))
    np.testing.assert_array_equal(first, kept)


def test_a_term_without_coefficients_is_its_values():
    column = Column(Term((Shape(X0), Shape(X1**2)), (np.zeros(0), np.zeros(0))), X)
    np.testing.assert_allclose(column.values(np.zeros(0)), A * B**2, rtol=1e-14)
    assert column.slopes(np.zeros(0)) == []
