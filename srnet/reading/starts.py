"""How networks begin: which connections they have, and the weights these start from."""

import math
from collections.abc import Iterable, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from sdnet.errors import InputError, nearest
from sdnet.mlp import check_whole

Ends = tuple[str, str]
"""The layer a connection comes from and the layer it goes to."""


def glorot(
    source: int, target: int, generator: torch.Generator | None = None
) -> Float[Tensor, "source target"]:
    """Weights from U(-l, l), l = sqrt(6 / (source + target)) (Glorot and Bengio 2010)."""
    bound = math.sqrt(6 / (source + target))
    return torch.empty(source, target).uniform_(-bound, bound, generator=generator)


def check_tau(tau: float) -> None:
    """Raise an InputError unless tau is in (0, 1]."""
    if not 0 < tau <= 1:
        raise InputError(f"tau is {tau!r}; expected a number in (0, 1]")


def draw(
    units: Mapping[str, int],
    possible: Mapping[str, Ends],
    names: Sequence[str],
    biased: Iterable[str],
    seed: int | None,
) -> tuple[dict[str, Ends], dict[str, Tensor]]:
    """The connections of these names, and new parameters: Glorot uniform weights, biases 0.

    The weights of all possible connections are drawn, so that networks of other connections, or
    one without some of them, begin with the same weights where they are the same.

    Raises:
        InputError: a size below 1; a connection that is not possible, or twice the same.
    """
    for layer, size in units.items():
        check_whole(f"the number of units of {layer}", size, 1)
    for name in names:
        if name not in possible:
            raise InputError(f"connection {name!r} can't be; {nearest(name, possible)}")
    if len(set(names)) < len(names):
        raise InputError(f"connections are {', '.join(names)}; expected each once")
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    weights = {
        name: glorot(units[source], units[target], generator)
        for name, (source, target) in possible.items()
    }
    parameters = {f"w_{name}": weights[name] for name in names}
    parameters |= {f"bias_{layer}": torch.zeros(units[layer]) for layer in biased}
    return {name: possible[name] for name in names}, parameters
