"""A critic's run: the same bits whenever it is stopped, what it is built of, what it refuses."""

import contextlib
import copy
import itertools
import os
import signal
from pathlib import Path

import pytest
import torch

from sdnet.critic import CSDNet, SDNet
from sdnet.errors import InputError
from sdnet.library import SDData
from srnet.runs.assembly import critic_of, load_critic
from srnet.runs.critic import train_critic
from srnet.runs.states import load_state
from srnet.runs.stopping import Stopping
from srnet.tables import SRData

ROOT = Path(__file__).parents[3]
N, EPOCHS = 20, 40
GRID = torch.linspace(-2, 2, N)[:, None]
SMALL = {"epochs": EPOCHS, "arch": {"lat_size": 3, "hid_size": 8}, "disc": {"hid_size": 8}}
LINES = ["N0*x0**2 + N1", "N0*sin(2*U0*x0)"]
GRAD = {"ext": "grad"}
ZERO = GRID - GRID[3]  # one of these points is 0


def run(*changes, points=GRID, lines=LINES, seed=0, iter_sample=False, **options):
    """A run of SMALL with changed settings, each a mapping with dotted keys."""
    hyperparams = SMALL
    for change in changes:
        hyperparams = {**hyperparams, **change}
    library = SDData.from_lines(lines, "X00", iter_sample=iter_sample)
    table = SRData.from_arrays(points)
    return train_critic(hyperparams, table, library, seed, progress=False, **options)


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
    names = ("critic", "optimizer", "history", "fresh", "points", "library", "seed", "critic_args")
    return {name: state[name] for name in names}


def stopped_after(epochs, monkeypatch, how, *changes, **options):
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
        state = run({"runtime": 1000}, *changes, **options)
    assert len(state["times"]) == epochs
    assert state["ended"] == how
    return state


@pytest.fixture(scope="module")
def whole():
    return run()


# -- the same bits --------------------------------------------------------------------------


def test_a_seed_is_a_run(whole):
    assert equal(results(run()), results(whole))
    one, other = results(whole), results(run(seed=1))
    assert not any(equal(one[name], other[name]) for name in ("history", "critic", "fresh"))


def test_the_record(whole):
    assert whole["ended"] == "finished"
    assert len(whole["times"]) == EPOCHS
    assert min(whole["times"]) > 0
    assert [len(row) for row in whole["history"].values()] == [EPOCHS] * 3
    assert all(0 <= value <= 1 for value in whole["history"]["acc"] + list(whole["fresh"].values()))
    assert whole["history"]["loss"][0] == pytest.approx(2 * 0.693, rel=0.2)  # two sides, undecided
    assert whole["hyperparams"]["batch_size"] == N
    assert float(whole["optimizer"]["steps"]) == EPOCHS * 5
    assert torch.equal(whole["points"], GRID)


@pytest.mark.parametrize("how", ["interrupted", "runtime"])
@pytest.mark.parametrize("epochs", [1, 15, 16, 17, 39])
def test_stopped_and_gone_on_with(whole, monkeypatch, tmp_path, how, epochs):
    before = signal.getsignal(signal.SIGINT)
    stopped_after(epochs, monkeypatch, how, path=tmp_path / "state.pt")
    assert signal.getsignal(signal.SIGINT) is before
    state = run(state=load_state(tmp_path / "state.pt"))
    assert equal(results(state), results(whole))
    assert state["ended"] == "finished"


@pytest.mark.parametrize("iter_sample", [False, True])
@pytest.mark.parametrize(
    "changes",
    [
        {"disc.schedule": "cosine"},
        {**GRAD, "disc.schedule": "cosine"},
        {"ext": ["input", "grad"], "ext_type": "embed", "disc.gp": 0.1},
        {"disc.loss_fun": "Wasserstein", "arch.hid_type": "DSN"},
        {"disc.conv_arch": [4, "M"], "ext": "input", "ext_type": "embed", "arch.lat_size": 2},
    ],
    ids=["cosine", "stacked", "embedded", "wasserstein of DSN", "convolutions"],
)
def test_every_kind_of_run_can_be_gone_on_with(monkeypatch, changes, iter_sample):
    changes = {**changes, "epochs": 22}
    options = {"iter_sample": iter_sample}
    expected = run(changes, **options)
    parted = stopped_after(9, monkeypatch, "interrupted", changes, **options)
    assert equal(results(run(changes, state=parted, **options)), results(expected))


