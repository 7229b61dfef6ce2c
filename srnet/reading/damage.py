"""Five kinds of damage: each gives a new network, and leaves the one it was given as it was.

What was done is added to the new network's `lesions`. Adam's moments go through surgery with the
weights they belong to, so that retraining may continue or start afresh (`srnet.reading.fitting`).
"""

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sdnet.errors import InputError
from srnet.reading.lesions import (
    AddNoise,
    ApplyL2,
    CutConnections,
    Lesion,
    ShrinkLayer,
    ZeroOut,
)
from srnet.reading.surgery import M, check_connection, check_layer, inflict
from srnet.shares import check_share, draw_each, draw_exactly


def cut_connections(model: M, connections: Sequence[str]) -> M:
    """The network without these connections: their weights are gone, all else is kept.

    Raises:
        InputError: a connection that the network hasn't.

    >>> from srnet.reading.pmsp import PMSP
    >>> model = PMSP(0.1, h_units=10, p_units=9, c_units=5, seed=0)
    >>> damaged = cut_connections(model, ["cp"])
    >>> list(damaged.connections), "cp" in model.connections
    (['oh', 'ph', 'hp', 'pp', 'pc'], True)
    >>> print(damaged.lesions)
    Cut cp.
    """
    return inflict(model, CutConnections(tuple(connections)))


def zero_out(
    model: M,
    shares: Mapping[str, float | Tensor],
    *,
    bernoulli: bool = False,
    generator: torch.Generator | None = None,
) -> M:
    """The network with some weights masked: they are 0 from now on, whatever is learnt.

    Of a connection of n weights, exactly round(share n) of those that are not masked yet are drawn;
    so masks add up, and 20 % twice leaves 60 %.

    Args:
        shares: for each connection, the share of its weights in [0, 1); or the mask itself,
            booleans (source, target), true where a weight is kept.
        bernoulli: mask each weight with that probability instead.
        generator: what the masks are drawn from; None is torch's default generator.

    Raises:
        InputError: a connection that the network hasn't, a share outside [0, 1), more weights than
            are left, a mask of another shape.

    >>> from srnet.reading.pmsp import PMSP
    >>> model = PMSP(0.1, h_units=10, p_units=9, c_units=5, seed=0)
    >>> damaged = zero_out(model, {"pp": 0.2}, generator=torch.Generator().manual_seed(0))
    >>> int((damaged.w_pp == 0).sum()), damaged.w_pp.numel()
    (16, 81)
    """
    masks = {}
    for name, share in shares.items():
        check_connection(name, model.connections)
        if isinstance(share, Tensor):
            if share.dtype != torch.bool:
                raise InputError(f"the mask of {name} is {share.dtype}; expected torch.bool")
            masks[name] = share
            continue
        check_share(f"the share of {name}", share)
        weight = model.weight(name)
        left = model.masks.get(name, torch.ones_like(weight, dtype=torch.bool))
        draw = draw_each if bernoulli else draw_exactly
        masks[name] = draw(name, left.cpu(), share, generator).to(weight.device)
    return inflict(model, ZeroOut(masks))


def shrink_layer(
    model: M,
    layer: str,
    units: float | Sequence[int],
    *,
    generator: torch.Generator | None = None,
) -> M:
    """The network without some units of a layer: gone from all connections and from the bias.

    A layer with targets (phonology) needs targets of its units that are left from now on,
    `y[..., kept_units(model, layer)]`; `in_full` puts its activations back at their old places.

    Args:
        layer: "hidden", "phonology" or "cleanup" of PMSP.
        units: the share that is removed, in [0, 1): round(share n) of n units are drawn; or the
            places of the units to remove.
        generator: what the units are drawn from; None is torch's default generator.

    Raises:
        InputError: a layer that the network hasn't or that is given from outside, a share outside
            [0, 1), a unit that the layer hasn't, or no unit left.

    >>> from srnet.reading.pmsp import PMSP
    >>> model = PMSP(0.1, h_units=10, p_units=9, c_units=5, seed=0)
    >>> damaged = shrink_layer(model, "hidden", [0, 4, 7])
    >>> damaged.w_oh.shape, damaged.w_hp.shape, damaged.bias_hidden.shape
    (torch.Size([20, 7]), torch.Size([7, 9]), torch.Size([7]))
    >>> print(damaged.lesions)
    Removed 3 of the 10 units of hidden: 0, 4, 7.
    """
    check_layer(layer, model.layers)
    size = model.units[layer]
    if isinstance(units, int | float):
        check_share(f"the share of {layer}", units)
        units = torch.randperm(size, generator=generator)[: round(units * size)].tolist()
    return inflict(model, ShrinkLayer(layer, tuple(sorted(units)), size))


