"""The order of the ways, when they end, and what is kept of them."""

import time

import numpy as np
import pytest
import sympy

from sdnet.library import SDData
from srnet import ways
from srnet.equations import Equation
from srnet.pursuit import EXACT, Pursuit

X0, X1 = sympy.symbols("x0 x1", real=True)
X = np.random.default_rng(0).standard_normal((100, 3))
Y = X[:, 0] + X[:, 1] ** 2


def pursuit(library=None, engine=None):
    return Pursuit(X[:75], Y[:75], (X[75:], Y[75:]), library, [0], 1, engine)


@pytest.fixture
def gone(monkeypatch):
    """The names of the ways gone; each finds what `answers` says, else a poor formula."""
    answers: dict[str, sympy.Expr] = {}
    names: list[str] = []

    def stand_in(name):
        def way(*_):
            names.append(name)
            yield answers.get(name, X0)

        return way

    for name in [n for n in dir(ways) if n.endswith("_sums")] + ["composed"]:
        monkeypatch.setattr(ways, name, stand_in(name))
    for name in ("_by_network", "_by_groups", "_by_search"):
        monkeypatch.setattr(Pursuit, name, stand_in(name))
    monkeypatch.setattr(Pursuit, "_triples", lambda self: [(0, 1, 2)])
    names.clear()
    return names, answers


def test_cheap_ways_come_first_and_all_are_gone(gone):
    names, _ = gone
    work = pursuit(engine="operon")
    work.run(60, network=False)
    sums = [names.index(name) for name in ("generic_sums", "composed", "threefold_sums")]
    assert max(sums) < names.index("_by_network") < names.index("_by_groups")
    assert "product_sums" not in names  # they are among those of three
    assert names[-2:] == ["_by_groups", "_by_search"]
    assert work.equations[0].way == "mean"
    assert {e.way for e in work.equations} == {
        "mean", "sparse", "composed", "network", "pieces", "search"
    }  # fmt: skip


def test_a_library_stands_for_the_generic_ways(gone):
    names, _ = gone
    pursuit(SDData.from_lines(["x0"], "X")).run(60, network=False)
    assert names == ["library_sums", "composed", "_by_network"]


def test_no_outer_function_is_tried_of_what_is_known_to_be_a_sum(gone):
    names, _ = gone
    for library in (None, SDData.from_lines(["x0"], "X")):
        work = pursuit(library)
        work.linear_head = True
        work.run(60, network=False)
    assert "composed" not in names


@pytest.mark.parametrize("network", [False, True])
def test_an_exact_formula_ends_it_but_for_the_network(gone, network):
    names, answers = gone
    answers |= dict.fromkeys(("generic_sums", "wave_sums", "composed"), X0 + X1**2)
    work = pursuit()
    work.run(60, network)
    assert work.exact
    assert names[1:] == ["_by_network"] * network


def test_no_way_begins_when_time_is_over(gone):
    names, _ = gone
    work = pursuit()
    work.run(-1.0, network=True)
    assert names == []
    assert [e.way for e in work.equations] == ["mean"]
    assert work.tried == set()


def test_going_on_leaves_out_what_was_tried(gone):
    names, _ = gone
    work = pursuit()
    work.run(60, network=False)
    first, count = list(names), len(work.equations)
    work.run(60, network=False)
    assert names == first
    assert len(work.equations) == count


def test_the_relative_error_is_of_the_held_rows():
    work = pursuit()
    half = Equation(X0, 0.25 * Y[75:].var(), 1, "a")
    assert work.relative(half) == pytest.approx(0.5)
    for factor, exact in ((0.9, True), (1.1, False)):
        work.equations = [Equation(X0, (factor * EXACT) ** 2 * Y[75:].var(), 1, "a")]
        assert work.exact is exact


def test_an_engine_s_columns_are_the_group_s(monkeypatch):
    """The engine sees columns 0 and 1 of those it is given; they are x0 and x2 of the table."""
    seen = []

    def engine(x, y, **settings):
        seen.append(x)
        return [2 * X0 * X1]

    monkeypatch.setattr("srnet.pursuit.search", engine)
    work = pursuit(engine="operon")
    table = ways.Table(work.x, work.y, time.monotonic() + 100)
    y = 2 * work.x[:, 0] * work.x[:, 2]
    (found,) = work._by_search(table, y, 1.0, (0, 2))
    assert found == 2 * X0 * sympy.Symbol("x2", real=True)
    np.testing.assert_array_equal(seen[0], work.x[:, [0, 2]])
    late = ways.Table(work.x, work.y, time.monotonic() - 1)
    assert list(work._by_search(late, y, 1.0)) == []


def test_what_leaves_only_noise_leaves_others_little_time(monkeypatch):
    """Deadlines as the ways see them: all the time, until the law is there but for noise."""
    noisy = Y + 0.1 * np.random.default_rng(1).standard_normal(len(Y))
    deadlines: dict[str, float] = {}

    def way(name, formula):
        def candidates(table, *_):
            deadlines.setdefault(name, table.deadline - time.monotonic())
            yield formula

        return candidates

    monkeypatch.setattr(ways, "composed", way("composed", X0))
    monkeypatch.setattr(ways, "generic_sums", way("generic", X0 + X1**2))
    monkeypatch.setattr(ways, "wave_sums", way("waves", X0))
    monkeypatch.setattr(ways, "threefold_sums", way("threefold", X0))
    monkeypatch.setattr(Pursuit, "_triples", lambda self: [])
    monkeypatch.setattr(Pursuit, "_by_network", lambda self, table: way("network", X0)(table))
    work = Pursuit(X[:75], noisy[:75], (X[75:], noisy[75:]), None, [0], 1, None)
    work.run(1000, network=True)
    assert not work.exact
    assert min(deadlines["composed"], deadlines["generic"]) > 900
    assert 0 < deadlines["waves"] < 100
    assert "network" in deadlines  # trained to be looked at, whatever was found


def test_structure_that_is_left_is_no_noise():
    work = pursuit()
    assert not work._leaves_noise(Equation(X0 + X1, 1.0, 3, "sparse"))
    assert work._leaves_noise(Equation(X0 + X1**2, 0.0, 5, "sparse"))
    assert not work._leaves_noise(Equation(sympy.log(X0), 1.0, 2, "sparse"))  # not finite


def test_the_best_formula_is_written_short(gone):
    _, answers = gone
    y = (X[:, 0] - 2 * X[:, 1]) ** 2
    answers["generic_sums"] = X0**2 - 4 * X0 * X1 + 4 * X1**2
    work = Pursuit(X[:75], y[:75], (X[75:], y[75:]), None, [0], 1, None)
    work.run(60, network=False)
    assert (X0 - 2 * X1) ** 2 in [e.expression for e in work.equations]
    assert answers["generic_sums"] not in [e.expression for e in work.equations]


def test_ways_that_time_did_not_suffice_for_are_named(monkeypatch):
    def slow(table, *_):
        time.sleep(max(0.0, table.deadline - time.monotonic()) + 0.01)
        yield X0

    monkeypatch.setattr(ways, "composed", slow)
    work = pursuit()
    work.run(0.2, network=False)
    assert work.late[0] == "simple"
    assert "outer" not in work.late


def test_an_interrupt_leaves_what_was_found(monkeypatch):
    def interrupted(*_):
        yield X0 + X1**2 / 2
        raise KeyboardInterrupt

    monkeypatch.setattr(ways, "composed", interrupted)
    work = pursuit()
    work.run(60, network=False)
    assert work.interrupted
    assert [e.way for e in work.equations] == ["mean", "composed"]
