"""Text files of a problem: tables of numbers, the columns picked from them, and `.info` files."""

import gzip
import math
import re
import zlib
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from sdnet.errors import InputError
from srnet.pickles import nearest_file, read_bytes

ENDINGS = (".gz", ".txt", "")  # of a table's file, in the order of looking


def read_variable(folder: Path, variable: str) -> Float64[np.ndarray, "n c"]:
    """A table of a folder by its name, or the columns picked from it: "X07", "X07[:,[1,0]]"."""
    name, columns = name_and_columns(variable)
    candidates = [folder / f"{name}{ending}" for ending in ENDINGS]
    path = next((candidate for candidate in candidates if candidate.is_file()), None)
    if path is None:
        raise InputError(f"there is no table {candidates[0]}: {nearest_file(candidates[0])}")
    table = read_table(path)
    width = table.shape[1]
    if isinstance(columns, list):
        beyond = max(columns) >= width
    else:  # NumPy would quietly cut a slice that is too long
        beyond = (columns.stop or 0) > width or not table[:, columns].size
    if beyond:
        raise InputError(f"{variable!r} picks from {path}, which has columns 0 to {width - 1}")
    return table[:, columns]


def name_and_columns(variable: str) -> tuple[str, slice | list[int]]:
    """("X07", [0]) of "X07[:,0]"; nothing in the text is evaluated."""
    name, bracket, columns = variable.partition("[")
    pick = re.fullmatch(
        r":,(?:(\d{1,9})|\[(\d{1,9}(?:,\d{1,9})*)\]|(\d{0,9}):(\d{0,9}))\]",
        columns.replace(" ", ""),
        re.ASCII,
    )
    if not re.fullmatch(r"[\w.-]+", name) or (bracket and not pick):
        raise InputError(
            f"{variable!r} isn't a table: expected a name such as 'X07', or columns counted from "
            "0 such as 'X07[:,0]', 'X07[:,:2]' or 'X07[:,[0,2]]'; formulas are given as a list"
        )
    if not pick:
        return name, slice(None)
    number, listed, start, stop = pick.groups()
    if number or listed:
        return name, [int(column) for column in (number or listed).split(",")]
    return name, slice(int(start or 0), int(stop) if stop else None)


def read_table(path: str | Path) -> Float64[np.ndarray, "n c"]:
    """A text table as numpy.loadtxt reads it, gzipped if its name ends in .gz.

    One number a line is one column. Raises InputError, naming the line, for anything that isn't
    a rectangle of finite numbers.
    """
    path = Path(path)
    lines = [
        (number, line)
        for number, line in enumerate(_read_text(path).splitlines(), start=1)
        if line.partition("#")[0].strip()
    ]
    if not lines:
        raise InputError(f"{path} holds no numbers, expected a table")
    try:
        table = np.loadtxt([line for _, line in lines], ndmin=2)
    except ValueError as error:
        raise _table_fault(path, lines, error) from error
    faults = np.argwhere(~np.isfinite(table))
    if len(faults):
        row, column = faults[0]
        raise InputError(
            f"{path}:{lines[row][0]}: {table[row, column]} in row {row}, column {column} (counted "
            f"from 0), expected finite numbers only; the table has {len(faults)} such values"
        )
    return table


def _table_fault(path: Path, lines: list[tuple[int, str]], error: ValueError) -> InputError:
    """The first line that isn't a row of numbers; numpy.loadtxt counts no comments, so search."""
    rows = [(number, line.partition("#")[0].split()) for number, line in lines]
    first, width = rows[0][0], len(rows[0][1])
    for number, fields in rows:
        for column, field in enumerate(fields):
            try:
                float(field)
            except ValueError:
                return InputError(
                    f"{path}:{number}: {field[:40]!r} in column {column} (counted from 0) isn't a "
                    "number, expected numbers with blanks between"
                )
        if len(fields) != width:
            return InputError(
                f"{path}:{number}: the row has {len(fields)} columns, expected {width} as in "
                f"line {first}"
            )
    return InputError(f"{path} can't be read as a table: {error}")


def _read_text(path: Path) -> str:
    content = read_bytes(path)
    try:
        if path.suffix == ".gz":
            content = gzip.decompress(content)
        return content.decode("utf-8-sig")
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} isn't a whole gzip file: {error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} isn't a text file: {error}") from error


def read_info(path: str | Path) -> tuple[list[str], float]:
    """The formulas of a table's `.info` file, one a column, and the noise level on its last line.

    The noise level is the noise's standard deviation as a fraction of the column's.
    """
    path = Path(path)
    lines = [line.strip() for line in _read_text(path).splitlines() if line.strip()]
    *formulas, last = lines or [""]
    try:
        noise = float(last)
    except ValueError:
        noise = math.nan
    if not (formulas and 0 <= noise < math.inf):
        raise InputError(
            f"{path} ends in {last!r}, expected one formula a line and then the noise level, a "
            "number of at least 0"
        )
    return formulas, noise