@pytest.mark.parametrize("every", [1, 7, 16, 1000])
def test_checkpoints_change_nothing(whole, tmp_path, every):
    state = run(path=tmp_path / "a" / "state.pt", checkpoint_every=every)
    assert equal(results(state), results(whole))
    assert equal(load_state(tmp_path / "a" / "state.pt"), state)


def test_from_each_checkpoint(whole, tmp_path, monkeypatch):
    kept = []
    monkeypatch.setattr("srnet.runs.critic.save_state", lambda _, s: kept.append(copy.deepcopy(s)))
    run(path=tmp_path / "state.pt", checkpoint_every=9)
    # the end is kept twice: before its evaluation, which takes a while, and with it
    assert [len(state["times"]) for state in kept] == [9, 18, 27, 36, 40, 40]
    assert [state["ended"] for state in kept] == ["running"] * 4 + ["finished"] * 2
    assert ["fresh" in state for state in kept] == [False] * 5 + [True]
    for state in kept:
        assert equal(results(run(state=state)), results(whole))


def test_more_epochs_with_a_constant_rate_only(whole):
    assert equal(results(run(state=run({"epochs": 23}))), results(whole))
    cosine = run({"disc.schedule": "cosine", "epochs": 5})
    with pytest.raises(InputError, match="epochs was 5 and is now 6"):
        run({"disc.schedule": "cosine", "epochs": 6}, state=cosine)
    with pytest.raises(InputError, match="epochs is 39, but the state has 40 of them"):
        run({"epochs": 39}, state=whole)


@pytest.mark.parametrize(
    ("changes", "options", "words"),
    [
        ({"disc.lr": 0.1}, {}, "disc.lr was 0.0001 and is now 0.1"),
        ({"disc.schedule": "cosine"}, {}, "disc.schedule was constant and is now cosine"),
        ({"arch.lat_size": 4}, {}, "arch.lat_size was 3 and is now 4"),
        (GRAD, {}, "ext was [] and is now ['grad']"),
        ({}, {"seed": 1}, "seed was 0 and is now 1"),
        ({}, {"lines": ["x0"]}, "library.lines was "),
        ({}, {"iter_sample": True}, "library.iter_sample was False and is now True"),
        ({}, {"points": GRID[1:]}, "batch_size was 20 and is now 19"),
        ({}, {"points": GRID + 1e-6}, "the points are others now"),
    ],
)
def test_another_run_is_not_gone_on_with(whole, changes, options, words):
    with pytest.raises(InputError) as caught:
        run({"arch.hid_size": 8}, changes, state=whole, **options)
    assert words in str(caught.value)


def test_a_state_that_lacks_something_is_not_gone_on_with(whole):
    for name in ("optimizer", "points", "library", "seed"):
        lacking = {key: value for key, value in whole.items() if key != name}
        with pytest.raises(InputError, match=f"has no {name} .*can be used, but not gone on with"):
            run(state=lacking)
    weights = {**whole["critic"], "critic.weights.0": torch.zeros(3, 3)}
    with pytest.raises(InputError, match="the state's weights don't fit its settings"):
        run(state={**whole, "critic": weights})


# -- what is left alone ---------------------------------------------------------------------


def test_what_is_the_callers_is_left_alone(monkeypatch):
    hyperparams = {"epochs": 2, "arch": {"hid_num": [1, 0]}, "disc.betas": [0.5, 0.9], **GRAD}
    first, random_state = run({"epochs": 1}), torch.get_rng_state()
    kept = copy.deepcopy((hyperparams, first))
    torch.set_num_threads(2)
    try:
        run(hyperparams)
        run({"epochs": 2}, state=first)
        monkeypatch.setattr("srnet.runs.critic.fresh_figures", None)
        with pytest.raises(TypeError):
            run({"epochs": 1})
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    assert equal((hyperparams, first), kept)
    assert torch.equal(torch.get_rng_state(), random_state)


