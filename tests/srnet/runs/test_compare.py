"""The study: every setting with every seed, taken up where it was left."""

from pathlib import Path

import numpy as np
import pytest
import torch

from sdnet.errors import InputError
from sdnet.library import SDData
from srnet.runs import compare
from srnet.runs.cli import main
from srnet.runs.compare import STUDY, compare_critics, summary
from srnet.runs.config import CriticConfig
from srnet.runs.critic import train_critic
from srnet.runs.states import load_state
from srnet.runs.values import build
from srnet.tables import SRData

SMALL = {"epochs": 5, "arch.lat_size": 2, "disc.hid_size": 8}
SETTINGS = {"plain": SMALL, "more": {**SMALL, "ext": "grad", "disc.schedule": "cosine"}}
POINTS = torch.linspace(-2, 2, 20)[:, None]
LINES = ["N0*x0**2", "N0*sin(x0)"]
NAMES = ["more-seed0.pt", "more-seed1.pt", "plain-seed0.pt", "plain-seed1.pt"]


def study(out, settings=SETTINGS, seeds=(0, 1), lines=LINES, **options):
    library = SDData.from_lines(lines, "X00")
    return compare_critics(settings, SRData.from_arrays(POINTS), library, seeds, out, **options)


def bits(state):
    """All but the clock, as text and numbers."""
    kept = {name: value for name, value in state.items() if name != "times"}
    return {
        name: [tensor.tolist() for tensor in value.values()] if name == "critic" else str(value)
        for name, value in kept.items()
    }


@pytest.fixture
def counted(monkeypatch):
    """How many epochs each run of train_critic has trained."""
    epochs = []

    def counting(*args, state=None, **options):
        before = len(state["times"]) if state else 0
        result = train_critic(*args, state=state, **options)
        epochs.append(len(result["times"]) - before)
        return result

    monkeypatch.setattr(compare, "train_critic", counting)
    return epochs


def test_states_by_setting_and_seed(tmp_path):
    results = study(tmp_path / "new", jobs=1)
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == NAMES
    assert list(results) == ["plain", "more"]
    for name, states in results.items():
        assert [state["seed"] for state in states] == [0, 1]
        for state in states:
            assert state["hyperparams"]["ext"] == (["grad"] if name == "more" else [])
            kept = load_state(tmp_path / "new" / f"{name}-seed{state['seed']}.pt")
            assert bits(kept) == bits(state)
            assert kept["times"] == state["times"]


def test_processes_change_nothing(tmp_path):
    one, two = study(tmp_path / "one", jobs=1), study(tmp_path / "two", jobs=2)
    for name in SETTINGS:
        assert [bits(state) for state in one[name]] == [bits(state) for state in two[name]]
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == NAMES


def test_what_is_done_is_not_done_again(tmp_path, counted):
    first = study(tmp_path, jobs=1)
    assert counted == [5, 5, 5, 5]
    counted.clear()
    again = study(tmp_path, jobs=1)
    assert counted == [0, 0, 0, 0]
    for name in SETTINGS:
        assert [bits(state) for state in again[name]] == [bits(state) for state in first[name]]
        assert [s["times"] for s in again[name]] == [s["times"] for s in first[name]]


def test_what_was_left_is_taken_up(tmp_path, counted):
    """One of a shorter run, one not begun; another seed is added."""
    whole = study(tmp_path / "whole", {"plain": SMALL}, seeds=(0, 1, 2), jobs=1)
    counted.clear()
    study(tmp_path / "parts", {"plain": {**SMALL, "epochs": 2}}, seeds=(0,), jobs=1)
    study(tmp_path / "parts", {"plain": SMALL}, seeds=(1,), jobs=1)
    parts = study(tmp_path / "parts", {"plain": SMALL}, seeds=(0, 1, 2), jobs=1)
    assert counted == [2, 5, 3, 0, 5]
    assert [bits(s) for s in parts["plain"]] == [bits(s) for s in whole["plain"]]


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_state_of_another_run_is_named_and_kept(tmp_path, jobs):
    study(tmp_path, {"plain": SMALL}, seeds=(1,), jobs=1)
    path = tmp_path / "plain-seed1.pt"
    content = path.read_bytes()
    with pytest.raises(InputError) as caught:
        study(tmp_path, {"plain": {**SMALL, "disc.lr": 0.5}}, seeds=(1,), jobs=jobs)
    assert str(caught.value).startswith(f"{path}: disc.lr was 0.0001 and is now 0.5")
    assert path.read_bytes() == content


