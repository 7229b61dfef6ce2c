"""What all figures have in common: colours, how axes look, the writing of a file.

Figures are explicit (`matplotlib.figure.Figure`): no display, no pyplot, no global settings, and
nothing to close.
"""

import os
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sdnet.errors import InputError

# Okabe and Ito's (2008), which colour-blind readers tell apart; without yellow, pale on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STYLES = ("-", "--", ":")  # for more runs than colours
GREY = "0.4"
LEGEND = {"frameon": False, "fontsize": 9, "handlelength": 3}
NOTE = {"loc": "right", "fontsize": 8, "color": GREY}
METADATA = {".png": {"Software": None}, ".svg": {"Date": None, "Creator": None}}


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure as PNG or SVG, by the suffix: the same figure gives the same bytes.

    The folder is made, and the file is written whole or not at all.

    Raises:
        InputError: another suffix; a path that can't be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(Figure(), folder + "/new/empty.svg")
    ...     [path.name for path in Path(folder, "new").iterdir()]
    ['empty.svg']
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in METADATA:
        raise InputError(f"{path}: the suffix is {path.suffix!r}; expected .png or .svg")
    beside = path.with_name(f"{path.name}.tmp{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with matplotlib.rc_context({"svg.hashsalt": "symdisc", "svg.fonttype": "path"}):
                figure.savefig(beside, format=suffix[1:], metadata=METADATA[suffix])
            os.replace(beside, path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{path}: can't be written ({error.strerror})") from None


def dress(ax: Axes, x_label: str, y_label: str) -> None:
    """Thin spines, a pale grid below, labels of one size."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set(linewidth=0.6, color=GREY)
    ax.tick_params(width=0.6, color=GREY, labelsize=9)
    ax.grid(color="0.92", linewidth=0.6)
    ax.set(xlabel=x_label, ylabel=y_label, axisbelow=True)
