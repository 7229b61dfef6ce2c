"""Figures of modules: what stands where, and what is refused."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from sdnet.errors import InputError
from srnet.plots.modules import accuracy_against_size, module_panels, overlap_matrix, units_kept


def test_the_front_is_a_line_and_the_others_are_hollow():
    ax = Figure().subplots()
    accuracy_against_size(ax, [5, 9, 2], [0.9, 0.8, 0.7], [True, False, True], label="3")
    accuracy_against_size(ax, [1], [0.5], [True], label="4")
    assert [line.get_xydata().tolist() for line in ax.lines] == [[[2, 0.7], [5, 0.9]], [[1, 0.5]]]
    assert ax.collections[0].get_offsets().tolist() == [[9, 0.8]]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["3", "4"]
    assert ax.lines[0].get_color() != ax.lines[1].get_color()


def test_bars_stand_end_to_end():
    ax = Figure().subplots()
    units_kept(ax, {"a": [1, 0], "b": [2, 0]}, ["x", "y"])
    assert [(bar.get_x(), bar.get_width()) for bar in ax.patches] == [
        (0, 1),
        (0, 0),
        (1, 2),
        (0, 0),
    ]
    assert [text.get_text().strip() for text in ax.texts] == ["3", "0"]
    assert ax.yaxis_inverted()


def test_a_large_matrix_has_no_numbers_in_it():
    ax = Figure().subplots()
    overlap_matrix(ax, np.eye(17), [str(i) for i in range(17)], label="IoU")
    assert not ax.texts
    assert np.array_equal(ax.images[0].get_array(), np.eye(17))


def test_panels():
    figure = module_panels({"0": ([3], [0.9], [True])}, {"fc1": [3]}, [[1.0]], ["a module"])
    assert len(figure.axes) == 4


def test_numbers_that_cannot_be_drawn():
    ax = Figure().subplots()
    with pytest.raises(InputError, match="2 sizes, 1 accuracies"):
        accuracy_against_size(ax, [1, 2], [0.5], [True], label="")
    with pytest.raises(InputError, match="aren't finite"):
        accuracy_against_size(ax, [1], [np.nan], [True], label="")
    with pytest.raises(InputError, match="2 names"):
        units_kept(ax, {"a": [1]}, ["x", "y"])
    with pytest.raises(InputError, match=r"from 0 to 2; expected \(2, 2\)"):
        overlap_matrix(ax, [[0.0, 1.0], [2.0, 1.0]], ["x", "y"], label="IoU")
