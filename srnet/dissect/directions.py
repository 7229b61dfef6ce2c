"""Directions in a layer: linear combinations of its units, as unit vectors (units,).

What may live here: the algebra of directions. Which direction matters most is the subject of
`srnet.dissect.informative`.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from sdnet.errors import InputError

SHORTEST = 1e-6  # of a direction without its part along the others, as a share of its length


def remove_direction(
    acts: Float[Tensor, "*n units"], direction: Float[Tensor, " units"]
) -> Float[Tensor, "*n units"]:
    """a - (a . u) u with u = d / |d|: activations without their part along a direction.

    The direction's length doesn't matter. Gradients flow to both.

    Raises:
        InputError: a direction of another width, of length 0, or not finite.

    >>> remove_direction(torch.tensor([[1.0, 2.0]]), torch.tensor([0.0, 5.0]))
    tensor([[1., 0.]])
    """
    if direction.shape[-1] != acts.shape[-1]:
        raise InputError(
            f"a direction of {direction.shape[-1]} units for activations of {acts.shape[-1]}"
        )
    (unit,) = orthonormal(direction).to(acts.dtype)
    return acts - (acts @ unit).unsqueeze(-1) * unit


def normalised(directions: Float[Tensor, "k units"]) -> Float[Tensor, "k units"]:
    """Each direction by its length.

    Raises:
        InputError: one of length 0, or not finite.
    """
    lengths = directions.norm(dim=-1, keepdim=True)
    wrong = (~lengths.isfinite() | (lengths == 0)).flatten().nonzero()
    if len(wrong):
        raise InputError(
            f"direction {int(wrong[0])} has length {float(lengths[wrong[0]]):.4g}; expected a "
            "finite one above 0"
        )
    return directions / lengths


def orthonormal(directions: Float[Tensor, "*k units"]) -> Float[Tensor, "r units"]:
    """An orthonormal basis of the directions' span: the first spans the first, and so on.

    Args:
        directions: (units,) or (k, units).

    Raises:
        InputError: none; more than units; one of length 0, not finite, or a combination of those
            before it.

    >>> orthonormal(torch.tensor([[2.0, 0.0], [1.0, 1.0]]))
    tensor([[1., 0.],
            [0., 1.]])
    """
    rows = directions.unsqueeze(0) if directions.dim() == 1 else directions
    if rows.dim() != 2 or not rows.numel() or len(rows) > rows.shape[-1]:
        raise InputError(
            f"directions of shape {tuple(directions.shape)}; expected (units,) or (k, units), "
            "with 1 to units of them"
        )
    rows = normalised(rows)
    basis: list[Tensor] = []
    for place, row in enumerate(rows):
        for _ in range(2):  # once more takes away what rounding has left
            for other in basis:
                row = row - (row @ other) * other
        if row.norm() < SHORTEST:
            raise InputError(f"direction {place} is a combination of those before it")
        basis.append(row / row.norm())
    return torch.stack(basis)
