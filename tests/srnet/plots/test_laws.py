"""Figures of laws: what stands where, and what is refused."""

import numpy as np
import pytest

from sdnet.errors import InputError
from srnet.plots.laws import latent_against_formula, panels, target_against_equation

X = np.array([[0.0, 5.0], [1.0, 6.0], [3.0, 4.0]])
NAMES = ("x0", "wind in $")


def drawn(latent, formula, inputs, text="x0"):
    _, (ax,) = panels(1)
    latent_against_formula(ax, X, latent, formula, inputs, NAMES, label="latent 0", text=text)
    return ax


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 12, 13, 30])
def test_as_many_panels_as_asked_for(count):
    figure, axes = panels(count)
    assert len(axes) == len(figure.axes) == count


def test_a_line_over_the_one_input():
    ax = drawn([9.0, 8.0, 7.0], lambda x: 2 * x[:, 1], [1])
    dots, line = (drawn_line.get_xydata() for drawn_line in ax.lines)
    assert dots.tolist() == [[5, 9], [6, 8], [4, 7]]
    assert np.array_equal(line[:, 1], 2 * line[:, 0])
    assert (line[0, 0], line[-1, 0]) == (4, 6)
    assert (ax.get_xlabel(), ax.get_ylabel()) == (r"x1 = wind in \$", "latent 0")


def test_several_inputs_on_the_diagonal():
    ax = drawn([0.0, 5.0, 12.0], lambda x: x[:, 0] * x[:, 1], [0, 1])
    dots, line = (drawn_line.get_xydata() for drawn_line in ax.lines)
    assert dots.tolist() == [[0, 0], [6, 5], [12, 12]]
    assert line.tolist() == [[0, 0], [12, 12]]


def test_a_pole_between_the_points_does_not_hide_them():
    with np.errstate(divide="ignore"):
        ax = drawn([-1.0, 1.0, 3.0], lambda x: 1 / (x[:, 0] - 0.5), [0])
    assert -2.5 < ax.get_ylim()[0] < ax.get_ylim()[1] < 3.5


def test_the_title_has_short_numbers_and_the_share_of_variance():
    ax = drawn([0.0, 3.0, 3.0], lambda x: 0 * x[:, 0] + 2, [], "1.23456789*x0**2 - 1.5e-07*x10")
    assert ax.get_title(loc="left") == "1.235*x0**2 - 1.5e-07*x10\nR² = 0"
    long = drawn([0.0, 1.0, 3.0], lambda x: x[:, 0], [0], " + ".join(["sin(x0)"] * 90))
    assert len(long.get_title(loc="left").splitlines()) == 4
    assert drawn([1.0] * 3, lambda x: x[:, 0], [0]).get_title(loc="left").endswith("constant")


def test_a_long_name_is_cut():
    _, (ax,) = panels(1)
    target_against_equation(ax, [1.0], [2.0], label="a" * 99 + "\nb", text="2")
    assert ax.get_ylabel() == "a" * 37 + "..."


def test_numbers_that_cannot_be_drawn():
    with pytest.raises(InputError, match="x has 3 points, latent 2"):
        drawn([1.0, 2.0], lambda x: x[:, 0], [0])
    with pytest.raises(InputError, match="the formula's values has 3 values that aren't finite"):
        drawn([1.0, 2.0, 3.0], lambda x: np.nan * x[:, 0], [0])
    _, (ax,) = panels(1)
    with pytest.raises(InputError, match="2 targets and 1 predictions"):
        target_against_equation(ax, [1.0, 2.0], [1.0], label="y", text="1")
