"""Templates from the grammar: their bounds, their difference, and their seed."""

import itertools
import re

import numpy as np
import pytest
import sympy
import torch

from sdnet.errors import InputError
from sdnet.grammar import DEPTH, random_templates
from sdnet.library import SDData
from sdnet.syntax import parse

X = np.random.default_rng(0).standard_normal((60, 1))


def nesting(line):
    """Parentheses within each other: each rule writes one pair."""
    steps = [{"(": 1, ")": -1}.get(letter, 0) for letter in line]
    return max(itertools.accumulate(steps))


def equal_up_to_a_factor(first, second):
    """Curves (draws, n) of equal coefficients, without the number before them."""
    first, second = (curves / np.abs(curves).max() for curves in (first, second))
    return min(np.abs(first - second).max(), np.abs(first + second).max()) < 1e-5


def curves_of(lines, x=X):
    """Each line's curves (4, n) for coefficients that are the same in all lines."""
    library = SDData.from_lines(lines, "X00")
    generator = torch.Generator().manual_seed(1)
    normals = torch.randn(20, 4, 1, generator=generator, dtype=torch.float64)
    uniforms = torch.rand(20, 4, 1, generator=generator, dtype=torch.float64)
    columns = torch.as_tensor(x).T
    return [
        template.curves(normals, uniforms, columns, False)[0].numpy()
        for template in library.templates
    ]


def test_count_and_seed():
    lines = random_templates(120, X, seed=3)
    assert len(set(lines)) == len(lines) == 120
    assert random_templates(120, X, seed=3) == lines
    assert random_templates(30, X, seed=3) == lines[:30]
    assert random_templates(30, X, seed=4) != lines[:30]


@pytest.mark.parametrize("depth", [0, 1, 2, DEPTH])
def test_rules_within_each_other_are_bounded(depth):
    lines = random_templates(1 if depth == 0 else 12, X, depth=depth)
    depths = [nesting(line) for line in lines]
    assert max(depths) <= depth
    assert depth < 1 or max(depths) == depth


def test_no_two_are_equal_by_brute_force():
    curves = curves_of(random_templates(60, X, depth=2))
    pairs = itertools.combinations(curves, 2)
    assert not any(equal_up_to_a_factor(first, second) for first, second in pairs)


def test_a_square_is_not_also_a_product():
    lines = [re.sub(r"N0\*[\d.]+\*", "", line) for line in random_templates(15, X, depth=1)]
    assert len({"(x0)**2", "(x0*x0)"} & set(lines)) <= 1


def test_finite_on_the_points_with_derivatives_and_of_the_size_asked_for():
    library = SDData.from_lines(random_templates(25, X, size=0.2), "X00")
    library.check(torch.as_tensor(X))
    for line, curves in zip(library.lines, curves_of(library.lines), strict=True):
        assert np.isfinite(curves).all(), line
        assert np.ptp(curves, axis=1).max() > 0, line
    curves = curves_of(["N0*0.2*x0 + 0*N1"])[0]  # what the size means: x0 is about N(0,1)
    assert random_templates(1, X, depth=0, size=0.2)[0] == (
        f"N0*{0.2 / np.sqrt(np.mean(X**2)):.6g}*x0"
    )
    assert curves.shape == (4, 60)


def test_no_part_is_large_not_even_inside_a_sine():
    """Of the angle of sin(exp(exp(2*x0))) a float32 would know nothing, or that it is infinite."""
    points = np.linspace(-2.6, 2.6, 9)
    for line in random_templates(150, points[:, None]):
        formula = parse(line, {"x": 1}, coefficients=True)
        letters = {symbol.name[0]: symbol for symbol in formula.free_symbols}
        numbers = {s: {"x": s, "U": 1.0, "N": 5.0}[s.name[0]] for s in formula.free_symbols}
        for part in sympy.preorder_traversal(formula.subs(numbers)):
            values = sympy.lambdify(letters["x"], part)(points)
            assert np.abs(values).max() < 1e9, (line, part)  # of the whole, N0 is 5


def test_both_variables_are_used():
    x = np.random.default_rng(0).standard_normal((30, 2))
    text = " ".join(random_templates(20, x))
    assert "x0" in text
    assert "x1" in text
    assert "x2" not in text


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"count": 0}, r"count is 0, but a whole number >= 1"),
        ({"count": True}, r"count is True"),
        ({"depth": -1}, r"depth is -1, but a whole number >= 0"),
        ({"size": 0.0}, r"size is 0\.0, but a number > 0"),
        ({"x": X[:, 0]}, r"the points are \(60,\)"),
        ({"x": np.full((3, 1), np.nan)}, r"finite table"),
        ({"count": 2, "depth": 0}, r"2 templates of depth 0 in 1 variable asked for, but only 1 "),
        ({"count": 300, "depth": 1}, r"300 templates of depth 1 .* only \d+ were found; ask for"),
    ],
)
def test_bad_input(given, message):
    with pytest.raises(InputError, match=message):
        random_templates(**{"count": 3, "x": X, **given})
