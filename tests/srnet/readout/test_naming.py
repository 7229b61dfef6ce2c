"""One curve: its criterion by hand, what is named, what counts as another name."""

import math
from dataclasses import replace

import numpy as np
import pytest
import sympy
from threadpoolctl import threadpool_limits

from sdnet.formula import parse
from srnet.readout.bank import make_bank
from srnet.readout.engines import as_sum
from srnet.readout.naming import ERROR, MARGIN, curve_bic, name_curve
from srnet.readout.shapes import Shape
from srnet.readout.terms import Sum, Term

X0, X1, C0 = sympy.symbols("x0 x1 c0", real=True)
X = np.random.default_rng(0).standard_normal((300, 2))
A, B = X.T
WAVES = np.linspace(0.05, 6, 40)[:, None]
COSINE = Shape(sympy.cos(C0 * X0), (C0,), WAVES, cost=2)
SINE = Shape(sympy.sin(C0 * X1), (C0,), WAVES, cost=2)
SHAPES = [Shape(X0), Shape(X0**2), Shape(X0**3), Shape(X1), Shape(X0 * X1), COSINE, SINE]


def named(curve, shapes=SHAPES, x=X, order=1, others=()):
    bank = make_bank(shapes, x, order=order)
    rows = bank.values - bank.values.mean(1, keepdims=True)
    scores = np.abs(rows @ (curve - curve.mean())) / np.linalg.norm(rows, axis=1)
    with threadpool_limits(1):  # products this small are slower on several cores
        return name_curve(curve, x, bank, scores.astype(np.float64), others)


def kinds(found):
    return {term.kind for term in found.terms}


def some(misfit, terms=1, size=0):
    shape = Shape(X0) if not size else COSINE
    term = Term((shape,), (np.ones(size),))
    return Sum((term,) * terms, 0.0, np.ones(terms), misfit)


def test_the_criterion_by_hand():
    found = some(0.5, size=1)  # an offset, a weight, a frequency
    assert curve_bic(found, 2.0, 20) == pytest.approx(20 * math.log(0.25) + 3 * math.log(20))
    assert curve_bic(found, 2.0, 9000) == pytest.approx(50 * math.log(0.25) + 3 * math.log(50))


def test_the_criterion_of_another_size_by_hand():
    expected = 20 * math.log(0.25) + 9 * math.log(20)
    assert curve_bic(some(0.5), 2.0, 20, 9) == pytest.approx(expected)


def test_misfits_below_a_networks_error_are_equal():
    assert curve_bic(some(1e-30), 1.0, 300) == curve_bic(some(0.99 * ERROR**2), 1.0, 300)
    assert curve_bic(some(2 * ERROR**2), 1.0, 300) > curve_bic(some(ERROR**2), 1.0, 300)


@pytest.mark.parametrize(
    ("curve", "kind"),
    [
        (3 * A**2 - 1, "x0**2"),
        (-0.1 * A**3, "x0**3"),
        (5 * np.cos(3 * A), "cos(c0*x0)"),
        (2 - A * B, "x0*x1"),
        (7 * np.sin(0.9 * B) + 1, "sin(c0*x1)"),
    ],
)
def test_a_single_shape_is_named_and_decided(curve, kind):
    naming = named(curve)
    assert kinds(naming.found) == {(kind,)}
    assert naming.found.misfit <= 1e-20 * curve.var()
    assert naming.margin >= MARGIN
    assert (kind,) not in kinds(naming.rival)


def test_the_margin_is_what_the_rival_has_more():
    curve = A**2 + 0.01 * A**3
    naming = named(curve, [Shape(X0**2), Shape(X0**3)])

    def bic(k):
        left = curve - np.polynomial.Polynomial.fit(A**k, curve, 1)(A**k)
        return 50 * math.log(left.var() / curve.var()) + 2 * math.log(50)

    assert naming.margin == pytest.approx(bic(3) - bic(2))
    assert naming.bic == pytest.approx(bic(2))


