"""Units taken out of a network, with all their weights: the layers that depend on them follow.

Which layers follow is found by Torch-Pruning (Fang et al., "DepGraph: Towards any structural
pruning", 2023), which traces one pass. What may live here: the use of that library, and that what
belongs to a weight (its mask, that it is cut, the noise of its layer) stays with it.
"""

from collections.abc import Sequence
from types import ModuleType
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Int64
from torch import Tensor, nn
from torch.nn.utils import parametrize

from sdnet.errors import InputError, nearest
from srnet.dissect import recurrent
from srnet.dissect.layers import find_layer
from srnet.dissect.noise import Noise, noise_on, put_noise, take_noise
from srnet.dissect.weights import (
    cut_weight,
    cut_weights,
    mask_of,
    mask_weight,
    own_parameters,
    uncut_weight,
)

Origins = dict[str, Int64[Tensor, "*shape"]]
"""For each parameter by its plain name: where its numbers stood in the parent's, flattened."""

UNITS = {
    nn.Linear: "out_features",
    nn.modules.conv._ConvNd: "out_channels",
    nn.Embedding: "embedding_dim",
    **dict.fromkeys(recurrent.KINDS, "hidden_size"),
}
"""What the layers whose units can be taken out call their number."""


def count_units(model: nn.Module, layer: str) -> int:
    """How many units a layer has: features of an `nn.Linear`, channels of a convolution.

    Raises:
        InputError: no such layer, or one of a kind whose units can't be taken out.

    >>> count_units(nn.Sequential(nn.Linear(2, 3), nn.ReLU()), "0")
    3
    """
    module = find_layer(model, layer)
    if _has_units(module):
        return next(
            getattr(module, name) for kind, name in UNITS.items() if isinstance(module, kind)
        )
    able = [name for name, one in model.named_modules() if _has_units(one)]
    raise InputError(
        f"layer {layer!r} is {module}; units are taken out of linear, convolutional, embedding "
        f"and simple recurrent layers: {nearest(layer, able)}"
    )


def remove_units(
    model: nn.Module, layer: str, units: Sequence[int], example: tuple[Any, ...]
) -> Origins:
    """Take units out of a layer of this model, with the weights into them and those out of them.

    Where layers are added up (a residual network), the same units leave all of them.

    Args:
        layer: see `count_units`. units: some of the layer's, but not all, counted from 0.
        example: what the network is given for one pass.

    Raises:
        InputError: a layer would have no units left, the network's outputs would change their
            shape, or it can't be followed which layers depend on the units.
    """
    belongings = _set_aside(model)
    model.eval()
    before = _shapes(model, layer, example)
    origins = _prune(model, layer, units, example)
    after = _shapes(model, layer, example)
    if before != after:
        raise InputError(
            f"units of layer {layer!r} are outputs of the network, {before} would become {after}; "
            "expected a layer before the last, since the targets stay as they are"
        )
    _put_back(model, belongings, origins)
    return origins


def _has_units(module: nn.Module) -> bool:
    return isinstance(module, tuple(UNITS)) and (
        not isinstance(module, nn.RNNBase) or recurrent.is_simple(module)
    )


class _Belongings(NamedTuple):
    """What isn't a plain weight, and so would be in the way of tracing and pruning."""

    masks: dict[str, Bool[Tensor, "*shape"]]
    cuts: list[str]
    noises: dict[str, Noise]
    training: dict[nn.Module, bool]


def _set_aside(model: nn.Module) -> _Belongings:
    names = list(own_parameters(model))
    masks = {name: one.keep for name in names if (one := mask_of(model, name)) is not None}
    for name in masks:
        owner, _, own = name.rpartition(".")
        if len(model.get_submodule(owner).parametrizations[own]) == 1:
            parametrize.remove_parametrizations(
                model.get_submodule(owner), own, leave_parametrized=False
            )
    for name, module in model.named_modules():
        if parametrize.is_parametrized(module):
            raise InputError(
                f"layer {name!r} has a parametrised {', '.join(module.parametrizations)}; units "
                "are taken out of plain weights: remove the parametrisation"
            )
    cuts = cut_weights(model)
    for name in cuts:
        uncut_weight(model, name)
    modules = dict(model.named_modules())
    noises = {name: noise for name, one in modules.items() if (noise := noise_on(one)) is not None}
    for name in noises:
        take_noise(modules[name])
    return _Belongings(masks, cuts, noises, {one: one.training for one in modules.values()})


