"""A study read back: trends by the written rule, importance of known functions, the command."""

import math
import random
from pathlib import Path

import numpy as np
import pytest

from sdnet.errors import InputError
from srnet.runs.cli import main
from srnet.runs.sweeps.engine import run_sweep
from srnet.runs.sweeps.importance import importances
from srnet.runs.sweeps.reading import read_study
from srnet.runs.sweeps.trends import TRENDS, trend

STAYS, DROPS, SLOWLY, NEVER = TRENDS


@pytest.mark.parametrize(
    ("curve", "expected"),
    [
        (np.full(100, 0.5), NEVER),
        (np.linspace(0.5, 0.59, 100), NEVER),
        (np.concatenate([np.linspace(0.5, 0.9, 30), np.full(70, 0.9)]), STAYS),
        (np.linspace(0.5, 0.9, 100), SLOWLY),  # nine tenths of the gain at epoch 90
        (np.concatenate([np.full(60, 0.5), np.full(40, 0.8)]), SLOWLY),
        (np.concatenate([np.full(50, 0.9), np.full(50, 0.6)]), DROPS),  # of 0.4 a quarter is left
        (np.concatenate([np.full(50, 0.9), np.full(50, 0.75)]), STAYS),  # more than half is left
        (np.full(7, 0.9), STAYS),
        ([], NEVER),
        ([math.nan] * 5, NEVER),
    ],
)
def test_trends(curve, expected):
    assert trend(curve) == expected


def test_one_lucky_epoch_is_no_learning():
    curve = np.full(400, 0.5)
    curve[100] = 0.9
    assert trend(curve) == NEVER


# -- importance -----------------------------------------------------------------------------


def trials(figure, count=200):
    numbers = random.Random(0)
    rows = []
    for i in range(count):
        row = {
            "trial": i,
            "lr": 10 ** numbers.uniform(-5, -2),
            "depth": numbers.choice([2, 4, 6, 8]),
            "shape": numbers.choice(["[2, 4]", "[2, 8]"]),
            "same": 3,
        }
        rows.append({**row, "acc": figure(row)})
    return rows


KEYS = ["lr", "depth", "shape", "same"]


def test_what_alone_matters_has_the_whole_share():
    found = importances(trials(lambda row: math.log10(row["lr"])), KEYS, "acc")
    assert found["lr"] > 0.97
    assert sum(found.values()) == pytest.approx(1)
    assert "same" not in found
    found = importances(trials(lambda row: row["shape"] == "[2, 4]"), KEYS, "acc")
    assert found["shape"] > 0.97


def test_shares_are_those_of_the_variance():
    """depth is uniform over 2, 4, 6, 8: variance 5; a shape worth 2 a half of the time: 1."""
    rows = trials(lambda row: row["depth"] + 2.0 * (row["shape"] == "[2, 4]"), 400)
    found = importances(rows, KEYS, "acc")
    assert found["depth"] == pytest.approx(5 / 6, abs=0.05)
    assert found["shape"] == pytest.approx(1 / 6, abs=0.05)


def test_trials_without_a_figure_are_left_out():
    rows = trials(lambda row: float(row["depth"]), 60)
    lost = [{**rows[0], "lr": 1e-9, "acc": value} for value in (None, math.nan)]
    assert importances(rows + lost, KEYS, "acc") == importances(rows, KEYS, "acc")


def test_too_few_trials():
    with pytest.raises(InputError, match="3 trials with a figure for acc, in which 3 of 4"):
        importances(trials(lambda row: 1.0, 3), KEYS, "acc")
    with pytest.raises(InputError, match="in which 0 of 1"):
        importances(trials(lambda row: 1.0), ["same"], "acc")


# -- the command ----------------------------------------------------------------------------


def test_a_study(study, capfd):
    rows = run_sweep(study(), progress=False).rows
    found = read_study("tiny.yaml")
    assert [row["acc"] for row in found.rows] == [row["acc"] for row in rows]
    assert [row["disc.hid_num"] for row in found.rows] == [1, 1, 1] + ["[1, 2]"] * 3
    assert found.keys == ["disc.hid_num", "disc.lr"]
    assert sorted(len(curve) for curve in found.curves.values()) == [20] * 6
    assert sum(map(len, found.trends.values())) == 6
    assert main(["study", "tiny.yaml"]) == 0
    shown, told = capfd.readouterr()
    assert told == ""
    best = max(rows, key=lambda row: row["acc"])["trial"]
    assert shown.splitlines()[1].split()[0] == str(best)
    assert "importance" in shown
    assert all(name in shown for name in TRENDS)
    figures = {path.name for path in Path("figures").iterdir()}
    assert figures == {f"tiny-{kind}.png" for kind in ("parallel", "importance", "trends")}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "symdisc study: got 0 files, expected one"),
        (["tiny.yaml"], "models/tiny/trials.csv: No such file or directory, expected the table of"),
        (["tiny.yaml", "--out=here"], "here/trials.csv: no finished trial of this sweep"),
    ],
)
def test_mistakes(study, capsys, words, told):
    study()
    Path("here").mkdir()
    Path("here/trials.csv").write_text("trial\n")
    assert main(["study", *words]) == 2
    assert told in capsys.readouterr().err
