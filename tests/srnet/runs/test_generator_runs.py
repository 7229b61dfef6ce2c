"""Many generators' runs at once: each is the same run alone, to the bit, whatever the others do."""

import contextlib
import itertools
import os
import signal

import pytest
import torch

from sdnet.errors import InputError
from sdnet.library import SDData
from sdnet.training import BLOCK
from srnet.runs import curves
from srnet.runs import generator_grouping as grouping
from srnet.runs.generator import begin, train_generator
from srnet.runs.generator_runs import train_generators, train_runs
from srnet.runs.generators import generator_of
from srnet.runs.states import load_state
from srnet.runs.stopping import Stopping
from srnet.runs.tracking import Tracker
from srnet.tables import SRData

N, EPOCHS = 24, BLOCK + 6
X = torch.randn(N + 12, 2, generator=torch.Generator().manual_seed(0))
G = torch.stack([X[:, 0] ** 2, X[:, 0] * X[:, 1]], 1)
TRAIN, VAL = (SRData.from_arrays(X[r], G[r], G[r].sum(1, True)) for r in (slice(N), slice(N, None)))
LINES = ["N0*x0**2 + N1", "N0*sin(2*U0*x1)", "N0*x0*x1"]
SMALL = {
    "epochs": EPOCHS,
    "restarts": 2,
    "log_freq": 5,
    "arch": {"lat_size": 2, "hid_size": 8, "hid_num": [2, 0]},
    "disc.hid_size": 8,
    "disc.hid_num": 2,
}

# What may differ in a stack, in combinations.
SETTINGS = [
    {"lr": 1e-2, "disc.lr": 1e-3, "disc.iters": 2, "sd": 0.1, "disc.gp": 0.1},
    {"lr": 1e-3, "disc.lr": 1e-2, "disc.iters": 5, "sd": 10.0, "sd_fun": "sigmoid", "disc.gp": 1.0},
    {"restarts": 1, "disc.iters": 1, "sd_fun": "logsigmoid", "wd": 0.1, "disc.gp": 1e-5, "e3": 0.1},
    {"restarts": 3, "average": 0, "betas": [0.5, 0.9], "disc.wd": 0.1, "disc.gp": 2.0, "l1": 0.1},
    {"epochs": 7, "log_freq": 3, "schedule": "constant", "disc.betas": [0, 0.9], "disc.gp": 0.1},
]
ORDER = {"shuffle_rows": False}


@pytest.fixture(autouse=True)
def in_large_stacks(monkeypatch):
    """As large as can be, so that tests don't depend on timings."""
    monkeypatch.setattr(grouping, "quickest_size", lambda run, runs: runs)


def library(**options) -> SDData:
    return SDData.from_lines(options.pop("lines", LINES), "X00", **options)


def at_once(settings, lib=None, **options):
    configs = [{**SMALL, **one} for one in settings]
    seeds = options.pop("seeds", range(0, 10 * len(configs), 10))
    lib = library() if lib is None else lib
    return train_generators(configs, TRAIN, VAL, lib, seeds, progress=False, **options)


def alone(settings, number, lib=None, **options):
    lib = library() if lib is None else lib
    options = {"progress": False, **options}
    return train_generator({**SMALL, **settings}, TRAIN, VAL, lib, 10 * number, **options)


def equal(a, b):
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a.nan_to_num(7e7), b.nan_to_num(7e7))
    if isinstance(a, dict):
        return list(a) == list(b) and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    return a == b or (a != a and b != b)


def assert_same(state, expected):
    for name in expected:
        if name != "times":
            assert equal(state[name], expected[name]), name
    assert list(state) == list(expected)
    assert len(state["times"]) == len(expected["times"])


# -- the same as alone ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "iter_sample"),
    [
        ({}, False),
        ({"disc.gp": 0, "batch_size": 10, "points": 12, "disc.batch": 3}, True),
        ({"ext": ["input", "grad"], "ext_type": "embed", "arch.hid_type": "MLP"}, True),
        ({"disc.loss_fun": "wasserstein", "ext": "grad", "batch_size": 9, **ORDER}, False),
        ({"sd": 0, "e1": 0.1, "a1": 0.1, "arch.hid_kwargs": {"norm": "softmax"}}, False),
    ],
    ids=["values", "batches", "embedded", "wasserstein", "masks without critics"],
)
def test_each_is_the_run_alone(kind, iter_sample):
    """All of its state but the times, bit for bit."""
    lib = library(iter_sample=iter_sample)
    settings = [{**one, **kind} for one in SETTINGS]
    states = at_once(settings, lib)
    for number, (one, state) in enumerate(zip(settings, states, strict=True)):
        assert_same(state, alone(one, number, lib))


