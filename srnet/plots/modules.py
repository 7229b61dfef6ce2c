"""Figures of modules: accuracy against size, units kept in each layer, overlaps.

What may live here: how these are drawn, in the manner of `srnet.plots.common`.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sdnet.errors import InputError
from srnet.plots.common import COLOURS, GREY, LEGEND, STYLES, dress
from srnet.smoothing import Array, checked

Course = tuple[Array, Array, Sequence[bool]]  # sizes, accuracies, which are on the front

ABOVE = LEGEND | {"loc": "lower left", "bbox_to_anchor": (0, 1), "handlelength": 1.5}
LABELLED = 16  # modules of an overlap's figure whose values are written into the cells


def module_panels(
    courses: Mapping[str, Course],
    counts: Mapping[str, Sequence[int]],
    iou: Array,
    names: Sequence[str],
) -> Figure:
    """Accuracy against size, units kept in each layer, and overlaps, side by side.

    Args:
        courses: for each task its modules' sizes and accuracies, as in `accuracy_against_size`.
        counts, names: as in `units_kept`.
        iou: (k, k), of every pair of the modules named.

    >>> course = ([3, 2], [0.9, 0.8], [True, True])
    >>> figure = module_panels({"0": course}, {"fc1": [3, 2]}, [[1.0, 0.5], [0.5, 1.0]], ["a", "b"])
    >>> [ax.get_xlabel() for ax in figure.axes]
    ['units kept', 'units kept', '', '']
    """
    height = max(3.6, 0.24 * len(names) + 1)
    figure = Figure((13, height), dpi=100, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.1)
    left, middle, right = figure.subplots(1, 3)
    for label, course in courses.items():
        accuracy_against_size(left, *course, label=label)
    units_kept(middle, counts, names)
    overlap_matrix(right, iou, names, label="IoU")
    return figure


def accuracy_against_size(
    ax: Axes, sizes: Array, accuracies: Array, on_front: Sequence[bool], *, label: str
) -> None:
    """Modules of one task as dots, those on the Pareto front filled and joined by a line.

    Draw several tasks into the same axes: each takes the next colour.

    Args:
        sizes: (k,), units kept. accuracies: (k,), in [0, 1].
        on_front: which are on the front.
        label: the task's.

    Raises:
        InputError: no modules, numbers of other shapes, or not finite.

    >>> from matplotlib.figure import Figure
    >>> ax = Figure().subplots()
    >>> accuracy_against_size(ax, [20, 10, 30], [0.98, 0.9, 0.97], [True, True, False], label="0")
    >>> ax.lines[0].get_xydata().tolist()
    [[10.0, 0.9], [20.0, 0.98]]
    """
    sizes, accuracies = checked("sizes", sizes, "k"), checked("accuracies", accuracies, "k")
    if not len(sizes) == len(accuracies) == len(on_front):
        raise InputError(
            f"{len(sizes)} sizes, {len(accuracies)} accuracies and {len(on_front)} marks of the "
            "front; expected equal numbers"
        )
    drawn = len(ax.lines)
    colour = COLOURS[drawn % len(COLOURS)]
    style = STYLES[drawn // len(COLOURS) % len(STYLES)]
    front = np.array(on_front, bool)
    order = np.flatnonzero(front)[np.lexsort((accuracies[front], sizes[front]))]
    ax.plot(
        sizes[order],
        accuracies[order],
        color=colour,
        linestyle=style,
        marker="o",
        markersize=4,
        linewidth=1.2,
        label=label,
    )
    ax.scatter(sizes[~front], accuracies[~front], s=14, facecolors="none", edgecolors=colour)
    dress(ax, "units kept", "balanced accuracy")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend(**ABOVE, ncols=min(drawn + 1, 5))


def units_kept(ax: Axes, counts: Mapping[str, Sequence[int]], names: Sequence[str]) -> None:
    """A horizontal bar for each module, the units of its layers end to end, the first on top.

    Args:
        counts: for each layer how many units each module keeps.
        names: of the modules.

    Raises:
        InputError: no layers, or not a count for each module.

    >>> from matplotlib.figure import Figure
    >>> ax = Figure().subplots()
    >>> units_kept(ax, {"relu1": [12, 9], "relu2": [5, 3]}, ["0", "1"])
    >>> [(int(bar.get_x()), int(bar.get_width())) for bar in ax.patches]
    [(0, 12), (0, 9), (12, 5), (9, 3)]
    """
    if not counts or not names or any(len(kept) != len(names) for kept in counts.values()):
        sizes = {layer: len(kept) for layer, kept in counts.items()}
        raise InputError(f"counts of {sizes} modules in each layer and {len(names)} names")
    places = np.arange(len(names))
    left = np.zeros(len(names))
    for i, (layer, kept) in enumerate(counts.items()):
        ax.barh(places, kept, left=left, color=COLOURS[i % len(COLOURS)], label=layer, height=0.7)
        left += kept
    for place, total in zip(places, left, strict=True):
        text = {"fontsize": 8, "color": GREY, "va": "center"}
        ax.text(total, place, f" {total:.0f}", **text)
    ax.set_yticks(places, _plain(names))
    ax.margins(x=0.1)
    ax.invert_yaxis()
    dress(ax, "units kept", "")
    ax.grid(axis="y", visible=False)
    ax.legend(**ABOVE, ncols=len(counts))


def overlap_matrix(ax: Axes, values: Array, names: Sequence[str], *, label: str) -> None:
    """A measure of each pair of modules in [0, 1], such as IoU, as a matrix of shades.

    Args:
        values: (k, k). names: of the k modules.
        label: what is measured.

    Raises:
        InputError: values outside [0, 1], or of another shape.

    >>> from matplotlib.figure import Figure
    >>> ax = Figure().subplots()
    >>> overlap_matrix(ax, [[1.0, 0.25], [0.25, 1.0]], ["0", "1"], label="IoU")
    >>> [text.get_text() for text in ax.texts]
    ['1.00', '0.25', '0.25', '1.00']
    """
    values = checked("values", values, "k, k")
    if values.shape != (len(names), len(names)) or values.min() < 0 or values.max() > 1:
        raise InputError(
            f"values have shape {values.shape}, from {values.min():.4g} to {values.max():.4g}; "
            f"expected ({len(names)}, {len(names)}) in [0, 1]"
        )
    shades = ax.imshow(values, cmap="Blues", vmin=0, vmax=1)
    if len(names) <= LABELLED:
        for (row, column), value in np.ndenumerate(values):
            colour = "white" if value > 0.55 else "black"
            place = {"ha": "center", "va": "center", "fontsize": 7, "color": colour}
            ax.text(column, row, f"{value:.2f}", **place)
    ticks = np.arange(len(names))
    ax.set_xticks(ticks, _plain(names), rotation=90 if max(map(len, names)) > 3 else 0)
    ax.set_yticks(ticks, _plain(names))
    ax.tick_params(length=0, labelsize=8)
    ax.spines[:].set_visible(False)
    ax.figure.colorbar(shades, ax=ax, label=label, pad=0.02, fraction=0.046)


def _plain(names: Sequence[str]) -> list[str]:
    return [name.replace("$", r"\$") for name in names]