def add_noise(model: M, layer: str, sd: float, *, combine: str = "variance") -> M:
    """The network with Gaussian noise in the net input of a layer, in training and evaluation.

    It is drawn for each example, tick and unit, and enters before time-averaging:
    state = tau (products + bias + noise) + (1 - tau) previous state. So the state has less of it,
    sd sqrt(tau / (2 - tau)) after many ticks: `model.state_noise()`.

    Args:
        layer: "hidden", "phonology" or "cleanup" of PMSP.
        sd: of this noise, at least 0.
        combine: how it adds to noise that the layer has: "variance", as independent noises do, to
            sqrt(old^2 + sd^2); or "sd", to old + sd.

    Raises:
        InputError: a layer that the network hasn't, an sd below 0, another `combine`.

    >>> from srnet.reading.pmsp import PMSP
    >>> model = PMSP(0.1, h_units=10, p_units=9, c_units=5, seed=0)
    >>> twice = add_noise(add_noise(model, "phonology", 0.3), "phonology", 0.4)
    >>> round(twice.noise["phonology"], 6), round(twice.state_noise()["phonology"], 6)
    (0.5, 0.114708)
    """
    return inflict(model, AddNoise(layer, float(sd), combine))


def apply_l2(model: M, strength: float) -> M:
    """The network with `strength` times the sum of squared weights in its loss.

    A setting: it replaces what was set before, and 0 removes it. Biases are not penalised.

    Raises:
        InputError: a strength below 0.

    >>> from srnet.reading.pmsp import PMSP
    >>> model = PMSP(0.1, h_units=10, p_units=9, c_units=5, seed=0)
    >>> apply_l2(apply_l2(model, 0.3), 0.1).l2
    0.1
    """
    return inflict(model, ApplyL2(float(strength)))


def rebuild(parent: M, lesions: Iterable[Lesion]) -> M:
    """The same damage again, to the same units and weights: `rebuild(parent, damaged.lesions)`.

    What was trained after a lesion is not in the lesions.

    Raises:
        InputError: lesions of a network of other connections or sizes.
    """
    model = deepcopy(parent)
    for lesion in lesions:
        model = inflict(model, lesion)
    return model


def kept_units(model: nn.Module, layer: str) -> list[int]:
    """The places that the units of a layer had before any was removed.

    >>> from srnet.reading.pmsp import PMSP
    >>> model = PMSP(0.1, h_units=6, p_units=9, c_units=5, seed=0)
    >>> kept_units(shrink_layer(shrink_layer(model, "hidden", [0, 1]), "hidden", [0]), "hidden")
    [3, 4, 5]
    """
    shrunk = [x for x in model.lesions if isinstance(x, ShrinkLayer) and x.layer == layer]
    kept = list(range(shrunk[0].units if shrunk else model.units[layer]))
    for lesion in shrunk:
        kept = [unit for place, unit in enumerate(kept) if place not in lesion.removed]
    return kept


def in_full(
    model: nn.Module, layer: str, activations: Float[Tensor, "*b kept"]
) -> Float[Tensor, "*b units"]:
    """Activations of a layer at the places that its units had before any was removed, 0 elsewhere.

    >>> from srnet.reading.pmsp import PMSP
    >>> model = PMSP(0.1, h_units=6, p_units=4, c_units=5, seed=0)
    >>> in_full(shrink_layer(model, "phonology", [1]), "phonology", torch.ones(3))
    tensor([1., 0., 1., 1.])
    """
    kept = kept_units(model, layer)
    shrunk = [x for x in model.lesions if isinstance(x, ShrinkLayer) and x.layer == layer]
    full = activations.new_zeros(*activations.shape[:-1], shrunk[0].units if shrunk else len(kept))
    return full.index_copy(-1, torch.tensor(kept, device=full.device), activations)
