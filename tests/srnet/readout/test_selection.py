"""The criterion by hand; searches that must escape a trap, and stop when they should."""

import math
import time

import numpy as np
import pytest
import sympy

from srnet.readout.bank import make_bank
from srnet.readout.generic import generic_shapes
from srnet.readout.leastsq import linear_fit
from srnet.readout.selection import COST, EXACT, Search, criterion
from srnet.readout.shapes import Shape
from srnet.readout.terms import Sum, Term

X0, X1, C0 = sympy.symbols("x0 x1 c0", real=True)
X = np.random.default_rng(0).standard_normal((200, 2))
A, B = X.T
SINE = Shape(sympy.sin(C0 * X1), (C0,), np.arange(0.5, 6.1, 0.5)[:, None], (0.2, 8.0), cost=2)
SHAPES = [Shape(X0), Shape(X0**2), Shape(X1), Shape(X1**3), Shape(X0 * X1), SINE]
TRAP = [s for s in generic_shapes(X) if s.variables == (1,) and "Abs" not in s.name]


def search(y, shapes=SHAPES, x=X, order=1, **options):
    return Search(x, y, make_bank(shapes, x, order=order), **options)


def best(found, searched):
    return min(found, key=searched.score)


def kinds(found):
    return {term.kind for term in found.terms}


def term(shape, *coefficients):
    return Term((shape,), (np.array(coefficients, dtype=float),))


def test_the_criterion_by_hand():
    """An offset, two weights and a frequency are 4 numbers; x0 and sin(c x1) cost 1 + 2 nodes."""
    y = np.r_[np.full(10, 3.0), np.full(10, -3.0)]  # of variance 9
    found = Sum((term(Shape(X0)), term(SINE, 1.0)), 0.0, np.ones(2), 0.09)
    expected = 20 * math.log(0.01) + 4 * math.log(20) + COST * 3
    assert criterion(found, y) == pytest.approx(expected)
    assert criterion(found, y, precision=0.5) == pytest.approx(expected + 20 * math.log(25))


def test_misfits_below_the_precision_are_equal():
    one, other = (Sum((), 0.0, np.zeros(0), m) for m in (0.0, 0.99 * EXACT**2 * A.var()))
    assert criterion(one, A) == criterion(other, A)
    assert criterion(one, np.ones(5)) == pytest.approx(5 * math.log(EXACT**2) + math.log(5))


def test_a_sum_is_found_and_nothing_is_added():
    y = 2 * A**2 - 3 * np.sin(1.37 * B) + 0.5 * A * B - 7
    searched = search(y)
    found = best(searched.run(), searched)
    weights = dict(zip([t.kind[0] for t in found.terms], found.weights, strict=True))
    assert weights == pytest.approx({"x0**2": 2, "sin(c0*x1)": -3, "x0*x1": 0.5})
    assert found.offset == pytest.approx(-7)
    assert next(t for t in found.terms if t.size).vector == pytest.approx([1.37])


def test_the_best_of_each_number_of_terms_comes_in_order():
    found = search(A**2 + np.sin(B)).run()
    counts = [len(state.terms) for state in found]
    assert counts == sorted(set(counts))
    misfits = [state.misfit for state in found]
    assert misfits == sorted(misfits, reverse=True)


def test_one_term_is_the_best_one_of_all():
    """A brute-force twin, over shapes without coefficients."""
    y = 1.2 * A**2 + A * B + 0.8 * B**3 + A
    shapes = [shape for shape in SHAPES if not shape.size]
    (first, *_) = search(y, shapes).run()
    brute = min((linear_fit([term(s)], X, y) for s in shapes), key=lambda s: s.misfit)
    assert (first.terms[0].kind, len(first.terms)) == (brute.terms[0].kind, 1)


