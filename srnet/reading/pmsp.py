"""The model of reading of Plaut, McClelland, Seidenberg and Patterson (1996), simulation 3."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from srnet.reading.damage import kept_units
from srnet.reading.network import Network
from srnet.reading.starts import draw

LETTERS = {"o": "orthography", "h": "hidden", "p": "phonology", "c": "cleanup"}
"""The letters of which names of connections are made."""

CONNECTIONS = {
    source + target: (LETTERS[source], LETTERS[target]) for target in "hpc" for source in "ohpc"
}
"""All connections that there may be."""

USUAL = ("oh", "ph", "hp", "pp", "cp", "pc")


class PMSP(Network):
    """From orthography, given at every tick, by a hidden layer to phonology and its cleanup units.

    Args:
        tau: share of the new net input in the state, in (0, 1].
        h_units, p_units, c_units: hidden, phonology, cleanup units.
        o_units: orthographic units.
        connections: names of two letters, from and to: any of o, h, p, c to h, p, c; as a rule
            oh, ph, hp, pp, cp, pc.
        seed: of the weights; None draws them from torch's default generator.

    Raises:
        InputError: a connection that there can't be, or twice the same; a size below 1; tau
            outside (0, 1].

    >>> model = PMSP(tau=0.1, h_units=10, p_units=9, c_units=5, seed=0)
    >>> model.w_oh.shape, model.bias_hidden.shape
    (torch.Size([20, 10]), torch.Size([10]))
    >>> model(torch.zeros(4, 30, 20))["phonology"].shape
    torch.Size([4, 30, 9])
    """

    given = ("orthography",)

    def __init__(
        self,
        tau: float,
        h_units: int,
        p_units: int,
        c_units: int,
        o_units: int = 20,
        connections: Sequence[str] | None = None,
        seed: int | None = None,
    ):
        units = dict(zip(LETTERS.values(), (o_units, h_units, p_units, c_units), strict=True))
        names = USUAL if connections is None else connections
        settling = [layer for layer in units if layer not in self.given]
        super().__init__(tau, units, *draw(units, CONNECTIONS, names, settling, seed))

    def forward(
        self,
        x: Float[Tensor, "*b o"],
        return_internals: bool = False,
        generator: torch.Generator | None = None,
    ) -> dict[str, Tensor]:
        """The activations of phonology at every tick, (b, ticks, p), under "phonology".

        Args:
            x: activations of the orthographic units.
            return_internals: give the activations of every layer, by its name, and what every
                connection gives to its target (b, ticks, target), by its name: a_{t-1} W, or
                x_t W from orthography.
            generator: of the noise, where there is some; None is torch's default generator.

        Raises:
            InputError: x of another shape or type than this network's.
        """
        states = self.run(x, generator)
        activations = self.per_layer(states.sigmoid())
        if not return_internals:
            return {"phonology": activations["phonology"]}
        return activations | self.inputs({"orthography": x} | activations)

    def run(
        self, x: Float[Tensor, "*b o"], generator: torch.Generator | None = None
    ) -> Float[Tensor, "ticks b u"]:
        """The states of hidden, phonology and cleanup, side by side: what `forward` squashes."""
        self.check_input("x", x, "orthography")
        return self.states(x.transpose(0, 1) @ self.weights_from(self.given), generator)

    def targets_left(self, y: Float[Tensor, "*b p"]) -> Float[Tensor, "*b kept"]:
        """Of the targets of all phonology, those of the units that have not been removed."""
        return y[..., kept_units(self, "phonology")]

    def check_data(self, x: Tensor, y: Tensor) -> None:
        """Raise an InputError unless x and y are examples and targets for this network."""
        self.check_finite("x", x, "orthography")
        self.check_targets("y", y, "phonology", x.shape[:2])

    def loss(
        self,
        x: Float[Tensor, "*b o"],
        y: Float[Tensor, "*b p"],
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, ""]:
        """Mean binary cross-entropy of phonology over examples, ticks and units, plus `penalty()`.

        It is computed from the states, so that units at 0 or 1 within rounding still learn.

        Raises:
            InputError: x or y of another shape or type than this network's, or out of range.
        """
        self.check_data(x, y)
        phonology = self.per_layer(self.run(x, generator))["phonology"]
        return binary_cross_entropy_with_logits(phonology, y) + self.penalty()
