"""Models of reading on disk: weights, damage, and what retraining goes on from.

A state holds numbers, and the network is built here: nothing in a file is run.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import torch

from sdnet.errors import InputError, nearest
from srnet.reading.hubspokes import HubAndSpokes
from srnet.reading.network import Network
from srnet.reading.pmsp import PMSP
from srnet.runs.states import load_state, save_state

MODELS = {"PMSP": PMSP, "HubAndSpokes": HubAndSpokes}


def save_reading(path: str | Path, model: Network, **record: object) -> None:
    """Write a model of reading, with its lesions and Adam's moments.

    `record` is whatever says how it was trained, as plain containers.

    Raises:
        InputError: the file can't be written.
    """
    kind = next(name for name, kind in MODELS.items() if isinstance(model, kind))
    state = {"format": "reading 1", "reading": kind, "network": model.to_state()}
    save_state(path, state | record)


def load_reading(path: str | Path) -> Network:
    """The model of reading in a state.

    Raises:
        InputError: no state, one of another kind, or parts that don't fit one another.
    """
    state = load_state(path)
    if "reading" not in state:
        raise InputError(f"{path}: holds no model of reading, it is a state {state['format']!r}")
    kind = str(state["reading"])
    if kind not in MODELS:
        raise InputError(f"{path}: a model {kind!r}; {nearest(kind, MODELS)}")
    try:
        problem = next(_problems(state["network"]), None)
        if problem is None:
            return MODELS[kind].from_state(state["network"])
    except InputError as error:
        problem = str(error)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        problem = f"it isn't whole ({error!r})"
    raise InputError(f"{path}: {problem}")


def _problems(network: Mapping) -> Iterator[str]:
    """What does not fit, of a state of the right parts."""
    units, connections = network["units"], network["connections"]
    shapes = {
        f"w_{name}": (units[source], units[target])
        for name, (source, target) in connections.items()
    }
    shapes |= {
        name: (units[name.removeprefix("bias_")],)
        for name in network["parameters"]
        if name.startswith("bias_")
    }
    moments = network["moments"]
    kinds = {
        "": network["parameters"],
        "the mask of ": {f"w_{name}": kept for name, kept in network["masks"].items()},
        "the first moment of ": moments.get("first", {}),
        "the second moment of ": moments.get("second", {}),
    }
    for what, tensors in kinds.items():
        for name, tensor in tensors.items():
            if tuple(tensor.shape) != shapes[name]:
                yield f"{what}{name} has shape {tuple(tensor.shape)}; expected {shapes[name]}"
    for name, kept in network["masks"].items():
        if kept.dtype != torch.bool:
            yield f"the mask of w_{name} is {kept.dtype}; expected torch.bool"
    for name in shapes.keys() - network["parameters"].keys():
        yield f"it has no {name}"
