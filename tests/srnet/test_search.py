"""The engines' answers are read as they are meant; what is missing or faulty is told."""

import importlib.util
import sys
import types

import numpy as np
import pytest
import sympy

from sdnet.errors import InputError
from srnet.equations import complexity, evaluate
from srnet.search import search

operon = pytest.mark.skipif(
    importlib.util.find_spec("pyoperon") is None, reason="pyoperon isn't installed (extra search)"
)
X = np.random.default_rng(0).standard_normal((200, 2))
Y = 3 * X[:, 0] * X[:, 1] + 1


def relative_error(found, y):
    return np.sqrt(np.mean((found - y) ** 2)) / y.std()


@operon
@pytest.mark.parametrize("scale", [1.0, 1e-20, 1e20])
def test_operon_finds_a_product_at_any_scale(scale):
    front = search(X, scale * Y, seconds=20)
    assert relative_error(evaluate(front[-1], X), scale * Y) < 1e-6
    assert {str(symbol) for symbol in front[-1].free_symbols} == {"x0", "x1"}


@operon
def test_the_expressions_predict_what_operon_predicts(monkeypatch):
    engine = importlib.import_module("pyoperon.sklearn")
    runs = []

    class Recorded(engine.SymbolicRegressor):
        def fit(self, x, y):
            runs.append(self)
            return super().fit(x, y)

    monkeypatch.setattr(engine, "SymbolicRegressor", Recorded)
    y = np.exp(X[:, 0]) + np.sin(3 * X[:, 1]) / X[:, 0] + np.log(np.abs(X[:, 1]))
    front = search(X, y, seconds=1)
    predicted = [
        [run.evaluate_model(one["tree"], X) * y.std() for one in run.pareto_front_] for run in runs
    ]
    matched = [
        sum(min(relative_error(evaluate(e, X), p) for p in of_run) < 1e-6 for e in front)
        for of_run in predicted
    ]
    assert max(matched) == len(front) >= 3


@operon
def test_the_same_seed_gives_the_same_formulas_and_order_of_memory_is_nothing():
    first = search(np.ascontiguousarray(X), Y, seconds=60, seed=3)
    again = search(np.asfortranarray(X), Y.tolist(), seconds=60, seed=3)
    assert first == again
    assert first != search(X, Y, seconds=60, seed=4)


@operon
def test_noise_without_a_law_has_a_front_too():
    """Its formulas are no worse than the mean, and finite."""
    y = np.random.default_rng(1).standard_normal(200)
    front = search(X[:, :1], y, seconds=1, max_size=5)
    values = [evaluate(e, X[:, :1]) for e in front]
    assert all(np.mean((v - y) ** 2) <= 1.0001 * y.var() for v in values)


@operon
def test_size_is_bounded():
    y = np.sin(3 * X[:, 0]) * np.exp(X[:, 1]) + X[:, 0]
    # Operon adds a scale and an offset to what it bounds; a weight of a variable is three nodes.
    assert all(complexity(e) <= 3 * (5 + 4) for e in search(X, y, seconds=1, max_size=5))


@pytest.mark.parametrize("engine", ["operon", "pysr"])
def test_a_missing_engine_is_told_with_the_way_to_get_it(monkeypatch, engine):
    package = {"operon": "pyoperon", "pysr": "pysr"}[engine]
    for module in (package, "pyoperon.sklearn"):  # which may be there already
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=f"{engine!r} isn't installed: pip install {package}"):
        search(X, Y, engine=engine)


def test_pysr_is_asked_within_the_language_and_its_table_is_read(monkeypatch):
    """A stand-in with PySR's names: PySR itself needs Julia."""
    asked = {}

    class PySRRegressor:
        def __init__(self, **settings):
            asked.update(settings)

        def fit(self, x, y, variable_names):
            asked["names"] = variable_names
            lines = ["1.0", "x0 * (x1 * 3.0e0)", "(x0 ^ 2) - sin(x1)", "1.0 / 0.0", "gamma(x0)"]
            self.equations_ = {"equation": lines}

    module = types.ModuleType("pysr")
    module.PySRRegressor = PySRRegressor
    monkeypatch.setitem(sys.modules, "pysr", module)
    x0, x1 = sympy.symbols("x0 x1", real=True)
    found = search(X, Y, engine="pysr", seconds=7, seed=5, max_size=9)
    assert found == [sympy.Float(1), 3.0 * x0 * x1, x0**2 - sympy.sin(x1)]
    assert asked["names"] == ["x0", "x1"]
    assert (asked["timeout_in_seconds"], asked["random_state"], asked["maxsize"]) == (7, 5, 9)


@pytest.mark.parametrize(
    ("x", "y", "settings", "told"),
    [
        (X, Y, {"engine": "operen"}, "engine is 'operen': did you mean 'operon'"),
        (X, Y, {"seconds": 0}, "seconds is 0, expected"),
        (X, Y, {"seconds": float("nan")}, "seconds is nan, expected"),
        (X, Y, {"seed": -1}, "seed is -1, expected"),
        (X, Y, {"max_size": 4}, "max_size is 4, expected a whole number, 5 to 100"),
        (X, Y, {"max_size": 101}, "max_size is 101, expected"),
        (X, Y[1:], {}, r"x has shape \(200, 2\) and y \(199,\)"),
        (X[:, 0], Y, {}, r"x has shape \(200,\)"),
        (X, np.where(Y > 2, np.nan, Y), {}, "values aren't finite"),
        (X, np.ones(200), {}, "y is 1 on every row"),
        ([["a"]], [1.0], {}, "arrays of numbers"),
    ],
)
def test_faulty_input_is_told(x, y, settings, told):
    with pytest.raises(InputError, match=told):
        search(x, y, **settings)
