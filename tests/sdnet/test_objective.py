"""Objectives, penalty and accuracies: known values, and twins by exhaustive search."""

import math

import pytest
import torch
from torch import Tensor

from sdnet.errors import InputError
from sdnet.objective import (
    BCE,
    OBJECTIVES,
    WASSERSTEIN,
    accuracy,
    auroc,
    best_threshold,
    critic_loss,
    evaluate,
    gradient_norms,
    gradient_penalty,
    margin_accuracy,
    objective_named,
)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def tied(count: int, seed: int, shift: int = 0) -> Tensor:
    """Scores of few different values."""
    return torch.randint(0, 6, (count,), generator=seeded(seed)).float() + shift


# -- objectives -----------------------------------------------------------------------------


@pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES)
def test_slope_is_the_derivative_of_phi(objective):
    # torch's softplus is linear above 20
    margins = torch.linspace(-19, 19, 39, dtype=torch.float64, requires_grad=True)
    (expected,) = torch.autograd.grad(objective.phi(margins).sum(), margins)
    assert torch.allclose(objective.slope_(margins.detach().clone()), expected, rtol=0, atol=1e-12)


def test_bce_is_cross_entropy_of_logits():
    real = torch.randn(50, generator=seeded(0))
    fake = torch.randn(30, generator=seeded(1))
    cross_entropy = torch.nn.functional.binary_cross_entropy_with_logits
    expected = cross_entropy(real, torch.ones(50)) + cross_entropy(fake, torch.zeros(30))
    assert torch.allclose(critic_loss(real, fake), expected)
    assert float(critic_loss(torch.zeros(3), torch.zeros(5))) == pytest.approx(2 * math.log(2))


@pytest.mark.parametrize("margin", [-1e4, 1e4])
def test_bce_of_extreme_scores_stays_finite(margin):
    assert float(BCE.phi(torch.tensor(margin))) == pytest.approx(max(-margin, 0))
    assert float(BCE.slope_(torch.tensor(margin))) == (-1 if margin < 0 else 0)


def test_wasserstein_is_the_difference_of_means():
    assert float(critic_loss(torch.tensor([2.0, 4.0]), torch.tensor([1.0]), WASSERSTEIN)) == -2


def test_loss_of_a_stack_is_that_of_its_members():
    real, fake = torch.randn(3, 5), torch.randn(3, 7)
    for objective in OBJECTIVES.values():
        together = critic_loss(real, fake, objective)
        alone = torch.stack([critic_loss(real[e], fake[e], objective) for e in range(3)])
        assert torch.allclose(together, alone)


@pytest.mark.parametrize("name", ["bce", "BCE", "Bce"])
def test_objectives_are_named_in_any_case(name):
    assert objective_named(name) is BCE


def test_unknown_objective():
    with pytest.raises(InputError, match="loss_fun is 'Waserstein'; did you mean 'wasserstein'"):
        objective_named("Waserstein")


# -- penalty --------------------------------------------------------------------------------


def test_norm_of_a_linear_critic_is_that_of_its_weights():
    weight = torch.tensor([1.0, 2.0, 2.0])
    real, fake = torch.randn(4, 3), torch.randn(4, 3)
    norms = gradient_norms(lambda x: x @ weight - 7, real, fake, torch.rand(4, 1))
    assert norms.tolist() == pytest.approx([3] * 4)
    assert float(gradient_penalty(norms)) == pytest.approx(4)


def test_norm_is_taken_between_fake_and_real_and_over_all_channels():
    # score = sum of squares / 2, whose gradient is the mix itself
    real, fake = torch.ones(3, 2, 2), torch.zeros(3, 2, 2)
    epsilon = torch.tensor([[0.0], [0.25], [1.0]])
    norms = gradient_norms(lambda x: x.square().sum((1, 2)) / 2, real, fake, epsilon).detach()
    assert norms.tolist() == pytest.approx([0, 0.5, 2])  # epsilon sqrt(4)
    assert float(gradient_penalty(norms)) == pytest.approx((1 + 0.25 + 1) / 3)


def test_penalty_is_differentiable_by_weights_also_without_grad_mode():
    weight = torch.tensor([3.0, 4.0], requires_grad=True)
    curves = torch.zeros(2, 2)
    with torch.no_grad():
        norms = gradient_norms(lambda x: x @ weight, curves, curves, torch.rand(2, 1))
    (slope,) = torch.autograd.grad(gradient_penalty(norms), weight)
    # 2 (|w| - 1) w / |w|
    assert slope.tolist() == pytest.approx([8 * 0.6, 8 * 0.8])


