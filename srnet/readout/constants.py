"""The constants of a finished formula: refined together on the data, then written short.

What may live here: what is done to a formula's numbers. Its structure stays, but for the terms
that a zero among its numbers takes away.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, partial

import numpy as np
import sympy
import torch
from jaxtyping import Float64
from numpy import ndarray
from numpy.typing import ArrayLike
from scipy.stats import chi2

from sdnet.errors import InputError
from sdnet.formula import derivatives, to_torch
from sdnet.syntax import MAX_EXACT, real_value
from srnet.equations import evaluate, scored
from srnet.readout.leastsq import levenberg_marquardt
from srnet.readout.selection import EXACT

LEVEL = 0.99  # of the chi-squared test that a shorter number must pass: about BIC's at 700 rows
STEPS = 100  # of a fit
LARGEST = 12  # numerator and denominator of a fraction, or of a multiple of pi
DIGITS = 16  # the most of a decimal
TRIES = 8  # numbers tried for a constant, at most
RANK = 1e-11  # of the largest singular value: below it, the data say nothing of a direction


def refined(expression: sympy.Expr, x: ArrayLike, y: ArrayLike) -> sympy.Expr:
    """The formula with all its floats moved together to where sum (expression(x) - y)^2 is least.

    Levenberg-Marquardt with analytic derivatives, in float64. Integers and fractions are structure
    and stay, as do exponents that are whole numbers. The formula comes back as it was where this
    doesn't lower the loss, and where its values at the points aren't finite.

    Args:
        expression: of the real symbols x0, x1, ...
        x: (n, d). y: (n,), finite.

    Raises:
        InputError: y isn't finite, or `srnet.equations.scored` refuses expression, x or y.

    >>> x0 = sympy.Symbol("x0", real=True)
    >>> x = np.linspace(-2, 2, 50)[:, None]
    >>> found = refined(2.9 * sympy.sin(2.1 * x0), x, 3 * np.sin(2 * x[:, 0]))
    >>> sympy.nsimplify(found, tolerance=1e-9)
    3*sin(2*x0)
    """
    fit = _fit(expression, x, y)
    vector = fit.fitted(fit.start, list(range(len(fit.symbols))))
    return fit.at(vector, {}) if fit.loss(vector) < fit.loss(fit.start) else expression


@np.errstate(all="ignore")  # what overflows is found not to be finite
def snapped(expression: sympy.Expr, x: ArrayLike, y: ArrayLike) -> sympy.Expr:
    """The formula, refined, with each of its floats as short as the data allow.

    One after the other, the simplest first, a constant becomes the simplest number within its
    confidence interval, and the others are fitted anew. Simpler is what has fewer digits: 0 (its
    term goes), 1, decimals, fractions up to 12/12, multiples of pi. A number stays if the sum
    of squares grows by no more than s^2 q(m), with s^2 the error's variance, m how many constants
    were replaced so far, and q the 99 % quantile of chi-squared; without noise, if the error stays
    below 1e-9 of y's standard deviation.

    Args, and what is raised: as for `refined`.

    >>> x0 = sympy.Symbol("x0", real=True)
    >>> x = np.linspace(-2, 2, 50)[:, None]
    >>> snapped(4.3 * sympy.sin(1.01 * x0) + 0.1 * x0, x, 4.34 * np.sin(x[:, 0]))
    4.34*sin(x0)
    """
    fit = _fit(expression, x, y)
    waiting = set(range(len(fit.symbols)))
    vector = fit.fitted(fit.start, list(waiting))
    numbers: dict[int, sympy.Expr] = {}
    least = fit.loss(vector)
    if not math.isfinite(least):
        return expression
    while waiting := waiting & set(free := fit.free(numbers)):
        spread = fit.covariance(vector, free)
        widths = np.sqrt(fit.slack(1, least) * np.diag(spread))
        near = {
            place: _numbers_near(vector[i], widths[place])[:TRIES]
            for place, i in enumerate(free)
            if i in waiting
        }
        place = min(near, key=lambda place: near[place][0][:1] if near[place] else (math.inf,))
        waiting.remove(i := free[place])
        for _, _, number in near[place]:
            moved = vector.copy()
            moved[free] += spread[place] / spread[place, place] * (float(number) - vector[i])
            moved[i] = float(number)
            moved = fit.fitted(moved, [j for j in free if j != i])
            if fit.loss(moved) <= least + fit.slack(len(numbers) + 1, least):
                vector, numbers[i] = moved, number
                least = min(least, fit.loss(vector))
                break
    short = _exact_exponents(fit.at(vector, numbers), 4)
    # With short numbers sympy may write the formula otherwise: it must still be the same one,
    # up to rounding.
    error = evaluate(short, x) - fit.y
    allowed = least + fit.slack(max(len(numbers), 1), least)
    return short if error @ error <= 1.01 * allowed else fit.at(vector, {})


@dataclass(frozen=True, eq=False)
class _Fit:
    """A formula whose floats have become symbols, at the points that it is fitted to.

    Attributes:
        template: in the inputs and in the symbols.
        symbols: one for each float; vectors of their values have shape (p,).
        start: the values they had.
        columns: of x, one for each of inputs.
    """

    template: sympy.Expr
    symbols: tuple[sympy.Symbol, ...]
    start: Float64[ndarray, " p"]
    inputs: tuple[sympy.Symbol, ...]
    columns: tuple[torch.Tensor, ...]
    y: Float64[ndarray, " n"]

    def errors(self, vector: Float64[ndarray, " p"]) -> Float64[ndarray, " n"]:
        return self._value(*self.columns, *torch.from_numpy(vector))[0].numpy() - self.y

    def slopes(self, vector: Float64[ndarray, " p"]) -> Float64[ndarray, "n p"]:
        """The Jacobian of the errors; 0 where it isn't finite, as that of |x|^k by k at x = 0."""
        slopes = self._slopes(*self.columns, *torch.from_numpy(vector))
        return np.nan_to_num(np.stack([slope.numpy() for slope in slopes], 1), False, 0, 0, 0)

    def loss(self, vector: Float64[ndarray, " p"]) -> float:
        """The sum of squared errors; infinite where one isn't finite."""
        with np.errstate(all="ignore"):
            square = float(np.sum(self.errors(vector) ** 2))
        return square if math.isfinite(square) else math.inf

    def fitted(self, vector: Float64[ndarray, " p"], free: list[int]) -> Float64[ndarray, " p"]:
        """The vector with the free ones moved to the least loss; itself if none is less."""

        def whole(part: ndarray) -> ndarray:
            moved = vector.copy()
            moved[free] = part
            return moved

        if not free or not math.isfinite(self.loss(vector)):
            return vector
        part = levenberg_marquardt(
            lambda p: self.errors(whole(p)),
            lambda p: self.slopes(whole(p))[:, free],
            vector[free],
            STEPS,
        )
        return min(vector, whole(part), key=self.loss)

    def free(self, numbers: Mapping[int, sympy.Expr]) -> list[int]:
        """The constants that aren't numbers yet and still occur beside those that are."""
        present = self._with(numbers).free_symbols
        return [i for i, symbol in enumerate(self.symbols) if symbol in present]

    def slack(self, count: int, least: float) -> float:
        """By how much the loss may grow when `count` constants are replaced."""
        n, p = len(self.y), len(self.symbols)
        noise = chi2.ppf(LEVEL, count) * least / max(n - p, 1)
        rounding = self._rounding**2 * float(np.mean(self.y**2))
        return max(noise, n * EXACT**2 * float(self.y.var()), n * rounding)

    @cached_property
    def _rounding(self) -> float:
        """The relative rounding of y: where all numbers are float32's, theirs and that of f(x)."""
        columns = [column.numpy() for column in self.columns]
        single = all((c == c.astype(np.float32)).all() for c in (*columns, self.y))
        return 4 * float(np.finfo(np.float32).eps) if single else float(np.finfo(float).eps)

    def covariance(
        self, vector: Float64[ndarray, " p"], free: list[int]
    ) -> Float64[ndarray, "m m"]:
        """C = (J' J)^-1 of the free constants.

        To first order, when constant i moves by d and all others are fitted, those move by
        d C_ij / C_ii, and the loss grows by d^2 / C_ii.
        """
        jacobian = self.slopes(vector)[:, free]
        sizes = np.linalg.norm(jacobian, axis=0)
        sizes[sizes == 0] = 1
        _, values, directions = np.linalg.svd(jacobian / sizes, full_matrices=False)
        half = directions / np.maximum(values, RANK * max(values[0], 1))[:, None] / sizes
        return half.T @ half

    def at(self, vector: Float64[ndarray, " p"], numbers: Mapping[int, sympy.Expr]) -> sympy.Expr:
        """The formula with the numbers, and floats of the vector for what has none."""
        return self._with({i: sympy.Float(float(v)) for i, v in enumerate(vector)} | numbers)

    def _with(self, numbers: Mapping[int, sympy.Expr]) -> sympy.Expr:
        replaced = {self.symbols[i]: number for i, number in numbers.items()}
        return self.template.xreplace(replaced)

    @cached_property
    def _value(self):
        return to_torch([self.template], [*self.inputs, *self.symbols])

    @cached_property
    def _slopes(self):
        partials = derivatives(self.template, self.symbols)
        return to_torch(partials, [*self.inputs, *self.symbols])