def test_200_epochs_at_the_size_of_a_study():
    """Asked for is 1e-4 in the curves after 200 epochs; there is no difference at all."""
    x = torch.randn(700, 2, generator=torch.Generator().manual_seed(1))
    data = SRData.from_arrays(x, None, (x[:, :1] ** 2 + x[:, 1:]).cos())
    study = {"epochs": 200, "restarts": 1, "disc.hid_num": 2, "disc.hid_size": 32}
    study |= {"arch": {"lat_size": 3, "hid_num": [1, 0], "hid_size": 32}, "lr": 1e-3}
    settings = [{**study, "disc.lr": 1e-3}, {**study, "disc.iters": 1, "sd": 1.0, "restarts": 2}]
    states = train_generators(settings, data, data, library(), [0, 5], progress=False)
    for one, seed, state in zip(settings, (0, 5), states, strict=True):
        expected = train_generator(one, data, data, library(), seed, progress=False)
        for name, rows in expected["history"].items():
            assert torch.equal(state["history"][name], rows)
        assert len(expected["history"]["acc"].unique()) > 2  # it is no trivial curve


def test_libraries_that_draw_once_and_for_each_step(monkeypatch):
    """In one stack, as trials of a sweep may be."""
    libs = [library(), library(iter_sample=True)]
    options = {"state": None, "path": None, "tracker": None, "device": "cpu"}
    runs = [
        begin({**SMALL, **SETTINGS[number]}, TRAIN, VAL, lib, 10 * number, **options)
        for number, lib in enumerate(libs)
    ]
    assert [len(stack) for stack in grouping.stacks(runs)] == [2]
    train_runs(runs, progress=False)
    for number, (run, lib) in enumerate(zip(runs, libs, strict=True)):
        assert_same(run.record, alone(SETTINGS[number], number, lib))


def test_shapes_of_all_kinds_come_back_in_their_order():
    judge = {"disc.iters": 1, "sd": 0}
    shapes = [
        {},
        judge,
        {"arch.hid_size": 5},
        {"disc.hid_size": 4},
        {"disc.gp": 0.1},
        {"points": 9},
    ]
    shapes = [{"epochs": 3, **shape} for shape in shapes]
    states = at_once(shapes * 2)
    for number, (one, state) in enumerate(zip(shapes * 2, states, strict=True)):
        assert state["seed"] == 10 * number
        assert_same(state, alone(one, number))
    assert at_once([]) == []


# -- coming and going -----------------------------------------------------------------------


def test_those_that_are_stopped_leave_and_can_go_on(tmp_path):
    asked = []

    def watch(number, record):
        done = len(record["history"]["loss"])
        asked.append((number, done))
        return "stopped" if number == 1 and done >= 6 else None

    paths = [tmp_path / f"{number}.pt" for number in range(5)]
    states = at_once(SETTINGS, watch=watch, checkpoint_every=9, paths=paths)
    assert [state["ended"] for state in states] == ["finished", "stopped", *["finished"] * 3]
    assert len(states[1]["times"]) == 6  # log_freq 3 of another ends a stretch there
    assert {done for number, done in asked if number == 0} >= {BLOCK, EPOCHS}
    for number in (0, 2, 3, 4):
        assert_same(states[number], alone(SETTINGS[number], number))
    for path, state in zip(paths, states, strict=True):
        assert equal(load_state(path), state)
        assert path.stat().st_size < 1.5 * paths[1].stat().st_size + 60_000  # of its own members
    assert generator_of(load_state(paths[1]))(X).shape == (N + 12, 1)
    went_on = alone(SETTINGS[1], 1, state=states[1])
    assert_same(went_on, alone(SETTINGS[1], 1))
    both = at_once(SETTINGS[:2], states=[None, load_state(paths[1])])
    assert_same(both[1], went_on)


