"""Compact: the same function with fewer nodes, as one would write it.

What may live here: rewritings that change how a formula is written and nothing of what it
computes. A search finds sums of products; the law may have been a square of a sum, or a sine of a
difference.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import sympy
from sympy.functions.elementary.trigonometric import TrigonometricFunction
from sympy.simplify.fu import TR10i, fu

from srnet.equations import complexity

ROUNDS = 8  # of rewriting, each of which must make the formula shorter
LONGEST = 120  # nodes: trigonometric rewriting of a longer formula takes minutes
DIGITS = 15  # of a float
LARGEST = 12  # denominator of a number that is written as a fraction
HALF = sympy.Rational(1, 2)


def compact(expression: sympy.Expr) -> sympy.Expr:
    """The formula in the shortest of the forms tried, by `srnet.equations.complexity`.

    As long as it gets shorter it is rewritten by `angles`, `common` factors, `collected` ones and
    `squares`, as it stands or multiplied out; but never to numbers of more digits than it has.
    Floats are taken as the decimals that they print as, of 15 digits.

    >>> x0, x1 = sympy.symbols("x0 x1", real=True)
    >>> sin, cos = sympy.sin, sympy.cos
    >>> compact(0.3 * x0**2 + 0.6 * x0 * x1 + 0.3 * x1**2)
    0.3*(x0 + x1)**2
    >>> compact(sin(x0) * cos(2 * x1) - cos(x0) * sin(2 * x1))
    sin(x0 - 2*x1)
    """
    if complexity(expression) > LONGEST:
        return expression
    exact = _with_fractions(expression)
    most = _digits(exact)
    forms = [_shortest(form, most) for form in (exact, sympy.expand(exact))]
    found = _with_decimals(min(forms, key=_length))
    return found if complexity(found) < complexity(expression) else expression


def _shortest(expression: sympy.Expr, most: int) -> sympy.Expr:
    """The rewritten formula; its numbers have no more digits than `most`."""
    for _ in range(ROUNDS):
        forms = [form for rewrite in REWRITINGS for form in rewrite(expression)]
        forms = [form for form in forms if _digits(form) <= most]
        shorter = min(forms, key=_length, default=expression)
        if complexity(shorter) >= complexity(expression):
            break
        expression = shorter
    return expression


def squares(expression: sympy.Expr) -> Iterator[sympy.Expr]:
    """The formula with terms of one of its sums taken together to a square, in each way there is.

        a^2 + 2 a b + b^2 = (a + b)^2,    a^2 + 2 c a = (a + c)^2 - c^2

    where cos 2u may stand for 2 cos^2 u - 1 or 1 - 2 sin^2 u, and exp 2u for (exp u)^2. Only
    ratios that are fractions are seen.

    >>> x0, x1 = sympy.symbols("x0 x1", real=True)
    >>> next(squares(x0**2 + 2 * x0 * sympy.sin(x1) - sympy.cos(2 * x1) / 2))
    (x0 + sin(x1))**2 - 1/2
    """
    for total in _sums(expression):
        terms = total.as_coefficients_dict()
        bases = [base for term, number in terms.items() for base in _bases(term, number)]
        for first in range(len(bases)):
            for form in _squared(terms, bases, first):
                yield expression.xreplace({total: form})


def collected(expression: sympy.Expr) -> Iterator[sympy.Expr]:
    """The formula with a factor taken out that all terms of a sum share, for each such factor.

    What some of the terms share stays with them, since they may well be parts of their own; but
    where the rest is no sum once its angles are written as `fu` does, it is taken out.

    >>> x0, x1, x2 = sympy.symbols("x0 x1 x2", real=True)
    >>> list(collected(x0 * sympy.sin(x1) + x0 * x2))
    [x0*(x2 + sin(x1))]
    >>> list(collected(x0 * sympy.sin(x1) + x0 * x2 + x1))
    []
    >>> list(collected(x0 - x0 * sympy.cos(x1) ** 2 + x2))
    [x0*sin(x1)**2 + x2]
    """
    for total in _sums(expression):
        factors = [factor for term in total.args for factor in sympy.Mul.make_args(term)]
        shared = {f for f in factors if f.free_symbols and factors.count(f) > 1}
        for factor in sorted(shared, key=str):
            owners = [term for term in total.args if factor in sympy.Mul.make_args(term)]
            inner = sympy.Add(*(term / factor for term in owners))
            if len(owners) < len(total.args):
                inner = fu(inner) if inner.has(TrigonometricFunction) else inner
                if inner.is_Add:
                    continue
            rest = sympy.Add(*(term for term in total.args if term not in owners))
            yield expression.xreplace({total: factor * inner + rest})


def angles(expression: sympy.Expr) -> Iterator[sympy.Expr]:
    """The formula with sines and cosines as sympy's `fu` and `TR10i` write them.

    All at once, or each sum in it by itself. Source: Fu, Zhong and Zeng (2006).

    >>> x0 = sympy.Symbol("x0", real=True)
    >>> sympy.exp(sympy.sin(x0) ** 2) in angles(sympy.exp(1 - sympy.cos(x0) ** 2))
    True
    """
    if expression.has(TrigonometricFunction):
        yield TR10i(expression)
        yield fu(expression)
        yield expression.replace(lambda part: part.is_Add, fu)


def common(expression: sympy.Expr) -> Iterator[sympy.Expr]:
    """The formula with what all terms of a sum share taken out, numbers too."""
    yield sympy.factor_terms(expression)


def _sums(expression: sympy.Expr) -> list[sympy.Add]:
    return sorted(expression.atoms(sympy.Add), key=str)


@dataclass(frozen=True)
class _Base:
    """A term of a sum, as number * root^2 + constant."""

    term: sympy.Expr
    root: sympy.Expr
    number: sympy.Rational
    constant: sympy.Rational


def _bases(term: sympy.Expr, number: sympy.Rational) -> Iterator[_Base]:
    if not number.is_Rational or term == 1:
        return
    powers = [(f.exp * HALF, sympy.E) if f.func is sympy.exp else f.as_base_exp()[::-1]
              for f in sympy.Mul.make_args(term)]  # fmt: skip
    if all(base is sympy.E or (exp.is_Integer and exp % 2 == 0) for exp, base in powers):
        roots = [sympy.exp(e) if b is sympy.E else b ** (e * HALF) for e, b in powers]
        yield _Base(term, sympy.Mul(*roots), number, sympy.Integer(0))
    if isinstance(term, sympy.cos):
        half = sympy.expand(term.args[0] * HALF)
        yield _Base(term, sympy.cos(half), 2 * number, -number)
        yield _Base(term, sympy.sin(half), -2 * number, number)


def _squared(
    terms: Mapping[sympy.Expr, sympy.Expr], bases: list[_Base], first: int
) -> Iterator[sympy.Expr]:
    """The sum with the square that begins with one base and has all others that fit.

    Twice, where its number is a square: with (2a + 1)^2, and with 4 (a + 1/2)^2.
    """
    scale, left = bases[first].number, dict(terms)
    weights: dict[sympy.Expr, sympy.Rational] = {}
    constant = sympy.Integer(0)
    for base in (bases[first], *bases[:first], *bases[first + 1 :]):
        size = _root(base.number / scale)
        if size is None or base.term not in left:
            continue
        crossed = {root * base.root: 2 * scale * w for root, w in weights.items()}
        ratios = {left.get(term, 0) / (full * size) for term, full in crossed.items()}
        if ratios and ratios not in ({1}, {-1}):
            continue
        weights[base.root] = size * (ratios.pop() if ratios else 1)
        constant += base.constant
        for term in (base.term, *crossed):
            del left[term]
    shifts = {left.get(root, 0) / (2 * scale * w) for root, w in weights.items()}
    shift = shifts.pop() if len(shifts) == 1 else 0
    if shift:
        for root in weights:
            del left[root]
    rest = sympy.Add(constant - scale * shift**2, *(k * term for term, k in left.items()))
    for inside in {sympy.Integer(1), _root(abs(scale)) or 1}:
        inner = sympy.Add(inside * shift, *(inside * w * root for root, w in weights.items()))
        yield rest + scale / inside**2 * inner**2


def _root(number: sympy.Rational) -> sympy.Rational | None:
    """The square root of a fraction that is a square of one."""
    if number <= 0:
        return None
    parts = math.isqrt(number.p), math.isqrt(number.q)
    root = sympy.Rational(*parts)
    return root if root**2 == number else None


REWRITINGS = (angles, common, collected, squares)


def _length(expression: sympy.Expr) -> tuple[int, int]:
    """Nodes; and of equal ones the digits of all numbers."""
    return complexity(expression), sum(map(_digits_of, expression.atoms(sympy.Rational)))


def _digits(expression: sympy.Expr) -> int:
    """The digits of the longest number, which is a decimal or a fraction of small denominator."""
    return max(map(_digits_of, expression.atoms(sympy.Rational)), default=0)


def _digits_of(number: sympy.Rational) -> int:
    if 1 < number.q <= LARGEST:
        return max(len(str(abs(number.p))), len(str(number.q)))
    return len(f"{float(number):.{DIGITS}g}".strip("-0.").replace(".", ""))


def _with_fractions(expression: sympy.Expr) -> sympy.Expr:
    """Floats as the fractions that they print as, so that equal ones cancel."""
    if expression.is_Float:
        return sympy.Rational(f"{float(expression):.{DIGITS}g}")
    if not expression.args:
        return expression
    return expression.func(*map(_with_fractions, expression.args))


def _with_decimals(expression: sympy.Expr) -> sympy.Expr:
    """Fractions that are decimals as such, but for 1/2, 1/4, 1/8, and exponents of halves."""
    if expression.is_Rational:
        short = abs(expression.p) == 1 and expression.q in (2, 4, 8)
        decimal = not short and expression.q > 1 and 10**DIGITS % expression.q == 0
        return sympy.Float(float(expression)) if decimal else expression
    if expression.is_Pow and expression.exp.is_Rational and expression.exp.q <= 2:
        return _with_decimals(expression.base) ** expression.exp
    if not expression.args:
        return expression
    return expression.func(*map(_with_decimals, expression.args))
