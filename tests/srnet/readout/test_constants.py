"""Constants of laws that are known: found again, written as in the law, kept where they must be."""

import numpy as np
import pytest
import sympy

from sdnet.errors import InputError
from sdnet.formula import parse, to_text
from srnet.equations import evaluate
from srnet.readout.constants import refined, snapped

X = np.random.default_rng(0).standard_normal((300, 4))
X0, X1 = sympy.symbols("x0 x1", real=True)


def law(text):
    return parse(text, {"x": 4})


def values(text):
    return evaluate(law(text), X)


def loss(expression, y):
    return np.mean((evaluate(expression, X) - y) ** 2)


def test_refined_finds_all_constants_together():
    y = values("2.5*sin(1.7*x0) - 0.3*x1**2 + 0.125*exp(0.4*x2)")
    found = refined(law("2.0*sin(1.6*x0) - 0.5*x1**2 + 0.2*exp(0.3*x2)"), X, y)
    numbers = sorted(float(f) for f in found.atoms(sympy.Float))
    np.testing.assert_allclose(numbers, [-0.3, 0.125, 0.4, 1.7, 2.5], rtol=1e-9)


def test_refined_with_linear_constants_is_the_linear_fit():
    y = np.random.default_rng(1).standard_normal(300)
    found = refined(law("1.0*x0 + 0.5*cos(x1) + 0.1"), X, y)
    columns = np.stack([X[:, 0], np.cos(X[:, 1]), np.ones(300)], 1)
    left = np.linalg.lstsq(columns, y, rcond=None)[1][0] / 300
    assert loss(found, y) == pytest.approx(left, rel=1e-10)


def test_refined_moves_floats_in_exponents_but_no_whole_numbers_and_fractions():
    y = 1.5 * np.abs(X[:, 0]) ** 1.3 + X[:, 1] ** 2
    found = refined(law("1.2*abs(x0)**1.1 + 0.9*x1**2.0 + x2/3"), X, y + X[:, 2] / 3)
    ours = law("1.5*abs(x0)**1.3 + x1**2 + x2/3")
    assert loss(found, evaluate(ours, X)) < 1e-20
    assert {p.exp for p in found.atoms(sympy.Pow)} >= {sympy.Integer(2)}


def test_refined_moves_an_exponent_where_a_row_is_zero():
    x = np.vstack([X, np.zeros(4)])
    found = refined(law("1.1*abs(x0)**1.8"), x, 2 * np.abs(x[:, 0]) ** 1.5)
    np.testing.assert_allclose(sorted(map(float, found.atoms(sympy.Float))), [1.5, 2], rtol=1e-8)


@pytest.mark.parametrize("text", ["x0**2 + 1", "2.0*x0", "1.1*log(x0)", "sqrt(1.2*x1) + 0.5"])
def test_refined_leaves_what_it_cannot_improve(text):
    """No floats; the best already; values that aren't numbers."""
    expression = law(text)
    assert refined(expression, X, 2 * X[:, 0]) == expression


@pytest.mark.parametrize("text", ["1.1*log(x0)", "sqrt(1.2*x1) + 0.5", "0.3*x0**(3/2) + x0"])
def test_snapped_leaves_what_has_no_numbers(text):
    assert snapped(law(text), X, X[:, 0]) == law(text)


@pytest.mark.parametrize(
    ("start", "truth"),
    [
        ("4.3*x0 + 1.5*exp(1.01*x0) + 4.3*x0*cos(3.02*x0) + 2.8*x0**3*x1 + 0.01",
         "4.34*x0 + 1.46*exp(x0) + 4.36*x0*cos(3*x0) + 2.9*x0**3*x1"),
        ("0.7 - 0.8*cos(2.1*x0 + 0.01)", "3/4 - 3*cos(2*pi*x0/3)/4"),
        ("0.6*sin(1.01*x0) + 0.1*x1", "2*sin(x0)/3 + x1/7"),
        ("2.6*abs(x0)**1.9 + 0.9*sin(1.1*x1)", "2.7*x0**2 + sin(x1)"),
        ("0.9*abs(x0)**0.45", "sqrt(abs(x0))"),
        ("1.1*exp(0.9*x0) - 0.9*x1 + 0.1*x2", "exp(x0) - x1"),
        ("1.1*x0*x1/(1.2 + 0.9*x2**2)", "x0*x1/(x2**2 + 1)"),
        ("0.9*(1.2*x0 + 1.1*cos(2.1*x1))**2", "(x0 + cos(2*x1))**2"),
        ("1.1*x0 + 2.0*x1", "12345.5*x0 + 0.125*x1"),
        ("0.4*x0", "0"),
    ],
)  # fmt: skip
def test_snapped_writes_the_law_as_it_is(start, truth):
    found = snapped(law(start), X, values(truth))
    assert sympy.nsimplify(found - law(truth), rational=True).equals(0)
    assert len(to_text(found)) <= len(truth.replace(" ", "")) + 12  # no rows of digits
    assert not {1.0, -1.0, 2.0} & {float(f) for f in found.atoms(sympy.Float)}


