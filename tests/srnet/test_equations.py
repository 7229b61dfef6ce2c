"""Losses and complexities by hand, the front against brute force, the choice, the tables."""

import html.parser
import itertools
import math

import numpy as np
import pytest
import sympy

from sdnet.errors import InputError
from sdnet.formula import parse
from srnet.equations import (
    Equation,
    as_html,
    as_latex,
    as_text,
    best,
    complexity,
    evaluate,
    pareto,
    rows,
    scored,
)

X0, X1 = sympy.symbols("x0 x1", real=True)
X = np.random.default_rng(0).standard_normal((200, 2))
Y = X[:, 0] ** 2 + np.cos(3 * X[:, 1])


def expression(text):
    return parse(text, {"x": 2})


def test_evaluate_is_numpy_in_float64():
    found = evaluate(expression("x0**2/3 + 0.1*exp(x1)*log(abs(x0)) - pi"), X)
    expected = X[:, 0] ** 2 / 3 + 0.1 * np.exp(X[:, 1]) * np.log(np.abs(X[:, 0])) - np.pi
    np.testing.assert_allclose(found, expected, rtol=1e-14)
    assert found.dtype == np.float64


def test_evaluate_broadcasts_constants_and_leaves_what_has_no_value():
    np.testing.assert_array_equal(evaluate(sympy.Rational(1, 2), X[:3]), [0.5] * 3)
    values = evaluate(1 / X0 + sympy.log(X1), [[0.0, 1.0], [1.0, -1.0], [2.0, 1.0]])
    assert np.isinf(values[0])
    assert np.isnan(values[1])
    assert values[2] == 0.5


@pytest.mark.parametrize(
    ("given", "x", "told"),
    [
        (sympy.Symbol("x2", real=True), X, "uses x2, expected only x0 to x1"),
        (sympy.Symbol("x0"), X, "uses x0, .*real=True"),
        (X0, X[:, 0], r"shape \(200,\), expected \(n rows, d inputs\)"),
        (X0, [["a"]], "x is no array of numbers"),
        (sympy.Function("f")(X0), X, "has a function torch lacks"),
        (sympy.uppergamma(X0, X1), X, "has a function torch lacks"),
        (sympy.I * X0, X, "the constant I isn't a finite real"),
    ],
)
def test_evaluate_tells_what_it_cannot_do(given, x, told):
    with pytest.raises(InputError, match=told):
        evaluate(given, x)


def test_scored_has_the_mean_squared_error_and_leaves_out_what_is_not_finite():
    found = scored([X0**2, sympy.log(X0), sympy.exp(sympy.exp(200 * X0**2))], X, Y, "pieces")
    assert [(e.expression, e.complexity, e.way) for e in found] == [(X0**2, 3, "pieces")]
    assert found[0].loss == pytest.approx(np.mean(np.cos(3 * X[:, 1]) ** 2), rel=1e-13)


def test_scored_refuses_another_length():
    with pytest.raises(InputError, match=r"y has shape \(199,\)"):
        scored([X0], X, Y[1:], "search")
    with pytest.raises(InputError, match=r"y has shape \(200, 1\)"):
        scored([X0], X, Y[:, None], "search")


@pytest.mark.parametrize(
    ("text", "nodes"),
    [
        ("x0", 1),
        ("2.5", 1),
        ("sqrt(2)*pi", 1),
        ("x0*x1*2.5", 5),
        ("-x0", 2),
        ("-2.5*x0", 3),
        ("-2*x0", 3),
        ("2*pi*x0", 3),
        ("x0 - x1", 3),
        ("-x0 - x1", 4),
        ("x0 + pi - 1", 3),
        ("x0 - 2*x1 - 1.5", 7),
        ("x0/x1", 3),
        ("2/x0", 3),
        ("1/(x0*x1)", 5),
        ("x0/3", 3),
        ("x0**2", 3),
        ("1/x0**2", 5),
        ("sqrt(x0)", 2),
        ("1/sqrt(x0)", 4),
        ("exp(-x0)", 3),
        ("2.7*x0**2 + 5*cos(3*x1) + 4.5*x0*x1", 5 + 1 + 6 + 1 + 5),
    ],
)
def test_complexity_counts_nodes(text, nodes):
    assert complexity(expression(text)) == nodes


