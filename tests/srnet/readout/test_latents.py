"""Latents with known formulas: read, told apart, shared out, added up, printed."""

import math

import numpy as np
import pytest
import sympy

from sdnet.errors import InputError
from sdnet.formula import parse
from sdnet.library import SDData
from srnet.equations import evaluate
from srnet.readout import engines
from srnet.readout.engines import Engine
from srnet.readout.heads import read_sum
from srnet.readout.latents import as_text, read_latents
from srnet.readout.shapes import Shape, library_shapes

X0, X1 = sympy.symbols("x0 x1", real=True)
X = np.random.default_rng(0).standard_normal((300, 2))
A, B = X.T
F07 = library_shapes(
    SDData.from_lines(
        [
            *(f"2.7*N0*x{i}**2" for i in (0, 1)),
            *(f"0.45*N0*x{i}**3" for i in (0, 1)),
            *(f"5*N0*sin(3*U0*x{i})" for i in (0, 1)),
            *(f"5*N0*cos(6*U0*x{i})" for i in (0, 1)),
            "4.5*N0*x0*x1",
        ],
        "X07",
    ).templates
)
LATENTS = np.array([2.7 * A**2, 5 * np.cos(3 * B), 4.5 * A * B])


def kinds(reading):
    return kinds_of(reading.found)


def kinds_of(found):
    return {term.kind for term in found.terms}


def test_the_latents_of_f07_are_read():
    readings = read_latents(LATENTS, X, F07)
    expected = [{("x0**2",)}, {("cos(6*U0*x1)",)}, {("x0*x1",)}]
    assert [kinds(reading) for reading in readings] == expected
    assert all(reading.decided and reading.expressed for reading in readings)
    for reading, curve in zip(readings, LATENTS, strict=True):
        np.testing.assert_allclose(evaluate(reading.expression, X), curve, atol=1e-8)
        assert reading.r2 == pytest.approx(1)
    assert [reading.latent for reading in readings] == [0, 1, 2]


def test_scale_and_offset_of_a_latent_do_not_matter():
    readings = read_latents(1e-6 * LATENTS + 3, X, F07)
    weights = [reading.found.weights[0] for reading in readings]
    assert weights == pytest.approx([2.7e-6, 5e-6, 4.5e-6], rel=1e-6)
    assert all(reading.decided for reading in readings)


def test_simple_shapes_are_tried_beside_those_given():
    line, product = read_latents([2 * A, A * B], X, [Shape(X1**3)])
    assert (kinds(line), kinds(product)) == ({("x0",)}, {("x0*x1",)})


def test_a_mask_hides_inputs():
    shapes = [Shape(X0**3), Shape(X1**3)]
    seen, unseen = read_latents([A**3, A**3], X, shapes, [[0.3, 0], [0, 1]])  # weights will do
    assert (kinds(seen), seen.decided) == ({("x0**3",)}, True)
    assert all(term.variables == {1} for term in unseen.found.terms)
    assert not unseen.expressed


def test_what_no_shape_expresses_is_said_with_its_residual():
    curve = np.sign(np.sin(4 * A) * np.sin(4 * B))
    (reading,) = read_latents([curve], X, [Shape(X0**2)])
    assert not reading.expressed
    assert not reading.decided
    left = reading.residual.std() / curve.std()
    assert reading.r2 == pytest.approx(1 - left**2)
    assert left > 0.5
    assert f"no shape expresses it: {left:.2g} of its deviation is left" in as_text([reading])
    np.testing.assert_allclose(curve - evaluate(reading.expression, X), reading.residual)


def test_a_shared_term_is_counted_to_the_latent_of_which_it_is_more():
    mixed = 2.7 * A**2 + 2 * np.cos(3 * B)
    first, second = read_latents([mixed, -np.cos(3 * B) + 1], X, F07)
    assert kinds(first) == {("x0**2",), ("cos(6*U0*x1)",)}
    owner = dict(zip((term.kind for term in first.found.terms), first.owners, strict=True))
    assert owner == {("x0**2",): 0, ("cos(6*U0*x1)",): 1}
    assert second.owners == (1,)
    (cosine,) = (term for term in first.found.terms if term.size)
    assert cosine is second.found.terms[0]
    assert "is counted to latent 1" in as_text([first, second])


def test_equal_latents_are_one_term_of_the_sum():
    readings = read_latents([A**2, 3 * A**2 + 1], X, F07)
    (one,), (other,) = (reading.owners for reading in readings)
    assert one == other
    total = read_sum(readings, [2.0, -1.0], 0.5)  # 2 x^2 - 3 x^2 - 1 + 0.5
    assert sympy.nsimplify(total, tolerance=1e-9) == -(X0**2) - sympy.Rational(1, 2)


def test_the_sum_is_what_a_linear_head_makes_of_the_latents():
    mixing = np.array([[1.0, 0.4, 0.0], [0.0, 1.0, 0.0], [0.5, 0.0, -1.0]])
    curves = mixing @ LATENTS + np.array([[1.0], [-2.0], [0.3]])
    weights = np.linalg.solve(mixing.T, np.ones(3))  # so that the sum is that of the latents
    total = read_sum(read_latents(curves, X, F07), weights, -weights @ [1.0, -2.0, 0.3])
    y = LATENTS.sum(0)
    np.testing.assert_allclose(evaluate(total, X), y, atol=0.02 * y.std())
    parts = {term.as_coeff_Mul()[1] for term in sympy.Add.make_args(total)}
    assert {X0**2, X0 * X1} <= parts


