"""The language of formulas (sdnet.syntax) and what is done with a formula (sdnet.formula)."""

import contextlib
import math
import random
import string
import time

import pytest
import sympy
import torch

from sdnet.errors import InputError
from sdnet.formula import derivatives, parse, to_text, to_torch

x0, x1, g2, n0, u3 = (sympy.Symbol(name, real=True) for name in ("x0", "x1", "g2", "N0", "U3"))
COUNTS = {"x": 2, "g": 3}
TABLES = {"X07": "x", "G07": "g"}


def read(text):
    return parse(text, COUNTS, tables=TABLES, coefficients=True, where="F.lib:3")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x0", x0),
        ("  x0 + g2", x0 + g2),
        ("X07[:,1] * G07[:, 2]", x1 * g2),
        ("N*x0 + N0*x1 + U3", n0 * x0 + n0 * x1 + u3),
        ("1/3", sympy.Rational(1, 3)),
        ("-x0**2", -(x0**2)),
        ("2**-x0", 2 ** (-x0)),
        ("+x0 - -x1", x0 + x1),
        ("np.sin(x0) + numpy.cos(np.pi)", sympy.sin(x0) - 1),
        ("arcsin(x0) + arccos(x0) + arctan(x0)", sympy.asin(x0) + sympy.acos(x0) + sympy.atan(x0)),
        ("asin(x0)*acos(x0)*atan(x0)", sympy.asin(x0) * sympy.acos(x0) * sympy.atan(x0)),
        ("sinh(x0)/cosh(x0)*tanh(x1)", sympy.sinh(x0) / sympy.cosh(x0) * sympy.tanh(x1)),
        ("tan(exp(log(x0)))", sympy.tan(x0)),
        ("abs(x0)*sign(x1)*sqrt(x1)", sympy.Abs(x0) * sympy.sign(x1) * sympy.sqrt(x1)),
        ("0.5", sympy.Float(0.5)),
        ("x0-x0", sympy.Integer(0)),
    ],
)
def test_text_is_read_as_its_expression(text, expected):
    assert read(text) == expected