def test_a_state_that_cannot_be_written_is_told_before_the_training(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr("srnet.runs.critic._epochs", None)  # training would fail otherwise
    with pytest.raises(InputError, match=r"state\.pt: can't be written"):
        run(path=tmp_path / "file" / "state.pt")
    assert signal.getsignal(signal.SIGINT) is before


# -- numbers that end -----------------------------------------------------------------------


@pytest.mark.parametrize("changes", [{}, {"disc.loss_fun": "wasserstein", "disc.gp": 1.0}])
def test_non_finite(tmp_path, caplog, changes):
    """A rate of 1e25 is fine for the first epochs only; the epoch before is what is kept."""
    path = tmp_path / "state.pt"
    changes = {**changes, "disc.lr": 1e25, "disc.hid_num": 3}
    state = run(changes, path=path)
    done = len(state["times"])
    assert state["ended"] == f"non-finite in epoch {done + 1}"
    (record,) = caplog.records
    assert f"training became non-finite in epoch {done + 1}" in record.getMessage()
    assert done < EPOCHS
    assert [len(row) for row in state["history"].values()] == [done] * 3
    assert all(tensor.isfinite().all() for tensor in state["critic"].values())
    if done:
        assert equal(run({**changes, "epochs": done})["critic"], state["critic"])
    assert equal(load_state(path), state)
    assert load_critic(path)(torch.zeros(4, N)).shape == (4,)
    assert run(changes, state=state)["ended"] == state["ended"]


# -- learning -------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_a_critic_learns(seed):
    data = SRData(ROOT / "data", "X10[:,0]", rows="train")
    library = SDData(ROOT / "funs" / "F10_v1.lib", "X10")
    state = train_critic(
        {"epochs": 200, "disc.lr": 1e-3, "disc.gp": 0}, data, library, seed, progress=False
    )
    assert state["fresh"]["acc"] > 0.6
    assert state["fresh"]["auroc"] > 0.6
    history = state["history"]["acc"]
    assert sum(history[-50:]) > sum(history[:50])


# -- assembly -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "shape", "emb_size"),
    [
        ({}, (N,), None),
        ({"ext": "input"}, (2 * N,), None),
        ({"ext": "grad"}, (2 * N,), None),
        ({"ext": ["grad", "input"]}, (3 * N,), None),
        ({"ext": "grad", "ext_type": "embed"}, (N, 2), 2),
        ({"ext": ["grad", "input"], "ext_type": "embed", "disc.emb_size": 3}, (N, 3), 3),
        ({"ext": "none", "ext_type": "embed"}, (N,), None),
        ({"disc.conv_arch": [4, "M", 2]}, (N,), None),
        ({"disc.conv_arch": [4], "ext": "grad", "ext_type": "embed"}, (N, 2), 2),
    ],
)
def test_what_the_critic_is_given(tmp_path, changes, shape, emb_size):
    state = run({**changes, "epochs": 1}, path=tmp_path / "state.pt")
    critic = load_critic(tmp_path / "state.pt")
    assert isinstance(critic, CSDNet if "disc.conv_arch" in changes else SDNet)
    assert state["hyperparams"]["disc"]["emb_size"] == emb_size
    curves = torch.randn(7, *shape)
    assert torch.equal(critic(curves), critic_of(state)(curves))
    for wrong in (torch.randn(7, *shape, 2), torch.randn(7, *shape[:-1], shape[-1] + 1)):
        with pytest.raises(InputError):
            critic(wrong)


def test_a_state_for_700_points_is_not_used_with_100():
    points = torch.linspace(-2, 2, 700)[:, None]
    state = run({"epochs": 1}, points=points)
    with pytest.raises(InputError, match=r"\(6, 100\) were given to a critic of 700 points"):
        critic_of(state)(torch.zeros(6, 100))
    with pytest.raises(InputError, match="batch_size was 700 and is now 100"):
        run({"epochs": 1}, points=points[:100], state=state)