@pytest.mark.parametrize(("width", "decided"), [(0.3, False), (3.0, True)])
def test_square_and_cosine_are_told_apart_where_the_points_tell(width, decided):
    """1 - cos(x) is x^2/2 to within x^4/24: on |x| < 0.3 no network's latent shows which."""
    x = np.linspace(-width, width, 200)[:, None]
    naming = named(x[:, 0] ** 2, [Shape(X0**2), Shape(sympy.cos(X0))], x)
    assert kinds(naming.found) == {("x0**2",)}
    assert kinds(naming.rival) == {("cos(x0)",)}
    assert (naming.margin >= MARGIN) is decided


def test_a_shape_with_a_coefficient_that_turns_it_into_the_best_is_no_rival():
    """cos(c x) with a small c is a parabola, (x + c)^2 with a small c a square."""
    moved = Shape((X0 + C0) ** 2, (C0,), np.linspace(-1, 1, 9)[:, None], cost=2)
    naming = named(A**2, [Shape(X0**2), COSINE, moved, Shape(X0**3)])
    assert kinds(naming.found) == {("x0**2",)}
    assert naming.margin >= MARGIN
    assert kinds(named((A + 0.5) ** 2, [Shape(X0**2), moved]).found) == {(moved.name,)}


@pytest.mark.parametrize("error", [0.003, 0.01, 0.05])
def test_a_networks_smooth_error_is_not_named(error):
    wrong = np.tanh(2 * A - B + 0.3) + 0.5 * np.tanh(A + 2 * B)
    curve = 3 * A**2 + error * (3 * A**2).std() * wrong / wrong.std()
    naming = named(curve)
    assert kinds(naming.found) == {("x0**2",)}
    assert naming.margin >= MARGIN


def test_a_mixture_is_named_by_its_parts():
    curve = 2 * A**2 + 3 * np.sin(2 * B) + 0.5
    naming = named(curve)
    assert kinds(naming.found) == {("x0**2",), ("sin(c0*x1)",)}
    assert sorted(naming.found.weights) == pytest.approx([2, 3], rel=1e-2)


def test_terms_that_cancel_each_other_are_no_name():
    """x - sin(c x)/c is x^3 for c to 0, with two terms of any size."""
    sine = Shape(sympy.sin(C0 * X0), (C0,), WAVES, cost=2)
    found = named(A**3, [Shape(X0), sine]).found
    sizes = [abs(w) * t.values(X).std() for w, t in zip(found.weights, found.terms, strict=True)]
    assert max(sizes) <= 10 * np.std(A**3)


def test_a_constant_curve_is_a_constant():
    naming = named(np.full(300, 2.5))
    assert (naming.found.terms, naming.found.offset) == ((), pytest.approx(2.5))
    assert (naming.rival, naming.margin) == (None, math.inf)


def test_without_shapes_a_curve_is_its_mean():
    naming = named(A, [])
    assert (naming.found.terms, naming.found.misfit) == ((), pytest.approx(A.var()))


# Products


FACTORS = [
    *(Shape(x**k) for x in (X0, X1) for k in (1, 2, 3)),
    *(Shape(f(C0 * x), (C0,), np.linspace(0.5, 3.5, 7)[:, None], (0.2, 8), cost=2)
      for f, x in ((sympy.cos, X0), (sympy.sin, X1), (sympy.exp, X0))),
]  # fmt: skip


def part(naming):
    (term,) = naming.found.terms
    return term.expression


