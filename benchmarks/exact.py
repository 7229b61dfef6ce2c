"""The judge: is a formula that was found the one that made the data?

What may live here: `exact` and the form that it compares in. It knows the truth, and is called by
benchmarks and tests only, never by training or discovery.

**Definition.** A formula is exact if, on the validation rows,
1. its RMS error against the noise-free target is below 1e-4 of the target's standard deviation,
2. its additive terms and the truth's match one to one, each pair within 1e-2: the RMS of the
   difference of the two terms' values, as a fraction of the RMS of the true term.

**Terms** are those of one form, to which both sides are brought first, so that a formula may be
written in any way:
- products and integer powers are multiplied out;
- products and powers of sines and cosines become sums of single ones:
  cos^2 u = (1 + cos 2u)/2, sin u cos v = (sin(u+v) + sin(u-v))/2;
- a constant phase is taken out: sin(u + c) = cos(c) sin(u) + sin(c) cos(u);
- terms that are multiples of each other on the validation rows (to 1e-5) are one term: so all
  constants are one, and cos(x) and cos(1.0000001 x) are;
- what is below 1e-6 of the target's standard deviation is the rounding of constants (engines such
  as Operon have them in float32), and no term.
Terms are compared by their values: exp(a) exp(b) and exp(a + b), exp(c log|2 x|) and 2^c |x|^c,
sqrt(x^2) and |x| need no rule.

**Noise.** Data with noise of level s (a fraction of the target's standard deviation) doesn't
determine constants better than their standard errors. A formula of such data has the right terms
if the error of 1. is below s, and in 2. a true term of RMS r may also differ by five standard
errors of its coefficient, 5 s std(y) / (r sqrt(n)) for n training rows.
"""

import math
from dataclasses import dataclass

import numpy as np
import sympy
from scipy.optimize import linear_sum_assignment
from sympy.simplify.fu import TR8

from srnet.equations import evaluate
from srnet.problems import Problem, truth

FIT = 1e-4
TERM = 1e-2
SAME = 1e-5
ROUNDING = 1e-6
STANDARD_ERRORS = 5
TRAIN_SHARE = 0.7
PASSES = 3
MAX_TERMS = 3000  # of an expansion; a formula beyond is told to be too long to compare

Terms = list[tuple[sympy.Expr, np.ndarray]]  # each with its values on the validation rows


@dataclass(frozen=True)
class Verdict:
    """exact, the RMS error as a fraction of the target's deviation, the terms or why not."""

    exact: bool
    rms: float
    terms: str


def exact(
    found: sympy.Expr, problem: Problem, x_val: np.ndarray, noise: float | None = None
) -> Verdict:
    """Whether `found`, of x0, x1, ..., is the target of the problem: the definition above.

    `x_val` (n, d) are the validation rows; `noise` is the level of the data that it was found
    from, None for the problem's own.

    >>> from srnet.problems import PROBLEMS
    >>> x = np.random.default_rng(0).standard_normal((100, 2))
    >>> x0, x1 = sympy.symbols("x0 x1", real=True)
    >>> exact((x0 + x1 / 2) ** 2 - x1**2 / 4 + sympy.cos(x1), PROBLEMS["F00"], x).exact
    True
    >>> exact(x0 * (x0 + x1), PROBLEMS["F00"], x).terms[:6]
    'no fit'
    """
    noise = problem.noise if noise is None else noise
    true = truth(problem)
    target = evaluate(true, x_val)
    rms = float(_rms(evaluate(found, x_val) - target) / target.std())
    if not rms < max(FIT, noise):  # NaN is no fit either
        return Verdict(False, rms, f"no fit: RMS error {rms:.2g} of the standard deviation")
    if _expansion(found) > MAX_TERMS:
        return Verdict(False, rms, "too many terms to compare")
    wanted, given = (_terms(e, x_val, ROUNDING * target.std()) for e in (true, found))
    standard_error = noise * target.std() / math.sqrt(TRAIN_SHARE * problem.rows)
    missing, extra = _unmatched(wanted, given, standard_error)
    if missing or extra:
        lists = {"missing": missing, "extra": extra}
        told = [f"{name} {_listed(terms)}" for name, terms in lists.items() if terms]
        return Verdict(False, rms, "; ".join(told))
    return Verdict(True, rms, f"{len(wanted)} terms match")


