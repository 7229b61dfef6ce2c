"""The language of formulas: text to sympy by a whitelist of syntax.

Nothing here executes text: ``ast.parse`` makes a tree, and only the kinds of node named below are
turned into sympy. What may live here: the words of the language, its bounds and its error messages.
What is done with an expression lives in `sdnet.formula`, the lines of a file in `sdnet.library`.
"""

import ast
import math
import operator
import re
import warnings
from collections.abc import Callable, Mapping
from typing import NoReturn

import sympy

from sdnet.errors import InputError, nearest

MAX_TEXT = 4000  # characters
MAX_NODES = 2500  # of the syntax tree
MAX_DEPTH = 60  # of the syntax tree
MAX_EXPONENT = 100  # magnitude of a constant exponent
MAX_COEFFICIENTS = 100  # of a kind: N0 to N99, U0 to U99
# Exact numbers stay small and larger ones become floats: sympy's own rules, such as
# exp(n*log(2)) = 2**n, would otherwise build integers that fill the memory.
MAX_EXACT = 10_000


def _absolute(argument: sympy.Expr) -> sympy.Expr:
    """|f|, as sqrt(f**2) where sympy doubts that f is real and would write re(f)."""
    return sympy.Abs(argument) if argument.is_extended_real else sympy.sqrt(argument**2)


def _tangent(argument: sympy.Expr) -> sympy.Expr:
    """tan(f), as 1/tan(g) where sympy writes cot(g), which torch lacks."""
    return sympy.tan(argument).replace(sympy.cot, lambda inner: 1 / sympy.tan(inner))


