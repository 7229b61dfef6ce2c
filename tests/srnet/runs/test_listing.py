"""Tables of states: what a row says, and files that can't be read."""

import joblib
import pytest
import torch

from sdnet.errors import InputError
from sdnet.library import SDData
from srnet.runs.cli import main
from srnet.runs.critic import train_critic
from srnet.runs.listing import list_runs
from srnet.runs.states import save_state
from srnet.tables import SRData
from srnet.texttable import as_table

STATE = {
    "format": "critic 1",
    "hyperparams": {"ext": [], "ext_type": "stack", "epochs": 30},
    "critic_args": {"in_size": 5, "hid_num": 2, "hid_size": 64, "loss_fun": "bce", "lr": 1e-3},
    "critic": {},
    "history": {"acc": [0.5, 0.625]},
    "times": [0.25, 0.5],
    "fresh": {"acc": 0.625, "acc_calibrated": 0.75, "auroc": 0.875},
    "seed": 4,
    "ended": "interrupted",
}
ROW = {
    "name": "a",
    "sees": "values",
    "hidden": "2 x 64",
    "objective": "bce",
    "lr": 1e-3,
    "seed": 4,
    "epochs": "2/30",
    "acc": 0.625,
    "calibrated": 0.75,
    "auroc": 0.875,
    "seconds": 0.75,
    "ended": "interrupted",
}


def row(folder, **changes):
    save_state(folder / "a.pt", {**STATE, **changes})
    return list_runs(folder)[0]


def test_a_row(tmp_path):
    assert row(tmp_path) == ROW
    assert list(row(tmp_path)) == list(ROW)


@pytest.mark.parametrize(
    ("hyperparams", "sees"),
    [
        ({"ext": ["input", "grad"], "ext_type": "embed"}, "input+grad embed"),
        ({"ext": "grad", "ext_type": "stack"}, "grad stack"),
        ({"ext": None}, "values"),
        ({}, "values"),
    ],
)
def test_what_a_critic_sees(tmp_path, hyperparams, sees):
    found = row(tmp_path, hyperparams=hyperparams)
    assert (found["sees"], found["epochs"]) == (sees, "2/?")


@pytest.mark.parametrize(
    ("nums", "sizes", "emb_size", "hidden"),
    [
        ([1, 2], [8, 64], 2, "1 x 8 | 2 x 64"),
        (2, [8, 64], 2, "2 x 8 | 2 x 64"),
        ([1, 2], 8, 2, "1 x 8 | 2 x 8"),
        (2, 8, 2, "2 x 8 | 2 x 8"),
        ([1, 2], [8, 64], None, "2 x 64"),  # there is no embedding to speak of
        (2, 8, None, "2 x 8"),
    ],
)
def test_hidden_layers_of_one_and_two_networks(tmp_path, nums, sizes, emb_size, hidden):
    args = {**STATE["critic_args"], "hid_num": nums, "hid_size": sizes, "emb_size": emb_size}
    assert row(tmp_path, critic_args=args)["hidden"] == hidden


def test_a_state_of_a_run_still_going_has_no_figures_yet(tmp_path):
    state = {key: value for key, value in STATE.items() if key != "fresh"}
    save_state(tmp_path / "a.pt", {**state, "ended": "running"})
    (found,) = list_runs(str(tmp_path))
    assert (found["acc"], found["auroc"], found["ended"]) == (None, None, "running")


def test_a_folder(tmp_path):
    """By name; what isn't a state is told, other files and folders are passed over."""
    for name in ("b", "a"):
        save_state(tmp_path / f"{name}.pt", STATE)
    (tmp_path / "broken.pt").write_bytes((tmp_path / "a.pt").read_bytes()[:-50])
    (tmp_path / "c.pt").write_text("text")
    torch.save({"format": "critic 1"}, tmp_path / "d.pt")
    wrong = {**STATE, "critic_args": {**STATE["critic_args"], "hid_num": [1, 2, 3]}}
    save_state(tmp_path / "e.pt", wrong)
    save_state(tmp_path / "f.pt", {**STATE, "times": 3})
    (tmp_path / "notes.txt").write_text("text")
    (tmp_path / "z.pt").mkdir()
    rows = list_runs(tmp_path)
    assert [found["name"] for found in rows] == ["a", "b", "broken", "c", "d", "e", "f", "z"]
    assert [found["name"] for found in rows if "problem" not in found] == ["a", "b"]
    for found in rows[2:]:
        assert list(found) == ["name", "problem"]
        assert str(tmp_path / found["name"]) in found["problem"]


def test_an_empty_folder_and_none(tmp_path):
    assert list_runs(tmp_path) == []
    with pytest.raises(InputError, match="none: no such folder of states"):
        list_runs(tmp_path / "none")


def test_the_row_of_a_real_run(tmp_path):
    hyperparams = {"epochs": 3, "ext": "grad", "ext_type": "embed", "disc.hid_num": [1, 2]}
    points = SRData.from_arrays(torch.linspace(-1, 1, 20)[:, None])
    library = SDData.from_lines(["N0*x0"], "X00")
    path = tmp_path / "real.pt"
    state = train_critic(hyperparams, points, library, 7, path=path, progress=False)
    (found,) = list_runs(tmp_path)
    expected = {"sees": "grad embed", "hidden": "1 x 64 | 2 x 64", "epochs": "3/3", "seed": 7}
    assert found == {**found, **expected, "ended": "finished", "objective": "bce", "lr": 1e-4}
    assert (found["acc"], found["seconds"]) == (state["fresh"]["acc"], sum(state["times"]))


def test_an_older_state(tmp_path):
    tensors = {"layers2.0.weight": torch.ones(1, 5), "layers2.0.bias": torch.ones(1)}
    joblib.dump({"hyperparams": {"epochs": 9}, "disc_state": tensors}, tmp_path / "old.pt")
    (found,) = list_runs(tmp_path)
    assert (found["epochs"], found["seconds"], found["ended"]) == ("0/9", 0, "older state")
    assert as_table([found]).count("\n") == 1


def test_the_command(tmp_path, capsys):
    """A broken file among the states is told after them."""
    save_state(tmp_path / "good.pt", STATE)
    (tmp_path / "broken.pt").write_text("text")
    assert main(["runs", str(tmp_path)]) == 0
    header, good, broken = capsys.readouterr().out.splitlines()
    assert header.split() == list(ROW)
    assert good.split()[:4] == ["good", "values", "2", "x"]
    assert broken.startswith(f"{tmp_path / 'broken.pt'} can't be read")
    (tmp_path / "empty").mkdir()
    assert main(["runs", str(tmp_path / "empty")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'empty'}: no states\n"
