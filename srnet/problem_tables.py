"""A problem by its path: which tables `data/F07` stands for, and their rows by split.

What may live here: finding the files of a problem that a user names. Reading them is the subject
of tables.py. Only inputs, target and mask are read, never a G table or an `.info` file: the truth
is no business of training and discovery.
"""

from pathlib import Path

import torch

from sdnet.errors import InputError
from srnet.pickles import load_joblib, nearest_file
from srnet.tables import SRData
from srnet.textfiles import ENDINGS

SPLITS = ("train", "val", "test")


def problem_tables(path: str | Path, *, dtype: torch.dtype = torch.float64) -> dict[str, SRData]:
    """The inputs and the target of a problem, by the names of its splits; {"all": ...} without any.

    `data/F07` is the target F07.gz, its inputs X07.gz and its splits X07.mask, where that file
    exists; `data/C01` is FC01.gz, XC01.gz and XC01.mask. Tables may also end in .txt or nothing.

    Returns:
        SRData of "train", "val" and "test", as many as the mask has, with in_data (n, d) and
        target_data (n, 1).

    Raises:
        InputError: a missing or faulty file, or a target of several columns.

    >>> import numpy, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     numpy.savetxt(folder + "/XC01.gz", [[1, 2], [3, 4]])
    ...     numpy.savetxt(folder + "/FC01.gz", [3, 7])
    ...     problem_tables(folder + "/C01")
    {'all': SRData(in XC01 (2, 2), target FC01 (2, 1))}
    """
    path = Path(path)
    folder, suffix = path.parent, _suffix(path)
    in_var, target_var = f"X{suffix}", f"F{suffix}"
    mask = folder / f"{in_var}.mask"
    if mask.exists():
        splits = load_joblib(mask)
        given = splits if isinstance(splits, dict) else SPLITS  # SRData tells what is wrong
        names = [name for name in SPLITS if name in given] or ["train"]
        data = {
            name: SRData(folder, in_var, None, target_var, rows=name, dtype=dtype) for name in names
        }
    else:
        data = {"all": SRData(folder, in_var, None, target_var, dtype=dtype)}
    for one in data.values():
        columns = one.target_data.shape[1]
        if columns != 1:
            raise InputError(f"{folder / target_var} has {columns} columns, expected one target")
    return data


def _suffix(path: Path) -> str:
    """07 of data/F07 and data/F07.gz, C01 of data/C01."""
    name = path.name.removesuffix(".gz").removesuffix(".txt")
    for suffix in (name.removeprefix("F"), name):
        if any((path.parent / f"F{suffix}{ending}").is_file() for ending in ENDINGS):
            return suffix
    target = path.parent / f"{name}.gz"
    raise InputError(
        f"there is no problem {path}: expected its target {target.name} and inputs X... beside "
        f"it; {nearest_file(target)}"
    )
