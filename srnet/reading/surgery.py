"""Surgery: what each kind of lesion changes in a network's state (`Network.to_state`).

Weights, masks and Adam's moments of a parameter are changed together.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import TypeVar

from torch import Tensor, nn

from sdnet.errors import InputError, nearest
from srnet.reading.lesions import (
    AddNoise,
    ApplyL2,
    CutConnections,
    Lesion,
    Lesions,
    ShrinkLayer,
    ZeroOut,
)

M = TypeVar("M", bound=nn.Module)
"""A `srnet.reading.network.Network`, which stands above this room."""


def inflict(model: M, lesion: Lesion) -> M:
    """The network with one lesion, of which everything has been drawn."""
    state = deepcopy(model.to_state())
    EDITS[type(lesion)](state, lesion)
    state["lesions"] += Lesions([lesion]).to_plain()
    return model.with_state(state)


def check_connection(name: str, connections: Mapping[str, object]) -> None:
    """Raise an InputError unless there is a connection of that name."""
    if name not in connections:
        raise InputError(f"the network has no connection {name!r}; {nearest(name, connections)}")


def check_layer(layer: str, layers: Sequence[str]) -> None:
    """Raise an InputError unless there is a layer of that name, which is not given from outside."""
    if layer not in layers:
        raise InputError(f"the network has no layer {layer!r} to damage; {nearest(layer, layers)}")


def _cut(state: dict, lesion: CutConnections) -> None:
    for name in lesion.connections:
        check_connection(name, state["connections"])
        del state["connections"][name]
        state["masks"].pop(name, None)
        state["frozen"] = [frozen for frozen in state["frozen"] if frozen != f"w_{name}"]
        for tensors in _by_parameter(state):
            tensors.pop(f"w_{name}", None)


def _zero(state: dict, lesion: ZeroOut) -> None:
    for name, kept in lesion.masks.items():
        check_connection(name, state["connections"])
        weight = state["parameters"][f"w_{name}"]
        if kept.shape != weight.shape:
            raise InputError(
                f"the mask of {name} has shape {tuple(kept.shape)}; expected {tuple(weight.shape)}"
            )
        kept = kept.to(weight.device)
        state["masks"][name] = kept & state["masks"].get(name, kept)
        _change(state, f"w_{name}", lambda x, kept=kept: x.where(kept.to(x.device), 0.0))


def _shrink(state: dict, lesion: ShrinkLayer) -> None:
    layer, removed = lesion.layer, lesion.removed
    check_layer(layer, _settling(state))
    size, named = state["units"][layer], ", ".join(map(str, removed))
    if lesion.units != size or any(not 0 <= unit < size for unit in removed):
        raise InputError(
            f"units {named} of the {lesion.units} of {layer} can't be removed; it has {size}, "
            "numbered from 0"
        )
    if len(set(removed)) < len(removed):
        raise InputError(f"units {named} of {layer} are to be removed; one is named twice")
    kept = [unit for unit in range(size) if unit not in removed]
    if not kept:
        raise InputError(
            f"all {size} units of {layer} would be removed; expected one left at least"
        )
    state["units"][layer] = len(kept)
    _change(state, f"bias_{layer}", lambda values: values[kept])
    for name, (source, target) in state["connections"].items():
        rows = kept if source == layer else slice(None)
        columns = kept if target == layer else slice(None)
        _change(state, f"w_{name}", lambda x, r=rows, c=columns: x[r][:, c])
        if name in state["masks"]:
            state["masks"][name] = state["masks"][name][rows][:, columns]


def _noise(state: dict, lesion: AddNoise) -> None:
    check_layer(lesion.layer, _settling(state))
    if not 0 <= lesion.sd < float("inf"):
        raise InputError(f"the sd of noise is {lesion.sd!r}; expected a finite number from 0 on")
    before = state["noise"].get(lesion.layer, 0.0)
    ways = {"variance": math.hypot(before, lesion.sd), "sd": before + lesion.sd}
    if lesion.combine not in ways:
        raise InputError(f"combine is {lesion.combine!r}; {nearest(lesion.combine, ways)}")
    state["noise"][lesion.layer] = ways[lesion.combine]


def _penalise(state: dict, lesion: ApplyL2) -> None:
    if not 0 <= lesion.strength < float("inf"):
        raise InputError(
            f"the strength of L2 is {lesion.strength!r}; expected a finite number from 0 on"
        )
    state["l2"] = lesion.strength


EDITS: dict[type, Callable[[dict, Lesion], None]] = {
    CutConnections: _cut,
    ZeroOut: _zero,
    ShrinkLayer: _shrink,
    AddNoise: _noise,
    ApplyL2: _penalise,
}
"""What each kind of lesion changes in a network's state."""


def _by_parameter(state: dict) -> list[dict[str, Tensor]]:
    """What there is of each parameter: the values and, once trained, Adam's two moments."""
    moments = state["moments"]
    return [state["parameters"], *(moments[key] for key in ("first", "second") if key in moments)]


def _change(state: dict, parameter: str, change: Callable[[Tensor], Tensor]) -> None:
    """Change a parameter and, where it has been trained, its moments in the same way."""
    for tensors in _by_parameter(state):
        if parameter in tensors:
            tensors[parameter] = change(tensors[parameter])


def _settling(state: dict) -> list[str]:
    """The layers that settle: those with a bias."""
    return [layer for layer in state["units"] if f"bias_{layer}" in state["parameters"]]
