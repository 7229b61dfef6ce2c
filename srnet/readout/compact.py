"""Compact: the same function with fewer nodes, as one would write it.

What may live here: rewritings that change how a formula is written and nothing of what it
computes. A search finds sums of products; the law may have been a square of a sum, or a sine of a
difference.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import sympy
from sympy.simplify.fu import TR10i

from srnet.equations import complexity

ROUNDS = 8  # of rewriting, each of which must make the formula shorter
LONGEST = 80  # nodes of a formula that is rewritten
HIGHEST = 4  # power of a sum that is multiplied out
DIGITS = 15  # of a float
LARGEST = 12  # denominator of a number that is written as a fraction
HALF = sympy.Rational(1, 2)


def compact(expression: sympy.Expr) -> sympy.Expr:
    """The formula in the shortest of the forms tried, by `srnet.equations.complexity`.

    As it stands, multiplied out, and with angles `doubled`, it is rewritten by `angles`, `common`
    factors, `collected` ones and `squares` as long as it gets shorter, but never to numbers of more
    digits than it has.
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
    forms = {exact}
    powers = (part for part in exact.atoms(sympy.Pow) if part.base.is_Add)
    if all(abs(power.exp) <= HIGHEST for power in powers if power.exp.is_number):
        forms |= {sympy.expand(exact), doubled(exact)}
    shortest = [_shortest(form, most) for form in sorted(forms, key=str)]
    found = _with_decimals(min(shortest, key=_length))
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

    What only some of the terms share stays with them: they may well be parts of their own.

    >>> x0, x1, x2 = sympy.symbols("x0 x1 x2", real=True)
    >>> list(collected(x0 * sympy.sin(x1) + x0 * x2))
    [x0*(x2 + sin(x1))]
    >>> list(collected(x0 * sympy.sin(x1) + x0 * x2 + x1))
    []
    """
    for total in _sums(expression):
        first, *others = (set(sympy.Mul.make_args(term)) for term in total.args)
        for factor in sorted(first.intersection(*others), key=str):
            if factor.free_symbols:
                inner = sympy.Add(*(term / factor for term in total.args))
                yield expression.xreplace({total: factor * inner})


def angles(expression: sympy.Expr) -> Iterator[sympy.Expr]:
    """The formula with angles added up, halved, or the sine for the cosine.

        sin u cos v + cos u sin v = sin(u + v), and its likes (sympy's `TR10i`)
        cos 2u = 2 cos^2 u - 1 = 1 - 2 sin^2 u,    cos^2 u = 1 - sin^2 u

    the last two one angle at a time, multiplied out. (sympy's `fu`, which tries more, factors
    polynomials, and of some formulas takes minutes and gigabytes.)

    >>> x0 = sympy.Symbol("x0", real=True)
    >>> 2 * sympy.sin(x0) ** 2 in angles(1 - sympy.cos(2 * x0))
    True
    """
    sines, cosines = expression.atoms(sympy.sin), expression.atoms(sympy.cos)
    if sines and cosines:
        yield TR10i(expression)
    for part in sorted(cosines, key=str):
        half = sympy.expand(part.args[0] * HALF)
        for other in (2 * sympy.cos(half) ** 2 - 1, 1 - 2 * sympy.sin(half) ** 2):
            yield sympy.expand(expression.xreplace({part: other}))
    for part in sorted(sines | cosines, key=str):
        other = (sympy.cos if part.func is sympy.sin else sympy.sin)(part.args[0])
        yield sympy.expand(expression.xreplace({part**2: 1 - other**2}))


def doubled(expression: sympy.Expr) -> sympy.Expr:
    """The formula multiplied out, with sin u cos u, cos^2 u and sin^2 u by sin 2u and cos 2u.

    >>> x0 = sympy.Symbol("x0", real=True)
    >>> doubled(4 * sympy.sin(x0) * sympy.cos(x0) + sympy.cos(x0) ** 2)
    2*sin(2*x0) + cos(2*x0)/2 + 1/2
    """
    found = sympy.expand(expression)
    arguments = {part.args[0] for part in found.atoms(sympy.sin, sympy.cos)}
    for u in sorted(arguments, key=str):
        sin, cos, twice = sympy.sin(u), sympy.cos(u), sympy.expand(2 * u)
        found = found.subs({sin * cos: sympy.sin(twice) / 2})
        found = found.subs({sin**2: (1 - sympy.cos(twice)) / 2, cos**2: (1 + sympy.cos(twice)) / 2})
    return sympy.expand(found)


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
