"""Units that settle over ticks: the one recurrence of all time-averaged networks, and its gradient.

Only the recurrence lives here: what the units are, and what drives them, is the networks' business.
"""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable


def settle(
    drive: Float[Tensor, "ticks b u"], weights: Float[Tensor, "u u"], tau: float
) -> Float[Tensor, "ticks b u"]:
    """The states of recurrent units whose net input is averaged over time.

    state_t = tau (drive_t + a_{t-1} W) + (1 - tau) state_{t-1},   a_t = sigmoid(state_t),

    where a and state are 0 before the first tick. Differentiable once, by drive and weights: the
    gradient is backpropagation through time, written out, since autograd would record every
    operation of every tick (`benchmarks/reading.py`).

    Args:
        drive: what reaches each unit from outside: given input, bias, noise.
        weights: from unit (row) to unit (column).
        tau: in (0, 1]; 1 forgets the previous state.

    >>> settle(torch.ones(3, 1, 1), torch.zeros(1, 1), 0.5).flatten()
    tensor([0.5000, 0.7500, 0.8750])
    """
    return _Settle.apply(drive, weights, tau)


class _Settle(torch.autograd.Function):
    """Three operations a tick in each direction, into storage made once."""

    @staticmethod
    def forward(ctx, drive, weights, tau):
        states = drive * tau  # each tick's drive is overwritten by its state
        activations = torch.empty_like(states)
        weights = weights * tau
        ticks = list(zip(states.unbind(), activations.unbind(), strict=True))
        torch.sigmoid(states[0], out=activations[0])
        for (before, active), (state, activation) in pairwise(ticks):
            state.addmm_(active, weights).add_(before, alpha=1 - tau)
            torch.sigmoid(state, out=activation)
        ctx.save_for_backward(activations, weights)
        ctx.tau = tau
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        # errors[t] = dL/d state_t = gradient[t] + (1 - tau) errors[t + 1]
        #             + (errors[t + 1] tau W') * a_t (1 - a_t)
        activations, weights = ctx.saved_tensors
        errors = gradient.clone(memory_format=torch.contiguous_format)
        slopes = activations * (1 - activations)
        ticks = list(zip(errors.unbind(), slopes.unbind(), strict=True))[::-1]
        for (after, _), (error, slope) in pairwise(ticks):
            error.addcmul_(after @ weights.T, slope).add_(after, alpha=1 - ctx.tau)
        errors *= ctx.tau
        return errors, activations[:-1].flatten(0, 1).T @ errors[1:].flatten(0, 1), None
