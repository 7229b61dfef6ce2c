"""A generators' run: members alone and together, the same bits, no look at the truth, refusals."""

import copy
import itertools
import math
import os
import signal

import pytest
import torch

from sdnet.errors import InputError
from sdnet.library import SDData
from sdnet.training import BLOCK
from srnet.runs.assembly import load_critic
from srnet.runs.critic import train_critic
from srnet.runs.generator import train_generator
from srnet.runs.generators import generator_of, load_generator
from srnet.runs.states import load_state
from srnet.runs.stopping import Stopping
from srnet.tables import SRData

N, EPOCHS = 24, BLOCK + 6
X = torch.randn(N + 12, 2, generator=torch.Generator().manual_seed(0))
G = torch.stack([X[:, 0] ** 2, X[:, 0] * X[:, 1]], 1)
Y = G.sum(1, keepdim=True)
SMALL = {
    "epochs": EPOCHS,
    "restarts": 2,
    "log_freq": 5,
    "arch": {"lat_size": 2, "hid_size": 8, "hid_num": [2, 0]},
    "disc": {"hid_size": 8, "iters": 2},
}
LINES = ["N0*x0**2 + N1", "N0*sin(2*U0*x1)", "N0*x0*x1"]


def data(rows, truth=True):
    return SRData.from_arrays(X[rows], G[rows] if truth else None, Y[rows])


TRAIN, VAL = slice(0, N), slice(N, None)


def run(*changes, seed=0, truth=True, lines=LINES, iter_sample=False, train=None, val=None, **rest):
    """A run of SMALL with changed settings, each a mapping with dotted keys."""
    hyperparams = SMALL
    for change in changes:
        hyperparams = {**hyperparams, **change}
    lib = None if lines is None else SDData.from_lines(lines, "X00", iter_sample=iter_sample)
    train = data(TRAIN, truth) if train is None else train
    val = data(VAL, truth) if val is None else val
    return train_generator(hyperparams, train, val, lib, seed, progress=False, **rest)


def equal(a, b):
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    return a == b


def results(state):
    """All that a run must give again; the clock and the limits given may differ."""
    return {k: v for k, v in state.items() if k not in ("times", "hyperparams", "ended")}


def stopped_after(epochs, monkeypatch, *changes, how="interrupted", **options):
    """The run stopped after as many epochs: by a signal to itself, or by its time."""
    asked, call = itertools.count(1), Stopping.__call__

    def ask(self):
        if next(asked) == epochs:
            if how == "interrupted":
                os.kill(os.getpid(), signal.SIGINT)
            self.deadline = 0.0
        return call(self)

    with monkeypatch.context() as patched:
        patched.setattr(Stopping, "__call__", ask)
        state = run(*changes, {"runtime": 1000}, **options)
    assert len(state["times"]) == epochs
    assert state["ended"] == how
    return state


@pytest.fixture(scope="module")
def whole():
    return run()


KINDS = {
    "batches": {"batch_size": 10, "points": 12},
    "batches in order": {"batch_size": 10, "shuffle_rows": False},
    "gradients": {"ext": ["input", "grad"]},
    "embedded": {"ext": "grad", "ext_type": "embed", "disc.gp": 0.1},
    "wasserstein": {"disc.loss_fun": "wasserstein", "sd_fun": "sigmoid", "average": 0},
    "masks": {"e1": 0.1, "a1": 0.1, "a2": 0.1, "e3": 0.1, "l1": 0.1},
    "no critic": {"sd": 0},
    "MLP": {"arch.hid_type": "MLP", "schedule": "constant"},
}
every_kind = pytest.mark.parametrize("changes", KINDS.values(), ids=KINDS)


# -- the same bits --------------------------------------------------------------------------


def test_a_seed_is_a_run(whole):
    assert equal(results(run()), results(whole))
    assert not equal(results(run(seed=1))["generator"], whole["generator"])