def test_symbols_are_real():
    assert all(symbol.is_real for symbol in read("x0*g1*N2*U3").free_symbols)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2*sine(x0)", "F.lib:3:3: unknown function 'sine'; did you mean 'sin'?"),
        ("x0 + y0", "F.lib:3:6: unknown name 'y0'"),
        ("x0 +", "F.lib:3:5: syntax error"),
        ("x0 x1", "F.lib:3:4: syntax error"),
        ("x0)+(x1", "F.lib:3:3: syntax error"),
        ("x0 = 1", "F.lib:3:4: syntax error"),
        ("1if x0", "F.lib:3:1: syntax error"),
        ("1 + x2", "F.lib:3:5: variable x2 is beyond the last, x1"),
        ("X07[:,2]", "F.lib:3:1: variable x2 is beyond the last, x1"),
        ("N100", "F.lib:3:1: variable N100 is beyond the last, N99"),
        ("2*X08[:,0]", "F.lib:3:3: the table 'X08' isn't the one at hand; did you mean 'X07[:,0]'"),
        ("X07", "F.lib:3:1: the table 'X07' needs a column: X07[:,0]"),
        ("X07[0,:]", "a column of a table is written X07[:,0]"),
        ("X07[:,-1]", "a column of a table is written X07[:,0]"),
        ("X07[:,True]", "a column of a table is written X07[:,0]"),
        ("X07[1:,0]", "a column of a table is written X07[:,0]"),
        ("X07[:,0:1]", "a column of a table is written X07[:,0]"),
        ("X07[0]", "a column of a table is written X07[:,0]"),
        ("X07[:,0][0]", "isn't allowed"),
        ("x0.real", "F.lib:3:1: 'x0.real' isn't allowed"),
        ("np.linalg.norm(x0)", "only a function by its name can be called"),
        ("os.system(x0)", "only a function by its name can be called"),
        ("np.e", "'np.e' isn't allowed"),
        ("np.load(x0)", "unknown function 'load'"),
        ("sin(x=x0)", "sin takes one argument, sin(x0), but got 1 by keyword"),
        ("sin(**x0)", "sin takes one argument, sin(x0), but got 1 by keyword"),
        ("sin(*x0)", "'*x0' isn't allowed"),
        ("sin(x0, x1)", "sin takes one argument, sin(x0), but got 2"),
        ("sin()", "sin takes one argument, sin(x0), but got 0"),
        ("sin", "the function 'sin' needs an argument"),
        ("'x0'", "isn't allowed"),
        ('f"{x0}"', "isn't allowed"),
        ("lambda: x0", "F.lib:3:1: 'lambda: x0' isn't allowed"),
        ("(lambda x: x)(x0)", "only a function by its name can be called"),
        ("__import__('os')", "unknown function '__import__'"),
        ("x0 < x1", "isn't allowed"),
        ("x0 if x1 else 1", "isn't allowed"),
        ("[x0 for x0 in x1]", "isn't allowed"),
        ("(x0 := 1)", "isn't allowed"),
        ("x0, x1", "isn't allowed"),
        ("True", "isn't allowed"),
        ("None", "isn't allowed"),
        ("1j*x0", "F.lib:3:1: '1j' isn't allowed"),
        ("not x0", "isn't allowed"),
        ("x0^2", "F.lib:3:1: the operator isn't one of + - * / **; a power is written **"),
        ("x0 % 2", "the operator isn't one of + - * / **"),
        ("x0 # one", "F.lib:3:4: unexpected character '#'"),
        ("x0 + π", "F.lib:3:6: unexpected character 'π'"),
        ("\uff58\uff10", "F.lib:3:1: unexpected character"),  # would become x0 in Python
        ("x0\x00", "F.lib:3:3: unexpected character"),
        ("x0 +\nx1", "F.lib:3:5: unexpected character"),
        ("", "F.lib:3:1: the formula is empty"),
        ("   ", "F.lib:3:4: the formula is empty"),
    ],
)
def test_what_is_not_of_the_language_is_refused(text, message):
    with pytest.raises(InputError) as caught:
        read(text)
    assert message in str(caught.value)
    assert str(caught.value).startswith("F.lib:3:")


@pytest.mark.parametrize(
    "text",
    [
        *["1/0", "log(0)", "sqrt(-1)", "(-1)**0.5", "(-8)**(1/3)", "asin(2)", "1e999", "1/(x0-x0)"],
        *["log(-2)", "sqrt(-x0**2)", "cosh(1000)", "exp(exp(exp(exp(9))))", "x0/0.0", "0**-1"],
        *["(-2)**x0", "0**x0", "1/exp(-1e300)", "exp(log(x0) + 7777)"],
    ],
)
def test_complex_and_infinite_constants_are_refused(text):
    with pytest.raises(InputError, match=r"finite real number|positive base"):
        read(text)


@pytest.mark.parametrize(
    "text",
    [
        *["9**9**9", "2**x0**9**9", "x0**101", "x0**-101", "x0**1e5", "((9**99)**99)**99"],
        *["exp(10**50*log(2))", "exp(x0 + 10**50*log(2))", "(2**(10**90*x0))**(1/x0)"],
        *["9" * 3000, "9" * 4500, "1" * 5000, "x0" + "+x0" * 900, "**".join(["x0"] * 900)],
        *["(" * 150 + "sin(x0" + ")" * 149, "(" * 1900, "-" * 1900 + "x0", "[" * 1900],
        *["sin(" * 70 + "x0" + ")" * 70, "+".join(["(" + "*".join(["x0"] * 50) + ")"] * 26)],
    ],
)
def test_huge_powers_and_deep_nesting_are_refused_quickly(text):
    start = time.perf_counter()
    with pytest.raises(InputError):
        read(text)
    assert time.perf_counter() - start < 2


def test_large_exact_numbers_become_floats_before_they_grow():
    expression = read("2**(x0 + 10**50)*2**(-x0)/10**60")
    assert all(abs(number.p) <= 10_000 for number in expression.atoms(sympy.Integer))
    (value,) = to_torch([read("299792458*x0")], [x0])(torch.tensor([2.0], dtype=torch.float64))
    assert value.item() == 599584916


