"""Hub and spokes: a model of semantic memory after Rogers et al. (2004)."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from sdnet.errors import InputError, nearest
from srnet.reading.damage import kept_units
from srnet.reading.network import Network
from srnet.reading.starts import draw

HUB = "hub"


class HubAndSpokes(Network):
    """Spokes (names, features, ...) that reach one another through a hub only.

    Every layer is time-averaged before its activation, as in `Network`. The given input of a spoke
    is added to its net input (a soft clamp), so a spoke that is given nothing is filled in by the
    hub. Error is injected only at the layers that targets are given for.

    Args:
        tau: share of the new net input in the state, in (0, 1].
        hub_units: units of the hub.
        spokes: the units of each spoke, by its name.
        connections: "SOURCE_to_TARGET"; as a rule each spoke to the hub and back, and each layer
            to itself.
        seed: of the weights; None draws them from torch's default generator.

    Raises:
        InputError: no spoke, or a name that can't be that of a parameter; a size below 1; a
            connection that there can't be; tau outside (0, 1].

    >>> model = HubAndSpokes(tau=0.2, hub_units=8, spokes={"names": 4, "shapes": 6}, seed=0)
    >>> list(model.connections)[:3]
    ['hub_to_hub', 'names_to_hub', 'hub_to_names']
    >>> {layer: tuple(a.shape) for layer, a in model({"names": torch.ones(5, 30, 4)}).items()}
    {'hub': (5, 30, 8), 'names': (5, 30, 4), 'shapes': (5, 30, 6)}
    """

    def __init__(
        self,
        tau: float,
        hub_units: int,
        spokes: Mapping[str, int],
        connections: Sequence[str] | None = None,
        seed: int | None = None,
    ):
        if not spokes:
            raise InputError("spokes is empty; expected the units of one spoke at least")
        units = {HUB: hub_units}
        possible = {f"{HUB}_to_{HUB}": (HUB, HUB)}
        for name, size in spokes.items():
            if not name.isidentifier() or name == HUB:
                raise InputError(
                    f"a spoke can't be named {name!r}; expected letters, digits and underscores, "
                    f"and not {HUB!r}"
                )
            units[name] = size
            for source, target in ((name, HUB), (HUB, name), (name, name)):
                possible[f"{source}_to_{target}"] = (source, target)
        names = list(possible) if connections is None else connections
        super().__init__(tau, units, *draw(units, possible, names, units, seed))

    def forward(
        self,
        x: Mapping[str, Tensor],
        return_internals: bool = False,
        generator: torch.Generator | None = None,
    ) -> dict[str, Tensor]:
        """The activations of every layer at every tick, (b, ticks, units), by its name.

        Args:
            x: what is given to some spokes, each (b, ticks, units).
            return_internals: give what every connection gives to its target too, by its name.
            generator: of the noise, where there is some; None is torch's default generator.

        Raises:
            InputError: nothing given; a spoke that there isn't; inputs of another shape or type.
        """
        activations = self.per_layer(self.run(x, generator).sigmoid())
        return activations | self.inputs(activations) if return_internals else activations

    def run(
        self, x: Mapping[str, Tensor], generator: torch.Generator | None = None
    ) -> Float[Tensor, "ticks b u"]:
        """The states of all layers, side by side: what `forward` squashes."""
        examples, ticks = self._shape_of(x)
        nothing = self.bias_hub.new_zeros(1)
        parts = [
            x.get(layer, nothing).expand(examples, ticks, size)
            for layer, size in self.units.items()
        ]
        return self.states(torch.cat(parts, -1).transpose(0, 1), generator)

    def loss(
        self,
        x: Mapping[str, Tensor],
        y: Mapping[str, Tensor],
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, ""]:
        """Mean binary cross-entropy over all targets that are given, plus `penalty()`.

        Args:
            x: as in `forward`.
            y: targets in [0, 1] of some layers, (b, k, units): error is injected there and nowhere
                else. With k below the ticks they are those of the last k ticks.
            generator: of the noise.

        Raises:
            InputError: x or y of other shapes or types than this network's, or out of range.
        """
        self.check_data(x, y)
        states = self.per_layer(self.run(x, generator))
        ends = [(states[layer][:, -values.shape[1] :], values) for layer, values in y.items()]
        found, targets = (
            torch.cat([part.flatten() for part in side]) for side in zip(*ends, strict=True)
        )
        return binary_cross_entropy_with_logits(found, targets) + self.penalty()

    def targets_left(self, y: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Of the targets of all units, those of the units that have not been removed."""
        return {layer: values[..., kept_units(self, layer)] for layer, values in y.items()}

    def check_data(self, x: Mapping[str, Tensor], y: Mapping[str, Tensor]) -> None:
        """Raise an InputError unless x and y are inputs and targets for this network."""
        examples, ticks = self._shape_of(x)
        for layer, values in x.items():
            self.check_finite(f"x[{layer!r}]", values, layer)
        if not y:
            raise InputError("no targets are given; expected those of one layer at least")
        for layer, values in y.items():
            if layer not in self.units:
                raise InputError(f"y has a layer {layer!r}; {nearest(layer, self.units)}")
            self.check_targets(
                f"y[{layer!r}]", values, layer, (examples, min(ticks, values.shape[1]))
            )

    def _shape_of(self, x: Mapping[str, Tensor]) -> tuple[int, int]:
        """Examples and ticks of all inputs; raises an InputError where they don't fit."""
        if not x:
            raise InputError("no inputs are given; expected those of one spoke at least")
        spokes = [layer for layer in self.units if layer != HUB]
        for layer, values in x.items():
            if layer not in spokes:
                raise InputError(f"x has a spoke {layer!r}; {nearest(layer, spokes)}")
            self.check_input(f"x[{layer!r}]", values, layer)
        shapes = {values.shape[:2] for values in x.values()}
        if len(shapes) > 1:
            raise InputError(
                f"the inputs have {sorted(map(tuple, shapes))} examples and ticks; expected the "
                "same of each spoke"
            )
        return tuple(shapes.pop())
