"""Networks to dissect on disk: dense classifiers of ours, critics, generators.

A state holds numbers, and the network is built here: nothing in a file is run.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

from sdnet.errors import InputError
from srnet.dissect.classifiers import dense
from srnet.runs.assembly import critic_of
from srnet.runs.generators import generator_of
from srnet.runs.states import contents, load_state, save_state


def save_network(path: str | Path, model: nn.Sequential, **record: object) -> None:
    """Write a network made by `dense`, and whatever says how it was trained.

    Raises:
        InputError: a network of another make; the file can't be written.
    """
    linear = [layer for layer in model if isinstance(layer, nn.Linear)]
    widths = [layer.in_features for layer in linear] + [layer.out_features for layer in linear[-1:]]
    kinds = [type(layer) for layer in model]
    weights = {name: value.detach().cpu() for name, value in model.state_dict().items()}
    chain = kinds == [nn.Linear, nn.ReLU] * (len(linear) - 1) + [nn.Linear]
    if not chain or weights.keys() != _shapes(widths).keys():
        raise InputError(
            "the network is no chain fc1, relu1, fc2, ... of linear layers with ReLUs between; "
            "expected one of `dense`"
        )
    save_state(path, {"format": "network 1", "widths": widths, "weights": weights, **record})


def load_network(path: str | Path) -> nn.Module:
    """The network in a state: of `symdisc dissect train`, a critic or a generator, for evaluation.

    Raises:
        InputError: no state, one of another kind, or weights that don't fit.
    """
    state = load_state(path)
    if "generator_args" in state:  # first: such a state may hold the critics, too
        return generator_of(state, where=str(path)).eval()
    if "critic_args" in state:
        return critic_of(state, str(path)).eval()
    if "widths" not in state:
        raise InputError(
            f"{path}: holds {contents(state)}; expected a network of symdisc dissect train, a "
            "critic or a generator"
        )
    return _dense_of(state["widths"], state["weights"], str(path)).eval()


def _dense_of(widths: object, weights: object, where: str) -> nn.Sequential:
    whole = isinstance(widths, list) and len(widths) > 1
    if not whole or not all(type(width) is int and width > 0 for width in widths):
        raise InputError(f"{where}: widths is {widths!r}; expected the units of each layer")
    shapes = _shapes(widths)
    if not isinstance(weights, Mapping) or weights.keys() != shapes.keys():
        raise InputError(f"{where}: the weights aren't those of widths {widths}")
    for name, shape in shapes.items():
        _check(weights[name], shape, f"{where}: {name}")
    model = dense(widths, torch.Generator().manual_seed(0)).to(weights["fc1.weight"].dtype)
    model.load_state_dict(weights)
    return model


def _shapes(widths: Sequence[int]) -> dict[str, tuple[int, ...]]:
    """Of the weights and biases of a network of `dense`, by their names."""
    shapes: dict[str, tuple[int, ...]] = {}
    for place, (inputs, outputs) in enumerate(pairwise(widths), 1):
        shapes |= {f"fc{place}.weight": (outputs, inputs), f"fc{place}.bias": (outputs,)}
    return shapes


def _check(weight: object, shape: tuple[int, ...], where: str) -> None:
    if not isinstance(weight, Tensor) or tuple(weight.shape) != shape:
        found = tuple(weight.shape) if isinstance(weight, Tensor) else type(weight).__name__
        raise InputError(f"{where} is {found}; expected {shape}")
    if not weight.is_floating_point() or not weight.isfinite().all():
        raise InputError(f"{where} holds what is not a finite number")
