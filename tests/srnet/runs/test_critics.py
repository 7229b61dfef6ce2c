"""Many critic runs at once: each is the same run alone, whatever the others do."""

import contextlib
import itertools
import os
import signal

import pytest
import torch

from sdnet.errors import InputError
from sdnet.library import SDData
from srnet.runs import grouping
from srnet.runs.assembly import load_critic
from srnet.runs.critic import train_critic
from srnet.runs.critics import train_critics
from srnet.runs.states import load_state
from srnet.runs.stopping import Stopping
from srnet.tables import SRData

N, EPOCHS = 20, 20
GRID = torch.linspace(-2, 2, N)[:, None]
SMALL = {"epochs": EPOCHS, "arch.lat_size": 3, "arch.hid_size": 8, "disc.hid_size": 8}
LINES = ["N0*x0**2 + N1", "N0*sin(2*U0*x0)"]

# Settings that may differ in a stack, in all combinations of which this is a part.
SETTINGS = [
    {"disc.lr": 1e-3, "disc.iters": 2, "disc.gp": 0},
    {"disc.lr": 1e-2, "disc.iters": 5, "disc.gp": 0.1, "disc.wd": 0.01},
    {"disc.lr": 1e-4, "disc.iters": 1, "disc.gp": 1e-5, "disc.betas": [0.5, 0.9]},
    {"disc.lr": 1e-2, "disc.iters": 5, "disc.gp": 0, "disc.schedule": "cosine"},
    {"disc.lr": 1e-3, "disc.iters": 3, "disc.gp": 1, "epochs": 7, "arch.hid_size": 5},
]


@pytest.fixture(autouse=True)
def quick_and_in_large_stacks(monkeypatch):
    """As large as can be, so that tests don't depend on timings; evaluations of few curves."""
    monkeypatch.setattr(grouping, "quickest_size", lambda run, runs: runs)
    monkeypatch.setattr("srnet.runs.critic.FRESH", 100)


def library(**options) -> SDData:
    return SDData.from_lines(options.pop("lines", LINES), "X00", **options)


def at_once(settings, *changes, lib=None, **options):
    configs = [{**SMALL, **one, **dict(changes)} for one in settings]
    points = SRData.from_arrays(GRID)
    seeds = options.pop("seeds", range(len(configs)))
    return train_critics(configs, points, lib or library(), seeds, progress=False, **options)


def alone(settings, seed, lib=None, **options):
    points, config = SRData.from_arrays(GRID), {**SMALL, **settings}
    return train_critic(config, points, lib or library(), seed, progress=False, **options)


def equal(a, b):
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return list(a) == list(b) and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    return a == b


def without_times(state):
    return {name: value for name, value in state.items() if name != "times"}


def assert_same(state, expected):
    assert equal(without_times(state), without_times(expected))
    assert len(state["times"]) == len(expected["times"])


# -- the same as alone ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    [
        {},
        {"ext": "grad"},
        {"ext": ["input", "grad"], "ext_type": "embed", "disc.hid_num": [1, 2]},
        {"disc.loss_fun": "wasserstein", "arch.hid_type": "DSN"},
        {"disc.conv_arch": [4, "M"]},
    ],
    ids=["values", "stacked", "embedded", "wasserstein of DSN", "convolutions"],
)
@pytest.mark.parametrize("iter_sample", [False, True])
def test_each_is_the_run_alone(kind, iter_sample):
    lib = library(iter_sample=iter_sample)
    settings = [{**one, **kind} for one in SETTINGS]
    states = at_once(settings, lib=lib)
    for seed, (one, state) in enumerate(zip(settings, states, strict=True)):
        assert_same(state, alone(one, seed, lib=lib))