@every_kind
def test_a_member_trains_as_it_would_alone(changes):
    """To rounding: products of a stack are summed in another order."""
    stack, alone = run(changes, {"restarts": 3}), run(changes, {"restarts": 1}, seed=1)
    for name in ("generator", "critic"):
        for key, weights in alone.get(name, {}).items():
            torch.testing.assert_close(weights[0], stack[name][key][1], rtol=1e-3, atol=1e-4)
    for name, rows in alone["history"].items():
        if name != "acc":
            torch.testing.assert_close(
                rows[:, 0], stack["history"][name][:, 1], rtol=1e-3, atol=1e-4
            )


@every_kind
@pytest.mark.parametrize("epochs", [9, BLOCK])
def test_stopped_and_gone_on_with(monkeypatch, tmp_path, changes, epochs):
    path = tmp_path / "state.pt"
    options = {"iter_sample": True, "checkpoint_every": 7}
    expected = run(changes, **options)
    stopped_after(epochs, monkeypatch, changes, path=path, **options)
    state = run(changes, state=load_state(path), path=path, **options)
    assert equal(results(state), results(expected))
    assert state["ended"] == "finished"
    assert equal(load_state(path), state)


def test_by_its_time(monkeypatch, whole):
    state = stopped_after(3, monkeypatch, how="runtime")
    assert equal(results(run(state=state)), results(whole))


def test_from_each_checkpoint(whole, tmp_path, monkeypatch):
    """A run that is killed goes on from the last of these."""
    kept = []
    keep = lambda _, state: kept.append(copy.deepcopy(state))  # noqa: E731
    monkeypatch.setattr("srnet.runs.generator.save_state", keep)
    run(path=tmp_path / "state.pt", checkpoint_every=6)
    assert [len(state["times"]) for state in kept] == [6, 12, 18, EPOCHS]
    assert [state["ended"] for state in kept] == ["running"] * 3 + ["finished"]
    for state in kept:
        assert equal(results(run(state=state)), results(whole))


def test_the_truth_is_only_measured_by(whole):
    """With and without true latents: the same bits, the same choice, and less to measure."""
    blind = run(truth=False)
    for name in ("generator", "average", "critic", "optimizer", "generator_optimizer", "history"):
        assert equal(blind[name], whole[name])
    assert blind["best"] == whole["best"]
    more = whole["measures"].keys() - blind["measures"].keys()
    assert more == {"min_corr", "min_corr_inside", "correlation"}
    assert [row["choice"] for row in blind["members"]] == [r["choice"] for r in whole["members"]]


def test_a_false_truth_changes_no_choice(whole):
    train, val = data(TRAIN), data(VAL)
    val.lat_data = -val.lat_data.flip(0)
    other = run(train=train, val=val)
    assert equal(other["generator"], whole["generator"])
    assert other["best"] == whole["best"]


# -- the record -----------------------------------------------------------------------------


def test_the_record(whole):
    assert [rows.shape for rows in whole["history"].values()] == [(EPOCHS, 2)] * 3
    assert len(whole["times"]) == EPOCHS
    found = whole["measures"]
    assert found["epoch"] == whole["latents"]["epoch"] == [5, 10, 15, 20]
    assert found["correlation"].shape == (4, 2, 2, 2)
    assert found["min_corr"].shape == found["score"].shape == (4, 2)
    assert ((found["share"] >= 0) & (found["share"] <= 1)).all()
    assert [row["seed"] for row in whole["members"]] == [0, 1]
    assert [row["choice"] for row in whole["members"]].index("chosen") == whole["best"]


def test_the_share_is_that_of_the_penalty(whole):
    loss, penalty = (whole["history"][name][[4, 9, 14, 19]] for name in ("loss", "penalty"))
    expected = penalty.abs() / (penalty.abs() + loss)
    torch.testing.assert_close(whole["measures"]["share"], expected)


