"""Figures of laws: a network's latents against their formulas, and an equation against the target.

What may live here: how these are drawn, in the manner of `srnet.plots.common`.
"""

import math
import re
import textwrap
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sdnet.errors import InputError
from srnet.plots.common import COLOURS, GREY, LEGEND, dress
from srnet.smoothing import Array, checked

Formula = Callable[[np.ndarray], np.ndarray]  # (m, d) -> (m,)

GRID = 400  # points of a line
DOTS = {"color": COLOURS[0], "linestyle": "", "marker": ".", "markersize": 4}
LINE = {"color": "#F3BE99", "linewidth": 3.5, "zorder": 1}  # pale and below the dots
WIDE, LINES = 44, 3  # letters of a title's line, and its lines


def panels(count: int) -> tuple[Figure, list[Axes]]:
    """A figure with so many axes, in rows of up to four, and a legend of its dots and lines.

    >>> figure, axes = panels(5)
    >>> len(axes), len(figure.axes)
    (5, 5)
    """
    columns = min(math.ceil(math.sqrt(count)), 4)
    rows = math.ceil(count / columns)
    figure = Figure((4.2 * columns, 3.6 * rows + 0.3), dpi=100, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.1)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes[count:]:
        ax.remove()
    shown = [Line2D([], [], label="points", **DOTS), Line2D([], [], label="formula", **LINE)]
    figure.legend(handles=shown, loc="outside lower center", ncols=2, **LEGEND)
    return figure, list(axes[:count])


def latent_against_formula(
    ax: Axes,
    x: Array,
    latent: Array,
    formula: Formula,
    inputs: Sequence[int],
    names: Sequence[str],
    *,
    label: str,
    text: str,
) -> None:
    """A latent as dots, and its formula: a line over the one input that it has, else the diagonal.

    Of a formula of several inputs no line can be drawn: the latent stands against its value.

    Args:
        x: (n points, d inputs). latent: (n,).
        formula: of rows of inputs.
        inputs: those that the formula has, by their number. names: of all d inputs.
        label: the latent's. text: the formula's, for the title.

    Raises:
        InputError: numbers of other shapes, or not finite.

    >>> figure, (ax,) = panels(1)
    >>> square = lambda x: x[:, 0] ** 2
    >>> latent_against_formula(
    ...     ax, [[0.0], [2.0]], [0.0, 3.0], square, [0], ["time"], label="latent 0", text="x0**2"
    ... )
    >>> [line.get_xydata()[-1].tolist() for line in ax.lines], ax.get_xlabel()
    ([[2.0, 3.0], [2.0, 4.0]], 'x0 = time')
    """
    x, latent = checked("x", x, "points, inputs"), checked("latent", latent, "points")
    values = checked("the formula's values", formula(x), "points")
    if not len(x) == len(latent) == len(values):
        raise InputError(
            f"x has {len(x)} points, latent {len(latent)}; expected one value for each point"
        )
    if len(inputs) > 1:
        _diagonal(ax, values, latent)
        dress(ax, "its formula", label)
    else:
        column = inputs[0] if inputs else 0
        grid = np.zeros((GRID, x.shape[1]))  # the formula doesn't see the other inputs
        grid[:, column] = np.linspace(x[:, column].min(), x[:, column].max(), GRID)
        ax.plot(x[:, column], latent, **DOTS)
        ax.plot(grid[:, column], formula(grid), **LINE)
        low, high = min(latent.min(), values.min()), max(latent.max(), values.max())
        margin = 0.05 * (high - low) or 1.0
        ax.set_ylim(low - margin, high + margin)  # a pole between the points isn't followed
        symbol, name = f"x{column}", names[column]
        dress(ax, symbol if name == symbol else f"{symbol} = {_plain(name)}", label)
    _title(ax, text, latent, values)


def target_against_equation(
    ax: Axes, target: Array, predicted: Array, *, label: str, text: str
) -> None:
    """The target (n,) against an equation's values (n,), and the diagonal, where both agree.

    Raises:
        InputError: numbers of other shapes, or not finite.

    >>> figure, (ax,) = panels(1)
    >>> target_against_equation(ax, [1.0, 3.0], [1.0, 2.0], label="y", text="x0 + 1")
    >>> ax.lines[0].get_xydata().tolist(), ax.get_title(loc="left").splitlines()[-1]
    ([[1.0, 1.0], [2.0, 3.0]], 'R² = 0.5')
    """
    target, predicted = checked("target", target, "n"), checked("predicted", predicted, "n")
    if len(target) != len(predicted):
        raise InputError(f"{len(target)} targets and {len(predicted)} predictions; expected equal")
    _diagonal(ax, predicted, target)
    dress(ax, "equation", _plain(label))
    _title(ax, text, target, predicted)


def _diagonal(ax: Axes, x: np.ndarray, y: np.ndarray) -> None:
    ax.plot(x, y, **DOTS)
    ends = [min(x.min(), y.min()), max(x.max(), y.max())]
    ax.plot(ends, ends, **LINE)


def _title(ax: Axes, text: str, found: np.ndarray, formula: np.ndarray) -> None:
    """The formula in short numbers, in few lines, and below it the share of variance it has."""
    short = re.sub(r"\d+\.\d+(e[+-]?\d+)?", lambda number: f"{float(number[0]):.4g}", text)
    lines = textwrap.wrap(short, WIDE, max_lines=LINES, placeholder=" ...")
    variance = float(np.var(found))
    missed = float(np.mean((found - formula) ** 2))
    share = f"R² = {1 - missed / variance:.6g}" if variance > 0 else "constant"
    style = {"loc": "left", "fontsize": 9, "color": GREY, "parse_math": False}
    ax.set_title("\n".join([*lines, share]), **style)


def _plain(name: str) -> str:
    """Short, on one line, and without mathematics."""
    name = " ".join(name.split())
    return (name if len(name) <= 40 else f"{name[:37]}...").replace("$", r"\$")
