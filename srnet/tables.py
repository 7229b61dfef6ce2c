"""Tables of numbers: SRData, which reads inputs, latents and target of a problem, and its parts.

What may live here: finding and reading a table, picking its columns and rows, computing a table
from formulas, reading the `.info` beside it. Which problems there are, and the writing of their
files, is the subject of problems.py.
"""

import gzip
import math
import re
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import sympy
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from sdnet.errors import InputError, nearest
from sdnet.formula import parse, to_torch
from srnet.pickles import load_joblib, nearest_file, read_bytes

ENDINGS = (".gz", ".txt", "")  # of a table's file, in the order of looking

# What a user gives, of any type: what it should be is checked here and told in a sentence.
Variable = object  # a table's name, a list of formulas (one a column), or None
Rows = object  # a split's name, row numbers, a mask, or None


class SRData:
    """The rows of a problem: inputs, and latents and target where they are known.

    A variable is a table of the folder by its name (`"X07"` is X07.gz, else X07.txt, else X07) or
    some of its columns, in the order asked for (`"X07[:,0]"`, `"X07[:,:2]"`, `"X07[:,[1,0]]"`).
    Latents and target can also be computed, in float64, from a list of formulas, one a column: of
    x0, x1, ... (the columns of in_data) and, for the target, g0, g1, ... (those of lat_data).

    Args:
        data_path: the folder of the tables.
        in_var: the input table, or None.
        lat_var: the latent table, a list of formulas, or None.
        target_var: the target table, a list of formulas, or None.
        rows: None for all; row numbers; a boolean mask over all rows; or the name of a split
            ("train", "val", "test") in the `.mask` file beside the input table.
        dtype: of the tensors.

    Attributes:
        in_data: (n rows, d inputs), lat_data: (n, k latents), target_data: (n, 1 or more),
            each a tensor, or None where the variable is. They may be assigned.
        in_var, lat_var, target_var: as given.

    Raises:
        InputError: a missing or faulty table, mask or formula, values that aren't finite, tables
            of different lengths, or rows and columns that don't exist.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savetxt(folder + "/X00.gz", [[1, 2], [3, 4], [5, 6]])
    ...     data = SRData(folder, "X00", ["x0 * x1"], ["g0 + 1"], rows=[0, 2])
    >>> data
    SRData(in X00 (2, 2), lat ['x0 * x1'] (2, 1), target ['g0 + 1'] (2, 1))
    >>> data.target_data
    tensor([[ 3.], [31.]])
    """

    in_data: Float[Tensor, "n d"] | None
    lat_data: Float[Tensor, "n k"] | None
    target_data: Float[Tensor, "n t"] | None

    def __init__(
        self,
        data_path: str | Path,
        in_var: Variable,
        lat_var: Variable = None,
        target_var: Variable = None,
        rows: Rows = None,
        *,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        if not (in_var is None or isinstance(in_var, str)):
            raise InputError(f"in_var is {in_var!r}, expected the name of a table such as 'X07'")
        if not dtype.is_floating_point:
            raise InputError(f"dtype is {dtype}, expected one of real numbers: torch.float32")
        self.in_var, self.lat_var, self.target_var, self.rows = in_var, lat_var, target_var, rows
        folder = Path(data_path)
        variables = {"in_var": in_var, "lat_var": lat_var, "target_var": target_var}
        tables = {
            role: torch.from_numpy(read_variable(folder, variable))
            for role, variable in variables.items()
            if isinstance(variable, str)
        }
        count = _common_length(folder, {variables[role]: len(tables[role]) for role in tables})
        if rows is not None:
            chosen = _row_numbers(folder, in_var, rows, count)
            tables = {role: table[chosen] for role, table in tables.items()}

        inputs = tables.get("in_var")
        latents = tables.get("lat_var", _computed("lat_var", lat_var, {"x": inputs}))
        target = tables.get(
            "target_var", _computed("target_var", target_var, {"x": inputs, "g": latents})
        )
        self.in_data = _cast("in_var", inputs, dtype)
        self.lat_data = _cast("lat_var", latents, dtype)
        self.target_data = _cast("target_var", target, dtype)

    def __len__(self) -> int:
        """The number of rows."""
        return next(
            len(d) for d in (self.in_data, self.lat_data, self.target_data) if d is not None
        )

    def __repr__(self) -> str:
        parts = {
            "in": (self.in_var, self.in_data),
            "lat": (self.lat_var, self.lat_data),
            "target": (self.target_var, self.target_data),
        }
        shown = [f"{k} {name} {tuple(d.shape)}" for k, (name, d) in parts.items() if d is not None]
        split = [f"rows {self.rows!r}"] if isinstance(self.rows, str) else []
        return f"SRData({', '.join(shown + split)})"


def read_variable(folder: Path, variable: str) -> Float64[np.ndarray, "n c"]:
    """A table of a folder by its name, or the columns picked from it: "X07", "X07[:,[1,0]]"."""
    name, columns = _name_and_columns(variable)
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


def _name_and_columns(variable: str) -> tuple[str, slice | list[int]]:
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


def _common_length(folder: Path, lengths: Mapping[str, int]) -> int:
    if not lengths:
        raise InputError("no table is named, expected at least one of in_var, lat_var, target_var")
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{variable} has {length}" for variable, length in lengths.items())
        raise InputError(f"the tables of {folder} differ in their number of rows: {shown}")
    return next(iter(lengths.values()))


def _row_numbers(
    folder: Path, in_var: str | None, rows: Rows, count: int
) -> Int64[np.ndarray, " chosen"]:
    """The rows asked for by a split's name, by number or by a mask, as numbers."""
    if not isinstance(rows, str):
        return _checked_rows("rows", rows, count)
    if in_var is None:
        raise InputError(f"rows={rows!r} names a split, expected in_var to say of which table")
    path = folder / f"{_name_and_columns(in_var)[0]}.mask"
    if not path.exists():
        raise InputError(f"there is no {path} to read the split {rows!r} from: give rows=None")
    splits = load_joblib(path)
    if not (isinstance(splits, dict) and splits and all(isinstance(name, str) for name in splits)):
        raise InputError(
            f"{path} holds a {type(splits).__name__} of another kind, expected a dict of the rows "
            "of each split by its name"
        )
    if rows not in splits:
        raise InputError(f"{path} has no split {rows!r}: {nearest(rows, splits)}")
    return _checked_rows(f"{path}: {rows}", splits[rows], count)


def _checked_rows(where: str, rows: object, count: int) -> Int64[np.ndarray, " chosen"]:
    try:
        array = rows.detach().cpu().numpy() if isinstance(rows, Tensor) else np.asarray(rows)
    except (ValueError, TypeError):  # a ragged list, a tensor of a type that NumPy hasn't
        array = np.empty((0, 0))
    if array.ndim != 1 or (array.size and array.dtype.kind not in "biu"):
        raise InputError(
            f"{where} is of shape {array.shape} and type {array.dtype}, expected row numbers or "
            "a mask of True and False, in one dimension"
        )
    if array.dtype.kind == "b":
        if len(array) != count:
            raise InputError(f"{where} is a mask of {len(array)} rows, but the table has {count}")
        array = np.flatnonzero(array)
    if not array.size:
        raise InputError(f"{where} selects no rows, expected at least one")
    wrong = array[(array < 0) | (array >= count)]
    if wrong.size:
        raise InputError(f"{where} has row {wrong[0]}, expected rows from 0 to {count - 1}")
    return array.astype(np.int64)


def _computed(
    role: str, formulas: Variable, known: Mapping[str, Tensor | None]
) -> Float64[Tensor, "n c"] | None:
    """One column for each formula of the known variables {"x": (n, d), "g": (n, k)}."""
    if formulas is None or isinstance(formulas, str):  # not given, or a table
        return None
    if not (
        isinstance(formulas, list | tuple)
        and formulas
        and all(isinstance(f, str) for f in formulas)
    ):
        raise InputError(f"{role} is {formulas!r}, expected a table's name or a list of formulas")
    sources = {prefix: table for prefix, table in known.items() if table is not None}
    if not sources:
        raise InputError(f"{role} has formulas, expected also in_var: the table to compute from")
    sizes = {prefix: table.shape[1] for prefix, table in sources.items()}
    expressions = [parse(f, sizes, where=f"{role}[{i}]") for i, f in enumerate(formulas)]
    symbols = [sympy.Symbol(f"{p}{j}", real=True) for p, size in sizes.items() for j in range(size)]
    columns = [column for table in sources.values() for column in table.T]
    values = torch.stack(to_torch(expressions, symbols)(*columns), dim=1)
    for formula, faults in zip(formulas, (~values.isfinite()).sum(dim=0).tolist(), strict=True):
        if faults:
            raise InputError(
                f"{role}: {formula!r} has no finite value on {faults} of the {len(values)} rows"
            )
    return values


def _cast(
    role: str, values: Float64[Tensor, "n c"] | None, dtype: torch.dtype
) -> Float[Tensor, "n c"] | None:
    if values is None:
        return None
    cast = values.to(dtype)
    if not cast.isfinite().all():
        raise InputError(
            f"{role} reaches {values.abs().max().item():g}, which is beyond {dtype}: "
            "give dtype=torch.float64"
        )
    return cast
