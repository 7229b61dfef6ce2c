"""Formulas are written shorter and compute the same."""

import numpy as np
import pytest
import sympy

from srnet.equations import complexity, evaluate
from srnet.readout.compact import compact, squares

x0, x1, x2, x3, x4, x5 = sympy.symbols("x0:6", real=True)
sin, cos, exp = sympy.sin, sympy.cos, sympy.exp

SHORT = {
    "two squares": (x0 * x1 + cos(2 * x2)) ** 2 + (x3**2 - sin(1.5 * x4)) ** 2 - x5,
    "a difference of angles": sin(x0 - 2 * x1) * cos(x2) + 0.3 * (x2 + x3) ** 2 + exp(-(x3**2)),
    "a shifted square": 4 * (x0 + sin(x1) + 0.5) ** 2 + x2,
    "a negative square": x2 - 3 * (x0 - x1 * x2) ** 2,
    "an exponential squared": (exp(x0) + x1) ** 2,
    "powers of angles": sin(x0) ** 2 * cos(x1) ** 2 + x2**3,
    "a common factor": x0 * (sin(x1) + exp(x2)),
}


def spelled_out(expression: sympy.Expr) -> sympy.Expr:
    """As a search for sums finds it: multiplied out, with single sines and cosines."""
    sums = sympy.expand(expression, trig=False).replace(
        lambda e: e.is_Pow and e.exp == 2 and e.base.func in (sin, cos),
        lambda e: (1 + (1 if e.base.func is cos else -1) * cos(2 * e.base.args[0])) / 2,
    )
    return sympy.expand(sums.replace(sin, lambda u: sympy.expand_trig(sin(u))))


@pytest.mark.parametrize("name", SHORT)
def test_a_law_that_was_multiplied_out_comes_back(name):
    law = SHORT[name]
    found = compact(spelled_out(law))
    assert complexity(found) <= complexity(law)
    points = np.random.default_rng(0).normal(size=(50, 6))
    np.testing.assert_allclose(evaluate(found, points), evaluate(law, points), rtol=1e-12)


def test_what_is_short_stays_as_it_is():
    law = 1.2 * x0 * x1 + 0.7 * x3**2 + 2 * sin(2 * x2) - 1.5 * cos(2.5 * x4)
    assert compact(law) is law


def test_terms_that_share_a_factor_stay_terms():
    law = 2.9 * x0**3 * x1 + 1.08 * x0 * x1**4 + 4.36 * x0 * cos(3 * x0) + 1.46 * exp(x0)
    assert compact(law) is law


def test_exponents_that_are_decimals_stay_decimals():
    found = compact(1.5 * x0 * sympy.Abs(x1) ** 0.31 + 1.5 * x2 * sympy.Abs(x1) ** 0.31)
    assert str(found) == "1.5*(x0 + x2)*Abs(x1)**0.31"


def test_a_square_needs_every_product():
    """a^2 + b^2 + c^2 + 2ab + 2ac without 2bc is no square of a + b + c."""
    a, b, c = x0, sin(x1), exp(x2)
    almost = a**2 + b**2 + c**2 + 2 * a * b + 2 * a * c
    found = list(squares(almost))
    assert all(sympy.expand(form - almost) == 0 for form in found)
    assert {(a + b) ** 2 + c**2 + 2 * a * c, (a + c) ** 2 + b**2 + 2 * a * b} <= set(found)
    assert all(complexity(form) > complexity((a + b + c) ** 2) for form in found)


def test_products_of_opposite_sign_are_no_square():
    odd = x0**2 + 2 * x0 * x1 + x1**2 + 2 * x0 * x2 - 2 * x1 * x2 + x2**2
    for form in squares(odd):
        assert sympy.expand(form - odd) == 0
        assert complexity(form) > complexity((x0 + x1 + x2) ** 2)


def test_a_square_is_not_worth_long_numbers():
    assert compact(-0.628 * x0**4 + 0.363 * x0**2) == -0.628 * x0**4 + 0.363 * x0**2
    assert str(compact(0.09 * x0**2 + 0.036 * x0)) == "0.09*x0**2 + 0.036*x0"
    assert str(compact(sin(0.08 * x0**2 + 0.032 * x0 + 0.0132))) == "sin(0.08*(x0 + 0.2)**2 + 0.01)"


def test_powers_of_a_magnitude_share_the_smallest():
    found = compact(1.5 * x0 * sympy.Abs(x1) ** 0.31 + 1.5 * x2 * sympy.Abs(x1) ** 2.31)
    assert str(found) == "1.5*(x0 + x1**2*x2)*Abs(x1)**0.31"


def test_the_longest_formulas_are_left_alone():
    long = sympy.Add(*(sin(i * x0 + 0.1) * x1**i for i in range(2, 40)))
    assert compact(long) is long


def random_formula(random: np.random.Generator) -> sympy.Expr:
    def factor():
        x = (x0, x1, x2)[random.integers(3)]
        c = round(2 * float(random.normal()), 2)
        kinds = [x, x**2, x**3, sin(c * x), cos(c * x), exp(c * x), sympy.Abs(x) ** abs(c)]
        return kinds[random.integers(len(kinds))]

    terms = [
        round(float(random.normal()), 2) * sympy.Mul(*(factor() for _ in range(2)))
        for _ in range(random.integers(2, 6))
    ]
    return sympy.Add(*terms) ** random.integers(1, 3)


@pytest.mark.parametrize("seed", range(12))
def test_whatever_is_written_otherwise_computes_the_same(seed):
    formula = random_formula(np.random.default_rng(seed))
    points = np.random.default_rng(100).normal(size=(30, 3))
    values = evaluate(formula, points)
    np.testing.assert_allclose(
        evaluate(compact(formula), points), values, rtol=1e-9, atol=1e-9 * np.abs(values).max()
    )
