"""Reading joblib and pickle files from elsewhere without running anything they carry.

A pickle is a program: it names functions and calls them. Here only the names in `ADMITTED` can be
called, and those build NumPy arrays, torch tensors and plain containers. What is safe to admit,
and what a file must look like, is all that may live in this room; what the contents mean is
the business of the reader (tables.py for masks, runs/ for states).
"""

import bz2
import gzip
import io
import lzma
import pickle
import re
import zlib
from collections import OrderedDict
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import torch
from joblib.numpy_pickle import NumpyArrayWrapper, NumpyUnpickler
from torch import Tensor
from torch.storage import TypedStorage

from sdnet.errors import InputError

# Stands for the class numpy.ndarray, which may be named but never called: it would take any bytes
# for the addresses of Python objects.
NDARRAY = "numpy.ndarray"

COMPRESSIONS: dict[bytes, Callable[[bytes], bytes]] = {
    b"\x78": zlib.decompress,
    b"\x1f\x8b": gzip.decompress,
    b"BZh": bz2.decompress,
    b"\xfd7zXZ": lzma.decompress,
    b"\x5d\x00\x00": lzma.decompress,
}


def load_joblib(path: str | Path) -> object:
    """The object in a joblib file (compressed or not) or a plain pickle, read safely.

    Admitted are NumPy arrays, scalars and dtypes of numbers and text, torch tensors and
    parameters (brought to the CPU), and dict, OrderedDict, list, tuple, set, str, bytes, numbers,
    bool and None.

    Raises InputError for anything else, which is named and not executed, and for files that are
    missing, truncated, corrupted or of another kind.

    >>> import joblib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = joblib.dump({"train": [0, 2], "test": [1]}, folder + "/X00.mask")
    ...     load_joblib(folder + "/X00.mask")
    {'train': [0, 2], 'test': [1]}
    """
    content = read_bytes(path)
    try:
        content = _decompress(content)
        if not content.startswith(pickle.PROTO):
            raise pickle.UnpicklingError("it doesn't begin as a pickle of protocol 2 or later does")
        stream = io.BytesIO(content)
        unpickler = _PlainUnpickler(str(path), stream, ensure_native_byte_order=True)
        loaded = unpickler.load()
        if stream.read(1):
            raise pickle.UnpicklingError("more bytes follow after the end of the object")
    except _Refused as refused:
        raise InputError(
            f"{path} holds {refused}, which was refused and not executed: a file read here may "
            "hold NumPy arrays of numbers or text, torch tensors and plain containers only"
        ) from refused
    except Exception as error:  # a damaged program can fail in any way there is
        raise InputError(
            f"{path} can't be read as a joblib file, it is truncated, corrupted or of another "
            f"kind ({type(error).__name__}: {' '.join(str(error).split())[:200]})"
        ) from error
    return loaded


def read_bytes(path: str | Path) -> bytes:
    """The bytes of a file.

    Raises InputError, naming the nearest file of the folder, when there is no such file.
    """
    path = Path(path)
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"there is no file {path}: {nearest_file(path)}") from error
    except (OSError, ValueError) as error:  # ValueError: a path that can't exist, such as "a\0b"
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"can't read {path} as a file: {reason}") from error


def nearest_file(path: Path) -> str:
    """A hint at the file that `path` may have meant: the nearest name in its folder."""
    if not path.parent.is_dir():
        return f"there is no folder {path.parent} either"
    names = sorted(entry.name for entry in path.parent.iterdir() if entry.is_file())
    close = get_close_matches(path.name, names, n=1, cutoff=0.0)
    return f"the nearest name there is {close[0]!r}" if close else "its folder holds no files"


def _decompress(content: bytes) -> bytes:
    for magic, decompress in COMPRESSIONS.items():
        if content.startswith(magic):
            return decompress(content)
    return content


class _Refused(Exception):
    """The file asks for something that is not admitted; the message names it."""


class _PlainUnpickler(NumpyUnpickler):
    """joblib's unpickler, with every way out of `ADMITTED` closed."""

    dispatch = NumpyUnpickler.dispatch.copy()

    def find_class(self, module: str, name: str) -> object:
        try:
            return ADMITTED[module, name]
        except KeyError:
            raise _Refused(f"{module}.{name}") from None

    def get_extension(self, code: int) -> object:
        # The registry's cache answers without asking find_class.
        raise _Refused(f"the copyreg extension {code}")

    def persistent_load(self, pid: object) -> object:
        raise _Refused(f"the persistent reference {pid!r:.80}")

    def load_build(self) -> None:
        """Sets the state of an object. Functions and classes have state too: those stay closed."""
        target, state = self.stack[-2:]
        if not _is_plain_state(target, state):
            raise _Refused(
                f"an unusual state for {type(target).__module__}.{type(target).__name__}"
            )
        if isinstance(target, NumpyArrayWrapper):
            state["subclass"] = np.ndarray
        super().load_build()  # where a wrapper is replaced by its array, read from the file

    dispatch[pickle.BUILD[0]] = load_build


