"""`symdisc dissect subsets`: tables, figures, and one sentence for mistakes."""

import pandas
import pytest
import torch

from srnet.dissect.circle import train_circle
from srnet.dissect.classifiers import dense, train_classifier
from srnet.dissect.data import load_dataset
from srnet.dissect.games import shapley_values
from srnet.dissect.subsets import subset_table
from srnet.runs.cli import main
from srnet.runs.networks import load_network, save_network

PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    """A network of digits with a small layer behind a large one."""
    data, generator = load_dataset(), torch.Generator().manual_seed(0)
    model = dense([64, 30, 6, 10], generator)
    train_classifier(model, data.x_train, data.y_train, epochs=2, generator=generator)
    path = tmp_path_factory.mktemp("states") / "a.pt"
    save_network(path, model)
    return str(path)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_layer_of_a_state(state, capsys, folder):
    words = ["dissect", "subsets", state, "--examples=50", "--table=t/units.csv", "--figures=f"]
    assert main(words) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == f"{state}, layer relu2: 50 examples"
    assert shown[-2:] == [
        "table: t/units.csv",
        "figures: gradients, interactions, losses, paths in f",
    ]
    data = load_dataset()
    table = subset_table(load_network(state), "relu2", data.x_test[:50], data.y_test[:50])
    units = pandas.read_csv(folder / "t/units.csv")
    assert units["shapley"].tolist() == pytest.approx(shapley_values(table.losses).tolist())
    last = next(line for line in shown if line.endswith("0 1 2 3 4 5")).split()
    assert last[:3] == ["6", f"{table.losses[-1].item():.4g}", f"{table.accuracies[-1].item():.4g}"]
    for name in ("gradients", "interactions", "losses", "paths"):
        assert (folder / f"f/{name}.png").read_bytes().startswith(PNG)


def test_the_circle(capsys, folder, monkeypatch):
    def small(generator):
        return train_circle(generator, units=5, epochs=20)

    monkeypatch.setattr("srnet.dissect.circle.train_circle", small)
    assert main(["dissect", "subsets", "--examples=60"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("the circle network, layer relu1: 60 examples")
    assert "figures: gradients, interactions, losses, map, paths in figures/subsets" in shown
    assert (folder / "figures/subsets/map.png").read_bytes().startswith(PNG)


def test_a_large_layer_is_sampled(state, capsys, folder):
    words = ["--layer=relu1", "--samples=40", "--keep=0.9", "--examples=30", "--table=s.csv"]
    shown = []
    for seed in (1, 1, 2):
        assert main(["dissect", "subsets", state, *words, f"--seed={seed}"]) == 0
        shown.append(capsys.readouterr().out)
    assert "40 subsets, units kept with 0.9" in shown[0]
    assert shown[0] == shown[1] != shown[2]
    assert pandas.read_csv("s.csv")["of"].tolist() == ["loss", "accuracy"]
    assert (folder / "figures/subsets/losses.png").is_file()


def test_a_place_that_cannot_be_written_is_told_before_anything_is_done(state, capsys, folder):
    (folder / "file").touch()
    for flag in ("--figures=file", "--table=file/units.csv"):
        assert main(["dissect", "subsets", state, flag]) == 2
        shown = capsys.readouterr()
        assert shown.out == ""
        assert "can't be written" in shown.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["STATE", "--layer=relu1"], "has 30 units, whose 2^30 subsets are too many"),
        (["STATE", "--layer=relu3"], "layer 'relu3' is not in the network; did you mean 'relu2'?"),
        (["STATE", "more.pt"], "got 2 states, expected one"),
        (["STATE", "--keep=1"], "keep: got '1', expected less than 1"),
        (["STATE", "--samples=1", "--layer=relu1"], "samples is 1; expected 2 at least"),
        (["missing.pt"], "missing.pt"),
        (["--data=mnist"], "--data mnist is for a state"),
    ],
)
def test_mistakes_are_told_in_one_sentence(state, capsys, folder, words, told):
    words = [state if word == "STATE" else word for word in words]
    assert main(["dissect", "subsets", *words]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert told in shown.err
    assert shown.err.count("\n") == 1
    assert not [path for path in folder.rglob("*") if path.is_file()]