def _fit(expression: sympy.Expr, x: ArrayLike, y: ArrayLike) -> _Fit:
    scored([expression], x, y, "given")  # refuses what can't be computed and compared
    x, y = np.array(x, dtype=np.float64), np.array(y, dtype=np.float64)
    if not np.isfinite(y).all():
        raise InputError(f"y has {int((~np.isfinite(y)).sum())} values that aren't finite numbers")
    start: list[float] = []

    def template(part: sympy.Expr) -> sympy.Expr:
        if part.is_number and part.has(sympy.Float):  # 0.5 alone, and 0.5*pi
            start.append(real_value(part))
            return sympy.Symbol(f"k{len(start) - 1}", real=True)
        return part.func(*map(template, part.args)) if part.args else part

    found = template(_exact_exponents(expression, 1))
    symbols = tuple(sympy.Symbol(f"k{i}", real=True) for i in range(len(start)))
    inputs = tuple(sympy.Symbol(f"x{i}", real=True) for i in range(x.shape[1]))
    return _Fit(found, symbols, np.array(start), inputs, tuple(torch.from_numpy(x).T), y)


def _exact_exponents(expression: sympy.Expr, below: int) -> sympy.Expr:
    """With exponents that are fractions of denominators up to below as such: x**2.0 is x**2."""

    def exact(exponent: sympy.Float) -> sympy.Rational:
        return sympy.Rational(Fraction(float(exponent)).limit_denominator(below))

    return expression.replace(
        lambda part: part.is_Pow and part.exp.is_Float and float(exact(part.exp)) == part.exp,
        lambda part: part.base ** exact(part.exp),
    )


