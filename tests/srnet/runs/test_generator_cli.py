"""`symdisc fit`: what it writes and says, going on, states among others, mistakes."""

from pathlib import Path

import joblib
import numpy as np
import pytest
import torch

from srnet.runs import list_runs, load_generator, load_state
from srnet.runs.cli import main
from srnet.runs.states import save_state

ROWS = 40
TINY = ["--epochs=6", "--restarts=2", "--arch={'lat_size': 2, 'hid_size': 8}", "--log_freq=2"]
HERE = ["--data=t", "--in_var=X50", "--target_var=F50", "--library=small.lib", *TINY]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder to work in, with a table of two variables, its splits, and a library."""
    monkeypatch.chdir(tmp_path)
    Path("t").mkdir()
    x = np.random.default_rng(0).normal(size=(ROWS, 2))
    g = np.stack([x[:, 0] ** 2, x[:, 1]], 1)
    np.savetxt("t/X50.gz", x)
    np.savetxt("t/G50.gz", g)
    np.savetxt("t/F50.gz", g.sum(1))
    joblib.dump({"train": np.arange(30), "val": np.arange(30, ROWS)}, "t/X50.mask")
    Path("small.lib").write_text("N0*x0**2 + N1\nN0*X50[:,1]\n")
    return tmp_path


def says(capsys, *argv):
    status, told = main(argv), capsys.readouterr()
    assert (status, told.err) == (0, "")
    return told.out


def refuses(capsys, *argv):
    before = {path: path.is_file() and path.read_bytes() for path in Path().rglob("*")}
    status, told = main(argv), capsys.readouterr()
    assert (status, told.out, told.err.count("\n")) == (2, "", 1)
    assert {path: path.is_file() and path.read_bytes() for path in Path().rglob("*")} == before
    return told.err


def test_fit(capsys):
    out = says(capsys, "fit", *HERE, "--lat_var=G50", "--name=mine")
    header, *rows, counts, hint, last = out.splitlines()
    measured = ["loss", "loss_inside", "unread", "score", "min_corr", "min_corr_inside"]
    assert header.split() == ["member", "seed", *measured, "choice"]
    state = load_state("models/mine.pt")
    inside = state["validation"]["inside"]
    assert counts.startswith(f"on 10 validation rows, and on the {inside} of them inside")
    assert [row.split()[:2] for row in rows] == [["0", "0"], ["1", "1"]]
    assert rows[state["best"]].endswith("chosen")
    assert hint == "symdisc read models/mine.pt prints the equation of the chosen one"
    assert last == "finished after 6 epochs; state: models/mine.pt"
    assert load_generator("models/mine.pt")(torch.zeros(5, 2)).shape == (5, 1)


def test_without_the_files_of_the_truth_the_same_is_fitted(capsys):
    with_truth = says(capsys, "fit", *HERE, "--lat_var=G50", "--name=a")
    Path("t/G50.gz").unlink()
    without = says(capsys, "fit", *HERE, "--name=b")
    assert "min_corr" in with_truth
    assert "min_corr" not in without
    one, other = load_state("models/a.pt"), load_state("models/b.pt")
    assert one["best"] == other["best"]
    for name, weights in one["generator"].items():
        assert torch.equal(weights, other["generator"][name])


def test_a_config_file_and_going_on(capsys):
    Path("fit.yaml").write_text("epochs: 4\nschedule: constant\ndisc: {schedule: constant}\n")
    settings = [*HERE[4:], "--restarts=1"]
    where = [*HERE[:4], *[flag for flag in settings if "epochs" not in flag], "--config=fit.yaml"]
    says(capsys, "fit", *where)
    assert "is there already: add --resume" in refuses(capsys, "fit", *where)
    out = says(capsys, "fit", *where, "--epochs=9", "--resume")
    assert "finished after 9 epochs; state: models/F50-small-plain-seed0.pt" in out
    assert len(load_state("models/F50-small-plain-seed0.pt")["times"]) == 9


def test_a_fixed_critic(capsys):
    critic = ["--data=t", "--in_var=X50", "--library=small.lib", "--epochs=2", "--name=judge"]
    says(capsys, "critic", *critic, "--arch.lat_size=2", "--disc.hid_size=8")
    says(capsys, "fit", *HERE, "--disc.iters=0", "--critic=models/judge.pt", "--name=fixed")
    assert "acc" not in load_state("models/fixed.pt")["history"]
    out = says(capsys, "runs", "models")
    critics, generators = out.split("\n\n")
    assert [line.split()[0] for line in critics.splitlines()] == ["name", "fixed"]
    assert [line.split()[0] for line in generators.splitlines()] == ["name", "judge"]


def test_a_row_of_generators(capsys):
    says(capsys, "fit", *HERE, "--lat_var=G50", "--name=mine", "--ext=grad")
    (row,) = list_runs("models")
    state = load_state("models/mine.pt")
    best = state["members"][state["best"]]
    assert row["latents"] == "2 DSN 4 x 8"
    assert (row["generators"], row["sees"], row["epochs"]) == (2, "grad stack", "6/6")
    assert (row["loss"], row["min_corr"]) == (best["loss"], best["min_corr"])
    running = {key: value for key, value in state.items() if key not in ("best", "members")}
    save_state("models/mine.pt", {**running, "ended": "running"})
    (row,) = list_runs("models")
    assert (row["best"], row["loss"], row["ended"]) == (None, None, "running")
    assert "holds generators; symdisc plot learning is of critics" in refuses(
        capsys, "plot", "learning", "models/mine.pt"
    )


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--disc.iters=0"], "disc.iters is 0, so the critic isn't trained"),
        (["--critic=small.lib"], "small.lib"),
        (["--critic=none.pt", "--disc.iters=0"], "none.pt: no such state"),
        (["--target_var=F51"], "F51"),
        (["--lat_var=G51"], "G51"),
        (["--val_rows=valid"], "has no split 'valid': did you mean 'val'?"),
        (["--library=none.lib"], "none.lib: no such file"),
        (["--sd_fun=log"], "sd_fun: got 'log', expected 'linear', 'sigmoid' or"),
        (["--lrr=1"], "lrr: unknown key; did you mean 'lr'?"),
        (["--disc.conv_arch=4"], "disc.conv_arch: unknown key"),
        (["--arch.hid_type=MLP", "--e1=1"], "e1 needs a mask to learn"),
        (["--arch.hid_kwargs.alpha=[[1,0]]"], "expected a row for each of 2 units"),
        (["--points=31"], "points is 31, but the data has 30 rows"),
    ],
)
def test_mistakes(capsys, flags, words):
    assert words in refuses(capsys, "fit", *HERE, *flags)
