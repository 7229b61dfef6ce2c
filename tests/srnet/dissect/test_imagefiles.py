"""Files of labelled images: what is read, and one sentence for each that can't be."""

import gzip
import struct

import numpy as np
import pytest

from sdnet.errors import InputError
from srnet.dissect.imagefiles import PARTS, read_idx, read_idx_folder, read_npz


def idx(values):
    """An array as the format is described by its authors."""
    head = struct.pack(">BBBB", 0, 0, 8, values.ndim) + struct.pack(
        f">{values.ndim}I", *values.shape
    )
    return head + values.astype(np.uint8).tobytes()


IMAGES = np.arange(24).reshape(2, 3, 4)
FILES = {
    "train-images-idx3-ubyte": IMAGES,
    "train-labels-idx1-ubyte": np.array([1, 0]),
    "t10k-images.idx3-ubyte": IMAGES + 100,
    "t10k-labels.idx1-ubyte": np.array([0, 1]),
}


@pytest.mark.parametrize("zipped", [False, True])
def test_the_four_files_of_a_folder(tmp_path, zipped):
    for name, values in FILES.items():
        content = idx(values)
        (tmp_path / f"{name}{'.gz' * zipped}").write_bytes(
            gzip.compress(content, mtime=0) if zipped else content
        )
    for found, expected in zip(read_idx_folder(tmp_path), FILES.values(), strict=True):
        assert found.dtype == np.uint8
        assert np.array_equal(found, expected)
    (found,) = tmp_path.glob("t10k-labels*")
    found.unlink()
    with pytest.raises(InputError, match="no file t10k-labels-idx"):
        read_idx_folder(tmp_path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "begins with nothing; expected an IDX file of unsigned bytes"),
        (b"\x00\x00", "begins with 0000"),
        (b"\x00\x00\x0d\x01" + bytes(8), "begins with 00000d01"),  # floats
        (b"hello there", "begins with 68656c6c"),
        (idx(IMAGES)[:-1], r"23 bytes of values; its sizes \[2, 3, 4\] ask for 24"),
        (idx(IMAGES) + b"\x00", "25 bytes of values"),
        (idx(IMAGES)[:9], "bytes of values"),
        (gzip.compress(idx(IMAGES), mtime=0)[:-6], "a damaged gzip file"),
        (b"\x1f\x8bnonsense", "a damaged gzip file"),
    ],
)
def test_a_file_that_is_no_idx_file(tmp_path, content, told):
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"{path}.*{told}"):
        read_idx(path)


class Marked:
    """An array of these would be unpickled."""


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"x_train": [0]}, "holds x_train, no y_train; expected an .npz with x_train, y_train"),
        ({}, "holds nothing, no x_train"),
        ({name: np.array([Marked(), None]) for name in PARTS}, "an array can't be read"),
    ],
)
def test_an_npz_of_something_else(tmp_path, arrays, told):
    np.savez(tmp_path / "some.npz", **arrays)
    with pytest.raises(InputError, match=told):
        read_npz(tmp_path / "some.npz")


def test_no_npz_at_all(tmp_path):
    path = tmp_path / "some.npz"
    np.savez(path, **{name: np.zeros(1000) for name in PARTS})
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[300] ^= 255
    np.save(tmp_path / "one.npy", np.zeros(3))
    contents = {
        b"": "not an .npz file",
        b"text": "not an .npz file",
        whole[:-100]: "not an .npz file",
        bytes(damaged): "an array can't be read",
        (tmp_path / "one.npy").read_bytes(): "holds one array",
    }
    for content, told in contents.items():
        path.write_bytes(content)
        with pytest.raises(InputError, match=told):
            read_npz(path)
    with pytest.raises(InputError, match="there is no file"):
        read_npz(tmp_path / "none.npz")
