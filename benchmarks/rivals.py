"""Other programs alone on the whole problem, for orientation: Operon and gplearn.

    python benchmarks/rivals.py [--problems F00 C01] [--seconds 90] [--seed 0]

Each gets the training rows and the time, on one thread; of Operon's front, the equation is chosen
by our own rule, on the training rows. What is not installed is left out
(`pip install symdisc[benchmarks]`).
"""

import argparse
import importlib.util
import time
from collections.abc import Callable

import numpy as np
import sympy
from judging import JUDGED, judged, shortened

from srnet.equations import best, scored
from srnet.search import search
from srnet.texttable import as_table


def operon(x: np.ndarray, y: np.ndarray, seconds: float, seed: int) -> sympy.Expr:
    """Operon on the whole problem, formulas of up to 60 nodes."""
    front = search(x, y, seconds=seconds, seed=seed, max_size=60)
    return best(scored(front, x, y, "operon"), y).expression


def gplearn(x: np.ndarray, y: np.ndarray, seconds: float, seed: int) -> sympy.Expr:
    """gplearn, one generation after the other until the time is over or the fit is perfect."""
    from gplearn.genetic import SymbolicRegressor

    model = SymbolicRegressor(
        population_size=2000,
        function_set=("add", "sub", "mul", "div", "sin", "cos", "log", "sqrt"),
        const_range=(-5.0, 5.0),
        metric="mse",
        parsimony_coefficient=1e-3,
        random_state=seed,
        warm_start=True,
        generations=0,
    )
    end = time.monotonic() + seconds
    while True:
        model.set_params(generations=model.generations + 1)
        model.fit(x, y)
        if time.monotonic() > end or model._program.raw_fitness_ < 1e-12:
            return prefix_expression(model._program.program)


def prefix_expression(program: list) -> sympy.Expr:
    """A gplearn program, functions before their arguments, variables as numbers of columns."""
    functions: dict[str, Callable[..., sympy.Expr]] = {
        "add": lambda a, b: a + b,
        "sub": lambda a, b: a - b,
        "mul": lambda a, b: a * b,
        "div": lambda a, b: a / b,
        "sin": sympy.sin,
        "cos": sympy.cos,
        "log": lambda a: sympy.log(sympy.Abs(a)),
        "sqrt": lambda a: sympy.sqrt(sympy.Abs(a)),
    }
    stack: list[sympy.Expr] = []
    for node in reversed(program):
        if isinstance(node, int | np.integer):
            stack.append(sympy.Symbol(f"x{node}", real=True))
        elif isinstance(node, float | np.floating):
            stack.append(sympy.Float(float(node)))
        else:
            arguments = [stack.pop() for _ in range(node.arity)]
            stack.append(functions[node.name](*arguments))
    (expression,) = stack
    return expression


RIVALS = {
    name: run
    for name, (package, run) in {
        "operon": ("pyoperon", operon),
        "gplearn": ("gplearn", gplearn),
    }.items()
    if importlib.util.find_spec(package)
}
"""Those that are installed: (x, y, seconds, seed) -> formula."""


def rival_rows(name: str, seconds: float, seed: int) -> list[dict]:
    """What each rival that is installed makes of a problem."""
    return [
        judged(name, lambda x, y, run=run: run(x, y, seconds, seed), way)
        for way, run in RIVALS.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--problems", nargs="*", default=JUDGED, choices=JUDGED, metavar="NAME")
    parser.add_argument("--seconds", type=float, default=90, help="for each rival and problem")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rows = []
    for name in options.problems:
        rows += rival_rows(name, options.seconds, options.seed)
        print(f"{name} done", flush=True)
    print(as_table([shortened(row) for row in rows]))


if __name__ == "__main__":
    main()
