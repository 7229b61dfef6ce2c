"""Tables of results on disk: rows of equal keys as CSV or Parquet, whole at every moment."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sdnet.errors import InputError
from srnet.runs.states import write_whole

SUFFIXES = (".csv", ".parquet")


def check_table(path: Path) -> None:
    """Raise InputError for a table that `write_table` can't write."""
    if path.suffix not in SUFFIXES:
        raise InputError(f"table {path}: expected a name that ends in {' or '.join(SUFFIXES)}")
    if path.suffix == ".parquet":
        _pyarrow()


def write_table(path: Path, rows: Sequence[Mapping], columns: Sequence[str] = ()) -> None:
    """Write the rows as CSV or Parquet, by the suffix; at every moment a whole file is there.

    Args:
        columns: of a table without rows.

    Raises:
        InputError: another suffix, the file can't be written, or pyarrow is missing for Parquet.
    """
    check_table(path)
    names = list(rows[0] if rows else columns)
    if path.suffix == ".csv":
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, names)
        writer.writeheader()
        writer.writerows(rows)
        write_whole(path, text.getvalue().encode())
        return
    arrow, content = _pyarrow(), io.BytesIO()
    values = {name: _column([row[name] for row in rows]) for name in names}
    arrow.parquet.write_table(arrow.table(values), content)
    write_whole(path, content.getvalue())


def _column(values: list) -> list:
    """Values of one kind, as a column has them: where numbers stand beside text, all is text."""
    kinds = {str if isinstance(v, str) else float for v in values if v is not None}
    return [None if v is None else str(v) for v in values] if len(kinds) > 1 else values


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError:
        raise InputError(
            "a Parquet table needs pyarrow: pip install symdisc[sweeps], or use .csv"
        ) from None
    return pyarrow
