"""Shares of a network's weights, drawn to be masked: of models of reading, and of any network."""

import torch
from jaxtyping import Bool
from torch import Tensor

from sdnet.errors import InputError


def check_share(what: str, share: object) -> None:
    """Raise an InputError unless a share is a number in [0, 1); `what` is its name there."""
    number = isinstance(share, int | float) and not isinstance(share, bool)
    if not (number and 0 <= share < 1):
        raise InputError(f"{what} is {share!r}; expected a number in [0, 1)")


def draw_exactly(
    name: str, left: Bool[Tensor, "*shape"], share: float, generator: torch.Generator | None
) -> Bool[Tensor, "*shape"]:
    """What to keep, when round(share n) of a weight's n numbers are masked that aren't yet.

    Args:
        name: the weight's, for the message. left: true where it isn't masked yet.

    Raises:
        InputError: fewer are left.

    >>> left, seed = torch.tensor([True, False, True, True]), torch.Generator().manual_seed(0)
    >>> kept = draw_exactly("fc1", left, 0.5, seed)
    >>> int((left & ~kept).sum()), bool(kept[1])
    (2, True)
    """
    places = left.flatten().nonzero().flatten()
    count = round(share * left.numel())
    if count > len(places):
        raise InputError(
            f"{count} weights of {name} can't be zeroed; {len(places)} of its {left.numel()} "
            "are left"
        )
    kept = torch.ones(left.numel(), dtype=torch.bool)
    kept[places[torch.randperm(len(places), generator=generator)[:count]]] = False
    return kept.view_as(left)


def draw_each(
    name: str, left: Bool[Tensor, "*shape"], share: float, generator: torch.Generator | None
) -> Bool[Tensor, "*shape"]:
    """What to keep, when each of a weight's numbers is masked with probability `share`."""
    return torch.rand(left.shape, generator=generator) >= share
