"""Penalties against algebra and brute force, and where their gradients are zero or finite."""

import math

import numpy as np
import pytest
import torch

from sdnet.errors import InputError
from srnet.penalties import (
    SD_FUNS,
    Weights,
    activation_l1,
    correlation,
    correlation_entropy,
    mask_entropy,
    mask_groups,
    mask_l1,
    penalty,
    verdict,
)


def randn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("sd_fun", "of"),
    [
        ("linear", lambda s: -s),
        ("sigmoid", lambda s: 1 / (1 + math.exp(s))),
        ("logsigmoid", lambda s: math.log(1 + math.exp(-s))),
    ],
)
def test_verdict(sd_fun, of):
    scores = randn(3, 4)
    expected = [sum(of(s) for s in row) / 4 for row in scores.tolist()]
    assert verdict(scores, sd_fun).tolist() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("sd_fun", SD_FUNS)
def test_verdict_falls_with_the_score_and_stays_finite(sd_fun):
    scores = torch.tensor([[-500.0], [-1.0], [0.0], [1.0]], requires_grad=True)
    values = verdict(scores, sd_fun)
    assert values.isfinite().all()
    assert (values.diff() < 0).all()
    values.sum().backward()
    assert scores.grad.isfinite().all()


def test_unknown_sd_fun():
    with pytest.raises(InputError, match="sd_fun is 'linaer'; did you mean 'linear'"):
        verdict(torch.zeros(2), "linaer")


def test_l1():
    assert activation_l1(
        torch.tensor([[[1.0, -2.0], [3.0, 0.0]], [[0.0, 0.0], [0.0, 8.0]]])
    ).tolist() == [1.5, 2]


def test_mask_entropy():
    """One variable: 0. d alike: log d. Shares 1/4 and 3/4 whatever the sign and scale."""
    mask = torch.tensor([[[0.0, 2.0]], [[-1.0, 1.0]], [[1.0, -3.0]], [[0.0, 0.0]]])
    quarter = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    assert mask_entropy(mask).tolist() == pytest.approx([0, math.log(2), quarter, 0])


def test_mask_norms():
    mask = torch.tensor([[[3.0, 4.0], [0.0, -2.0]], [[0.0, 0.0], [5.0, 12.0]]])
    assert mask_l1(mask).tolist() == [9, 17]
    assert mask_groups(mask).tolist() == [7, 13]


@pytest.mark.parametrize("term", [mask_entropy, mask_l1, mask_groups])
def test_a_mask_of_zeros_has_a_finite_gradient(term):
    mask = torch.tensor([[0.0, 0.0], [1.0, 0.0]], requires_grad=True)
    term(mask).backward()
    assert mask.grad.isfinite().all()


def test_correlation_is_numpys():
    curves, others = randn(2, 3, 50), randn(2, 4, 50, seed=1)
    for member in range(2):
        expected = np.corrcoef(curves[member], others[member])[:3, 3:]
        np.testing.assert_allclose(correlation(curves, others)[member], expected, atol=1e-6)


@pytest.mark.parametrize("scale", [1e-12, 1e12, 1e30])
def test_correlation_ignores_scale_and_shift(scale):
    curves, others = randn(3, 50), randn(4, 50, seed=1)
    expected = correlation(curves, others)
    torch.testing.assert_close(correlation(-scale * curves, others), -expected)
    torch.testing.assert_close(correlation(curves + 3, others), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("constant", [0.0, 0.1, -1e30])
def test_what_is_constant_correlates_with_nothing(constant):
    curves = torch.full((2, 77), constant, requires_grad=True)
    found = correlation(curves, randn(3, 77))
    assert not found.any()
    found.sum().backward()
    assert curves.grad.isfinite().all()


def test_correlation_entropy():
    """Draws at right angles: a latent between two of them is like both by cos^2 of its angle."""
    draws = torch.tensor([[1.0, -1.0, 0.0, 0.0], [0.0, 0.0, 1.0, -1.0]])
    angle = math.radians(30)
    latent = math.cos(angle) * draws[:1] + math.sin(angle) * draws[1:]
    expected = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert float(correlation_entropy(latent, draws)) == pytest.approx(expected, rel=1e-5)
    both = torch.cat([latent, draws[:1]])  # the other latent is one of the draws: half of it
    assert float(correlation_entropy(both, draws)) == pytest.approx(expected / 2, rel=1e-5)
    assert float(correlation_entropy(torch.ones(1, 4), draws)) == 0


def test_the_sum_is_weighed():
    weights = Weights(sd=2.0, sd_fun="sigmoid", l1=3.0, e1=5.0, a1=7.0, a2=11.0, e3=13.0)
    curves, scores, mask, draws = randn(2, 3, 20), randn(2, 3), randn(2, 3, 4), randn(2, 6, 20)
    expected = (
        2 * verdict(scores, "sigmoid")
        + 3 * activation_l1(curves)
        + 5 * mask_entropy(mask)
        + 7 * mask_l1(mask)
        + 11 * mask_groups(mask)
        + 13 * correlation_entropy(curves, draws)
    )
    torch.testing.assert_close(penalty(weights, curves, scores, mask, draws), expected)
    assert not penalty(Weights(), curves).any()
