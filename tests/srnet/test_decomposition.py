"""The sum of library shapes that a target is: hand-made sums, and what masks allow."""

import numpy as np
import pytest
import torch

from sdnet.errors import InputError
from sdnet.library import SDData
from srnet.decomposition import admits, allot, decompose
from srnet.readout.shapes import library_shapes
from srnet.readout.terms import Term


def points(rows=200, variables=2, seed=0):
    return torch.randn(rows, variables, generator=torch.Generator().manual_seed(seed))


def library(*lines):
    return SDData.from_lines(lines, "X00")


def terms(*lines):
    """Terms of a template each, with coefficients 0.5."""
    return [
        Term((shape,), (np.full(shape.size, 0.5),))
        for shape in library_shapes(library(*lines).templates)
    ]


def weights(found):
    """Weight by text of the term, coefficients rounded."""
    return {
        str(term.expression.evalf(4)): round(float(weight), 3)
        for term, weight in zip(found.terms, found.weights, strict=True)
    }


WIDE = library("N0*x0", "N0*x1", "N0*x0**2", "N0*x1**2", "N0*sin(3*x0)", "N0*x0*x1", "N0*exp(x1)")


def test_finds_weights_and_offset():
    x = points()
    y = 2 * x[:, :1] ** 2 - 3 * x[:, :1] * x[:, 1:] + 0.5 * x[:, 1:].exp() + 4
    found = decompose(WIDE, x, y, torch.tensor([[1.0, 0], [0, 1], [1, 1]]))
    assert weights(found) == {"x0**2": 2.0, "x0*x1": -3.0, "exp(x1)": 0.5}
    assert found.offset == pytest.approx(4, abs=1e-4)


def test_finds_a_frequency_between_the_starts():
    x = points()
    y = 5 * (1.2345 * x[:, :1]).cos()
    found = decompose(library("N0*cos(6*U0*x0)"), x, y, torch.eye(2))
    (term,) = found.terms
    assert 6 * abs(term.vector[0]) == pytest.approx(1.2345, abs=1e-4)
    assert found.weights[0] == pytest.approx(5, abs=1e-3)


def test_two_shapes_that_only_together_beat_a_third():
    # x0 and x0**2 together are the target; a shape near their sum is the best single one
    x = torch.linspace(-1, 1, 101)[:, None]
    lines = "N0*x0", "N0*x0**2", "N0*(x0 + 0.9*x0**2 + 0.2*x0**4)", "N0*x0**5", "N0*cos(9*x0)"
    found = decompose(library(*lines), x, x + x**2, torch.ones(2, 1))
    assert weights(found) == {"x0": 1.0, "x0**2": 1.0}


def test_no_more_terms_than_the_target_has():
    x = points()
    found = decompose(WIDE, x, 2 * x[:, :1], torch.ones(4, 2))
    assert weights(found) == {"x0": 2.0}


def test_terms_survive_noise():
    x = points(500)
    y = 2 * x[:, :1] ** 2 + (3 * x[:, :1]).sin()
    noise = torch.randn(y.shape, generator=torch.Generator().manual_seed(1))
    found = decompose(WIDE, x, y + 0.05 * y.std() * noise, torch.ones(4, 2))
    assert set(weights(found)) == {"x0**2", "sin(3*x0)"}


def test_masks_forbid_what_fits_best():
    x = points()
    y = x[:, :1] * x[:, 1:] + 0.1 * x[:, :1] ** 2
    found = decompose(WIDE, x, y, torch.tensor([[1.0, 0.0]]))
    assert len(found.terms) == 1
    assert found.terms[0].variables == {0}


def test_as_many_terms_of_an_input_as_latents_that_see_it():
    x = points()
    y = x[:, :1] ** 2 + (3 * x[:, :1]).sin() + x[:, 1:]
    found = decompose(WIDE, x, y, torch.eye(2))
    assert sorted(map(sorted, (term.variables for term in found.terms))) == [[0], [1]]


def test_is_deterministic():
    x, masks = points(), torch.tensor([[1.0, 0], [1, 1]])
    y = (2 * x[:, :1]).cos() + x[:, :1] * x[:, 1:]
    lines = library("N0*cos(5*U0*x0)", "N0*x0*x1", "N0*sin(5*U0*x0)")
    first, second = (decompose(lines, x, y, masks) for _ in range(2))
    assert str(first.expression) == str(second.expression)


def test_allot_prefers_the_narrower_latent():
    (square,) = terms("N0*x0**2")
    assert allot([square], torch.tensor([[1.0, 1], [1, 0]])).tolist() == [1]


def test_allot_gives_way_where_all_terms_need_it():
    square, line = terms("N0*x0**2", "N0*x0")
    places = allot([square, line], torch.tensor([[1.0, 1], [1, 0], [0, 1]]))
    assert sorted(places.tolist()) == [0, 1]


@pytest.mark.parametrize("masks", [[[1.0, 0.0]], [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]])
def test_allot_says_when_there_is_no_way(masks):
    assert allot(terms("N0*x0", "N0*x1", "N0*x1**2"), torch.tensor(masks)) is None


def test_admits_by_the_inputs_of_a_term():
    found = terms("N0*x0", "N0*x0*x1")
    assert admits(found, torch.tensor([[1.0, 0], [0.5, -1]])).tolist() == [
        [True, True],
        [False, True],
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": torch.ones(20, 1)}, "y is constant"),
        ({"y": torch.full((20, 1), torch.nan)}, "NaN"),
        ({"x": torch.ones(20, 1), "masks": torch.ones(1, 1)}, "d at least 2"),
        ({"masks": torch.ones(2, 3)}, "masks"),
        ({"y": torch.randn(19, 1)}, r"\(19, 1\)"),
    ],
)
def test_bad_input_in_one_sentence(change, message):
    arguments = {"x": points(20), "y": points(20)[:, :1], "masks": torch.eye(2)} | change
    with pytest.raises(InputError, match=message):
        decompose(WIDE, **arguments)


def test_masks_that_let_no_latent_be_a_shape():
    with pytest.raises(InputError, match="no latent sees all the inputs"):
        decompose(library("N0*x0*x1"), points(20), points(20)[:, :1], torch.eye(2))
