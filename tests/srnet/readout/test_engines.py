"""What an engine is given, what becomes of its formulas, and when it isn't asked."""

import numpy as np
import pytest
import sympy

from sdnet.errors import InputError
from sdnet.formula import parse
from srnet.equations import evaluate
from srnet.readout import engines
from srnet.readout.engines import ROWS, Engine, as_sum, searched, searched_sums

X = np.random.default_rng(0).standard_normal((300, 3))
A, B, C = X.T
X0, X1, X2 = sympy.symbols("x0 x1 x2", real=True)


def read(text):
    return parse(text, {"x": 3})


@pytest.fixture
def asked(monkeypatch):
    """The calls of an engine that always finds x0*x1 and x0 + 1."""
    calls = []

    def search(x, y, **options):
        calls.append((x, y, options))
        return [read("x0*x1"), read("x0 + 1")]

    monkeypatch.setattr(engines, "search", search)
    monkeypatch.setattr(engines, "installed", lambda name: True)
    return calls


def test_it_sees_the_variables_given_and_answers_in_their_names(asked):
    found = searched(A, X, [1, 2], Engine("pysr", 2.5, 7, 30))
    assert found == [X1 * X2, X1 + 1]
    ((x, y, options),) = asked
    np.testing.assert_array_equal(x, X[:, 1:])
    np.testing.assert_array_equal(y, A)
    assert options == {"engine": "pysr", "seconds": 2.5, "seed": 7, "max_size": 30}


def test_of_many_rows_it_sees_some_of_all(asked):
    x = np.arange(4 * ROWS, dtype=float)[:, None]
    searched(x[:, 0] ** 2, x, [0], Engine())
    rows, target, _ = asked[0]
    assert len(rows) == ROWS
    assert (rows[0, 0], rows[-1, 0]) == (0, 4 * ROWS - 1)
    np.testing.assert_array_equal(target, rows[:, 0] ** 2)


def test_it_is_not_asked_in_vain(asked, monkeypatch):
    assert searched(A, X, [0], None) == []
    assert searched(A, X, [], Engine()) == []
    assert searched(np.ones(300), X, [0], Engine()) == []
    monkeypatch.setattr(engines, "installed", lambda name: False)
    assert searched(A, X, [0], Engine()) == []
    assert asked == []


def test_an_unknown_engine_is_told():
    with pytest.raises(InputError, match="did you mean 'operon'"):
        Engine("operont")


def test_a_formula_becomes_a_sum_with_weights_of_the_data():
    y = 3 * np.sin(2 * A) - 4 * B * C + 7
    found = as_sum(read("1.5*sin(2.0*x0) + x1*x2 - 1"), X, y)
    assert found.offset == pytest.approx(7)
    weights = {str(t.expression): w for t, w in zip(found.terms, found.weights, strict=True)}
    assert weights == {"sin(2.0*x0)": pytest.approx(3), "x1*x2": pytest.approx(-4)}
    assert found.size == 4  # an offset, two weights, a frequency
    np.testing.assert_allclose(evaluate(found.expression, X), y, atol=1e-9)


def test_every_number_in_a_term_counts():
    found = as_sum(read("cos(0.5*x0 - 0.25) / (x1**2 + 2.5)"), X, A)
    (term,) = found.terms
    assert sorted(term.vector) == [-0.25, 0.5, 2.5]
    assert found.size == 1 + 1 + 3
    np.testing.assert_allclose(term.values(X), np.cos(0.5 * A - 0.25) / (B**2 + 2.5))


def test_equal_terms_are_one():
    assert len(as_sum(sympy.Add(2 * X0, 3 * X0, evaluate=False), X, A).terms) == 1


def test_parts_that_cancel_are_one_term():
    """exp(1e-7 x) - 1 is 1e-7 x to rounding: as two columns they could not be told apart."""
    found = as_sum(read("exp(1.0*x0) - exp(1.00000000000001*x0) + x1"), X, B)
    assert found is None or np.isfinite(found.misfit)


def test_what_is_not_finite_is_left_out():
    assert as_sum(read("sqrt(x0)"), X, A) is None
    assert as_sum(read("exp(900*x0**2)"), X, A) is None


def test_a_constant_is_a_sum_without_terms():
    found = as_sum(sympy.Float(2.0), X, A)
    assert (found.terms, found.offset) == ((), pytest.approx(A.mean()))


@pytest.mark.skipif(not Engine().usable, reason="pyoperon isn't installed")
def test_operon_finds_what_is_no_product_of_shapes():
    curve = np.sin(A * B)
    found = min(searched_sums(curve, X, [0, 1], Engine(seconds=2)), key=lambda f: f.misfit)
    assert found.misfit <= 1e-6 * curve.var()
    assert sympy.Symbol("x2", real=True) not in found.expression.free_symbols
