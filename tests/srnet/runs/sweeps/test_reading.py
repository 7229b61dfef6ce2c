"""A study read back: trends by the written rule, importance of known functions, the command."""

import csv
import math
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from sdnet.errors import InputError
from srnet.pages import page_data
from srnet.runs.cli import main
from srnet.runs.states import FORMATS, save_state
from srnet.runs.sweeps.engine import run_sweep
from srnet.runs.sweeps.importance import importances
from srnet.runs.sweeps.laws import Categorical, IntUniform, LogUniformValues, Uniform
from srnet.runs.sweeps.reading import read_study, scale_of
from srnet.runs.sweeps.trends import TRENDS, loss_trend, trend

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


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ([1e-3] * 9, STAYS),
        ([1.0] * 9, NEVER),
        ([0.51] * 9, NEVER),
        ([0.49] * 9, STAYS),  # it is halved
        ([*np.logspace(-1, -4, 50), *np.logspace(-4, -1, 50)], DROPS),  # 1 of 4 decades is left
        ([*np.logspace(-1, -4, 50), *np.logspace(-4, -3, 50)], STAYS),  # 3 of 4 are left
        (np.logspace(0, -4, 100), SLOWLY),
        (np.concatenate([np.logspace(-1, -4, 20), np.full(80, 1e-4)]), STAYS),
        ([0.1] * 9 + [math.nan], DROPS),
        ([0.1] * 9 + [math.inf], DROPS),
        ([math.nan] * 9, NEVER),
        ([0.0] * 9, STAYS),
        ([], NEVER),
    ],
)
def test_trends_of_losses(loss, expected):
    """Of a loss that was 1 in the first epoch; a loss counts by its decades."""
    assert loss_trend(loss, 1.0) == expected
    assert loss_trend(np.asarray(loss) * 50, 50.0) == expected


def test_no_loss_to_begin_with():
    assert loss_trend([0.1], math.nan) == NEVER


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


def test_a_metric_by_its_logarithm():
    """The variances of the exponent's two terms are 5, and 6 a half of the time: 9."""
    rows = trials(lambda row: 10.0 ** (row["depth"] + 6 * (row["shape"] == "[2, 4]")), 400)
    found = importances(rows, KEYS, "acc", log=True)
    assert found["depth"] == pytest.approx(5 / 14, abs=0.08)
    assert found["shape"] == pytest.approx(9 / 14, abs=0.08)


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
    assert found.scales == {"disc.hid_num": "choice", "disc.lr": "choice", "acc": "linear"}
    assert [list(course.epochs) for course in found.courses.values()] == [[*range(1, 21)]] * 6
    assert sorted(trial for one in found.trends.values() for trial in one) == [*range(6)]
    assert main(["study", "tiny.yaml"]) == 0
    shown, told = capfd.readouterr()
    assert told == ""
    best = max(rows, key=lambda row: row["acc"])["trial"]
    assert shown.splitlines()[1].split()[0] == str(best)
    assert "importance" in shown
    assert all(name in shown for name in TRENDS)
    figures = {path.name for path in Path("figures").iterdir()}
    page = Path("figures/tiny.html")
    assert figures == {page.name, *(f"tiny-{k}.png" for k in ("parallel", "importance", "trends"))}
    assert f"page: {page}" in shown
    assert "nine tenths of the best gain" in " ".join(shown.split())
    data = page_data(page.read_text(encoding="utf-8"))
    assert [row["acc"] for row in data["rows"]] == [row["acc"] for row in rows]
    assert [axis["key"] for axis in data["axes"]] == ["disc.hid_num", "disc.lr", "acc"]
    assert (data["title"], data["source"]) == ("tiny", "tiny.yaml")
    assert (data["trends"], len(data["courses"])) == (list(TRENDS), 6)
    assert dict(map(tuple, data["shares"])) == found.importances


def test_a_study_of_one_trial(study, capfd):
    """There is nothing to compare, which is said; the rest is drawn."""
    run_sweep(study(), count=1, progress=False)
    assert main(["study", "tiny.yaml"]) == 0
    shown = " ".join(capfd.readouterr().out.split())
    assert "No importances: 1 trials with a figure for acc" in shown
    figures = {path.name for path in Path("figures").iterdir()}
    assert figures == {"tiny.html", "tiny-parallel.png", "tiny-trends.png"}


