"""Search engines behind one function: what no library expresses, an engine searches for.

What may live here: `search`, and for each engine how it is asked and how its answer is read. The
engines are found when they are used, and are not needed otherwise: pyoperon (`pip install
symdisc[search]`; Burlacu et al. 2020, "Operon C++") and PySR (Cranmer 2023).
"""

import importlib
import importlib.util
import math
import time
from collections.abc import Iterator, Sequence
from types import ModuleType

import numpy as np
import sympy
from jaxtyping import Float64
from numpy.typing import ArrayLike

from sdnet.errors import InputError, nearest
from sdnet.formula import parse

ENGINES = {"operon": "pyoperon", "pysr": "pysr"}
"""The engines, and what pip installs them by."""

# Operon's words. Its log and sqrt are of the magnitude: every formula has a value everywhere.
OPERON_SYMBOLS = "add,sub,mul,div,sin,cos,exp,logabs,sqrtabs,square,constant,variable"
OPERON_EXACT = 1e-12  # share of the variance left at which a fit is as good as its float32 allows
FIRST_GENERATIONS = 16
DIGITS = 30  # behind the point: a constant of 1e-20 has ten of them


def search(
    x: ArrayLike,
    y: ArrayLike,
    *,
    engine: str = "operon",
    seconds: float = 30.0,
    seed: int = 0,
    max_size: int = 40,
) -> list[sympy.Expr]:
    """Formulas of x0, x1, ... that fit y: the engine's Pareto front of error and size.

    Operon runs again and again, each run twice as long and with the next seed, until one fits as
    well as its float32 constants can (1e-6 of y's standard deviation) or the time is over. It runs
    on one thread: where it stops by itself, the same seed gives the same formulas; the run that
    the clock cuts short depends on the machine.

    Args:
        x: (n, d), finite. y: (n,), finite, not constant.
        engine: "operon" or "pysr", which must be installed.
        seconds: of wall-clock time for all runs together; a run ends with its generation, and
            engines count whole seconds.
        seed: at least 0.
        max_size: the largest number of nodes of a formula, 5 to 100.

    Returns:
        The formulas of the run with the least error, simplest first; their constants are good to
        about seven digits and want refinement.

    Raises:
        InputError: faulty data or settings, or an engine that isn't installed.
    """
    x, y = _checked_data(x, y)
    if engine not in ENGINES:
        raise InputError(f"engine is {engine!r}: {nearest(engine, ENGINES)}")
    if not (isinstance(seconds, int | float) and 0 < seconds < math.inf):
        raise InputError(f"seconds is {seconds!r}, expected a number above 0")
    # Beyond 100 nodes, a text may be longer than what `parse` reads.
    for name, value, least, most in (("seed", seed, 0, 2**32 - 1), ("max_size", max_size, 5, 100)):
        if not (isinstance(value, int | np.integer) and least <= value <= most):
            raise InputError(f"{name} is {value!r}, expected a whole number, {least} to {most}")
    run = {"operon": _operon, "pysr": _pysr}[engine]
    texts = run(x, y, seconds, seed, max_size)
    return list(_read(texts, x.shape[1]))


def in_table(formula: sympy.Expr, columns: Sequence[int]) -> sympy.Expr:
    """A formula of some columns of a table, found as x0, x1, ..., by their numbers in the table.

    >>> x0, x1 = sympy.symbols("x0 x1", real=True)
    >>> in_table(x0 + 2 * x1, [3, 0])
    2*x0 + x3
    """
    names = {
        sympy.Symbol(f"x{i}", real=True): sympy.Symbol(f"x{column}", real=True)
        for i, column in enumerate(columns)
    }
    return formula.xreplace(names)