def test_two_variables():
    points = torch.randn(N, 2, generator=torch.Generator().manual_seed(0))
    state = run({"ext": ["grad", "input"], "epochs": 1}, points=points)
    assert state["critic"]["critic.weights.0"].shape == (N * (1 + 2 + 2), 8)
    assert state["hyperparams"]["arch"]["in_size"] == 2


def test_a_grid_for_convolutions():
    grid = SRData(ROOT / "data", "X11").in_data
    conv = {"disc.conv_arch": [2, "M", "M", "M"], "epochs": 1}
    assert run(conv, points=grid)["critic"]["critic.weights.0"].shape == (
        2 * (700 // 2 // 2 // 2),
        8,
    )
    scattered = torch.randn(N, 1, generator=torch.Generator().manual_seed(0))
    for points in (scattered, grid[[0, 2, 1]], grid[:, [0, 0]], torch.zeros(N, 1), grid[:1]):
        with pytest.raises(InputError, match=r"conv_arch needs .* evenly spaced grid .* F11 with"):
            run(conv, points=points)


BAD = [
    ({"batch_size": 30}, {}, "batch_size is 30, but the data has 20 points"),
    ({"arch.in_size": 2}, {}, "arch.in_size is 2, but the data has 1 variables"),
    ({"disc.emb_size": 2}, {}, "emb_size is 2, but ext [] with ext_type 'stack' gives no embed"),
    ({"disc.emb_size": 3, **GRAD, "ext_type": "embed"}, {}, "gives 2 channels a point"),
    ({"disc.emb_size": 2, **GRAD}, {}, "ext_type 'stack' gives no embedding"),
    ({"disc.lrr": 1}, {}, "hyperparams: disc.lrr: unknown key; did you mean 'lr'?"),
    ({"disc.conv_arch": ["M"] * 5}, {}, "pools the 20 points of a curve to none"),
    ({}, {"seed": -1}, "seed is -1"),
    ({}, {"checkpoint_every": 0}, "checkpoint_every is 0"),
    ({}, {"lines": ["N0*x0", "1/x0"], "points": ZERO}, "'1/x0' isn't a finite real number at 1"),
    (GRAD, {"lines": ["sqrt(abs(x0))"], "points": ZERO}, "the derivative by x0 of"),
    ({}, {"device": "cuda"}, "device is 'cuda', but torch sees no GPU"),
]


@pytest.mark.parametrize(("changes", "options", "words"), BAD)
def test_input_that_cannot_be_used(changes, options, words, monkeypatch, tmp_path):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(InputError) as caught:
        run(changes, path=tmp_path / "new" / "state.pt", **options)
    assert words in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_derivative_that_is_not_seen_need_not_be():
    assert run({"epochs": 1}, lines=["sqrt(abs(x0))"], points=ZERO)["ended"] == "finished"


@pytest.mark.parametrize("in_data", [None, torch.zeros(N), torch.zeros(N, 0), ZERO / 0])
def test_points_that_cannot_be_used(in_data):
    train = SRData.from_arrays(GRID)
    train.in_data = in_data
    with pytest.raises(InputError, match="in_data"):
        train_critic(SMALL, train, SDData.from_lines(["N0"], "X00"), progress=False)


def test_a_rare_draw_that_is_not_finite_keeps_the_epochs_before_it(tmp_path, caplog):
    """log(N0 + 3.3) is no number in one draw of 2,000: the trial of the template passes it."""
    points = SRData.from_arrays(torch.linspace(0.1, 1, 10)[:, None])
    library = SDData.from_lines(["log(N0 + 3.3)*x0"], "X00")
    library.check(points.in_data)
    hyperparams = {"epochs": 3000, "disc": {"hid_num": 1, "hid_size": 4, "iters": 1}}
    path = tmp_path / "rare.pt"
    with contextlib.suppress(InputError):  # of the evaluation, whose draws may have one too
        train_critic(hyperparams, points, library, path=path, progress=False)
    state = load_state(path)
    done = len(state["times"])
    assert 0 < done < 3000
    assert state["ended"] == f"non-finite draw after epoch {done}"
    assert all(weight.isfinite().all() for weight in state["critic"].values())
    assert "isn't a finite real number" in caplog.text
