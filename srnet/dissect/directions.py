"""Directions in a layer: linear combinations of its units, as unit vectors (units,).

What may live here: the algebra of directions. Which direction matters most is the subject of
`srnet.dissect.informative`.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from sdnet.errors import InputError

SHORTEST = 1e-6  # of a direction's part that is new, as a share of its length


def remove_direction(
    acts: Float[Tensor, "*n units"], direction: Tensor
) -> Float[Tensor, "*n units"]:
    """a - (a . u) u with u = d / |d|: activations without their part along a direction.

    Gradients flow to both.

    Args:
        direction: (units,), of any length other than 0.

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

    >>> orthonormal(torch.tensor([[2.0, 2.0], [1.0, 0.0]]))
    tensor([[ 0.7071,  0.7071],
            [ 0.7071, -0.7071]])
    """
    rows = directions.unsqueeze(0) if directions.dim() == 1 else directions
    if rows.dim() != 2 or not rows.numel() or len(rows) > rows.shape[-1]:
        raise InputError(
            f"directions of shape {tuple(directions.shape)}; expected (units,) or (k, units), "
            "with 1 to units of them"
        )
    columns, triangle = torch.linalg.qr(normalised(rows).mT)
    lengths = triangle.diagonal()  # of each direction's part that is new
    dependent = (lengths.abs() < SHORTEST).nonzero()
    if len(dependent):
        raise InputError(f"direction {int(dependent[0])} is a combination of those before it")
    return (columns * lengths.sign()).mT