def _is_plain_state(target: object, state: object) -> bool:
    """Whether `state` is what the libraries themselves write for such a target."""
    if isinstance(target, np.dtype):
        # Forged flags could make numbers be taken for pointers: only genuine states pass.
        orders = (target.newbyteorder(order) for order in "<>")
        return any(state == genuine.__reduce__()[2] for genuine in orders)
    if isinstance(target, np.ndarray):
        # Only a new array: refilling one would free memory that a view of it may still use.
        return target.size == 0 and isinstance(state, tuple)
    if isinstance(target, NumpyArrayWrapper):
        known = vars(NumpyArrayWrapper(None, None, None, None)).keys()
        return (
            isinstance(state, dict) and state.keys() <= known and state.get("subclass") == NDARRAY
        )
    if isinstance(target, OrderedDict):
        return isinstance(state, dict) and state.keys() <= {"_metadata"}  # of a torch state_dict
    return False


def _dtype(text: object, *_: object) -> np.dtype:
    if not (isinstance(text, str) and re.fullmatch(r"[<>=|]?[biufcSU]\d+", text)):
        raise _Refused(f"numpy.dtype({text!r:.80})")
    return np.dtype(text, copy=True)  # a copy: setting its byte order must not touch NumPy's own


def _empty_array(*_: object) -> np.ndarray:
    return np.empty(0, "b")  # its shape, dtype and numbers follow as its state


def _array(
    buffer: bytes | bytearray, dtype: np.dtype, shape: tuple[int, ...], order: str
) -> np.ndarray:
    return np.frombuffer(buffer, dtype).reshape(shape, order=order)


def _scalar(dtype: np.dtype, content: bytes) -> np.generic:
    (scalar,) = np.frombuffer(content, dtype)
    return scalar


def _text_bytes(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise _Refused(f"_codecs.encode to {encoding!r:.80}")
    return text.encode("latin1")


def _storage(content: bytes) -> TypedStorage:
    """A tensor's numbers. torch's own function would unpickle anything."""
    try:
        storage = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        name = re.search(r"GLOBAL (\S+)", str(error))
        if name:
            raise _Refused(f"{name[1]} inside a torch storage") from error
        raise
    if not isinstance(storage, TypedStorage):
        raise _Refused(f"a {type(storage).__name__} in place of a torch storage")
    return storage


def _tensor(
    storage: TypedStorage,
    offset: int,
    size: tuple[int, ...],
    stride: tuple[int, ...],
    grad: bool,
    *_: object,
) -> Tensor:
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    entries = storage._untyped_storage.nbytes() // storage.dtype.itemsize
    if min(offset, *size, *stride, 0) < 0 or (0 not in size and last >= entries):
        raise ValueError(f"a tensor of shape {tuple(size)} asks for more numbers than are stored")
    no_hooks = OrderedDict()
    return torch._utils._rebuild_tensor_v2(storage, offset, size, stride, grad, no_hooks)


def _parameter(tensor: Tensor, grad: bool, *_: object) -> torch.nn.Parameter:
    return torch.nn.Parameter(tensor, requires_grad=grad)


# What a file may name, and what stands for it here.
ADMITTED: dict[tuple[str, str], object] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("_codecs", "encode"): _text_bytes,
    ("joblib.numpy_pickle", "NumpyArrayWrapper"): NumpyArrayWrapper,
    ("numpy", "ndarray"): NDARRAY,
    ("numpy", "dtype"): _dtype,
    ("torch.storage", "_load_from_bytes"): _storage,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
}
for _core in ("numpy.core", "numpy._core"):  # NumPy 1 and 2
    ADMITTED[f"{_core}.multiarray", "_reconstruct"] = _empty_array
    ADMITTED[f"{_core}.multiarray", "scalar"] = _scalar
    ADMITTED[f"{_core}.numeric", "_frombuffer"] = _array
for _builtins in ("builtins", "__builtin__"):  # Python 3 and the older protocols
    for _plain in (set, frozenset, complex, bytes, bytearray):
        ADMITTED[_builtins, _plain.__name__] = _plain
