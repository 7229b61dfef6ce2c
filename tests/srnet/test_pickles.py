"""Files from elsewhere: what honest ones hold comes back, what malicious ones ask is not run."""

import copyreg
import functools
import gzip
import io
import os
import pickle
import pickletools
from collections import OrderedDict
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch

from sdnet.errors import InputError
from srnet.pickles import load_joblib


class Calls:
    """An object whose pickle calls a function."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.fixture
def marker(tmp_path):
    """A file that a malicious pickle would make."""
    return tmp_path / "marker"


def touch(marker):
    return Calls(os.system, f"touch {marker}")


def program(*operations):
    """A hand-written pickle of protocol 2."""
    return b"\x80\x02" + b"".join(operations) + b"."


def refused(path, marker, name):
    with pytest.raises(InputError, match=name) as caught:
        load_joblib(path)
    assert "refused and not executed" in str(caught.value)
    assert str(path) in str(caught.value)
    assert not marker.exists()


# Honest files


PLAIN = {
    "hyperparams": {"disc": {"hid_num": [2, 4], "betas": (0.9, 0.999)}, "ext": None, "on": True},
    "text": ["é", b"\x00\xff", bytearray(b"ab"), {1, 2}, frozenset({3}), 1j, 2**70, -1.5],
}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("dump", [joblib.dump, None], ids=["joblib", "pickle"])
def test_plain_containers_and_arrays_return(tmp_path, dump, protocol):
    arrays = {
        "f": np.arange(6.0).reshape(2, 3),
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "swapped": np.arange(3, dtype=">i4"),
        "swapped too": np.arange(4, dtype=">i4"),
        "mask": np.array([True, False]),
        "words": np.array(["ab", "c"]),
        "none": np.empty((0, 2)),
        "zero-dimensional": np.array(2.5),
        "scalar": np.float32(0.5),
        "dtype": np.dtype("float32"),
    }
    path = tmp_path / "state.pkl"
    if dump:
        joblib.dump({**PLAIN, **arrays}, path, protocol=protocol)
    else:
        path.write_bytes(pickle.dumps({**PLAIN, **arrays}, protocol=protocol))
    loaded = load_joblib(path)
    assert {key: loaded[key] for key in PLAIN} == PLAIN
    for key, array in arrays.items():
        if key == "dtype":
            assert loaded[key] == array
        else:
            np.testing.assert_array_equal(loaded[key], array, strict=not key.startswith("swapped"))
    assert np.arange(2, dtype=">i4").sum() == 1  # NumPy's own dtypes are as before
    assert np.arange(2, dtype="i4").sum() == 1


@pytest.mark.parametrize("method", ["zlib", "gzip", "bz2", "xz", "lzma"])
def test_compressed_files_are_read(tmp_path, method):
    path = tmp_path / "X07.mask"
    joblib.dump({"train": np.arange(5)}, path, compress=(method, 3))
    np.testing.assert_array_equal(load_joblib(path)["train"], np.arange(5))


def test_torch_states_return(tmp_path):
    state = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 1)).state_dict()
    others = {
        "parameter": torch.nn.Parameter(torch.tensor([1.0, 2.0])),
        "frozen": torch.nn.Parameter(torch.tensor([1.0]), requires_grad=False),
        "transposed": torch.arange(6.0).reshape(2, 3).T,
        "part": torch.arange(9)[4:6],
        "half": torch.ones(2, dtype=torch.bfloat16),
        "scalar": torch.tensor(3.0),
        "none": torch.empty(0, 4),
    }
    joblib.dump({"disc_state": state, **others}, tmp_path / "state.pkl")
    loaded = load_joblib(tmp_path / "state.pkl")
    assert isinstance(loaded["disc_state"], OrderedDict)
    assert list(loaded["disc_state"]) == list(state)
    for name, tensor in state.items():
        assert torch.equal(loaded["disc_state"][name], tensor)
    for name, tensor in others.items():
        assert torch.equal(loaded[name], tensor)
        assert loaded[name].dtype == tensor.dtype
        assert type(loaded[name]) is type(tensor)
        assert loaded[name].requires_grad == tensor.requires_grad


def test_files_of_numpy_1_are_read(tmp_path):
    content = pickle.dumps(np.arange(3.0), protocol=2)
    content = content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    (tmp_path / "old.pkl").write_bytes(content)
    np.testing.assert_array_equal(load_joblib(tmp_path / "old.pkl"), [0.0, 1.0, 2.0])


# Malicious files


def test_the_fixture_would_make_its_marker(marker):
    pickle.loads(pickle.dumps(touch(marker)))
    assert marker.exists()


@pytest.mark.parametrize("protocol", [2, 5])
@pytest.mark.parametrize("write", [gzip.compress, bytes], ids=["gzip", "plain"])
def test_a_call_is_refused(tmp_path, marker, protocol, write):
    path = tmp_path / "evil.pkl"
    path.write_bytes(write(pickle.dumps({"a": [touch(marker)]}, protocol=protocol)))
    refused(path, marker, "posix.system")


def test_a_call_inside_an_object_array_is_refused(tmp_path, marker):
    array = np.array([touch(marker), 1], dtype=object)
    joblib.dump({"train": array}, tmp_path / "evil.mask")
    refused(tmp_path / "evil.mask", marker, r"numpy.dtype\('O8'\)")
    (tmp_path / "evil.pkl").write_bytes(pickle.dumps(array))
    refused(tmp_path / "evil.pkl", marker, r"numpy.dtype\('O8'\)")


@pytest.mark.parametrize("zipped", [False, True])
def test_a_call_inside_a_torch_storage_is_refused(tmp_path, marker, zipped):
    inside = io.BytesIO()
    torch.save(touch(marker), inside, _use_new_zipfile_serialization=zipped)
    load = Calls(torch.storage._load_from_bytes, inside.getvalue())
    joblib.dump({"disc_state": {"layers1.0.weight": load}}, tmp_path / "evil.pkl")
    refused(tmp_path / "evil.pkl", marker, "posix.system inside a torch storage")


def test_a_torch_storage_is_a_storage(tmp_path, marker):
    inside = io.BytesIO()
    torch.save({"a": 1}, inside)
    joblib.dump(Calls(torch.storage._load_from_bytes, inside.getvalue()), tmp_path / "evil.pkl")
    refused(tmp_path / "evil.pkl", marker, "a dict in place of a torch storage")


@pytest.mark.parametrize(
    ("thing", "name"),
    [
        (getattr, "builtins.getattr"),
        (functools.partial(int, base=2), "functools.partial"),
        (Calls(eval, "1"), "builtins.eval"),
        (Calls(np.memmap, "marker", "u1", "w+", 0, (3,)), "numpy.memmap"),
        (np.array([(1, 2.0)], dtype=[("a", int), ("b", float)]), "numpy.dtype"),
        (np.array(["2020-01-01"], dtype="M8[D]"), "numpy.dtype"),
        (torch.nn.Linear(1, 1), "torch.nn.modules.linear.Linear"),
        (Path("a"), "pathlib"),
        (torch.float32, "torch.float32"),
    ],
)
def test_anything_else_is_refused_by_name(tmp_path, marker, thing, name):
    (tmp_path / "evil.pkl").write_bytes(pickle.dumps(thing))
    refused(tmp_path / "evil.pkl", marker, name)


def test_dotted_names_are_refused(tmp_path, marker):
    content = b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93."
    (tmp_path / "evil.pkl").write_bytes(content)
    refused(tmp_path / "evil.pkl", marker, "numpy.ndarray.tofile")


def test_extension_codes_are_refused_even_when_cached(tmp_path, marker):
    copyreg.add_extension("posix", "system", 77)
    content = pickle.dumps(touch(marker), protocol=2)
    (tmp_path / "evil.pkl").write_bytes(content)
    try:
        assert "EXT1" in {op.name for op, *_ in pickletools.genops(content)}
        pickle.loads(pickle.dumps(os.system, protocol=2))  # fills the registry's cache
        refused(tmp_path / "evil.pkl", marker, "extension 77")
    finally:
        copyreg.remove_extension("posix", "system", 77)


def test_persistent_references_are_refused(tmp_path, marker):
    (tmp_path / "evil.pkl").write_bytes(program(b"K\x07Q"))
    refused(tmp_path / "evil.pkl", marker, "persistent reference 7")


def test_functions_and_classes_keep_their_state(tmp_path, marker):
    for name in (
        b"torch._utils\n_rebuild_tensor_v2",
        b"joblib.numpy_pickle\nNumpyArrayWrapper",
    ):
        (tmp_path / "evil.pkl").write_bytes(
            program(b"c", name, b"\nN}X\x04\x00\x00\x00readK\x01s\x86b")
        )
        refused(tmp_path / "evil.pkl", marker, "unusual state")
    assert callable(joblib.numpy_pickle.NumpyArrayWrapper.read)


def test_a_wrapper_cannot_bring_its_own_methods(tmp_path, marker):
    wrapper = b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81"
    (tmp_path / "evil.pkl").write_bytes(program(wrapper, b"}X\x04\x00\x00\x00readK\x01sb"))
    refused(tmp_path / "evil.pkl", marker, "unusual state for joblib.numpy_pickle")


def test_forged_dtype_flags_are_refused(tmp_path, marker):
    class Forged:
        def __reduce__(self):
            return np.dtype, ("f8", False, True), (3, "<", None, None, None, -1, -1, 63)

    (tmp_path / "evil.pkl").write_bytes(pickle.dumps(Calls(np.array, Forged()).call[1][0]))
    refused(tmp_path / "evil.pkl", marker, "unusual state for numpy")


def test_an_array_is_filled_once(tmp_path, marker):
    """A second filling would free the numbers that a view of the array still shows."""
    again = pickle.dumps(np.arange(3.0), protocol=2).removesuffix(b".") + b"(K\x01tb."
    (tmp_path / "evil.pkl").write_bytes(again)
    refused(tmp_path / "evil.pkl", marker, "unusual state for numpy.ndarray")


def test_the_array_class_cannot_be_called(tmp_path, marker):
    """numpy.ndarray((1,), "O", bytes) takes the bytes for an address."""
    content = pickle.dumps(Calls(np.ndarray, (1,), "O", b"\x01" * 8))
    (tmp_path / "evil.pkl").write_bytes(content)
    with pytest.raises(InputError, match="can't be read as a joblib file"):
        load_joblib(tmp_path / "evil.pkl")


def test_a_tensor_beyond_its_storage_is_not_read(tmp_path):
    tensor = torch.arange(4.0)
    rebuild, (storage, *_) = tensor.__reduce_ex__(2)
    for offset, size, stride in [
        (0, (5,), (1,)),
        (3, (2,), (1,)),
        (-1, (2,), (1,)),
        (3, (2,), (-1,)),
    ]:
        call = Calls(rebuild, storage, offset, size, stride, False, OrderedDict())
        joblib.dump(call, tmp_path / "state.pkl")
        with pytest.raises(InputError, match="more numbers than are stored"):
            load_joblib(tmp_path / "state.pkl")


# Damaged and missing files


@pytest.mark.parametrize("compress", [0, ("zlib", 3), ("gzip", 3), ("bz2", 3), ("xz", 3)])
def test_every_truncation_is_an_input_error(tmp_path, compress):
    path = tmp_path / "state.pkl"
    joblib.dump({"a": np.arange(3.0), "t": torch.ones(2), "s": "text"}, path, compress=compress)
    content = path.read_bytes()
    for length in range(0, len(content), max(1, len(content) // 60)):
        path.write_bytes(content[:length])
        with pytest.raises(InputError, match="can't be read as a joblib file"):
            load_joblib(path)


@pytest.mark.parametrize(
    "content",
    [b"\x89PNG\r\n\x1a\n" + bytes(40), b"I1\n.", b"ZF" + bytes(50), b"PK\x03\x04" + bytes(50)],
    ids=["png", "protocol 0", "old joblib", "zip"],
)
def test_foreign_files(tmp_path, content):
    (tmp_path / "state.pkl").write_bytes(content)
    with pytest.raises(InputError, match="can't be read as a joblib file"):
        load_joblib(tmp_path / "state.pkl")


def test_bytes_after_the_end(tmp_path):
    (tmp_path / "two.pkl").write_bytes(pickle.dumps(1) + pickle.dumps(2))
    with pytest.raises(InputError, match="more bytes follow"):
        load_joblib(tmp_path / "two.pkl")


def test_flipped_bytes_never_give_a_traceback(tmp_path):
    path = tmp_path / "state.pkl"
    joblib.dump({"a": np.arange(3), "t": torch.ones(2), "n": [1, 2.5, "x"]}, path)
    content = path.read_bytes()
    random = np.random.default_rng(0)
    outcomes = set()
    for _ in range(300):
        damaged = bytearray(content)
        damaged[random.integers(len(content))] = random.integers(256)
        path.write_bytes(bytes(damaged))
        try:
            load_joblib(path)
            outcomes.add("read")
        except InputError:
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}  # a number may change unnoticed, nothing else happens


def test_missing_files_name_the_nearest(tmp_path):
    (tmp_path / "X07.mask").write_bytes(b"")
    with pytest.raises(InputError, match=r"X7\.mask: the nearest name there is 'X07\.mask'"):
        load_joblib(tmp_path / "X7.mask")
    with pytest.raises(InputError, match="there is no folder"):
        load_joblib(tmp_path / "nowhere" / "X07.mask")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no files"):
        load_joblib(tmp_path / "empty" / "X07.mask")
    with pytest.raises(InputError, match="directory"):
        load_joblib(tmp_path / "empty")
