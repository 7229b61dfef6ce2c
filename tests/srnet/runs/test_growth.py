"""The study of larger and larger libraries: sizes, resuming, table and figure."""

import itertools

import numpy as np
import pytest
import torch

from sdnet.errors import InputError
from sdnet.library import SDData
from srnet import plots
from srnet.runs import growth as room
from srnet.runs.cli import main
from srnet.runs.growth import KINDS, growth_study, library_lines, summary
from srnet.runs.states import load_state
from srnet.tables import SRData

TRAIN = SRData.from_arrays(torch.linspace(-2, 2, 20)[:, None])
TINY = {"sizes": (1, 4), "seeds": (0, 1), "epochs": 2}


@pytest.mark.parametrize("size", [1, 3, 9, 26, 40])
def test_a_library_has_as_many_templates_and_all_are_of_one_variable(size):
    library = SDData.from_lines(library_lines(size, TRAIN), "X10")
    assert len(library) == len(set(library.lines)) == size
    assert library.variables == 1
    library.check(TRAIN.in_data)


def test_named_libraries_and_drawn_ones_are_nested():
    for sizes in ((1, 3, 9, 26), (30, 40)):
        libraries = [library_lines(size, TRAIN) for size in sizes]
        for small, large in itertools.pairwise(libraries):
            assert large[: len(small)] == small


def test_states_table_and_resuming(tmp_path):
    results = growth_study(TRAIN, tmp_path, **TINY)
    assert list(results) == [(size, kind) for size in (1, 4) for kind in KINDS]
    names = {f"{size}-{kind}-seed{seed}.pt" for size, kind in results for seed in (0, 1)}
    assert {path.name for path in tmp_path.iterdir()} == names
    row = summary(results)[-1]
    accuracies = [state["fresh"]["acc"] for state in results[4, "gradients-stacked"]]
    assert (row["size"], row["kind"], row["seeds"]) == (4, "gradients-stacked", 2)
    assert row["acc"] == pytest.approx(np.mean(accuracies))
    assert row["least"] == min(accuracies)

    (tmp_path / "4-plain-seed1.pt").unlink()  # as if it hadn't been reached
    again = growth_study(TRAIN, tmp_path, **TINY)
    for key, states in results.items():
        for before, after in zip(states, again[key], strict=True):
            assert before["fresh"] == after["fresh"]
            assert before["history"] == after["history"]
    assert load_state(tmp_path / "4-plain-seed1.pt")["ended"] == "finished"

    with pytest.raises(InputError, match=r"another folder \(--out\)"):
        growth_study(TRAIN, tmp_path, **{**TINY, "epochs": 3})


def test_command(tmp_path, capsys):
    words = ["--sizes", "1", "4", "--kinds", "plain", "--seeds", "2", "--epochs", "2"]
    folders = [f"--out={tmp_path / 'states'}", f"--figures={tmp_path / 'figures'}"]
    assert main(["growth", *words, *folders]) == 0
    table = capsys.readouterr().out.splitlines()
    columns = "size kind seeds epochs acc least calibrated auroc seconds"
    assert table[0].split() == columns.split()
    assert [line.split()[:3] for line in table[1:3]] == [["1", "plain", "2"], ["4", "plain", "2"]]
    assert (tmp_path / "figures" / "growth.png").stat().st_size > 1000
    assert main(["growth", *words, "--kinds", "plane", *folders]) == 2
    assert "did you mean 'plain'?" in capsys.readouterr().err


def test_figure():
    ax = plots.growth({"plain": {10: [0.6, 0.8], 1: [1.0, 0.9]}, "stacked": {1: [0.5]}})
    assert ax.get_xscale() == "log"
    assert ax.lines[0].get_xydata() == pytest.approx(np.array([[1, 0.95], [10, 0.7]]))
    for nothing in ({}, {"plain": {}}, {"plain": {1: []}}):
        with pytest.raises(InputError, match="no accuracies to draw"):
            plots.growth(nothing)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sizes": (0,)}, "a library's size is 0, but a whole number >= 1"),
        ({"sizes": ()}, "no sizes are given"),
        ({"seeds": ()}, "no seeds are given"),
        ({"kinds": ("plan",)}, "unknown kind 'plan'; did you mean 'plain'"),
        ({"sizes": (500,), "depth": 1}, "500 templates of depth 1 .* were found"),
    ],
)
def test_bad_input(tmp_path, given, message):
    with pytest.raises(InputError, match=message):
        growth_study(TRAIN, tmp_path, **{**TINY, **given})
    assert not list(tmp_path.iterdir())


def test_a_run_without_an_evaluation_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(
        room, "train_critics", lambda settings, *_, **__: [{"ended": "non-finite draw after 7"}]
    )
    with pytest.raises(InputError, match="seed 0 of plain ended non-finite draw after 7"):
        growth_study(TRAIN, tmp_path, sizes=(1,), kinds=("plain",), seeds=(0,))