def test_a_dead_latent_is_a_constant():
    (reading,) = read_latents([np.full(300, 0.25)], X, F07)
    assert float(reading.expression) == pytest.approx(0.25)
    assert (reading.r2, reading.margin, reading.decided) == (1, math.inf, True)
    assert float(read_sum([reading], [4.0], 1.0)) == pytest.approx(2)


def test_undecided_is_said():
    x = np.linspace(-0.3, 0.3, 100)[:, None]
    (reading,) = read_latents([1 - x[:, 0] ** 2], x, [Shape(X0**2), Shape(sympy.cos(X0))])
    assert reading.expressed
    assert not reading.decided
    header, row = as_text([reading]).splitlines()
    assert header.split() == [
        "latent", "formula", "R2", "way", "runner-up", "margin", "decided", "remark"]  # fmt: skip
    assert "1 - x0**2" in row
    assert "cos(x0)" in row
    assert row.split()[-2:] == ["no", "-"]


def test_the_table_has_four_digits():
    text = as_text(read_latents([np.pi * A**2], X, F07))
    assert "3.142*x0**2 " in text


def test_no_latents_have_no_readings():
    assert read_latents(np.zeros((0, 300)), X, F07) == []
    assert as_text([]) == ""


@pytest.mark.parametrize(
    ("curves", "x", "masks", "told"),
    [
        (A, X, None, r"curves have shape \(300,\)"),
        (LATENTS[:, :9], X, None, r"curves have shape \(3, 9\) and x \(300, 2\)"),
        (LATENTS[:, :2], X[:2], None, "at least 3 points"),
        (LATENTS * np.nan, X, None, "aren't finite"),
        ([["a"]], X, None, "arrays of numbers"),
        (LATENTS, X, [[1, 1]], r"masks have shape \(1, 2\), expected .* \(3, 2\)"),
    ],
)
def test_bad_input_is_told(curves, x, masks, told):
    with pytest.raises(InputError, match=told):
        read_latents(curves, x, F07, masks)


# What no shape expresses


SHAPES = [Shape(X0**2), Shape(X1**3), *(Shape(sympy.exp(k * X0)) for k in (0.5, 1.0))]


def test_products_are_read_where_they_are_asked_for():
    curves = [1 - B * np.exp(0.5 * A), A**2]
    product, square = read_latents(curves, X, SHAPES, products=True)
    assert sympy.nsimplify(product.expression, tolerance=1e-6) == 1 - X1 * sympy.exp(X0 / 2)
    assert (product.way, product.decided) == ("shapes", True)
    assert kinds(square) == {("x0**2",)}
    assert not read_latents(curves[:1], X, SHAPES)[0].expressed


def test_products_are_of_inputs_that_the_mask_shows():
    shapes = [Shape(X0), Shape(sympy.exp(X0)), Shape(X1**3)]
    (reading,) = read_latents([B * np.exp(A)], X, shapes, [[0, 1]], products=True)
    assert {v for term in reading.found.terms for v in term.variables} <= {1}


@pytest.fixture
def asked(monkeypatch):
    """The curves that an engine is asked for; it finds tanh(2*x0) + 0.1*x0 of its first input."""
    curves = []

    def search(x, y, **options):
        curves.append(y)
        return [parse(text, {"x": x.shape[1]}) for text in ("x0", "tanh(2.0*x0) + 0.1*x0")]

    monkeypatch.setattr(engines, "search", search)
    monkeypatch.setattr(engines, "installed", lambda name: True)
    return curves


STEEP = np.tanh(2 * B) + 0.1 * B
FEW = [Shape(X0**2), Shape(X1**2)]


def test_what_no_shape_expresses_is_searched_for(asked):
    square, steep = read_latents([A**2, 5 - 3 * STEEP], X, FEW, [[1, 1], [0, 1]], engine=Engine())
    assert (square.way, steep.way) == ("shapes", "search")
    assert len(asked) == 1  # not for the square
    np.testing.assert_array_equal(asked[0], 5 - 3 * STEEP)
    np.testing.assert_allclose(evaluate(steep.expression, X), 5 - 3 * STEEP, atol=1e-9)
    assert steep.decided
    assert kinds_of(steep.rival) == {("x1",)}
    *_, row = as_text([square, steep]).splitlines()
    assert " search " in row


def test_what_a_search_finds_is_shared_out_like_any_term(asked):
    first, second = read_latents([STEEP, 2 * STEEP + 1], X, FEW, [[0, 1]] * 2, engine=Engine())
    assert first.owners == second.owners


def test_what_a_search_does_not_express_is_said(asked):
    curve = np.sign(np.sin(9 * B))
    (reading,) = read_latents([curve], X, FEW, [[0, 1]], engine=Engine())
    assert not reading.expressed
    assert "expresses it: " in as_text([reading])


def test_without_an_engine_none_is_asked(asked):
    (reading,) = read_latents([STEEP], X, FEW, [[0, 1]])
    assert (reading.way, asked) == ("shapes", [])