def test_snapped_prints_short():
    y = values("4.34*sin(x0) + x1**2 - 0.31*x2")
    found = snapped(law("4.2*sin(1.02*x0) + 1.1*abs(x1)**2.05 - 0.3*x2 + 0.001*x3"), X, y)
    assert str(found) == "x1**2 - 0.31*x2 + 4.34*sin(x0)"


def test_a_number_that_nobody_would_write_keeps_its_digits():
    y = np.sqrt(2) * X[:, 0] + X[:, 1]
    found = snapped(law("1.3*x0 + 1.1*x1"), X, y)
    assert np.sqrt(loss(found, y)) <= 1e-9 * y.std()
    assert float(found.coeff(X0)) == pytest.approx(np.sqrt(2), rel=1e-8)


def test_terms_that_are_rounding_go():
    y = values("3*x0*x1")
    found = snapped(law("2.9*x0*x1 + 1e-12*x2 - 1e-11*cos(0.5*x3) + 1e-13"), X, y)
    assert found == law("3*x0*x1")


@pytest.mark.parametrize("noise", [0.01, 0.05])
@pytest.mark.parametrize("seed", range(3))
def test_with_noise_the_simplest_number_that_fits_is_taken(noise, seed):
    """The law's own numbers are what noise can't tell from the fitted ones."""
    truth = "2.7*x0**2 + 5*cos(3*x1) + 4.5*x0*x1"
    y = values(truth)
    y = y + noise * y.std() * np.random.default_rng(seed).standard_normal(300)
    found = snapped(law("2.6*x0**2 + 4.9*cos(2.98*x1) + 4.4*x0*x1 + 0.1*x0 - 0.1"), X, y)
    terms = found.as_coefficients_dict()
    assert set(map(str, terms)) >= {"x0**2", "x0*x1"}
    assert len(terms) == 3
    best = loss(refined(found.xreplace({n: n.evalf() for n in found.atoms(sympy.Integer)
                                        if n not in (2,)}), X, y), y)  # fmt: skip
    assert loss(found, y) <= best * (1 + 25 / 300)  # 99 % of chi-squared with ten degrees: 23.2
    assert all(len(to_text(f)) <= 5 for f in found.atoms(sympy.Float))


def test_no_number_is_snapped_that_the_noise_can_tell():
    y = 2.9 * X[:, 0] + 1e-3 * np.random.default_rng(0).standard_normal(300)
    found = snapped(law("3.0*x0"), X, y)
    assert float(found.coeff(X0)) == pytest.approx(2.9, abs=3e-4)


def test_what_is_printed_and_read_again_predicts_the_same():
    y = values("0.3*exp(0.5*x0)*cos(2.2*x1) + abs(x2)**0.7/3 - 2*pi*x3")
    found = snapped(law("0.29*exp(0.5*x0)*cos(2.21*x1) + 0.3*abs(x2)**0.72 - 6.28*x3"), X, y)
    again = law(to_text(found))
    np.testing.assert_allclose(evaluate(again, X), evaluate(found, X), rtol=1e-12, atol=1e-12)
    assert loss(again, y) < 1e-18 * y.var()


def test_fewer_rows_than_constants_are_fitted_exactly():
    found = snapped(law("1.1*x0 + 2.2*x1 + 0.3"), X[:2], np.array([1.0, 2.0]))
    np.testing.assert_allclose(evaluate(found, X[:2]), [1, 2], rtol=1e-8)


def test_a_constant_target_is_a_number():
    assert snapped(law("0.4*x0 + 2.0"), X, np.full(300, 3.5)) == sympy.Float(3.5)


@pytest.mark.parametrize("function", [refined, snapped])
@pytest.mark.parametrize(
    ("expression", "x", "y", "told"),
    [
        (1.5 * X0, X, ["a"] * 300, "y is no array of numbers"),
        (1.5 * X0, X, X[:-1, 0], r"y has shape \(299,\)"),
        (1.5 * X0, X, np.full(300, np.nan), "300 values that aren't finite"),
        (1.5 * X0, X[:0], np.zeros(0), r"y has shape \(0,\)"),
        (1.5 * X0, X[:, 0], X[:, 0], r"x has shape \(300,\)"),
        (1.5 * sympy.Symbol("z"), X, X[:, 0], "uses z"),
    ],
)
def test_bad_input_is_told(function, expression, x, y, told):
    with pytest.raises(InputError, match=told):
        function(expression, x, y)


def test_numbers_of_single_precision_are_known_to_that_precision():
    """Rounded to float32, x and y leave no more than that of a law's numbers to be seen."""
    x = np.random.default_rng(0).normal(size=(500, 2)).astype(np.float32)
    y = ((x[:, 0].astype(float) ** 2 + np.cos(x[:, 1].astype(float)) + 0.5) ** 2).astype(np.float32)
    start = (1.001 * X0**2 + 0.999 * sympy.cos(1.001 * X1) + 0.5003) ** 2.0
    found = snapped(start, x.astype(float), y.astype(float))
    assert sympy.expand(found - (X0**2 + sympy.cos(X1) + sympy.Float(0.5)) ** 2) == 0
