"""`symdisc dissect train`: what it keeps, and one sentence for what it can't do."""

import pytest
import torch

from srnet.dissect.classifiers import accuracy
from srnet.dissect.data import load_dataset
from srnet.runs.cli import main
from srnet.runs.networks import load_network
from srnet.runs.states import load_state, save_state


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(capsys, *words):
    assert main(["dissect", "train", *words]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    return told.err


def test_a_network_of_digits(capsys, folder):
    assert main(["dissect", "train", "--hidden", "16", "--epochs=2", "--seed=4"]) == 0
    shown = capsys.readouterr().out
    data = load_dataset()
    found = accuracy(load_network("models/classifier.pt"), data.x_test, data.y_test)
    assert shown == (f"accuracy on 360 test examples: {found:.4f}\nstate: models/classifier.pt\n")
    state = load_state("models/classifier.pt")
    assert (state["widths"], state["seed"], len(state["losses"])) == ([64, 16, 10], 4, 2)
    assert state["accuracy"] == found
    before = state["weights"]["fc1.weight"]
    assert main(["dissect", "train", "--hidden", "16", "--epochs=2", "--seed=4"]) == 0
    assert torch.equal(load_state("models/classifier.pt")["weights"]["fc1.weight"], before)


def test_what_it_refuses(capsys, folder):
    save_state("law.pt", dict.fromkeys(LAW) | {"format": "law 1"})
    before = (folder / "law.pt").read_bytes()
    assert "law.pt: holds a law; choose another --out" in refused(capsys, "--out=law.pt")
    assert (folder / "law.pt").read_bytes() == before
    told = refused(capsys, "--lr=1e30", "--epochs=1", "--out=a.pt")
    assert "training became non-finite with lr 1e+30" in told
    assert not (folder / "a.pt").exists()
    assert "did you mean 'digits'" in refused(capsys, "--data=digit", "--out=a.pt")
    assert "did you mean 'hidden'" in refused(capsys, "--hiden=3")
    assert "expected whole numbers >= 1" in refused(capsys, "--hidden=0")


LAW = ("names", "target", "equations", "chosen", "train", "validation", "network")