_FUNCTIONS: dict[str, Callable[[sympy.Expr], sympy.Expr]] = {
    "sin": sympy.sin,
    "cos": sympy.cos,
    "tan": _tangent,
    "asin": sympy.asin,
    "acos": sympy.acos,
    "atan": sympy.atan,
    "arcsin": sympy.asin,
    "arccos": sympy.acos,
    "arctan": sympy.atan,
    "sinh": sympy.sinh,
    "cosh": sympy.cosh,
    "tanh": sympy.tanh,
    "exp": sympy.exp,
    "log": sympy.log,
    "sqrt": sympy.sqrt,
    "abs": _absolute,
    "sign": sympy.sign,
}
_OPERATORS: dict[type[ast.operator], Callable[[sympy.Expr, sympy.Expr], sympy.Expr]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_FLOATS: dict[type[sympy.Expr], Callable[..., float]] = {
    sympy.Add: lambda *terms: math.fsum(terms),
    sympy.Mul: lambda *factors: math.prod(factors),
    sympy.Pow: math.pow,
    sympy.Abs: abs,
    sympy.sign: lambda value: math.copysign(1.0, value) if value else 0.0,
    **{
        getattr(sympy, name): getattr(math, name)
        for name in _FUNCTIONS
        if hasattr(math, name) and name != "sqrt"  # which sympy writes as a power
    },
}
NOT_REAL = {sympy.I, sympy.zoo, sympy.nan, sympy.oo, -sympy.oo}


def parse(
    text: str,
    variables: Mapping[str, int],
    *,
    tables: Mapping[str, str] | None = None,
    coefficients: bool = False,
    where: str = "formula",
) -> sympy.Expr:
    """The expression that a line of text stands for.

    Admitted are whole and decimal numbers, ``pi``, ``+ - * / **``, parentheses, the functions
    sin cos tan asin acos atan (also arcsin arccos arctan) sinh cosh tanh exp log sqrt abs sign,
    ``np.`` or ``numpy.`` before a function or pi, and the variables. Fractions stay exact.

    Args:
        variables: how many there are of each prefix: ``{"x": 2}`` admits x0 and x1.
        tables: the prefix that a table's columns stand for: ``{"X07": "x"}`` reads ``X07[:,0]``
            as x0.
        coefficients: whether N0, N1, ... and U0, U1, ... are admitted (a bare N or U is N0, U0).
        where: the place of the text, for messages.

    Returns:
        An expression of real symbols, free of complex and infinite constants.

    Raises:
        InputError: the text is anything else; the message begins ``where:column``.

    >>> parse("np.sin(X07[:,0])/3 + N*x1**2", {"x": 2}, tables={"X07": "x"}, coefficients=True)
    N0*x1**2 + sin(x0)/3
    >>> parse("2*sine(x0)", {"x": 1}, where="funs/F07.lib:3")
    Traceback (most recent call last):
    sdnet.errors.InputError: funs/F07.lib:3:3: unknown function 'sine'; did you mean 'sin'?
    """
    return _Reader(text, variables, tables or {}, coefficients, where).expression()


class _Reader:
    """One walk over the syntax tree of one text."""

    def __init__(
        self,
        text: str,
        variables: Mapping[str, int],
        tables: Mapping[str, str],
        coefficients: bool,
        where: str,
    ) -> None:
        self.text, self.tables, self.where = text, tables, where
        self.sizes = dict(variables)
        if coefficients:
            self.sizes |= {"N": MAX_COEFFICIENTS, "U": MAX_COEFFICIENTS}
        self.bare = {"N": "N0", "U": "U0"} if coefficients else {}
        self.indent = len(text) - len(text.lstrip())

    def fail(self, column: int, message: str) -> NoReturn:
        raise InputError(f"{self.where}:{column}: {message}")

    def fail_at(self, node: ast.expr, message: str) -> NoReturn:
        self.fail(self.indent + node.col_offset + 1, message)

    def expression(self) -> sympy.Expr:
        """The whole text, read within the bounds of this module."""
        if len(self.text) > MAX_TEXT:
            self.fail(MAX_TEXT, f"the formula has {len(self.text)} characters, beyond {MAX_TEXT}")
        if not self.text.strip():
            self.fail(len(self.text) + 1, "the formula is empty")
        strange = re.search(r"[^ -~\t]|[#\\]", self.text)
        if strange:
            self.fail(strange.start() + 1, f"unexpected character {strange.group()!r}")
        tree = self.tree()
        nodes, depth, layer = 0, 0, [tree]
        while layer:
            nodes, depth = nodes + len(layer), depth + 1
            layer = [child for node in layer for child in ast.iter_child_nodes(node)]
        if depth > MAX_DEPTH:
            self.fail_at(tree, f"the formula is nested {depth} levels deep, beyond {MAX_DEPTH}")
        if nodes > MAX_NODES:
            self.fail_at(tree, f"the formula has {nodes} parts, beyond {MAX_NODES}")
        expression = self.visit(tree)
        try:
            for part in sympy.preorder_traversal(expression):
                if part.is_number:
                    real_value(part)
        except (ArithmeticError, ValueError):
            self.fail_at(tree, f"the constant {part} in it isn't a finite real number")
        return expression

    def tree(self) -> ast.expr:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # such as the one about "1if"
                return ast.parse(self.text.lstrip(), mode="eval").body
        except (RecursionError, MemoryError):
            self.fail(1, "the formula is nested too deep")
        except SyntaxError as error:
            end = len(self.text.strip()) + 1  # where Python has no place, the text is cut short
            self.fail(self.indent + (error.offset or end), f"syntax error: {error.msg}")
        except (ValueError, Warning) as error:
            self.fail(1, f"syntax error: {error}")

    def visit(self, node: ast.expr) -> sympy.Expr:
        match node:
            case ast.Constant(value=int() | float()) if not isinstance(node.value, bool):
                return self.apply(node, self.number, node)
            case ast.Name():
                return self.name(node)
            case ast.Attribute(value=ast.Name(id="np" | "numpy"), attr="pi"):
                return sympy.pi
            case ast.UnaryOp(op=ast.UAdd()):
                return self.visit(node.operand)
            case ast.UnaryOp(op=ast.USub()):
                return self.apply(node, operator.neg, self.visit(node.operand))
            case ast.BinOp():
                return self.operation(node)
            case ast.Call():
                return self.call(node)
            case ast.Subscript(value=ast.Name()):
                return self.column(node, node.value.id)
        what = ast.get_source_segment(self.text.lstrip(), node) or ""
        what = what if len(what) <= 40 else f"{what[:37]}..."
        self.fail_at(node, f"{what!r} isn't allowed; write numbers, x0, + - * / ** and functions")

    def number(self, node: ast.Constant) -> sympy.Number:
        if isinstance(node.value, float):
            return sympy.Float(node.value)
        return sympy.Integer(node.value)

    def name(self, node: ast.Name) -> sympy.Expr:
        name = self.bare.get(node.id, node.id)
        prefix, index = re.fullmatch(r"(.*?)(0|[1-9][0-9]*)?", name).groups()
        if name == "pi":
            return sympy.pi
        if prefix in self.sizes and index is not None:
            return self.variable(node, prefix, int(index))
        if name in _FUNCTIONS:
            self.fail_at(node, f"the function {name!r} needs an argument: {name}(x0)")
        if name in self.tables:
            self.fail_at(node, f"the table {name!r} needs a column: {name}[:,0]")
        known = [f"{prefix}0" for prefix in self.sizes] + ["pi"]
        self.fail_at(node, f"unknown name {name!r}; {nearest(name, known)}")

    def variable(self, node: ast.expr, prefix: str, index: int) -> sympy.Symbol:
        size = self.sizes[prefix]
        if index >= size:
            last = f"beyond the last, {prefix}{size - 1}" if size else "beyond none at all"
            self.fail_at(node, f"variable {prefix}{index} is {last}")
        return sympy.Symbol(f"{prefix}{index}", real=True)

    def column(self, node: ast.Subscript, table: str) -> sympy.Symbol:
        if table not in self.tables:
            known = [f"{name}[:,0]" for name in self.tables] or [f"{p}0" for p in self.sizes]
            hint = nearest(f"{table}[:,0]", known)
            self.fail_at(node, f"the table {table!r} isn't the one at hand; {hint}")
        match node.slice:
            case ast.Tuple(
                elts=[ast.Slice(lower=None, upper=None, step=None), ast.Constant(value=int(index))]
            ) if not isinstance(index, bool):
                return self.variable(node, self.tables[table], index)
        self.fail_at(node, f"a column of a table is written {table}[:,0], and nothing else")

    def call(self, node: ast.Call) -> sympy.Expr:
        match node.func:
            case ast.Name(id=name) | ast.Attribute(value=ast.Name(id="np" | "numpy"), attr=name):
                pass
            case _:
                self.fail_at(node, "only a function by its name can be called, such as sin(x0)")
        if name not in _FUNCTIONS:
            self.fail_at(node, f"unknown function {name!r}; {nearest(name, _FUNCTIONS)}")
        if node.keywords or len(node.args) != 1:
            given = len(node.args) + len(node.keywords)
            also = " by keyword" if node.keywords else ""
            self.fail_at(node, f"{name} takes one argument, {name}(x0), but got {given}{also}")
        argument = self.visit(node.args[0])
        return self.apply(node, _FUNCTIONS[name], argument)

    def operation(self, node: ast.BinOp) -> sympy.Expr:
        if type(node.op) not in _OPERATORS:
            hint = "; a power is written **" if isinstance(node.op, ast.BitXor) else ""
            self.fail_at(node, f"the operator isn't one of + - * / **{hint}")
        left, right = self.visit(node.left), self.visit(node.right)
        if isinstance(node.op, ast.Pow):
            if right.is_number and abs(real_value(right)) > MAX_EXPONENT:
                self.fail_at(node.right, f"the exponent is beyond {MAX_EXPONENT}")
            if left.is_number and not right.is_number and real_value(left) <= 0:
                self.fail_at(node.left, "a power with a variable exponent needs a positive base")
        return self.apply(node, _OPERATORS[type(node.op)], left, right)

    def apply(
        self, node: ast.expr, function: Callable[..., sympy.Expr], *operands: object
    ) -> sympy.Expr:
        """function(*operands), its constants finite and real, none beyond a float's range."""
        try:
            expression = function(*operands)
            atoms = expression.atoms()
            if atoms & NOT_REAL:
                raise ValueError
            floats = {
                atom: sympy.Float(real_value(atom))
                for atom in atoms
                if atom.is_Float or (atom.is_Rational and max(abs(atom.p), atom.q) > MAX_EXACT)
            }
            expression = expression.xreplace(floats)
            if expression.is_number:
                real_value(expression)
        except (ArithmeticError, ValueError):
            self.fail_at(node, "a constant here isn't a finite real number")
        return expression


def real_value(constant: sympy.Expr) -> float:
    """The float of an expression without symbols; ArithmeticError or ValueError if it has none."""
    if constant.is_Number or constant.is_NumberSymbol:
        value = float(constant)
    elif constant.func in _FLOATS:
        value = _FLOATS[constant.func](*map(real_value, constant.args))
    else:
        raise ValueError(f"{constant} isn't a real number")
    if not math.isfinite(value):
        raise OverflowError(f"{constant} isn't finite")
    return value