def test_pareto_is_what_no_other_beats():
    equations = [
        Equation(X0, loss, nodes, f"{i}")
        for i, (loss, nodes) in enumerate(itertools.product([3.0, 1.0, 2.0, 1.0], [4, 2, 9, 2]))
    ]
    shuffled = [equations[i] for i in np.random.default_rng(1).permutation(len(equations))]
    extra = [Equation(X0, 5.0, 1, "a"), Equation(X0, 0.5, 9, "b"), Equation(X0, 5.0, 3, "c")]
    front = pareto(shuffled + extra)
    brute = {
        (e.loss, e.complexity)
        for e in shuffled + extra
        if not any(
            o.loss <= e.loss and o.complexity <= e.complexity
            and (o.loss, o.complexity) != (e.loss, e.complexity)
            for o in shuffled + extra
        )
    }  # fmt: skip
    assert [(e.loss, e.complexity) for e in front] == sorted(brute, key=lambda pair: pair[1])
    assert pareto([]) == []


def test_best_takes_the_simplest_at_numerical_precision():
    wordy = expression("x0**2 + cos(3*x1) + 1e-9*x0")
    near = expression("x0**2 + cos(2.999*x1)")
    found = scored([wordy, expression("x0**2 + cos(3*x1)"), near, X0**2], X, Y, "sparse")
    assert best(found, Y).expression == expression("x0**2 + cos(3*x1)")
    assert best(found[2:], Y).expression == near


def test_best_is_of_any_scale():
    for scale in (1e-8, 1e8):
        y = scale * Y
        found = scored(
            [scale * expression(t) for t in ("x0**2 + cos(3*x1)", "x0**2", "x0**2+cos(3*x1)+1e-9")],
            X,
            y,
            "sparse",
        )
        assert best(found, y) == found[0]


def test_best_weighs_a_node_as_log_n():
    """On n rows a fall of the loss by a factor n**(k/n) is worth k nodes."""
    y = np.r_[np.ones(50), -np.ones(50)]
    simple = Equation(X0, 1.0, 1, "simple")
    for factor, winner in ((1.01, "longer"), (0.99, "simple")):
        longer = Equation(X0**2, 100 ** (-4 * factor / 100), 5, "longer")
        assert best([longer, simple], y).way == winner


def test_best_of_noise_is_not_the_closest_fit():
    noisy = Y + 0.05 * Y.std() * np.random.default_rng(2).standard_normal(200)
    truth = expression("x0**2 + cos(3*x1)")
    few = scored([truth, truth + 0.01 * X0, truth - 0.003 * X1, X0**2], X, noisy, "sparse")
    assert best(few, noisy).expression == truth


def test_best_of_none_and_of_a_constant_target():
    with pytest.raises(InputError, match="no equation to choose from"):
        best([], Y)
    constant = np.full(200, 3.0)
    found = scored([sympy.Integer(3), X0 - X0 + sympy.Float(3.0000001)], X, constant, "sparse")
    assert best(found, constant).expression == 3


def test_rows_have_pysrs_score_and_readable_equations():
    found = scored([X0**2, expression("x0**2 + 0.1*abs(x1)/3")], X, Y, "search")
    first, second = rows(found, chosen=found[1])
    assert (first[""], second[""], first["score"]) == ("", ">", None)
    nodes = found[1].complexity - found[0].complexity
    assert second["score"] == pytest.approx(math.log(found[0].loss / found[1].loss) / nodes)
    for equation, row in zip(found, (first, second), strict=True):
        again = scored([expression(row["equation"])], X, Y, "again")
        assert again[0].loss == pytest.approx(equation.loss, rel=1e-12)


def test_a_loss_of_zero_has_a_finite_score():
    equations = [Equation(X0, 1.0, 1, "a"), Equation(X1, 0.0, 2, "b"), Equation(X1, 0.0, 2, "c")]
    assert [row["score"] for row in rows(equations)] == [
        None,
        pytest.approx(-math.log(np.finfo(float).tiny)),
        None,
    ]


def test_tables_in_three_forms():
    equations = [Equation(X0, 0.25, 1, "a<b"), Equation(X0**2 / 3, 0.125, 5, "search")]
    lines = as_text(equations, equations[1]).splitlines()
    assert lines[1].split() == ["1", "0.25", "-", "a<b", "x0"]
    assert lines[2].split() == [">", "5", "0.125", f"{math.log(2) / 4:.4g}", "search", "x0**2/3"]
    assert r"5 & 0.125 & $y = \frac{x_{0}^{2}}{3}$ \\" in as_latex(equations)

    class Cells(html.parser.HTMLParser):
        cells = ()

        def handle_data(self, data):
            self.cells += (data,) if data.strip() else ()

    reader = Cells()
    page = as_html(equations, equations[1])
    reader.feed(page)
    assert reader.cells[5:9] == ("1", "0.25", "a<b", "x0")
    assert page.count("font-weight: bold") == 1
    assert as_text([]) == ""
