"""A network as it was before training, to hold a trained one against."""

import copy

import torch
from torch import nn

from sdnet.errors import InputError

DRAWN = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
RESET = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.LayerNorm, nn.GroupNorm)


def untrained(model: nn.Module, generator: torch.Generator | None = None) -> nn.Module:
    """A copy with new weights; the network given stays as it is.

    Weights and biases of linear layers and convolutions are uniform in +-1/sqrt(inputs of a unit),
    as torch begins; layers that norm begin as they always do.

    Args:
        model: a network of such layers, and of layers without weights.
        generator: what the weights follow from; None: of seed 0.

    Raises:
        InputError: a layer with weights of another kind.

    >>> model = nn.Linear(4, 1)
    >>> fresh = untrained(model)
    >>> bool((fresh.weight.abs() <= 0.5).all()), torch.equal(fresh.weight, model.weight)
    (True, False)
    """
    generator = generator or torch.Generator().manual_seed(0)
    fresh = copy.deepcopy(model)
    for name, module in fresh.named_modules():
        own = list(module.parameters(recurse=False))
        if isinstance(module, DRAWN):
            bound = module.weight[0].numel() ** -0.5
            with torch.no_grad():
                for parameter in own:
                    drawn = torch.empty(parameter.shape).uniform_(
                        -bound, bound, generator=generator
                    )
                    parameter.copy_(drawn)
        elif isinstance(module, RESET):
            module.reset_parameters()
        elif own:
            kind = type(module).__name__
            raise InputError(
                f"layer {name!r} is a {kind}, whose weights before training aren't known; expected "
                "linear layers and convolutions"
            )
    return fresh
