"""Figures of critics: how they learn, the curves they see, what they say of them.

Pure functions from arrays and states to matplotlib axes: where curves and scores come from is the
business of `srnet.runs`.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from sdnet.errors import InputError, nearest
from srnet.plots.common import COLOURS, GREY, LEGEND, NOTE, STYLES, dress
from srnet.smoothing import Array, checked, smooth, to_numpy

# What a user gives, of any type: what it should be is checked here and told in a sentence.
Run = object  # a state, a history, or a list of them
Panels = Sequence[Axes] | np.ndarray | None  # None: of a new figure

KINDS = {"real": COLOURS[0], "fake": COLOURS[1]}
HISTORIES = {
    "acc": "accuracy on unseen curves",
    "loss": "critic loss",
    "penalty": "gradient penalty, mean (|g| - 1)²",
}


def learning_curves(
    runs: Mapping[str, Run], ax: Axes | None = None, horizon: int = 100, figure: str = "acc"
) -> Axes:
    """Learning curves of several runs, smoothed over a horizon of epochs, with their bands.

    Several runs under one label are seeds of one setting: the line is their mean and the band
    that of all their epochs (see `smooth`), as far as the shortest of them goes.

    Args:
        runs: for each label a state, a history, or a list of either. A history has one entry
            an epoch under "acc", "loss" and "penalty"; a state has it under "history".
        figure: "acc" (in [0, 1], with the chance line at 0.5), "loss" or "penalty".

    Raises:
        InputError: no runs; a run without such a history, which is named; an unknown figure.

    >>> ax = learning_curves({"plain": {"history": {"acc": [0.5, 0.75]}}}, horizon=1)
    >>> ax.lines[0].get_ydata().tolist()
    [0.5, 0.75]
    """
    if figure not in HISTORIES:
        raise InputError(f"figure is {figure!r}; {nearest(str(figure), HISTORIES)}")
    if not isinstance(runs, Mapping) or not runs:
        raise InputError("no runs to draw; expected for each label a state, or a list of states")
    bands = [smooth(_histories(label, run, figure), horizon) for label, run in runs.items()]
    ax = ax or _panels(None, (1, 1), 4.5)[0, 0]
    lines = []
    for i, (label, (mean, low, high)) in enumerate(zip(runs, bands, strict=True)):
        colour, style = COLOURS[i % len(COLOURS)], STYLES[i // len(COLOURS) % len(STYLES)]
        epochs, pale = np.arange(1, len(mean) + 1), min(0.15, 0.6 / len(runs))
        ax.fill_between(epochs, low, high, color=colour, alpha=pale, linewidth=0)
        look = {"color": colour, "linewidth": 1.6, "marker": "o", "markersize": 4}
        name = str(label).replace("$", r"\$")  # which would be mathematics
        lines += ax.plot(epochs, mean, style, markevery=[-1], label=name, **look)
    lines.sort(key=lambda line: -line.get_ydata()[-1])  # in the legend as they end
    if figure == "acc":
        lines.append(ax.axhline(0.5, color=GREY, linewidth=1, linestyle="--", label="chance"))
    dress(ax, "epoch", HISTORIES[figure])
    ax.set_title(f"mean, and 10 % to 90 % band, over a horizon of {horizon} epochs", **NOTE)
    ax.legend(handles=lines, loc="upper left", bbox_to_anchor=(1, 1), **LEGEND)
    return ax


def _histories(label: str, run: Run, figure: str) -> Float[np.ndarray, "r n"]:
    """The histories of a run's states, cut to the shortest."""
    states = run if isinstance(run, Sequence) else [run]
    try:
        rows = [to_numpy(state.get("history", state)[figure]) for state in states]
        epochs = min(len(row) for row in rows)
    except (AttributeError, KeyError, TypeError, ValueError):  # of what is no state, or no states
        epochs = 0
    if not epochs:
        raise InputError(
            f"run {label!r} has no history of {figure!r} to draw; expected a state, or a list of "
            f"states, with one entry an epoch under history.{figure}"
        )
    return checked(f"history.{figure} of run {label!r}", [row[:epochs] for row in rows], "r n")


