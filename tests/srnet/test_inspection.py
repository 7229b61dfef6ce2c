"""The networks of a discovery: their scaling, the choice among them, and the masks."""

import numpy as np
import pytest
import sympy

from srnet.equations import evaluate
from srnet.inspection import ask, found_masks, read_network, train_network
from srnet.interactions import Interactions
from srnet.parts import Parts
from srnet.readout import engines
from srnet.readout.engines import Engine
from srnet.readout.shapes import Shape

X0, X1 = sympy.symbols("x0 x1", real=True)
X = np.random.default_rng(0).standard_normal((300, 2))
Y = 3 * X[:, 0] + X[:, 1] ** 2
HELD = X[200:], Y[200:]
MASKS = np.array([[1.0, 0.0], [0.0, 1.0]])


def trained(x=X, y=Y, epochs=150, seeds=(0, 1), masks=None):
    return train_network(x[:200], y[:200], (x[200:], y[200:]), list(seeds), epochs, masks)


@pytest.fixture(scope="module")
def separate():
    return trained(masks=MASKS)


def test_the_best_member_is_kept(separate):
    """The model's own error on the held rows, as a share of the variance, is the least."""
    error = np.mean((separate(X[200:]) - HELD[1]) ** 2) / Y[:200].var()
    assert len(separate.members) == 2
    assert error == pytest.approx(min(separate.members), rel=1e-4)
    assert separate.error == min(separate.members) < 0.05


def test_units_do_not_matter():
    """Inputs and target of other units and origins give the same network, to single precision."""
    plain = trained(epochs=20)
    x = X * [1e6, 1e-6] + [5e6, 0.0]
    other = train_network(x[:200], 1e8 * Y[:200] - 3, (x[200:], 1e8 * HELD[1] - 3), [0, 1], 20)
    np.testing.assert_allclose(other(x), 1e8 * plain(X) - 3, rtol=0, atol=1e5)


def test_a_constant_column_is_no_division_by_zero():
    x = np.column_stack([X[:, 0], np.full(300, 4.0)])
    assert np.isfinite(trained(x, epochs=3)(x)).all()


def test_latents_see_what_their_masks_show(separate):
    moved = X + np.array([0.0, 1.0])
    before, after = separate.latents(X), separate.latents(moved)
    np.testing.assert_array_equal(before[0], after[0])
    assert np.abs(before[1] - after[1]).max() > 1e-3


def test_the_formula_of_the_latents_is_near_the_network(separate):
    readings, formula = read_network(separate, X, Y, MASKS, [Shape(X0), Shape(X1**2), Shape(X1)])
    assert {term.kind for term in readings[0].found.terms} == {("x0",)}
    assert np.std(evaluate(formula, X) - separate(X)) < 0.25 * Y.std()


def test_interactions_are_asked_of_the_same_pairs():
    def law(x):
        return x[:, 0] * x[:, 1]

    assert ask(law, 0.0, X).strengths == ask(law, 0.0, X).strengths


@pytest.mark.parametrize(
    ("seen", "masks"),
    [
        ([(0,), (1,), (2,)], [[1, 0, 0], [0, 1, 0], [0, 0, 1]]),
        ([(2,)], [[0, 0, 1]]),
        ([(0,), (1,), (0, 1)], [[1, 0, 0], [0, 1, 0], [1, 1, 0]]),
        (
            [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)],
            [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]],
        ),
        ([], [[1, 1, 1]]),  # one that saw nothing would be a constant
    ],
)
def test_masks_of_what_acts_together(seen, masks):
    found = found_masks(Interactions(dict.fromkeys(seen, 1.0), 0.5), 3)
    np.testing.assert_array_equal(found, masks)


def test_latents_are_guided_to_the_parts_and_the_head_is_what_they_need():
    """A square of a sum: the latents draw the sum's terms, and the readout finds the square."""
    law = (X0**2 + sympy.cos(X1)) ** 2
    y = evaluate(law, X)
    table = X[:200], y[:200], (X[200:], y[200:])
    composed = train_network(*table, [0], 150, parts=Parts((X0**2, sympy.cos(X1)), False))
    assert not composed.linear
    for curve, part in zip(composed.latents(X), (X[:, 0] ** 2, np.cos(X[:, 1])), strict=True):
        assert abs(np.corrcoef(curve, part)[0, 1]) > 0.98
    shapes = [Shape(X0**2), Shape(sympy.cos(X1)), Shape(X0)]
    _, found = read_network(composed, X[:200], y[:200], MASKS, shapes)
    assert sympy.expand(sympy.nsimplify(found, tolerance=1e-7) - law) == 0
    summed = train_network(*table, [0], 1, parts=Parts((X0**2, sympy.cos(X1)), True))
    assert summed.linear


def test_what_no_shape_expresses_is_searched_for(separate, monkeypatch):
    asked = []

    def search(x, y, **options):
        asked.append(x.shape[1])
        return [X0]

    monkeypatch.setattr(engines, "search", search)
    monkeypatch.setattr(engines, "installed", lambda name: True)
    read_network(separate, X, Y, MASKS, [Shape(sympy.sign(X1))], engine=Engine())
    assert asked == [1]  # of the square; x0 is a simple shape
    read_network(separate, X, Y, MASKS, [Shape(sympy.sign(X1))])
    assert asked == [1]
