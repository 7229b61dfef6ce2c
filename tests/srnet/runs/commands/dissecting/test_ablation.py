"""`symdisc dissect ablation` and `direction`: tables, figures, and one sentence for mistakes."""

import numpy as np
import pandas
import pytest
import torch

from srnet.dissect.ablation import ablate_units
from srnet.dissect.classifiers import dense, train_classifier
from srnet.dissect.data import load_dataset
from srnet.runs.cli import main
from srnet.runs.networks import load_network, save_network

PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    """A network of digits."""
    data, generator = load_dataset(), torch.Generator().manual_seed(0)
    model = dense([64, 12, 8, 10], generator)
    train_classifier(model, data.x_train, data.y_train, epochs=3, generator=generator)
    path = tmp_path_factory.mktemp("states") / "a.pt"
    save_network(path, model)
    return str(path)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_units(state, capsys, folder):
    words = ["dissect", "ablation", state, "--examples=50", "--top=3", "--table=t/units.csv"]
    assert main(words) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].startswith("layer relu2: 8 units, 50 test examples")
    assert shown[5:] == [
        "... and 5 units with less",
        "table: t/units.csv",
        "figure: figures/ablation.png",
    ]
    data = load_dataset()
    found = ablate_units(load_network(state), "relu2", data.x_test[:50], data.y_test[:50])
    strongest = int(found.kl.mean(1).argmax())
    assert shown[2].split()[:2] == [str(strongest), f"{float(found.kl.mean(1).max()):.4g}"]
    table = pandas.read_csv(folder / "t/units.csv")
    assert table["unit"].tolist() == list(range(8))
    assert table["kl"].tolist() == pytest.approx(found.kl.mean(1).tolist(), abs=1e-6)
    assert (folder / "figures/ablation.png").read_bytes().startswith(PNG)


def test_another_layer_and_replacement(state, capsys, folder):
    for seed in (1, 2):
        words = ["--layer=fc1", "--by=resample", f"--seed={seed}"]
        assert main(["dissect", "ablation", state, *words, f"--table={seed}.csv"]) == 0
    assert "layer fc1: 12 units, 360 test examples" in capsys.readouterr().out
    assert (folder / "1.csv").read_bytes() != (folder / "2.csv").read_bytes()


def test_directions(state, capsys, folder):
    words = ["--count=2", "--starts=4", "--comparisons=10", "--table=d.csv", "--measure=kl_reverse"]
    assert main(["dissect", "direction", state, *words]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "layer relu2: 8 units, 64 test examples; in nats"
    units = ablate_units(load_network(state), "relu2", load_dataset().x_test[:64])
    best = f"unit {int(units.kl_reverse.sum(1).argmax())}"
    assert [line[:6] for line in shown[2:7]] == ["best 0", "best 1", best, "random", "random"]
    table = pandas.read_csv(folder / "d.csv")
    assert table["kl_reverse_sum"][0] == pytest.approx(64 * table["kl_reverse"][0])
    assert table["kl_reverse_sum"][0] == pytest.approx(table["starts_high"][0], rel=1e-3)
    assert (folder / "figures/direction.png").read_bytes().startswith(PNG)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["ablation"], "got 0 states, expected one"),
        (["ablation", "STATE", "STATE"], "got 2 states, expected one"),
        (["ablation", "none.pt"], "none.pt: no such state"),
        (["ablation", "STATE", "--layer=relu3"], "did you mean 'relu2'"),
        (["ablation", "STATE", "--by=zeros"], "expected 'zero', 'mean' or 'resample'"),
        (["ablation", "STATE", "--examples=0"], "expected a whole number >= 1"),
        (["ablation", "STATE", "--figure=a.jpg"], "the suffix is '.jpg'"),
        (["ablation", "STATE", "--data=wide.npz"], r"can't take examples of shape (4,)"),
        (["direction", "STATE", "--count=9"], "count is 9; layer 'relu2' has 8 units"),
        (["direction", "STATE", "--data=digit"], "did you mean 'digits'"),
        (["directions", "STATE"], "did you mean 'direction'"),
    ],
)
def test_mistakes(state, words, told, capsys, folder):
    images = np.zeros((3, 2, 2), np.uint8)
    labels = np.array([0, 1, 0])
    np.savez("wide.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    before = sorted(folder.rglob("*"))
    assert main(["dissect", *(state if word == "STATE" else word for word in words)]) == 2
    shown = capsys.readouterr()
    assert told in shown.err
    assert shown.err.count("\n") == 1
    assert shown.out == ""
    assert sorted(folder.rglob("*")) == before
