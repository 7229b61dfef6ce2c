"""SRData: the inputs, latents and target of a problem, and the rows of a split.

What may live here: picking rows, computing a table from formulas. Reading the files is the
subject of textfiles.py; which problems there are, and the writing of their files, of problems.py.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import sympy
import torch
from jaxtyping import Float, Float64, Int64
from numpy.typing import ArrayLike
from torch import Tensor

from sdnet.errors import InputError, nearest
from sdnet.formula import parse, to_torch
from srnet.pickles import load_joblib
from srnet.textfiles import name_and_columns, read_variable

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

    @classmethod
    def from_arrays(
        cls,
        in_data: ArrayLike | Tensor,
        lat_data: ArrayLike | Tensor | None = None,
        target_data: ArrayLike | Tensor | None = None,
        *,
        dtype: torch.dtype = torch.float32,
    ) -> "SRData":
        """Data that is already in memory: (n, d), (n, k) and (n, t), or (n,) for one column.

        >>> SRData.from_arrays([[1.0, 2.0], [3.0, 4.0]], target_data=[3.0, 7.0])
        SRData(in None (2, 2), target None (2, 1))
        """
        data = cls.__new__(cls)
        data.in_var = data.lat_var = data.target_var = data.rows = None
        given = {"in_data": in_data, "lat_data": lat_data, "target_data": target_data}
        for role, values in given.items():
            setattr(data, role, None if values is None else _array(role, values, dtype))
        lengths = {role: len(getattr(data, role)) for role in given if given[role] is not None}
        if len(set(lengths.values())) > 1:
            raise InputError(f"the arrays differ in their number of rows: {lengths}")
        return data

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
    path = folder / f"{name_and_columns(in_var)[0]}.mask"
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


def _array(role: str, values: object, dtype: torch.dtype) -> Float[Tensor, "n c"]:
    try:
        array = torch.as_tensor(values, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError):
        raise InputError(f"{role} is no array of numbers, expected (n, columns)") from None
    if array.dim() == 1:
        array = array.unsqueeze(1)
    if array.dim() != 2 or not array.numel() or not array.isfinite().all():
        raise InputError(
            f"{role} has shape {tuple(array.shape)} and {int((~array.isfinite()).sum())} values "
            "that aren't finite, expected (n, columns) of finite numbers"
        )
    return _cast(role, array, dtype)


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