def _checked_data(
    x: ArrayLike, y: ArrayLike
) -> tuple[Float64[np.ndarray, "n d"], Float64[np.ndarray, " n"]]:
    try:
        # Operon reads columns: rows one after another would be taken for other numbers.
        x = np.asfortranarray(x, dtype=np.float64)
        y = np.ascontiguousarray(y, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError("x and y must be arrays of numbers, x (n, d) and y (n,)") from None
    if x.ndim != 2 or not x.shape[1] or y.shape != x.shape[:1]:
        raise InputError(f"x has shape {x.shape} and y {y.shape}, expected (n, d) and (n,)")
    if len(y) < 2 or not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise InputError(
            f"x and y have {len(y)} rows, {int((~np.isfinite(x)).sum() + (~np.isfinite(y)).sum())} "
            "values aren't finite; expected at least 2 rows of finite numbers"
        )
    if np.ptp(y) == 0:
        raise InputError(f"y is {y[0]:g} on every row: there is nothing to search for")
    return x, y


def installed(engine: str | None) -> bool:
    """Whether an engine can be used here, without importing it.

    >>> installed(None)
    False
    """
    return engine is not None and importlib.util.find_spec(ENGINES[engine]) is not None


def _installed(engine: str, module: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(
            f"engine {engine!r} isn't installed: pip install {ENGINES[engine]}"
        ) from error


def _operon(
    x: Float64[np.ndarray, "n d"],
    y: Float64[np.ndarray, " n"],
    seconds: float,
    seed: int,
    max_size: int,
) -> list[str]:
    """Runs of 16, 32, 64, ... generations; the front of the run with the least error."""
    pyoperon = _installed("operon", "pyoperon")
    regressor_class = _installed("operon", "pyoperon.sklearn").SymbolicRegressor
    scale = float(y.std())  # a target of 1e-30 would be nothing in float32
    end, generations, fronts = time.monotonic() + seconds, FIRST_GENERATIONS, []
    while not fronts or time.monotonic() < end:
        regressor = regressor_class(
            allowed_symbols=OPERON_SYMBOLS,
            objectives=["r2", "length"],
            optimizer_iterations=10,  # with this mutation, the best of four settings on two pieces
            mutation_probability=0.5,
            max_length=max_size,
            generations=generations,
            max_evaluations=2**62,  # never what ends a run
            max_time=max(1, round(end - time.monotonic())),
            uncertainty=[1e-3],  # asked for, used only by criteria of its own choice
            random_state=int(seed) + len(fronts),
            n_threads=1,
        )
        regressor.fit(x, y / scale)
        front = regressor.pareto_front_
        fronts.append((min(one["mean_squared_error"] for one in front), regressor))
        if fronts[-1][0] < OPERON_EXACT:
            break
        generations *= 2
    _, regressor = min(fronts, key=lambda pair: pair[0])
    names = {key: f"x{i}" for i, key in enumerate(regressor.variables_)}  # of columns, by hash
    front = sorted(regressor.pareto_front_, key=lambda one: one["length"])
    text = pyoperon.InfixFormatter.Format
    return [f"{scale!r} * {text(one['tree'], names, DIGITS)}" for one in front]


def _pysr(
    x: Float64[np.ndarray, "n d"],
    y: Float64[np.ndarray, " n"],
    seconds: float,
    seed: int,
    max_size: int,
) -> list[str]:
    model = _installed("pysr", "pysr").PySRRegressor(
        binary_operators=["+", "-", "*", "/"],
        unary_operators=["sin", "cos", "exp", "log", "sqrt"],
        maxsize=max_size,
        niterations=2**30,  # the time ends it
        timeout_in_seconds=seconds,
        early_stop_condition=1e-12 * float(y.var()),
        precision=64,
        random_state=seed,
        deterministic=True,
        parallelism="serial",
        temp_equation_file=True,
        progress=False,
        verbosity=0,
    )
    model.fit(x, y, variable_names=[f"x{i}" for i in range(x.shape[1])])
    return [str(text) for text in model.equations_["equation"]]


def _read(texts: list[str], inputs: int) -> Iterator[sympy.Expr]:
    """What the engines printed, read by our own parser; what has no finite value is left out."""
    for text in texts:
        try:
            yield parse(text.replace("^", "**"), {"x": inputs}, where="search")
        except InputError:  # a constant that is infinite, a power of a negative number
            continue
