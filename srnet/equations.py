"""Candidate equations: their loss, their complexity, the Pareto front, the choice, and tables.

What may live here: what is known of a formula that stands beside others. How a formula is found is
the subject of readout.py, search.py and discover.py.
"""

import html
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import sympy
import torch
from jaxtyping import Float64
from numpy.typing import ArrayLike

from sdnet.errors import InputError
from sdnet.formula import to_text, to_torch
from srnet.texttable import as_table

PRECISION = 1e-6  # relative RMS error below which formulas count as equally good


@dataclass(frozen=True)
class Equation:
    """A formula y = expression(x0, x1, ...), as `scored` makes it.

    Attributes:
        expression: of the real symbols x0, x1, ...
        loss: mean squared error on the validation rows, in float64.
        complexity: see `complexity`.
        way: how it was found: "sparse", "network", "pieces", "search", ...
    """

    expression: sympy.Expr
    loss: float
    complexity: int
    way: str


def evaluate(expression: sympy.Expr, x: ArrayLike) -> Float64[np.ndarray, " n"]:
    """The values of an expression of x0, x1, ... at the rows of x (n, d), in float64.

    Where it has no finite real value, NaN or infinity stands.

    Raises:
        InputError: x isn't (n, d), the expression uses a symbol that isn't one of the d inputs, or
            a function that can't be computed.

    >>> x0, x1 = sympy.symbols("x0 x1", real=True)
    >>> evaluate(x0 + 2 * x1, [[1, 2], [3, 4]])
    array([ 5., 11.])
    """
    x = _numbers("x", x)
    if x.ndim != 2 or not x.shape[1]:
        raise InputError(f"x has shape {x.shape}, expected (n rows, d inputs)")
    symbols = [sympy.Symbol(f"x{i}", real=True) for i in range(x.shape[1])]
    unknown = sorted(map(str, expression.free_symbols - set(symbols)))
    if unknown:
        raise InputError(
            f"the expression {expression} uses {unknown[0]}, expected only x0 to "
            f"x{len(symbols) - 1}, each a sympy.Symbol with real=True"
        )
    try:
        (values,) = to_torch([expression], symbols)(*torch.tensor(x.T))
    except (NotImplementedError, NameError, TypeError, AttributeError) as error:
        raise InputError(f"the expression {expression} has a function torch lacks") from error
    return values.numpy().copy()


def _numbers(name: str, values: ArrayLike) -> Float64[np.ndarray, "..."]:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name} is no array of numbers") from None


def scored(
    expressions: Iterable[sympy.Expr], x: ArrayLike, y: ArrayLike, way: str
) -> list[Equation]:
    """Each expression with its loss, mean((expression(x) - y)^2) on validation rows.

    x is (n, d) and y (n,). Those that have no finite value on every row are left out. Raises
    InputError as `evaluate` does, and for a y of another length.

    >>> x0 = sympy.Symbol("x0", real=True)
    >>> scored([2 * x0, 1 / x0], [[0.0], [1.0]], [0.0, 4.0], "search")
    [Equation(expression=2*x0, loss=2.0, complexity=3, way='search')]
    """
    x, y = _numbers("x", x), _numbers("y", y)
    if y.shape != x.shape[:1] or not y.size:
        raise InputError(f"y has shape {y.shape}, expected one value for each row of x {x.shape}")
    equations = []
    for expression in expressions:
        with np.errstate(over="ignore"):  # a loss beyond a float is no finite loss
            loss = float(np.mean((evaluate(expression, x) - y) ** 2))
        if math.isfinite(loss):
            equations.append(Equation(expression, loss, complexity(expression), way))
    return equations


def complexity(expression: sympy.Expr) -> int:
    """The number of operators, functions, variables and constants in an expression, as PySR counts.

    A sum or product of n parts has n - 1 operators; a difference, a quotient, a square root and a
    number of whatever form are one node each.

    >>> x0, x1 = sympy.symbols("x0 x1", real=True)
    >>> [complexity(e) for e in (x0, x0 - x1, 2.5 * sympy.cos(3 * x0), x0**2 / x1, sympy.sqrt(x0))]
    [1, 3, 6, 5, 2]
    """
    if not expression.args or not expression.free_symbols:
        return 1
    if expression.is_Add:
        number, rest = expression.as_independent(*expression.free_symbols, as_Add=True)
        terms = [*sympy.Add.make_args(rest), *([number] if number else [])]
        negated = all(term.could_extract_minus_sign() for term in terms)  # -x - y is -(x + y)
        return negated + len(terms) - 1 + sum(map(_unsigned, terms))
    if expression.is_Mul:
        number, rest = expression.as_independent(*expression.free_symbols, as_Add=False)
        if number == -1:
            return 1 + complexity(rest)
        factors = sympy.Mul.make_args(rest)
        inverses = [1 / f if f.is_Pow and f.exp.could_extract_minus_sign() else f for f in factors]
        divided = all(a != b for a, b in zip(factors, inverses, strict=True))  # 1/(x*y)
        numbers = 2 if number != 1 or divided else 0
        return numbers + len(factors) - 1 + sum(map(complexity, inverses))
    if expression.is_Pow and expression.exp.could_extract_minus_sign():
        return 2 + complexity(1 / expression)
    if expression.is_Pow and expression.exp == sympy.Rational(1, 2):
        return 1 + complexity(expression.base)
    return 1 + sum(map(complexity, expression.args))


