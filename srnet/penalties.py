"""What is added to a generator's squared error: pure functions, one number for each member.

The critic's verdict on the latents, what keeps latents and input masks small or few, and how
undecided a latent's likeness to the library is. Of a stack of E generators the numbers are (E,).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid

from sdnet.errors import InputError, nearest

SD_FUNS = {
    "linear": torch.neg,
    "sigmoid": lambda score: torch.sigmoid(-score),
    "logsigmoid": lambda score: -logsigmoid(score),
}


@dataclass(frozen=True)
class Weights:
    """What each penalty weighs in a generator's loss; 0 leaves it out."""

    sd: float = 0.0
    sd_fun: str = "linear"
    l1: float = 0.0
    e1: float = 0.0
    a1: float = 0.0
    a2: float = 0.0
    e3: float = 0.0

    @property
    def of_masks(self) -> bool:
        """Whether the input masks are asked for."""
        return bool(self.e1 or self.a1 or self.a2)


def penalty(
    weights: Weights,
    curves: Float[Tensor, "*stack k n"],
    scores: Float[Tensor, "*stack k"] | None = None,
    mask: Float[Tensor, "*stack k d"] | None = None,
    draws: Float[Tensor, "*stack m n"] | None = None,
) -> Float[Tensor, "*stack"]:
    """The weighted sum of the terms below; what a term of weight 0 would need may be None.

    >>> penalty(Weights(sd=0.5, l1=2.0), torch.ones(1, 4), scores=torch.tensor([3.0]))
    tensor(0.5000)
    """
    total = curves.new_zeros(curves.shape[:-2])
    if weights.sd:
        total = total + weights.sd * verdict(scores, weights.sd_fun)
    if weights.l1:
        total = total + weights.l1 * activation_l1(curves)
    for weight, term in (
        (weights.e1, mask_entropy),
        (weights.a1, mask_l1),
        (weights.a2, mask_groups),
    ):
        if weight:
            total = total + weight * term(mask)
    if weights.e3:
        total = total + weights.e3 * correlation_entropy(curves, draws)
    return total


def verdict(scores: Float[Tensor, "*stack k"], sd_fun: str = "linear") -> Float[Tensor, "*stack"]:
    """mean_i f(score_i) over the latents, low where the critic takes them for real.

    f(s) is -s for `sd_fun` "linear", sigmoid(-s) for "sigmoid", -log sigmoid(s) for "logsigmoid".

    Raises:
        InputError: an unknown `sd_fun`.

    >>> verdict(torch.tensor([1.0, 3.0])), verdict(torch.zeros(2), "sigmoid")
    (tensor(-2.), tensor(0.5000))
    """
    if sd_fun not in SD_FUNS:
        raise InputError(f"sd_fun is {sd_fun!r}; {nearest(str(sd_fun), SD_FUNS)}")
    return SD_FUNS[sd_fun](scores).mean(-1)


def activation_l1(curves: Float[Tensor, "*stack k n"]) -> Float[Tensor, "*stack"]:
    """l1: mean |z| over the latents and points.

    >>> activation_l1(torch.tensor([[1.0, -3.0]]))
    tensor(2.)
    """
    return curves.abs().mean((-2, -1))


def mask_entropy(mask: Float[Tensor, "*stack k d"]) -> Float[Tensor, "*stack"]:
    """e1: mean_i H(p_i), p_ij = |m_ij| / sum_j |m_ij|: 0 where each unit sees one variable.

    H(p) = -sum_j p_j log p_j, at most log d. A unit that sees nothing counts as 0.

    >>> mask_entropy(torch.tensor([[1.0, 1.0], [0.0, 2.0]])).exp()    # log 2 and 0
    tensor(1.4142)
    """
    return _entropy(mask.abs()).mean(-1)


def mask_l1(mask: Float[Tensor, "*stack k d"]) -> Float[Tensor, "*stack"]:
    """a1: sum_ij |m_ij|, which switches single inputs of single units off.

    >>> mask_l1(torch.tensor([[3.0, -4.0], [0.0, 0.0]]))
    tensor(7.)
    """
    return mask.abs().sum((-2, -1))


def mask_groups(mask: Float[Tensor, "*stack k d"]) -> Float[Tensor, "*stack"]:
    """a2: sum_i |m_i|_2 over the rows, which switches whole units off (Yuan and Lin 2006).

    Its gradient at a row of zeros is taken as 0.

    >>> mask_groups(torch.tensor([[3.0, -4.0], [0.0, 0.0]]))
    tensor(5.)
    """
    return torch.linalg.vector_norm(mask, dim=-1).sum(-1)


def correlation(
    curves: Float[Tensor, "*stack k n"], others: Float[Tensor, "*others m n"]
) -> Float[Tensor, "*both k m"]:
    """The correlation over the points of each curve with each other one, in [-1, 1].

    A constant curve correlates with nothing: 0.

    >>> others = torch.tensor([[3.0, 1.0, -1.0], [7.0, 7.0, 7.0]])
    >>> correlation(torch.tensor([[0.0, 1.0, 2.0]]), others).round(decimals=5)
    tensor([[-1.,  0.]])
    """
    return _standard(curves) @ _standard(others).mT


def correlation_entropy(
    curves: Float[Tensor, "*stack k n"], draws: Float[Tensor, "*stack m n"]
) -> Float[Tensor, "*stack"]:
    """e3: mean_i H(p_i), p_ij = r_ij^2 / sum_j r_ij^2, r_ij the correlation of latent i and draw j.

    0 where each latent is like one draw only, at most log m; a constant latent counts as 0.

    >>> curves = torch.tensor([[1.0, -1.0, 0.0, 0.0]])
    >>> correlation_entropy(curves, torch.tensor([[2.0, -2.0, 0.0, 0.0], [0.0, 0.0, 1.0, -1.0]]))
    tensor(0.)
    """
    return _entropy(correlation(curves, draws).square()).mean(-1)


def _standard(curves: Tensor) -> Tensor:
    """Curves less their mean, of length 1; what is constant but for rounding is 0.

    The length is that of an already scaled curve, so that no size of curve over- or underflows.
    """
    centred = curves - curves.mean(-1, keepdim=True)
    size = centred.abs().amax(-1, keepdim=True)
    noise = curves.abs().amax(-1, keepdim=True) * 8 * torch.finfo(curves.dtype).eps
    constant = size <= noise
    scaled = centred / size.masked_fill(constant, 1)
    return torch.nn.functional.normalize(scaled.masked_fill(constant, 0), dim=-1)


def _entropy(weights: Tensor) -> Tensor:
    """-sum p log p over the last axis of weights >= 0, scaled to sum to 1; 0 log 0 = 0."""
    total = weights.sum(-1, keepdim=True)
    shares = weights / total.masked_fill(total == 0, 1)
    return -(shares * shares.clamp_min(torch.finfo(shares.dtype).tiny).log()).sum(-1)
