"""Noise that stays in a network: added to a layer's output, at training and at evaluation.

What may live here: the noise itself, put on a module and found there again. (Noise for one look at
a network, which leaves it as it was, is `srnet.dissect.intervene`'s.)
"""

from typing import Any

import torch
from torch import Tensor, nn

from sdnet.errors import InputError


class Noise:
    """A forward hook: output + sd * epsilon, epsilon standard normal, drawn anew at each pass.

    Copied or pickled, it goes on from where its draws are.
    """

    def __init__(self, layer: str, sd: float, seed: int):
        self.layer, self.sd = layer, sd
        self._seed = seed
        self._generator: torch.Generator | None = None

    def __call__(self, module: nn.Module, inputs: tuple, output: Any) -> Tensor:
        if not isinstance(output, Tensor) or not output.is_floating_point():
            raise InputError(
                f"layer {self.layer!r} gives a {_kind(output)}; noise is added to a tensor of "
                "floats"
            )
        if self._generator is None or self._generator.device != output.device:
            self._generator = torch.Generator(output.device).manual_seed(self._seed)
        epsilon = torch.randn(
            output.shape, generator=self._generator, dtype=output.dtype, device=output.device
        )
        return output + self.sd * epsilon


def _kind(output: Any) -> str:
    return str(output.dtype) if isinstance(output, Tensor) else type(output).__name__


def noise_on(module: nn.Module) -> Noise | None:
    """The noise that a module has, if any."""
    return next((one for one in module._forward_hooks.values() if isinstance(one, Noise)), None)


def put_noise(module: nn.Module, noise: Noise) -> None:
    """Give a module this noise, in the place of what it had."""
    take_noise(module)
    module.register_forward_hook(noise)


def take_noise(module: nn.Module) -> None:
    """Leave a module without noise."""
    for key, one in list(module._forward_hooks.items()):
        if isinstance(one, Noise):
            del module._forward_hooks[key]


def noise_levels(model: nn.Module) -> dict[str, float]:
    """The standard deviation of the noise on each layer that has some, by the layer's name.

    >>> model = nn.Sequential(nn.Linear(2, 2))
    >>> put_noise(model[0], Noise("0", 0.1, seed=0))
    >>> noise_levels(model)
    {'0': 0.1}
    """
    found = {name: noise_on(module) for name, module in model.named_modules()}
    return {name: noise.sd for name, noise in found.items() if noise is not None}