def _unsigned(term: sympy.Expr) -> int:
    """A sum's sign is its operator's, no node."""
    return complexity(-term if term.could_extract_minus_sign() else term)


def pareto(equations: Iterable[Equation]) -> list[Equation]:
    """Those that no other one beats: by rising complexity, each of smaller loss than all before.

    Of equations equal in both, the first stays.
    """
    front: list[Equation] = []
    for equation in sorted(equations, key=lambda e: (e.complexity, e.loss)):
        if not front or equation.loss < front[-1].loss:
            front.append(equation)
    return front


def best(equations: Sequence[Equation], y: ArrayLike) -> Equation:
    """The equation of least n log(max(loss, floor)) + complexity log(n) on the validation target y.

    This is the BIC (Schwarz 1978) with every node counted as a parameter, on n rows that no
    constant was fitted to. The floor, (1e-6)^2 of y's mean square deviation, is where numerical
    precision takes over: below it all are equally good, and the simplest wins. Of equal ones, the
    one of less loss.

    Raises InputError if there are no equations.

    >>> x0 = sympy.Symbol("x0", real=True)
    >>> x, y = [[1.0], [2.0], [3.0]], [1.0, 4.0, 9.0]
    >>> best(scored([x0, x0**2, x0**2 + 1e-9 * x0], x, y, "search"), y).expression
    x0**2
    """
    if not equations:
        raise InputError("there is no equation to choose from, expected at least one")
    y = _numbers("y", y)
    floor = max(PRECISION**2 * float(np.var(y)), np.finfo(float).tiny)

    def criterion(equation: Equation) -> tuple[float, float]:
        misfit = math.log(max(equation.loss, floor))
        return y.size * misfit + equation.complexity * math.log(y.size), equation.loss

    return min(equations, key=criterion)


def rows(equations: Sequence[Equation], chosen: Equation | None = None) -> list[dict]:
    """The equations as rows: complexity, loss, score, way, equation, and a mark at the chosen one.

    The score is PySR's: the fall of log(loss) from one row to the next, for each node more.
    The equation is text that `sdnet.formula.parse` reads back, with every digit.
    """
    table = []
    before: Equation | None = None
    for equation in equations:
        table.append(
            {
                "": ">" if equation is chosen else "",
                "complexity": equation.complexity,
                "loss": equation.loss,
                "score": _score(before, equation),
                "way": equation.way,
                "equation": to_text(equation.expression),
            }
        )
        before = equation
    return table


def _score(before: Equation | None, equation: Equation) -> float | None:
    if before is None or equation.complexity == before.complexity:
        return None
    tiny = np.finfo(float).tiny
    fall = math.log(max(before.loss, tiny)) - math.log(max(equation.loss, tiny))
    return fall / (equation.complexity - before.complexity)


def as_text(equations: Sequence[Equation], chosen: Equation | None = None) -> str:
    """The table of `rows` as aligned text.

    >>> x0 = sympy.Symbol("x0", real=True)
    >>> print(as_text(scored([x0, x0**2], [[1.0], [2.0]], [1.0, 4.0], "sparse")))
      complexity  loss  score  way     equation
      1           2     -      sparse  x0
      3           0     354.5  sparse  x0**2
    """
    return as_table(rows(equations, chosen))


def as_latex(equations: Sequence[Equation]) -> str:
    r"""The equations as a LaTeX tabular: complexity, loss, formula.

    >>> x0 = sympy.Symbol("x0", real=True)
    >>> print(as_latex([Equation(x0**2, 0.5, 3, "sparse")]))
    \begin{tabular}{rrl}
    complexity & loss & equation \\ \hline
    3 & 0.5 & $y = x_{0}^{2}$ \\
    \end{tabular}
    """
    lines = [
        rf"{e.complexity} & {e.loss:.4g} & $y = {sympy.latex(e.expression)}$ \\" for e in equations
    ]
    head = [r"\begin{tabular}{rrl}", r"complexity & loss & equation \\ \hline"]
    return "\n".join([*head, *lines, r"\end{tabular}"])


def as_html(equations: Sequence[Equation], chosen: Equation | None = None) -> str:
    """The table of `rows` as an HTML table, the chosen row in bold."""
    table = rows(equations, chosen)
    columns = ("complexity", "loss", "score", "way", "equation")
    lines = ["<table>", "<tr>" + "".join(f"<th>{name}</th>" for name in columns) + "</tr>"]
    for row in table:
        style = ' style="font-weight: bold"' if row[""] else ""
        cells = "".join(f"<td>{html.escape(_cell(row[name]))}</td>" for name in columns)
        lines.append(f"<tr{style}>{cells}</tr>")
    return "\n".join([*lines, "</table>"])


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str("" if value is None else value)
