"""Lesions that last, for any torch network: five kinds of damage, recorded, and done again.

Each function gives a new network and leaves the caller's as it was; what was done so far is in
`model.lesions`. Layers are named as in `model.named_modules()`: "fc2", "layers.3"; weights by their
full names. What may live here: the five kinds, `replay`, and what a penalty is.
"""

import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sdnet.errors import InputError, nearest
from srnet.dissect.damage import (
    AddNoise,
    ApplyL2,
    Cut,
    Lesion,
    Lesions,
    Shrink,
    ZeroOut,
    lesions_of,
)
from srnet.dissect.layers import find_layer
from srnet.dissect.noise import noise_levels
from srnet.dissect.surgery import Origins, count_units
from srnet.dissect.weights import (
    copied,
    given_mask,
    left_of,
    own_parameters,
    weight,
    weight_names,
)
from srnet.shares import check_share, draw_each, draw_exactly


def cut(model: nn.Module, layers: str | Iterable[str]) -> nn.Module:
    """The network without the weights of these layers; biases, and all else, stay.

    A layer without its weights gives its bias (an embedding, zeros). The weights are no parameters
    any more: they aren't trained, counted or kept in a state.

    Args:
        layers: layers, or single weights by their full names ("rnn.weight_hh_l0").

    Raises:
        InputError: no layers, unknown ones, or without weights (of their own, or any more).

    >>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    >>> bool((cut(model, "2")(torch.ones(4, 2)) == model[2].bias).all())
    True
    """
    names = [layers] if isinstance(layers, str) else list(layers)
    if not names:
        raise InputError("no layers to cut are given, expected at least one")
    weights = [one for name in names for one in weight_names(model, name)]
    return _damaged(model, Cut(tuple(dict.fromkeys(weights))))[0]


def zero_out(
    model: nn.Module,
    shares: Mapping[str, float | Tensor],
    *,
    bernoulli: bool = False,
    generator: torch.Generator | None = None,
) -> nn.Module:
    """The network with some weights masked: they are 0 from now on, whatever is learnt.

    Of a weight of n numbers, exactly round(share * n) of those that are not masked yet are drawn;
    so masks add up, and 20 % twice leaves 60 %. From one seed, a larger share masks what a smaller
    one does, and more. Training goes on as ever: the gradient is 0 under a mask, and the layer
    sees 0 there, whatever momentum or decay make of what the optimiser holds.

    Args:
        shares: for each layer (or weight by its full name) the share in [0, 1), or the mask
            itself, of booleans, true where a weight is kept.
        bernoulli: mask each weight with that probability instead, apart from all others.
        generator: what the masks are drawn from; None is torch's default generator.

    Raises:
        InputError: unknown layers, a share outside [0, 1), more weights than are left, a mask of
            another shape.

    >>> model = nn.Sequential(nn.Linear(10, 5))
    >>> damaged = zero_out(model, {"0": 0.2}, generator=torch.Generator().manual_seed(0))
    >>> int((damaged[0].weight == 0).sum())
    10
    """
    if not isinstance(shares, Mapping):
        raise InputError(f"shares is {shares!r:.60}; expected a dict of layers' names to shares")
    if not shares:
        raise InputError("no layers to zero out are given, expected at least one and its share")
    masks = {}
    for layer, share in shares.items():
        for name in weight_names(model, layer):
            if isinstance(share, Tensor):
                masks[name] = given_mask(model, name, share)
            else:
                check_share(f"the share of layer {layer!r}", share)
                draw = draw_each if bernoulli else draw_exactly
                masks[name] = draw(repr(name), left_of(model, name), share, generator)
    return _damaged(model, ZeroOut(masks))[0]


def shrink(
    model: nn.Module,
    layer: str,
    units: float | Sequence[int],
    example: Tensor | tuple[Tensor, ...],
    *,
    generator: torch.Generator | None = None,
) -> nn.Module:
    """The network with units taken out of a layer, and all their weights; other layers follow.

    Of n units round(share * n) are drawn. Layers that take in the units lose the weights from them,
    normalisations between lose their entries, and layers whose outputs are added to the layer's (as
    in a residual network) lose the same units. Needs torch-pruning: pip install symdisc[lesions].

    Args:
        layer: linear, convolutional or embedding.
        units: the share that is removed, in [0, 1); or the units themselves, counted from 0.
        example: an input of the network (batch, ...), or several in a tuple; one row is enough.
        generator: what the units are drawn from; None is torch's default generator.

    Raises:
        InputError: an unknown layer or one without units; a share outside [0, 1); units that aren't
            there, twice, or all; units that are the network's outputs; a network that can't be
            followed.

    >>> model = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2))
    >>> smaller = shrink(model, "0", [1, 3], torch.zeros(1, 4))
    >>> smaller[2]
    Linear(in_features=3, out_features=2, bias=True)
    >>> print(smaller.lesions)
    Removed 2 of the 5 units of 0: 1, 3; 2 followed.
    """
    count = count_units(model, layer)
    if isinstance(units, int | float):
        check_share(f"the share of layer {layer!r}", units)
        chosen = torch.randperm(count, generator=generator)[: round(units * count)].tolist()
    else:
        chosen = list(units)
        _check_units(layer, chosen, count)
    if len(chosen) == count:
        raise InputError(f"layer {layer!r} would lose all its {count} units; use cut")
    inputs = example if isinstance(example, tuple) else (example,)
    if not all(isinstance(one, Tensor) and one.dim() for one in inputs):
        raise InputError(f"the example is {example!r}; expected tensors (batch, ...)")
    row = tuple(one[:1].detach().clone() for one in inputs)
    lesion = Shrink(layer, tuple(sorted(chosen)), count, row)
    damaged, origins = _damaged(model, lesion)
    before = own_parameters(model)
    smaller = [
        n for n, places in origins.items() if n in before and places.numel() < before[n].numel()
    ]
    followers = dict.fromkeys(name.rpartition(".")[0] for name in smaller)
    followers.pop(layer, None)
    damaged.lesions[-1] = replace(lesion, followers=tuple(followers))
    return damaged


