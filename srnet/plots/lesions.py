"""Figures of lesions: accuracy by severity, recovery while retraining, which words are lost.

All are drawn from the rows of a study's table (`srnet.runs.lesion_study`): damage, severity,
optimizer, seed, epoch, figures. What may live here: how these are drawn, and the choice of rows.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sdnet.errors import InputError
from srnet.plots.common import COLOURS, GREY, LEGEND, dress

Rows = Sequence[Mapping]

CONTROL = "undamaged"
LABELS = {"word_accuracy": "words right", "tick_accuracy": "ticks right"}
WHITE_TO_RED = LinearSegmentedColormap.from_list("lost", ["white", COLOURS[1]])
LOOKS = {"carried": (COLOURS[0], "-"), "fresh": (COLOURS[2], "--")}
"""Colour and style of a treatment of the optimiser."""
SMALL_LEGEND = {**LEGEND, "fontsize": 8, "title_fontsize": 8, "handlelength": 1.5}
WIDE = 30
"""How many times the least severity the largest must be for a logarithmic axis."""


def accuracy_by_severity(rows: Rows, figure: str = "word_accuracy") -> Figure:
    """A panel for each damage: accuracy against severity, after the damage and after retraining.

    Lines are means over seeds, dots are seeds. The dashed grey line is the undamaged network;
    the pale lines are the control, undamaged and retrained in the same way. Damages that have no
    severity (what is cut) share one panel.

    Args:
        figure: "word_accuracy" or "tick_accuracy", a share.

    Raises:
        InputError: no rows of damage.

    >>> row = {"damage": "zero_out:pp", "severity": 0.1, "optimizer": "fresh", "seed": 0,
    ...        "epoch": 0, "word_accuracy": 0.7}
    >>> drawn = accuracy_by_severity([row, row | {"damage": "undamaged", "word_accuracy": 1.0}])
    >>> drawn.axes[0].get_title()
    'zero_out:pp'
    """
    damages = _damages(rows)
    without = [name for name in damages if damages[name] == [None]]
    panels = [[name] for name in damages if name not in without] + ([without] if without else [])
    drawn, axes = _panels(len(panels))
    last = max(row["epoch"] for row in rows)
    optimizers = _values(rows, "optimizer")
    for ax, names in zip(axes, panels, strict=True):
        severities = damages[names[0]]
        places = severities if severities != [None] else list(range(len(names)))
        conditions = [(name, severity) for name in names for severity in damages[name]]
        _axis(ax, names, places)
        before = [_chosen(rows, figure, *one, epoch=0) for one in conditions]
        line = severities != [None]
        _means(ax, places, before, COLOURS[1], "damaged", "-" if line else "")
        level = _chosen(rows, figure, CONTROL, None, epoch=0)
        if level:
            ax.axhline(np.mean(level), color=GREY, linewidth=1, linestyle="--", label="undamaged")
        for i, optimizer in enumerate(optimizers if last else [], 1):
            colour, style = LOOKS.get(optimizer, (GREY, "-"))
            where = {"epoch": last, "optimizer": optimizer}
            after = [_chosen(rows, figure, *one, **where) for one in conditions]
            beside = places if line else [place + 0.15 * i for place in places]
            _means(ax, beside, after, colour, f"retrained, {optimizer}", style if line else "")
            level = _chosen(rows, figure, CONTROL, None, **where)
            if level:
                ax.axhline(np.mean(level), color=colour, linewidth=3, alpha=0.2, zorder=0)
        dress(ax, ax.get_xlabel(), LABELS.get(figure, figure) if ax is axes[0] else "")
        ax.set_title(names[0] if line else "without severity", fontsize=10)
        ax.set_ylim(-0.03, 1.03)
    handles, labels = axes[0].get_legend_handles_labels()
    columns = len(labels) if len(axes) > 2 else len(axes)
    drawn.legend(handles, labels, loc="outside lower center", ncols=columns, **LEGEND)
    return drawn


def recovery(rows: Rows, figure: str = "word_accuracy") -> Figure:
    """A panel for each damage: accuracy while retraining, a colour for each severity.

    Lines are means over seeds: full with the optimiser's state carried through the damage, dashed
    with a fresh one. Grey is the control: what it loses is the work of retraining itself.

    Raises:
        InputError: no rows of damage.

    >>> row = {"damage": "cut:hp", "severity": None, "optimizer": "fresh", "seed": 0}
    >>> rows = [row | {"epoch": epoch, "word_accuracy": epoch / 10} for epoch in (0, 5)]
    >>> recovery(rows).axes[0].lines[0].get_xydata().tolist()
    [[0.0, 0.0], [5.0, 0.5]]
    """
    damages, optimizers = _damages(rows), _values(rows, "optimizer")
    drawn, axes = _panels(len(damages))
    epochs = sorted({row["epoch"] for row in rows})
    for ax, (name, severities) in zip(axes, damages.items(), strict=True):
        for optimizer in optimizers:
            style = LOOKS.get(optimizer, (GREY, "-"))[1]
            for i, severity in enumerate(severities):
                course = _course(rows, figure, name, severity, optimizer, epochs)
                label = "" if severity is None or optimizer != optimizers[0] else f"{severity:g}"
                colour = COLOURS[i % len(COLOURS)]
                ax.plot(epochs, course, color=colour, linestyle=style, label=label)
            control = _course(rows, figure, CONTROL, None, optimizer, epochs)
            if control:
                ax.plot(epochs, control, color=GREY, linestyle=style, linewidth=1, zorder=1)
        ax.set_ylim(-0.03, 1.03)
        dress(ax, "epoch of retraining", LABELS.get(figure, figure) if ax is axes[0] else "")
        ax.set_title(name, fontsize=10)
        if severities != [None]:
            ax.legend(
                **{**LEGEND, "fontsize": 8, "handlelength": 1.5}, title="severity", title_fontsize=8
            )
    shown = [
        Line2D([], [], color=GREY, linestyle=LOOKS.get(one, (GREY, "-"))[1], label=one)
        for one in optimizers
    ]
    title = "optimiser's state; grey: undamaged control"
    drawn.legend(
        handles=shown, loc="outside lower center", ncols=4, title=title, title_fontsize=9, **LEGEND
    )
    return drawn


def lost_words(rows: Rows, words: Sequence[str]) -> Figure:
    """Which words are wrong: a row for each damage, a column for each word, by share of seeds.

    The first panel is after the damage, the others after retraining.

    Raises:
        InputError: no rows of damage.

    >>> row = {"damage": "cut:hp", "severity": None, "optimizer": "fresh", "seed": 0, "epoch": 0,
    ...        "wrong": "cat"}
    >>> lost_words([row], ["cat", "sun"]).axes[0].images[0].get_array().tolist()
    [[1.0, 0.0]]
    """
    damages = _damages(rows)
    conditions = [(name, severity) for name in damages for severity in damages[name]]
    last = max(row["epoch"] for row in rows)
    moments: dict[str, dict] = {"after the damage": {"epoch": 0}}
    for optimizer in _values(rows, "optimizer") if last else []:
        moments[f"retrained, {optimizer}"] = {"epoch": last, "optimizer": optimizer}
    size = (0.26 * len(words) * len(moments) + 2.4, max(0.24 * len(conditions), 1) + 1.5)
    figure = Figure(size, dpi=100, layout="constrained")
    panels = figure.subplots(1, len(moments), sharey=True, squeeze=False)[0]
    for ax, (title, where) in zip(panels, moments.items(), strict=True):
        shares = np.zeros((len(conditions), len(words)))
        for i, (name, severity) in enumerate(conditions):
            lists = [text.split() for text in _chosen(rows, "wrong", name, severity, **where)]
            shares[i] = np.mean([[word in one for word in words] for one in lists], axis=0)
        image = ax.imshow(shares, cmap=WHITE_TO_RED, vmin=0, vmax=1, aspect="auto")
        ax.set_xticks(range(len(words)), words, rotation=90, fontsize=8)
        ax.set_title(title, fontsize=10)
        ax.tick_params(length=0, labelsize=8)
        ax.tick_params(which="minor", length=0)
        ax.set_xticks(np.arange(len(words) - 1) + 0.5, minor=True)
        ax.set_yticks(np.arange(len(conditions) - 1) + 0.5, minor=True)
        ax.grid(which="minor", color="0.9", linewidth=0.6)
        ax.spines[:].set(color="0.85", linewidth=0.6)
    labels = [n if severity is None else f"{n} {severity:g}" for n, severity in conditions]
    panels[0].set_yticks(range(len(labels)), labels, fontsize=8)
    bar = figure.colorbar(image, ax=panels, pad=0.01, aspect=40, ticks=[0, 0.5, 1])
    bar.set_label("wrong, share of seeds", fontsize=8)
    return figure


def _damages(rows: Rows) -> dict[str, list[float | None]]:
    """The severities of each damage, rising."""
    found: dict[str, list[float | None]] = {}
    for row in rows:
        if row["damage"] != CONTROL and row["severity"] not in found.setdefault(row["damage"], []):
            found[row["damage"]].append(row["severity"])
    if not found:
        raise InputError("no damage to draw; expected rows of at least one")
    return {name: sorted(one, key=lambda severity: severity or 0) for name, one in found.items()}


def _values(rows: Rows, key: str) -> list:
    return list(dict.fromkeys(row[key] for row in rows))


def _chosen(rows: Rows, figure: str, damage: str, severity: float | None, **where: object) -> list:
    """The figure in the rows of a condition, one for each seed (and optimiser)."""
    where = {"damage": damage, "severity": severity, **where}
    return [row[figure] for row in rows if all(row[key] == v for key, v in where.items())]


def _course(
    rows: Rows,
    figure: str,
    damage: str,
    severity: float | None,
    optimizer: str,
    epochs: Iterable[int],
) -> list[float]:
    """The means over seeds by epoch; nothing where there are no rows."""
    found = [
        _chosen(rows, figure, damage, severity, optimizer=optimizer, epoch=epoch)
        for epoch in epochs
    ]
    return [float(np.mean(one)) for one in found] if all(found) else []


def _panels(count: int) -> tuple[Figure, list[Axes]]:
    columns = min(count, 4)
    rows = math.ceil(count / columns)
    figure = Figure((3 * columns + 0.3, 2.7 * rows + 0.5), dpi=100, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for ax in axes[count:]:
        ax.remove()
    return figure, list(axes[:count])


def _axis(ax: Axes, names: Sequence[str], places: Sequence[float]) -> None:
    """The axis of severities, or of the damages that have none."""
    if places == list(range(len(names))):
        ax.set_xticks(places, names, rotation=30, ha="right", fontsize=8)
        ax.set_xlim(-0.5, len(names) - 0.5)
        return
    if min(places) > 0 and max(places) / min(places) >= WIDE:
        ax.set_xscale("log")
    ax.set_xlabel("severity")


def _means(
    ax: Axes,
    places: Sequence[float],
    values: Sequence[Sequence[float]],
    colour: str,
    label: str,
    style: str,
) -> None:
    """Means joined by a line, if it has a style, and a pale dot for each seed."""
    for place, one in zip(places, values, strict=True):
        ax.plot([place] * len(one), one, ".", color=colour, alpha=0.35, markersize=5)
    look = {"linestyle": style, "marker": "o", "markersize": 4}
    ax.plot(places, [np.mean(one) for one in values], color=colour, label=label, **look)