def growth(accuracies: Mapping[str, Mapping[int, Sequence[float]]], ax: Axes | None = None) -> Axes:
    """Accuracy against the number of templates (log axis): means of seeds, with their range.

    Args:
        accuracies: for each label and size of library the accuracies of its seeds, in [0, 1].

    Raises:
        InputError: nothing to draw, or a label without accuracies.

    >>> ax = growth({"plain": {10: [0.5, 0.7], 1: [0.9]}})
    >>> [round(float(acc), 3) for acc in ax.lines[0].get_ydata()]
    [0.9, 0.6]
    """
    if not accuracies or not all(all(sizes.values()) and sizes for sizes in accuracies.values()):
        raise InputError("no accuracies to draw; expected some for each label and size")
    ax = ax or _panels(None, (1, 1), 4.5)[0, 0]
    for i, (label, by_size) in enumerate(accuracies.items()):
        sizes, colour = sorted(by_size), COLOURS[i % len(COLOURS)]
        rows = [to_numpy(by_size[size]) for size in sizes]
        low, high = ([pick(row) for row in rows] for pick in (np.min, np.max))
        ax.fill_between(sizes, low, high, color=colour, alpha=0.15, linewidth=0)
        ax.plot(sizes, [row.mean() for row in rows], "o-", color=colour, markersize=4, label=label)
    ax.axhline(0.5, color=GREY, linewidth=1, linestyle="--", label="chance")
    ax.set_xscale("log")
    dress(ax, "templates in the library", "accuracy on fresh curves")
    ax.set_title("mean of the seeds, and their range", **NOTE)
    ax.legend(loc="best", **LEGEND)
    return ax


def curves_side_by_side(
    x: Array, real: Array, fake: Array, axes: Panels = None, column: int = 0
) -> np.ndarray:
    """Real curves beside fake curves, against one input, on one scale.

    Of several inputs a curve is no function of one alone: it is drawn as dots.

    Args:
        x: (n points, d inputs), in any order.
        real, fake: (b curves, n points); b may differ.
        axes: (2,), of the real and of the fake curves, which are returned.
        column: of x, to draw against.

    Raises:
        InputError: shapes that don't fit each other, values that aren't finite, no such column.

    >>> axes = curves_side_by_side([[2.0], [1.0]], real=[[4.0, 1.0]], fake=[[0.0, 3.0]])
    >>> axes[0].lines[0].get_xydata().tolist()
    [[1.0, 1.0], [2.0, 4.0]]
    """
    x = checked("x", x, "points, inputs")
    if not 0 <= column < x.shape[1]:
        raise InputError(f"column is {column}; expected a column of x, 0 to {x.shape[1] - 1}")
    panels = [_curves("real", real, x), _curves("fake", fake, x)]
    axes = _panels(axes, (1, 2), 3.6)
    for ax, kind, curves in zip(axes[0], KINDS, panels, strict=True):
        _draw(ax, x, curves, KINDS[kind], column)
        ax.set_title(kind, loc="left", fontsize=10)
    _one_scale(axes, x[:, column], panels, f"x{column}")
    return axes[0]


def verdicts(
    x: Array, curves: Array, scores: Array, is_real: Array, axes: Panels = None, count: int = 6
) -> np.ndarray:
    """Curves a critic gets right (left) and wrong (right), real (above) and fake (below).

    A curve is judged real where its score is above 0. Each panel shows the curves of its kind
    that the critic is most certain of, those of the largest |score|, and in its title the share
    of the real or of the fake curves judged so. They are drawn against the first input.

    Args:
        x: (n points, d inputs). curves: (b, n). scores: (b,). is_real: (b,), boolean.
        axes: (2, 2), which are returned. count: curves a panel, at most.

    Raises:
        InputError: shapes that don't fit each other, values that aren't finite.

    >>> axes = verdicts([[0.0], [1.0]], [[1.0, 2.0], [3.0, 4.0]], [5.0, -1.0], [True, True])
    >>> axes[0, 1].get_title(loc="left"), axes[0, 1].lines[0].get_ydata().tolist()
    ('real, judged fake (50 %)', [3.0, 4.0])
    """
    x = checked("x", x, "points, inputs")
    curves, scores = _curves("curves", curves, x), checked("scores", scores, "curves")
    is_real = to_numpy(is_real)
    if is_real.dtype != bool or not is_real.shape == scores.shape == (len(curves),) or count < 1:
        what = f"{len(curves)} curves, {len(scores)} scores, is_real {is_real.dtype}{is_real.shape}"
        raise InputError(f"{what}, count {count}; expected a score and a bool a curve, count > 0")
    axes = _panels(axes, (2, 2), 6)
    certain = np.argsort(-np.abs(scores), kind="stable")
    shown = []
    for row, (kind, other) in zip(axes, (("real", "fake"), ("fake", "real")), strict=True):
        of_kind = is_real == (kind == "real")
        for ax, judged in zip(row, (kind, other), strict=True):
            members = of_kind & ((scores > 0) == (judged == "real"))
            shown.append(curves[certain[members[certain]][:count]])
            _draw(ax, x, shown[-1], KINDS[kind], 0)
            share = 100 * members.sum() / max(of_kind.sum(), 1)
            ax.set_title(f"{kind}, judged {judged} ({share:.0f} %)", loc="left", fontsize=10)
            if members.any():
                ax.set_title(f"{len(shown[-1])} most certain of {members.sum()}", **NOTE)
    _one_scale(axes, x[:, 0], shown, "x0")
    return axes