def test_a_broken_state_is_named_and_kept(tmp_path):
    path = tmp_path / "plain-seed0.pt"
    path.write_text("text")
    with pytest.raises(InputError, match=r"plain-seed0\.pt can't be read"):
        study(tmp_path, {"plain": SMALL}, seeds=(0,), jobs=1)
    assert path.read_text() == "text"


def test_bad_input_leaves_nothing_behind(tmp_path):
    with pytest.raises(InputError, match=r"library:1: 'log\(x0\)' isn't a finite real number"):
        study(tmp_path / "new", lines=["log(x0)"], jobs=1)
    with pytest.raises(InputError, match=r"hyperparams: disc\.lrr: unknown key"):
        study(tmp_path / "new", {"plain": {"disc.lrr": 1}}, jobs=1)
    assert not list(tmp_path.iterdir())


def test_ctrl_c_ends_the_study_and_not_one_run_alone(tmp_path, monkeypatch):
    begun = []

    def interrupted(*args, **options):
        begun.append(options["path"].name)
        return {**train_critic(*args, **options), "ended": "interrupted"}

    monkeypatch.setattr(compare, "train_critic", interrupted)
    with pytest.raises(KeyboardInterrupt):
        study(tmp_path, jobs=1)
    assert begun == ["plain-seed0.pt"]


# -- the default study and its table --------------------------------------------------------


def test_the_default_study_is_what_the_quality_is_measured_at():
    configs = {name: build(CriticConfig, one, name) for name, one in STUDY.items()}
    for config in configs.values():
        assert config.arch.hid_num == (2, 0)
        assert (config.arch.hid_size, config.arch.lat_size) == (32, 5)
        assert (config.disc.hid_num, config.disc.hid_size, config.disc.iters) == (2, 64, 5)
    found = {
        name: (c.epochs, c.ext, c.disc.loss_fun, c.disc.lr, c.disc.gp, c.disc.schedule)
        for name, c in configs.items()
    }
    assert found == {
        "plain": (5000, (), "bce", 1e-3, 0, "cosine"),
        "gradients-stacked": (3000, ("grad",), "bce", 1e-3, 0, "cosine"),
        "gradients-embedded": (3000, ("grad",), "bce", 1e-3, 0, "cosine"),
        "wasserstein": (4000, (), "wasserstein", 1e-4, 1e-5, "constant"),
    }
    assert configs["gradients-stacked"].ext_type == "stack"
    assert configs["gradients-embedded"].ext_type == "embed"


def test_summary():
    def state(acc, epochs):
        fresh = {"acc": acc, "acc_calibrated": acc + 0.125, "auroc": acc / 2}
        return {"fresh": fresh, "times": [0.5] * epochs}

    one, other = summary({"one": [state(0.5, 2), state(0.75, 4)], "other": [state(0.25, 1)]})
    assert one == {
        "critic": "one",
        "seeds": 2,
        "epochs": 4,
        "acc": 0.625,
        "least": 0.5,
        "calibrated": 0.75,
        "auroc": 0.3125,
        "seconds": 1.5,
    }
    assert (other["critic"], other["seeds"], other["least"]) == ("other", 1, 0.25)
    assert list(other) == list(one)


def test_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("tables").mkdir()
    np.savetxt("tables/X50.gz", POINTS.numpy())
    Path("small.lib").write_text("N0*x0**2\n")
    words = ["--data=tables", "--in_var=X50", "--rows=all", "--library=small.lib", "--out=states"]
    tiny = ["--epochs", "3", "--seeds", "1", "--jobs", "1", "--figures=pictures"]
    assert main(["compare", *words, *tiny]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    _, header, *rows, last = told.out.splitlines()
    assert header.split()[:3] == ["critic", "seeds", "epochs"]
    assert [row.split()[:3] for row in rows] == [[name, "1", "3"] for name in STUDY]
    assert last == "states: states  figures: pictures"
    assert {path.name for path in Path("states").iterdir()} == {f"{n}-seed0.pt" for n in STUDY}
    for name in ("learning", "samples", "verdicts"):
        assert Path("pictures", f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert main(["compare", *words, *tiny[2:]]) == 2  # of other epochs
    told = "symdisc: states/plain-seed0.pt: epochs was 3 and is now 5000; a cosine schedule"
    assert capsys.readouterr().err.startswith(told)
    Path("small.lib").write_text("log(x0)\n")
    assert main(["compare", *words[:4], "--out=other", *tiny]) == 2
    assert capsys.readouterr().err.startswith("symdisc: small.lib:1: 'log(x0)' isn't a finite")
    assert not Path("other").exists()