def test_penalty_of_a_flat_critic_has_no_nan():
    weight = torch.zeros(2, requires_grad=True)
    curves = torch.ones(3, 2)
    norms = gradient_norms(lambda x: x @ weight, curves, curves, torch.rand(3, 1))
    (slope,) = torch.autograd.grad(gradient_penalty(norms), weight)
    assert norms.tolist() == [0, 0, 0]
    assert slope.tolist() == [0, 0]


# -- accuracies -----------------------------------------------------------------------------


def test_accuracy_weighs_the_sides_alike():
    real, fake = torch.tensor([1.0, 0.0]), torch.tensor([-1.0, 0.0, 0.0, 1.0, 2.0])
    # above 0: 1 of 2 reals; at or below: 3 of 5 fakes
    assert float(accuracy(real, fake)) == pytest.approx((0.5 + 0.6) / 2)
    assert float(accuracy(real, fake, 1.5)) == pytest.approx((0 + 0.8) / 2)


def test_accuracy_of_margins():
    real, fake = torch.randn(4, 6), torch.randn(4, 3)
    fake[0, 0] = real[0, 0] = 0
    margins = torch.cat([real, -fake], dim=1)
    assert torch.allclose(margin_accuracy(margins, 6), accuracy(real, fake))


def pairs(real: Tensor, fake: Tensor) -> float:
    """The definition: each real curve against each fake one."""
    points = [1.0 if r > f else 0.5 if r == f else 0.0 for r in real for f in fake]
    return sum(points) / len(points)


def search(real: Tensor, fake: Tensor) -> float:
    """The best accuracy of any threshold: every distinct way to cut the scores."""
    cuts = [-math.inf, *torch.cat([real, fake]).tolist()]
    return max(float(accuracy(real.double(), fake.double(), cut)) for cut in cuts)


DRAWS = {
    "far apart": (torch.tensor([5.0, 6.0]), torch.tensor([1.0, 2.0])),
    "the wrong way": (torch.tensor([0.0, 1.0]), torch.tensor([2.0, 3.0])),
    "one of each": (torch.tensor([1.0]), torch.tensor([0.0])),
    "one of each, the wrong way": (torch.tensor([0.0]), torch.tensor([1.0])),
    "one of each, equal": (torch.tensor([1.0]), torch.tensor([1.0])),
    "constant": (torch.full((4,), 2.5), torch.full((7,), 2.5)),
    "all below 0": (torch.tensor([-1.0, -3.0]), torch.tensor([-2.0, -4.0, -5.0])),
    "more fakes": (tied(20, 0, shift=1), tied(70, 1)),
    "more reals": (tied(70, 2, shift=2), tied(20, 3)),
    "no ties": (torch.randn(40, generator=seeded(4)) + 1, torch.randn(60, generator=seeded(5))),
    "alike": (torch.randn(50, generator=seeded(6)), torch.randn(50, generator=seeded(7))),
}


@pytest.mark.parametrize(("real", "fake"), DRAWS.values(), ids=DRAWS)
def test_auroc_is_its_definition(real, fake):
    assert auroc(real, fake) == pytest.approx(pairs(real, fake), abs=1e-12)
    assert auroc(real, fake) + auroc(fake, real) == pytest.approx(1)


@pytest.mark.parametrize(("real", "fake"), DRAWS.values(), ids=DRAWS)
def test_best_threshold_is_as_good_as_any(real, fake):
    threshold = best_threshold(real, fake)
    found = float(accuracy(real.double(), fake.double(), threshold))
    assert found == pytest.approx(search(real, fake), abs=1e-12)
    assert found >= 0.5


def test_best_threshold_lies_half_way():
    assert best_threshold(torch.tensor([5.0, 9.0]), torch.tensor([0.0, 2.0])) == 3.5


def test_of_equal_thresholds_the_middle_one():
    # best (3/4) are the cuts at 0.5, 2.5 and 4.5; those between have 1/2
    real, fake = torch.tensor([1.0, 3.0, 5.0, 6.0]), torch.tensor([0.0, 0.0, 2.0, 4.0])
    cuts = {cut: float(accuracy(real, fake, cut)) for cut in (0.5, 1.5, 2.5, 3.5, 4.5, 5.5)}
    assert cuts == {0.5: 0.75, 1.5: 0.625, 2.5: 0.75, 3.5: 0.625, 4.5: 0.75, 5.5: 0.625}
    assert best_threshold(real, fake) == 2.5


def test_evaluate_chooses_on_one_draw_and_judges_another():
    held_out = torch.tensor([10.0, 12.0]), torch.tensor([2.0, 4.0])  # threshold 7
    real, fake = torch.tensor([8.0, 6.0]), torch.tensor([1.0, -3.0, 6.5, 3.0])
    assert evaluate(real, fake, held_out) == {
        "acc": (1 + 0.25) / 2,
        "acc_calibrated": (0.5 + 1) / 2,
        "auroc": 7 / 8,  # 6 is below 6.5
    }
