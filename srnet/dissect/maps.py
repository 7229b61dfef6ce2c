"""Losses of single points over a plane of inputs, and their derivatives by the units' switches.

What may live here: figures on a grid, for networks of two inputs.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sdnet.errors import InputError
from srnet.dissect.divergences import Reading
from srnet.dissect.switches import example_gradients


@dataclass(frozen=True, eq=False)
class LossMap:
    """Row r, column c of a map is the point (axis[c], axis[r])."""

    axis: Float[Tensor, " size"]
    labels: Int[Tensor, "size size"]
    losses: Float[Tensor, "size size"]
    """The cross-entropy of each point."""
    gradients: Float[Tensor, "units size size"]
    """Its derivative by each switch."""


def loss_map(
    model: nn.Module,
    layer: str,
    label: Callable[[Tensor], Tensor],
    switches: Float[Tensor, " units"] | None = None,
    *,
    size: int = 101,
    low: float = -1.0,
    high: float = 1.0,
    reading: Reading = "classes",
) -> LossMap:
    """The loss of each point of a square grid of two inputs, and d loss / d s_i of each unit.

    Args:
        model: a network of two inputs, in evaluation mode.
        layer: the name of the module whose output's units are switched.
        label: of points (n, 2) to classes (n,), such as `srnet.dissect.circle.inside_circle`.
        switches: the setting, numbers in [0, 1]; None: all units on.
        size: points a side.
        low: the least of both inputs.
        high: the largest of both.
        reading: as for `subset_table`.

    Raises:
        InputError: a grid without extent; and as `switch_gradients`.

    >>> from srnet.dissect.circle import inside_circle
    >>> from srnet.dissect.classifiers import dense
    >>> model = dense([2, 3, 2], torch.Generator().manual_seed(0))
    >>> loss_map(model, "relu1", inside_circle, size=5).gradients.shape
    torch.Size([3, 5, 5])
    """
    if size < 2 or not low < high:
        raise InputError(
            f"the grid has {size} points a side from {low} to {high}; expected 2 at least, rising"
        )
    weight = next(model.parameters())
    axis = torch.linspace(low, high, size, dtype=weight.dtype, device=weight.device)
    x = torch.stack([axis.repeat(size), axis.repeat_interleave(size)], 1)
    y = label(x)
    losses, gradients = example_gradients(model, layer, x, y, switches, reading=reading)
    return LossMap(
        axis.cpu(),
        y.cpu().view(size, size),
        losses.view(size, size),
        gradients.T.reshape(-1, size, size),
    )
