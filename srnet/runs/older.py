"""The older form of a critic's state, brought into today's.

A dict with `hyperparams` and `disc_state`, whose tensors are `layers1.0.weight`, ... (the
embedding, where there is one) and `layers2.0.weight`, ... (the critic): sequences of linear
layers, (out, in), with relu between.
"""

import re
from collections.abc import Mapping
from itertools import pairwise
from numbers import Integral
from pathlib import Path

import torch
from torch import Tensor

from sdnet.errors import InputError

NETWORKS = {"layers1": "embedding", "layers2": "critic"}
OPTIONS = ("lr", "wd", "betas", "iters", "gp", "loss_fun")


def from_older(older: object, path: str | Path) -> dict:
    """The state in today's form, with the older `hyperparams` as they were.

    Raises:
        InputError: something is missing, or the tensors don't make the critic that the
            hyperparams speak of.
    """
    expected = "expected a state of symdisc, or the older form with `hyperparams` and `disc_state`"
    if not isinstance(older, Mapping) or not {"hyperparams", "disc_state"} <= older.keys():
        holds = list(older) if isinstance(older, Mapping) else type(older).__name__
        raise InputError(f"{path}: holds {str(holds)[:200]}; {expected}")
    hyperparams, tensors = older["hyperparams"], older["disc_state"]
    if not isinstance(hyperparams, Mapping) or not isinstance(tensors, Mapping):
        raise InputError(f"{path}: its `hyperparams` or `disc_state` is no dict; {expected}")
    disc = hyperparams.get("disc", {})
    if not isinstance(disc, Mapping):
        raise InputError(f"{path}: its `hyperparams.disc` is no dict; {expected}")
    weights, sizes = {}, {}
    tensors = _checked(tensors, path)
    for old, new in NETWORKS.items():
        layers = _layers(tensors, old, path)
        if layers:
            sizes[new] = _sizes(layers, old, path)
        for i, (weight, bias) in enumerate(layers):
            weights[f"{new}.weights.{i}"] = weight.T.contiguous()
            weights[f"{new}.biases.{i}"] = bias
    if "critic" not in sizes:
        raise InputError(f"{path}: no tensors named layers2.0.weight, ... in it; {expected}")
    embedding, critic = sizes.get("embedding", (None, 0, 1)), sizes["critic"]
    _check_points(hyperparams, embedding[0], critic[0], path)
    return {
        "format": "critic 1",
        "hyperparams": dict(hyperparams),
        "critic_args": {
            "in_size": critic[0],
            "hid_num": [embedding[1], critic[1]],
            "hid_size": [embedding[2], critic[2]],
            "emb_size": embedding[0],
            **{name: disc[name] for name in OPTIONS if name in disc},
        },
        "critic": weights,
        "history": {},
        "times": [],
        "ended": "older state",
    }


def _checked(tensors: Mapping, path: str | Path) -> dict[str, Tensor]:
    """The tensors in float32, where all have names as above and finite numbers."""
    known = re.compile(rf"({'|'.join(NETWORKS)})\.\d+\.(weight|bias)")
    checked = {}
    for name, value in tensors.items():
        tensor = _finite(value)
        if not known.fullmatch(str(name)) or tensor is None:
            raise InputError(
                f"{path}: its disc_state has {str(name)[:80]!r}; expected tensors of finite "
                "numbers, named layers1.0.weight, layers1.0.bias, ..., layers2.0.weight, ..."
            )
        checked[str(name)] = tensor
    return checked


def _finite(value: object) -> Tensor | None:
    try:
        tensor = torch.as_tensor(value).detach()
        return tensor.float() if not tensor.is_complex() and tensor.isfinite().all() else None
    except (TypeError, ValueError, RuntimeError):  # what is no array of numbers
        return None


def _layers(
    tensors: Mapping[str, Tensor], network: str, path: str | Path
) -> list[tuple[Tensor, Tensor]]:
    places = {int(name.split(".")[1]) for name in tensors if name.startswith(network)}
    layers, missing = [], torch.empty(0)
    for place in sorted(places):
        weight = tensors.get(f"{network}.{place}.weight", missing)
        bias = tensors.get(f"{network}.{place}.bias", missing)
        if weight.dim() != 2 or bias.shape != weight.shape[:1]:
            raise InputError(
                f"{path}: {network}.{place} has a weight {tuple(weight.shape)} and a bias "
                f"{tuple(bias.shape)}; expected (out, in) and (out,)"
            )
        layers.append((weight, bias))
    return layers


def _sizes(
    layers: list[tuple[Tensor, Tensor]], network: str, path: str | Path
) -> tuple[int, int, int]:
    """(in_size, hid_num, hid_size) of a network whose layers fit each other."""
    shapes = [tuple(weight.shape) for weight, _ in layers]
    hidden = {out for out, _ in shapes[:-1]}
    fits = all(after[1] == before[0] for before, after in pairwise(shapes))
    if shapes[-1][0] != 1 or len(hidden) > 1 or not fits:
        raise InputError(
            f"{path}: {network} has weights {shapes}; expected one size for all hidden layers, "
            "each fitting the next, and one output"
        )
    return shapes[0][1], len(shapes) - 1, hidden.pop() if hidden else 1


def _check_points(hyperparams: Mapping, channels: int | None, size: int, path: str | Path) -> None:
    """`batch_size` points and `ext_size` further channels must give the critic's input.

    Where no `ext_size` is kept, the points must at least go into it.
    """
    points, extra = hyperparams.get("batch_size"), hyperparams.get("ext_size")
    if points is None:
        return
    if not isinstance(points, Integral) or not isinstance(extra, Integral | None) or points < 1:
        raise InputError(
            f"{path}: batch_size is {points!r} and ext_size {extra!r}; expected whole numbers"
        )
    if channels:
        fits = size == points and (not extra or channels == 1 + extra)
    elif extra is None and hyperparams.get("ext"):
        fits = size % points == 0
    else:
        fits = size == points * (1 + (extra or 0))
    if not fits:
        raise InputError(
            f"{path}: batch_size {points} and ext_size {extra} don't fit a critic of {size} "
            f"inputs{f' and {channels} channels' if channels else ''}"
        )