def test_a_study_of_which_every_trial_failed(study, capfd):
    run_sweep(study(), count=1, progress=False)
    table = Path("models/tiny/trials.csv")
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    lost = dict.fromkeys(("acc", "acc_calibrated", "auroc", "loss", "penalty", "state"), "")
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows([{**row, **lost, "ended": "failed: <b>"} for row in rows])
    assert main(["study", "tiny.yaml"]) == 0
    assert "No importances: 0 trials" in " ".join(capfd.readouterr().out.split())
    assert [path.name for path in Path("figures").iterdir()] == ["tiny.html"]


GENERATORS = """
name: joint
program: symdisc
command: ["${env}", "${program}", fit, --config, "${args_json_file}"]
method: random
parameters: {lr: {distribution: log_uniform_values, min: 1e-5, max: 1e-1}}
"""


def test_a_study_of_generators(tmp_path, monkeypatch, capfd):
    """A course is that of the chosen member's loss_inside, over its loss of the first epoch."""
    monkeypatch.chdir(tmp_path)
    Path("joint.yaml").write_text(GENERATORS)
    figures = ["loss", "loss_inside", "score", "min_corr", "min_corr_inside"]
    lines = [",".join(["trial", "lr", *figures, "ended", "state"])]
    courses = {0: [50.0, 50.0, 0.1], 1: [50.0, 5.0, 50.0], 2: [30.0] * 3, 3: [math.nan] * 3}
    form = "generator 1"
    for trial, losses in courses.items():
        state = {
            **dict.fromkeys(FORMATS[form]),
            "format": form,
            "best": 1,
            "measures": {
                "epoch": [10, 20, 30],
                "loss_inside": torch.tensor([[7.0, loss] for loss in losses]),
            },
            "history": {"loss": torch.tensor([[7.0, 50.0]] * 30)},
        }
        save_state(f"models/joint/{trial}.pt", state)
        lines.append(f"{trial},{10.0**-trial},,{losses[-1]},,,,finished,{trial}.pt")
    Path("models/joint/trials.csv").write_text("\n".join(lines))
    found = read_study("joint.yaml")
    assert found.trends == {STAYS: [], DROPS: [1], SLOWLY: [0], NEVER: [2, 3]}
    assert found.scales == {"lr": "log", "loss_inside": "log"}
    assert main(["study", "joint.yaml"]) == 0
    shown = " ".join(capfd.readouterr().out.split())
    assert "the decades by which loss_inside of the chosen member is below" in shown
    data = page_data(Path("figures/joint.html").read_text(encoding="utf-8"))
    assert (data["maximize"], data["curves"]["log"], data["curves"]["chance"]) == (
        False,
        True,
        None,
    )
    assert data["courses"][0] == [0, [10, 20, 30], [50.0, 50.0, 0.1], SLOWLY]
    assert data["rows"][3]["loss_inside"] == "nan"


@pytest.mark.parametrize(
    ("law", "values", "scale"),
    [
        (LogUniformValues(distribution="log_uniform_values", min=1, max=9), [1.0, 2.0, 8.0], "log"),
        (Uniform(min=0, max=1), [i / 20 for i in range(20)], "linear"),
        (Categorical(values=[0, 1e-3]), [0, 1e-3, 0], "choice"),
        (IntUniform(min=1, max=99), list(range(1, 30)), "linear"),
        (IntUniform(min=1, max=999), [*range(1, 30), 900], "log"),
        (Categorical(values=[*range(9), [1, 2]]), [*range(9), "[1, 2]"], "choice"),
        (None, [0.5, 0.6], "linear"),
        (None, [1e-4, 80.0, None], "log"),
        (None, [None, math.nan], "linear"),
    ],
)
def test_scales(law, values, scale):
    assert scale_of(values, law) == scale


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


@pytest.mark.parametrize(("row", "given"), [("0,0.5", "fewer"), ("0,0.5,0.pt,1", "more")])
def test_a_damaged_table(study, capsys, row, given):
    Path("here").mkdir()
    Path("here/trials.csv").write_text(f"trial,acc,state\n0,0.5,\n{row}\n")
    assert main(["study", study(), "--out=here"]) == 2
    told = capsys.readouterr().err
    assert f"here/trials.csv: row 3 has {given} cells than the header; the table is" in told
