"""Jobs of joblib on this machine: they work in the folder in which they were asked for."""

import contextlib
import os
from collections.abc import Callable
from functools import partial
from typing import Any


def here(function: Callable) -> Callable:
    """The function, called in the folder of now in whichever process.

    joblib's processes outlive a call, and keep the folder in which they began: relative paths
    would be those of another folder, once this process has gone elsewhere.

    >>> here(os.path.basename)("a/b")
    'b'
    """
    return partial(_called_in, os.getcwd(), function)


def _called_in(folder: str, function: Callable, *args: Any) -> Any:
    with contextlib.chdir(folder):
        return function(*args)
