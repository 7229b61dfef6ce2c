"""Groups of units: which there are, and one discrete variable for each.

A group's joint state has too many values to count, so it stands for itself by few: each example's
scores on the first principal components of the group's units, each cut at its quantiles.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from sdnet.errors import InputError, nearest
from srnet.dissect.binning import check_labels, check_units, equal_frequency
from srnet.dissect.estimators import mutual_information

Group = object
"""The units of a layer: their places, or a mask with a bool for each unit; checked here."""
Candidate = Mapping[str, Group]
"""A candidate module: for each layer the group of its units."""

GRID = 2.0**16  # steps of a group's largest score; float32 errors are below one


def group_variables(
    values: Tensor, groups: Int64[Tensor, "m s"], components: int = 2, levels: int = 2
) -> Int64[Tensor, "n m"]:
    """One variable for each of m groups of s units: (n, m), from 0 to levels^components - 1.

    The group's units are centred, not scaled. An example's score on a principal component becomes
    one of `levels` bins of about equally many examples, and the bins of all components together
    are the state. A group of fewer units than components has as many components as units; one
    without units, or of constant units, is a constant.

    Scores are rounded to 2**-16 of the group's largest, so that examples with equal values of all
    units have equal scores, and a component of rounding errors only is a constant.

    Args:
        values: (n examples, u units), finite.
        groups: units of each group.
        components: principal components, at least 1.
        levels: bins of each, at least 2.

    Raises:
        InputError: values that aren't (examples, units) or not finite; other components or levels.

    >>> values = torch.tensor([[0.0, 0.0], [1.0, 3.0], [2.0, 1.0], [3.0, 2.0]])
    >>> group_variables(values, torch.tensor([[0]])).T
    tensor([[0, 0, 1, 1]])
    """
    check_units("values", values)
    if components < 1 or levels < 2 or levels**components > 64:
        raise InputError(
            f"components is {components} and levels {levels}; expected at least 1 and 2, and 64 "
            "states (levels to the power of components) at most"
        )
    m, s = groups.shape
    kept = min(components, s)
    if not kept:
        return torch.zeros(len(values), m, dtype=torch.int64, device=values.device)
    centred = values.detach().double()
    centred = centred - centred.mean(0)
    covariance = centred.T @ centred / len(centred)
    scores = _scores(centred, covariance, groups, kept)
    codes = equal_frequency(scores.flatten(1), levels).view(-1, m, kept)
    return (codes * levels ** torch.arange(kept, device=codes.device)).sum(2)


def _scores(
    centred: Float64[Tensor, "n u"],
    covariance: Float64[Tensor, "u u"],
    groups: Int64[Tensor, "m s"],
    components: int,
) -> Float64[Tensor, "n m c"]:
    m, s = groups.shape
    vectors = torch.linalg.eigh(covariance[groups[:, :, None], groups[:, None, :]]).eigenvectors
    loads = centred.new_zeros(m, components, centred.shape[1])
    first = vectors[:, :, -components:].flip(2).mT  # of the largest eigenvalues
    loads.scatter_(2, groups[:, None].expand(m, components, s), first)
    scores = (centred @ loads.flatten(0, 1).T).view(-1, m, components)
    largest = scores.abs().amax((0, 2), keepdim=True)
    return (scores / torch.where(largest > 0, largest, 1) * GRID).round()


def class_modules(
    acts: Mapping[str, Tensor], y: Int64[Tensor, " n"], share: float = 0.2
) -> dict[str, dict[str, Tensor]]:
    """A candidate module for each class: the units that tell most of it, in each layer.

    They are the round(share * units), at least one, of the largest mutual information (Miller and
    Madow's, of 6 bins) with whether the example is of the class.

    Args:
        acts: for each layer (n examples, units).
        y: the examples' classes.
        share: of each layer's units, between 0 and 1.

    Returns:
        for each class, as text, its module.

    Raises:
        InputError: a share outside of (0, 1), no layers, labels for other numbers of examples.

    >>> acts = {"fc1": torch.tensor([[0.0, 5.0], [0.0, 6.0], [1.0, 7.0], [1.0, 8.0]])}
    >>> class_modules({"fc1": acts["fc1"][:, [1, 0]]}, torch.tensor([0, 1, 1, 0]), 0.5)["1"]
    {'fc1': tensor([0])}
    """
    if not 0 < share < 1:
        raise InputError(f"share is {share}; expected a number between 0 and 1")
    check_layers(acts)
    check_labels(y, len(next(iter(acts.values()))))
    classes = y.unique()
    is_class = (y[:, None] == classes).long()
    modules: dict[str, dict[str, Tensor]] = {str(int(label)): {} for label in classes}
    for layer, values in acts.items():
        told = mutual_information(values, is_class)
        most = max(1, round(share * values.shape[1]))
        ranked = told.argsort(dim=0, descending=True, stable=True)[:most]
        for units, module in zip(ranked.T, modules.values(), strict=True):
            module[layer] = units.sort().values
    return modules


def check_layers(acts: Mapping[str, Tensor]) -> None:
    """Raise InputError unless all layers hold finite numbers of the same examples."""
    if not isinstance(acts, Mapping):
        kind = type(acts).__name__
        raise InputError(f"activations are {kind}; expected a dict of layers' names to tensors")
    if not acts:
        raise InputError("no layers were given; expected activations of one or more")
    for layer, values in acts.items():
        check_units(f"layer {layer!r}", values)
    counts = {layer: len(values) for layer, values in acts.items()}
    if len(set(counts.values())) > 1:
        raise InputError(f"the layers have {counts} examples; expected the same number")


def units_of(name: str, module: Candidate, layer: str, width: int) -> Int64[Tensor, " s"]:
    """The places of a module's units in a layer of that width, in order.

    Raises:
        InputError: the module says nothing of the layer; a mask of another length; units that
            aren't whole numbers in range, or are named twice.

    >>> units_of("left", {"fc1": [2, 0]}, "fc1", 3)
    tensor([0, 2])
    >>> units_of("left", {"fc1": torch.tensor([True, False, True])}, "fc1", 3)
    tensor([0, 2])
    """
    where = f"module {name!r}, layer {layer!r}"
    if layer not in module:
        raise InputError(f"{where}: no units are named; {nearest(layer, module)}")
    try:
        units = torch.as_tensor(module[layer])
    except (TypeError, ValueError, RuntimeError):
        raise InputError(f"{where}: {module[layer]!r} isn't a list of whole numbers") from None
    if units.dtype == torch.bool:
        if units.shape != (width,):
            shape = tuple(units.shape)
            raise InputError(f"{where}: a mask of the shape {shape}; expected ({width},)")
        return units.nonzero()[:, 0]
    if not units.numel():
        return torch.zeros(0, dtype=torch.int64, device=units.device)
    if units.ndim != 1 or units.is_floating_point() or units.is_complex():
        raise InputError(f"{where}: {units.tolist()} isn't a list of whole numbers")
    units = units.long().sort().values
    if int(units[0]) < 0 or int(units[-1]) >= width:
        bad = int(units[0]) if int(units[0]) < 0 else int(units[-1])
        raise InputError(f"{where}: there is no unit {bad}; expected 0 to {width - 1}")
    if len(units.unique()) < len(units):
        raise InputError(f"{where}: {units.tolist()} names a unit twice; expected each once")
    return units
