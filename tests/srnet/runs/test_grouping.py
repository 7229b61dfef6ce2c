"""Which runs share a stack, and how large a stack is."""

import itertools

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
    rates = {1: 10, 2: 15, 4: 20, 8: 20.5, 16: 14, 32: 100}
    tried = []

    def rate(size):
        tried.append(size)
        return rates[size]

    assert grouping.best_size(rate, 100) == 4  # 8 are not worth it
    assert tried == [1, 2, 4, 8, 16]  # where it falls by more than a quarter
    assert grouping.best_size(rates.get, 3) == 4  # perhaps all three are best together
    assert grouping.best_size(rates.get, 1) == 1


def test_sizes_end_where_the_memory_does():
    def rate(size):
        if size > 4:
            raise torch.OutOfMemoryError
        return size

    assert grouping.best_size(rate, 100) == 4


def test_a_size_is_measured_once_for_a_shape(monkeypatch):
    rates = itertools.count(1)
    monkeypatch.setattr(grouping, "member_steps", lambda *_: next(rates))
    grouping._quickest_size.cache_clear()
    try:
        sizes = [grouping.quickest_size(run(disc__hid_size=6), 5) for _ in range(3)]
        assert sizes == [5, 5, 5]  # of 1, 2, 4, 8 the last is best, but there are 5
        assert next(rates) == 5
        grouping.quickest_size(run(disc__hid_size=7), 5)
        assert next(rates) == 10
    finally:
        grouping._quickest_size.cache_clear()


def test_a_rate_is_measured_on_the_shapes_of_the_run():
    for changes in ({}, {"ext": "grad", "ext_type": "embed", "disc__gp": 0}):
        arguments = run(**changes).record["critic_args"]
        assert grouping.member_steps(arguments, 5, 3, seconds=1e-4) > 0
