"""How far one output of a network is from another: divergences, entropies, losses.

Outputs are taken as distributions over classes, as log-probabilities with the classes first: torch
sums and exponentiates over a short last axis several times slower than over a first one. All
figures are in nats and for each example; means and sums are the caller's.
"""

from typing import Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sdnet.errors import InputError, nearest

Reading = Literal["classes", "logit"]
"""What a network gives: the logits (n, classes), or the one logit of class 1 against 0."""


def log_probabilities(output: object, reading: Reading = "classes") -> Float[Tensor, "classes n"]:
    """log softmax of a network's output (n, classes), the classes first.

    Of the one logit z, (n,) or (n, 1), it is that of (0, z). In float32 at least.

    Raises:
        InputError: an output of another shape, or no tensor.

    >>> log_probabilities(torch.tensor([0.0]), "logit").exp()
    tensor([[0.5000],
            [0.5000]])
    """
    if reading not in get_args(Reading):
        raise InputError(f"reading is {reading!r}; {nearest(str(reading), get_args(Reading))}")
    if not isinstance(output, Tensor):
        raise InputError(
            f"the network gives a {type(output).__name__}; expected a tensor of logits"
        )
    shape, single = tuple(output.shape), output.shape[1:] in ((), (1,))
    wide = torch.promote_types(output.dtype, torch.float32)
    if reading == "logit":
        if not single:
            raise InputError(f"the network gives {shape}; expected one logit (n,) or (n, 1)")
        z = output.flatten()
        return torch.stack([torch.zeros_like(z), z]).log_softmax(0, wide)
    if output.dim() != 2 or single:
        hint = "; reading='logit' is for one" if single else ""
        raise InputError(f"the network gives {shape}; expected logits (n, classes){hint}")
    return output.mT.contiguous().log_softmax(0, wide)


def kl_divergence(
    log_p: Float[Tensor, "classes *#n"], log_q: Float[Tensor, "classes *#n"]
) -> Float[Tensor, "*m"]:
    """KL(p || q) = sum_c p_c (log p_c - log q_c), which is 0 only where p is q.

    The arguments stand as in the formula; `torch.nn.functional.kl_div(input, target)` computes
    KL(target || input).

    >>> p, q = torch.tensor([0.5, 0.5]).log(), torch.tensor([0.25, 0.75]).log()
    >>> kl_divergence(p, q).item()  # log(4 / 3) / 2
    0.1438410...
    """
    return (log_p.exp() * (log_p - log_q)).sum(0)


def entropy_of(log_p: Float[Tensor, "classes *n"]) -> Float[Tensor, "*n"]:
    """H(p) = -sum_c p_c log p_c, from 0 to log(classes).

    >>> entropy_of(torch.tensor([0.25, 0.75]).log()).item()
    0.5623351...
    """
    return -(log_p.exp() * log_p).sum(0)


def cross_entropy_of(
    log_p: Float[Tensor, "classes *k n"], y: Int[Tensor, " n"]
) -> Float[Tensor, "*k n"]:
    """-log p_y, the loss of each example: (classes, ..., n) and y (n,) -> (..., n)."""
    index = y.expand(1, *log_p.shape[1:])
    return -log_p.gather(0, index).squeeze(0)


def right(log_p: Float[Tensor, "classes *k n"], y: Int[Tensor, " n"]) -> Int[Tensor, "*k n"]:
    """1 where the true class is more likely than every other, else 0: a tie is not right."""
    index = y.expand(1, *log_p.shape[1:])
    others = log_p.scatter(0, index, -torch.inf).amax(0)
    return (log_p.gather(0, index).squeeze(0) > others).long()
