"""Shares left by hand and by a twin that fits on a grid, masks, bounds, and what is refused."""

import numpy as np
import pytest
import sympy

from sdnet.errors import InputError
from srnet.readout.likeness import shares_left, with_simple
from srnet.readout.shapes import Shape

X0, X1, C0 = sympy.symbols("x0 x1 c0", real=True)
X = np.random.default_rng(0).standard_normal((200, 2))
A, B = X.T
STARTS = np.linspace(0.1, 6, 30)[:, None]
SINE = Shape(sympy.sin(C0 * X0), (C0,), STARTS, (0.02, 8.0), cost=2)


def left(values, curve):
    """1 - corr^2: what the best a*values + b leaves."""
    return 1 - np.corrcoef(values, curve)[0, 1] ** 2


def test_a_shape_without_coefficients_leaves_what_a_line_does():
    curve = np.exp(A)
    (share,) = shares_left([5 - 2 * curve], X, [Shape(X0**3)])
    expected = min(left(A**3, curve), left(A, curve), left(A**2, curve))  # the simple ones too
    assert share == pytest.approx(expected, abs=1e-5)  # a bank's values are of single precision


def test_coefficients_are_fitted():
    shares = shares_left([np.sin(2.345 * A), np.tanh(A)], X, [SINE])
    grid = [left(np.sin(c * A), np.tanh(A)) for c in np.linspace(0.02, 3, 3000)]
    assert shares[0] <= 1e-8
    assert shares[1] == pytest.approx(min([*grid, left(A, np.tanh(A))]), abs=1e-4)


def test_a_coefficient_beyond_its_bounds_counts_as_its_start():
    """1 - cos(c x) for c to 0 is the parabola; bounded below by 3, it stays a wave."""
    wave = Shape(sympy.sin(C0 * X0), (C0,), np.array([[3.0]]), (3.0, 8.0))
    curve = np.sin(2.8 * A)
    (share,) = shares_left([curve], X, [wave])
    assert share == pytest.approx(left(np.sin(3.0 * A), curve), abs=1e-5)


def test_masks_hide_inputs():
    seen, unseen = shares_left([A**3, A**3], X, [Shape(X0**3), Shape(X1**3)], [[1, 0], [0, 0.5]])
    assert seen <= 1e-6
    assert unseen > 0.9


def test_constants_and_what_nothing_is_like():
    shares = shares_left([np.full(200, 3.0), np.sign(np.sin(40 * A * B))], X, [Shape(X0**2)])
    assert shares[0] == 0
    assert 0.9 < shares[1] <= 1
    assert shares_left([A], X, [], [[0, 0]]).tolist() == [1.0]  # it sees nothing


def test_scale_and_offset_do_not_matter():
    shares = shares_left([np.tanh(A), 1e9 * np.tanh(A) - 7, 1e-9 * np.tanh(A)], X, [SINE])
    assert shares == pytest.approx([shares[0]] * 3, rel=1e-3)


def test_simple_shapes_are_added_once():
    names = [shape.name for shape in with_simple([Shape(X0**2)], 2)]
    assert names[0] == "x0**2"
    assert sorted(names) == sorted(["x0", "x0*x1", "x0**2", "x1", "x1**2"])


@pytest.mark.parametrize(
    ("curves", "masks", "told"),
    [
        (A, None, r"curves have shape \(200,\)"),
        ([A * np.nan], None, "aren't finite"),
        ([A], [[1]], r"masks have shape \(1, 1\), expected .* \(1, 2\)"),
    ],
)
def test_bad_input_is_told(curves, masks, told):
    with pytest.raises(InputError, match=told):
        shares_left(curves, X, [SINE], masks)
