"""Each way finds the laws it is for, and ends in time."""

import math
import time

import numpy as np
import pytest

from sdnet.formula import parse
from sdnet.library import SDData
from srnet import ways
from srnet.ways import ROWS, Table

X = np.random.default_rng(0).standard_normal((200, 3))
A, B, C = X.T


def table(y, x=X, seconds=60.0):
    return Table(x, y, time.monotonic() + seconds)


def library(*lines):
    return SDData.from_lines(list(lines), "X")


def law(text):
    return parse(text, {"x": 3})


def test_a_library_s_own_shapes():
    y = 2.7 * A**2 + 5 * np.cos(3 * B) + 4.5 * A * B
    own = library("N0*x0**2", "N0*cos(6*U0*x1)", "x0*x1", "x1")
    found = next(ways.library_sums(table(y), own))
    assert found == law("2.7*x0**2 + 5*cos(3*x1) + 4.5*x0*x1")


def test_generic_shapes_and_their_products_with_powers():
    found = next(ways.generic_sums(table(3 * A**2 - 0.5 * B)))
    assert found == law("3*x0**2 - 0.5*x1")
    assert next(ways.generic_sums(table(A * np.sin(1.37 * B)))) == law("x0*sin(1.37*x1)")


def test_composed():
    y = (A**2 + B + 0.5) ** 2 - 0.25
    wanted = law("(x0**2 + x1 + 0.5)**2 - 1/4")
    assert wanted in ways.composed(table(y, X[:, :2]), (0.0, 1.0))


def test_products_of_three_variables():
    y = A * B * np.cos(2 * C)
    found = next(ways.threefold_sums(table(y), [(0, 1, 2)]))
    assert found == law("x0*x1*cos(2*x2)")


def test_constants_are_refined_on_all_rows():
    """A search looks at the first rows; noise of 1 is averaged over ten times as many."""
    x = np.random.default_rng(1).standard_normal((10 * ROWS, 1))
    noise = np.random.default_rng(2).standard_normal(len(x))
    y = 2 * x[:, 0] + noise
    work = table(y, x)
    assert work.search([], 0.5).x.shape == (ROWS, 1)
    slope = float(work.finished(parse("1.5*x0", {"x": 1})).diff(parse("x0", {"x": 1})))
    assert slope == pytest.approx(2, abs=4 / math.sqrt(len(x)))


def test_a_search_has_its_share_of_the_time_left():
    work = table(A, seconds=100.0)
    now = time.monotonic()
    assert work.search([], 0.25).deadline == pytest.approx(now + 25, abs=1)
    assert table(A, seconds=-5.0).search([], 0.25).deadline == pytest.approx(now, abs=1)
