"""`symdisc dissect information` and `modularity`: what they write, and what they refuse."""

import csv
import json
from pathlib import Path

import pytest
import torch

from srnet.dissect.classifiers import dense
from srnet.dissect.data import load_dataset
from srnet.dissect.information import pair_information, unit_information
from srnet.dissect.recording import activations
from srnet.runs.cli import main
from srnet.runs.commands.dissecting.modularity import read_modules
from srnet.runs.networks import save_network

MODULES = {"first": {"relu1": [0, 1, 2], "relu2": [0, 1]}, "last": {"relu1": [5], "relu2": [4]}}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_network("net.pt", dense([64, 6, 5, 10], torch.Generator().manual_seed(0)))
    Path("modules.json").write_text(json.dumps(MODULES))
    return tmp_path


def says(capsys, *argv):
    status, told = main(["dissect", *argv]), capsys.readouterr()
    assert (status, told.err) == (0, "")
    return told.out


def refuses(capsys, *argv):
    before = sorted(Path().rglob("*"))
    status, told = main(["dissect", *argv]), capsys.readouterr()
    assert (status, told.out) == (2, "")
    assert told.err.count("\n") == 1
    assert sorted(path for path in Path().rglob("*") if path.is_file()) == [
        path for path in before if path.is_file()
    ]
    return told.err


def table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_information_of_all_pairs_trained_and_untrained(capsys):
    told = says(
        capsys, "information", "net.pt", "--examples=9999", "--bins=4", "--table=new/pairs.csv"
    )
    assert "360 examples; entropy and information in nats" in told
    assert "table: new/pairs.csv\nfigure: figures/information.png" in told
    rows = table("new/pairs.csv")
    assert len(rows) == 2 * 30
    assert list(rows[0])[:3] == ["network", "layer_a", "unit_a"]
    assert {row["network"] for row in rows} == {"trained", "untrained"}
    model, x = dense([64, 6, 5, 10], torch.Generator().manual_seed(0)), load_dataset().x_test
    report = pair_information(activations(model, x, ["relu1", "relu2"]), "relu1", "relu2", bins=4)
    found = [float(row["information_nats"]) for row in rows[:30]]
    assert found == pytest.approx(report.values.flatten().tolist(), abs=1e-9)
    assert Path("figures/information.png").read_bytes()[:4] == b"\x89PNG"


def test_units_are_summed_up_with_the_labels_of_their_examples(capsys):
    told = says(capsys, "information", "net.pt", "--examples=100", "--layers=relu1", "--seed=5")
    data, model = load_dataset(), dense([64, 6, 5, 10], torch.Generator().manual_seed(0))
    chosen = torch.randperm(360, generator=torch.Generator().manual_seed(5))[:100]
    acts = activations(model, data.x_test[chosen], ["relu1"])
    summary = unit_information(acts, data.y_test[chosen]).summary()
    row = next(line for line in told.splitlines() if line.startswith("trained"))
    expected = [summary[0][key] for key in ("mean class information", "largest")]
    assert [float(cell) for cell in row.split()[-2:]] == pytest.approx(expected, rel=1e-3)


def test_one_layer_is_held_against_itself_by_neighbours(capsys):
    told = says(
        capsys,
        "information",
        "net.pt",
        "--layers=fc2",
        "--estimator=ksg",
        "--examples=50",
        "--base=bits",
        "--figure=map.svg",
        "--table=pairs.csv",
    )
    assert "50 examples; entropy and information in bits" in told
    assert len(table("pairs.csv")) == 2 * 10
    assert Path("map.svg").exists()


def test_the_same_seed_gives_the_same_table(capsys):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        words = f"--seed={seed} --table={name}.csv --random_modules=19 --examples=100"
        says(capsys, "modularity", "net.pt", *words.split())
    a, b, c = (Path(f"{name}.csv").read_text() for name in "abc")
    assert a == b != c
    rows = table("a.csv")
    assert [row["module"] for row in rows] == [str(label) for label in range(10)]
    assert {row["units"] for row in rows} == {"1, 1"}  # a fifth of 6 and of 5


def test_modules_of_a_file(capsys):
    told = says(
        capsys,
        "modularity",
        "net.pt",
        "--modules=modules.json",
        "--random_modules=9",
        "--rows=train",
    )
    assert "640 examples; C1, C2 and C3 in nats" in told
    assert [line.split()[0] for line in told.splitlines()[3:5]] == ["first", "last"]
    assert "3, 2" in told
    assert Path("figures/modularity.png").read_bytes()[:4] == b"\x89PNG"
    Path("modules.yaml").write_text("first: {layers.3: [0, 1]}\n")
    assert read_modules(Path("modules.yaml")) == {"first": {"layers.3": [0, 1]}}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("information", "got 0 states, expected one"),
        ("information net.pt other.pt", "got 2 states, expected one"),
        ("information gone.pt", "gone.pt"),
        ("information net.pt --layers relu9", "layer 'relu9' is not in the network; did you mean"),
        ("information net.pt --bins 1", "bins is 1; expected a whole number from 2"),
        ("information net.pt --estimator mm", "estimator: got 'mm', expected"),
        ("information net.pt --figure map.pdf", "expected a name that ends in .png or .svg"),
        ("information net.pt --table pairs.txt", "expected a name that ends in .csv"),
        ("information net.pt --data gone.npz", "gone.npz: no such file"),
        ("information net.pt --estimator ksg --examples 5", "neighbours is 5 for 5 examples"),
        ("informatoin net.pt", "did you mean 'information'"),
        ("modularity net.pt --modules gone.json", "gone.json: No such file"),
        ("modularity net.pt --modules list.json", "expected {module: {layer: [units]}}"),
        ("modularity net.pt --modules flat.json", "first: got [0, 1]; expected {layer: [units]}"),
        ("modularity net.pt --modules modules.json --layers relu1", "one layer was given"),
        (
            "modularity net.pt --modules modules.json --layers fc1 relu1",
            "module 'first', layer 'fc1': no units are named",
        ),
        ("modularity net.pt --share 2", "share is 2.0; expected a number between 0 and 1"),
        ("modularity net.pt --levels 1", "levels 1"),
        ("modularity wide.pt", "the network can't take x of the shape (360, 64)"),
    ],
)
def test_mistakes_are_one_sentence(capsys, words, sentence):
    Path("list.json").write_text("[1, 2]")
    Path("flat.json").write_text('{"first": [0, 1]}')
    save_network("wide.pt", dense([65, 4, 4, 10], torch.Generator().manual_seed(0)))
    assert sentence in refuses(capsys, *words.split())
