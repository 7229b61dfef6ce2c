"""Values and derivatives by hand, the shapes of a library's lines, where fits begin."""

import numpy as np
import pytest
import sympy
import torch

from sdnet.library import SDData
from srnet.readout.shapes import STARTS, Shape, library_shapes

X0, X1, X11 = sympy.symbols("x0 x1 x11", real=True)
C0, C1 = sympy.symbols("c0 c1", real=True)
X = np.array([[1.0, 2.0], [3.0, -1.0], [0.5, 0.0]])


def shapes_of(*lines):
    return library_shapes(SDData.from_lines(list(lines), "X00").templates)


def test_values_of_several_coefficients_are_those_of_the_formula():
    shape = Shape(X0 * sympy.exp(C0 * X1) + C1, (C0, C1))
    c = np.array([[0.0, 1.0], [2.0, -3.0]])
    expected = [X[:, 0] + 1, X[:, 0] * np.exp(2 * X[:, 1]) - 3]
    np.testing.assert_allclose(shape.values(X, c), expected, rtol=1e-14)


def test_slopes_are_the_derivatives_by_the_coefficients():
    shape = Shape(sympy.sin(C0 * X0) * X1**2 + C1 * X1, (C0, C1))
    expected = [X[:, 0] * np.cos(2 * X[:, 0]) * X[:, 1] ** 2, X[:, 1]]
    c = torch.tensor([2.0, 5.0], dtype=torch.float64).unbind()
    slopes = shape.compiled_slopes(*shape.columns(X), *c)
    np.testing.assert_allclose(np.stack(slopes), expected, rtol=1e-14)


def test_a_shape_without_coefficients_has_one_row_of_values():
    np.testing.assert_array_equal(Shape(X0**2).values(X, np.zeros((1, 0))), [X[:, 0] ** 2])


def test_variables_are_numbers_in_their_order():
    assert Shape(X11 * X1 + C0, (C0,)).variables == (1, 11)


def test_at_puts_numbers_in():
    assert Shape(sympy.cos(C0 * X0), (C0,)).at(np.array([3.0])) == sympy.cos(3.0 * X0)


@pytest.mark.parametrize("form", ["read-only", "reversed", "columns first"])
def test_any_layout_of_the_points_will_do(form):
    x = np.asfortranarray(X) if form == "columns first" else X.copy()
    x = x[::-1] if form == "reversed" else x
    x.setflags(write=form != "read-only")
    np.testing.assert_array_equal(Shape(X0).values(x, np.zeros((1, 0)))[0], x[:, 0])


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("2.7*N0*x0**2", "x0**2"),
        ("N0*0.05*(x0 + 0.5*N1)**2 + 0.15*N2", "(0.5*N1 + x0)**2"),
        ("5*N0*sin(3*U0*x1)", "sin(3*U0*x1)"),
        ("N0*x0 + N0*x1 - 4", "x0 + x1"),
        ("-x0*exp(U0*x1)/3", "x0*exp(U0*x1)"),
    ],
)
def test_scale_and_offset_are_dropped(line, expected):
    assert [shape.name for shape in shapes_of(line)] == [expected]


def test_each_shape_comes_once_and_constants_never():
    found = shapes_of("N0*x0", "3*U0*x0", "N0 + 2", "x0**2", "N0 - x0**2")
    assert [shape.name for shape in found] == ["x0", "x0**2"]


def test_starts_are_quantiles_of_the_coefficients_laws():
    uniform, normal, both = shapes_of("sin(U0*x0)", "sin(N0*x0)", "sin(N0*x0 + U0)")
    np.testing.assert_allclose(uniform.starts[:, 0], (np.arange(STARTS) + 0.5) / STARTS)
    assert np.mean(np.abs(normal.starts) < 1) == pytest.approx(0.683, abs=0.02)  # of a normal
    np.testing.assert_allclose(normal.starts, -normal.starts[::-1], atol=1e-12)
    assert both.starts.shape == (STARTS, 2)
    assert [symbol.name for symbol in both.coefficients] == ["N0", "U0"]
    assert both.starts[:, 0].min() < -1 < 1 < both.starts[:, 0].max()
    assert 0 < both.starts[:, 1].min() < 0.1 < 0.9 < both.starts[:, 1].max() < 1
    assert shapes_of("x0")[0].starts.shape == (1, 0)