def test_checkpoints_are_those_of_the_run_alone(tmp_path, monkeypatch):
    kept = {}
    keep = lambda path, state: kept.setdefault(path, []).append(dict(state))  # noqa: E731
    monkeypatch.setattr("srnet.runs.generator.save_state", keep)
    paths = [tmp_path / f"{number}.pt" for number in range(2)]
    at_once(SETTINGS[:2], paths=paths, checkpoint_every=8)
    for number, path in enumerate(paths):
        expected = tmp_path / "alone.pt"
        alone(SETTINGS[number], number, path=expected, checkpoint_every=8)
        for state, other in zip(kept[path], kept.pop(expected), strict=True):
            for part in ("generator", "average", "critic", "optimizer", "history", "ended"):
                assert equal(state[part], other[part])
        # a checkpoint is of its members' own numbers, not of the stack's that they are parts of
        weight = kept[path][0]["generator"]["head.weights.0"]
        assert weight.untyped_storage().nbytes() == 4 * weight.numel()


def test_a_signal_ends_all_of_them(monkeypatch):
    asked, call = itertools.count(1), Stopping.__call__

    def ask(self):
        if next(asked) == 5:
            os.kill(os.getpid(), signal.SIGINT)
        return call(self)

    with monkeypatch.context() as patched:
        patched.setattr(Stopping, "__call__", ask)
        states = at_once(SETTINGS[:2])
    assert [(state["ended"], len(state["times"])) for state in states] == [("interrupted", 5)] * 2
    for number, state in enumerate(states):
        assert_same(alone(SETTINGS[number], number, state=state), alone(SETTINGS[number], number))


def test_a_runtime_is_of_a_runs_own_share(monkeypatch):
    """Epochs of 4 seconds, shared by 3 members and 1."""
    clock = itertools.count(0, 4)
    fake = type("Clock", (), {"monotonic": lambda: next(clock)})
    monkeypatch.setattr("srnet.runs.following.time", fake)
    settings = [{"restarts": 3, "runtime": 7}, {"restarts": 1, "runtime": 1000}]
    states = at_once(settings)
    assert [state["ended"] for state in states] == ["runtime", "finished"]
    assert len(states[0]["times"]) == 3  # 9 seconds are more than 7, and 6 are not
    assert_same(states[1], alone(settings[1], 1))


class Tracked(Tracker):
    def __init__(self):
        self.rows, self.summary = [], None

    def log(self, figures, step):
        self.rows.append((step, dict(figures)))

    def finish(self, summary):
        self.summary = dict(summary)


def test_trackers_are_told_what_they_are_alone():
    together, by_itself = [Tracked() for _ in range(3)], [Tracked() for _ in range(3)]
    at_once(SETTINGS[:3], trackers=together)
    for number, tracker in enumerate(by_itself):
        alone(SETTINGS[number], number, tracker=tracker)
        assert together[number].rows == tracker.rows
        assert together[number].summary == tracker.summary
        assert [step for step, _ in tracker.rows] == [5, 10, 15, 20]


# -- what goes wrong ------------------------------------------------------------------------


def test_members_and_runs_that_are_not_finite_end_as_alone():
    """One run's all members end, another's one or more, and a third goes on."""
    settings = [SETTINGS[0], {"lr": 1e18, "disc.gp": 0.1}, {**SETTINGS[3], "disc.lr": 1e18}]
    states = at_once(settings)
    assert states[1]["ended"].startswith("non-finite in epoch ")
    for number, (one, state) in enumerate(zip(settings, states, strict=True)):
        assert_same(state, alone(one, number))


def test_a_member_that_is_lost_leaves_its_run_and_the_others(monkeypatch):
    """Its draws are no numbers from epoch 9 on, as its run's library may give."""
    draw = curves.MemberSource.block

    def block(self, index):
        found = draw(self, index)
        if self.members[0].seed == 10 and index == 0:
            found.real[9:, :, 1] = torch.nan
        return found

    monkeypatch.setattr(curves.MemberSource, "block", block)
    states = at_once(SETTINGS[:2])
    assert states[1]["history"]["loss"].isnan().sum(0).tolist() == [0, EPOCHS - 9]
    assert states[1]["members"][1]["choice"] == "lost: non-finite in epoch 10"
    for number, state in enumerate(states):
        assert_same(state, alone(SETTINGS[number], number))


def test_a_rare_draw_ends_its_own_run_only():
    lib = library(lines=["log(N0 + 2.9)*x0**2"])
    settings = [{"disc.iters": iters, "epochs": 60, "log_freq": 100} for iters in (1, 2, 3)]
    states = at_once(settings, lib)
    for number, (one, state) in enumerate(zip(settings, states, strict=True)):
        assert_same(state, alone(one, number, lib))
    assert len({state["ended"] for state in states}) > 1


