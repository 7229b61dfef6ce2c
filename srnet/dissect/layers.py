"""The layers of a network by their names, as in `model.named_modules()`: "fc2", "layers.3".

What may live here: which layers there are, and which axis of their outputs are the units.
"""

import torch
from torch import Tensor, nn

from sdnet.errors import InputError, nearest

UNITS_LAST = (
    nn.Linear,
    nn.Bilinear,
    nn.LayerNorm,
    nn.RMSNorm,
    nn.Embedding,
    nn.RNNBase,
    nn.MultiheadAttention,
    nn.TransformerEncoderLayer,
    nn.TransformerDecoderLayer,
)
CHANNELS = {
    -2: (nn.Conv1d, nn.ConvTranspose1d, nn.MaxPool1d, nn.AvgPool1d, nn.AdaptiveAvgPool1d),
    -3: (nn.Conv2d, nn.ConvTranspose2d, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d),
    -4: (nn.Conv3d, nn.ConvTranspose3d, nn.MaxPool3d, nn.AvgPool3d, nn.AdaptiveAvgPool3d),
}
"""Where layers of so many spatial axes have their channels, counted from the end."""


def layer_names(model: nn.Module) -> list[str]:
    """The names of all modules inside a network, in the order in which they were made.

    A module with two names is there under both.

    >>> layer_names(nn.Sequential(nn.Linear(2, 3), nn.ReLU()))
    ['0', '1']
    """
    return [name for name, _ in model.named_modules(remove_duplicate=False) if name]


def find_layer(model: nn.Module, name: str) -> nn.Module:
    """The module of that name.

    Raises:
        InputError: the network has none of that name; the nearest is named.

    >>> find_layer(nn.Sequential(nn.Linear(2, 3), nn.ReLU()), "1")
    ReLU()
    """
    if not isinstance(model, nn.Module):
        raise InputError(f"the network is {type(model).__name__}; expected a torch.nn.Module")
    if isinstance(model, torch.jit.ScriptModule):
        raise InputError("a TorchScript network takes no hooks; expected the one it was made of")
    modules = dict(model.named_modules(remove_duplicate=False))
    if not name or name not in modules:
        names = layer_names(model)
        if not names:
            raise InputError(f"layer {name!r}: a {type(model).__name__} has no layers inside it")
        raise InputError(f"layer {name!r} is not in the network; {nearest(str(name), names)}")
    return modules[name]


def unit_axis(
    layer: nn.Module, output: Tensor, axis: int | None = None, name: str = "layer"
) -> int:
    """Which axis of a layer's output are its units, as a negative number.

    The last one of rows (n, units), and of linear, norm, embedding and recurrent layers, as in
    sequences (n, time, units). The channels of convolutions and poolings, and of other outputs of
    four axes or more: (n, channels, ...). Of three axes, other layers don't tell whether they are
    (n, time, units) or (n, channels, time).

    Args:
        axis: the one that it is, where the user has said so.
        name: what the layer is called in messages.

    Raises:
        InputError: there is no such axis, or it has to be said.

    >>> unit_axis(nn.Conv2d(3, 8, 5), torch.zeros(10, 8, 24, 24))
    -3
    """
    shape = tuple(output.shape)
    if output.dim() < 2:
        raise InputError(f"{name} gives {shape}; expected (n, units), or more axes")
    if axis is not None:
        if not -output.dim() < axis < output.dim() or axis == 0:
            raise InputError(f"{name} gives {shape}, which has no axis {axis} of units")
        return axis if axis < 0 else axis - output.dim()
    if output.dim() == 2 or isinstance(layer, UNITS_LAST):
        return -1
    for place, kinds in CHANNELS.items():
        if isinstance(layer, kinds):
            return place
    if output.dim() == 3:
        raise InputError(
            f"{name} gives {shape}; say which axis are the units: axis=-1 of sequences (n, time, "
            "units), axis=1 of channels (n, channels, time)"
        )
    return 1 - output.dim()