def test_accuracies_of_200_epochs_at_700_points():
    """The size of a study. The tolerance asked for is 1e-4; an accuracy is a count over 6 curves
    here, so that nothing between 0 and 1/6 can be."""
    points = SRData.from_arrays(torch.linspace(-2, 2, 700)[:, None])
    study = {"epochs": 200, "arch.lat_size": 3, "disc.hid_num": 2, "disc.hid_size": 64}
    configs = [
        {**study, "disc.lr": lr, "disc.iters": iters, "disc.gp": 1e-4}
        for lr, iters in [(1e-3, 1), (3e-3, 2), (1e-2, 1)]
    ]
    states = train_critics(configs, points, library(), [0, 1, 2], progress=False)
    for seed, (config, state) in enumerate(zip(configs, states, strict=True)):
        expected = train_critic(config, points, library(), seed, progress=False)
        both = torch.tensor([state["history"]["acc"], expected["history"]["acc"]])
        assert float((both[0] - both[1]).abs().max()) <= 1e-4
        assert len(set(state["history"]["acc"])) > 2  # it is no trivial curve


def test_settings_of_all_shapes_come_back_in_their_order():
    settings = [{"disc.hid_size": size, "arch.lat_size": k} for k in (2, 3) for size in (4, 8)] * 2
    states = at_once(settings)
    for seed, (one, state) in enumerate(zip(settings, states, strict=True)):
        assert state["seed"] == seed
        assert state["hyperparams"]["disc"]["hid_size"] == one["disc.hid_size"]
        assert_same(state, alone(one, seed))


def test_seeds_are_0_unless_given():
    one, other = at_once([{}, {}], seeds=None)
    assert_same(one, other)
    assert one["seed"] == 0
    assert at_once([]) == []


# -- coming and going -----------------------------------------------------------------------


@pytest.mark.parametrize("every", [3, 100])
def test_those_that_are_stopped_leave_and_can_go_on(every, tmp_path):
    asked = []

    def watch(number, record):
        asked.append((number, len(record["history"]["acc"])))
        return "stopped" if number == 1 and len(record["history"]["acc"]) >= 6 else None

    paths = [tmp_path / f"{number}.pt" for number in range(5)]
    states = at_once(SETTINGS, watch=watch, checkpoint_every=every, paths=paths)
    at = 6 if every == 3 else 7  # member 4 ends after 7 epochs, and so does a stretch
    assert [state["ended"] for state in states] == ["finished", "stopped", *["finished"] * 3]
    assert len(states[1]["times"]) == at
    assert {done for number, done in asked if number == 1} == {*range(every, at, every), at}
    for number in (0, 2, 3, 4):
        assert_same(states[number], alone(SETTINGS[number], number))
    assert equal(load_state(paths[1]), states[1])
    assert load_critic(paths[1])(torch.zeros(2, N)).shape == (2,)
    expected = alone(SETTINGS[1], 1)
    assert_same(alone(SETTINGS[1], 1, state=states[1]), expected)
    # and together with one that begins
    went_on = at_once(SETTINGS[:2], states=[None, load_state(paths[1])])
    assert_same(went_on[0], alone(SETTINGS[0], 0))
    assert_same(went_on[1], expected)


def test_each_is_told_of_when_it_ends():
    told = []
    states = at_once(SETTINGS, ended=lambda number, state: told.append((number, state)))
    assert sorted(number for number, _ in told) == list(range(5))
    assert all(state is states[number] for number, state in told)
    assert all("fresh" in state for _, state in told)


def test_one_of_all_epochs_has_nothing_left_to_do():
    done = alone(SETTINGS[0], 0)
    states = at_once(SETTINGS[:2], states=[done, None])
    assert_same(states[0], done)
    assert_same(states[1], alone(SETTINGS[1], 1))


def test_checkpoints_are_states_to_go_on_from(tmp_path, monkeypatch):
    kept = {}
    monkeypatch.setattr(
        "srnet.runs.critic.save_state",
        lambda path, state: kept.setdefault(path, []).append(
            {
                **state,
                "times": list(state["times"]),
                "history": {k: list(v) for k, v in state["history"].items()},
            }
        ),
    )
    paths = [tmp_path / f"{number}.pt" for number in range(2)]
    at_once(SETTINGS[1:3], paths=paths, checkpoint_every=8, seeds=[1, 2])
    for number, path in zip((1, 2), paths, strict=True):
        assert [len(state["times"]) for state in kept[path]] == [8, 16, EPOCHS, EPOCHS]
        for state in kept[path]:
            assert_same(
                alone(SETTINGS[number], number, state=state), alone(SETTINGS[number], number)
            )


