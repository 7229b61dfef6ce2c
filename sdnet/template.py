"""One line of a library: a formula of input variables and random coefficients.

What may live here: how a line is read, its hand-written derivatives checked, and its curves
computed for many coefficients at once. Which line is drawn when is the matter of `sdnet.library`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import sympy
import torch
from jaxtyping import Float
from torch import Tensor

from sdnet.errors import InputError
from sdnet.formula import derivatives, parse, to_text, to_torch

MAX_VARIABLES = 100  # how many inputs a line may name before the points are known
TRIAL_POINTS = 64  # where a hand-written derivative is compared with the derived one


@dataclass(frozen=True)
class Template:
    """An expression in x0, x1, ... with coefficients N0, N1, ... and U0, U1, ...

    Attributes:
        text: the formula as written.
        written: its partial derivatives as written, by x0, x1, ...; empty if none were.
        where: the place of the line, such as "funs/F10_v1.lib:1".
        expression: the formula in sympy.
    """

    text: str
    written: tuple[str, ...]
    where: str
    expression: sympy.Expr

    @cached_property
    def variables(self) -> int:
        """How many inputs the formula needs: one more than the highest index it uses."""
        return self._count("x")

    @cached_property
    def normals(self) -> int:
        """How many coefficients N0, N1, ... it needs."""
        return self._count("N")

    @cached_property
    def uniforms(self) -> int:
        """How many coefficients U0, U1, ... it needs."""
        return self._count("U")

    def _count(self, prefix: str) -> int:
        names = [symbol.name for symbol in self.expression.free_symbols]
        return max((int(name[1:]) + 1 for name in names if name[0] == prefix), default=0)

    def partials(self) -> list[sympy.Expr]:
        """The derivative by each input that the formula needs."""
        return derivatives(self.expression, _symbols("x", self.variables))

    def partial_texts(self, variables: int) -> list[str]:
        """The derivatives by x0, x1, ... as text: the hand-written ones where there are any."""
        derived = [to_text(partial) for partial in self.partials()]
        texts = [*self.written, *derived[len(self.written) :]]
        return (texts + ["0"] * variables)[:variables]

    def curves(
        self,
        normals: Float[Tensor, "coefficients c 1"],
        uniforms: Float[Tensor, "coefficients_u c 1"],
        columns: Float[Tensor, "d n"],
        with_partials: bool,
    ) -> tuple[Tensor, ...]:
        """The values for c rows of coefficients at n points, each tensor (c, n) or broadcast to it.

        With the partials, the derivatives by x0, x1, ... follow, as many as the formula has inputs.
        """
        arguments = [
            *normals.unbind()[: self.normals],
            *uniforms.unbind()[: self.uniforms],
            *columns.unbind()[: max(self.variables, 1)],
        ]
        values = self._values(*arguments)
        return values + self._partials(*arguments) if with_partials else values

    # The value is compiled apart from the partials, so that it has the same bits with or without.
    @cached_property
    def _values(self) -> Callable[..., tuple[Tensor, ...]]:
        return self._compiled([self.expression])

    @cached_property
    def _partials(self) -> Callable[..., tuple[Tensor, ...]]:
        return self._compiled(self.partials())

    def _compiled(self, expressions: Sequence[sympy.Expr]) -> Callable[..., tuple[Tensor, ...]]:
        symbols = [
            *_symbols("N", self.normals),
            *_symbols("U", self.uniforms),
            *_symbols("x", max(self.variables, 1)),
        ]
        try:
            return to_torch(expressions, symbols)
        except InputError as error:
            raise InputError(f"{self.where}: {error}") from error


def _symbols(prefix: str, count: int) -> list[sympy.Symbol]:
    return [sympy.Symbol(f"{prefix}{index}", real=True) for index in range(count)]


def read_template(line: str, table: str, where: str) -> Template:
    """The template on a line: a formula, and after each ``;`` a partial derivative.

    Args:
        table: the input table, whose columns may be written ``table[:,0]`` for x0.
        where: the place of the line.

    Raises:
        InputError: a part can't be read, or a derivative is missing or wrong.

    >>> read_template("N*X07[:,0]**2; 2*N*X07[:,0]", "X07", "funs/F.lib:1").expression
    N0*x0**2
    """
    parts: list[str] = []
    for part in line.split(";"):
        start = len(parts[-1]) + 1 if parts else 0
        parts.append(" " * start + part)  # padded, so that messages name the column in the line
    expressions = [
        parse(part, {"x": MAX_VARIABLES}, tables={table: "x"}, coefficients=True, where=where)
        for part in parts
    ]
    texts = [part.strip() for part in parts]
    template = Template(texts[0], tuple(texts[1:]), where, expressions[0])
    if 0 < len(template.written) < template.variables:
        raise InputError(
            f"{where}: {len(template.written)} of the {template.variables} derivatives of "
            f"{template.text!r} are given; give one for each input from x0 to "
            f"x{template.variables - 1}, or none"
        )
    derived = derivatives(template.expression, _symbols("x", len(template.written)))
    for index, (written, right) in enumerate(zip(expressions[1:], derived, strict=True)):
        try:
            agree = written == right or _agree(written, right)
        except InputError as error:
            raise InputError(f"{where}: {error}") from error
        if not agree:
            column = len(parts[index + 1]) - len(parts[index + 1].lstrip()) + 1
            raise InputError(
                f"{where}:{column}: the derivative by x{index} is written {texts[index + 1]!r}, "
                f"but that of {template.text!r} is {to_text(right)!r}"
            )
    return template


def _agree(written: sympy.Expr, right: sympy.Expr) -> bool:
    """Whether two expressions are equal at random points, wherever the right one is finite."""
    symbols = sorted(written.free_symbols | right.free_symbols, key=str) or _symbols("x", 1)
    generator = torch.Generator().manual_seed(0)
    # Small and large points, since a wrong term may matter at one of them alone.
    scale = torch.tensor([0.1, 0.5, 1.0, 3.0], dtype=torch.float64).repeat(TRIAL_POINTS // 4)
    shape = (len(symbols), TRIAL_POINTS)
    points = scale * torch.randn(shape, generator=generator, dtype=torch.float64)
    for row, symbol in zip(points, symbols, strict=True):
        if symbol.name[0] == "U":
            row.uniform_(generator=generator)
    left, right_values = to_torch([written, right], symbols)(*points)
    finite = right_values.isfinite()
    equal = torch.isclose(left, right_values, rtol=1e-6, atol=1e-12)
    return bool(finite.any() and equal[finite].all())
