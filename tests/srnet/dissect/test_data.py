"""Labelled examples: their scale and split, and what is refused."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from sdnet.errors import InputError
from srnet.dissect import data
from srnet.dissect.data import load_dataset

BYTES = {
    "x_train": np.array([[[0, 255], [51, 0]], [[1, 2], [3, 4]], [[5, 6], [7, 8]]], np.uint8),
    "y_train": np.array([2, 0, 1], np.uint8),
    "x_test": np.array([[[255, 0], [0, 102]]], np.uint8),
    "y_test": np.array([1], np.uint8),
}


def saved(tmp_path, **changes):
    np.savez(tmp_path / "some.npz", **{**BYTES, **changes})
    return tmp_path / "some.npz"


def test_digits_every_fifth_is_a_test_image():
    images, labels = load_digits(return_X_y=True)
    found = load_dataset()
    assert torch.equal(found.x_test[1], torch.tensor(images[5] / 16, dtype=torch.float32))
    assert torch.equal(found.x_train[:4], torch.tensor(images[1:5] / 16, dtype=torch.float32))
    assert found.y_test[:2].tolist() == labels[[0, 5]].tolist()
    assert (len(found.x_train), len(found.x_test), found.classes) == (1437, 360, 10)


def test_bytes_of_images_become_rows_in_0_to_1(tmp_path):
    found = load_dataset(saved(tmp_path))
    assert torch.allclose(found.x_train[0], torch.tensor([0, 1, 0.2, 0]))
    assert torch.allclose(found.x_test, torch.tensor([[1, 0, 0, 0.4]]))
    assert (found.y_train.tolist(), found.y_test.tolist(), found.classes) == ([2, 0, 1], [1], 3)
    assert (found.x_train.dtype, found.y_train.dtype) == (torch.float32, torch.int64)
    assert torch.equal(load_dataset(str(tmp_path / "some.npz")).x_train, found.x_train)


def test_floats_in_0_to_1_stay_as_they_are(tmp_path):
    scaled = {name: BYTES[name] / 255 for name in ("x_train", "x_test")}
    found = load_dataset(saved(tmp_path, **scaled))
    assert torch.allclose(found.x_train, load_dataset(saved(tmp_path)).x_train)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"x_train": BYTES["x_train"] * 1.0}, "x_train has values from 0 to 255; expected floats"),
        ({"x_test": np.full((1, 4), np.nan)}, "x_test has values from nan to nan"),
        ({"x_test": np.array([[-1, 0, 0, 0]])}, "x_test has values from -1 to 0"),
        ({"x_test": np.zeros((1, 5))}, "rows of 4 and 5 values in x_train and x_test"),
        ({"x_test": np.zeros((0, 4))}, r"x_test has shape \(0, 4\)"),
        ({"x_test": np.zeros(4)}, r"x_test has shape \(4,\) of float64; expected numbers"),
        ({"x_test": np.array([["a"] * 4])}, "x_test has shape .* expected numbers"),
        ({"y_train": np.array([0, 1])}, r"y_train has shape \(2,\) of int64; expected a class"),
        ({"y_train": np.eye(3, dtype=int)}, r"y_train has shape \(3, 3\)"),
        ({"y_train": np.array([0.0, 1, 2])}, "of float64; expected a class, 0, 1, ..., for each"),
        ({"y_train": np.array([0, -1, 2])}, "expected a class, 0, 1"),
        ({"y_test": np.array([3])}, "y_test has class 3; y_train only has 0 to 2"),
    ],
)
def test_arrays_that_are_no_labelled_examples(tmp_path, changes, told):
    with pytest.raises(InputError, match=f"some.npz: .*{told}"):
        load_dataset(saved(tmp_path, **changes))


def test_no_such_source(tmp_path):
    with pytest.raises(InputError, match=r"digit: no such file or folder.* did you mean 'digits'"):
        load_dataset("digit")
    with pytest.raises(InputError, match="no file train-images"):
        load_dataset(tmp_path)


def openml(monkeypatch, x, y=None, error=None):
    """scikit-learn's function without the network."""
    asked = []

    def fetch(name, **_):
        asked.append(name)
        if error is not None:
            raise error
        return x, y

    monkeypatch.setattr("sklearn.datasets.fetch_openml", fetch)
    return asked


def test_mnist_of_openml_has_its_last_rows_for_a_test(monkeypatch):
    monkeypatch.setattr(data, "MNIST_TEST", 2)
    x = np.array([[0, 255.0], [51, 0], [0, 0], [255, 255]])
    asked = openml(monkeypatch, x, np.array(["5", "0", "0", "5"]))
    found = load_dataset("mnist")
    assert asked == ["mnist_784"]
    assert torch.allclose(found.x_train, torch.tensor([[0, 1], [0.2, 0]]))
    assert (found.y_train.tolist(), found.y_test.tolist()) == ([1, 0], [0, 1])


def test_other_tables_of_openml_are_scaled_by_their_training_rows(monkeypatch):
    x = np.array([[9.0, 7], [-1, 7], [1, 7], [0, 7], [0.5, 7], [-5, 7]])
    asked = openml(monkeypatch, x, np.array(list("abcabc")))
    found = load_dataset("openml:some")
    assert asked == ["some"]
    assert found.x_train.tolist() == [[0, 0], [1, 0], [0.5, 0], [0.75, 0]]
    assert found.x_test.tolist() == [[1, 0], [0, 0]]  # beyond the ends
    assert found.y_train.tolist() == [1, 2, 0, 1]


@pytest.mark.parametrize(
    ("x", "y", "error", "told"),
    [
        (None, None, OSError("no network"), r"can't be reached \(no network\)"),
        (None, None, ValueError("Dataset some\nnot found"), "openml:some: Dataset some not found"),
        (np.array([["a"]], object), np.array(["b"]), None, "expected a table of numbers"),
        (np.zeros((2, 2)), None, None, "expected a table of numbers, with a class"),
        (np.full((6, 2), np.nan), np.zeros(6), None, "x_train has values from nan"),
    ],
)
def test_what_openml_may_answer(monkeypatch, x, y, error, told):
    openml(monkeypatch, x, y, error)
    with pytest.raises(InputError, match=told):
        load_dataset("openml:some")
