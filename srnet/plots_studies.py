"""Figures of hyperparameter studies: pure functions from tables and curves to figures."""

import math
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sdnet.errors import InputError
from srnet.plots import COLOURS, GREY, dress

MAP = "viridis"


def curves_by_trend(groups: Mapping[str, Sequence[Sequence[float]]], label: str) -> Figure:
    """The courses of a figure, (epochs,) each, in a panel for each trend, with how many there are.

    Raises:
        InputError: no groups.

    >>> curves_by_trend({"learns": [[0.5, 0.9]], "never": []}, "accuracy").axes[0].get_title()
    'learns: 1'
    """
    if not groups:
        raise InputError("no trends to draw; expected at least one, by its name")
    figure = Figure((3.2 * len(groups), 3), layout="constrained")
    panels = np.ravel(figure.subplots(1, len(groups), sharey=True, squeeze=False))
    for ax, (name, curves) in zip(panels, groups.items(), strict=True):
        for i, curve in enumerate(curves):
            ax.plot(np.arange(1, len(curve) + 1), curve, color=COLOURS[i % len(COLOURS)], alpha=0.7)
        ax.axhline(0.5, color=GREY, linewidth=1, linestyle="--")
        dress(ax, "epoch", label if ax is panels[0] else "")
        ax.set_title(f"{name}: {len(curves)}")
    return figure


def bars(shares: Mapping[str, float], label: str) -> Figure:
    """A horizontal bar for each name, the largest on top.

    >>> [float(bar.get_width()) for bar in bars({"a": 0.75, "b": 0.25}, "").axes[0].patches]
    [0.25, 0.75]
    """
    figure = Figure((5, 0.35 * len(shares) + 1), layout="constrained")
    ax = figure.subplots()
    ordered = sorted(shares.items(), key=lambda item: item[1])
    ax.barh([name for name, _ in ordered], [share for _, share in ordered], color=COLOURS[0])
    dress(ax, label, "")
    return figure


def parallel_coordinates(
    rows: Sequence[Mapping], keys: Sequence[str], metric: str, maximize: bool
) -> Figure:
    """A line for each trial over an axis for each key, the metric's last, coloured by the metric.

    Numbers over more than two orders of magnitude are drawn by their logarithm; what is no number
    by its rank in sorted text. The best trials are drawn last.

    Raises:
        InputError: no row has a figure.

    >>> rows = [{"lr": 1e-3, "acc": 0.5}, {"lr": 1e-1, "acc": 0.9}]
    >>> lines = parallel_coordinates(rows, ["lr"], "acc", True).axes[0].lines
    >>> [line.get_ydata().tolist() for line in lines[-2:]]
    [[0.0, 0.0], [1.0, 1.0]]
    """
    rows = [row for row in rows if row[metric] is not None and math.isfinite(row[metric])]
    if not rows:
        raise InputError(f"no trial has a figure for {metric}; expected at least one")
    rows = sorted(rows, key=lambda row: row[metric], reverse=not maximize)
    names = [*keys, metric]
    figure = Figure((1.5 * len(names) + 1.5, 4), layout="constrained")
    ax = figure.subplots()
    heights = np.stack([_heights(ax, i, [row[key] for row in rows]) for i, key in enumerate(names)])
    figures = np.array([row[metric] for row in rows], float)
    spread = np.ptp(figures) or 1.0
    colours = matplotlib.colormaps[MAP]((figures - figures.min()) / spread)
    for line, colour in zip(heights.T, colours, strict=True):
        ax.plot(np.arange(len(names)), line, color=colour, alpha=0.8)
    ax.set_xticks(np.arange(len(names)), names, rotation=20, ha="right")
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    ax.set_xlim(-0.3, len(names) - 0.7)
    return figure


def _heights(ax: Axes, place: int, values: list) -> np.ndarray:
    """Where a column's values lie on its axis, from 0 to 1; its ticks are written beside it."""
    numbers = all(isinstance(value, int | float) for value in values)
    if numbers:
        column = np.array(values, float)
        if column.min() > 0 and column.max() / column.min() > 100:
            column = np.log10(column)
        ends = {0.0: f"{min(values):.3g}", 1.0: f"{max(values):.3g}"}
    else:
        texts = sorted({str(value) for value in values})
        column = np.array([texts.index(str(value)) for value in values], float)
        ends = {i / max(len(texts) - 1, 1): text for i, text in enumerate(texts)}
    ax.axvline(place, color=GREY, linewidth=1, zorder=0)
    for height, text in ends.items():
        ax.text(place + 0.03, height, text.replace("$", r"\$"), fontsize=7, color=GREY)
    spread = np.ptp(column)
    return (column - column.min()) / spread if spread else np.full(len(values), 0.5)
