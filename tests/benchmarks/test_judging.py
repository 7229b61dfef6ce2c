"""Rows of the benchmarks: who gets which rows, what a failure looks like, how rivals are read."""

import doctest
import importlib.util
import sys

import discover
import judging
import numpy as np
import pytest
import rivals
import sympy

from sdnet.errors import InputError
from srnet.equations import evaluate
from srnet.problem_tables import problem_tables
from srnet.problems import PROBLEMS, truth


def test_a_fit_gets_the_training_rows_and_the_judge_the_others():
    seen = []

    def fit(x, y):
        seen.append((x, y))
        return truth(PROBLEMS["F07"])

    row = judging.judged("F07", fit, "oracle")
    assert (row["problem"], row["way"], row["exact"]) == ("F07", "oracle", "exact")
    assert (row["R2"], row["terms"]) == ("1.00000000", "3 terms match")
    train = problem_tables(judging.DATA / "F07")["train"]
    np.testing.assert_array_equal(seen[0][0], train.in_data)
    np.testing.assert_array_equal(seen[0][1], train.target_data[:, 0])


def test_r2_is_of_the_validation_rows():
    y_val = problem_tables(judging.DATA / "F00")["val"].target_data[:, 0].numpy()
    row = judging.judged("F00", lambda x, y: sympy.Float(1), "one")
    expected = 1 - np.mean((1 - y_val) ** 2) / np.var(y_val)
    assert float(row["R2"]) == pytest.approx(expected, abs=1e-8)
    assert row["exact"] == "no"


def test_noise_is_for_the_training_targets_and_follows_the_seed():
    targets = []

    def fit(x, y):
        targets.append(y)
        return truth(PROBLEMS["F00"])

    for noise, seed in ((0.0, 1), (0.05, 1), (0.05, 1), (0.05, 2)):
        assert judging.judged("F00", fit, "oracle", noise, seed)["exact"] == "exact"
    clean, first, again, other = targets
    # 5 standard errors of a standard deviation from 700 rows
    assert (first - clean).std() / clean.std() == pytest.approx(0.05, rel=5 / 1400**0.5)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_fit_that_fails_is_a_row():
    def fit(x, y):
        raise InputError("nothing was\nfound")

    row = judging.judged("C02", fit, "none")
    assert (row["exact"], row["R2"], row["terms"]) == ("no", None, "failed")
    assert row["equation"] == "nothing was found"
    assert judging.shortened(row | {"equation": "x" * 121})["equation"] == "x" * 117 + "..."


def test_programs_of_gplearn_are_read_as_it_computes_them():
    if importlib.util.find_spec("gplearn") is None:
        pytest.skip("gplearn isn't installed (extra benchmarks)")
    from gplearn.functions import _function_map as f

    product = [f["mul"], 1, f["log"], 0]
    root = [f["sqrt"], f["add"], 1, f["sin"], f["cos"], 0]
    program = [f["sub"], *product, f["div"], 2.5, *root]
    x = np.random.default_rng(0).standard_normal((50, 2))
    a, b = x.T
    expected = b * np.log(np.abs(a)) - 2.5 / np.sqrt(np.abs(b + np.sin(np.cos(a))))
    np.testing.assert_allclose(evaluate(rivals.prefix_expression(program), x), expected, rtol=1e-12)


def test_each_rival_that_is_installed_answers(monkeypatch):
    assert set(rivals.RIVALS) == {
        name
        for name, package in {"operon": "pyoperon", "gplearn": "gplearn"}.items()
        if importlib.util.find_spec(package)
    }
    x = np.random.default_rng(0).standard_normal((100, 2))
    for run in rivals.RIVALS.values():
        found = run(x, x[:, 0] * x[:, 1], 10.0, 0)
        np.testing.assert_allclose(evaluate(found, x), x[:, 0] * x[:, 1], atol=1e-5)


def test_the_discovery_benchmark_asks_the_estimator(monkeypatch, capsys):
    """A stand-in for the estimator that knows the law of F07 only."""
    asked = []

    class SymbolicRegressor:
        def __init__(self, library, random_state):
            asked.append((library and library.rpartition("/")[2], random_state))

        def fit(self, x, y):
            assert x.shape == (700, 2)
            return self

        def sympy(self):
            return truth(PROBLEMS["F07"])

    monkeypatch.setattr("srnet.SymbolicRegressor", SymbolicRegressor, raising=False)
    words = ["discover.py", "--problems", "F07", "F01", "--seeds", "2"]
    monkeypatch.setattr(sys, "argv", words)
    discover.main()
    assert asked == [("F07_v2.lib", 0), ("F07_v2.lib", 1), (None, 0), (None, 1)]
    printed = capsys.readouterr().out
    last = [line.split()[:5] for line in printed.splitlines()[-2:]]
    assert last == [["F07", "symdisc", "2", "of", "2"], ["F01", "symdisc", "0", "of", "2"]]


@pytest.mark.parametrize("library", discover.OWN_LIBRARY.values())
def test_own_libraries_are_there(library):
    assert (discover.ROOT / "funs" / f"{library}.lib").is_file()


def test_the_examples():
    assert doctest.testmod(discover) == (0, 2)
