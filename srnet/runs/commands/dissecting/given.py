"""What the studies of a layer are given on the command line: a state, data, a layer, a place.

What may live here: the settings that these commands share, and how they are read.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from sdnet.errors import InputError
from srnet.runs.config import Count, FilePath, OptionalText, Settings, Text

if TYPE_CHECKING:  # torch waits until a command needs it
    from torch import Tensor, nn


SOURCES = "digits, mnist or openml:NAME (online), an .npz file, or a folder of IDX files"
"""What `srnet.dissect.data.load_dataset` takes."""


TABLE = "file of the table, .csv or .parquet; none: not written"


class LayerSettings(Settings):
    """Whose layer is studied, on which examples, and where table and figure go."""

    data: Text = Field("digits", description=SOURCES)
    layer: OptionalText = Field(None, description="name of the layer; none: the last but one")
    examples: Count = Field(640, description="test examples, from the first on")
    table: FilePath | None = Field(None, description=TABLE)


def one_state(words: Sequence[str], kind: str) -> Path:
    """The state that a command names.

    Raises:
        InputError: none, or several.
    """
    if len(words) != 1:
        raise InputError(f"symdisc dissect {kind}: got {len(words)} states, expected one")
    return Path(words[0])


def load_given(path: Path, settings: LayerSettings) -> "tuple[nn.Module, str, Tensor, Tensor]":
    """The network, the layer's name, and examples with their classes.

    Raises:
        InputError: no network, no such layer, or no such data.
    """
    from srnet.dissect.data import load_dataset
    from srnet.dissect.layers import find_layer, layer_names
    from srnet.runs.networks import load_network

    model = load_network(path)
    names = layer_names(model)
    layer = names[max(len(names) - 2, 0)] if settings.layer is None else settings.layer
    find_layer(model, layer)
    data = load_dataset(settings.data)
    count = min(settings.examples, len(data.x_test))
    return model, layer, data.x_test[:count], data.y_test[:count]


def write_rows(rows: Sequence[Mapping], path: Path | None) -> None:
    """Write a table and tell where; nothing without a path."""
    if path is None:
        return
    from srnet.runs.table_files import write_table

    write_table(path, rows)
    print(f"table: {path}")


def check_files(figure: Path, table: Path | None) -> None:
    """Raise InputError, before any work, for files that can't be written in the end."""
    from srnet.runs.states import check_writable
    from srnet.runs.table_files import check_table

    if figure.suffix.lower() not in (".png", ".svg"):
        raise InputError(f"--figure {figure}: expected a name that ends in .png or .svg")
    check_writable(figure)
    if table is not None:
        check_table(table)
        check_writable(table)