def test_a_signal_ends_all_of_them(monkeypatch):
    asked, call = itertools.count(1), Stopping.__call__

    def ask(self):
        if next(asked) == 5:
            os.kill(os.getpid(), signal.SIGINT)
        return call(self)

    with monkeypatch.context() as patched:
        patched.setattr(Stopping, "__call__", ask)
        states = at_once([SETTINGS[1], SETTINGS[2]], seeds=[1, 2])
    assert [state["ended"] for state in states] == ["interrupted"] * 2
    assert [len(state["times"]) for state in states] == [5, 5]
    for number, state in zip((1, 2), states, strict=True):
        assert_same(alone(SETTINGS[number], number, state=state), alone(SETTINGS[number], number))


def test_a_runtime_is_of_a_runs_own_share(monkeypatch):
    """Epochs of 6 seconds, shared by 5 steps and 1: one has 5 of them, the other 1."""
    clock = itertools.count(0, 6)
    monkeypatch.setattr(
        "srnet.runs.following.time", type("Clock", (), {"monotonic": lambda: next(clock)})
    )
    settings = [{**SETTINGS[1], "runtime": 12}, {**SETTINGS[2], "runtime": 100}]
    states = at_once(settings)
    assert [state["ended"] for state in states] == ["runtime", "finished"]
    assert len(states[0]["times"]) == 3  # 15 seconds are more than 12, and 10 are not
    assert_same(alone(settings[0], 0, state=states[0]), alone(settings[0], 0))


# -- what goes wrong ------------------------------------------------------------------------


def test_a_member_that_is_not_finite_ends_as_alone():
    settings = [SETTINGS[0], {"disc.lr": 1e25, "disc.hid_num": 2, "disc.gp": 0}, SETTINGS[3]]
    states = at_once(settings)
    assert states[1]["ended"].startswith("non-finite in epoch ")
    for seed, (one, state) in enumerate(zip(settings, states, strict=True)):
        assert_same(state, alone(one, seed))


def test_a_rare_draw_ends_its_own_run_only(caplog):
    lib = library(lines=["log(N0 + 2.5)*x0**2"])
    settings = [{"disc.iters": iters} for iters in (1, 2, 3)]
    states = at_once(settings, lib=lib)
    for seed, (one, state) in enumerate(zip(settings, states, strict=True)):
        with contextlib.suppress(InputError):  # of the evaluation: then there is none here
            expected = alone(one, seed, lib=lib)
            assert_same(state, expected)
    ended = {state["ended"].partition(" after")[0] for state in states}
    assert "non-finite draw" in ended
    assert "isn't a finite real number" in caplog.text


BAD = [
    ([{}, {"disc.lrr": 1}], {}, "run 1: hyperparams: disc.lrr: unknown key; did you mean 'lr'?"),
    ([{}, {"batch_size": 3}], {}, "run 1: batch_size is 3, but the data has 20 points"),
    ([{}, {}], {"seeds": [0]}, "1 seeds are given for 2 hyperparams"),
    ([{}], {"paths": []}, "0 paths are given for 1 hyperparams"),
    ([{}, {}], {"seeds": [0, -1]}, "run 1: seed is -1"),
    ([{}], {"checkpoint_every": 0}, "checkpoint_every is 0"),
    ([{}, {"arch.hid_type": "DSN", "arch.hid_kwargs.alpha": [[1]]}], {}, "run 1: alpha is"),
]


@pytest.mark.parametrize(("settings", "options", "words"), BAD)
def test_what_cannot_be_used_is_told_before_any_training(settings, options, words, monkeypatch):
    monkeypatch.setattr("srnet.runs.following.train_together", None)
    with pytest.raises(InputError) as caught:
        at_once(settings, **options)
    assert words in str(caught.value)


def test_a_path_that_cannot_be_written(tmp_path, monkeypatch):
    monkeypatch.setattr("srnet.runs.following.train_together", None)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"run 1: .*state\.pt: can't be written"):
        at_once([{}, {}], paths=[None, tmp_path / "file" / "state.pt"])


def test_what_is_torchs_is_left_alone():
    random_state = torch.get_rng_state()
    torch.set_num_threads(2)
    try:
        at_once(SETTINGS[:2])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    assert torch.equal(torch.get_rng_state(), random_state)
