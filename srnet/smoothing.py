"""Histories of many epochs made readable: a moving mean with its band, of arrays of any kind."""

from bisect import bisect_left, insort

import numpy as np
from jaxtyping import Float
from torch import Tensor

from sdnet.errors import InputError

Array = object  # a tensor, an array, or lists of numbers: checked here and told in a sentence


def smooth(values: Array, horizon: int) -> Float[np.ndarray, "3 n"]:
    """Moving mean over a horizon of epochs, and its band, the 10 % and the 90 % quantile: (3, n).

    The window of epoch i holds epochs i - (h - 1) // 2 to i + h // 2, and at the edges as many
    of them as there are. Of several runs, a window holds the values of all.

    Args:
        values: (n epochs,) or (r runs, n epochs), finite.
        horizon: h, in epochs, at least 1.

    Raises:
        InputError: no values, or not finite, or of another shape; a horizon below 1.

    >>> mean, low, high = smooth([0.0, 10.0, 20.0], horizon=3)
    >>> mean.tolist(), low.tolist(), high.tolist()
    ([5.0, 10.0, 15.0], [1.0, 2.0, 11.0], [9.0, 18.0, 19.0])
    """
    if not isinstance(horizon, int) or horizon < 1:
        raise InputError(f"horizon is {horizon!r}; expected a whole number of epochs, at least 1")
    runs = np.atleast_2d(checked("values", values, "epochs", "runs, epochs"))
    epochs = np.arange(runs.shape[1])
    first = np.maximum(epochs - (horizon - 1) // 2, 0)
    last = np.minimum(epochs + horizon // 2 + 1, len(epochs))
    centre = runs.mean()  # taken off, so that the running sum loses no digits
    sums = np.concatenate([[0.0], np.cumsum(runs.mean(0) - centre)])
    mean = centre + (sums[last] - sums[first]) / (last - first)
    return np.stack([mean, *(_quantile(runs, first, last, share) for share in (0.1, 0.9))])


def _quantile(
    runs: Float[np.ndarray, "r n"], first: np.ndarray, last: np.ndarray, share: float
) -> Float[np.ndarray, "n"]:
    """The quantile of runs[:, first[i]:last[i]] for each i, linear between neighbours.

    One window is kept sorted as it moves on: memory and time hardly depend on its width.
    """
    window: list[float] = []
    result = np.empty(len(first))
    start = stop = 0
    for i, (left, right) in enumerate(zip(first.tolist(), last.tolist(), strict=True)):
        for value in runs[:, stop:right].ravel().tolist():
            insort(window, value)
        for value in runs[:, start:left].ravel().tolist():
            del window[bisect_left(window, value)]
        start, stop = left, right
        below, part = divmod(share * (len(window) - 1), 1)
        low, high = window[int(below)], window[min(int(below) + 1, len(window) - 1)]
        result[i] = low + part * (high - low)
    return result


def to_numpy(values: Array) -> np.ndarray:
    return np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values)


def checked(name: str, values: Array, *shapes: str) -> np.ndarray:
    """Finite numbers, at least one, with the axes named by one of `shapes`, as in "b, n"."""
    expected = " or ".join(f"({shape})" for shape in shapes)
    try:
        array = to_numpy(values).astype(np.float64, casting="same_kind")
    except (TypeError, ValueError):
        raise InputError(f"{name} isn't an array of numbers; expected shape {expected}") from None
    if not array.size or array.ndim not in [len(shape.split()) for shape in shapes]:
        raise InputError(f"{name} has the shape {array.shape}; expected {expected}")
    if not np.isfinite(array).all():
        raise InputError(f"{name} has {(~np.isfinite(array)).sum()} values that aren't finite")
    return array
