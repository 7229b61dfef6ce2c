"""The layers of a network by their names, as in `model.named_modules()`: "fc2", "layers.3"."""

from torch import nn

from sdnet.errors import InputError, nearest


def layer_names(model: nn.Module) -> list[str]:
    """The names of all modules inside a network, in the order in which they were made.

    >>> layer_names(nn.Sequential(nn.Linear(2, 3), nn.ReLU()))
    ['0', '1']
    """
    return [name for name, _ in model.named_modules() if name]


def find_layer(model: nn.Module, name: str) -> nn.Module:
    """The module of that name.

    Raises:
        InputError: the network has none of that name; the nearest is named.

    >>> find_layer(nn.Sequential(nn.Linear(2, 3), nn.ReLU()), "1")
    ReLU()
    """
    if name not in layer_names(model):
        raise InputError(
            f"layer {name!r} is not in the network; {nearest(name, layer_names(model))}"
        )
    return model.get_submodule(name)