def expanded(expression: sympy.Expr) -> sympy.Expr:
    """The sum that the definition speaks of, before terms are compared by value.

    >>> x0, x1 = sympy.symbols("x0 x1", real=True)
    >>> expanded((x0 + sympy.sin(x1)) ** 2)
    x0**2 + 2*x0*sin(x1) - cos(2*x1)/2 + 1/2
    """
    whole = expression.replace(
        lambda e: e.is_Pow and e.exp.is_Float and e.exp == int(e.exp),
        lambda e: e.base ** int(e.exp),
    )
    single = sympy.expand(whole)
    for _ in range(PASSES):  # TR8 may leave the square of what it made of a product
        single = sympy.expand(TR8(single))
    return sympy.expand(single.replace(sympy.sin, _sin).replace(sympy.cos, _cos))


def _sin(argument: sympy.Expr) -> sympy.Expr:
    """sin(u + c) = cos(c) sin(u) + sin(c) cos(u), with numbers for cos(c) and sin(c)."""
    c, u = argument.as_independent(*argument.free_symbols, as_Add=True)
    if not c or not u:
        return sympy.sin(argument)
    return math.cos(c) * sympy.sin(u) + math.sin(c) * sympy.cos(u)


def _cos(argument: sympy.Expr) -> sympy.Expr:
    """cos(u + c) = cos(c) cos(u) - sin(c) sin(u), with numbers for cos(c) and sin(c)."""
    c, u = argument.as_independent(*argument.free_symbols, as_Add=True)
    if not c or not u:
        return sympy.cos(argument)
    return math.cos(c) * sympy.cos(u) - math.sin(c) * sympy.sin(u)


def _expansion(expression: sympy.Expr) -> int:
    """At most how many terms the expanded expression has, or any argument of a function in it."""
    sizes = [_expansion(part) for part in expression.args]
    if expression.is_Add:
        return sum(sizes)
    if expression.is_Mul:
        return math.prod(sizes)
    if expression.is_Pow and expression.exp.is_Number and 0 < expression.exp == int(expression.exp):
        power = int(expression.exp)
        return math.comb(sizes[0] + power - 1, power)
    if isinstance(expression, sympy.sin | sympy.cos):  # each may double the terms of a product
        return max(2, *sizes)
    return max([1, *sizes])


def _terms(expression: sympy.Expr, x: np.ndarray, smallest: float) -> Terms:
    """The terms that are no multiples of each other, with their values; none below `smallest`."""
    terms: Terms = []
    for term in sympy.Add.make_args(expanded(expression)):
        values = evaluate(term, x)
        for i, (other, others) in enumerate(terms):
            if _proportional(values, others):
                terms[i] = (other + term, others + values)
                break
        else:
            terms.append((term, values))
    return [(term, values) for term, values in terms if not _rms(values) < smallest]


def _proportional(a: np.ndarray, b: np.ndarray) -> bool:
    squares = (a @ a) * (b @ b)
    return bool(squares == 0 or 1 - (a @ b) ** 2 / squares < SAME**2)


def _unmatched(
    wanted: Terms, given: Terms, standard_error: float
) -> tuple[list[sympy.Expr], list[sympy.Expr]]:
    """The true terms, and the found ones, that are left when as many as can be are paired."""
    differences = np.array([[_rms(w - g) for _, g in given] for _, w in wanted])
    differences = differences.reshape(len(wanted), len(given))
    sizes = np.array([_rms(w) for _, w in wanted])
    close = differences <= (TERM * sizes + STANDARD_ERRORS * standard_error)[:, None]
    pairs = [(i, j) for i, j in zip(*linear_sum_assignment(~close), strict=True) if close[i, j]]
    rows, columns = {i for i, _ in pairs}, {j for _, j in pairs}
    missing = [term for i, (term, _) in enumerate(wanted) if i not in rows]
    extra = [term for j, (term, _) in enumerate(given) if j not in columns]
    return missing, extra


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2)))


def _listed(terms: list[sympy.Expr]) -> str:
    return ", ".join(str(sympy.N(term, 4)) for term in terms)