def test_rows_outside_the_range_are_measured_on_but_not_chosen_by(whole):
    far = SRData.from_arrays(
        torch.cat([X[VAL], torch.full((3, 2), 1e3)]),
        torch.cat([G[VAL], torch.zeros(3, 2)]),
        torch.cat([Y[VAL], torch.zeros(3, 1)]),
    )
    state, row = run(val=far), whole["measures"]
    inside = ((X[VAL] >= X[TRAIN].amin(0)) & (X[VAL] <= X[TRAIN].amax(0))).all(1).sum()
    assert whole["validation"] == {"rows": 12, "inside": inside}
    assert state["validation"] == {"rows": 15, "inside": inside}
    for name in ("loss_inside", "min_corr_inside"):
        torch.testing.assert_close(state["measures"][name], row[name])
    assert (state["measures"]["loss"] > 10 * row["loss"]).all()
    assert not torch.allclose(state["measures"]["min_corr"], row["min_corr"])
    assert [one["choice"] for one in state["members"]] == [
        one["choice"] for one in whole["members"]
    ]
    away = SRData.from_arrays(X[VAL] + 1e3, None, Y[VAL])
    with pytest.raises(InputError, match="no row of val lies within the range"):
        run(val=away)


def test_recorded_latents_are_bounded(monkeypatch):
    monkeypatch.setattr("srnet.measures.RECORDS", 4)
    monkeypatch.setattr("srnet.runs.measuring.RECORDED_ROWS", 5)
    changes = {"log_freq": 1, "sd": 0, "restarts": 1}
    expected = run(changes)
    kept = expected["latents"]
    assert kept["epoch"] == [8, 16]  # 22 measures: every 8th
    assert kept["curves"].shape[:2] == (2, 1)
    assert kept["curves"].shape[-1] <= 5
    parted = stopped_after(11, monkeypatch, changes)
    assert parted["latents"]["epoch"] == [4, 8]
    assert equal(run(changes, state=parted)["latents"], kept)


# -- what comes out of a state --------------------------------------------------------------


def test_load_generator(tmp_path):
    path = tmp_path / "state.pt"
    state = run(path=path)
    best = load_generator(path)
    for member in range(2):
        model = load_generator(path, member)
        loss = (model(X[:N]) - Y[:N]).square().mean()
        assert loss.isfinite()
        same = equal(dict(model.state_dict()), dict(best.state_dict()))
        assert same == (member == state["best"])
        for name, weight in model.state_dict().items():
            assert torch.equal(weight, state["average"][name][member])
    with pytest.raises(InputError, match=r"there is no member 2; expected 0 to 1"):
        load_generator(path, 2)
    with pytest.raises(InputError, match="holds generators, not a critic; load_generator"):
        load_critic(path)


def test_measures_are_of_what_is_loaded(tmp_path):
    state = run({"log_freq": EPOCHS, "average": 0.9}, path=tmp_path / "state.pt")
    box = (X[VAL] >= X[TRAIN].amin(0)) & (X[VAL] <= X[TRAIN].amax(0))
    for name, kept in (("loss", slice(None)), ("loss_inside", box.all(1))):
        x, y = X[VAL][kept], Y[VAL][kept]
        for member in range(2):
            model = load_generator(tmp_path / "state.pt", member)
            loss = (model(x) - y).square().mean().item()
            assert state["members"][member][name] == pytest.approx(loss, rel=1e-4)
            assert float(state["measures"][name][0, member]) == pytest.approx(loss, rel=1e-4)


def test_a_fixed_critic(monkeypatch):
    points = SRData.from_arrays(X[TRAIN])
    lib = SDData.from_lines(LINES, "X00")
    small = {"epochs": 3, "arch.lat_size": 2, "disc.hid_size": 8}
    judge = train_critic(small, points, lib, progress=False)
    fixed = {"disc": {"iters": 0}}
    kept = copy.deepcopy(judge)
    state = run(fixed, critic=judge, lines=None)
    assert equal(judge, kept)
    assert equal(state["critic"], judge["critic"])
    assert "acc" not in state["history"]
    assert not equal(state["generator"], run({"sd": 0})["generator"])
    parted = stopped_after(7, monkeypatch, fixed, critic=judge, lines=None)
    assert equal(results(run(fixed, critic=judge, lines=None, state=parted)), results(state))
    other = train_critic(small, points, lib, 1, progress=False)
    for changes, critic, options, words in (
        ({}, judge, {}, "a trained critic is given and disc.iters is 2; expected 0"),
        (fixed, None, {}, "disc.iters is 0, so the critic isn't trained"),
        ({**fixed, "sd": 0}, judge, {}, "a trained critic is given, but sd is 0"),
        ({**fixed, "ext": "grad"}, judge, {}, "sees ext [] (stack), but ext is ['grad'] (stack)"),
        ({**fixed, "points": 9}, judge, {}, "of curves at other points than the 9"),
        (fixed, other, {"state": parted, "lines": None}, "the trained critic is another now"),
    ):
        with pytest.raises(InputError) as caught:
            run(changes, critic=critic, **options)
        assert words in str(caught.value)


