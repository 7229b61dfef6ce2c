"""The error for bad input: one sentence that says what was given, what was expected, and where."""

from collections.abc import Iterable
from difflib import get_close_matches


class InputError(ValueError):
    """Something a user gave can't be used. The command line prints it and exits with status 2."""


def nearest(name: str, choices: Iterable[str]) -> str:
    """A hint naming the closest valid choice, or all choices when none is close.

    >>> nearest("hid_nun", ["hid_num", "hid_size"])
    "did you mean 'hid_num'?"
    >>> nearest("zzz", ["bce", "wasserstein"])
    'choose from bce, wasserstein'
    """
    options = [str(choice) for choice in choices]
    close = get_close_matches(name, options, n=1)
    return f"did you mean {close[0]!r}?" if close else f"choose from {', '.join(options)}"
