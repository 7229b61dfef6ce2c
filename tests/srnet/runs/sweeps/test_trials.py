"""Trials of generators: which train at once, and that each ends as alone."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from sdnet.errors import InputError
from srnet.runs import generator_grouping
from srnet.runs.generator import train_generator
from srnet.runs.generator_config import GeneratorConfig, GeneratorRun
from srnet.runs.launch import hyperparams_of, load_tables
from srnet.runs.sweeps import trials
from srnet.runs.sweeps.trials import likeness, train_batch
from srnet.runs.values import build, merge

SMALL = {
    "data": ".",
    "in_var": "X50",
    "target_var": "F50",
    "rows": "all",
    "val_rows": "all",
    "library": "small.lib",
    "epochs": 20,
    "restarts": 2,
    "log_freq": 10,
    "arch": {"lat_size": 2, "hid_num": [1, 0], "hid_size": 4},
    "disc": {"hid_num": 1, "hid_size": 4},
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(generator_grouping, "quickest_size", lambda run, runs: runs)
    x = np.linspace(-2, 2, 20)
    np.savetxt("X50.gz", x)
    np.savetxt("F50.gz", x**2)
    np.savetxt("F51.gz", x**3)
    Path("small.lib").write_text("N0*x0**2 + N1\n")
    trials._data.cache_clear()
    yield
    trials._data.cache_clear()


def settings(**changes):
    return build(GeneratorRun, merge(SMALL, changes), "settings")


def same(a, b):
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[name], b[name]) for name in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b or (isinstance(a, float) and math.isnan(a) and math.isnan(b))


def test_each_trial_of_a_batch_ends_as_alone(monkeypatch):
    """In stacks, also of different tables; one that can't be trained is told of in its place."""
    sizes, stacks = [], generator_grouping.stacks

    def noted(runs):
        found = stacks(runs)
        sizes.extend(len(stack) for stack in found)
        return found

    monkeypatch.setattr("srnet.runs.generator_runs.stacks", noted)
    batch = [
        settings(lr=1e-2, seed=3),
        settings(points=99),
        settings(sd=1.0, disc={"iters": 1, "lr": 1e-2}),
        settings(target_var="F51"),
        settings(epochs=7, restarts=1),
    ]
    outcomes, asked = {}, []

    def watch(i, record):
        asked.append((i, len(record["times"])))
        return "stopped early" if i == 2 and len(record["times"]) >= 10 else None

    train_batch("fit", batch, watch, outcomes.__setitem__)
    assert sorted(outcomes) == [0, 1, 2, 3, 4]
    assert sorted(sizes) == [1, 3]
    assert isinstance(outcomes[1], InputError)
    assert "points is 99" in str(outcomes[1])
    assert (outcomes[2]["ended"], len(outcomes[2]["times"])) == ("stopped early", 10)
    assert {done for i, done in asked if i == 0} >= {16, 20}
    for i in (0, 3, 4):
        one = batch[i]
        hyperparams = hyperparams_of(one, GeneratorConfig)
        expected = train_generator(hyperparams, *load_tables(one), one.seed, progress=False)
        for name in expected:
            assert name == "times" or same(outcomes[i][name], expected[name]), name
        assert list(outcomes[i]) == list(expected)


def test_what_trials_that_train_at_once_have_in_common():
    def key(**changes):
        return likeness("fit", settings(**changes))[1]

    one = key()
    alike = [
        {"lr": 1e-4, "wd": 0.1, "betas": [0.1, 0.2], "schedule": "constant", "average": 0},
        {"sd": 3.0, "sd_fun": "sigmoid", "l1": 0.1, "e3": 0.1, "seed": 5},
        {"disc": {"lr": 0.1, "wd": 0.1, "betas": [0, 0], "iters": 9, "schedule": "constant"}},
        {"epochs": 5, "restarts": 7, "log_freq": 3, "runtime": 5},
    ]
    assert all(key(**changes) == one for changes in alike)
    others = [
        {"arch": {"hid_size": 5}},
        {"disc": {"hid_size": 5}},
        {"disc": {"gp": 0.1}},
        {"sd": 0},
        {"ext": "grad"},
        {"batch_size": 5},
        {"target_var": "F51"},
        {"points": 5},
    ]
    keys = [one, *(key(**changes) for changes in others)]
    assert len(set(keys)) == len(keys)
    assert key(batch_size=99) != key(batch_size=99)  # can't be trained
    assert key(disc={"iters": 0}) != key(disc={"iters": 0})  # of a critic that is given


def test_how_long_trials_take():
    def work(**changes):
        return likeness("fit", settings(**changes))[0]

    longer = [{"epochs": 40}, {"restarts": 4}, {"arch": {"hid_size": 8}}, {"disc": {"iters": 9}}]
    assert all(work(**changes) > work() for changes in longer)
    assert work(sd=0) < work()
