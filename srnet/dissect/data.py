"""Labelled examples to dissect networks on: scikit-learn's digits, MNIST from files or OpenML."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from sdnet.errors import InputError

ARRAYS = ("x_train", "y_train", "x_test", "y_test")


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
    """Labelled images, each flattened to a row and scaled to [0, 1].

    Args:
        source: "digits" (scikit-learn's 1,797 images of 8 x 8, needing no download; every fifth
            is a test image), or an `.npz` file with x_train, y_train, x_test, y_test.

    Raises:
        InputError: no such file, or one that holds something else.

    >>> load_dataset().x_train.shape
    torch.Size([1437, 64])
    """
    if source == "digits":
        from sklearn.datasets import load_digits

        images, labels = load_digits(return_X_y=True)
        test = np.arange(len(images)) % 5 == 0
        return _dataset(images[~test] / 16, labels[~test], images[test] / 16, labels[test])
    path = Path(source)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            x_train, y_train, x_test, y_test = (arrays[name] for name in ARRAYS)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"{path}: can't be read as an .npz with {', '.join(ARRAYS)} ({error})"
        ) from None
    return _dataset(x_train / 255, y_train, x_test / 255, y_test)


def _dataset(x_train: np.ndarray, y_train: np.ndarray, x_test: np.ndarray, y_test: np.ndarray):
    rows = (torch.as_tensor(x.reshape(len(x), -1), dtype=torch.float32) for x in (x_train, x_test))
    labels = (torch.as_tensor(y, dtype=torch.int64) for y in (y_train, y_test))
    (train, test), (train_labels, test_labels) = rows, labels
    return Dataset(train, train_labels, test, test_labels)
