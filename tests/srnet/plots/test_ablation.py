"""Figures of ablation: what stands where."""

import numpy as np
import pytest

from sdnet.errors import InputError
from srnet.plots.ablation import strips, units_by_effect

KL = np.array([[0.1, 0.3], [1.0, 3.0], [0.0, 0.0]])
REVERSE = 2 * KL


def test_units_in_the_order_of_their_effect():
    figure = units_by_effect(KL, REVERSE, [7, 8, 9], [0.0, -0.5, 0.0])
    left, right = figure.axes
    assert left.lines[0].get_ydata().tolist() == pytest.approx([2.0, 0.2, 0.0])
    assert left.lines[1].get_ydata().tolist() == pytest.approx([4.0, 0.4, 0.0])
    assert left.lines[0].get_xdata().tolist() == [1, 2, 3]
    ends = left.collections[0].get_segments()[0]
    assert ends[:, 1].tolist() == pytest.approx([1.5, 2.5])  # quartiles of 1 and 3
    assert right.lines[0].get_xydata()[1].tolist() == pytest.approx([2.0, -0.5])
    assert [text.get_text() for text in right.texts] == ["8", "7", "9"]
    assert right.get_title("right") == "3 units, 2 examples, 1 without effect"
    assert (left.get_yscale(), right.get_xscale()) == ("log", "log")


def test_units_of_which_none_has_an_effect():
    figure = units_by_effect(0 * KL, 0 * KL, ["a", "b", "c"], [0.0, 0, 0], kind="group")
    assert figure.axes[0].get_yscale() == "linear"
    assert figure.axes[1].get_title("right") == "3 groups, 2 examples, 3 without effect"


def test_strips_of_numbers():
    figure = strips({"best": [128.0, 115.0], "units": [1.2, 0.0, -1e-9], "one": [3.0]}, "KL")
    (ax,) = figure.axes
    assert [line.get_xdata().tolist() for line in ax.lines] == [[128.0, 115.0], [1.2], [3.0]]
    assert [round(float(line.get_ydata().mean())) for line in ax.lines] == [0, 1, 2]
    assert [text.get_text() for text in ax.get_yticklabels()] == [
        "best (2)",
        "units (3)",
        "one (1)",
    ]
    assert [text.get_text().strip() for text in ax.texts] == ["2 of 0"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first on top


def test_what_is_refused():
    with pytest.raises(InputError, match=r"kl of shape \(3, 2\) and \(2, 2\)"):
        units_by_effect(KL, REVERSE[:2], [7, 8, 9], [0, 0, 0])
    with pytest.raises(InputError, match="2 names and 3 changes for 3 ablations"):
        units_by_effect(KL, REVERSE, [7, 8], [0, 0, 0])
    with pytest.raises(InputError, match="no number above 0"):
        strips({"units": [0.0]}, "KL")


def test_labels_do_not_overlap_where_effects_are_alike():
    kl = np.linspace(3e-4, 6e-4, 5)[:, None].repeat(2, 1)
    kl[0] = 2e-5
    figure = units_by_effect(kl, kl, [95, 100, 125, 35, 32], np.zeros(5))
    figure.draw_without_rendering()
    right = figure.axes[1]
    ticks = [one.label1 for one in right.xaxis.get_major_ticks() + right.xaxis.get_minor_ticks()]
    low, high = right.get_xlim()
    ticks = [one for one in ticks if one.get_text() and low <= one.get_position()[0] <= high]
    assert len(ticks) >= 2
    for texts in (ticks, right.texts):
        boxes = [text.get_window_extent() for text in texts]
        assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
