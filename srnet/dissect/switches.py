"""Derivatives of a network's loss by the switches of a layer's units.

What may live here: exact derivatives at any settings s in [0, 1]^N, at all 2^N subsets, and for
each example alone. A switch multiplies what the unit sends on, so the derivative at s_i = 0 says
what unit i would begin to do if it were let in; it is 0 only where the unit is.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sdnet.errors import InputError
from srnet.dissect.divergences import Reading
from srnet.dissect.partial_sums import mean_gradients
from srnet.dissect.subset_numbers import members
from srnet.dissect.switched import Switched, switched

MOST_UNITS = 20  # of a table of derivatives: 2^20 subsets of 20 units are 80 MiB of float32
FROM_ABOVE = 1e-20
"""Stands for a switch of 0: relu(s a) has the slope relu(a) there, and 0 at 0 itself."""

AT_ONCE = 2**12  # settings, or examples, that derivatives are taken of at once


def switch_gradients(
    model: nn.Module,
    layer: str,
    x: Tensor,
    y: Tensor,
    switches: Float[Tensor, "k units"],
    *,
    reading: Reading = "classes",
    axis: int | None = None,
) -> Float[Tensor, "k units"]:
    """d L / d s_i at k settings of the switches, with L(s) the mean loss: (k, N).

    The unit i of the layer sends on s_i a_i. The derivative at a switch of 0 is that from above,
    also where a ReLU follows: there automatic differentiation would say 0.

    Args:
        switches: numbers in [0, 1].
        Others: as for `subset_table`.

    Raises:
        InputError: switches of another width, or outside [0, 1]; and as `subset_table`, but for
            layers of any size.

    >>> from srnet.dissect.classifiers import dense
    >>> model = dense([2, 3, 2], torch.Generator().manual_seed(0))
    >>> x, y = torch.rand(10, 2), torch.arange(10) % 2
    >>> switch_gradients(model, "relu1", x, y, torch.full((1, 3), 0.5)).shape
    torch.Size([1, 3])
    """
    layers = switched(model, layer, x, y, reading=reading, axis=axis)
    _check_switches(switches, layers)
    return _gradients(layers, switches)


def example_gradients(
    model: nn.Module,
    layer: str,
    x: Tensor,
    y: Tensor,
    switches: Float[Tensor, " units"] | None = None,
    *,
    reading: Reading = "classes",
    axis: int | None = None,
) -> tuple[Float[Tensor, " n"], Float[Tensor, "n units"]]:
    """The loss of each example, and its derivative by each switch: (n,) and (n, N).

    Args:
        switches: the setting, numbers in [0, 1]; None: all units on.
        Others: as for `switch_gradients`. The mean over the examples is that function's result.

    Raises:
        InputError: as `switch_gradients`.

    >>> from srnet.dissect.classifiers import dense
    >>> model = dense([2, 3, 2], torch.Generator().manual_seed(0))
    >>> x, y = torch.rand(5, 2), torch.arange(5) % 2
    >>> losses, gradients = example_gradients(model, "relu1", x, y)
    >>> losses.shape, gradients.shape
    (torch.Size([5]), torch.Size([5, 3]))
    """
    layers = switched(model, layer, x, y, reading=reading, axis=axis)
    setting = torch.ones(1, layers.units) if switches is None else switches[None]
    _check_switches(setting, layers)
    losses = torch.empty(len(x), dtype=layers.dtype)
    gradients = torch.empty(len(x), layers.units, dtype=layers.dtype)
    for first in range(0, len(x), AT_ONCE):
        rows = slice(first, first + AT_ONCE)
        # each example has its own copy of the switches, so one backward pass gives each its own
        copies = _from_above(setting, layers).repeat(len(losses[rows]), 1)
        with torch.enable_grad():
            own = layers.own_losses(copies.requires_grad_(), rows)
            (gradient,) = torch.autograd.grad(own.sum(), copies)
        losses[rows], gradients[rows] = own.detach(), gradient
    return losses, gradients


def subset_gradients(
    model: nn.Module,
    layer: str,
    x: Tensor,
    y: Tensor,
    *,
    reading: Reading = "classes",
    axis: int | None = None,
) -> Float[Tensor, "subsets units"]:
    """d L / d s_i at every subset of up to 20 units: (2^N, N), row S of the switches S.

    Column i has the derivatives of unit i where it is on (bit i of S) and where it is off.

    Args:
        Others: as for `subset_table`.

    Raises:
        InputError: more than 20 units; and as `subset_table`.

    >>> from srnet.dissect.classifiers import dense
    >>> model = dense([2, 3, 2], torch.Generator().manual_seed(0))
    >>> subset_gradients(model, "relu1", torch.rand(10, 2), torch.arange(10) % 2).shape
    torch.Size([8, 3])
    """
    layers = switched(model, layer, x, y, reading=reading, axis=axis)
    if layers.units > MOST_UNITS:
        raise InputError(
            f"layer {layer!r} has {layers.units} units, whose 2^{layers.units} subsets are too "
            f"many; expected at most {MOST_UNITS}; switch_gradients takes any settings"
        )
    if layers.linear is not None:
        linear = layers.linear
        return mean_gradients(linear.effects, linear.bias, layers.y, layers.dtype)
    numbers = torch.arange(2**layers.units)
    parts = (members(some, layers.units) for some in numbers.split(AT_ONCE))
    return torch.cat([_gradients(layers, on) for on in parts])


def _gradients(layers: Switched, switches: Tensor) -> Float[Tensor, "k units"]:
    settings = _from_above(switches, layers).requires_grad_()
    total = torch.zeros(settings.shape, dtype=torch.float64)
    with torch.enable_grad():
        for some, _, loss, _ in layers.losses(settings):
            (gradient,) = torch.autograd.grad(loss.sum(), settings)
            total[some] += gradient[some].double().cpu()
    return (total / len(layers.y)).to(layers.dtype)


def _from_above(switches: Tensor, layers: Switched) -> Tensor:
    return switches.detach().to(layers.passes.acts).clamp(min=FROM_ABOVE)


def _check_switches(switches: Tensor, layers: Switched) -> None:
    if switches.dim() != 2 or not len(switches) or switches.shape[1] != layers.units:
        raise InputError(
            f"switches are {tuple(switches.shape)}; expected (k, {layers.units}), one for each unit"
        )
    if not ((switches >= 0) & (switches <= 1)).all():
        raise InputError("switches hold a number outside [0, 1]")
