"""The gains of candidates against a regression for each; which products are admitted."""

import numpy as np
import pytest
import sympy

from srnet.readout.bank import make_bank
from srnet.readout.leastsq import basis
from srnet.readout.shapes import Shape
from srnet.readout.terms import Term

XS = sympy.symbols("x0:4", real=True)
C0 = sympy.Symbol("c0", real=True)
X = np.random.default_rng(0).standard_normal((120, 4))


def power(i, k=1):
    return Shape(XS[i] ** k)


def sine(i):
    return Shape(sympy.sin(C0 * XS[i]), (C0,), np.array([[0.7], [1.9]]), cost=2)


def gain(term, held, y):
    """By how much the sum of squares falls when the term joins those held and a constant."""

    def left(terms):
        columns = np.column_stack([np.ones(len(X)), *(t.values(X) for t in terms)])
        return np.linalg.lstsq(columns, y, rcond=None)[1][0]

    return left(held) - left([*held, term])


def names(terms):
    return [str(term.expression) for term in terms]


SHAPES = [power(0), power(1, 2), sine(0), sine(1)]
Y = X[:, 0] * np.sin(1.7 * X[:, 1]) + 0.4 * X[:, 1] ** 2 + 0.2 * X[:, 2]
HELD = [Term((power(2),), (np.zeros(0),)), Term((power(0),), (np.zeros(0),))]


@pytest.mark.parametrize("order", [1, 2, 3])
def test_candidates_come_in_the_order_of_their_gains(order):
    bank = make_bank(SHAPES, X, order=order)
    q = basis(HELD, X)
    found = bank.candidates(q, Y - q @ (q.T @ Y), 5)
    gains = [gain(term, HELD, Y) for term in found if term.kind != ("x0",)]  # x0 is held
    np.testing.assert_allclose(gains, sorted(gains, reverse=True), rtol=1e-3)
    singles = [Term((s,), (c,)) for s, c in bank.entries]
    places = np.argwhere(bank.pairs)
    pairs = [Term(a.shapes + b.shapes, a.coefficients + b.coefficients)
             for a, b in ((singles[i], singles[j]) for i, j in places)]  # fmt: skip
    every = [t for t in singles + pairs if t.kind != ("x0",)]
    assert gains[0] == pytest.approx(max(gain(term, HELD, Y) for term in every), rel=1e-3)


def test_what_the_held_terms_span_has_no_gain():
    bank = make_bank([power(0), power(1)], X)
    q = basis([Term((power(0),), (np.zeros(0),))], X)
    residual = X[:, 0] + 1e-3 * X[:, 1]
    assert names(bank.candidates(q, residual - q @ (q.T @ residual), 2)) == ["x1", "x0"]


def test_triples_of_a_group_are_found():
    y = X[:, 0] * np.sin(1.9 * X[:, 1]) * X[:, 2]
    shapes = [power(0), sine(1), power(2), power(3)]
    bank = make_bank(shapes, X, order=3, triples=[(2, 0, 1)])
    q = basis([], X)
    (best, *_) = bank.candidates(q, y - y.mean(), 3)
    assert best.expression == XS[0] * sympy.sin(1.9 * XS[1]) * XS[2]
    assert make_bank(shapes, X, order=3).triples == ()


def test_triples_of_variables_without_shapes_are_passed_over():
    assert make_bank([power(0), power(1)], X, triples=[(0, 1, 2)]).triples == ()


def test_values_have_mean_square_one_and_one_row_a_start():
    bank = make_bank([power(0, 3), sine(1)], 5 * X)
    np.testing.assert_allclose((bank.values**2).mean(1), 1, rtol=1e-5)
    assert [(shape.name, c.tolist()) for shape, c in bank.entries] == [
        ("x0**3", []),
        ("sin(c0*x1)", [0.7]),
        ("sin(c0*x1)", [1.9]),
    ]
    expected = 125 * X[:, 0] ** 3
    np.testing.assert_allclose(bank.values[0], expected / np.sqrt((expected**2).mean()), rtol=1e-5)


def test_constants_and_what_has_no_numbers_are_left_out():
    x = X.copy()
    x[:, 1] = 2.0
    shapes = [power(1), Shape(sympy.log(XS[0])), power(2), Shape(sympy.exp(1000 * XS[2]))]
    assert [shape.name for shape, _ in make_bank(shapes, x).entries] == ["x2"]
    assert make_bank([power(1)], x).values.shape == (0, 120)


def test_order_two_multiplies_by_powers_only():
    bank = make_bank([power(0), sine(1)], X, order=2)
    np.testing.assert_array_equal(bank.pairs, [[1, 1, 1], [0, 0, 0], [0, 0, 0]])
    assert make_bank([power(0), sine(1)], X, order=3).pairs.sum() == 6
    assert not make_bank([power(0), sine(1)], X).pairs.any()


def test_alone_has_the_shapes_of_some_variables():
    bank = make_bank([power(0), Shape(XS[0] * XS[1]), sine(1)], X, order=3).alone([1])
    assert [shape.name for shape, _ in bank.entries] == ["sin(c0*x1)"] * 2
    assert not bank.pairs.any()
    assert bank.values.shape == (2, 120)