def test_the_deepest_formula_admitted_goes_all_the_way():
    expression = read("sin(" * 55 + "x0" + ")" * 55)
    value, slope = to_torch([expression, *derivatives(expression, [x0])], [x0])(torch.zeros(1))
    assert value.tolist() == [0.0]
    assert slope.tolist() == [1.0]


def test_a_table_is_unknown_where_none_is_given():
    with pytest.raises(InputError, match="the table 'X07' isn't the one at hand"):
        parse("X07[:,0]", {"x": 1})
    with pytest.raises(InputError, match="unknown name 'N0'"):
        parse("N0*x0", {"x": 1})


def test_garbage_gives_an_expression_or_an_input_error():
    generator = random.Random(0)
    words = ["x0", "N0", "sin(", "exp(", "(", ")", "**", "*", "-", "/", "9", "1e9", "[:,0]", "X07"]
    words += ["abs(", "'", ",", "lambda", ".", "\\", ";", "=", "é", "\x00", " "]
    start = time.perf_counter()
    read_well = 0
    for trial in range(3000):
        letters = words if trial % 2 else string.printable
        text = "".join(generator.choices(letters, k=generator.randint(1, 9 if trial % 2 else 30)))
        with contextlib.suppress(InputError):
            read_well += isinstance(read(text), sympy.Expr)
    assert read_well > 10  # so that both ends are seen
    assert time.perf_counter() - start < 20


def random_formula(generator, depth):
    kind = generator.random()
    if depth == 0 or kind < 0.15:
        return generator.choice(["x0", "x1", "2", "0", "0.5", "1/3", "pi", "10**9", "1e-300"])
    if kind < 0.6:
        sign = generator.choice(["+", "-", "*", "/", "**"])
        return (
            f"({random_formula(generator, depth - 1)}{sign}{random_formula(generator, depth - 1)})"
        )
    functions = ["sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh"]
    functions += ["exp", "log", "sqrt", "abs", "sign"]
    return f"{generator.choice(functions)}({random_formula(generator, depth - 1)})"


def test_random_formulas_go_all_the_way_or_give_an_input_error():
    generator = random.Random(1)
    points = torch.rand(2, 5, dtype=torch.float64)
    compiled = 0
    for _ in range(150):
        text = random_formula(generator, generator.randint(1, 5))
        try:
            expression = read(text)
            curves = to_torch([expression, *derivatives(expression, [x0, x1])], [x0, x1])(*points)
        except InputError:
            continue
        compiled += 1
        assert all(curve.shape == (5,) and curve.dtype == torch.float64 for curve in curves), text
    assert compiled > 50


CURVES = {  # text: the same in Python floats
    "x0**2*x1": lambda a, b: a**2 * b,
    "x0/3 + pi*x1": lambda a, b: a / 3 + math.pi * b,
    "sqrt(2)*x0 + exp(1)": lambda a, b: math.sqrt(2) * a + math.e,
    "abs(x0)*sign(x1)": lambda a, b: abs(a) * (1 if b > 0 else -1),
    "log(abs(2*x0))": lambda a, b: math.log(abs(2 * a)),
    "abs(log(x0**2))": lambda a, b: abs(math.log(a**2)),
    "asin(x0) + acos(x1)*atan(x0)": lambda a, b: math.asin(a) + math.acos(b) * math.atan(a),
    "sqrt(x0**2 + 1)/sqrt(x1**2 + 1)": lambda a, b: math.hypot(a, 1) / math.hypot(b, 1),
    "(x1**2 + 1)**1.5 + (x0**2 + 1)**(1/3)": lambda a, b: (
        (b * b + 1) ** 1.5 + (a * a + 1) ** (1 / 3)
    ),
    "tan(x0) + tan(x1 + pi/2)": lambda a, b: math.tan(a) - 1 / math.tan(b),
    "cosh(x0)*sinh(x1) + tanh(x0)": lambda a, b: math.cosh(a) * math.sinh(b) + math.tanh(a),
    "2**x0 + exp(-x1**2)*sin(cos(x0))": lambda a, b: (
        2**a + math.exp(-b * b) * math.sin(math.cos(a))
    ),
    "x0**3 - x1**-2 + 0.1": lambda a, b: a**3 - b**-2 + 0.1,
    "x0*sin(x0) + sin(x0)*cos(x1*sin(x0))": lambda a, b: (
        a * math.sin(a) + math.sin(a) * math.cos(b * math.sin(a))
    ),
}