def add_noise(
    model: nn.Module,
    layer: str,
    sd: float,
    *,
    combine: str = "variance",
    generator: torch.Generator | None = None,
) -> nn.Module:
    """The network with Gaussian noise added to a layer's output, at training and at evaluation.

    output' = output + sd * epsilon, epsilon standard normal, drawn anew for each unit of each
    example at each pass. Name a linear layer to have noise before the activation, the activation
    to have it after. `noise_levels` gives what each layer has in all.

    Args:
        sd: standard deviation, >= 0.
        combine: with a noise s that is there, "variance" gives sqrt(s^2 + sd^2), as two noises
            one after the other do; "sd" gives s + sd.
        generator: what the noise's own seed is drawn from; None is torch's default generator.

    Raises:
        InputError: an unknown layer, or a deviation that isn't a finite number >= 0; when the
            network is used, a layer whose output isn't a tensor of floats.

    >>> model = nn.Sequential(nn.Linear(2, 3))
    >>> noise_levels(add_noise(add_noise(model, "0", 0.3), "0", 0.4))
    {'0': 0.5}
    """
    find_layer(model, layer)
    _check_size("noise", sd)
    ways = {"variance": math.hypot, "sd": operator.add}
    if combine not in ways:
        raise InputError(f"noise can't be combined by {combine!r}; {nearest(combine, ways)}")
    total = ways[combine](noise_levels(model).get(layer, 0.0), float(sd))
    seed = int(torch.randint(2**62, (), generator=generator))
    return _damaged(model, AddNoise(layer, float(sd), total, seed))[0]


def apply_l2(
    model: nn.Module, strength: float, layers: str | Iterable[str] | None = None
) -> nn.Module:
    """The network with a weight penalty, strength * sum of w^2, to add to the loss.

    It is a setting: a repeated call replaces it, whatever layers it was of; 0 ends it. The loss is
    the caller's, who adds `l2_penalty(model)` to it.

    Args:
        strength: >= 0; the penalty has no factor 1/2.
        layers: of their weights; None: of all weights that there are. Biases have no penalty.

    Raises:
        InputError: unknown layers, or a strength that isn't a finite number >= 0.

    >>> damaged = apply_l2(apply_l2(nn.Sequential(nn.Linear(1, 1)), 0.3), 0.1)
    >>> weight = damaged[0].weight.item()
    >>> round(l2_penalty(damaged).item() / weight**2, 6)
    0.1
    """
    _check_size("the penalty", strength)
    if layers is None:
        return _damaged(model, ApplyL2(float(strength), None))[0]
    names = [layers] if isinstance(layers, str) else list(layers)
    if not names:
        raise InputError("no layers for the penalty are given; expected some, or None for all")
    weights = dict.fromkeys(one for name in names for one in weight_names(model, name))
    return _damaged(model, ApplyL2(float(strength), tuple(weights)))[0]


def l2_penalty(model: nn.Module) -> Float[Tensor, ""]:
    """The penalty that `apply_l2` set: strength * sum of squares of the weights; 0 without one.

    Weights are as their layers see them: those held at 0 or cut add nothing.
    """
    parameters = own_parameters(model)
    anchor = next(iter(parameters.values()), torch.zeros(()))
    settings = [one for one in lesions_of(model) if isinstance(one, ApplyL2)]
    if not settings or settings[-1].strength == 0:
        return torch.zeros((), dtype=anchor.dtype, device=anchor.device)
    names = settings[-1].weights or [n for n, one in parameters.items() if one.dim() > 1]
    squares = [weight(model, name).square().sum() for name in names if name in parameters]
    zero = torch.zeros((), dtype=anchor.dtype, device=anchor.device)
    return settings[-1].strength * sum(squares, zero)


def replay(parent: nn.Module, lesions: Iterable[Lesion]) -> nn.Module:
    """A copy of the parent with the lesions done again, to the very masks and units.

    So a damaged network is kept as its lesions and its `state_dict`: do them to a network of the
    parent's shape, and load. (torch pickles no module with a parametrised weight.)

    >>> parent = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    >>> damaged = zero_out(cut(parent, "2"), {"0": 0.5})
    >>> again = replay(parent, damaged.lesions)
    >>> _ = again.load_state_dict(damaged.state_dict())
    """
    model = parent
    for lesion in lesions:
        model = _damaged(model, lesion)[0]
    return copied(model) if model is parent else model


def _damaged(model: nn.Module, lesion: Lesion) -> tuple[nn.Module, Origins]:
    """A copy with one more lesion, and what moved its numbers."""
    damaged = copied(model)
    origins = lesion.apply(damaged)
    damaged.lesions = Lesions([*lesions_of(model), lesion])
    return damaged, origins


def _check_units(layer: str, units: Sequence[int], count: int) -> None:
    whole = all(isinstance(unit, int) and not isinstance(unit, bool) for unit in units)
    if not whole or any(not 0 <= unit < count for unit in units) or len(set(units)) < len(units):
        raise InputError(
            f"layer {layer!r}: units {units}, expected different whole numbers from 0 to "
            f"{count - 1}"
        )


def _check_size(what: str, value: object) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= value < math.inf:
        raise InputError(f"{what} of {value!r}, expected a finite number >= 0")
