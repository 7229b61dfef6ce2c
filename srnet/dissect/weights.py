"""The weights of a network by name, and two things done to them for good: masked, or cut off.

A weight is a parameter of two axes or more: a matrix of connections or a kernel. Biases and the
scales of normalisations aren't weights. What may live here: which weights a name stands for, and
what keeps them as they are said to be. Everything here acts on the module that it is given.
"""

import copy
import re

import torch
from jaxtyping import Bool
from torch import Tensor, nn
from torch.nn.utils import parametrize

from sdnet.errors import InputError, nearest

PARAMETRIZED = re.compile(r"parametrizations\.([^.]+)\.original(\d*)$")


class Mask(nn.Module):
    """A parametrisation: weight = original where `keep`, else 0.

    By `torch.where`, not by a product: 0 times infinity is NaN. The original's gradient is 0 where
    the weight is masked, and what momentum or decay make of it there is never seen.
    """

    keep: Bool[Tensor, "*shape"]

    def __init__(self, keep: Bool[Tensor, "*shape"]):
        super().__init__()
        self.register_buffer("keep", keep)

    def forward(self, original: Tensor) -> Tensor:
        """The weight that the layer sees, of the same shape."""
        return torch.where(self.keep, original, 0)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """The original that is kept when the weight is assigned."""
        return weight


def copied(model: nn.Module) -> nn.Module:
    """A copy that shares nothing with the network.

    torch gives a parametrised module a class of its own, which copies of it share: what is put on
    or taken from one would be put on or taken from all. So each gets a class like it.

    Raises:
        InputError: torch can't copy it, as after `torch.nn.utils.prune`.
    """
    recurrent = [one for one in model.modules() if isinstance(one, nn.RNNBase)]
    passed = (weight for one in recurrent for weight in one._flat_weights)  # of the last pass
    instead = {id(weight): weight.detach() for weight in passed if not weight.is_leaf}
    try:
        other = copy.deepcopy(model, instead)
    except RuntimeError as error:
        raise InputError(f"the network can't be copied ({error})") from None
    for module in other.modules():
        if parametrize.is_parametrized(module):
            kind = type(module)
            module.__class__ = type(kind.__name__, kind.__bases__, dict(vars(kind)))
    return other


def plain_name(name: str) -> str:
    """A parameter's name as it was before any parametrisation.

    >>> plain_name("fc2.parametrizations.weight.original"), plain_name("fc2.bias")
    ('fc2.weight', 'fc2.bias')
    """
    return PARAMETRIZED.sub(r"\1\2", name)


def own_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """What is trained, by plain names; of a masked weight, its original.

    >>> list(own_parameters(nn.Sequential(nn.Linear(2, 3), nn.ReLU())))
    ['0.weight', '0.bias']
    """
    return {plain_name(name): one for name, one in model.named_parameters()}


def weight_names(model: nn.Module, name: str) -> list[str]:
    """The weights that a name stands for: of a layer, its own; or one by its full name.

    Raises:
        InputError: nothing of that name has weights; the nearest that has is named.

    >>> model = nn.Sequential(nn.Linear(2, 3), nn.LSTM(3, 4))
    >>> weight_names(model, "0"), weight_names(model, "1"), weight_names(model, "1.weight_hh_l0")
    (['0.weight'], ['1.weight_ih_l0', '1.weight_hh_l0'], ['1.weight_hh_l0'])
    """
    everywhere = model.named_parameters(remove_duplicate=False)  # of tied weights, all names
    parameters = {plain_name(one): value for one, value in everywhere}
    if name in parameters:
        return [name]
    weights = [one for one, value in parameters.items() if value.dim() > 1]
    found = [one for one in weights if one.rpartition(".")[0] == name]
    if not found or not name:
        holders = list(dict.fromkeys(one.rpartition(".")[0] or one for one in weights))
        there = name in dict(model.named_modules())
        what = "has no weights of its own left" if there else "is not in the network"
        raise InputError(f"layer {name!r} {what}; {nearest(name, holders)}")
    return found


def weight(model: nn.Module, name: str) -> Tensor:
    """A weight by its full name, as its layer sees it: masked, if it is."""
    owner, _, own = name.rpartition(".")
    return getattr(model.get_submodule(owner), own)


def mask_of(model: nn.Module, name: str) -> Mask | None:
    """The mask over a weight, if there is one."""
    owner, _, own = name.rpartition(".")
    module = model.get_submodule(owner)
    if not parametrize.is_parametrized(module, own):
        return None
    last = module.parametrizations[own][-1]
    return last if isinstance(last, Mask) else None


def mask_weight(model: nn.Module, name: str, keep: Bool[Tensor, "*shape"]) -> None:
    """Hold a weight at 0 where `keep` is False, besides where it is held already."""
    there = mask_of(model, name)
    if there is not None:
        there.keep &= keep.to(there.keep.device)
        return
    owner, _, own = name.rpartition(".")
    keep = keep.to(weight(model, name).device, copy=True)
    parametrize.register_parametrization(model.get_submodule(owner), own, Mask(keep))


def left_of(model: nn.Module, name: str) -> Bool[Tensor, "*shape"]:
    """Where a weight isn't masked yet, on the CPU."""
    there = mask_of(model, name)
    if there is None:
        return torch.ones(weight(model, name).shape, dtype=torch.bool)
    return there.keep.cpu()


def given_mask(model: nn.Module, name: str, keep: Tensor) -> Bool[Tensor, "*shape"]:
    """A copy of a mask that was given, on the CPU.

    Raises:
        InputError: no booleans, or another shape than the weight's.
    """
    shape = weight(model, name).shape
    if keep.dtype != torch.bool or keep.shape != shape:
        raise InputError(
            f"the mask of {name!r} is {keep.dtype} of shape {tuple(keep.shape)}; expected "
            f"torch.bool of shape {tuple(shape)}"
        )
    return keep.detach().cpu().clone()


def cut_weight(model: nn.Module, name: str) -> None:
    """Take a weight out of what is trained and kept; its layer computes with zeros for it."""
    owner, _, own = name.rpartition(".")
    module, shape = model.get_submodule(owner), weight(model, name).detach()
    if parametrize.is_parametrized(module, own):
        parametrize.remove_parametrizations(module, own)
    delattr(module, own)
    module.register_buffer(own, torch.zeros_like(shape), persistent=False)
    module.cut_weights = (*getattr(module, "cut_weights", ()), own)


def uncut_weight(model: nn.Module, name: str) -> None:
    """Make a weight that was cut a parameter again, of zeros."""
    owner, _, own = name.rpartition(".")
    module, zeros = model.get_submodule(owner), weight(model, name)
    delattr(module, own)
    setattr(module, own, nn.Parameter(zeros))
    module.cut_weights = tuple(one for one in module.cut_weights if one != own)


def cut_weights(model: nn.Module) -> list[str]:
    """The full names of the weights that are cut."""
    return [
        f"{name}.{own}".lstrip(".")
        for name, module in model.named_modules()
        for own in getattr(module, "cut_weights", ())
    ]


def weight_norms(model: nn.Module) -> dict[str, float]:
    """The Euclidean norm of each weight as its layer sees it, by its full name.

    >>> layer = nn.Linear(2, 1)
    >>> _ = layer.weight.data.copy_(torch.tensor([[3.0, -4.0]]))
    >>> weight_norms(nn.Sequential(layer))
    {'0.weight': 5.0}
    """
    names = [name for name, value in own_parameters(model).items() if value.dim() > 1]
    return {name: weight(model, name).detach().norm().item() for name in names}
