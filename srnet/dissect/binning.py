"""From continuous activations to discrete ones: the bin in which each value lies.

A bin is a function of the value alone, whatever the order of the examples: equal values share a
bin. Each unit is binned by itself.
"""

from typing import Literal

import torch
from jaxtyping import Int64
from torch import Tensor

from sdnet.errors import InputError, nearest

Binning = Literal["equal-frequency", "equal-width"]
MOST_BINS = 1024


def discretise(
    name: str, a: Tensor, bins: int = 6, binning: str = "equal-frequency"
) -> Int64[Tensor, "n u"]:
    """The bins, 0 to bins - 1, of real numbers; whole numbers and bools are taken as they are.

    So labels and hand-made states are variables too, each distinct number a state of its own.

    Args:
        name: of `a`, for the messages.
        a: (n examples, u units) of any type but complex.
        bins: at least 2.
        binning: "equal-frequency" or "equal-width".

    Raises:
        InputError: another shape, no examples or units, values that aren't finite, unknown
            binning, bins outside 2 to 1024, more than 1024 different whole numbers.

    >>> discretise("a", torch.tensor([[0.0], [0.1], [0.2], [9.0]]), 2).T
    tensor([[0, 0, 1, 1]])
    >>> discretise("a", torch.tensor([[7], [7], [-3]])).T
    tensor([[1, 1, 0]])
    """
    methods = {"equal-frequency": equal_frequency, "equal-width": equal_width}
    if binning not in methods:
        raise InputError(f"binning is {binning!r}; {nearest(str(binning), methods)}")
    if not isinstance(bins, int) or not 2 <= bins <= MOST_BINS:
        raise InputError(f"bins is {bins!r}; expected a whole number from 2 to {MOST_BINS}")
    check_units(name, a)
    if a.is_floating_point():
        return methods[binning](a, bins)
    codes = torch.stack([column.unique(return_inverse=True)[1] for column in a.T], dim=1)
    if int(codes.max()) >= MOST_BINS:
        raise InputError(
            f"{name} has a unit of {int(codes.max()) + 1} different whole numbers; expected "
            f"{MOST_BINS} at most, or floats to be binned"
        )
    return codes


def equal_frequency(a: Tensor, bins: int) -> Int64[Tensor, "n u"]:
    """Bins of about equally many examples: bin = floor(bins * t), with t the mid-rank over n.

    t = (number below + number not above) / 2n, so equal values have one t. Without ties each bin
    has n/bins examples, up to one. Many equal values, such as the zeros of a ReLU, are one bin that
    is fuller; the bins it covers stay empty. No value above or below is moved for that, and a
    growing transformation of the unit changes nothing.

    >>> equal_frequency(torch.tensor([[0.0], [0.0], [0.0], [0.0], [2.0], [3.0]]), 3).T
    tensor([[1, 1, 1, 1, 2, 2]])
    """
    columns = a.detach().T.contiguous()
    ordered = columns.sort(dim=1).values
    below = torch.searchsorted(ordered, columns, side="left")
    upto = torch.searchsorted(ordered, columns, side="right")
    return torch.div(bins * (below + upto), 2 * len(a), rounding_mode="floor").T


def equal_width(a: Tensor, bins: int) -> Int64[Tensor, "n u"]:
    """Bins of equal width from the unit's least value to its largest, which is in the last bin.

    A constant unit has bin 0 only.

    >>> equal_width(torch.tensor([[0.0], [0.4], [0.6], [2.0]]), 4).T
    tensor([[0, 0, 1, 3]])
    """
    values = a.detach().double()
    least = values.amin(0)
    span = values.amax(0) - least
    if torch.isinf(span).any():
        raise InputError("a unit's largest value less its least is infinite; expected less")
    places = (values - least) / torch.where(span > 0, span, 1) * bins
    return places.long().clamp(max=bins - 1)


def check_units(name: str, a: Tensor) -> None:
    """Raise InputError unless `a` holds a finite number for each example and unit."""
    if not isinstance(a, Tensor):
        raise InputError(f"{name} is {type(a).__name__}; expected a tensor (examples, units)")
    if a.ndim != 2 or not a.numel():
        hint = "; flatten(1) makes each channel and place a unit" if a.ndim > 2 else ""
        raise InputError(
            f"{name} has the shape {tuple(a.shape)}; expected (examples, units), at least one "
            f"of each{hint}"
        )
    if a.is_complex():
        raise InputError(f"{name} is {a.dtype}; expected real numbers")
    wrong = int((~torch.isfinite(a)).sum())
    if wrong:
        raise InputError(f"{name} has {wrong} values that aren't finite; expected finite numbers")


def check_labels(y: Tensor, examples: int) -> None:
    """Raise InputError unless `y` holds a whole number for each example."""
    if not isinstance(y, Tensor):
        raise InputError(f"y is {type(y).__name__}; expected a tensor ({examples},)")
    if y.shape != (examples,) or y.is_floating_point() or y.is_complex():
        raise InputError(
            f"y is {y.dtype} of the shape {tuple(y.shape)}; expected whole numbers ({examples},)"
        )
