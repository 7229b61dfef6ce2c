"""Which parts of a law its latents are."""

import numpy as np
import pytest

from sdnet.formula import parse
from srnet.parts import parts_of


def parts(text):
    return parts_of(parse(text, {"x": 4}))


@pytest.mark.parametrize(
    ("law", "latents"),
    [
        ("2*x0*x1 + cos(x1) + 3", ["cos(x1)", "x0*x1"]),
        ("3*(x0 + x1)", ["x0", "x1"]),
        ("exp(x0*x1 - 1)", ["exp(x0*x1 - 1)"]),  # no sum of several parts in it
        ("0.3*(x2 + x3)**2 - x1", ["x1", "(x2 + x3)**2"]),  # a term of a sum is a whole
        ("2.5", []),
    ],
)
def test_a_sum_has_its_terms_and_is_linear_in_them(law, latents):
    found = parts(law)
    assert found.linear
    assert found.latents == tuple(parse(text, {"x": 4}) for text in latents)


@pytest.mark.parametrize(
    ("law", "latents"),
    [
        ("(x0**2 + cos(x1) + 0.5)**2 - 1", ["x0**2", "cos(x1)"]),
        ("1.2*(x0 + x1*x3**2)*abs(x3)**0.3", ["x0", "abs(x3)**0.3", "x1*x3**2"]),
        ("sqrt((x0 + x1)**2 + 1)", ["x0", "x1"]),
        ("x0*(x0 + 2*x1)", ["x0", "x1"]),  # each part once
    ],
)
def test_a_single_term_has_those_of_the_sums_inside(law, latents):
    found = parts(law)
    assert not found.linear
    assert found.latents == tuple(parse(text, {"x": 4}) for text in latents)


def test_a_latent_sees_the_inputs_of_its_part():
    np.testing.assert_array_equal(parts("x0*x2 + x1 + 4").masks(4), [[0, 1, 0, 0], [1, 0, 1, 0]])
    assert parts("4").masks(4).shape == (0, 4)
