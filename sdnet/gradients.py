"""The gradient of a dense critic's loss and penalty, without autograd.

For a ReLU network, the gradient of the score by its input is an explicit chain of products, and
so is the derivative of that chain by the weights. Per curve, with h_l the input of layer l + 1,
M_l = (h_l > 0) and W_1 .. W_L the weights:

    score     h_l = (h_{l-1} W_l + b_l) * M_l                    forward
    delta     d_{l-1} = (d_l W_l^T) * M_{l-1}                    backward, d_L = dL/dscore
    gradient  u_{l-1} = (u_l W_l^T) * M_{l-1},  u_L = 1          the same recursion; g = u_0
    penalty   P = (|g| - 1)^2,  v_0 = dP/dg
    tangent   v_l = (v_{l-1} W_l) * M_l                          forward again, linear

    dL/dW_l = h_{l-1}^T d_l          dP/dW_l = v_{l-1}^T u_l          dP/db_l = 0

(M is constant almost everywhere.) Deltas and gradients run through the layers in one product,
as further rows of the same matrix, and so do the two terms of each weight's gradient. An
embedding network is more layers of the same chain, with a point a row instead of a curve.

All buffers and views are made once for a shape of curves: the products of a small critic take
so little time that allocating and slicing would double it.

A member of a stack gets the bits that it would get alone: `sdnet.products` sees to it that products
are rounded alike, and the margins whose slopes are taken stand apart in memory, as kernels round
the end of a run of numbers otherwise; the other sums and kernels here do so by themselves.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise

import torch
from torch import Tensor

from sdnet.mlp import MLP
from sdnet.objective import BCE, Objective
from sdnet.products import product

# (grad, h, 0, grad_input=out): out = grad * (h > 0) in one pass; out may be grad or h itself
_mask = torch.ops.aten.threshold_backward.grad_input


@dataclass
class _Layer:
    """One linear layer, its buffers and its views; "mixed" rows are those of the penalty."""

    weight: Tensor
    bias: Tensor
    weight_grad: Tensor
    bias_grad: Tensor
    relu: bool  # whether one follows: not after a network's last layer
    x: Tensor  # (*stack, rows, in), the output of the layer before, reshaped
    x_mixed: Tensor
    delta_x: Tensor | None  # the delta of the layer before, reshaped; none before the first
    z: Tensor  # (*stack, rows, out)
    delta: Tensor
    delta_scored: Tensor
    delta_mixed: Tensor
    tangent: Tensor  # (*stack, mixed rows, out)
    tangent_before: Tensor | None  # that of the layer before, reshaped

    def __post_init__(self):
        weight_t = self.weight.mT
        self.affine = product(self.x, self.weight, self.z, self.bias)
        self.slope = product(self.delta_mixed, weight_t, self.x_mixed)
        if self.delta_x is not None:
            self.backward = product(self.delta, weight_t, self.delta_x)
        self.onward = product(self.x_mixed, self.weight, self.tangent)
        self.gather = product(self.x.mT, self.delta, self.weight_grad)

    def first(self, count: int) -> "_Layer":
        """The same buffers, for the first `count` members of the stack."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return _Layer(
            **{name: v[:count] if isinstance(v, Tensor) else v for name, v in values.items()}
        )


def _layers(networks: Sequence[MLP], curves: Tensor, scored: int, total: int) -> list[_Layer]:
    layers, before, delta_before, tangent_before = [], curves, None, None
    for network in networks:
        last = len(network.weights) - 1
        for i, (weight, bias) in enumerate(network.layers()):
            x = before.view(*network.stack, -1, weight.shape[-2])
            rows = x.shape[-2]
            first = rows // total * scored  # a curve is one row, or one row a point
            x_mixed = x.narrow(-2, first, rows - first)
            z, delta = x.new_empty(2, *x.shape[:-1], weight.shape[-1])
            tangent = x.new_empty(*x_mixed.shape[:-1], weight.shape[-1])
            layers.append(
                _Layer(
                    weight=weight.detach(),
                    bias=bias.detach().unsqueeze(-2),
                    weight_grad=torch.empty_like(weight, requires_grad=False),
                    bias_grad=torch.empty_like(bias, requires_grad=False),
                    relu=i < last,
                    x=x,
                    x_mixed=x_mixed,
                    delta_x=None if delta_before is None else delta_before.view(x.shape),
                    z=z,
                    delta=delta,
                    delta_scored=delta.narrow(-2, 0, first),
                    delta_mixed=delta.narrow(-2, first, rows - first),
                    tangent=tangent,
                    tangent_before=None
                    if tangent_before is None
                    else tangent_before.view(x_mixed.shape),
                )
            )
            before, delta_before, tangent_before = z, delta, tangent
    return layers


