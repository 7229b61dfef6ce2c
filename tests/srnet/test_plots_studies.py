"""Figures of studies: what stands where."""

import pytest

from sdnet.errors import InputError
from srnet.plots_studies import curves_by_trend, parallel_coordinates


def heights(figure, count):
    return [line.get_ydata().tolist() for line in figure.axes[0].lines[-count:]]


def test_columns_of_all_kinds():
    """Numbers over two decades by their logarithm, others as they are, text by its rank."""
    rows = [
        {"lr": 1e-1, "depth": 2, "shape": "c", "same": 1, "acc": 0.5},
        {"lr": 1e-5, "depth": 6, "shape": "a", "same": 1, "acc": 0.9},
        {"lr": 1e-3, "depth": 3, "shape": "b", "same": 1, "acc": 0.6},
        {"lr": 1e-4, "depth": 5, "shape": "a", "same": 1, "acc": None},
    ]
    figure = parallel_coordinates(rows, ["lr", "depth", "shape", "same"], "acc", maximize=True)
    found = heights(figure, 3)
    assert found[0] == [1, 0, 1, 0.5, 0]
    assert found[1] == pytest.approx([0.5, 0.25, 0.5, 0.5, 0.25])
    assert found[2] == [0, 1, 0, 0.5, 1]  # the best one, drawn last
    names = [text.get_text() for text in figure.axes[0].get_xticklabels()]
    assert names == ["lr", "depth", "shape", "same", "acc"]
    lowest = parallel_coordinates(rows, ["lr"], "acc", maximize=False)
    assert heights(lowest, 3)[-1] == [1, 0]


def test_curves_stand_in_the_panels_of_their_trends():
    figure = curves_by_trend({"up": [[0.5, 0.9], [0.6, 0.8]], "none": []}, "accuracy")
    assert [ax.get_title() for ax in figure.axes] == ["up: 2", "none: 0"]
    drawn = [line.get_ydata() for line in figure.axes[0].lines]
    assert [list(curve) for curve in drawn[:2]] == [[0.5, 0.9], [0.6, 0.8]]
    assert figure.axes[0].get_ylabel() == "accuracy"


def test_nothing_to_draw():
    with pytest.raises(InputError, match="no trial has a figure for acc"):
        parallel_coordinates([{"acc": None}], [], "acc", maximize=True)
    with pytest.raises(InputError, match="no trends to draw"):
        curves_by_trend({}, "accuracy")