def _put_back(model: nn.Module, belongings: _Belongings, origins: Origins) -> None:
    for module, training in belongings.training.items():
        module.training = training
    for name, keep in belongings.masks.items():
        mask_weight(model, name, keep.flatten()[origins[name]])
    for name in belongings.cuts:
        cut_weight(model, name)
    for name, noise in belongings.noises.items():
        put_noise(model.get_submodule(name), noise)


def _prune(model: nn.Module, layer: str, units: Sequence[int], example: tuple[Any, ...]) -> Origins:
    """Prune; where what is left stood before.

    Pruning picks numbers from the parameters without looking at them. So it is given each number's
    place in the place of the number: one cut says for weights, masks and moments alike what stays.
    """
    fixed = {name for name, one in own_parameters(model).items() if not one.requires_grad}
    for parameter in own_parameters(model).values():
        parameter.requires_grad_(True)  # the library follows what autograd records
        parameter.grad = None
    group = _followed(model, layer, units, example)
    values = {name: one.detach() for name, one in own_parameters(model).items()}
    for parameter in own_parameters(model).values():
        places = torch.arange(parameter.numel(), dtype=torch.float64, device=parameter.device)
        parameter.data = places.reshape(parameter.shape)
    group.prune(record_history=False)
    origins = {name: one.detach().long() for name, one in own_parameters(model).items()}
    if origins.keys() != values.keys():
        untied = ", ".join(origins.keys() - values.keys())
        raise InputError(
            f"units of layer {layer!r} have to do with {untied}, a tied weight; expected layers "
            "with weights of their own"
        )
    for name, parameter in own_parameters(model).items():
        parameter.data = values[name].flatten()[origins[name]]
        parameter.requires_grad_(name not in fixed)
    for module in model.modules():
        if isinstance(module, nn.RNNBase):
            module.flatten_parameters()  # as cuDNN wants them
    return origins


def _followed(model: nn.Module, layer: str, units: Sequence[int], example: tuple[Any, ...]) -> Any:
    """The library's group: all that has to be taken out with the units."""
    graph, module = _library().DependencyGraph(), find_layer(model, layer)
    pruners = dict.fromkeys(recurrent.KINDS, recurrent.RecurrentPruner())
    try:
        with torch.enable_grad(), recurrent.as_one_operation(model):
            graph.build_dependency(model, example, verbose=False, customized_pruners=pruners)
        if module not in graph.module2node:
            raise InputError(f"layer {layer!r} has no part in the network's output")
        take = graph.get_pruner_of_module(module).prune_out_channels
        group = graph.get_pruning_group(module, take, list(units))
        enough = graph.check_pruning_group(group)
    except InputError:
        raise
    except Exception as error:  # it asserts, and stumbles in many ways
        raise InputError(
            f"it can't be followed which layers depend on units of layer {layer!r} ({error!r})"
        ) from None
    if not enough:
        raise InputError(f"without {len(units)} units of layer {layer!r}, a layer would have none")
    return group


@torch.no_grad()
def _shapes(model: nn.Module, layer: str, example: tuple[Any, ...]) -> list[tuple[int, ...]]:
    """The shapes of what the network gives for the example."""
    try:
        output = model(*example)
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        raise InputError(
            f"the network can't be passed through for units of layer {layer!r} ({error}); "
            "expected an example of its input, and layers of torch.nn that depend on the units"
        ) from None
    outputs = output if isinstance(output, tuple | list) else [output]
    return [tuple(one.shape) for one in outputs if isinstance(one, Tensor)]


def _library() -> ModuleType:
    try:
        import torch_pruning
    except ModuleNotFoundError:
        raise InputError(
            "taking units out needs torch-pruning: pip install symdisc[lesions]"
        ) from None
    return torch_pruning