def test_exchanges_leave_a_wrong_start():
    """0.3 x^2 + exp(-x^2) looks like a cosine and powers at first."""
    y = 0.3 * B**2 + np.exp(-(B**2))
    searched = search(y, TRAP)
    wrong = next(s for s in TRAP if s.name == "cos(c0*x1)")
    found = best(searched.run([term(wrong, 1.0)]), searched)
    assert kinds(found) == {("x1**2",), ("exp(-c0*x1**2)",)}
    assert sorted(found.weights) == pytest.approx([0.3, 1.0])


def test_without_exchanges_the_trap_holds(monkeypatch):
    """So that the test above tests what it says."""
    monkeypatch.setattr(Search, "_exchanged", lambda self, state: state)
    monkeypatch.setattr(Search, "_repieced", lambda self, state: state)
    y = 0.3 * B**2 + np.exp(-(B**2))
    searched = search(y, TRAP, beam=1, max_terms=2)
    wrong = next(s for s in TRAP if s.name == "cos(c0*x1)")
    assert ("cos(c0*x1)",) in kinds(best(searched.run([term(wrong, 1.0)]), searched))


def test_products_are_found_where_they_may_be():
    y = A * np.sin(2 * B)
    shapes = [Shape(X0), Shape(X1), SINE]
    assert min(s.misfit for s in search(y, shapes, max_terms=2).run()) > 0.1 * y.var()
    searched = search(y, shapes, order=2)
    assert kinds(best(searched.run(), searched)) == {("sin(c0*x1)", "x0")}


def test_noise_has_no_terms_that_help():
    y = np.random.default_rng(5).standard_normal(200)
    searched = search(y, [s for s in SHAPES if not s.size])
    found = searched.run()
    assert searched.score(best(found, searched)) >= searched.score(linear_fit([], X, y)) - 15
    assert len(best(found, searched).terms) == 1  # a search's sums have a term at least


def test_coefficients_stay_within_bounds():
    slow = np.sin(0.05 * B)  # a line, to within 2e-4: its limit, or no sine
    shapes = [Shape(sympy.sin(C0 * X1), (C0,), SINE.starts, (0.2, 8.0), Shape(X1), 2)]
    for state in search(slow, shapes).run():
        assert all(t.within for t in state.terms)
    assert kinds(search(slow, shapes).run()[0]) == {("x1",)}


def test_no_more_terms_than_allowed():
    y = A**2 + A + B + B**3 + A * B
    assert max(len(s.terms) for s in search(y, max_terms=3).run()) == 3


def test_a_start_stays_unless_it_is_not_needed():
    y = 2 * A**2 + B
    found = search(y).run([term(Shape(X0**2))])
    assert all(("x0**2",) in kinds(state) for state in found)


def test_a_start_of_more_terms_than_rows_is_dropped():
    few = X[:5]
    start = [term(Shape(X0**k)) for k in range(1, 7)]
    found = search(few[:, 0] ** 2, x=few).run(start)
    assert found[0].misfit == pytest.approx(0, abs=1e-25)


def test_time_that_is_over_ends_the_search():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((300, 6))
    y = sum(np.sin((i + 1.3) * x[:, i]) * x[:, i - 1] for i in range(6))
    began = time.monotonic()
    found = search(y, generic_shapes(x), x, order=2, deadline=began).run()
    assert time.monotonic() - began < 5
    assert len(found[-1].terms) == 1  # one step, as a search always has an answer


def test_without_candidates_there_is_no_sum():
    assert search(A, []).run() == []


def test_the_target_may_be_of_any_scale():
    for scale in (1e-40, 1e-8, 1e8, 1e40):
        searched = search(scale * (A**2 + 3 * A * B))
        found = best(searched.run(), searched)
        assert kinds(found) == {("x0**2",), ("x0*x1",)}
        assert sorted(found.weights) == pytest.approx([scale, 3 * scale])


def test_a_search_changes_nothing_and_repeats():
    y = A**2 + np.sin(2 * B)
    before = X.copy(), y.copy()
    one, other = (search(y).run() for _ in range(2))
    assert [s.expression for s in one] == [s.expression for s in other]
    np.testing.assert_array_equal(X, before[0])
    np.testing.assert_array_equal(y, before[1])
