"""Labelled examples to dissect networks on: scikit-learn's digits, MNIST, tables of OpenML.

What may live here: where examples come from, and that they are checked and scaled alike.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from sdnet.errors import InputError, nearest
from srnet.dissect.imagefiles import PARTS, read_idx_folder, read_npz

MNIST = "mnist_784"  # its name at OpenML
MNIST_TEST = 10_000  # its last rows are the test images
EVERY = 5  # where a source has no test examples of its own, every fifth is one


class Dataset(NamedTuple):
    """Examples as rows of floats in [0, 1], and their classes."""

    x_train: Tensor
    """(n, d), float32"""
    y_train: Tensor
    """(n,), int64, 0 to classes - 1"""
    x_test: Tensor
    """(m, d), float32"""
    y_test: Tensor
    """(m,), int64"""

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return int(self.y_train.max()) + 1


def load_dataset(source: str | Path = "digits") -> Dataset:
    """Labelled examples, each flattened to a row and scaled to [0, 1].

    Whole numbers are divided by 255, as bytes of images. Floats must be in [0, 1] already;
    columns of an OpenML table with other values are scaled by the least and the largest of their
    training rows.

    Args:
        source:
            "digits": scikit-learn's 1,797 images of 8 x 8, needing no download.
            "mnist": the 70,000 images of 28 x 28 from OpenML, when online; kept by scikit-learn.
            "openml:NAME": a table of numbers and classes at OpenML.
            A path of an `.npz` file with x_train, y_train, x_test, y_test.
            A path of a folder with MNIST's four IDX files, or those of its kin, gzipped or not.
            Where there are no test examples, every fifth example is one.

    Raises:
        InputError: no such source, or one that holds something else.

    >>> load_dataset().x_train.shape
    torch.Size([1437, 64])
    """
    if source == "digits":
        from sklearn.datasets import load_digits

        images, labels = load_digits(return_X_y=True)
        return _dataset(_every_fifth(images / 16, labels), "digits")
    if source == "mnist":
        return _from_openml(MNIST)
    if isinstance(source, str) and source.startswith("openml:"):
        return _from_openml(source.removeprefix("openml:"))
    path = Path(source)
    if path.is_dir():
        return _dataset(read_idx_folder(path), str(path))
    if not path.exists():
        known = nearest(str(source), ["digits", "mnist", "openml:NAME"])
        raise InputError(f"{path}: no such file or folder of examples, nor a known name; {known}")
    return _dataset(read_npz(path), str(path))


def _every_fifth(x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
    test = np.arange(len(x)) % EVERY == 0
    return [x[~test], y[~test], x[test], y[test]]


def _from_openml(name: str) -> Dataset:
    from sklearn.datasets import fetch_openml

    where = f"openml:{name}"
    try:
        x, y = fetch_openml(name, return_X_y=True, as_frame=False, parser="liac-arff", n_retries=0)
    except OSError as error:  # urllib's errors are
        raise InputError(
            f"{where}: OpenML can't be reached ({error}); expected to be online, or a path"
        ) from None
    except ValueError as error:
        raise InputError(f"{where}: {' '.join(str(error).split())}") from None
    if x is None or y is None or not isinstance(x, np.ndarray) or x.dtype.kind not in "fiu":
        raise InputError(f"{where}: expected a table of numbers, with a class for each row")
    labels = np.unique(y, return_inverse=True)[1]
    split = [x[:-MNIST_TEST], labels[:-MNIST_TEST], x[-MNIST_TEST:], labels[-MNIST_TEST:]]
    x_train, y_train, x_test, y_test = split if name == MNIST else _every_fifth(x, labels)
    scale = _as_bytes if _are_bytes(x) else _by_columns
    x_train, x_test = scale(x_train, x_test)
    return _dataset([x_train, y_train, x_test, y_test], where)


def _are_bytes(x: np.ndarray) -> bool:
    return bool(x.size and x.min() >= 0 and 1 < x.max() <= 255 and (x == np.round(x)).all())


def _as_bytes(*tables: np.ndarray) -> list[np.ndarray]:
    return [x.astype(np.uint8) for x in tables]


def _by_columns(x_train: np.ndarray, x_test: np.ndarray) -> list[np.ndarray]:
    """(x - min) / (max - min) of the training rows; test rows beyond them are put at the ends."""
    low, high = x_train.min(0), x_train.max(0)
    return [
        np.clip((x - low) / np.where(high > low, high - low, 1), 0, 1) for x in (x_train, x_test)
    ]


def _dataset(arrays: list[np.ndarray], where: str) -> Dataset:
    """The examples of arrays in the order of `PARTS`, checked; `where` is told in messages."""
    named = dict(zip(PARTS, arrays, strict=True))
    tables = {name: _rows(named[name], f"{where}: {name}") for name in ("x_train", "x_test")}
    if tables["x_train"].shape[1] != tables["x_test"].shape[1]:
        widths = " and ".join(str(table.shape[1]) for table in tables.values())
        raise InputError(f"{where}: rows of {widths} values in x_train and x_test; expected equal")
    for part in ("train", "test"):
        labels = _labels(named[f"y_{part}"], len(tables[f"x_{part}"]), f"{where}: y_{part}")
        tables[f"y_{part}"] = labels
    data = Dataset(**tables)
    if int(data.y_test.max()) >= data.classes:
        raise InputError(
            f"{where}: y_test has class {int(data.y_test.max())}; y_train only has 0 to "
            f"{data.classes - 1}"
        )
    return data


def _rows(x: np.ndarray, where: str) -> Tensor:
    if x.dtype.kind not in "fiu" or x.ndim < 2 or not x.size:
        raise InputError(
            f"{where} has shape {x.shape} of {x.dtype}; expected numbers (examples, ...), one at "
            "least"
        )
    low, high = x.min(), x.max()
    top = 1 if x.dtype.kind == "f" else 255
    if not (low >= 0 and high <= top):  # NaN is not
        given = f"values from {low:.4g} to {high:.4g}"
        raise InputError(f"{where} has {given}; expected floats in [0, 1], or bytes from 0 to 255")
    rows = torch.from_numpy(np.ascontiguousarray(x.reshape(len(x), -1), np.float32))
    return rows / top


def _labels(y: np.ndarray, count: int, where: str) -> Tensor:
    whole = y.dtype.kind in "iu" and y.shape == (count,)
    if not whole or not count or y.min() < 0:
        raise InputError(
            f"{where} has shape {y.shape} of {y.dtype}; expected a class, 0, 1, ..., for each of "
            f"{count} examples"
        )
    return torch.from_numpy(y.astype(np.int64))
