"""A generators' run with `projection`: its latents, going on with it, what it can't guide."""

import itertools

import pytest
import torch

from sdnet.errors import InputError
from sdnet.library import SDData
from sdnet.training import BLOCK
from srnet.runs.generator import train_generator
from srnet.runs.stopping import Stopping
from srnet.tables import SRData

N, EPOCHS = 150, BLOCK + 6
SMALL = {
    "epochs": EPOCHS,
    "restarts": 2,
    "log_freq": 5,
    "disc": {"hid_size": 8, "iters": 2},
    "projection": 10,
    "sd": 0,
    "average": 0,
    "arch": {
        "lat_size": 3,
        "hid_size": 32,
        "hid_num": [3, 0],
        "hid_kwargs": {"alpha": [[1, 0], [0, 1], [1, 1]]},
    },
}
X = torch.randn(200, 2, generator=torch.Generator().manual_seed(1))
G = torch.stack([X[:, 0] ** 2, (2 * X[:, 1]).cos(), X[:, 0] * X[:, 1]], 1)
Y = G @ torch.tensor([[2.7], [5.0], [4.5]])
LINES = ["N0*x0**2", "N0*x1**2", "N0*cos(2*x1)", "N0*x0*x1"]


def run(*changes, lines=LINES, y=Y, path=None, state=None):
    """A run of SMALL with changed settings, each a mapping with dotted keys."""
    hyperparams = {key: value for change in (SMALL, *changes) for key, value in change.items()}
    lib = None if lines is None else SDData.from_lines(lines, "X00")
    train, val = (SRData.from_arrays(X[r], G[r], y[r]) for r in (slice(0, N), slice(N, None)))
    return train_generator(hyperparams, train, val, lib, path=path, state=state, progress=False)


def equal(a, b):
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(equal, a, b))
    return a == b


def results(state):
    """All that a run must give again."""
    return {k: v for k, v in state.items() if k not in ("times", "hyperparams", "ended")}


def stopped_after(epochs, monkeypatch, changes):
    asked, call = itertools.count(1), Stopping.__call__

    def ask(self):
        if next(asked) == epochs:
            self.deadline = 0.0
        return call(self)

    with monkeypatch.context() as patched:
        patched.setattr(Stopping, "__call__", ask)
        state = run(changes, {"runtime": 1000})
    assert len(state["times"]) == epochs
    return state


def test_projection_brings_the_latents_to_the_true_ones(caplog):
    state = run({"epochs": 300, "lr": 1e-2, "log_freq": 300})
    assert min(row["min_corr_inside"] for row in state["members"]) > 0.97
    assert state["guide"] == {}
    assert caplog.text == ""
    free = run({"epochs": 300, "lr": 1e-2, "log_freq": 300, "projection": 0})
    assert max(row["min_corr_inside"] for row in free["members"]) < 0.9


@pytest.mark.parametrize(
    "changes",
    [{}, {"sd": 0.01, "points": 30, "ext": "grad"}, {"batch_size": 60, "average": 0.9}],
)
def test_projection_stopped_and_gone_on_with(monkeypatch, changes):
    """Together with a critic too, which sees the rows, and the guide its own points."""
    expected = run(changes)
    parted = stopped_after(9, monkeypatch, changes)
    state = run(changes, state=parted)
    assert equal(results(state), results(expected))
    with pytest.raises(InputError, match="was trained with a guide, and now it is without one"):
        run(changes, {"projection": 0}, state=parted)
    with pytest.raises(InputError, match=r"projection was 10\.0 and is now 5\.0"):
        run(changes, {"projection": 5}, state=parted)


def test_projection_to_a_sum_that_explains_little_is_told_of(caplog):
    run({"epochs": 2}, lines=["N0*x1**2"])
    assert "leaves 0." in caplog.text
    assert "expected a library and masks that explain it, or projection 0" in caplog.text


MLP_HEAD = {"arch": {**SMALL["arch"], "hid_num": [2, 1]}}
UNGUIDED = [
    ({"arch.hid_kwargs.alpha": None}, {}, "arch.hid_kwargs.alpha a row of 0 and 1 for each"),
    ({"arch.hid_type": "MLP"}, {}, "got ((1.0, 0.0), (0.0, 1.0), (1.0, 1.0)) with MLP"),
    (MLP_HEAD, {}, "needs a linear head: expected arch.hid_num (.., 0)"),
    ({"arch.hid_type": "DSN"}, {}, "needs a linear head: expected arch.hid_num (.., 0)"),
    ({"arch.out_size": 2}, {}, "needs a single target: expected arch.out_size 1, or"),
    ({"projection": -1}, {}, "projection: got -1, expected"),
    ({}, {"lines": None}, "lib is None, but sd, e3 or projection asks for library curves"),
    ({}, {"y": torch.ones(200, 1)}, "y is constant"),
    (
        {"arch.hid_kwargs.alpha": [[1, 0], [1, 0], [1, 0]]},
        {"lines": ["x0*x1"]},
        "no latent sees all the inputs of any of the 1 shapes",
    ),
]


@pytest.mark.parametrize(("changes", "options", "words"), UNGUIDED)
def test_what_projection_cannot_guide(changes, options, words, tmp_path):
    with pytest.raises(InputError) as caught:
        run(changes, path=tmp_path / "state.pt", **options)
    assert words in str(caught.value)
    assert not list(tmp_path.iterdir())
