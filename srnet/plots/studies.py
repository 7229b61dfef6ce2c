"""Figures of hyperparameter studies: pure functions from tables and curves to figures."""

import math
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator

from sdnet.errors import InputError
from srnet.pages import choices
from srnet.plots.common import COLOURS, GREY, NOTE, dress

MAP = "viridis_r"  # dark for the best, which has to be seen
TRENDS = (COLOURS[0], COLOURS[1], COLOURS[2], GREY)
"""The colours of trends, in their order; those of the page."""

Figures = Sequence[float] | np.ndarray
Curve = tuple[Sequence[int] | np.ndarray, Figures]  # epochs and values


def curves_by_trend(
    groups: Mapping[str, Sequence[Curve]],
    label: str,
    chance: float | None = None,
    log: bool = False,
) -> Figure:
    """The courses of a figure in a panel for each trend, with how many there are.

    Args:
        groups: for each trend its courses, each of epochs and values.
        chance: where to draw a line; `log`: on a logarithmic axis.

    Raises:
        InputError: no groups.

    >>> groups = {"learns": [([1, 2], [0.5, 0.9])], "never": []}
    >>> curves_by_trend(groups, "accuracy").axes[0].get_title()
    'learns: 1 of 1'
    """
    if not groups:
        raise InputError("no trends to draw; expected at least one, by its name")
    figure = Figure((3.2 * len(groups), 3), layout="constrained")
    panels = figure.subplots(1, len(groups), sharex=True, sharey=True, squeeze=False)[0]
    total = sum(map(len, groups.values()))
    for i, (ax, (name, curves)) in enumerate(zip(panels, groups.items(), strict=True)):
        for epochs, values in curves:
            ax.plot(epochs, values, color=TRENDS[i % len(TRENDS)], alpha=0.5, linewidth=1)
        if chance is not None:
            ax.axhline(chance, color=GREY, linewidth=1, linestyle="--")
        if log:
            ax.set_yscale("log")
        dress(ax, "epoch", label if ax is panels[0] else "")
        ax.set_title(f"{name}: {len(curves)} of {total}", fontsize=10)
        if not curves:
            ax.text(0.5, 0.6, "none", transform=ax.transAxes, color=GREY, ha="center", va="center")
    if chance is not None:
        look = {"fontsize": 8, "color": GREY, "ha": "right", "va": "bottom"}
        where = panels[-1].get_yaxis_transform()
        panels[-1].text(1, chance, "chance ", transform=where, **look)
    return figure


def bars(shares: Mapping[str, float], label: str) -> Figure:
    """A horizontal bar for each name with its share, the largest on top.

    >>> [float(bar.get_width()) for bar in bars({"a": 0.75, "b": 0.25}, "").axes[0].patches]
    [0.25, 0.75]
    """
    figure = Figure((5, 0.35 * len(shares) + 1), layout="constrained")
    ax = figure.subplots()
    ordered = sorted(shares.items(), key=lambda item: item[1])
    drawn = ax.barh([name for name, _ in ordered], [x for _, x in ordered], color=COLOURS[0])
    ax.bar_label(drawn, [f"{100 * share:.0f} %" for _, share in ordered], padding=3, fontsize=8)
    ax.margins(x=0.12)
    dress(ax, label, "")
    ax.grid(axis="y", visible=False)
    return figure


