"""Figures of all subsets of a layer's units: losses, derivatives by switches, paths, loss maps.

What may live here: how these are drawn, in the manner of `srnet.plots.common`.
"""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import SymLogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from sdnet.errors import InputError
from srnet.dissect.maps import LossMap
from srnet.dissect.normality import NormalFit, NormalFits
from srnet.dissect.paths import PathCovariance
from srnet.plots.common import COLOURS, GREY, LEGEND, dress

BINS = 120
ON, OFF = COLOURS[0], COLOURS[1]
DIVERGING, RISING = "RdBu_r", "viridis"


def loss_densities(
    losses: Float[Tensor, " subsets"],
    fits: NormalFits,
    probabilities: Float[Tensor, " subsets"] | None = None,
) -> Figure:
    """The densities of losses and of log losses, each with the normal distribution fitted to it.

    Args:
        losses: of subsets.
        fits: of `srnet.dissect.normality.normal_fits`.
        probabilities: of the subsets, as the fits were given them; None: all alike.

    Raises:
        InputError: losses that aren't finite and above 0.

    >>> import torch
    >>> from srnet.dissect.normality import normal_fits
    >>> losses = torch.arange(1, 65) / 10
    >>> figure = loss_densities(losses, normal_fits(losses, torch.Generator()))
    >>> [ax.get_xlabel() for ax in figure.axes]
    ['loss', 'log loss']
    """
    values = losses.detach().cpu().double().numpy()
    if not len(values) or not (np.isfinite(values) & (values > 0)).all():
        raise InputError("losses are empty, or not all finite and above 0")
    figure = Figure((9.6, 3.8), dpi=100, layout="constrained")
    pairs = ((values, fits.loss, "loss"), (np.log(values), fits.log_loss, "log loss"))
    for ax, (numbers, fit, name) in zip(figure.subplots(1, 2), pairs, strict=True):
        _density(ax, numbers, fit, probabilities)
        dress(ax, name, "density of subsets")
    figure.axes[0].legend(**LEGEND)
    return figure


def _density(ax: Axes, values: np.ndarray, fit: NormalFit, probabilities: Tensor | None) -> None:
    weights = None if probabilities is None else probabilities.numpy()
    heights, edges = np.histogram(values, BINS, density=True, weights=weights)
    ax.stairs(heights, edges, fill=True, color=COLOURS[5], alpha=0.7, label="subsets")
    x = np.linspace(values.min(), values.max(), 400)
    y = np.exp(-(((x - fit.mean) / fit.std) ** 2) / 2) / (fit.std * math.sqrt(2 * math.pi))
    ax.plot(x, y, color=COLOURS[1], linewidth=1.6, label="normal fit")
    text = (
        f"skewness {fit.skewness:.2f}, excess kurtosis {fit.kurtosis:.2f}\nD = {fit.distance:.3f}"
    )
    ax.set_title(text, loc="right", fontsize=8, color=GREY)


def gradients_by_unit(gradients: Float[Tensor, "subsets units"]) -> Figure:
    """d loss / d s_i of each unit, over the subsets with it on and over those with it off.

    For each unit two boxes (quartiles) with lines from the 5th to the 95th percentile, and dots at
    the means.

    Raises:
        InputError: not (2^N, N).

    >>> import torch
    >>> figure = gradients_by_unit(torch.randn(8, 3))
    >>> [text.get_text() for text in figure.axes[0].get_xticklabels()]
    ['0', '1', '2']
    """
    units = gradients.shape[1]
    if gradients.shape != (2**units, units) or not units:
        raise InputError(f"gradients are {tuple(gradients.shape)}; expected (2^N, N)")
    figure = Figure((max(6.0, 0.52 * units + 1.5), 4.0), dpi=100, layout="constrained")
    ax = figure.subplots()
    for number, (name, colour) in enumerate((("off", OFF), ("on", ON))):
        boxes = [_box(gradients, unit, number) for unit in range(units)]
        drawn = ax.bxp(
            boxes,
            positions=[unit + 0.36 * (number - 0.5) for unit in range(units)],
            widths=0.3,
            showfliers=False,
            showmeans=True,
            patch_artist=True,
            manage_ticks=False,
            boxprops={"facecolor": colour, "alpha": 0.55, "linewidth": 0},
            medianprops={"color": colour, "linewidth": 1.4},
            whiskerprops={"color": colour, "linewidth": 1},
            capprops={"linewidth": 0},
            meanprops={"marker": ".", "markeredgecolor": GREY, "markerfacecolor": GREY},
        )
        drawn["boxes"][0].set_label(f"unit {name}")
    ax.axhline(0, color=GREY, linewidth=0.8)
    ax.set_xticks(range(units), [str(unit) for unit in range(units)])
    dress(ax, "unit", "d loss / d switch")
    ax.legend(**LEGEND)
    return figure


def _box(gradients: Tensor, unit: int, on: int) -> dict[str, float]:
    """Quartiles, percentiles and mean of a unit's derivatives where its bit is `on`."""
    values = gradients[:, unit].view(-1, 2, 2**unit)[:, on].flatten().numpy()
    low, q1, median, q3, high = np.percentile(values, (5, 25, 50, 75, 95))
    mean = values.mean(dtype=np.float64)
    return {"whislo": low, "q1": q1, "med": median, "q3": q3, "whishi": high, "mean": mean}


