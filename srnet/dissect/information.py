"""Information between the units of a network's layers, as results that print and export.

Each function takes activations as `recording.activations` gives them, for each layer (n examples,
units); the estimates are those of `estimators`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from sdnet.errors import InputError, nearest
from srnet.dissect.binning import check_labels, discretise
from srnet.dissect.estimators import entropy, mutual_information
from srnet.dissect.groups import Candidate, check_layers, group_variables, units_of
from srnet.dissect.report import Report
from srnet.texttable import as_table

SHOWN = 10


@dataclass(frozen=True, eq=False)
class UnitInformation(Report):
    """What each unit of each layer can tell, and what it tells of the class."""

    entropies: dict[str, Float64[Tensor, " u"]] = field(repr=False)
    occupied: dict[str, Int64[Tensor, " u"]] = field(repr=False)
    """bins with an example in them; 1: the unit is constant"""
    class_information: dict[str, Float64[Tensor, " u"]] | None = field(repr=False)
    """None without labels"""
    base: str

    def rows(self) -> list[dict]:
        told = self.class_information
        return [
            {
                "layer": layer,
                "unit": unit,
                "entropy": float(values[unit]),
                "bins": int(self.occupied[layer][unit]),
                "class information": None if told is None else float(told[layer][unit]),
            }
            for layer, values in self.entropies.items()
            for unit in range(len(values))
        ]

    def summary(self) -> list[dict]:
        """One row a layer: how many units are constant, and means over all units."""
        told = self.class_information
        return [
            {
                "layer": layer,
                "units": len(values),
                "constant": int((self.occupied[layer] == 1).sum()),
                "mean entropy": float(values.mean()),
                "mean class information": None if told is None else float(told[layer].mean()),
                "largest": None if told is None else float(told[layer].max()),
            }
            for layer, values in self.entropies.items()
        ]


@dataclass(frozen=True, eq=False)
class PairInformation(Report):
    """Mutual information of each of a layer's units, or groups of them, with each of another's.

    `rows` are of all pairs; of one layer with itself, of each pair once and of no unit with
    itself. Printed are the ten of most information.
    """

    layer_a: str
    layer_b: str
    names_a: tuple[int | str, ...] = field(repr=False)
    names_b: tuple[int | str, ...] = field(repr=False)
    values: Float64[Tensor, "u v"] = field(repr=False)
    estimator: str
    base: str

    def rows(self) -> list[dict]:
        table = self.values.tolist()
        return [
            {
                self._column("a"): self.names_a[i],
                self._column("b"): self.names_b[j],
                f"information, {self.base}": table[i][j],
            }
            for i, j in self.pairs().tolist()
        ]

    def _column(self, side: str) -> str:
        layer = self.layer_a if side == "a" else self.layer_b
        return layer if self.layer_a != self.layer_b else f"{layer} {side}"

    def pairs(self) -> Int64[Tensor, "p 2"]:
        """The places in `values` of the pairs that `rows` are of."""
        kept = torch.ones_like(self.values, dtype=torch.bool)
        return (kept.triu(1) if self.layer_a == self.layer_b else kept).nonzero()

    def summary(self) -> dict:
        """Mean, median and largest information of the pairs."""
        places = self.pairs()
        values = self.values[places[:, 0], places[:, 1]]
        if not len(values):
            return {"pairs": 0, "mean": None, "median": None, "largest": None}
        return {
            "pairs": len(values),
            "mean": float(values.mean()),
            "median": float(values.median()),
            "largest": float(values.max()),
        }

    def __str__(self) -> str:
        rows = self.rows()
        rows.sort(key=lambda row: -row[f"information, {self.base}"])
        more = len(rows) - SHOWN
        return as_table(rows[:SHOWN]) + (f"\n... and {more} pairs of less" if more > 0 else "")


def unit_information(
    acts: Mapping[str, Tensor],
    y: Int64[Tensor, " n"] | None = None,
    *,
    estimator: str = "miller-madow",
    bins: int = 6,
    binning: str = "equal-frequency",
    base: str = "nats",
) -> UnitInformation:
    """The entropy of each unit of each layer, and its mutual information with the class.

    Args:
        acts: for each layer (n examples, units).
        y: the examples' classes, any whole numbers; None: entropies only.
        estimator, bins, binning, base: see `estimators.entropy`.

    Raises:
        InputError: layers of different examples or not (examples, units); as `entropy` raises.

    >>> acts = {"fc1": torch.tensor([[0.0, 7.0], [0.0, 7.0], [1.0, 7.0], [1.0, 7.0]])}
    >>> told = unit_information(acts, torch.tensor([3, 3, 5, 5]), estimator="plug-in", base="bits")
    >>> print(told)
    layer  unit  entropy  bins  class information
    fc1    0     1        2     1
    fc1    1     0        1     0
    """
    check_layers(acts)
    settings = {"estimator": estimator, "bins": bins, "binning": binning, "base": base}
    found = {layer: entropy(values, **settings) for layer, values in acts.items()}
    codes = {layer: discretise(layer, values, bins, binning) for layer, values in acts.items()}
    occupied = {
        layer: torch.tensor([len(column.unique()) for column in columns.T])
        for layer, columns in codes.items()
    }
    if y is None:
        return UnitInformation(found, occupied, None, base)
    check_labels(y, len(next(iter(acts.values()))))
    told = {
        layer: mutual_information(values, y[:, None].to(values.device), **settings)[:, 0]
        for layer, values in acts.items()
    }
    return UnitInformation(found, occupied, told, base)


def pair_information(
    acts: Mapping[str, Tensor],
    layer_a: str,
    layer_b: str,
    *,
    estimator: str = "miller-madow",
    bins: int = 6,
    binning: str = "equal-frequency",
    neighbours: int = 5,
    base: str = "nats",
    generator: torch.Generator | None = None,
) -> PairInformation:
    """Mutual information of every unit of a layer with every unit of another, or of the same.

    Args:
        acts: for each layer (n examples, units).
        layer_a, layer_b: two of them.
        estimator, bins, ...: see `estimators.mutual_information`.

    Raises:
        InputError: an unknown layer, and the nearest; as `mutual_information` raises.

    >>> acts = {"fc1": torch.tensor([[0.0], [1.0]]), "fc2": torch.tensor([[5.0, 2.0], [3.0, 2.0]])}
    >>> print(pair_information(acts, "fc1", "fc2", estimator="plug-in", base="bits"))
    fc1  fc2  information, bits
    0    0    1
    0    1    0
    """
    _check_known(acts, layer_a, layer_b)
    a, b = acts[layer_a], acts[layer_b]
    values = mutual_information(
        a,
        b,
        estimator=estimator,
        bins=bins,
        binning=binning,
        neighbours=neighbours,
        base=base,
        generator=generator,
    )
    names_a, names_b = tuple(range(len(values))), tuple(range(values.shape[1]))
    return PairInformation(layer_a, layer_b, names_a, names_b, values, estimator, base)


def group_information(
    acts: Mapping[str, Tensor],
    modules: Mapping[str, Candidate],
    layer_a: str,
    layer_b: str,
    *,
    estimator: str = "miller-madow",
    components: int = 2,
    levels: int = 2,
    base: str = "nats",
) -> PairInformation:
    """Mutual information of every module's units in a layer with every module's in another.

    A group of units is one variable: its first principal components, cut at their quantiles; see
    `groups.group_variables`. At most components * ln(levels).

    Args:
        acts: for each layer (n examples, units).
        modules: for each name its units in both layers, as places or as a mask.
        layer_a, layer_b: two of the layers.
        estimator: "plug-in", "miller-madow" or "shuffle".
        components, levels: what a variable is made of.
        base: "nats" or "bits".

    Raises:
        InputError: no modules, unknown layers or units, and what `group_variables` raises.

    >>> bit, other = torch.tensor([0.0, 0.0, 1.0, 1.0]), torch.tensor([0.0, 1.0, 0.0, 1.0])
    >>> acts = {"fc1": torch.stack([bit, other], 1), "fc2": torch.stack([bit, other], 1)}
    >>> modules = {"left": {"fc1": [0], "fc2": [0]}, "right": {"fc1": [1], "fc2": [1]}}
    >>> print(group_information(acts, modules, "fc1", "fc2", estimator="plug-in", base="bits"))
    fc1    fc2    information, bits
    left   left   1
    right  right  1
    left   right  0
    right  left   0
    """
    _check_known(acts, layer_a, layer_b)
    if not modules:
        raise InputError("no modules were given; expected one or more, by their names")
    if estimator == "ksg":
        raise InputError("estimator 'ksg' is of single units only; expected another")
    variables = []
    for layer in (layer_a, layer_b):
        groups = [units_of(n, m, layer, acts[layer].shape[1]) for n, m in modules.items()]
        columns = [
            group_variables(acts[layer], units[None].to(acts[layer].device), components, levels)
            for units in groups
        ]
        variables.append(torch.cat(columns, dim=1))
    values = mutual_information(*variables, estimator=estimator, base=base)
    names = tuple(modules)
    return PairInformation(layer_a, layer_b, names, names, values, estimator, base)


def _check_known(acts: Mapping[str, Tensor], *layers: str) -> None:
    for layer in layers:
        if layer not in acts:
            raise InputError(f"layer {layer!r} has no activations; {nearest(layer, acts)}")
    check_layers({layer: acts[layer] for layer in layers})
