"""Figures of ablation: what each unit does to the output, and directions beside units.

What may live here: how these are drawn, in the manner of `srnet.plots.common`.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from sdnet.errors import InputError
from srnet.plots.common import COLOURS, GREY, LEGEND, NOTE, dress
from srnet.smoothing import Array

NAMED = 5  # the strongest ones are told by name
SPREAD = 0.3  # of the points of a strip, as a share of the distance of two


def units_by_effect(
    kl: Array,
    kl_reverse: Array,
    names: Sequence[int | str],
    change: Array,
    *,
    kind: str = "unit",
    change_label: str = "change in accuracy",
) -> Figure:
    """Ablations in the order of their effect, and what else each changes.

    Left: the mean divergence of each over the examples, both ways round, with the middle half of
    the examples of KL(original || ablated) as a line, on a logarithmic axis. Right: another
    change against it; the strongest ones carry their names.

    Args:
        kl, kl_reverse: (k ablations, n examples), in nats.
        names: of the ablations. change: (k,), such as the mean change in accuracy.

    Raises:
        InputError: none, or sizes that don't fit each other.

    >>> kl = np.array([[0.1, 0.3], [1.0, 3.0]])
    >>> figure = units_by_effect(kl, kl, [0, 1], [0.0, -0.5])
    >>> figure.axes[0].lines[0].get_ydata().tolist()
    [2.0, 0.2]
    """
    kl, kl_reverse, change = (np.asarray(values, float) for values in (kl, kl_reverse, change))
    if kl.ndim != 2 or not kl.size or kl.shape != kl_reverse.shape:
        raise InputError(f"kl of shape {kl.shape} and {kl_reverse.shape}; expected (k, n) of both")
    if not len(names) == len(change) == len(kl):
        raise InputError(f"{len(names)} names and {len(change)} changes for {len(kl)} ablations")
    order = kl.mean(1).argsort(kind="stable")[::-1]
    figure = Figure((9, 3.6), dpi=100, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.6, 1))
    _ranks(left, kl[order], kl_reverse[order], kind)
    means = kl.mean(1)
    right.plot(means, change, ".", color=COLOURS[0], markersize=5)
    right.axhline(0, color=GREY, linewidth=0.8, linestyle="--")
    look = {"fontsize": 8, "color": GREY, "textcoords": "offset points"}
    for rank, place in enumerate(order[:NAMED]):  # one above the other: near points are common
        where = (means[place], change[place])
        right.annotate(str(names[place]), where, xytext=(3, 2 + 9 * rank), **look)
    if means.max() > 0:
        right.set_xscale("log")
        right.xaxis.set_minor_formatter(NullFormatter())  # of one decade they'd overlap
        right.xaxis.set_major_locator(LogLocator(subs=(1, 3), numticks=6))
        right.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0e}"))
    dress(right, "KL(original || ablated), nats", change_label)
    idle = int((means <= 0).sum())  # which have no place on a logarithmic axis
    without = f", {idle} without effect" if idle else ""
    right.set_title(f"{kl.shape[0]} {kind}s, {kl.shape[1]} examples{without}", **NOTE)
    return figure


def _ranks(ax: Axes, kl: np.ndarray, kl_reverse: np.ndarray, kind: str) -> None:
    """Of ablations in order."""
    ranks = np.arange(1, len(kl) + 1)
    low, high = np.quantile(kl, [0.25, 0.75], axis=1)
    ax.plot(ranks, kl.mean(1), ".", color=COLOURS[0], label="KL(original || ablated)", zorder=3)
    ax.plot(ranks, kl_reverse.mean(1), ".", color=COLOURS[1], label="KL(ablated || original)")
    ax.vlines(ranks, low, high, color="#9CC7E0", linewidth=1.5, label="middle half of the examples")
    positive = np.concatenate([kl.mean(1), kl_reverse.mean(1)])
    positive = positive[positive > 0]
    if len(positive):
        ax.set_yscale("log")
        ax.set_ylim(max(positive.min(), positive.max() * 1e-5) / 2, None)
    dress(ax, f"rank of the {kind}", "divergence, nats")
    ax.legend(**LEGEND)


def strips(groups: Mapping[str, Array], label: str) -> Figure:
    """Groups of numbers as strips of points on one logarithmic axis, the first group on top.

    A number of 0 or less has no place on it, and is counted beside the strip.

    Args:
        groups: numbers by their names; label: what they are.

    Raises:
        InputError: no groups, or no number above 0.

    >>> figure = strips({"best": [128.0, 115.0], "units": [1.2, 0.1, 0.0]}, "KL")
    >>> [line.get_xdata().tolist() for line in figure.axes[0].lines]
    [[128.0, 115.0], [1.2, 0.1]]
    """
    values = {name: np.asarray(numbers, float).ravel() for name, numbers in groups.items()}
    if not any((numbers > 0).any() for numbers in values.values()):
        raise InputError("no number above 0 to draw; expected at least one")
    figure = Figure((7, 0.55 * len(values) + 1.2), dpi=100, layout="constrained")
    ax = figure.subplots()
    for place, numbers in enumerate(values.values()):
        shown = numbers[numbers > 0]
        # even, not random: the same figure has the same bytes
        offset = SPREAD * np.sin(2.4 * np.arange(len(shown))) if len(shown) > 1 else 0.0
        look = {"color": COLOURS[place % len(COLOURS)], "markersize": 4, "alpha": 0.7}
        ax.plot(shown, place + np.full(len(shown), offset), ".", **look)
        if len(shown) < len(numbers):
            text = f"  {len(numbers) - len(shown)} of 0"
            where = ax.get_yaxis_transform()
            ax.text(0, place, text, transform=where, fontsize=8, color=GREY, va="center")
    ax.set_xscale("log")
    dress(ax, label, "")
    ax.set_yticks(range(len(values)), [f"{name} ({len(v)})" for name, v in values.items()])
    ax.set_ylim(len(values) - 0.5, -0.5)
    ax.grid(axis="y", visible=False)
    return figure