def path_covariances(
    covariance: PathCovariance, paths: Float[Tensor, "paths flips"] | None = None
) -> Figure:
    """The covariance of log loss along random flip paths, from start and from end; and some paths.

    Raises:
        InputError: paths of another length.

    >>> import torch
    >>> from srnet.dissect.paths import path_covariance
    >>> len(path_covariances(path_covariance(torch.randn(8))).axes)
    5
    """
    flips = len(covariance.mean)
    if paths is not None and paths.shape[1] != flips:
        raise InputError(f"paths are {tuple(paths.shape)}; expected (paths, {flips})")
    figure = Figure((13.0, 3.8), dpi=100, layout="constrained")
    walk, start, end = figure.subplots(1, 3)
    t = np.arange(flips)
    if paths is not None:
        walk.plot(t, paths.numpy().T, color=COLOURS[5], linewidth=0.6, alpha=0.6)
    walk.plot(t, covariance.mean.numpy(), color=COLOURS[6], linewidth=1.6, label="mean of all")
    walk.legend(**LEGEND)
    dress(walk, "units flipped", "log loss")
    for ax, matrix, since in (
        (start, covariance.from_start, "start"),
        (end, covariance.from_end, "end"),
    ):
        _heat(figure, ax, matrix.numpy(), "covariance")
        ax.set(xlabel="units flipped", ylabel="units flipped")
        ax.set_title(f"of the change from the {since}", loc="left", fontsize=9, color=GREY)
    return figure


def loss_heat_maps(found: LossMap, units: Sequence[int] | None = None) -> Figure:
    """The loss over the plane of inputs, and its derivative by each unit's switch.

    Args:
        found: of `srnet.dissect.maps.loss_map`.
        units: whose derivatives are drawn; None: all.

    Raises:
        InputError: a unit that isn't there.

    >>> import torch
    >>> from srnet.dissect.circle import inside_circle
    >>> from srnet.dissect.classifiers import dense
    >>> from srnet.dissect.maps import loss_map
    >>> model = dense([2, 3, 2], torch.Generator().manual_seed(0))
    >>> figure = loss_heat_maps(loss_map(model, "relu1", inside_circle, size=9))
    >>> [ax.get_title(loc="left") for ax in figure.axes[:4]]
    ['loss', 'unit 0', 'unit 1', 'unit 2']
    """
    chosen = list(range(len(found.gradients)) if units is None else units)
    for unit in chosen:
        if not 0 <= unit < len(found.gradients):
            raise InputError(f"unit {unit}; expected 0 to {len(found.gradients) - 1}")
    columns = min(7, len(chosen) + 1)
    rows = math.ceil((len(chosen) + 1) / columns)
    figure = Figure((1.75 * columns + 1.3, 1.85 * rows + 0.4), dpi=100, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.1)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes[len(chosen) + 1 :]:
        ax.remove()
    axes = axes[: len(chosen) + 1]
    extent = [found.axis[0].item(), found.axis[-1].item()] * 2
    labels, losses = found.labels.numpy(), found.losses.numpy()
    first = axes[0].imshow(losses, RISING, origin="lower", extent=extent, norm=_norm(losses, 0))
    slopes = found.gradients[chosen].numpy()
    norm = _norm(slopes, None)
    for ax, slope in zip(axes[1:], slopes, strict=True):
        last = ax.imshow(slope, DIVERGING, origin="lower", extent=extent, norm=norm)
    names = ["loss", *(f"unit {unit}" for unit in chosen)]
    for ax, name in zip(axes, names, strict=True):
        if labels.min() < labels.max():
            ax.contour(labels, [0.5], colors=GREY, linewidths=0.8, extent=extent)
        ax.set(xticks=[], yticks=[])
        ax.set_title(name, loc="left", fontsize=9, color=GREY)
    _bar(figure, first, list(axes), "loss", location="left")
    if chosen:
        _bar(figure, last, list(axes), "d loss / d switch")
    return figure


def interactions(
    matrix: Float[Tensor, "units units"], values: Float[Tensor, " units"] | None = None
) -> Figure:
    """Interactions of pairs of units as a heat map, and each unit's own value below.

    Raises:
        InputError: a matrix that isn't square, or values of another number of units.

    >>> import torch
    >>> len(interactions(torch.zeros(3, 3), torch.ones(3)).axes)
    3
    """
    units = len(matrix)
    if matrix.shape != (units, units) or (values is not None and values.shape != (units,)):
        raise InputError(f"interactions are {tuple(matrix.shape)}; expected (N, N), and N values")
    figure = Figure((5.8, 5.4 if values is None else 6.6), dpi=100, layout="constrained")
    if values is None:
        ax = figure.subplots()
    else:
        ax, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
        below.bar(range(units), values.numpy(), color=COLOURS[0])
        dress(below, "unit", "value")
    _heat(figure, ax, matrix.numpy(), "interaction")
    ax.set(ylabel="unit")
    return figure


def _heat(figure: Figure, ax: Axes, matrix: np.ndarray, label: str) -> None:
    limit = np.abs(matrix).max() or 1.0
    image = ax.imshow(matrix, DIVERGING, vmin=-limit, vmax=limit, origin="lower")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True))
    _bar(figure, image, [ax], label)


def _norm(values: np.ndarray, least: float | None) -> SymLogNorm:
    """Linear up to a hundredth of the largest, then logarithmic: most points lie at the border."""
    largest = float(np.abs(values).max(initial=0)) or 1.0
    return SymLogNorm(largest / 100, vmin=-largest if least is None else least, vmax=largest)


def _bar(
    figure: Figure, image: object, axes: Sequence[Axes], label: str, location: str = "right"
) -> None:
    bar = figure.colorbar(image, ax=axes, shrink=0.85, pad=0.02, location=location)
    bar.set_label(label, size=8, color=GREY)
    bar.ax.tick_params(labelsize=7, color=GREY, width=0.6)
    bar.outline.set_linewidth(0)
