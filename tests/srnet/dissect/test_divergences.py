"""Divergences and entropies, against their formulas in another library and closed forms."""

import math

import pytest
import torch
from scipy.special import rel_entr
from scipy.stats import entropy

from sdnet.errors import InputError
from srnet.dissect.divergences import (
    cross_entropy_of,
    entropy_of,
    kl_divergence,
    log_probabilities,
    right,
)

LOGITS = torch.randn(5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
OTHER = torch.randn(5, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_kl_is_that_of_the_first_relative_to_the_second():
    """A mistake in circulation: `kl_div` with its arguments the other way round."""
    p, q = log_probabilities(LOGITS), log_probabilities(OTHER)
    expected = rel_entr(p.exp().numpy(), q.exp().numpy()).sum(0)
    assert torch.allclose(kl_divergence(p, q), torch.tensor(expected))
    bernoulli = torch.tensor([[0.5], [0.5]]).log(), torch.tensor([[0.9], [0.1]]).log()
    forward = 0.5 * math.log(0.5 / 0.9) + 0.5 * math.log(0.5 / 0.1)
    reverse = 0.9 * math.log(0.9 / 0.5) + 0.1 * math.log(0.1 / 0.5)
    assert kl_divergence(*bernoulli).item() == pytest.approx(forward)
    assert kl_divergence(*bernoulli[::-1]).item() == pytest.approx(reverse)
    assert kl_divergence(p, p).abs().max() == 0


def test_it_is_finite_for_logits_of_any_size():
    sure = torch.tensor([[1000.0, 0.0], [0.0, 1000.0]])
    p, q = log_probabilities(sure[:1]), log_probabilities(sure[1:])
    assert kl_divergence(p, q).item() == 1000
    assert entropy_of(p).item() == 0


def test_entropy_and_loss():
    p = log_probabilities(LOGITS)
    assert torch.allclose(entropy_of(p), torch.tensor(entropy(p.exp().numpy())))
    assert entropy_of(log_probabilities(torch.zeros(1, 8))).item() == pytest.approx(math.log(8))
    y = torch.tensor([0, 3, 1, 1, 2])
    expected = torch.nn.functional.cross_entropy(LOGITS, y, reduction="none")
    assert torch.allclose(cross_entropy_of(p, y), expected)
    stacked = torch.stack([p, log_probabilities(OTHER)], 1)
    assert torch.allclose(cross_entropy_of(stacked, y)[0], expected)


def test_right_is_to_be_more_likely_than_all_others():
    logits = torch.tensor([[0.0, 1, 2], [0, 3, 2], [1, 1, 0], [0, 0, 0]])
    p = log_probabilities(logits)
    assert right(p, torch.tensor([2, 2, 0, 0])).tolist() == [1, 0, 0, 0]  # ties are not
    assert right(p[:, None], torch.tensor([2, 1, 2, 1])).tolist() == [[1, 1, 0, 0]]


def test_one_logit_is_of_class_1_against_0():
    z = torch.tensor([0.3, -2.0])
    for output in (z, z[:, None]):
        found = log_probabilities(output, "logit").exp()
        assert torch.allclose(found, torch.stack([1 - z.sigmoid(), z.sigmoid()]))


@pytest.mark.parametrize(
    ("output", "reading", "told"),
    [
        (torch.zeros(5, 1), "classes", r"gives \(5, 1\); expected logits .*reading='logit'"),
        (torch.zeros(5), "classes", "reading='logit' is for one"),
        (torch.zeros(5, 3, 2), "classes", r"gives \(5, 3, 2\); expected logits \(n, classes\)"),
        (torch.zeros(5, 2), "logit", r"gives \(5, 2\); expected one logit"),
    ],
)
def test_outputs_of_another_shape(output, reading, told):
    with pytest.raises(InputError, match=told):
        log_probabilities(output, reading)
