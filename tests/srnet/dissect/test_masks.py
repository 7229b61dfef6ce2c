"""Masks over units: what a sample is, its distribution, its gradient, its penalty."""

import pytest
import torch

from sdnet.errors import InputError
from srnet.dissect.masks import GumbelSigmoidMask, apply_masks


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def mask_of(logits, **settings):
    mask = GumbelSigmoidMask(len(logits), generator=seeded(), **settings)
    with torch.no_grad():
        mask.logits.copy_(torch.tensor(logits))
    return mask


@pytest.mark.parametrize("temperature", [0.1, 0.5, 3.0])
def test_samples_keep_a_unit_with_the_sigmoid_of_its_logit_at_any_temperature(temperature):
    logits = [-3.0, -1.0, 0.0, 2.0]
    samples = mask_of(logits, temperature=temperature, num_mask_samples=20_000).sample()
    expected = torch.tensor(logits).sigmoid()
    deviation = (expected * (1 - expected) / 20_000).sqrt()
    assert ((samples.mean(0) - expected).abs() < 4 * deviation).all()


def test_samples_are_exactly_0_or_1_and_units_independent():
    samples = mask_of([-1.0] * 3 + [1.3] * 3, num_mask_samples=20_000).sample().detach()
    assert set(samples.unique().tolist()) == {0.0, 1.0}
    assert (torch.corrcoef(samples.T) - torch.eye(6)).abs().max() < 0.04


def test_the_gradient_is_that_of_the_relaxed_sample():
    """d(sum of c m)/dl = sum of c s (1 - s) / temperature, s from the same draws."""
    logits, temperature, c = [-1.0, 0.5, 2.0], 0.7, torch.tensor([[1.0, -2.0, 3.0]])
    mask = mask_of(logits, temperature=temperature, num_mask_samples=4)
    (c * mask.sample()).sum().backward()
    uniform = torch.rand(4, 3, generator=seeded()).double()
    noise = (uniform / (1 - uniform)).log()
    soft = torch.sigmoid((torch.tensor(logits).double() + noise) / temperature)
    expected = (c * soft * (1 - soft) / temperature).sum(0)
    torch.testing.assert_close(mask.logits.grad, expected.float())


@pytest.mark.parametrize("count", [1, 3, 7, 8, 16, 21])
def test_any_batch_size_takes_the_masks_in_turn(count):
    mask = mask_of([0.0] * 50, num_mask_samples=8)
    masked = mask(torch.ones(count, 50)).detach()
    for i in range(count):
        assert torch.equal(masked[i], masked[i % 8])
    assert len(masked.unique(dim=0)) == min(count, 8)


def test_an_empty_batch_stays_empty():
    assert mask_of([0.0] * 5)(torch.ones(0, 5)).shape == (0, 5)


def test_evaluation_draws_nothing_and_keeps_the_likelier_value():
    mask = mask_of([2.0, -0.1, 0.1]).eval()
    before = mask.generator.get_state()
    for _ in range(2):
        assert mask(torch.ones(1, 3)).tolist() == [[1.0, 0.0, 1.0]]
    assert torch.equal(mask.generator.get_state(), before)
    assert mask.kept.tolist() == [True, False, True]


def test_the_penalty_is_bounded_and_leaves_idle_logits_alone():
    mask = mask_of([-1e4, -50.0, 50.0, 1e4])
    expected = mask.expected_kept()
    expected.backward()
    assert expected.item() == pytest.approx(2.0)
    assert mask.logits.grad.abs().max() < 1e-20


@pytest.mark.parametrize("keep", [0.01, 0.5, 0.9])
def test_the_penalty_begins_at_the_initial_probability(keep):
    assert GumbelSigmoidMask(10, initial_keep_prob=keep).expected_kept().item() == pytest.approx(
        10 * keep, rel=1e-5
    )


def test_the_same_generator_gives_the_same_masks_and_the_global_one_is_untouched():
    state = torch.get_rng_state()
    a, b = (mask_of([0.0] * 20).sample() for _ in range(2))
    assert torch.equal(a, b)
    assert torch.equal(torch.get_rng_state(), state)


def test_extreme_draws_give_no_infinite_gradient(monkeypatch):
    edges = torch.tensor([[0.0, 1 - 2**-24]])
    monkeypatch.setattr(torch, "rand", lambda *_, **__: edges.clone())
    mask = mask_of([0.0, 0.0], num_mask_samples=1)
    sample = mask.sample()
    sample.sum().backward()
    assert sample.tolist() == [[0.0, 1.0]]
    assert mask.logits.grad.isfinite().all()


def test_masks_of_images_have_units_last_and_the_input_is_not_written_to():
    acts = torch.rand(4, 3, 3, 2, dtype=torch.float64).transpose(1, 2)
    before = acts.clone()
    masked = apply_masks(acts, torch.tensor([[1, 0], [0, 1]]))
    assert torch.equal(acts, before)
    for i in range(4):
        kept = i % 2
        assert torch.equal(masked[i, ..., kept], acts[i, ..., kept])
        assert (masked[i, ..., 1 - kept] == 0).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"initial_keep_prob": 1.0}, "initial_keep_prob is 1.0"),
        ({"initial_keep_prob": float("nan")}, "initial_keep_prob is nan"),
        ({"temperature": 0.0}, "temperature is 0.0"),
        ({"num_mask_samples": 0}, "num_mask_samples 0"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(InputError, match=message):
        GumbelSigmoidMask(3, **settings)


def test_activations_of_another_width():
    with pytest.raises(InputError, match=r"shape \(2, 4\); expected \(examples, ..., 3\)"):
        GumbelSigmoidMask(3)(torch.ones(2, 4))