BAD = [
    ([{}, {"disc.lrr": 1}], {}, "run 1: hyperparams: disc.lrr: unknown key; did you mean 'lr'?"),
    ([{}, {"batch_size": 99}], {}, "run 1: batch_size is 99, but the data has 24 rows"),
    ([{}, {"disc.iters": 0}], {}, "run 1: disc.iters is 0, so the critic isn't trained"),
    ([{}, {}], {"seeds": [0]}, "1 seeds are given for 2 hyperparams"),
    ([{}], {"checkpoint_every": 0}, "checkpoint_every is 0"),
]


@pytest.mark.parametrize(("settings", "options", "words"), BAD)
def test_what_cannot_be_used_is_told_before_any_training(settings, options, words, monkeypatch):
    monkeypatch.setattr("srnet.runs.following.train_together", None)
    with pytest.raises(InputError) as caught:
        at_once(settings, **options)
    assert words in str(caught.value)


# -- which train at once, and how many ------------------------------------------------------


def begun(**changes):
    settings = {**SMALL, **{name.replace("__", "."): value for name, value in changes.items()}}
    options = {"state": None, "path": None, "tracker": None, "device": "cpu"}
    return begin(settings, TRAIN, VAL, library(), 0, **options)


@pytest.mark.parametrize(
    "other",
    [
        {"arch__hid_size": 5},
        {"arch__hid_num": [1, 1]},
        {"arch__hid_kwargs": {"prune": 0.1}},
        {"disc__hid_size": 5},
        {"disc__loss_fun": "wasserstein"},
        {"disc__gp": 0.1},
        {"sd": 0},
        {"ext": "grad"},
        {"batch_size": 5},
        {"points": 9},
    ],
)
def test_other_shapes_are_in_other_stacks(other):
    runs = [begun(), begun(**other), begun(), begun(**other)]
    assert grouping.stacks(runs) == [[runs[0], runs[2]], [runs[1], runs[3]]]


def test_other_tables_are_in_other_stacks():
    options = {"state": None, "path": None, "tracker": None, "device": "cpu"}
    other = SRData.from_arrays(TRAIN.in_data, None, 2 * TRAIN.target_data)
    runs = [begun(), begin(SMALL, other, VAL, library(), 0, **options)]
    assert [len(stack) for stack in grouping.stacks(runs)] == [1, 1]


def test_guided_runs_train_alone():
    masks = {"projection": 1, "arch__hid_kwargs": {"alpha": [[1, 0], [1, 1]]}}
    runs = [begun(**masks), begun(**masks)]
    assert [len(stack) for stack in grouping.stacks(runs)] == [1, 1]


@pytest.mark.parametrize("changes", [{}, {"restarts": 1, "sd": 0}, {"ext": "grad", "disc__gp": 1}])
def test_sizes_are_tried_and_give_the_bits_of_one(changes):
    run = begun(**changes)
    before = run.training.state()
    trials = grouping._trials(run, run.source.block(0), [1, 2, 4])
    assert list(trials) == [1, 2, 4]
    for trial in trials.values():
        trial()
    assert equal(run.training.state(), before)  # on copies


def test_sizes_that_round_otherwise_are_not_taken(monkeypatch):
    """Where a library's batched products don't round members alike."""
    rounded = grouping.Epochs.stretch

    def stretch(self, blocks, epochs, stop):
        found = rounded(self, blocks, epochs, stop)
        with torch.no_grad(), contextlib.suppress(IndexError):
            self.runs[2].parameters[0].mul_(1 + 1e-6)
            self.runs[3].parameters[0].mul_(1 + 1e-6)
        return found

    monkeypatch.setattr(grouping.Epochs, "stretch", stretch)
    run = begun()
    assert list(grouping._trials(run, run.source.block(0), [1, 2, 4])) == [1, 2]


def test_a_size_is_measured_once_for_a_shape(monkeypatch):
    monkeypatch.undo()
    measured = []

    def member_steps(trials):
        measured.append(list(trials))
        return {size: size for size in trials}

    monkeypatch.setattr(grouping, "member_steps", member_steps)
    monkeypatch.setattr(grouping, "_found", {})
    assert [grouping.quickest_size(begun(), 3) for _ in range(2)] == [3, 3]
    assert grouping.quickest_size(begun(restarts=16), 3) == 2  # 32 members at most
    assert measured == [[1, 2, 4], [1, 2]]