@pytest.mark.parametrize(
    ("curve", "expected"),
    [
        (2 * B * np.exp(0.5 * A) - 1, X1 * sympy.exp(0.5 * X0)),
        (np.sin(2 * B) * np.cos(A), sympy.sin(2 * X1) * sympy.cos(X0)),
        (A**2 * B, X0**2 * X1),
        (-A * np.cos(3 * A), X0 * sympy.cos(3 * X0)),  # of one variable: sums come near it
    ],
)
def test_a_product_of_shapes_is_named_and_decided(curve, expected):
    naming = named(curve, FACTORS, order=3)
    assert sympy.nsimplify(part(naming), tolerance=1e-6) == sympy.nsimplify(expected)
    assert naming.found.misfit <= 1e-12 * curve.var()
    assert naming.margin >= MARGIN
    assert not naming.other


def test_products_are_tried_only_where_they_are_admitted():
    naming = named(B * np.exp(0.5 * A), FACTORS)
    assert all(len(term.shapes) == 1 for term in naming.found.terms)
    assert naming.found.misfit > 0.01 * (B * np.exp(0.5 * A)).var()


def test_a_shape_comes_before_a_product_that_fits_as_well():
    assert kinds(named(A**2, FACTORS, order=3).found) == {("x0**2",)}


def test_a_product_is_as_long_as_a_sum_of_two():
    """x0^2 + sin(2 x1) is no product, and isn't taken for one though products have one term."""
    naming = named(A**2 + np.sin(2 * B), FACTORS, order=3)
    assert kinds(naming.found) == {("x0**2",), ("sin(c0*x1)",)}


def test_a_networks_smooth_error_on_a_product_is_not_named():
    wrong = np.tanh(2 * A - B + 0.3) + 0.5 * np.tanh(A + 2 * B)
    curve = B * np.exp(0.5 * A)
    curve = curve + 0.02 * curve.std() * wrong / wrong.std()
    naming = named(curve, FACTORS, order=3)
    assert kinds(naming.found) == {("exp(c0*x0)", "x1")}
    assert naming.found.terms[0].vector == pytest.approx([0.5], abs=0.05)


def test_the_same_formula_as_another_product_is_no_rival():
    shapes = [Shape(X0), Shape(X1), Shape(X0 * X1), Shape(X0**2)]
    naming = named(A**2 * B, shapes, order=3)  # (x0 x1) x0 and x0^2 x1
    assert naming.found.misfit <= 1e-20
    assert naming.margin >= MARGIN


# What was found elsewhere


def elsewhere(expression, curve):
    return as_sum(parse(expression, {"x": 2}), X, curve)


STEEP = np.tanh(2 * A + B)


def test_what_no_shape_expresses_may_be_found_elsewhere():
    found = elsewhere("tanh(2*x0 + x1)", STEEP)
    naming = named(STEEP, others=[found])
    assert naming.found is found
    assert naming.other
    assert naming.rival is not None
    assert naming.margin >= MARGIN
    size = 6 + 2 + 2  # tanh(2*x0 + x1), a weight, an offset
    assert naming.bic == pytest.approx(curve_bic(found, STEEP.var(), 300, size))


@pytest.mark.parametrize(("share", "worth"), [(0.45, True), (0.55, False)])
def test_a_long_formula_must_be_worth_its_length(share, worth):
    """It has 9 nodes more than the line: + w * sin(9 * x0 * x1); and 50 log 1/0.49 = 9 log 50."""
    curve = A + 0.3 * np.sign(np.sin(9 * A * B))
    line = named(curve, [Shape(X0)]).found
    long = replace(elsewhere("x0 + sin(9*x0*x1)", curve), misfit=share * line.misfit)
    naming = named(curve, [Shape(X0)], others=[long])
    assert naming.other is worth
    assert len(naming.found.terms) == (2 if worth else 1)
    if worth:
        assert naming.margin == pytest.approx(-50 * math.log(share) - 9 * math.log(50))


def test_elsewhere_is_not_asked_for_what_a_shape_expresses():
    def asked():
        raise AssertionError
        yield

    assert kinds(named(A**2, others=asked()).found) == {("x0**2",)}
    with pytest.raises(AssertionError):
        named(STEEP, others=asked())
