"""A layer whose units each have a switch: s_i times the activation of unit i goes on.

What may live here: the network's losses as a function of the switches, and what it is made of
where only a linear layer follows. Which switches are asked about is the studies' subject.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor, nn

from sdnet.errors import InputError
from srnet.dissect.divergences import Reading, cross_entropy_of, right
from srnet.dissect.inputs import check_labels
from srnet.dissect.passes import BATCH_BYTES, Passes, linear_start, passes_of

SCALING = (nn.Identity, nn.ReLU, nn.Dropout, nn.Flatten)
"""f(s a) = s f(a) for s >= 0, so a switch before is a switch after."""


@dataclass(frozen=True, eq=False)
class Linear:
    """What each unit adds to the logits where a linear layer follows; on the CPU, in float64."""

    effects: Float64[Tensor, "n classes units"]
    bias: Float64[Tensor, " classes"]


@dataclass(frozen=True, eq=False)
class Switched:
    """A layer with switches, and the examples that losses are of: `switched` makes it."""

    passes: Passes
    y: Int[Tensor, " n"]
    linear: Linear | None
    """None: another suffix, which the activations are passed through."""

    @property
    def units(self) -> int:
        """How many the layer has."""
        return self.passes.units

    @property
    def dtype(self) -> torch.dtype:
        """Of the figures: the network's, or float32 where that has less."""
        return torch.promote_types(self.passes.acts.dtype, torch.float32)

    def losses(
        self, switches: Float[Tensor, "k units"]
    ) -> Iterator[tuple[slice, slice, Float[Tensor, "k n"], Bool[Tensor, "k n"]]]:
        """(switches, examples, losses, whether right) in batches, for k settings of the switches.

        Gradients flow to the switches.
        """
        acts = self.passes.acts
        places = [1] * (acts.dim() - 1)

        def edit(some: slice, rows: slice) -> Tensor:
            return acts[rows] * switches[some].view(-1, *places, self.units)

        for some, rows, log_p in self._log_probabilities(switches, edit):
            y = self.y[rows]
            yield some, rows, cross_entropy_of(log_p, y), right(log_p, y).bool()

    def own_losses(
        self, switches: Float[Tensor, "some units"], rows: slice
    ) -> Float[Tensor, " some"]:
        """The losses of some examples, each with switches of its own."""
        if self.linear is not None:
            effects, on = self.linear.effects[rows], switches.cpu().double()
            logits = torch.einsum("nci,ni->cn", effects, on) + self.linear.bias[:, None]
            return cross_entropy_of(logits.log_softmax(0), self.y[rows])
        acts = self.passes.acts[rows]
        places = [1] * (acts.dim() - 2)
        edited = acts * switches.view(len(acts), *places, self.units)
        return cross_entropy_of(self.passes.through(edited[None], rows)[:, 0], self.y[rows])

    def _log_probabilities(
        self, switches: Tensor, edit: Callable[[slice, slice], Tensor]
    ) -> Iterator[tuple[slice, slice, Float[Tensor, "classes k n"]]]:
        if self.linear is None:
            yield from self.passes.edited(len(switches), edit)
            return
        effects, bias = self.linear.effects, self.linear.bias
        each = torch.empty(len(bias), device="meta", dtype=torch.float64)
        for some, rows in self.passes.batches(len(switches), each, BATCH_BYTES):
            logits = torch.einsum("nci,ki->ckn", effects[rows], switches[some].cpu().double())
            yield some, rows, (logits + bias[:, None, None]).log_softmax(0)


@torch.no_grad()
def switched(
    model: nn.Module,
    layer: str,
    x: Tensor,
    y: Tensor,
    *,
    reading: Reading = "classes",
    axis: int | None = None,
) -> Switched:
    """A layer of a network, with examples and their classes, checked.

    A ReLU between the layer and a linear one goes before the switches, since relu(s a) =
    s relu(a) for s >= 0.

    Raises:
        InputError: no such layer, or one without units; examples and classes that don't fit;
            layers in training mode that mix or drop.
    """
    passes = passes_of(model, layer, x, axis=axis, reading=reading)
    check_labels(y, len(x), len(passes.log_p))
    y = y.to(passes.log_p.device, torch.int64)
    if not passes.units:
        raise InputError(f"layer {layer!r} has no units")
    start = linear_start(passes)
    if start is None or len(start.rest) or not all(type(s) in SCALING for s in start.alone):
        return Switched(passes, y, None)
    weight, acts = start.linear.weight, start.alone(passes.acts.clone())
    bias = weight.new_zeros(len(weight)) if start.linear.bias is None else start.linear.bias
    if reading == "logit":  # the other class's is 0
        weight, bias = (nn.functional.pad(t.mT, (1, 0)).mT for t in (weight, bias[:, None]))
        bias = bias[:, 0]
    weight, bias, acts = (t.detach().cpu().double() for t in (weight, bias, acts))
    return Switched(passes, y.cpu(), Linear(acts[:, None] * weight, bias))
