"""CSV files: a header line with the columns' names, then rows of numbers.

What may live here: reading such a file and picking the target from it. The benchmark's own tables
have no header; they are the subject of textfiles.py.
"""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from sdnet.errors import InputError, nearest
from srnet.pickles import read_bytes

Line = tuple[int, list[str]]  # the number of the line that a row begins in, and its fields


@dataclass(frozen=True, eq=False)
class Columns:
    """Inputs x (n, d) with their names, d of them, and the target y (n,)."""

    x: Float64[np.ndarray, "n d"]
    y: Float64[np.ndarray, " n"]
    names: tuple[str, ...]


def read_csv(path: str | Path, target: str) -> Columns:
    """The numbers of a CSV file with commas: the column `target`, and all others as inputs.

    Lines without anything are passed over, and blanks around a name or a number.

    Raises:
        InputError: the file is missing or isn't UTF-8 text; a header with empty or equal names,
            or without the target; a row of another length; a cell that isn't a finite number.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "falls.csv")
    ...     _ = path.write_text("time,height\\n0,5\\n1,0.1\\n")
    ...     falls = read_csv(path, "height")
    >>> falls.names, falls.x.tolist(), falls.y.tolist()
    (('time',), [[0.0], [1.0]], [5.0, 0.1])
    """
    header, *rows = _lines(Path(path))
    names = [name.strip() for name in header[1]]
    _check_names(f"{path}:{header[0]}", names, target)
    if not rows:
        raise InputError(f"{path}:{header[0]}: no row below the header, expected rows of numbers")
    numbers = np.array([_numbers(path, row, names) for row in rows])
    place = names.index(target)
    inputs = np.delete(numbers, place, axis=1)
    return Columns(inputs, numbers[:, place].copy(), (*names[:place], *names[place + 1 :]))


def _lines(path: Path) -> list[Line]:
    """The rows that aren't empty, at least one."""
    try:
        text = read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} isn't a CSV file of UTF-8 text: {error}") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    lines, before = [], 0
    try:
        for fields in reader:
            if any(field.strip() for field in fields):
                lines.append((before + 1, fields))
            before = reader.line_num
    except csv.Error as error:
        raise InputError(f"{path}:{before + 1}: {error}, expected rows of a CSV file") from None
    if not lines:
        raise InputError(f"{path} is empty, expected a header line and rows of numbers")
    return lines


def _check_names(where: str, names: Sequence[str], target: str) -> None:
    if all(_is_number(name) for name in names):
        raise InputError(f"{where}: the first line is numbers, expected the names of the columns")
    if "" in names:
        place = names.index("") + 1
        raise InputError(f"{where}:{place}: column {place} has no name, expected one for each")
    for place, name in enumerate(names, start=1):
        first = names.index(name) + 1
        if first < place:
            raise InputError(
                f"{where}:{place}: {name!r} is the name of columns {first} and {place}, expected "
                "different names"
            )
    if target not in names:
        hint = nearest(target, names) + "; commas separate columns" * (len(names) == 1)
        raise InputError(f"{where}: there is no column {target!r} for the target; {hint}")
    if len(names) == 1:
        raise InputError(f"{where}: {target!r} is the only column, expected inputs beside it")


def _numbers(path: str | Path, line: Line, names: Sequence[str]) -> list[float]:
    number, fields = line
    if len(fields) != len(names):
        raise InputError(
            f"{path}:{number}: the row has {len(fields)} fields, expected {len(names)} as the "
            "header has"
        )
    for place, (field, name) in enumerate(zip(fields, names, strict=True), start=1):
        where = f"{path}:{number}:{place}"
        if not field.strip():
            raise InputError(f"{where}: the cell of column {name!r} is empty, expected a number")
        if not _is_number(field):
            raise InputError(
                f"{where}: {field[:40]!r} in column {name!r} isn't a number, expected columns of "
                "numbers only"
            )
        if not math.isfinite(float(field)):
            raise InputError(
                f"{where}: {field.strip()[:40]} in column {name!r}, expected a finite number"
            )
    return [float(field) for field in fields]


def _is_number(field: str) -> bool:
    """As in other programs: Python's own 1_000 is none."""
    try:
        float(field)
    except ValueError:
        return False
    return "_" not in field