def score_histogram(
    real_scores: Array, fake_scores: Array, ax: Axes | None = None, threshold: Array = None
) -> Axes:
    """The share of the real (b,) and of the fake curves (c,) with each score, in 40 common bins.

    A dashed line marks the threshold above which a curve is judged real, where one is given.

    Raises:
        InputError: no scores, of another shape or not finite; a threshold that isn't finite.

    >>> ax = score_histogram([1.0, 1.0, 3.0, 2.9999], [-1.0])
    >>> ax.patches[0].get_data().values[-1]  # of the four real ones
    np.float64(0.5)
    """
    real, fake = checked("real_scores", real_scores, "b"), checked("fake_scores", fake_scores, "c")
    edges = np.histogram_bin_edges(np.concatenate([real, fake]), 40)
    ax = ax or _panels(None, (1, 1), 4)[0, 0]
    for values, (kind, colour) in zip((real, fake), KINDS.items(), strict=True):
        shares = np.histogram(values, edges)[0] / len(values)
        look = {"facecolor": (colour, 0.35), "edgecolor": colour, "linewidth": 1}
        ax.stairs(shares, edges, fill=True, label=kind, **look)
    if threshold is not None:
        place = float(checked("threshold", threshold, ""))
        ax.axvline(place, color=GREY, linewidth=1, linestyle="--", label=f"threshold {place:.3g}")
    dress(ax, "critic score", "share of curves")
    ax.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, **LEGEND)
    return ax


def _curves(name: str, curves: Array, x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "b n"]:
    curves = checked(name, curves, "curves, points")
    if curves.shape[1] != len(x):
        raise InputError(f"{name} has curves of {curves.shape[1]} points; expected {len(x)}, as x")
    return curves


def _panels(axes: Panels, shape: tuple[int, int], height: float) -> np.ndarray:
    """The axes given, or those of a new figure of 800 pixels' width, in rows and columns."""
    if axes is None:
        figure = Figure((8, height), dpi=100, layout="constrained")
        return figure.subplots(*shape, sharex=True, sharey=True, squeeze=False)
    axes = np.asarray(axes, dtype=object)
    if axes.size != shape[0] * shape[1]:
        raise InputError(f"{axes.size} axes were given; expected {shape[0] * shape[1]}")
    return axes.reshape(shape)


def _draw(ax: Axes, x: np.ndarray, curves: np.ndarray, colour: str, column: int) -> None:
    """Curves (b, n) over x (n, d), in shades from dark to light, or the word "none"."""
    order = np.argsort(x[:, column], kind="stable")
    style = "-" if x.shape[1] == 1 else "."
    for curve, shade in zip(curves, np.linspace(0, 0.6, len(curves)), strict=True):
        mixed = (1 - shade) * np.array(to_rgb(colour)) + shade
        ax.plot(x[order, column], curve[order], style, color=mixed, linewidth=1.2, markersize=2)
    if not len(curves):
        ax.text(0.5, 0.5, "none", transform=ax.transAxes, color=GREY, ha="center", va="center")


def _one_scale(axes: np.ndarray, x: np.ndarray, curves: Sequence[np.ndarray], label: str) -> None:
    """The same limits for all axes (rows, columns), and labels at the outer ones."""
    values = np.concatenate([part.ravel() for part in curves])
    for (row, column), ax in np.ndenumerate(axes):
        ax.update_datalim([(x.min(), values.min()), (x.max(), values.max())])
        ax.autoscale_view()
        dress(ax, label if row == len(axes) - 1 else "", "" if column else "value")
