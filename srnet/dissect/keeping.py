"""Units kept by chance: what a loss is when unit i is on with probability p_i, independently.

What may live here: means and distributions, exactly from a table of all subsets (2^N,), and by
sampling subsets of larger layers. The mean over subsets is the loss of a network under unit
dropout without rescaling.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor, nn

from sdnet.errors import InputError
from srnet.dissect.divergences import Reading
from srnet.dissect.report import Report
from srnet.dissect.subset_numbers import units_in
from srnet.dissect.switched import switched

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def subset_probabilities(keep: Float[Tensor, " units"]) -> Float64[Tensor, " subsets"]:
    """The probability of each subset: (N,) -> (2^N,), prod of p_i where on and 1 - p_i where off.

    Raises:
        InputError: probabilities outside [0, 1].

    >>> subset_probabilities(torch.tensor([0.5, 1.0])).tolist()
    [0.0, 0.0, 0.5, 0.5]
    """
    found = torch.ones(1, dtype=torch.float64)
    for p in _checked(keep, len(keep)).unbind():
        found = torch.cat([found * (1 - p), found * p])
    return found


def expected_value(
    table: Float[Tensor, " subsets"], keep: float | Float[Tensor, " units"]
) -> Float64[Tensor, ""]:
    """The mean of a table's numbers under keep-probabilities: sum over S of P(S) v(S).

    As a function of p it is the multilinear extension of v (Owen 1972): gradients flow to p, and
    d E / d p_i is the mean of v(S + i) - v(S) over the other units; at p = 1/2 the Banzhaf value.

    Args:
        table: (2^N,).
        keep: one probability for all units, or (N,).

    Raises:
        InputError: not a table of 2^N finite numbers; probabilities outside [0, 1].

    >>> expected_value(torch.tensor([0.0, 1.0, 2.0, 5.0]), 0.5).item()
    2.0
    """
    mean = table.detach().cpu().double()
    for p in _checked(keep, units_in(table)).unbind():
        off, on = mean.view(-1, 2).unbind(1)  # of the first unit that is left
        mean = torch.lerp(off, on, p)
    return mean[0]


@dataclass(frozen=True, eq=False)
class KeepCurve(Report):
    """How a table's numbers are distributed, for each keep-probability."""

    keep: tuple[float, ...]
    mean: Float64[Tensor, " probabilities"]
    std: Float64[Tensor, " probabilities"]
    quantiles: Float64[Tensor, "probabilities quantiles"]
    """At 5, 25, 50, 75 and 95 percent."""

    def rows(self) -> list[dict]:
        """For each probability mean, standard deviation and quantiles."""
        names = [f"{100 * q:g} %" for q in QUANTILES]
        return [
            {"keep": p, "mean": self.mean[i].item(), "std": self.std[i].item()}
            | dict(zip(names, self.quantiles[i].tolist(), strict=True))
            for i, p in enumerate(self.keep)
        ]


def keep_curve(
    table: Float[Tensor, " subsets"], keep: Sequence[float] = (0.1, 0.25, 0.5, 0.75, 0.9)
) -> KeepCurve:
    """Mean, standard deviation and quantiles over all subsets, exactly, for each probability.

    The quantile q is the least number of the table up to which the subsets have probability q.

    Raises:
        InputError: not a table of 2^N finite numbers; no probability, or one outside [0, 1].

    >>> keep_curve(torch.tensor([0.0, 1.0, 2.0, 5.0]), [0.5]).rows()[0]["50 %"]
    1.0
    """
    units = units_in(table)
    if not len(keep):
        raise InputError("no keep-probabilities were given; expected one at least")
    ordered, order = table.detach().cpu().double().sort()
    figures = []
    for p in keep:
        weights = subset_probabilities(_checked(p, units))[order]
        mean = weights @ ordered
        std = (weights @ (ordered - mean) ** 2).sqrt()
        below = weights.cumsum(0)
        wanted = below[-1] * torch.tensor(QUANTILES, dtype=torch.float64) * (1 - 1e-12)
        places = torch.searchsorted(below, wanted).clamp(max=len(ordered) - 1)
        figures.append(torch.cat([mean[None], std[None], ordered[places]]))
    found = torch.stack(figures)
    return KeepCurve(tuple(float(p) for p in keep), found[:, 0], found[:, 1], found[:, 2:])


@dataclass(frozen=True, eq=False)
class SampledSubsets(Report):
    """Losses and accuracies of subsets drawn at random; `rows` has their means."""

    on: Bool[Tensor, "samples units"]
    losses: Float[Tensor, " samples"]
    accuracies: Float[Tensor, " samples"]

    def rows(self) -> list[dict]:
        """The mean and its standard error, the standard deviation and the median, of both."""
        return [
            {
                "of": name,
                "mean": values.mean().item(),
                "error": values.std().item() / sqrt(len(values)),
                "std": values.std().item(),
                "median": values.quantile(0.5).item(),
            }
            for name, values in (
                ("loss", self.losses.double()),
                ("accuracy", self.accuracies.double()),
            )
        ]


@torch.no_grad()
def sample_losses(
    model: nn.Module,
    layer: str,
    x: Tensor,
    y: Tensor,
    keep: float | Float[Tensor, " units"],
    samples: int,
    generator: torch.Generator,
    *,
    reading: Reading = "classes",
    axis: int | None = None,
) -> SampledSubsets:
    """Losses of subsets drawn under keep-probabilities, for layers of any size.

    Args:
        keep: one probability for all units, or (N,).
        samples: how many subsets are drawn, 2 at least. The error of the mean falls as their root.
        generator: what they follow from, on the CPU.
        Others: as for `subset_table`.

    Raises:
        InputError: fewer than 2 samples; probabilities outside [0, 1]; and as `subset_table`, but
            for layers of any size.

    >>> from srnet.dissect.classifiers import dense
    >>> generator = torch.Generator().manual_seed(0)
    >>> model = dense([2, 100, 2], generator)
    >>> x, y = torch.rand(10, 2), torch.arange(10) % 2
    >>> sample_losses(model, "relu1", x, y, 0.5, 20, generator).losses.shape
    torch.Size([20])
    """
    if samples < 2:
        raise InputError(f"samples is {samples}; expected 2 at least")
    layers = switched(model, layer, x, y, reading=reading, axis=axis)
    p = _checked(keep, layers.units)
    on = torch.rand(samples, layers.units, generator=generator, dtype=torch.float64) < p
    losses, right = torch.zeros(2, samples, dtype=torch.float64)
    for some, _, loss, correct in layers.losses(on.to(layers.passes.acts)):
        losses[some] += loss.double().sum(1).cpu()
        right[some] += correct.sum(1).cpu()
    n = len(x)
    return SampledSubsets(on, (losses / n).to(layers.dtype), (right / n).to(layers.dtype))


def _checked(keep: float | Tensor, units: int) -> Float64[Tensor, " units"]:
    p = torch.as_tensor(keep).cpu().double()
    if p.shape not in ((), (units,)):
        raise InputError(
            f"keep-probabilities are {tuple(p.shape)}; expected one, or one for each of {units} "
            "units"
        )
    if not ((p >= 0) & (p <= 1)).all():
        raise InputError(f"keep-probabilities are {p.tolist()!r:.60}; expected numbers in [0, 1]")
    return p.expand(units)
