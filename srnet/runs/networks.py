"""Networks to dissect on disk: dense classifiers of ours, critics, generators, models of reading.

A state holds numbers, and the network is built here: nothing in a file is run.
"""

from pathlib import Path

import torch
from torch import nn

from sdnet.errors import InputError
from srnet.dissect.classifiers import dense
from srnet.runs.assembly import load_critic
from srnet.runs.generators import load_generator
from srnet.runs.reading import load_reading
from srnet.runs.states import load_state, save_state


def save_network(path: str | Path, model: nn.Sequential, **record: object) -> None:
    """Write a network made by `dense`, and whatever says how it was trained."""
    linear = [layer for layer in model if isinstance(layer, nn.Linear)]
    widths = [linear[0].in_features, *(layer.out_features for layer in linear)]
    save_state(
        path, {"format": "network 1", "widths": widths, "weights": model.state_dict(), **record}
    )


def load_network(path: str | Path) -> nn.Module:
    """The network in a state, for evaluation: a critic, a generator, a model of reading, or one of
    `symdisc dissect train`.

    Raises:
        InputError: no state, one of another kind, or weights that don't fit.
    """
    state = load_state(path)
    if "critic" in state:
        return load_critic(path).eval()
    if "generator" in state:
        return load_generator(path).eval()
    if "reading" in state:
        return load_reading(path).eval()
    if "widths" not in state:
        raise InputError(f"{path}: holds no network; expected one of symdisc dissect train")
    model = dense(state["widths"], torch.Generator().manual_seed(0))
    try:
        model.load_state_dict(state["weights"])
    except RuntimeError as error:
        raise InputError(f"{path}: the weights don't fit its widths ({error})") from None
    return model.eval()
