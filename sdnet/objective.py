"""What a critic is trained to do, and how well it does it: objectives, penalty, accuracies.

Scores are positive for real. Both objectives are sums over the two sides of a function of the
*margin*, the score of a real curve and minus the score of a fake one:

    L = mean_real phi(score) + mean_fake phi(-score)
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sdnet.errors import InputError, nearest


@dataclass(frozen=True)
class Objective:
    """phi(margin) and its derivative, `slope_`, which is put in the margins' place.

    >>> BCE.phi(torch.zeros(1)).exp(), BCE.slope_(torch.zeros(1))
    (tensor([2.]), tensor([-0.5000]))
    """

    phi: Callable[[Tensor], Tensor]
    slope_: Callable[[Tensor], Tensor]


BCE = Objective(lambda m: torch.nn.functional.softplus(-m), lambda m: m.neg_().sigmoid_().neg_())
"""Binary cross-entropy of logits, phi(m) = log(1 + exp(-m)) (Goodfellow et al. 2014)."""

WASSERSTEIN = Objective(torch.neg, lambda m: m.fill_(-1.0))
"""Minus the estimated earth mover's distance, phi(m) = -m (Arjovsky et al. 2017)."""

OBJECTIVES = {"bce": BCE, "wasserstein": WASSERSTEIN}


def objective_named(name: str) -> Objective:
    """The objective of a `loss_fun`, in any case.

    Raises:
        InputError: the name is not one of `OBJECTIVES`.

    >>> objective_named("Wasserstein") is WASSERSTEIN
    True
    """
    if str(name).lower() not in OBJECTIVES:
        raise InputError(f"loss_fun is {name!r}; {nearest(str(name).lower(), OBJECTIVES)}")
    return OBJECTIVES[name.lower()]


def critic_loss(
    real: Float[Tensor, "*stack b"], fake: Float[Tensor, "*stack c"], objective: Objective = BCE
) -> Float[Tensor, "*stack"]:
    """mean phi(real) + mean phi(-fake), over the curves of each side.

    >>> critic_loss(torch.tensor([2.0, 4.0]), torch.tensor([1.0]), WASSERSTEIN)
    tensor(-2.)
    """
    return objective.phi(real).mean(-1) + objective.phi(-fake).mean(-1)


def gradient_norms(
    critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, epsilon: Tensor
) -> Float[Tensor, "b"]:
    """|grad score(x)| at x = epsilon real + (1 - epsilon) fake, one for each pair of curves.

    The norm runs over every point and channel of a curve. It is differentiable by the critic's
    weights, for any critic, by autograd's double backward; a dense critic has the shorter way
    of `sdnet.gradients`.

    Args:
        critic: curves (b, n) or (b, n, c) -> scores (b,).
        real, fake: b curves each.
        epsilon: (b, 1), in [0, 1]: one number a curve.

    >>> weight = torch.tensor([[3.0], [4.0]])       # the gradient is (3, 4) everywhere
    >>> curves = torch.zeros(2, 2)
    >>> gradient_norms(lambda x: (x @ weight)[:, 0], curves, curves, torch.rand(2, 1)).tolist()
    [5.0, 5.0]
    """
    epsilon = epsilon.reshape(-1, *[1] * (real.dim() - 1))
    mix = torch.lerp(fake.detach(), real.detach(), epsilon).requires_grad_()
    with torch.enable_grad():
        (slope,) = torch.autograd.grad(critic(mix).sum(), mix, create_graph=True)
        return slope.flatten(1).norm(dim=1)


def gradient_penalty(norms: Float[Tensor, "*stack b"]) -> Float[Tensor, "*stack"]:
    """mean (|grad score| - 1)^2 over a batch of pairs (Gulrajani et al. 2017).

    >>> gradient_penalty(torch.tensor([5.0, 1.0]))
    tensor(8.)
    """
    return (norms - 1).square().mean(-1)


def accuracy(
    real: Float[Tensor, "*stack b"], fake: Float[Tensor, "*stack c"], threshold: float | Tensor = 0
) -> Float[Tensor, "*stack"]:
    """The mean of the two sides' shares on the right side of the threshold, in [0, 1].

    Real is right above the threshold, fake at or below it. Shares are taken in float64, so that
    4 of 5 is 0.8.

    >>> float(accuracy(torch.tensor([1.0, -1.0]), torch.tensor([-1.0, -2.0])))
    0.75
    """
    return ((real > threshold).double().mean(-1) + (fake <= threshold).double().mean(-1)) / 2


def margin_accuracy(margins: Float[Tensor, "*batch m"], count: int) -> Float[Tensor, "*batch"]:
    """`accuracy` at 0 from margins, of which the first `count` are of real curves.

    >>> float(margin_accuracy(torch.tensor([1.0, -1.0, 1.0, 2.0]), count=2))
    0.75
    """
    return accuracy(margins[..., :count], -margins[..., count:])


def auroc(real: Float[Tensor, "b"], fake: Float[Tensor, "c"]) -> float:
    """P(real score > fake score) + P(equal) / 2: the area under the ROC curve, in [0, 1].

    >>> auroc(torch.tensor([3.0, 1.0]), torch.tensor([1.0, 0.0]))
    0.875
    """
    ordered = fake.sort().values
    below = torch.searchsorted(ordered, real, right=False)
    not_above = torch.searchsorted(ordered, real, right=True)
    return float((below + not_above).double().mean() / (2 * len(fake)))


def best_threshold(real: Float[Tensor, "b"], fake: Float[Tensor, "c"]) -> float:
    """The threshold of the highest `accuracy`; of equals, the one in the middle.

    Candidates lie half-way between neighbouring scores; where none of them does better than
    calling every curve fake, it is the highest score. Choose it on one draw, use it on another.

    >>> best_threshold(torch.tensor([5.0, 6.0]), torch.tensor([1.0, 2.0]))
    3.5
    """
    scores, order = torch.cat([real, fake]).double().sort()
    is_real = order < len(real)
    # below each candidate: fakes are right, reals are wrong
    gain = torch.where(is_real, -1 / len(real), 1 / len(fake)).double().cumsum(0)[:-1]
    gain = torch.where(_distinct(scores), gain, -torch.inf)
    if not len(gain) or gain.max() < 0:
        return float(scores[-1])
    best = (gain >= gain.max() - 1e-12).nonzero()[:, 0]
    middle = best[(len(best) - 1) // 2]
    return float((scores[middle] + scores[middle + 1]) / 2)


def _distinct(scores: Float[Tensor, "m"]) -> Bool[Tensor, "m-1"]:
    return scores[1:] > scores[:-1]


def evaluate(
    real: Float[Tensor, "b"],
    fake: Float[Tensor, "c"],
    held_out: tuple[Tensor, Tensor],
) -> dict[str, float]:
    """`acc` at 0, `auroc`, and `acc_calibrated`: at the best threshold of a held-out draw.

    Args:
        real, fake: the scores of the draw that is judged.
        held_out: (real, fake) scores of another draw, on which the threshold is chosen.

    >>> evaluate(torch.tensor([5.0, 6.0]), torch.tensor([1.0, 4.0]),
    ...          held_out=(torch.tensor([6.0]), torch.tensor([2.0])))
    {'acc': 0.5, 'acc_calibrated': 1.0, 'auroc': 1.0}
    """
    threshold = best_threshold(*held_out)
    return {
        "acc": float(accuracy(real, fake)),
        "acc_calibrated": float(accuracy(real, fake, threshold)),
        "auroc": auroc(real, fake),
    }
