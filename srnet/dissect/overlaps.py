"""How much modules have in common: sets of units, compared.

What may live here: measures of two sets of units, and their table for many modules.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sdnet.errors import InputError
from srnet.dissect.report import Report

Units = Mapping[str, Bool[Tensor, " _"]]
"""For each layer which of its units a module has."""


def iou(a: Units, b: Units) -> float:
    """Intersection over union, |A and B| / |A or B|, over the units of all layers: 0 to 1.

    Of a set with itself it is 1, also of the empty one; of an empty set with another it is 0.

    Raises:
        InputError: masks of other layers or sizes.

    >>> a = {"relu1": torch.tensor([True, True, False])}
    >>> b = {"relu1": torch.tensor([False, True, True])}
    >>> iou(a, a), round(iou(a, b), 4)
    (1.0, 0.3333)
    """
    first, second = _joined(a, b)
    union = int((first | second).sum())
    return int((first & second).sum()) / union if union else 1.0


def containment(a: Units, b: Units) -> float:
    """The share of A's units that B has too, |A and B| / |A|: 1 where A is a part of B.

    The empty set is a part of each: 1.

    Raises:
        InputError: masks of other layers or sizes.

    >>> a = {"relu1": torch.tensor([True, True, False])}
    >>> b = {"relu1": torch.tensor([True, True, True])}
    >>> containment(a, b), round(containment(b, a), 4)
    (1.0, 0.6667)
    """
    first, second = _joined(a, b)
    size = int(first.sum())
    return int((first & second).sum()) / size if size else 1.0


def shared_by_chance(a: Units, b: Units) -> float:
    """How many units two modules of these sizes would share on average, were they drawn at random.

    The sum over layers of |A| |B| / units, the mean of the hypergeometric distribution.

    Raises:
        InputError: masks of other layers or sizes.

    >>> a = {"relu1": torch.tensor([True, False, True, False])}
    >>> shared_by_chance(a, a)
    1.0
    """
    _joined(a, b)
    return float(sum(int(a[name].sum()) * int(b[name].sum()) / len(a[name]) for name in a))


@dataclass(frozen=True)
class Overlap(Report):
    """Measures of every pair of modules."""

    names: tuple[str, ...]
    modules: tuple[Units, ...]
    iou: Float[Tensor, "k k"]
    containment: Float[Tensor, "k k"]
    """containment[i, j]: the share of i's units that j has too."""

    def rows(self) -> list[dict]:
        """A row for each pair of different modules."""
        return [
            {
                "a": self.names[i],
                "b": self.names[j],
                "units_a": _size(self.modules[i]),
                "units_b": _size(self.modules[j]),
                "shared": int(_joined(self.modules[i], self.modules[j]).all(0).sum()),
                "by_chance": shared_by_chance(self.modules[i], self.modules[j]),
                "iou": self.iou[i, j].item(),
                "a_in_b": self.containment[i, j].item(),
                "b_in_a": self.containment[j, i].item(),
            }
            for i, j in combinations(range(len(self.names)), 2)
        ]


def overlap(modules: Mapping[str, Units]) -> Overlap:
    """IoU and containment of every pair of modules.

    Args:
        modules: by their names, such as {"0": module.kept, "1": ...}; for one layer only,
            {"0": {"relu2": module.kept["relu2"]}, ...}.

    Raises:
        InputError: no modules; masks of other layers or sizes.

    >>> low = {"relu1": torch.tensor([True, True, False, False])}
    >>> all_units = {"relu1": torch.ones(4, dtype=torch.bool)}
    >>> print(overlap({"low": low, "all": all_units}))
    a    b    units_a  units_b  shared  by_chance  iou  a_in_b  b_in_a
    low  all  2        4        2       2          0.5  1       0.5
    """
    if not modules:
        raise InputError("no modules were given; expected one at least, by its name")
    sets = tuple(modules.values())

    def table(measure) -> Tensor:
        return torch.tensor([[measure(a, b) for b in sets] for a in sets], dtype=torch.float64)

    return Overlap(tuple(modules), sets, table(iou), table(containment))


def _joined(a: Units, b: Units) -> Bool[Tensor, "2 n"]:
    """Both sets over the units of all layers, in one order."""
    if not a or a.keys() != b.keys() or any(a[name].shape != b[name].shape for name in a):
        sizes = [{name: len(mask) for name, mask in units.items()} for units in (a, b)]
        raise InputError(
            f"modules have units of layers {sizes[0]} and {sizes[1]}; expected the same layers, "
            "one at least"
        )
    return torch.stack([torch.cat([units[name].bool() for name in a]) for units in (a, b)])


def _size(units: Units) -> int:
    return sum(int(mask.sum()) for mask in units.values())
