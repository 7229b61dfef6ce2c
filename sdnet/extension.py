"""Giving a critic more than a curve's values: the channels of each point, as pure functions."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from sdnet.errors import InputError, nearest

EXTENSIONS = ("input", "grad")
EXT_TYPES = ("stack", "embed")


def extend(
    curves: Float[Tensor, "*batch n"], *channels: Tensor, ext_type: str = "embed"
) -> Float[Tensor, "*extended"]:
    """Curves and further channels of the same points, together.

    Args:
        curves: (..., n) values.
        channels: each (..., n, c), or (..., n) of the curves' own shape, or (n,); leading axes
            broadcast: the inputs x (n, d) serve every curve. A channel of the curves' own shape
            is always one channel, also of n curves, where it might be the inputs of n variables.
        ext_type: "embed" keeps the channels of a point beside each other, (..., n, 1 + e), for
            a critic's embedding network; "stack" puts the channels end to end,
            (..., n * (1 + e)), the values first.

    Raises:
        InputError: a channel of other points than the curves', or an unknown `ext_type`.

    >>> curves, slopes = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0]])
    >>> extend(curves, slopes).tolist()
    [[[1.0, 3.0], [2.0, 4.0]]]
    >>> extend(curves, slopes, ext_type="stack").tolist()
    [[1.0, 2.0, 3.0, 4.0]]
    """
    if ext_type not in EXT_TYPES:
        raise InputError(f"ext_type is {ext_type!r}; {nearest(str(ext_type), EXT_TYPES)}")
    parts = [curves.unsqueeze(-1)]
    for i, channel in enumerate(channels):
        if channel.shape in (curves.shape, curves.shape[-1:]):
            channel = channel.unsqueeze(-1)
        if not _fits(channel, curves):
            raise InputError(
                f"channel {i + 1} has shape {tuple(channel.shape)}, which does not fit curves of "
                f"shape {tuple(curves.shape)}; expected (..., {curves.shape[-1]}, channels)"
            )
        parts.append(channel.expand(*curves.shape, channel.shape[-1]))
    extended = torch.cat(parts, dim=-1)
    return extended if ext_type == "embed" else extended.mT.flatten(-2)


def seen(
    values: Float[Tensor, "*batch n"],
    points: Float[Tensor, "n d"],
    slopes: Tensor | None,
    ext: Sequence[str],
    ext_type: str,
) -> Float[Tensor, "*extended"]:
    """Curves as a critic of this `ext` sees them: `extend` by the channels named, in their order.

    Args:
        points: what "input" adds. slopes: (..., n, d), what "grad" adds; else it may be None.

    >>> seen(torch.ones(1, 2), torch.zeros(2, 1), None, ["input"], "stack").tolist()
    [[1.0, 1.0, 0.0, 0.0]]
    """
    if not ext:
        return values
    channels = {"input": points, "grad": slopes}
    return extend(values, *[channels[name] for name in ext], ext_type=ext_type)


def _fits(channel: Tensor, curves: Tensor) -> bool:
    """Whether a channel (..., n, c) has the curves' points, and leading axes that broadcast."""
    leading, wanted = channel.shape[:-2], curves.shape[:-1]
    pairs = zip(reversed(leading), reversed(wanted), strict=False)
    same_points = channel.shape[-2:-1] == curves.shape[-1:]
    return same_points and len(leading) <= len(wanted) and all(a in (1, b) for a, b in pairs)
