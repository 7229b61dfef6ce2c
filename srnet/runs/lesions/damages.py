"""Which damage a study does to a model of reading: written as text, done to one network.

"zero_out:pp=0.1,0.2" is a kind, the place it is done to, and its severities. What may live here:
the kinds, how they are written, and doing one of them.
"""

import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import torch

from sdnet.errors import InputError, nearest
from srnet.reading import damage
from srnet.reading.network import Network

UNDAMAGED = "undamaged"
"""The control: retrained in the same way, and nothing else."""

Do = Callable[[Network, list[str], float, torch.Generator], Network]


@dataclass(frozen=True)
class Kind:
    """A kind of damage: how it is done, whether it has a place, and the severities as a rule."""

    do: Do
    places: bool
    severities: tuple[float, ...]


def _cut(model: Network, places: list[str], _: float, __: torch.Generator) -> Network:
    return damage.cut_connections(model, places)


def _zero_out(
    model: Network, places: list[str], severity: float, generator: torch.Generator
) -> Network:
    return damage.zero_out(model, dict.fromkeys(places, severity), generator=generator)


def _shrink(
    model: Network, places: list[str], severity: float, generator: torch.Generator
) -> Network:
    for layer in places:
        model = damage.shrink_layer(model, layer, severity, generator=generator)
    return model


def _add_noise(model: Network, places: list[str], severity: float, _: torch.Generator) -> Network:
    for layer in places:
        model = damage.add_noise(model, layer, severity)
    return model


def _apply_l2(model: Network, _: list[str], severity: float, __: torch.Generator) -> Network:
    return damage.apply_l2(model, severity)


SHARES = (0.1, 0.2, 0.4, 0.8)
KINDS = {
    "cut": Kind(_cut, True, ()),
    "zero_out": Kind(_zero_out, True, SHARES),
    "shrink": Kind(_shrink, True, SHARES),
    "add_noise": Kind(_add_noise, True, (1.0, 4.0, 16.0)),
    "apply_l2": Kind(_apply_l2, False, (1e-5, 1e-4, 1e-3)),
}
"""Severities are shares of weights or units, the sd of noise, the strength of the penalty."""


@dataclass(frozen=True)
class Damage:
    """One damage of one severity; None where a kind has none.

    >>> Damage("zero_out:pp", 0.2).label
    'zero_out:pp=0.2'
    """

    name: str
    severity: float | None

    @property
    def label(self) -> str:
        """As it is written."""
        return self.name if self.severity is None else f"{self.name}={self.severity}"

    def inflict(self, model: Network, generator: torch.Generator) -> Network:
        """A new network with this damage; of rising severity, one generator's hold each other."""
        if self.name == UNDAMAGED:
            return deepcopy(model)
        kind, _, places = self.name.partition(":")
        return KINDS[kind].do(model, places.split("+"), self.severity or 0.0, generator)


def parse_damage(text: str) -> list[Damage]:
    """The damages that a text stands for, one for each severity.

    KIND:PLACE=SEVERITY,SEVERITY,...: the kinds are cut (places: connections; it has no severity),
    zero_out (connections), shrink and add_noise (layers), apply_l2 (no place). Several places that
    are damaged at once are joined by +. Without severities there are those of the kind.

    Raises:
        InputError: an unknown kind, a place or severities missing or too many, no numbers >= 0.

    >>> [damage.label for damage in parse_damage("zero_out:pp+pc=0.1,0.2")]
    ['zero_out:pp+pc=0.1', 'zero_out:pp+pc=0.2']
    >>> parse_damage("cut:hp")
    [Damage(name='cut:hp', severity=None)]
    """
    name, equals, severities = text.strip().partition("=")
    kind, colon, places = name.partition(":")
    if kind not in KINDS:
        raise InputError(f"damage {text!r}: unknown kind {kind!r}; {nearest(kind, KINDS)}")
    if KINDS[kind].places and not all(places.split("+")):
        raise InputError(f"damage {text!r}: says no place, expected {kind}:PLACE")
    if colon and not KINDS[kind].places:
        raise InputError(f"damage {text!r}: {kind} is of all weights, expected no place")
    if equals and not KINDS[kind].severities:
        raise InputError(f"damage {text!r}: {kind} has no severity, expected {name}")
    if not KINDS[kind].severities:
        return [Damage(name, None)]
    chosen = [_number(text, one) for one in severities.split(",")] if equals else []
    return [Damage(name, one) for one in chosen or KINDS[kind].severities]


def _number(text: str, word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise InputError(f"damage {text!r}: severity {word!r}, expected finite numbers >= 0")
    return value
