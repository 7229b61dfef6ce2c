"""An optimiser for a damaged network: carried over from the undamaged one's, cut as its weights.

A fresh optimiser needs no room: build it. What may live here: carrying.
"""

import copy
from collections import defaultdict
from typing import TypeVar

import torch
from torch import Tensor, nn

from sdnet.errors import InputError
from srnet.dissect.damage import lesions_of
from srnet.dissect.surgery import Origins
from srnet.dissect.weights import copied, own_parameters

T = TypeVar("T", bound=torch.optim.Optimizer)


def carry_optimizer(optimizer: T, before: nn.Module, after: nn.Module) -> T:
    """The optimiser of `before`, for `after`: each weight that is left keeps its own moments.

    Settings, steps and moments are copies; what the given optimiser does later changes nothing.
    Weights that are gone take their moments with them. After a fresh start, Adam's first steps are
    of the size of its rate for every weight, however settled, so that a network moves away and
    comes back; this is not what was damaged.

    Args:
        optimizer: any of torch.optim that keeps tensors of a parameter's shape.
        before: whose parameters it steps. after: made from `before` by lesions, or by none.

    Raises:
        InputError: `after` isn't `before` with more lesions; a parameter that isn't of `before`.

    >>> from srnet.dissect import shrink
    >>> before = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    >>> optimizer = torch.optim.Adam(before.parameters(), lr=0.05)
    >>> before(torch.ones(1, 2)).sum().backward()
    >>> optimizer.step()
    >>> after = shrink(before, "0", [1], torch.ones(1, 2))
    >>> carried = carry_optimizer(optimizer, before, after)
    >>> carried.state[after[2].weight]["exp_avg"].shape
    torch.Size([1, 2])
    """
    origins = _origins(before, after)
    names = {id(one): name for name, one in own_parameters(before).items()}
    left = own_parameters(after)
    carried = copy.copy(optimizer)  # what it holds is replaced, and the old one's stays
    carried.defaults = copy.deepcopy(optimizer.defaults)
    carried.param_groups, carried.state = [], defaultdict(dict)
    for group in optimizer.param_groups:
        kept = []
        for parameter in group["params"]:
            name = names.get(id(parameter))
            if name is None:
                raise InputError(
                    f"the optimiser steps a parameter of shape {tuple(parameter.shape)} that isn't "
                    "of the network before the lesions; expected that network's optimiser"
                )
            if name in left:
                kept.append(left[name])
                carried.state[left[name]] = {
                    key: _cut(value, parameter, origins.get(name))
                    for key, value in optimizer.state.get(parameter, {}).items()
                }
        settings = {key: copy.deepcopy(v) for key, v in group.items() if key != "params"}
        carried.param_groups.append({**settings, "params": kept})
    return carried


def _origins(before: nn.Module, after: nn.Module) -> Origins:
    """Where the numbers of each parameter of `after` stand in that of `before`, if moved."""
    done, all_done = lesions_of(before), lesions_of(after)
    if len(all_done) < len(done) or any(a is not b for a, b in zip(done, all_done, strict=False)):
        raise InputError(
            f"the network has {len(all_done)} lesions that don't go on from the {len(done)} of the "
            "one before; expected one made from it"
        )
    model, origins = copied(before), {}
    for lesion in all_done[len(done) :]:
        for name, places in lesion.apply(model).items():
            origins[name] = origins[name].flatten()[places] if name in origins else places
    return origins


def _cut(value: object, parameter: Tensor, places: Tensor | None) -> object:
    """A copy of what an optimiser keeps of a parameter, of the numbers that are left."""
    if isinstance(value, list | tuple | dict):
        raise _unlike(type(value).__name__)
    if not isinstance(value, Tensor):
        return value
    if value.shape != parameter.shape and value.numel() > 1:
        raise _unlike(f"tensor of shape {tuple(value.shape)}")
    if places is None or value.shape != parameter.shape:
        return value.clone()
    return value.flatten()[places]


def _unlike(what: str) -> InputError:
    return InputError(
        f"the optimiser keeps a {what} beside a parameter; expected moments of the parameter's "
        "own shape, as Adam and SGD keep: start a fresh one"
    )
