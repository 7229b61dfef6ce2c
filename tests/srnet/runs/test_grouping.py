"""Which runs share a stack, and how large a stack is."""

import pytest
import torch

from sdnet.library import SDData
from srnet.runs import grouping
from srnet.runs.critic import begin
from srnet.tables import SRData

POINTS = SRData.from_arrays(torch.linspace(-1, 1, 20)[:, None])
LIBRARY = SDData.from_lines(["N0*x0"], "X00")
ONE = {"epochs": 10, "arch.hid_size": 4, "disc.hid_size": 4, "disc.iters": 2}


def run(state=None, **changes):
    settings = {**ONE, **{name.replace("__", "."): value for name, value in changes.items()}}
    options = {"state": state, "path": None, "tracker": None, "device": "cpu"}
    return begin(settings, POINTS, LIBRARY, 0, **options)


@pytest.fixture
def sized(monkeypatch):
    monkeypatch.setattr(grouping, "quickest_size", lambda run, runs: 3)


@pytest.mark.parametrize(
    "other",
    [
        {"disc__hid_size": 5},
        {"disc__hid_num": 1},
        {"disc__loss_fun": "wasserstein"},
        {"disc__gp": 0},
        {"arch__lat_size": 2},
        {"ext": "grad"},
        {"ext": "grad", "ext_type": "embed"},
        {"disc__conv_arch": [2]},
    ],
)
def test_other_shapes_are_in_other_stacks(sized, other):
    runs = [run(), run(**other), run(), run(**other)]
    stacks = grouping.stacks(runs)
    together = [len(stack) for stack in stacks]
    assert together == ([2, 1, 1] if "disc__conv_arch" in other else [2, 2])
    assert stacks[0] == [runs[0], runs[2]]


def test_what_may_differ_in_a_stack(sized):
    runs = [
        run(disc__lr=1e-3, disc__wd=0, disc__betas=[0.1, 0.2], disc__gp=1, epochs=3),
        run(disc__iters=7, disc__schedule="cosine", arch__hid_size=9, arch__hid_type="DSN"),
        run(runtime=3),
    ]
    assert grouping.stacks(runs) == [[runs[1], runs[2], runs[0]]]  # those with most to do first


def test_stacks_are_as_large_as_is_quickest_and_even(sized):
    assert [len(stack) for stack in grouping.stacks([run() for _ in range(7)])] == [2, 2, 3]
    assert [len(stack) for stack in grouping.stacks([run() for _ in range(6)])] == [3, 3]


def test_a_run_by_itself_is_not_measured(monkeypatch):
    monkeypatch.setattr(grouping, "quickest_size", None)
    assert [len(stack) for stack in grouping.stacks([run(), run(disc__hid_size=5)])] == [1, 1]


def test_the_best_size_of_known_rates():
    rates = {1: 10, 2: 15, 4: 20, 8: 20.5, 16: 14}
    assert grouping.best_size(rates) == 4  # 8 are not worth it
    assert grouping.best_size({**rates, 16: 30}) == 16
    assert grouping.best_size({1: 3}) == 1


def test_sizes_end_where_the_memory_does(monkeypatch):
    def trial(arguments, count, device, size):
        if size > 4:
            raise torch.OutOfMemoryError
        return lambda: None

    monkeypatch.setattr(grouping, "_trial", trial)
    assert list(grouping._trials({}, 3, "cpu", [1, 2, 4, 8, 16])) == [1, 2, 4]


def test_a_size_is_measured_once_for_a_shape(monkeypatch):
    measured = []

    def member_steps(trials):
        measured.append(list(trials))
        return {size: size for size in trials}

    monkeypatch.setattr(grouping, "member_steps", member_steps)
    grouping._quickest_size.cache_clear()
    try:
        sizes = [grouping.quickest_size(run(disc__hid_size=6), 5) for _ in range(3)]
        assert sizes == [5, 5, 5]  # 8 would be best, but there are 5
        assert measured == [[1, 2, 4, 8]]
        grouping.quickest_size(run(disc__hid_size=7), 1000)
        assert measured[1:] == [[1, 2, 4, 8, 16, 32]]
    finally:
        grouping._quickest_size.cache_clear()


def test_rates_are_the_best_of_steps_timed_in_turn(monkeypatch):
    """Steps of 1 and 3 seconds; in the second round everything takes twice as long."""
    now, order = [0.0], []

    def step(size, seconds):
        order.append(size)
        now[0] += seconds * (1 if len(order) <= 4 else 2)

    clock = type("Clock", (), {"perf_counter": lambda: now[0]})
    monkeypatch.setattr(grouping, "time", clock)
    trials = {1: lambda: step(1, 1.0), 6: lambda: step(6, 3.0)}
    assert grouping.member_steps(trials, rounds=2, seconds=3.0) == {1: 1.0, 6: 2.0}
    assert order == [1, 1, 1, 6, 1, 1, 6]


def test_trials_are_of_the_shapes_of_the_run():
    for changes in ({}, {"ext": "grad", "ext_type": "embed", "disc__gp": 0}):
        arguments = run(**changes).record["critic_args"]
        trials = grouping._trials(arguments, 5, "cpu", [1, 3])
        rates = grouping.member_steps(trials, rounds=1, seconds=1e-4)
        assert list(rates) == [1, 3]
        assert min(rates.values()) > 0