# -- a guide --------------------------------------------------------------------------------


class Toy:
    """Draws the latents to 0, more from call to call; its count is its state."""

    every = 4
    points = X[TRAIN]

    def __init__(self):
        self.calls = 0

    def update(self, model, epoch):
        assert epoch % self.every == 0
        assert not torch.is_grad_enabled()
        self.calls += 1
        model.head.biases[0][0] += 1  # member 0 alone is moved

    def penalty(self, curves, progress):
        return self.calls * (1 + progress) * curves.square().mean((-2, -1))

    def state_dict(self):
        return {"calls": self.calls}

    def load_state_dict(self, state):
        self.calls = state["calls"]


def test_a_guide(monkeypatch, whole):
    guide = Toy()
    expected = run(guide=guide)
    assert guide.calls == expected["guide"]["calls"] == 6  # epochs 0, 4, ..., 20
    parted = stopped_after(7, monkeypatch, guide=Toy())
    assert equal(results(run(guide=Toy(), state=parted)), results(expected))
    with pytest.raises(InputError, match="was trained with a guide, and now it is without one"):
        run(state=parted)
    masks = {"projection": 1, "arch.hid_kwargs": {"alpha": [[1, 0], [1, 1]]}}
    with pytest.raises(InputError, match="a guide is given and projection is 1, a guide too"):
        run(masks, guide=Toy())
    alone = run({"restarts": 1}, guide=Toy())
    torch.testing.assert_close(
        alone["generator"]["head.biases.0"][0], expected["generator"]["head.biases.0"][0]
    )


# -- numbers that end, and learning ---------------------------------------------------------


class Fault(Toy):
    """From epoch 10 on, its penalty on member 0 is no number."""

    def update(self, model, epoch):
        pass

    def penalty(self, curves, progress):
        late = len(curves) == 2 and progress >= 10 / EPOCHS
        bad = torch.tensor([torch.inf, 0.0]) if late else torch.zeros(len(curves))
        return bad * curves.square().mean((-2, -1))


def test_a_lost_member(monkeypatch, caplog):
    """It is told of, never chosen, and changes nothing of the other; also when gone on with."""
    state, sound = run(guide=Fault()), run({"restarts": 1}, guide=Fault(), seed=1)
    assert caplog.text.count("member 0 is lost: non-finite in epoch 11; a smaller lr") == 1
    assert (state["ended"], state["best"]) == ("finished", 1)
    rows = state["members"]
    assert [row["choice"] for row in rows] == ["lost: non-finite in epoch 11", "chosen"]
    assert math.isnan(rows[0]["loss"])
    for row in state["history"].values():
        assert row[:, 0].isnan().tolist() == [False] * 10 + [True] * (EPOCHS - 10)
        assert row[:, 1].isfinite().all()
    torch.testing.assert_close(state["history"]["loss"][:, 1:], sound["history"]["loss"])
    assert generator_of(state)(X).isfinite().all()
    for epochs in (9, 12):
        parted = stopped_after(epochs, monkeypatch, guide=Fault())
        again = run(guide=Fault(), state=parted)
        for name in ("generator", "average", "critic", "history", "measures"):
            for key, value in state[name].items():
                torch.testing.assert_close(again[name][key], value, rtol=0, atol=0, equal_nan=True)


def test_non_finite(tmp_path, caplog):
    state = run({"lr": 1e25, "average": 0, "restarts": 1}, path=tmp_path / "state.pt")
    done = len(state["times"])
    assert done < EPOCHS
    assert state["ended"] == f"non-finite in epoch {done + 1}"
    assert "a smaller lr or disc.lr helps" in caplog.text
    assert all(weight.isfinite().all() for weight in state["generator"].values())
    assert [len(rows) for rows in state["history"].values()] == [done] * 3
    assert equal(load_state(tmp_path / "state.pt")["generator"], state["generator"])
    assert [row["choice"] for row in state["members"]].count("chosen") == 1


