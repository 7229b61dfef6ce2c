"""States on disk: written whole or not at all, and read without running anything in them.

A state is one dict of tensors and plain containers. What a state holds is the run's business
(`srnet.runs.critic`); that it is safe and complete is this file's.
"""

import os
import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch

from sdnet.errors import InputError, nearest
from srnet.pickles import load_joblib
from srnet.runs.older import from_older


def save_state(path: str | Path, state: Mapping) -> None:
    """Write a state so that the file at `path` is, at every moment, a whole one.

    It is written beside it, flushed to the disk, and renamed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.tmp{os.getpid()}")
    try:
        with beside.open("wb") as file:
            torch.save(dict(state), file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def load_state(path: str | Path) -> dict:
    """The state in a file, of this form or the older one, on the CPU.

    Raises:
        InputError: the file is missing, truncated, not a state, or holds anything but tensors
            and plain containers (which is refused and not run).
    """
    path = Path(path)
    if not path.is_file():
        near = [other.name for other in path.parent.glob("*") if other.is_file()]
        hint = f"; {nearest(path.name, sorted(near))}" if near else ""
        raise InputError(f"{path}: no such state{hint}")
    if not zipfile.is_zipfile(path):
        return from_older(load_joblib(path), path)
    try:
        damaged = zipfile.ZipFile(path).testzip()
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path}: refused, and nothing in it was run: a state holds tensors and plain "
            f"containers only, this holds {_refused(error)}"
        ) from None
    except Exception as error:  # torch and zipfile raise many kinds for a damaged file
        raise InputError(
            f"{path}: not a whole state file, it is damaged or of another program "
            f"({type(error).__name__})"
        ) from None
    if damaged is not None:
        raise InputError(f"{path}: damaged, the checksum of its part {damaged} is wrong")
    if not isinstance(state, dict):
        raise InputError(f"{path}: holds a {type(state).__name__}, expected the dict of a state")
    return state if "format" in state else from_older(state, path)


def _refused(error: pickle.UnpicklingError) -> str:
    name = re.search(r"GLOBAL (\S+)", str(error))
    return name[1] if name else "something else"
