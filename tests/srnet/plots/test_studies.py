"""Figures of studies: what stands where."""

import math

import numpy as np
import pytest

from sdnet.errors import InputError
from srnet.plots.studies import curves_by_trend, parallel_coordinates


def heights(figure, count):
    return [line.get_ydata().tolist() for line in figure.axes[0].lines[-count:]]


def test_columns_of_all_kinds():
    """Numbers by their logarithm or as they are, choices at even distances."""
    rows = [
        {"lr": 1e-1, "depth": 2, "shape": "c", "same": 1, "acc": 0.5},
        {"lr": 1e-5, "depth": 6, "shape": "a", "same": 1, "acc": 0.9},
        {"lr": 1e-3, "depth": 3, "shape": "b", "same": 1, "acc": 0.6},
        {"lr": 1e-4, "depth": 5, "shape": "a", "same": 1, "acc": None},
    ]
    scales = {"lr": "log", "depth": "linear", "shape": "choice", "same": "choice", "acc": "linear"}
    figure = parallel_coordinates(rows, scales, "acc", maximize=True)
    found = heights(figure, 3)
    assert found[0] == [1, 0, 1, 0.5, 0]
    assert found[1] == pytest.approx([0.5, 0.25, 0.5, 0.5, 0.25])
    assert found[2] == [0, 1, 0, 0.5, 1]  # the best one, drawn last
    names = [text.get_text() for text in figure.axes[0].get_xticklabels()]
    assert names == ["lr\n(log)", "depth", "shape", "same", "acc"]
    assert "3 trials" in figure.axes[0].get_title("right")
    assert "1 without a figure left out" in figure.axes[0].get_title("right")
    lowest = parallel_coordinates(rows, {"lr": "log", "acc": "linear"}, "acc", maximize=False)
    assert heights(lowest, 3)[-1] == [1, 0]


def test_choices_of_numbers_and_lists_are_labelled_where_they_lie():
    """As in sweeps over one depth or a pair, and over 0 and some decades."""
    rows = [
        {"depth": 10, "gp": 1e-3, "acc": 0.5},
        {"depth": "[1, 2]", "gp": 0, "acc": 0.6},
        {"depth": 9, "gp": 1e-6, "acc": 0.7},
    ]
    scales = {"depth": "choice", "gp": "choice", "acc": "linear"}
    figure = parallel_coordinates(rows, scales, "acc", maximize=True)
    assert heights(figure, 3) == [[0.5, 1, 0], [1, 0, pytest.approx(0.5)], [0, 0.5, 1]]
    labels = {text.get_text(): text.get_position()[1] for text in figure.axes[0].texts}
    shown = {"9": 0, "10": 0.5, "[1, 2]": 1, "0": 0, "1e-06": 0.5, "0.001": 1}
    assert {key: labels[key] for key in shown} == shown


def test_a_value_without_a_place_leaves_a_gap():
    rows = [
        {"lr": 0.0, "gp": None, "acc": 1.0},
        {"lr": 1e-3, "gp": 1, "acc": 2.0},
        {"lr": 1e-1, "gp": 3, "acc": 3.0},
        {"lr": 1e-1, "gp": 3, "acc": math.nan},
    ]
    scales = {"lr": "log", "gp": "linear", "acc": "linear"}
    found = heights(parallel_coordinates(rows, scales, "acc", maximize=True), 3)
    assert np.isnan(found[0]).tolist() == [True, True, False]
    assert found[1:] == [[0, 0, 0.5], [1, 1, 1]]
    figure = parallel_coordinates(rows[:1], scales, "acc", maximize=True)
    assert np.isnan(heights(figure, 1)[0]).tolist() == [True, True, False]


def test_decades_are_the_ticks_of_a_logarithmic_axis():
    rows = [{"lr": 2e-4, "acc": 0.5}, {"lr": 2e-2, "acc": 0.9}]
    figure = parallel_coordinates(rows, {"lr": "log", "acc": "linear"}, "acc", maximize=True)
    labels = {text.get_text(): text.get_position()[1] for text in figure.axes[0].texts}
    assert labels["0.001"] == pytest.approx(math.log10(5) / 2)
    assert labels["0.01"] == pytest.approx(math.log10(50) / 2)
    assert "0.0001" not in labels


def test_curves_stand_in_the_panels_of_their_trends():
    groups = {"up": [([1, 2], [0.5, 0.9]), ([10, 20], [0.6, 0.8])], "none": []}
    figure = curves_by_trend(groups, "accuracy", chance=0.5)
    assert [ax.get_title() for ax in figure.axes] == ["up: 2 of 2", "none: 0 of 2"]
    drawn = [line.get_xydata().tolist() for line in figure.axes[0].lines]
    assert drawn[:2] == [[[1, 0.5], [2, 0.9]], [[10, 0.6], [20, 0.8]]]
    assert list(figure.axes[0].lines[2].get_ydata()) == [0.5, 0.5]
    assert figure.axes[0].get_ylabel() == "accuracy"
    assert figure.axes[1].get_xlim() == figure.axes[0].get_xlim()
    loss = curves_by_trend({"up": [([1, 2], [5.0, 0.1])]}, "loss", log=True)
    assert (loss.axes[0].get_yscale(), len(loss.axes[0].lines)) == ("log", 1)


def test_nothing_to_draw():
    with pytest.raises(InputError, match="no trial has a figure for acc"):
        parallel_coordinates([{"acc": None}], {"acc": "linear"}, "acc", maximize=True)
    with pytest.raises(InputError, match="no trends to draw"):
        curves_by_trend({}, "accuracy")
