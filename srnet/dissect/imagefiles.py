"""Labelled images in files, as arrays: NumPy's .npz, and the IDX files MNIST is published in.

What may live here: formats of files. What the numbers mean, and whether they fit each other, is
`srnet.dissect.data`'s subject. Nothing in a file is unpickled.
"""

import gzip
import io
import math
import zipfile
import zlib
from pathlib import Path

import numpy as np

from sdnet.errors import InputError
from srnet.pickles import read_bytes

PARTS = ("x_train", "y_train", "x_test", "y_test")
STEMS = ("train-images", "train-labels", "t10k-images", "t10k-labels")
"""How the IDX files of `PARTS` begin: train-images-idx3-ubyte, or .idx3-ubyte, or with .gz."""

UNSIGNED_BYTES = 8  # the code of IDX's type in the third byte; MNIST and its kin have no other


def read_npz(path: Path) -> list[np.ndarray]:
    """The arrays x_train, y_train, x_test and y_test of an .npz file.

    Raises:
        InputError: no such file, one that is damaged or of another kind, or an array is missing.
    """
    expected = f"expected an .npz with {', '.join(PARTS)}"
    content = io.BytesIO(read_bytes(path))
    try:
        arrays = np.load(content, allow_pickle=False)
    except (ValueError, EOFError, zipfile.BadZipFile):
        raise InputError(f"{path}: not an .npz file, or a damaged one; {expected}") from None
    if not isinstance(arrays, np.lib.npyio.NpzFile):
        raise InputError(f"{path}: holds one array; {expected}")
    with arrays:
        missing = [name for name in PARTS if name not in arrays]
        if missing:
            holds = ", ".join(arrays.files) or "nothing"
            raise InputError(f"{path}: holds {holds}, no {missing[0]}; {expected}")
        try:
            return [arrays[name] for name in PARTS]
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise InputError(f"{path}: an array can't be read ({error}); {expected}") from None


def read_idx_folder(folder: Path) -> list[np.ndarray]:
    """The arrays of the four IDX files of a folder, gzipped or not.

    Raises:
        InputError: a file is missing, damaged, or of another kind.
    """
    return [read_idx(_found(folder, stem)) for stem in STEMS]


def _found(folder: Path, stem: str) -> Path:
    names = sorted(path for path in folder.iterdir() if path.name.startswith(stem))
    files = [path for path in names if path.is_file()]
    if not files:
        raise InputError(
            f"{folder}: no file {stem}-idx?-ubyte[.gz]; expected the four IDX files of MNIST"
        )
    return files[0]


def read_idx(path: Path) -> np.ndarray:
    """The array of one IDX file: two zeros, the type, the number of axes, their sizes, the values.

    Sizes are big-endian, of four bytes each (LeCun, Cortes and Burges, the MNIST database, 1998).

    Raises:
        InputError: the file can't be read, is no IDX file of bytes, or is shorter or longer than
            its sizes say.
    """
    content = read_bytes(path)
    try:
        if content.startswith(b"\x1f\x8b"):
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error):  # gzip.BadGzipFile is an OSError
        raise InputError(f"{path}: a damaged gzip file; expected an IDX file") from None
    if len(content) < 4 or content[:3] != bytes([0, 0, UNSIGNED_BYTES]):
        raise InputError(
            f"{path}: begins with {content[:4].hex() or 'nothing'}; expected an IDX file of "
            "unsigned bytes, 000008.."
        )
    head = 4 + 4 * content[3]
    sizes = [int.from_bytes(content[i : i + 4], "big") for i in range(4, head, 4)]
    if len(content) != head + math.prod(sizes):
        raise InputError(
            f"{path}: {len(content) - head} bytes of values; its sizes {sizes} ask for "
            f"{math.prod(sizes)}"
        )
    return np.frombuffer(content, np.uint8, offset=head).reshape(sizes)
