"""What was done to a network, as records that print as sentences and rebuild the damage.

A record holds everything that was drawn, so that the same damage can be done again. How damage is
done is in `srnet.reading.damage`.
"""

from dataclasses import asdict, dataclass

from jaxtyping import Bool
from torch import Tensor

from sdnet.errors import InputError, nearest


@dataclass(frozen=True)
class CutConnections:
    """Connections that are gone."""

    connections: tuple[str, ...]

    def __str__(self) -> str:
        return f"Cut {', '.join(self.connections)}."


@dataclass(frozen=True)
class ZeroOut:
    """Weights that were masked to 0: masks are true where a weight was kept."""

    masks: dict[str, Bool[Tensor, "source target"]]

    def __str__(self) -> str:
        parts = (
            f"{mask.numel() - int(mask.sum())} of the {mask.numel()} weights of {name}"
            for name, mask in self.masks.items()
        )
        return f"Zeroed {', '.join(parts)}."


@dataclass(frozen=True)
class ShrinkLayer:
    """Units that were removed from a layer of `units` units, by their places in it."""

    layer: str
    removed: tuple[int, ...]
    units: int

    def __str__(self) -> str:
        which = ", ".join(map(str, self.removed)) or "none"
        return f"Removed {len(self.removed)} of the {self.units} units of {self.layer}: {which}."


@dataclass(frozen=True)
class AddNoise:
    """Gaussian noise in the net input of a layer; `combine` as in `damage.add_noise`."""

    layer: str
    sd: float
    combine: str

    def __str__(self) -> str:
        how = "adding in variance" if self.combine == "variance" else "adding in sd"
        return f"Added noise of sd {self.sd:g} to the net input of {self.layer} ({how})."


@dataclass(frozen=True)
class ApplyL2:
    """A penalty of `strength` times the sum of squared weights."""

    strength: float

    def __str__(self) -> str:
        return f"Set the L2 penalty of the weights to {self.strength:g}."


Lesion = CutConnections | ZeroOut | ShrinkLayer | AddNoise | ApplyL2

KINDS = {kind.__name__: kind for kind in (CutConnections, ZeroOut, ShrinkLayer, AddNoise, ApplyL2)}


class Lesions(list[Lesion]):
    """Lesions in the order in which they were done.

    >>> print(Lesions([CutConnections(("cp",)), ApplyL2(0.3)]))
    Cut cp.
    Set the L2 penalty of the weights to 0.3.
    """

    def __str__(self) -> str:
        return "\n".join(map(str, self))

    def to_plain(self) -> list[dict]:
        """The records as plain containers, for a state."""
        return [{"kind": type(lesion).__name__, **asdict(lesion)} for lesion in self]

    @classmethod
    def from_plain(cls, plain: list[dict]) -> "Lesions":
        """The records that `to_plain` wrote.

        Raises:
            InputError: a kind of lesion that there is not, or one with other fields.
        """
        lesions = cls()
        for record in plain:
            fields = dict(record)
            kind = str(fields.pop("kind", None))
            if kind not in KINDS:
                raise InputError(f"a lesion of the kind {kind!r}; {nearest(kind, KINDS)}")
            try:
                lesions.append(KINDS[kind](**fields))
            except TypeError:
                raise InputError(
                    f"a lesion {kind} with {', '.join(fields) or 'nothing'}; expected "
                    f"{', '.join(KINDS[kind].__dataclass_fields__)}"
                ) from None
        return lesions
