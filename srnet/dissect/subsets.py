"""All subsets of a layer's units, each unit on or off: loss and accuracy of all 2^N of them.

What may live here: the tables, exact, for up to 24 units. What is read from a table is the subject
of `games` (who contributes), `keeping` (units kept by chance), `normality` and `paths` (how the
losses lie); derivatives by the switches are that of `switches`.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sdnet.errors import InputError
from srnet.dissect.divergences import Reading
from srnet.dissect.games import best_subsets
from srnet.dissect.partial_sums import correct_counts, mean_losses
from srnet.dissect.report import Report
from srnet.dissect.subset_numbers import MOST_UNITS, members
from srnet.dissect.switched import Switched, switched

AT_ONCE = 2**14  # subsets whose switches are made at once, for a suffix that isn't linear


@dataclass(frozen=True, eq=False)
class SubsetTable(Report):
    """Loss and accuracy of every subset; as a table, the best subset of each size."""

    losses: Float[Tensor, " subsets"]
    """(2^N,): entry S is the mean cross-entropy with only the units of S on, bit i for unit i."""
    accuracies: Float[Tensor, " subsets"]
    """(2^N,): the share of examples whose own class has a larger logit than every other."""

    def rows(self) -> list[dict]:
        """For each size the least loss, the accuracy there, and the units that are on."""
        return [
            {
                "units on": best.size,
                "least loss": best.value,
                "accuracy": self.accuracies[best.number].item(),
                "units": " ".join(map(str, best.units)),
            }
            for best in best_subsets(self.losses)
        ]


def subset_table(
    model: nn.Module,
    layer: str,
    x: Tensor,
    y: Tensor,
    *,
    reading: Reading = "classes",
    axis: int | None = None,
) -> SubsetTable:
    """Loss and accuracy of every subset of a layer's units, the other units set to 0.

    Exact. Where a linear layer gives the logits, directly or after a ReLU, it takes about as long
    as adding up numbers: a million subsets of 1,000 examples half a second. Any other suffix is
    run for each subset, in batches.

    Args:
        model: any network for classification, in evaluation mode.
        layer: the name of the module whose output's units are switched.
        x: (n, ...) examples, as the network takes them.
        y: (n,) their classes.
        reading: "classes" for logits (n, classes), "logit" for the one of class 1 against 0.
        axis: of the layer's output which are its units, see `srnet.dissect.layers.unit_axis`.

    Returns:
        Tables (2^N,) on the CPU, of the network's dtype (float32 at least). Behind a linear layer
        they are computed in float64, and right for logits of any size.

    Raises:
        InputError: more than 24 units; no such layer, or one without units; examples and classes
            that don't fit; layers in training mode that mix or drop.

    >>> from srnet.dissect.classifiers import dense
    >>> model = dense([2, 3, 2], torch.Generator().manual_seed(0))
    >>> x, y = torch.rand(10, 2), torch.arange(10) % 2
    >>> table = subset_table(model, "relu1", x, y)
    >>> whole = nn.functional.cross_entropy(model(x), y)
    >>> table.losses.shape, torch.allclose(table.losses[7], whole)
    (torch.Size([8]), True)
    """
    layers = _small(model, layer, x, y, reading, axis)
    if layers.linear is None:
        return _passed_through(layers)
    linear = layers.linear
    losses = mean_losses(linear.effects, linear.bias, layers.y)
    counts = correct_counts(linear.effects, linear.bias, layers.y)
    return SubsetTable(losses.to(layers.dtype), (counts.double() / len(x)).to(layers.dtype))


def subset_losses(
    model: nn.Module,
    layer: str,
    x: Tensor,
    y: Tensor,
    *,
    reading: Reading = "classes",
    axis: int | None = None,
) -> Float[Tensor, " subsets"]:
    """The mean cross-entropy of every subset of a layer's units: (2^N,), bit i is unit i.

    As `subset_table`, without the accuracies.

    >>> from srnet.dissect.classifiers import dense
    >>> model = dense([2, 3, 2], torch.Generator().manual_seed(0))
    >>> subset_losses(model, "relu1", torch.rand(10, 2), torch.arange(10) % 2).shape
    torch.Size([8])
    """
    layers = _small(model, layer, x, y, reading, axis)
    if layers.linear is None:
        return _passed_through(layers).losses
    losses = mean_losses(layers.linear.effects, layers.linear.bias, layers.y)
    return losses.to(layers.dtype)


def _small(
    model: nn.Module, layer: str, x: Tensor, y: Tensor, reading: Reading, axis: int | None
) -> Switched:
    layers = switched(model, layer, x, y, reading=reading, axis=axis)
    if layers.units > MOST_UNITS:
        raise InputError(
            f"layer {layer!r} has {layers.units} units, whose 2^{layers.units} subsets are too "
            f"many; expected at most {MOST_UNITS}; sample_losses draws subsets of any number"
        )
    return layers


@torch.no_grad()
def _passed_through(layers: Switched) -> SubsetTable:
    count, device = 2**layers.units, layers.passes.acts.device
    losses = torch.zeros(count, dtype=torch.float64)
    right = torch.zeros(count, dtype=torch.int64)
    for first in range(0, count, AT_ONCE):
        numbers = torch.arange(first, min(first + AT_ONCE, count), device=device)
        on = members(numbers, layers.units).to(layers.passes.acts)
        for some, _, loss, correct in layers.losses(on):
            losses[first:][some] += loss.sum(1).double().cpu()
            right[first:][some] += correct.sum(1).cpu()
    n = len(layers.y)
    return SubsetTable((losses / n).to(layers.dtype), (right.double() / n).to(layers.dtype))