@pytest.mark.parametrize("text", CURVES)
def test_curves_equal_python_floats_and_derivatives_autograd(text):
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(2, 40, generator=generator, dtype=torch.float64) * 1.8 - 0.9
    points.requires_grad_()
    expression = read(text)
    value, *partials = to_torch([expression, *derivatives(expression, [x0, x1])], [x0, x1])(*points)
    expected = [CURVES[text](a, b) for a, b in points.T.tolist()]
    torch.testing.assert_close(value, torch.tensor(expected, dtype=torch.float64))
    (gradient,) = torch.autograd.grad(value.sum(), points)
    torch.testing.assert_close(torch.stack(partials), gradient)


@pytest.mark.parametrize("text", CURVES)
def test_text_of_a_formula_and_of_its_derivatives_is_read_back(text):
    expression = read(text)
    points = torch.rand(2, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for original in [expression, *derivatives(expression, [x0, x1])]:
        again = read(to_text(original))
        left, right = to_torch([original, again], [x0, x1])(*points)
        torch.testing.assert_close(left, right)


def test_text_keeps_every_digit():
    assert to_text(read("0.1*x0 + 0.30000000000000004")) == "0.1*x0 + 0.30000000000000004"
    assert to_text(read("abs(x0) + exp(1)")) == "abs(x0) + exp(1)"


def test_derivatives_by_hand():
    assert derivatives(read("x0**2*x1"), [x0, x1, g2]) == [2 * x0 * x1, x0**2, 0]
    assert derivatives(read("abs(x0)"), [x0]) == [sympy.sign(x0)]
    assert derivatives(read("sign(x0)*x0"), [x0]) == [sympy.sign(x0)]
    # Of an argument that sympy doesn't know to be real:
    assert derivatives(sympy.Abs(sympy.log(x0)), [x0]) == [sympy.sign(sympy.log(x0)) / x0]
    assert derivatives(sympy.sign(sympy.log(x0)), [x0]) == [0]


def test_to_torch_broadcasts_and_keeps_the_dtype():
    function = to_torch([n0 * x0, x0**2, sympy.Rational(1, 3), sympy.pi], [n0, x0])
    for dtype in (torch.float32, torch.float64):
        curves = function(torch.ones(4, 1, dtype=dtype), -torch.arange(3, dtype=dtype))
        assert [curve.shape for curve in curves] == [(4, 3)] * 4
        assert all(curve.dtype == dtype for curve in curves)
        assert curves[1][0].tolist() == [0.0, 1.0, 4.0]
        assert curves[2].unique().tolist() == [torch.tensor(1 / 3, dtype=dtype).item()]


def test_to_torch_takes_the_symbols_in_the_order_given():
    (difference,) = to_torch([x0 - x1], [x1, x0])(torch.tensor([1.0]), torch.tensor([5.0]))
    assert difference.item() == 4.0


def test_to_torch_has_nan_where_the_formula_is_not_real():
    (root,) = to_torch([sympy.sqrt(x0)], [x0])(torch.tensor([4.0, -1.0]))
    assert root[0] == 2
    assert root[1].isnan()


def test_to_torch_refuses_other_symbols_and_complex_constants():
    with pytest.raises(InputError, match="uses x1, which isn't an argument"):
        to_torch([x0 + x1], [x0])
    with pytest.raises(InputError, match=r"isn't a finite real number|isn't real and finite"):
        to_torch([sympy.I * x0], [x0])
    with pytest.raises(InputError, match="isn't a finite real number"):
        to_torch([sympy.zoo + x0], [x0])
