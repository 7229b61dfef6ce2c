"""States on disk: written whole or not at all, and read without running anything in them.

A state is one dict of tensors and plain containers. What a state holds is the run's business
(`srnet.runs.critic`); that it is safe and complete is this file's.
"""

import contextlib
import io
import os
import pickle
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch

from sdnet.errors import InputError, nearest
from srnet.pickles import load_joblib, read_bytes
from srnet.runs.older import from_older

FORMATS = {
    "critic 1": ("hyperparams", "critic_args", "critic", "history", "times", "ended"),
    "law 1": ("names", "target", "equations", "chosen", "train", "validation", "network"),
    "generator 1": ("hyperparams", "generator_args", "generator", "history", "times", "ended"),
    "network 1": ("widths", "weights"),
    "reading 1": ("reading", "network"),
}
"""What a state of each form holds at least."""

CONTENTS = {
    "critic": "a critic",
    "law": "a law",
    "generator": "generators",
    "network": "a network to dissect",
    "reading": "a model of reading",
}
"""What a state of each form is called in messages."""


def contents(state: Mapping) -> str:
    """What a state is of, in words.

    >>> contents({"format": "network 1", "widths": [64, 10], "weights": {}})
    'a network to dissect'
    """
    return CONTENTS.get(str(state.get("format")).split()[0], "no state of symdisc")


def save_state(path: str | Path, state: Mapping) -> None:
    """Write a state so that the file at `path` is, at every moment, a whole one.

    It is written beside it, flushed to the disk, and renamed.

    Raises:
        InputError: the file can't be written; one that was there is as it was.
    """
    content = io.BytesIO()
    torch.save(dict(state), content)  # in memory: of a full disk, torch tells in a way of its own
    write_whole(path, content.getbuffer())


def write_whole(path: str | Path, content: bytes | memoryview) -> None:
    """Write a file of any kind as `save_state` does: at every moment, a whole one is there.

    Raises:
        InputError: the file can't be written; one that was there is as it was.
    """
    path = Path(path)
    with _beside(path) as beside:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)


def check_writable(path: str | Path) -> None:
    """Raise the InputError that `save_state` would; the folder is made, and no file."""
    if Path(path).is_dir():
        raise InputError(f"{path}: is a folder, expected the name of a state's file")
    with _beside(Path(path)) as beside:
        beside.touch()


@contextlib.contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """A file to write in the same folder, gone in the end."""
    beside = path.with_name(f"{path.name}.tmp{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield beside
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{path}: can't be written ({error.strerror or error})") from None


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
    content = read_bytes(path)
    if not content.startswith(b"PK\x03\x04"):  # a zip file, as torch writes
        return from_older(load_joblib(path), path)
    try:
        state = torch.load(_checked(content), map_location="cpu", weights_only=True)
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
    if not isinstance(state, dict):
        raise InputError(f"{path}: holds a {type(state).__name__}, expected the dict of a state")
    return _of_known_format(state, path) if "format" in state else from_older(state, path)


def _checked(content: bytes) -> io.BytesIO:
    """The same zip file again, of what its checksums cover and no more.

    torch reads also what no checksum covers: of a part that a wrong bit makes a folder, it gives
    whatever the memory held.
    """
    copy = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as parts, zipfile.ZipFile(copy, "w") as checked:
        for name in parts.namelist():
            checked.writestr(name, parts.read(name))
    copy.seek(0)
    return copy


def _of_known_format(state: dict, path: Path) -> dict:
    form = str(state["format"])
    if form not in FORMATS:
        raise InputError(f"{path}: a state of the form {form!r}; {nearest(form, FORMATS)}")
    missing = [name for name in FORMATS[form] if name not in state]
    if missing:
        raise InputError(f"{path}: not a whole state, it has no {', '.join(missing)}")
    return state


def _refused(error: pickle.UnpicklingError) -> str:
    name = re.search(r"GLOBAL (\S+)", str(error))
    return name[1] if name else "something else"
