"""Figures: pure functions from arrays and states to matplotlib axes.

What may live here: how a thing is drawn, the smoothing of what is drawn, and the writing of a
figure to a file. Where curves and scores come from is the business of runs/. No other module
imports matplotlib's drawing, and pyplot and the global settings are left alone: every figure is
an explicit `matplotlib.figure.Figure`, which needs no display and no closing.
"""

import os
from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from jaxtyping import Bool, Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from sdnet.errors import InputError, nearest

Array = Tensor | np.ndarray | Sequence  # numbers, of a shape that is checked here

# Okabe and Ito (2008), told apart by colour-blind readers; without yellow, too pale on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STYLES = ("-", "--", ":")  # when there are more runs than colours
REAL, FAKE = COLOURS[:2]
QUIET = "0.45"  # the grey of what explains
BAND = (0.1, 0.9)
FIGURES = {
    "acc": "accuracy on unseen curves",
    "loss": "critic loss",
    "penalty": "gradient penalty, mean (|g| − 1)²",  # noqa: RUF001, a true minus sign
}
METADATA = {".png": {"Software": None}, ".svg": {"Date": None, "Creator": None}}


def smooth(
    values: Array, horizon: int
) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n"], Float[np.ndarray, "n"]]:
    """Moving average over `horizon` epochs, with the band from the 10 % to the 90 % quantile.

    The window of epoch i is the epochs i - (h - 1) // 2 to i + h // 2; at the edges it is what
    there is of it. Of several runs, a window holds the values of all of them.

    Args:
        values: (n epochs,) or (r runs, n epochs), finite.
        horizon: h, at least 1.

    Returns:
        mean, low, high: (n,) each.

    Raises:
        InputError: no or non-finite values, of another shape; a horizon below 1.

    >>> mean, low, high = smooth([0.0, 10.0, 20.0], horizon=3)
    >>> mean.tolist(), low.tolist(), high.tolist()
    ([5.0, 10.0, 15.0], [1.0, 2.0, 11.0], [9.0, 18.0, 19.0])
    """
    if isinstance(horizon, bool) or not isinstance(horizon, int | np.integer) or horizon < 1:
        raise InputError(f"horizon is {horizon!r}; expected a whole number of epochs, at least 1")
    runs = np.atleast_2d(_array("values", values))
    if runs.ndim > 2 or not runs.size:
        raise InputError(f"values have the shape {runs.shape}; expected (epochs,) or (runs, epochs)")
    count = runs.shape[1]
    first = np.maximum(np.arange(count) - (horizon - 1) // 2, 0)
    last = np.minimum(np.arange(count) + horizon // 2 + 1, count)
    centre = runs.mean()  # so that the running sum stays small and loses no digits
    sums = np.concatenate([[0.0], np.cumsum((runs - centre).mean(0))])
    mean = (sums[last] - sums[first]) / (last - first) + centre
    return mean, *_window_quantiles(runs, first, last)


def _window_quantiles(
    runs: Float[np.ndarray, "r n"], first: Int[np.ndarray, "n"], last: Int[np.ndarray, "n"]
) -> Float[np.ndarray, "2 n"]:
    """The quantiles BAND of runs[:, first[i]:last[i]] for each i, linear between two values.

    The window is kept sorted as it moves on, which takes no time and memory for its width.
    """
    columns = runs.T.tolist()
    window: list[float] = []
    band = np.empty((2, len(columns)))
    start = stop = 0
    for i, (left, right) in enumerate(zip(first.tolist(), last.tolist(), strict=True)):
        for column in columns[stop:right]:
            for value in column:
                insort(window, value)
        for column in columns[start:left]:
            for value in column:
                del window[bisect_left(window, value)]
        start, stop = left, right
        for side, share in enumerate(BAND):
            place = share * (len(window) - 1)
            below = int(place)
            above = min(below + 1, len(window) - 1)
            band[side, i] = window[below] + (place - below) * (window[above] - window[below])
    return band


def learning_curves(
    runs: Mapping[str, Mapping | Sequence[Mapping]],
    ax: Axes | None = None,
    horizon: int = 100,
    figure: str = "acc",
) -> Axes:
    """Learning curves of several runs, smoothed over a horizon of epochs, with their bands.

    Several runs under one label are seeds of one setting: the line is their mean, the band that
    of all their values (see `smooth`), as far as the shortest of them goes.

    Args:
        runs: for each label a state, a history, or a list of them. A history has one entry an
            epoch under "acc", "loss" and "penalty"; a state holds it under "history".
        figure: "acc" (with the chance line at 0.5), "loss" or "penalty".

    Raises:
        InputError: no runs; a run without such a history, which is named; an unknown figure.

    >>> ax = learning_curves({"plain": {"history": {"acc": [0.5, 0.7]}}}, horizon=1)
    >>> ax.lines[0].get_ydata().tolist()
    [0.5, 0.7]
    """
    if figure not in FIGURES:
        raise InputError(f"figure is {figure!r}; {nearest(str(figure), FIGURES)}")
    if not isinstance(runs, Mapping) or not runs:
        raise InputError("no runs to draw; expected for each label a state or a list of states")
    bands = [smooth(_histories(label, run, figure), horizon) for label, run in runs.items()]
    ax = _blank(8, 4.5) if ax is None else ax
    for i, (label, (mean, low, high)) in enumerate(zip(runs, bands, strict=True)):
        colour, style = COLOURS[i % len(COLOURS)], STYLES[i // len(COLOURS) % len(STYLES)]
        epochs = np.arange(1, len(mean) + 1)
        ax.fill_between(epochs, low, high, color=colour, alpha=0.15, linewidth=0)
        end = {"marker": "o", "markersize": 4, "markevery": [len(mean) - 1]}
        ax.plot(epochs, mean, style, color=colour, linewidth=1.6, label=str(label), **end)
    if figure == "acc":
        ax.axhline(0.5, color=QUIET, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
        ax.annotate("chance", (1, 0.5), (-2, -3), ax.get_yaxis_transform(), "offset points",
                    ha="right", va="top", fontsize=9, color=QUIET)  # fmt: skip
    _dress(ax, "epoch", FIGURES[figure])
    _note(ax, f"mean and {BAND[0]:.0%} to {BAND[1]:.0%} band over {horizon} epochs")
    order = np.argsort([-mean[-1] for mean, _, _ in bands], kind="stable")  # as the lines end
    lines = [line for line in ax.lines if not line.get_label().startswith("_")]
    ax.legend(handles=[lines[i] for i in order], loc="upper left", bbox_to_anchor=(1, 1))
    return ax
