"""What was done to a network: a record for each lesion, which reads as a sentence.

A record holds all that was drawn, so it can be done again to the undamaged parent (`replay` in
`srnet.dissect.lesions`). What may live here: the five records, their list, and their plain form for
a state on disk. `apply` acts on the module that it is given.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from jaxtyping import Bool
from torch import Tensor, nn

from sdnet.errors import InputError, nearest
from srnet.dissect.layers import find_layer
from srnet.dissect.noise import Noise, put_noise
from srnet.dissect.surgery import Origins, count_units, remove_units
from srnet.dissect.weights import cut_weight, given_mask, mask_weight, weight_names

SHOWN = 6
"""How many units a sentence names."""


class _Record:
    """A lesion once done doesn't change: a copied network has the same record, not a like one."""

    kind: ClassVar[str]

    def __deepcopy__(self, memo: dict) -> "_Record":
        return self


@dataclass(frozen=True, eq=False)
class Cut(_Record):
    """Weights that are gone, by their full names."""

    weights: tuple[str, ...]
    kind = "cut"

    def apply(self, model: nn.Module) -> Origins:
        for name in self.weights:
            (found,) = weight_names(model, name)
            cut_weight(model, found)
        return {}

    def __str__(self) -> str:
        return f"Cut {_listed(self.weights)}."


@dataclass(frozen=True, eq=False)
class ZeroOut(_Record):
    """Weights that were masked to 0, by full names: masks are true where a weight was kept."""

    masks: Mapping[str, Bool[Tensor, "*shape"]]
    kind = "zero_out"

    def apply(self, model: nn.Module) -> Origins:
        for name, kept in self.masks.items():
            (found,) = weight_names(model, name)
            mask_weight(model, found, given_mask(model, found, kept))
        return {}

    def __str__(self) -> str:
        parts = (
            f"{kept.numel() - int(kept.sum())} of the {kept.numel()} weights of {name}"
            for name, kept in self.masks.items()
        )
        return f"Zeroed {_listed(parts)}."


@dataclass(frozen=True, eq=False)
class Shrink(_Record):
    """Units that were taken out of a layer which had `of`, and the layers that followed."""

    layer: str
    units: tuple[int, ...]
    of: int
    example: tuple[Any, ...]
    followers: tuple[str, ...] = ()
    kind = "shrink"

    def apply(self, model: nn.Module) -> Origins:
        count = count_units(model, self.layer)
        if count != self.of:
            raise InputError(f"layer {self.layer!r} has {count} units, expected {self.of}")
        return remove_units(model, self.layer, self.units, self.example) if self.units else {}

    def __str__(self) -> str:
        which = _listed(self.units[:SHOWN]) + ", ..." * (len(self.units) > SHOWN) or "none"
        followed = f"; {_listed(self.followers)} followed" if self.followers else ""
        return (
            f"Removed {len(self.units)} of the {self.of} units of {self.layer}: {which}{followed}."
        )


@dataclass(frozen=True, eq=False)
class AddNoise(_Record):
    """Noise on a layer's output, and what the layer's noise is with it."""

    layer: str
    sd: float
    total: float
    seed: int
    kind = "add_noise"

    def apply(self, model: nn.Module) -> Origins:
        put_noise(find_layer(model, self.layer), Noise(self.layer, self.total, self.seed))
        return {}

    def __str__(self) -> str:
        total = "" if self.total == self.sd else f", in all {self.total:.4g}"
        return f"Added noise of sd {self.sd:g} to the output of {self.layer}{total}."


@dataclass(frozen=True, eq=False)
class ApplyL2(_Record):
    """A weight penalty: of the weights named, or of all there are; the last one counts."""

    strength: float
    weights: tuple[str, ...] | None
    kind = "apply_l2"

    def apply(self, model: nn.Module) -> Origins:
        return {}  # read where the loss is made, by `l2_penalty`

    def __str__(self) -> str:
        where = "all weights" if self.weights is None else _listed(self.weights)
        return f"Set the L2 penalty to {self.strength:g} times the sum of squares of {where}."


Lesion = Cut | ZeroOut | Shrink | AddNoise | ApplyL2
KINDS: dict[str, type] = {one.kind: one for one in (Cut, ZeroOut, Shrink, AddNoise, ApplyL2)}


class Lesions(list[Lesion]):
    """Lesions in the order in which they were done; printed, a sentence each.

    >>> print(Lesions([Cut(("fc2.weight",)), ApplyL2(0.1, None)]))
    Cut fc2.weight.
    Set the L2 penalty to 0.1 times the sum of squares of all weights.
    """

    def __str__(self) -> str:
        return "\n".join(map(str, self)) or "Undamaged."

    def to_plain(self) -> list[dict]:
        """Tensors and plain containers, for a state on disk.

        >>> Lesions([ApplyL2(0.1, None)]).to_plain()
        [{'kind': 'apply_l2', 'strength': 0.1, 'weights': None}]
        """
        return [
            {"kind": one.kind, **{field.name: getattr(one, field.name) for field in fields(one)}}
            for one in self
        ]

    @classmethod
    def from_plain(cls, rows: Iterable[Mapping]) -> "Lesions":
        """What `to_plain` gave.

        Raises:
            InputError: a row is no lesion.

        >>> print(Lesions.from_plain([{"kind": "cut", "weights": ("fc2.weight",)}]))
        Cut fc2.weight.
        """
        return cls([_lesion(row) for row in rows])


def _lesion(row: Mapping) -> Lesion:
    kind, values = row.get("kind"), {key: value for key, value in row.items() if key != "kind"}
    if kind not in KINDS:
        raise InputError(f"a lesion of kind {kind!r}; {nearest(str(kind), KINDS)}")
    names = [field.name for field in fields(KINDS[kind])]
    if values.keys() != set(names):
        raise InputError(
            f"a lesion of kind {kind!r} has {', '.join(map(str, values))}; expected "
            f"{', '.join(names)}"
        )
    return KINDS[kind](**values)


def lesions_of(model: nn.Module) -> Lesions:
    """What was done to a network, from its undamaged parent on.

    Raises:
        InputError: a model of reading, which keeps lesions of its own kinds.

    >>> print(lesions_of(nn.Linear(2, 3)))
    Undamaged.
    """
    lesions = getattr(model, "lesions", Lesions())
    if not isinstance(lesions, Lesions):
        raise InputError(
            f"the network keeps lesions of its own, as {type(lesions).__module__} has them; "
            "expected any other network, this one is damaged by its own functions"
        )
    return lesions


def _listed(values: Iterable) -> str:
    return ", ".join(map(str, values))