class DenseGradients:
    """The loss gradient of stacked MLPs in a row (embedding, critic), for one shape of curves.

    It reads the networks' parameters in place, so it stays true while they are trained, but not
    after they have been moved to another device or dtype.

    Args:
        networks: MLPs of one stack, () or (E,), in the order in which they are applied; the
            last has one output. Rows are reshaped to fit between them.
        real, fake: shapes (*stack, b, n) or (*stack, b, n, c); with a penalty, as many curves each.
        objective: L is the sum of its means over the two sides.
        gp: weight of the penalty, one number or (*stack,); 0 leaves the penalty out.

    >>> critic = MLP(4, 1, hid_num=1, hid_size=8)
    >>> real, fake = torch.rand(5, 4), torch.rand(5, 4)
    >>> dense = DenseGradients([critic], real.shape, fake.shape, gp=0.1)
    >>> margins, norms = dense(real, fake, epsilon=torch.rand(5, 1))
    >>> margins.shape, norms.shape, critic.weights[0].grad.shape
    (torch.Size([10]), torch.Size([5]), torch.Size([4, 8]))
    """

    def __init__(
        self,
        networks: Sequence[MLP],
        real: Sequence[int],
        fake: Sequence[int],
        objective: Objective = BCE,
        gp: float | Tensor = 0.0,
    ):
        stack = networks[0].stack
        axis = len(stack)
        self.objective = objective
        self.penalised = bool(torch.as_tensor(gp).any())
        count, other = real[axis], fake[axis]
        scored = count + other
        total = scored + count * self.penalised
        curves = networks[0].weights[0].new_empty(*stack, total, *real[axis + 1 :])
        self.real = curves.narrow(axis, 0, count)
        self.fake = curves.narrow(axis, count, other)
        self.mixed = curves.narrow(axis, scored, total - scored)
        self.mixed_curves = self.mixed.flatten(axis + 1)
        self.layers = _layers(networks, curves, scored, total)
        self.pairs = list(pairwise(self.layers))
        both = zip((p for net in networks for p in net.layers()), self.layers, strict=True)
        self.owners = [(weight, bias, layer) for (weight, bias), layer in both]

        last = self.layers[-1]
        last.delta.fill_(1)  # the mixed rows' seeds; the scored rows' are written at each call
        self.scores = last.z.narrow(-2, 0, scored).squeeze(-1)
        self.seeds = last.delta_scored.squeeze(-1)
        self.signs = curves.new_tensor([1.0] * count + [-1.0] * other)
        self.shares = curves.new_tensor([1 / count] * count + [-1 / other] * other)
        self.margins = curves.new_empty(*stack, scored + 1).narrow(-1, 0, scored)
        weights = torch.as_tensor(gp, dtype=curves.dtype, device=curves.device)
        self.penalty_share = weights.unsqueeze(-1) * (2 / count)

    def member(self, number: int | slice) -> list[tuple[Tensor, Tensor, Tensor, Tensor]]:
        """A stack member's weight, bias and their gradients, of each layer, as parts of these.

        A slice is of several members, which keep their axis.
        """
        e = number
        return [(x.weight[e], x.bias[e, 0], x.weight_grad[e], x.bias_grad[e]) for x in self.layers]

    def first(self, count: int) -> "DenseGradients":
        """The same for the first `count` members of a stack alone, in the same buffers.

        The others' gradients stay as they are.
        """
        few = copy.copy(self)
        few.layers = [layer.first(count) for layer in self.layers]
        few.pairs = list(pairwise(few.layers))
        few.owners = []
        for name in ("real", "fake", "mixed", "mixed_curves", "scores", "seeds", "margins"):
            setattr(few, name, getattr(self, name)[:count])
        if self.penalty_share.dim() > 1:
            few.penalty_share = self.penalty_share[:count]
        return few

    @torch.no_grad()
    def __call__(
        self, real: Tensor, fake: Tensor, epsilon: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Put d(L + gp P)/dweight into every parameter's `.grad`, for each member of the stack.

        Args:
            real, fake: curves of the two shapes.
            epsilon: (*stack, b, 1) in [0, 1], where between fake and real each pair's penalty
                is taken; (*stack, b, 1, 1) for curves of channels. Needed with a penalty only.

        Returns:
            margins (*stack, b_real + b_fake), real first; norms |g| (*stack, b), or None.
        """
        self.real.copy_(real)
        self.fake.copy_(fake)
        if self.penalised:
            torch.lerp(fake, real, epsilon, out=self.mixed)
        for layer in self.layers:
            layer.affine()
            if layer.relu:
                layer.z.relu_()
        margins = self.scores * self.signs
        slopes = self.objective.slope_(self.margins.copy_(margins))
        torch.mul(slopes, self.shares, out=self.seeds)
        for before, layer in reversed(self.pairs):
            layer.backward()
            if before.relu:
                _mask(layer.delta_x, layer.x, 0, grad_input=layer.delta_x)
        norms = self._penalty() if self.penalised else None
        for layer in self.layers:
            layer.gather()
            torch.sum(layer.delta_scored, -2, out=layer.bias_grad)
        for weight, bias, layer in self.owners:
            if weight.grad is not layer.weight_grad:
                weight.grad, bias.grad = layer.weight_grad, layer.bias_grad
        return margins, norms

    def _penalty(self) -> Tensor:
        """Overwrite the mixed rows of every layer's input by the tangent; the norms |g|."""
        self.layers[0].slope()
        norms = torch.linalg.vector_norm(self.mixed_curves, dim=-1)
        # v_0 = gp (2/b) (|g| - 1) g/|g|; where g is 0 so is v_0
        factor = self.penalty_share - self.penalty_share / norms.clamp_min(1e-30)
        self.mixed_curves.mul_(factor.unsqueeze(-1))
        for before, layer in self.pairs:
            before.onward()
            if before.relu:
                _mask(layer.tangent_before, layer.x_mixed, 0, grad_input=layer.x_mixed)
            else:
                layer.x_mixed.copy_(layer.tangent_before)
        return norms
