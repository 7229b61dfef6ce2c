"""Subsets of N units as numbers from 0 to 2^N - 1: bit i says whether unit i is in.

What may live here: what follows from the numbers alone, and checks of tables with a value for each
subset (2^N,). So 0 is no unit, 2^N - 1 all of them, and 2^i unit i alone.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sdnet.errors import InputError

MOST_UNITS = 24
"""Of a table: 2^24 numbers of float32 are 64 MiB."""


def members(numbers: Int[Tensor, " k"], units: int) -> Bool[Tensor, "k units"]:
    """Which units are in each subset.

    >>> members(torch.tensor([0, 5]), 3).int()
    tensor([[0, 0, 0],
            [1, 0, 1]], dtype=torch.int32)
    """
    return (numbers[:, None] >> torch.arange(units, device=numbers.device)) % 2 == 1


def units_of(number: int) -> tuple[int, ...]:
    """The units in a subset.

    >>> units_of(5)
    (0, 2)
    """
    return tuple(unit for unit in range(number.bit_length()) if number >> unit & 1)


def subset_sizes(units: int) -> Int[Tensor, " subsets"]:
    """How many units each of the 2^N subsets has.

    >>> subset_sizes(3).tolist()
    [0, 1, 1, 2, 1, 2, 2, 3]
    """
    sizes = torch.zeros(1, dtype=torch.int64)
    for _ in range(units):
        sizes = torch.cat([sizes, sizes + 1])
    return sizes


def units_in(table: Float[Tensor, " subsets"]) -> int:
    """N of a table (2^N,) of finite numbers, one for each subset.

    Raises:
        InputError: another shape, a number that isn't finite, or no unit at all.

    >>> units_in(torch.zeros(8))
    3
    """
    count = table.numel() if isinstance(table, Tensor) else 0
    units = count.bit_length() - 1
    if not isinstance(table, Tensor) or table.dim() != 1 or units < 1 or count != 2**units:
        given = tuple(table.shape) if isinstance(table, Tensor) else type(table).__name__
        raise InputError(
            f"the table is {given}; expected (2^N,), a number for each subset of N units, N >= 1"
        )
    if not table.is_floating_point():
        raise InputError(f"the table is of {table.dtype}; expected floats")
    if not table.isfinite().all():
        where = int((~table.isfinite()).nonzero()[0])
        raise InputError(f"the table isn't finite at subset {where}, units {list(units_of(where))}")
    return units