def _numbers_near(value: float, width: float) -> list[tuple[float, float, sympy.Expr]]:
    """Numbers within width of value, simplest first: (cost, distance, number)."""
    found: list[tuple[float, float, sympy.Expr]] = []

    def add(cost: float, near: float, number: Callable[[], sympy.Expr]) -> None:
        if abs(near - value) <= width:
            found.append((cost, abs(near - value), number()))

    def length(whole: int) -> int:
        return 0 if abs(whole) == 1 else len(str(abs(whole)))

    sign = int(math.copysign(1, value))
    add(0, 0.0, lambda: sympy.Integer(0))
    add(0.5, sign, lambda: sympy.Integer(sign))
    for digits in range(1, DIGITS + 1):
        near = float(f"{value:.{digits - 1}e}")
        add(digits, near, partial(_decimal, near))
    for unit, price in ((sympy.Integer(1), 0.5), (sympy.pi, 2)):
        for below in range(1, LARGEST + 1):
            above = round(value / float(unit) * below)
            if 0 < abs(above) <= LARGEST and math.gcd(above, below) == 1:
                cost = price + length(above) + length(below)
                near = above / below * float(unit)
                add(cost, near, partial(sympy.Mul, sympy.Rational(above, below), unit))
    return sorted(found, key=lambda each: each[:2])


def _decimal(value: float) -> sympy.Number:
    whole = value.is_integer() and abs(value) <= MAX_EXACT
    return sympy.Integer(int(value)) if whole else sympy.Float(value)
