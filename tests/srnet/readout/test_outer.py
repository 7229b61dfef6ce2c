"""Outer functions: each is undone by its inverse, tried where that is smoother, and found."""

import math

import numpy as np
import pytest
import sympy

from srnet.equations import evaluate
from srnet.readout.bank import make_bank
from srnet.readout.outer import OUTERS, _cubics, _roughness, _settled, _smooth_sides, composites
from srnet.readout.selection import Search
from srnet.readout.shapes import Shape
from srnet.readout.terms import Sum, Term

X0, X1 = sympy.symbols("x0 x1", real=True)
X = np.random.default_rng(0).standard_normal((200, 2))
A, B = X.T
SHAPES = [Shape(X0), Shape(X1), Shape(X0**2), Shape(X1**2), Shape(X0 * X1)]


def found(y):
    return composites(Search(X, y, make_bank(SHAPES, X)))


def error(formula, y):
    return np.sqrt(np.mean((evaluate(formula, X) - y) ** 2)) / y.std()


@pytest.mark.parametrize("outer", OUTERS, ids=lambda outer: outer.name)
def test_an_inverse_undoes_its_function(outer):
    s = np.linspace(0.1, 3, 50)
    y = evaluate(outer.forward(X0), s[:, None])
    assert outer.admits(y)
    np.testing.assert_allclose(outer.inverse(y), s, rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "y"),
    [("exp", [0.0, 1.0]), ("log", [0.0, 51.0]), ("sqrt", [-1.0, 1.0]), ("1/s", [-1.0, 1.0])],
)
def test_numbers_that_are_no_values_of_a_function_are_not_admitted(name, y):
    (outer,) = (outer for outer in OUTERS if outer.name == name)
    assert not outer.admits(np.array(y))


@pytest.mark.parametrize(
    ("law", "function"),
    [
        (sympy.exp(X0 * X1 - X0 / 2), sympy.exp),
        (sympy.log(X0**2 + 2 * X1**2 + 0.5), sympy.log),
        (sympy.sqrt(X0**2 + X1**2 + 1), sympy.Pow),
        (1 / (X0**2 + X1**2 + 1), sympy.Pow),
    ],
)
def test_functions_of_a_sum_are_found(law, function):
    y = evaluate(law, X)
    first = next(found(y))
    assert first.has(function)
    assert error(first, y) < 1e-9


@pytest.mark.parametrize("sign", [1, -1])
def test_a_square_is_found_with_both_of_its_sides(sign):
    """s = x0^2 + x1 - 0.5 is below 0 at a good part of the points."""
    s = A**2 + B - 0.5
    assert 0.2 < (s < 0).mean() < 0.8
    y = sign * s**2 + 3
    assert min(error(formula, y) for formula in found(y)) < 0.02  # the edge isn't met exactly


def test_what_is_smooth_already_has_no_outer_function():
    assert list(found(A**2 + A * B)) == []


def test_roughness_is_the_share_that_cubics_leave():
    q = _cubics(X)
    assert q.shape == (200, 10)
    assert _roughness(q, 3 + A - A**2 * B) == pytest.approx(0, abs=1e-25)
    rough = np.sign(np.random.default_rng(1).standard_normal(200))
    design = np.column_stack([A**i * B**j for i in range(4) for j in range(4 - i)])
    left = np.linalg.lstsq(design, rough)[1][0] / 200 / rough.var()
    assert _roughness(q, rough) == pytest.approx(left)


@pytest.mark.parametrize(("rows", "columns"), [(40, 10), (39, 6), (24, 6), (23, 3), (5, 3)])
def test_the_degree_falls_with_the_rows(rows, columns):
    """Polynomials of two variables of degree 3, 2, 1 have 10, 6, 3 terms, four rows for each."""
    assert _cubics(X[:rows]).shape == (rows, columns)


def test_the_sides_of_a_smooth_function_are_its_signs():
    s = A * B + 0.3 * A
    left, sides = _smooth_sides(X, _cubics(X), np.abs(s), math.inf)
    assert left == pytest.approx(0, abs=1e-25)
    assert abs(sides @ np.sign(s)) == 200


def test_sums_and_sides_settle():
    """From a sum near the root, whose sides are wrong at some points."""
    s = A + 0.5 * B
    near = Sum((Term((Shape(X0),), (np.zeros(0),)), Term((Shape(X1),), (np.zeros(0),))), 0.1,
               np.array([1.0, 0.3]), 0.0)  # fmt: skip
    wrong = (np.sign(near.values(X)) != np.sign(s)).sum()
    assert wrong > 5
    settled, sides = _settled(near, X, np.abs(s))
    np.testing.assert_array_equal(sides, np.sign(s))
    assert [settled.offset, *settled.weights] == pytest.approx([0, 1, 0.5], abs=1e-12)
