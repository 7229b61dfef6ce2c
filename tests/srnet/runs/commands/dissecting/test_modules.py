"""`symdisc dissect modules`: what it prints and writes, and what it refuses."""

import csv

import pytest
import torch

from srnet.dissect.classifiers import dense
from srnet.runs.cli import main
from srnet.runs.networks import save_network

QUICK = ["--steps", "3", "--draws", "1", "--batch_size", "64"]


@pytest.fixture
def state(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_network("net.pt", dense([64, 12, 10], torch.Generator().manual_seed(0)))
    return "net.pt"


def test_a_table_a_figure_and_a_csv_file(state, tmp_path, capsys):
    words = ["--classes", "0", "3", "--alphas", "0.1", "0.01", "--table", "t.csv"]
    assert main(["dissect", "modules", state, *words, *QUICK]) == 0
    printed = capsys.readouterr().out
    assert "1197 training, 240 validation (v) and 360 test examples" in printed
    with (tmp_path / "t.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["task"], row["alpha"]) for row in rows] == [
        ("0", "0.01"),
        ("0", "0.1"),
        ("3", "0.01"),
        ("3", "0.1"),
    ]
    assert all(row["kept"] == row["relu1"] for row in rows)
    assert (tmp_path / "figures/modules.png").read_bytes()[:4] == b"\x89PNG"


def test_one_class_alone(state, capsys):
    assert main(["dissect", "modules", state, "--classes", "7", *QUICK]) == 0
    printed = capsys.readouterr().out
    assert "by_chance" not in printed  # nothing to compare


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "got 0 states, expected one"),
        (["net.pt", "--classes", "10"], "class 10 is none of the 10"),
        (["net.pt", "--layers", "relu2"], "did you mean 'relu1'"),
        (["net.pt", "--alphas", "0"], "numbers > 0"),
        (["net.pt", "--figure", "a.pdf"], "ends in .png or .svg"),
        (["net.pt", "--table", "a.txt"], "ends in .csv"),
        (["none.pt"], "no such state"),
    ],
)
def test_what_is_refused(state, tmp_path, capsys, words, message):
    assert main(["dissect", "modules", *words, *QUICK]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.glob("**/*.png"))
