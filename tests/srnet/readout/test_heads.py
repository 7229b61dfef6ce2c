"""Heads: linear ones by their weights; others by known functions of known latents."""

import math

import numpy as np
import pytest
import sympy

from sdnet.errors import InputError
from sdnet.formula import parse
from srnet.equations import evaluate
from srnet.readout import engines
from srnet.readout.engines import Engine
from srnet.readout.heads import finished, pure_latents, read_function, read_sum
from srnet.readout.latents import read_latents
from srnet.readout.naming import EXPRESSED
from srnet.readout.shapes import Shape

X0, X1, X2, C0 = sympy.symbols("x0 x1 x2 c0", real=True)
X = np.random.default_rng(0).standard_normal((200, 3))
A, B, C = X.T
COSINE = Shape(sympy.cos(C0 * X1), (C0,), np.linspace(0.2, 4, 20)[:, None], (0.1, 8), cost=2)
SHAPES = [Shape(X0**2), Shape(X0**3), COSINE, Shape(X0 * X1)]


def readings(*curves, shapes=SHAPES):
    return read_latents(list(curves), X, shapes)


# Linear heads


def test_the_sum_by_hand():
    total = read_sum(readings(2 * A**2 - 1, A * B), [3.0, -4.0], 0.5)
    assert sympy.nsimplify(total, tolerance=1e-9) == 6 * X0**2 - 4 * X0 * X1 - sympy.Rational(5, 2)


@pytest.mark.parametrize(
    ("weights", "offset"), [([1.0], 0.0), ([1, 2, np.nan], 0), ([1] * 3, math.inf)]
)
def test_a_head_that_does_not_fit_is_told(weights, offset):
    with pytest.raises(InputError, match="expected a finite number for each of the 3 latents"):
        read_sum(read_latents(np.ones((3, 200)), X, SHAPES), weights, offset)


# What the latents are


def test_scale_offset_constants_and_repetitions_go():
    found = readings(5 - 3 * A**2, np.full(200, 7.0), 0.1 * A * B + 2, A**2)
    assert pure_latents(found, X) == [X0**2, X0 * X1]


def test_a_sum_keeps_its_proportions():
    (pure,) = pure_latents(readings(6 * A**2 - 3 * A * B + 1), X)
    terms = sympy.nsimplify(pure, tolerance=1e-6).as_coefficients_dict()
    assert terms[X0**2] / terms[X0 * X1] == -2
    assert 1 in terms.values()


# Other heads


def law(text):
    return parse(text, {"x": 3})


@pytest.mark.parametrize(
    ("curves", "text"),
    [
        ([3 * A**2 - 1, 1 - A * B], "x0**2*x0*x1 + 0.5*x0**2"),  # a product, and a sum
        ([2 - A**2], "x0**4 - 2*x0**2"),
        ([A**2 + 1, B], "exp(0.5*x1 - 0.25*x0**2)"),
        ([A, B], "sin(2*x0)*x1"),
    ],
)
def test_f_is_found_over_latents_of_any_scale(curves, text):
    """Of latents a*t + b it is found in t; the formula is of the inputs, with short numbers."""
    y = evaluate(law(text), X)
    first, *_ = read_function(readings(*curves), X, y, seconds=20)
    assert sympy.simplify(first.expression - sympy.nsimplify(law(text))) == 0
    assert first.left < 1e-9
    assert first.way == "network"


def test_constants_of_the_latents_are_refined_with_those_of_f():
    """The network's frequency is off by a hundredth; the data say what it is."""
    y = evaluate(law("cos(2*x1)**2 + x0**2*cos(2*x1)"), X)
    found = readings(np.cos(2.02 * B), A**2)
    first, *_ = read_function(found, X, y, seconds=20)
    np.testing.assert_allclose(evaluate(first.expression, X), y, atol=1e-8)


def test_of_a_mixed_latent_f_may_take_the_terms_apart():
    y = A**3 * np.cos(2 * B)  # of x0^3 + cos(2 x1) it is no function
    first, *_ = read_function(readings(A**3 + np.cos(2 * B)), X, y, seconds=20)
    assert first.expression == X0**3 * sympy.cos(2 * X1)


def test_what_f_cannot_express_is_said():
    """Of x0^2, x0^3 is no function; the mean is there, and what is left of y."""
    found = read_function(readings(A**2), X, A**3, seconds=0.5)
    assert all(each.left > EXPRESSED for each in found)
    mean = next(each for each in found if each.way == "mean")
    assert mean.left == pytest.approx(1)
    assert float(mean.expression) == pytest.approx(np.mean(A**3))
    for each in found:
        left = np.std(evaluate(each.expression, X) - A**3) / np.std(A**3)
        assert each.left == pytest.approx(left, rel=1e-6)
    assert [each.left for each in found] == sorted(each.left for each in found)


def test_dead_latents_make_a_constant():
    (only,) = read_function(readings(np.ones(200)), X, 2 * A, seconds=1)
    assert float(only.expression) == pytest.approx(2 * A.mean())


@pytest.mark.parametrize(("text", "calls"), [("x0**2 + x1", 0), ("tanh(3*x0*x1)", 1)])
def test_an_engine_is_asked_for_what_is_not_found(monkeypatch, text, calls):
    """It sees the latents' formulas, not the inputs."""
    asked = []

    def search(x, y, **options):
        asked.append(x)
        return [law("x0"), law("tanh(2.9*x0*x1)")]

    monkeypatch.setattr(engines, "search", search)
    monkeypatch.setattr(engines, "installed", lambda name: True)
    y = evaluate(law(text), X)
    curves = readings(A**2, B) if not calls else readings(1 - 2 * A, B)
    first, *_ = read_function(curves, X, y, seconds=1 if calls else 20, engine=Engine())
    assert len(asked) == calls
    np.testing.assert_allclose(evaluate(first.expression, X), y, atol=1e-8)
    if calls:
        assert first.way == "search"
        np.testing.assert_allclose(asked[0], X[:, :2])
        assert first.expression == law(text)


@pytest.mark.parametrize(
    ("x", "y"), [(X, A[:50]), (X, np.where(A > 1, np.nan, A)), (A, A), (X * np.inf, A)]
)
def test_rows_that_do_not_fit_are_told(x, y):
    with pytest.raises(InputError, match="expected finite numbers"):
        read_function(readings(A**2), x, y)


# Finishing


def test_a_formula_is_refined_and_written_short():
    found = finished(law("2.9*x0**2 + 0.9*cos(2.1*x1)"), X, 3 * A**2 + np.cos(2 * B), "network")
    assert found.expression == 3 * X0**2 + sympy.cos(2 * X1)
    assert found.left < 1e-9


def test_a_formula_that_misses_is_refined_only():
    y = A**3
    found = finished(law("1.5*x0"), X, y, "network")
    assert float(found.expression.coeff(X0)) == pytest.approx(A @ y / (A @ A))
    assert found.left > 0.1
