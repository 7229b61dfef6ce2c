"""Figures of lesions: the numbers that are drawn."""

import numpy as np
import pytest

from sdnet.errors import InputError
from srnet import plots

SEEDS = (0, 1)


def row(damage, severity, optimizer, seed, epoch, words, wrong=""):
    return {
        "damage": damage,
        "severity": severity,
        "optimizer": optimizer,
        "seed": seed,
        "epoch": epoch,
        "word_accuracy": words,
        "wrong": wrong,
    }


def table():
    """Damage takes 0.6 and 0.8 of the words, a tenth more of seed 1's; retraining gives 0.2 back,
    0.4 with a fresh optimiser; the undamaged network has 1, and 0.9 after retraining."""
    rows = []
    for optimizer, back in (("carried", 0.2), ("fresh", 0.4)):
        for seed in SEEDS:
            for epoch in (0, 10):
                rows.append(row("undamaged", None, optimizer, seed, epoch, 1 - epoch / 100))
                for damage, severity, lost in (
                    ("zero_out:pp", 0.2, 0.6),
                    ("zero_out:pp", 0.1, 0.5),
                    ("cut:hp", None, 0.8),
                ):
                    words = 1 - lost - 0.1 * seed + back * epoch / 10
                    wrong = "cat sun" if seed else "cat"
                    rows.append(row(damage, severity, optimizer, seed, epoch, words, wrong))
    return rows


def lines(ax, marker="o"):
    return {line.get_label(): line for line in ax.lines if line.get_marker() == marker}


def test_accuracy_by_severity():
    zeroed, without = plots.accuracy_by_severity(table()).axes
    assert [ax.get_title() for ax in (zeroed, without)] == ["zero_out:pp", "without severity"]
    drawn = lines(zeroed)
    assert drawn["damaged"].get_xydata() == pytest.approx(np.array([[0.1, 0.45], [0.2, 0.35]]))
    assert drawn["retrained, carried"].get_ydata() == pytest.approx([0.65, 0.55])
    assert drawn["retrained, fresh"].get_ydata() == pytest.approx([0.85, 0.75])
    assert drawn["retrained, fresh"].get_linestyle() == "--"
    levels = [line.get_ydata()[0] for line in zeroed.lines if len(set(line.get_xdata())) > 1]
    assert 0.9 in [pytest.approx(level) for level in levels]  # the control, retrained
    drawn = lines(without)
    assert drawn["damaged"].get_ydata() == pytest.approx([0.15])
    assert drawn["damaged"].get_linestyle() == "None"
    assert [text.get_text() for text in without.get_xticklabels()] == ["cut:hp"]


def test_severities_over_decades_are_on_a_logarithmic_axis():
    rows = [row("apply_l2", severity, "fresh", 0, 0, 1.0) for severity in (1e-5, 1e-3)]
    assert plots.accuracy_by_severity(rows).axes[0].get_xscale() == "log"
    assert plots.accuracy_by_severity(table()).axes[0].get_xscale() == "linear"


def test_recovery():
    zeroed, cut = plots.recovery(table()).axes
    drawn = {(line.get_color(), line.get_linestyle()): line.get_ydata() for line in zeroed.lines}
    assert len(drawn) == 6
    first, second = (plots.common.COLOURS[i] for i in (0, 1))
    assert drawn[first, "-"] == pytest.approx([0.45, 0.65])
    assert drawn[second, "--"] == pytest.approx([0.35, 0.75])
    assert drawn[plots.common.GREY, "-"] == pytest.approx([1, 0.9])
    assert [text.get_text() for text in zeroed.get_legend().get_texts()] == ["0.1", "0.2"]
    assert cut.get_legend() is None


def test_lost_words():
    panels = plots.lost_words(table(), ["cat", "cot", "sun"]).axes[:3]
    assert [ax.get_title() for ax in panels] == [
        "after the damage",
        "retrained, carried",
        "retrained, fresh",
    ]
    shares = panels[0].images[0].get_array()
    assert shares.tolist() == [[1, 0, 0.5]] * 3
    labels = [text.get_text() for text in panels[0].get_yticklabels()]
    assert labels == ["zero_out:pp 0.1", "zero_out:pp 0.2", "cut:hp"]


@pytest.mark.parametrize("rows", [[], [row("undamaged", None, "fresh", 0, 0, 1.0)]])
def test_nothing_to_draw(rows):
    for draw in (
        plots.accuracy_by_severity,
        plots.recovery,
        lambda r: plots.lost_words(r, ["cat"]),
    ):
        with pytest.raises(InputError, match="no damage to draw"):
            draw(rows)
