"""Models of reading on disk."""

from pathlib import Path

from sdnet.errors import InputError
from srnet.reading import PMSP
from srnet.runs.states import load_state, save_state


def save_reading(path: str | Path, model: PMSP) -> None:
    """Write a model with its masks, its lesions and its optimiser's moments."""
    save_state(path, {"format": "reading 1", "reading": model.to_state()})


def load_reading(path: str | Path) -> PMSP:
    """The model in a state that `save_reading` wrote.

    Raises:
        InputError: no state, or one of another kind.
    """
    state = load_state(path)
    if "reading" not in state:
        raise InputError(f"{path}: holds no model of reading")
    return PMSP.from_state(state["reading"])
