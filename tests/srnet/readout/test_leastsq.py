"""Fits of sums with known answers, the Jacobian of Kaufman, and terms that have no numbers."""

import numpy as np
import pytest
import sympy

from srnet.readout.leastsq import basis, fit_added, fit_all, levenberg_marquardt, linear_fit
from srnet.readout.shapes import Shape
from srnet.readout.terms import Term, design

X0, X1, C0 = sympy.symbols("x0 x1 c0", real=True)
X = np.random.default_rng(0).standard_normal((200, 2))
A, B = X.T
LINE = Term((Shape(X0),), (np.zeros(0),))
LOG = Term((Shape(sympy.log(sympy.Abs(X0))),), (np.zeros(0),))


def sine(c):
    return Term((Shape(sympy.sin(C0 * X0), (C0,)),), (np.array([c]),))


def growth(c):
    return Term((Shape(sympy.exp(C0 * X1), (C0,)),), (np.array([c]),))


def test_linear_fit_is_that_of_numpy():
    y = np.random.default_rng(1).standard_normal(200)
    terms = [LINE, sine(2.0), growth(0.5)]
    found = linear_fit(terms, X, y)
    columns = np.stack([np.ones(200), A, np.sin(2 * A), np.exp(B / 2)], 1)
    expected = np.linalg.lstsq(columns, y, rcond=None)[0]
    np.testing.assert_allclose([found.offset, *found.weights], expected, rtol=1e-10)
    assert found.misfit == pytest.approx(np.mean((y - columns @ expected) ** 2), rel=1e-12)


def test_linear_fit_of_no_terms_is_the_mean():
    found = linear_fit([], X, A)
    assert (found.offset, found.misfit) == (pytest.approx(A.mean()), pytest.approx(A.var()))


def test_linear_fit_is_the_same_in_any_units():
    y = 3 * A + 1
    for scale in (1e-8, 1e8):
        found = linear_fit([LINE], X * scale, y)
        assert found.weights[0] * scale == pytest.approx(3)
        assert found.offset == pytest.approx(1)


@pytest.mark.parametrize(
    ("terms", "x"),
    [
        ([LINE, LINE], X),  # the same twice
        ([LINE], np.zeros((200, 2))),
        ([LOG], np.zeros((200, 2))),
        ([growth(1e4)], X),
        ([sine(1e-6), LINE], X),  # they all but cancel
    ],
)
def test_linear_fit_refuses_terms_without_a_sound_answer(terms, x):
    assert linear_fit(terms, x, np.sin(5 * A)) is None


def test_the_basis_spans_the_terms_and_is_orthonormal():
    terms = [LINE, growth(0.5)]
    q = basis(terms, X)
    np.testing.assert_allclose(q.T @ q, np.eye(3), atol=1e-12)
    columns = design(tuple(terms), X)
    np.testing.assert_allclose(q @ (q.T @ columns), columns, atol=1e-10)


def test_a_term_is_fitted_beside_others():
    y = 4 * A + 1 + 0.3 * np.sin(2.5 * A)
    q = basis([LINE], X)
    found, misfit = fit_added(q, y - q @ (q.T @ y), sine(2.2), X, 50)
    assert found.vector[0] == pytest.approx(2.5, abs=1e-8)
    assert misfit < 1e-18


def test_a_term_without_coefficients_leaves_what_a_linear_fit_leaves():
    y = A + np.exp(B)
    q = basis([], X)
    found, misfit = fit_added(q, y - q @ (q.T @ y), LINE, X)
    assert found.kind == ("x0",)
    assert misfit == pytest.approx(linear_fit([LINE], X, y).misfit)


def test_all_coefficients_are_fitted_together():
    y = 2 - 1.5 * np.sin(3 * A) + 0.7 * np.exp(-0.6 * B) + A
    found = fit_all([sine(2.8), LINE, growth(-0.5)], X, y, 100)
    np.testing.assert_allclose([t.vector[0] for t in found.terms if t.size], [3, -0.6], atol=1e-8)
    np.testing.assert_allclose([found.offset, *found.weights], [2, -1.5, 1, 0.7], atol=1e-8)
    assert found.misfit < 1e-18


def test_a_fit_never_ends_worse_than_it_began():
    y = np.cos(4 * A) * B
    start = [sine(1.0), growth(0.3)]
    assert fit_all(start, X, y).misfit <= linear_fit(start, X, y).misfit


def test_overflow_is_told_by_the_answer_and_by_no_warning():
    q, y = basis([], X), A
    _, misfit = fit_added(q, y - y.mean(), growth(1e4), X)
    assert not np.isfinite(misfit)
    assert fit_all([growth(1e4)], X, y) is None


def test_levenberg_marquardt_finds_the_least_and_counts_its_steps():
    def residual(v):
        return np.array([10 * (v[1] - v[0] ** 2), 1 - v[0]])  # Rosenbrock's: 0 at (1, 1)

    def slopes(v):
        return np.array([[-20 * v[0], 10.0], [-1.0, 0.0]])

    start = np.array([-1.2, 1.0])
    np.testing.assert_allclose(levenberg_marquardt(residual, slopes, start, 100), [1, 1])
    np.testing.assert_array_equal(levenberg_marquardt(residual, slopes, start, 1), start)


def test_levenberg_marquardt_stays_where_there_are_no_numbers():
    start = np.array([-1.0])
    found = levenberg_marquardt(lambda v: np.log(v), lambda v: np.diag(1 / v), start, 10)
    np.testing.assert_array_equal(found, start)
