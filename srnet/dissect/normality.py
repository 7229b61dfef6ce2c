"""How near losses are to a log-normal distribution: fits, their shape, and a test.

What may live here: the normal fits to the losses of subsets and to their logarithms. A table has
all subsets, so its moments are exact; a test, which is of independent draws, gets some.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from scipy import special, stats
from torch import Tensor

from sdnet.errors import InputError
from srnet.dissect.report import Report

LEAST = 20  # draws of the test, as SciPy asks for


@dataclass(frozen=True)
class NormalFit:
    """A normal distribution of the same mean and variance, and how far from it numbers are."""

    mean: float
    std: float
    skewness: float
    """Third central moment / std^3; 0 if normal."""
    kurtosis: float
    """Fourth central moment / std^4 - 3, the excess; 0 if normal."""
    distance: float
    """Largest difference of the two distribution functions, from 0 to 1 (Kolmogorov's D). It has
    no p-value here: tables for D don't hold where mean and variance are fitted."""
    p_value: float
    """Of D'Agostino and Pearson's test (1973), by skewness and kurtosis, on independent draws."""


@dataclass(frozen=True)
class NormalFits(Report):
    """Normal fits to the losses and to their logarithms: the latter is a log-normal fit."""

    loss: NormalFit
    log_loss: NormalFit
    draws: int
    """How many the test had."""

    def rows(self) -> list[dict]:
        """One row for the loss, one for its logarithm."""
        return [
            {"of": name} | vars(fit)
            for name, fit in (("loss", self.loss), ("log loss", self.log_loss))
        ]


def normal_fits(
    losses: Float[Tensor, " k"],
    generator: torch.Generator,
    *,
    probabilities: Float[Tensor, " k"] | None = None,
    draws: int = 1000,
) -> NormalFits:
    """Normal fits to losses of subsets, and to log losses, with skewness and a test.

    The moments and distances are those of all numbers given. For the test, `draws` of them are
    drawn with replacement, the same for both: a million subsets of one network are no independent
    sample, and so many would turn down any model, however near.

    Args:
        losses: of all subsets, or of sampled ones.
        generator: what the draws follow from, on the CPU.
        probabilities: of each, as of `subset_probabilities`; None: all alike.
        draws: 20 at least.

    Raises:
        InputError: losses that are not positive, or not finite, or all equal; probabilities of
            another shape, or below 0, or all 0; fewer than 20 draws.

    >>> generator = torch.Generator().manual_seed(0)
    >>> fits = normal_fits(torch.randn(9999, generator=generator).exp(), generator)
    >>> abs(fits.log_loss.skewness) < 0.1, fits.loss.skewness > 2, fits.loss.p_value < 1e-9
    (True, True, True)
    """
    values = losses.detach().cpu().double()
    if not len(values) or not values.isfinite().all():
        raise InputError("losses are empty, or hold what is not a finite number")
    if not (values > 0).all():
        count = int((values <= 0).sum())
        raise InputError(f"{count} of {len(values)} losses are not above 0, and have no logarithm")
    if draws < LEAST:
        raise InputError(f"draws is {draws}; expected {LEAST} at least")
    weights = _weights(probabilities, len(values))
    ends = weights.cumsum(0)
    places = torch.rand(draws, generator=generator, dtype=torch.float64) * ends[-1]
    drawn = torch.searchsorted(ends, places, right=True).clamp(max=len(values) - 1)
    logs = values.log()
    return NormalFits(_fit(values, weights, drawn), _fit(logs, weights, drawn), draws)


def _weights(probabilities: Tensor | None, count: int) -> Tensor:
    if probabilities is None:
        return torch.full((count,), 1 / count, dtype=torch.float64)
    weights = probabilities.detach().cpu().double()
    if weights.shape != (count,) or not (weights >= 0).all() or not weights.sum() > 0:
        raise InputError(
            f"probabilities are {tuple(weights.shape)}; expected one of at least 0 for each of "
            f"{count} losses, not all 0"
        )
    return weights / weights.sum()


def _fit(values: Tensor, weights: Tensor, drawn: Tensor) -> NormalFit:
    mean = weights @ values
    centred = values - mean
    std = (weights @ centred**2).sqrt()
    if not std > 1e-12 * values.abs().max():
        raise InputError("all losses are equal, so no distribution can be fitted")
    z, some = centred / std, values[drawn].numpy()
    ordered, order = z.sort()
    after = weights[order].cumsum(0)
    normal = torch.from_numpy(special.ndtr(ordered.numpy()))
    distance = torch.maximum((after - normal).abs(), (after - weights[order] - normal).abs()).max()
    return NormalFit(
        mean=mean.item(),
        std=std.item(),
        skewness=(weights @ z**3).item(),
        kurtosis=(weights @ z**4).item() - 3,
        distance=distance.item(),
        p_value=float(stats.normaltest(some).pvalue) if some.std() > 0 else 0.0,
    )
