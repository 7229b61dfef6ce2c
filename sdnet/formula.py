"""What is done with a formula: read it, differentiate it, write it as text, compile it for torch.

What may live here: functions of sympy expressions that hold for any formula. The language that
`parse` reads is in `sdnet.syntax`; libraries and the sampling of coefficients are in
`sdnet.library`.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache

import sympy
import torch
from sympy.printing.str import StrPrinter
from torch import Tensor

from sdnet.errors import InputError
from sdnet.syntax import MAX_EXACT, NOT_REAL, parse, real_value

__all__ = ["derivatives", "parse", "to_text", "to_torch"]

_broadcast_shapes = lru_cache(torch.broadcast_shapes)  # itself slower than a small formula


class _RealAbs(sympy.Function):
    """|f| of a real f: sympy's own derivative of Abs doubts that log(x) or sqrt(x) is real."""

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        return _RealSign(self.args[0])


class _RealSign(sympy.Function):
    """sign(f), whose derivative is 0 (almost everywhere)."""

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        return sympy.Integer(0)


def derivatives(expression: sympy.Expr, symbols: Sequence[sympy.Symbol]) -> list[sympy.Expr]:
    """The partial derivative of a real expression by each symbol; d|f| = sign(f) df, d sign(f) = 0.

    >>> x0, x1 = sympy.symbols("x0 x1", real=True)
    >>> derivatives(x0 * sympy.Abs(x1), [x0, x1])
    [Abs(x1), x0*sign(x1)]
    """
    real = expression.replace(sympy.Abs, _RealAbs).replace(sympy.sign, _RealSign)
    partials = [real.diff(symbol) for symbol in symbols]
    return [p.replace(_RealAbs, sympy.Abs).replace(_RealSign, sympy.sign) for p in partials]


class _Text(StrPrinter):
    """sympy's text with every digit of a float, in the words that `parse` reads."""

    def _print_Float(self, expr: sympy.Expr) -> str:
        return repr(float(expr))

    def _print_Abs(self, expr: sympy.Expr) -> str:
        return f"abs({self._print(expr.args[0])})"

    def _print_Exp1(self, expr: sympy.Expr) -> str:
        return "exp(1)"


def to_text(expression: sympy.Expr) -> str:
    """The expression as a line that `parse` reads back.

    >>> to_text(parse("abs(x0)/3 + 0.1", {"x": 1}))
    'abs(x0)/3 + 0.1'
    """
    return _Text().doprint(expression)


def to_torch(
    expressions: Sequence[sympy.Expr], symbols: Sequence[sympy.Symbol]
) -> Callable[..., tuple[Tensor, ...]]:
    """A function of one tensor for each symbol that returns one tensor for each expression.

    The tensors given (at least one) broadcast against each other; each tensor returned has the
    broadcast shape of all of them and their dtype. Where an expression has no finite real value,
    the tensor holds NaN or infinity.

    Raises:
        InputError: an expression uses another symbol, or a constant that isn't real and finite.

    >>> x = sympy.Symbol("x", real=True)
    >>> to_torch([x**2, sympy.Integer(3)], [x])(torch.tensor([1.0, -2.0]))
    (tensor([1., 4.]), tensor([3., 3.]))
    """
    # Own names, because cse calls its own variables x0, x1, ...
    arguments = [sympy.Symbol(f"argument{i}", real=True) for i in range(len(symbols))]
    unknown = set().union(*(e.free_symbols for e in expressions)) - set(symbols)
    if unknown:
        raise InputError(f"the expression uses {min(map(str, unknown))}, which isn't an argument")
    renamed = dict(zip(symbols, arguments, strict=True))
    prepared = [_with_floats(expression.xreplace(renamed)) for expression in expressions]
    for expression, ready in zip(expressions, prepared, strict=True):
        if ready.atoms() & NOT_REAL:
            raise InputError(f"the formula {expression} has a constant that isn't real and finite")
    compiled = sympy.lambdify(arguments, prepared, modules="torch", cse=True)

    def evaluate(*tensors: Tensor) -> tuple[Tensor, ...]:
        shape = _broadcast_shapes(*(tensor.shape for tensor in tensors))
        return tuple(
            (value if isinstance(value, Tensor) else tensors[0].new_tensor(value)).expand(shape)
            for value in compiled(*tensors)
        )

    return evaluate


def _with_floats(expression: sympy.Expr) -> sympy.Expr:
    """Constants as floats, which torch takes; small integers stay, so that x**2 stays exact."""
    if expression.args and expression.free_symbols:
        expression = expression.func(*map(_with_floats, expression.args))
    if expression.free_symbols or (expression.is_Integer and abs(expression) <= MAX_EXACT):
        return expression
    try:
        return sympy.Float(real_value(expression), 17)
    except (ArithmeticError, ValueError) as error:
        raise InputError(f"the constant {expression} isn't a finite real number") from error
