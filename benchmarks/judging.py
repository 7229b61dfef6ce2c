"""One row of a benchmark's table: something is fitted to a problem, and the judge is asked.

What may live here: which rows of a problem a fit gets, and what is reported of it.
"""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import sympy
from exact import exact

from srnet.equations import evaluate
from srnet.problem_tables import problem_tables
from srnet.problems import PROBLEMS

DATA = Path(__file__).resolve().parents[1] / "data"
# The triangle wave F08 isn't among the laws to be found.
JUDGED = [name for name, problem in PROBLEMS.items() if problem.target and name != "F08"]

Fit = Callable[[np.ndarray, np.ndarray], sympy.Expr]


def judged(name: str, fit: Fit, way: str, noise: float = 0.0, seed: int = 0) -> dict:
    """The row of a problem: `fit(x, y)` gets its training rows, the judge its validation rows.

    With `noise`, the training targets are y + noise*std(y)*N(0, 1), drawn from the seed. R2 is of
    the table's target on the validation rows.
    """
    tables = problem_tables(DATA / name)
    (x, y), (x_val, y_val) = (
        (data.in_data.numpy(), data.target_data[:, 0].numpy())
        for data in (tables["train"], tables["val"])
    )
    y = y + noise * y.std() * np.random.default_rng(seed).standard_normal(len(y))
    row = {"problem": name, "way": way, "exact": "no", "R2": None, "seconds": 0.0}
    began = time.perf_counter()
    try:
        expression = fit(x, y)
        row["seconds"] = round(time.perf_counter() - began, 1)
        problem = PROBLEMS[name]
        verdict = exact(expression, problem, x_val, max(noise, problem.noise))
        errors = evaluate(expression, x_val) - y_val
    except (ValueError, RuntimeError) as error:  # a fit that fails is a row too
        row["seconds"] = round(time.perf_counter() - began, 1)
        return row | {"terms": "failed", "equation": " ".join(str(error).split())}
    r2 = 1 - float(errors @ errors) / float(np.sum((y_val - y_val.mean()) ** 2))
    return row | {
        "exact": "exact" if verdict.exact else "no",
        "R2": f"{r2:.8f}",
        "terms": verdict.terms,
        "equation": str(sympy.N(expression, 6)),
    }


def shortened(row: dict, most: int = 120) -> dict:
    """The row with long texts cut, for a table that is read."""
    return {
        key: f"{value[: most - 3]}..." if isinstance(value, str) and len(value) > most else value
        for key, value in row.items()
    }