def parallel_coordinates(
    rows: Sequence[Mapping], scales: Mapping[str, str], metric: str, maximize: bool
) -> Figure:
    """A line for each trial over an axis for each key, coloured by the metric.

    Numbers are drawn as their scale says, choices at even distances, in the order of
    `srnet.pages.choices`; a value that an axis has no place for leaves a gap. Trials without a
    figure are left out. The best trials are drawn last.

    Args:
        scales: "linear", "log" or "choice" for each key and for the metric, as in
            `srnet.pages.study_page`.

    Raises:
        InputError: no row has a figure.

    >>> rows = [{"lr": 1e-3, "acc": 0.5}, {"lr": 1e-1, "acc": 0.9}]
    >>> scales = {"lr": "log", "acc": "linear"}
    >>> lines = parallel_coordinates(rows, scales, "acc", True).axes[0].lines
    >>> [line.get_ydata().tolist() for line in lines[-2:]]
    [[0.0, 0.0], [1.0, 1.0]]
    """
    count = len(rows)
    rows = [row for row in rows if row[metric] is not None and math.isfinite(row[metric])]
    if not rows:
        raise InputError(f"no trial has a figure for {metric}; expected at least one")
    rows = sorted(rows, key=lambda row: row[metric], reverse=not maximize)
    figure = Figure((1.5 * len(scales) + 1.5, 4), layout="constrained")
    ax = figure.subplots()
    heights = np.stack(
        [
            _heights(ax, i, [row.get(key) for row in rows], scale)
            for i, (key, scale) in enumerate(scales.items())
        ]
    )
    figures = np.array([row[metric] for row in rows], float)
    norm = matplotlib.colors.LogNorm if scales[metric] == "log" else Normalize
    colours = ScalarMappable(
        norm(figures.min(), figures.max()), MAP if maximize else MAP.removesuffix("_r")
    )
    for line, colour in zip(heights.T, colours.to_rgba(figures), strict=True):
        ax.plot(np.arange(len(scales)), line, color=colour, alpha=0.8)
    names = [f"{key}\n(log)" if scale == "log" else key for key, scale in scales.items()]
    ax.set_xticks(np.arange(len(scales)), [name.replace("$", r"\$") for name in names])
    ax.tick_params(axis="x", length=0, labelsize=9)
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    ax.set_xlim(-0.4, len(scales) - 0.9)
    left_out = f", {count - len(rows)} without a figure left out" if count > len(rows) else ""
    ax.set_title(f"{len(rows)} trials, the best in front{left_out}", **NOTE)
    figure.colorbar(colours, ax=ax, label=metric, pad=0.01, aspect=30)
    return figure


def _heights(ax: Axes, place: int, values: list, scale: str) -> np.ndarray:
    """Where values lie on their axis, from 0 to 1, NaN for nowhere; the axis is drawn."""
    if scale == "choice":
        texts, places = choices(values)
        column, ends = np.array(places, float), (0, len(texts) - 1)  # of None, NaN
        ticks = dict(enumerate(texts))
    else:
        column = np.array([v if isinstance(v, int | float) else math.nan for v in values], float)
        column[~np.isfinite(column)] = math.nan
        if scale == "log":
            column = np.log10(column, where=column > 0, out=np.full(len(column), math.nan))
        known = column[~np.isnan(column)]
        ends = (known.min(), known.max()) if known.size else (0, 0)
        ticks = _ticks(*ends, scale)
    spread = ends[1] - ends[0]
    ax.plot([place, place], [0, 1], color=GREY, linewidth=1, zorder=0)
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.6}
    for value, text in ticks.items():
        height = (value - ends[0]) / spread if spread else 0.5
        text = text.replace("$", r"\$")
        look = {"fontsize": 8, "ha": "right", "va": "center", "bbox": box, "zorder": 3}
        ax.text(place - 0.03, height, text, **look)
    return (column - ends[0]) / spread if spread else np.where(np.isnan(column), column, 0.5)


def _ticks(low: float, high: float, scale: str) -> dict[float, str]:
    """Places on an axis with their labels; of a logarithmic one, in decades."""
    if low == high:
        return {low: f"{10**low if scale == 'log' else low:.4g}"}
    if scale == "log" and high - low >= 1:
        decades = np.log10(LogLocator(numticks=8).tick_values(10**low, 10**high))
        return {x: f"{10**x:.4g}" for x in decades.tolist() if low - 1e-9 <= x <= high + 1e-9}
    if scale == "log":
        return {low: f"{10**low:.3g}", high: f"{10**high:.3g}"}
    places = MaxNLocator(6, steps=[1, 2, 5, 10]).tick_values(low, high).tolist()
    return {x: f"{x:.4g}" for x in places if low - 1e-9 <= x <= high + 1e-9}