def test_generators_learn():
    """A linear law: fitted, and both latents found, as each sees one variable."""
    law = SRData.from_arrays(X[TRAIN], X[TRAIN], X[TRAIN] @ torch.tensor([[1.0], [2.0]]))
    masks = {"alpha": [[1, 0], [0, 1]]}
    changes = {"epochs": 600, "lr": 1e-2, "sd": 0, "arch.hid_kwargs": masks, "average": 0.9}
    state = run(changes, train=law, val=law)
    assert max(row["loss"] for row in state["members"]) < 0.01
    assert min(row["min_corr"] for row in state["members"]) > 0.99


# -- input that can't be used ---------------------------------------------------------------

BAD = [
    ({"arch.out_size": 2}, {}, "arch.out_size is 2, but the data has 1 target columns"),
    ({"arch.in_size": 3}, {}, "arch.in_size is 3, but the data has 2 variables"),
    ({"batch_size": 99}, {}, "batch_size is 99, but the data has 24 rows"),
    ({"points": 99}, {}, "points is 99, but the data has 24 rows"),
    ({"sd_fun": "linea"}, {}, "sd_fun: got 'linea', expected 'linear', 'sigmoid' or"),
    ({"arch.hid_kwargs.alpha": "ones", "e1": 1}, {}, "e1 needs a mask to learn"),
    ({"arch.hid_type": "MLP", "a2": 1}, {}, "a2 needs a mask to learn"),
    ({"arch.hid_kwargs.alpha": [[1, 0]]}, {}, "expected a row for each of 2 units"),
    ({"disc.conv_arch": [4]}, {}, "disc.conv_arch: unknown key"),
    ({"disc.batch": 5, "disc.gp": 1}, {}, "expected disc.batch none or 2"),
    ({"average": 1}, {}, "average: got 1, expected a number in [0, 1)"),
    ({"restarts": 0}, {}, "restarts: got 0, expected a whole number >= 1"),
    ({"epoch": 3}, {}, "epoch: unknown key; did you mean 'epochs'?"),
    ({}, {"lines": None}, "lib is None, but sd, e3 or projection asks for library"),
    ({}, {"lines": ["log(x0)"]}, "isn't a finite real number"),
    ({}, {"seed": -1}, "seed is -1"),
    ({}, {"checkpoint_every": 0}, "checkpoint_every is 0"),
    ({}, {"train": SRData.from_arrays(X)}, "train has no target_data"),
    ({}, {"val": SRData.from_arrays(X)}, "val has no target_data"),
    ({}, {"val": SRData.from_arrays(X[:, :1], None, Y)}, "val.in_data has 1 columns and train"),
]


@pytest.mark.parametrize(("changes", "options", "words"), BAD)
def test_input_that_cannot_be_used(changes, options, words, tmp_path):
    with pytest.raises(InputError) as caught:
        run(changes, path=tmp_path / "new" / "state.pt", **options)
    assert words in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "options", "words"),
    [
        ({"epochs": 30}, {}, "epochs was 22 and is now 30; a cosine schedule is of so many epochs"),
        ({"restarts": 3}, {}, "restarts was 2 and is now 3"),
        ({"sd": 0.5}, {}, "sd was 0.01 and is now 0.5"),
        ({}, {"seed": 1}, "seed was 0 and is now 1"),
        ({}, {"lines": ["x0"]}, "library.lines was"),
        ({}, {"train": SRData.from_arrays(X[:N], None, Y[:N] + 1)}, "the targets are others now"),
    ],
)
def test_another_run_is_not_gone_on_with(whole, changes, options, words):
    with pytest.raises(InputError) as caught:
        run(changes, state=whole, **options)
    assert words in str(caught.value)


def test_not_the_state_of_generators(whole):
    with pytest.raises(InputError, match="not the state of generators; load_critic reads critics"):
        generator_of({"critic_args": {}})
    with pytest.raises(InputError, match="not the state of generators"):
        generator_of({**whole, "average": {"latents.x": torch.zeros(2, 3)}})
