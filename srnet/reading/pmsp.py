"""The model of reading of Plaut, McClelland, Seidenberg and Patterson (1996), simulation 3."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from sdnet.errors import InputError, nearest
from sdnet.mlp import check_whole
from srnet.reading.network import Network, check_tau, glorot

LETTERS = {"o": "orthography", "h": "hidden", "p": "phonology", "c": "cleanup"}
"""The letters of which names of connections are made."""

CONNECTIONS = {
    source + target: (LETTERS[source], LETTERS[target]) for source in "ohpc" for target in "hpc"
}
"""All connections that there may be."""

DEFAULT = ("oh", "ph", "hp", "pp", "cp", "pc")


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
    outputs = ("phonology",)

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
        check_tau(tau)
        units = dict(zip(LETTERS.values(), (o_units, h_units, p_units, c_units), strict=True))
        for layer, size in units.items():
            check_whole(f"the number of units of {layer}", size, 1)
        names = DEFAULT if connections is None else connections
        for name in names:
            if name not in CONNECTIONS:
                raise InputError(f"connection {name!r} can't be; {nearest(name, CONNECTIONS)}")
        if len(set(names)) < len(names):
            raise InputError(f"connections are {list(names)}; expected each once")
        chosen = {name: CONNECTIONS[name] for name in names}
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        layers = [layer for layer in units if layer not in self.given]
        super().__init__(tau, units, chosen, glorot(units, chosen, layers, generator))

    def forward(
        self,
        x: Float[Tensor, "b ticks o"],
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
        self, x: Float[Tensor, "b ticks o"], generator: torch.Generator | None = None
    ) -> Float[Tensor, "ticks b u"]:
        """The states of hidden, phonology and cleanup, side by side: what `forward` squashes."""
        self.check_input("x", x, "orthography")
        return self.states(x.transpose(0, 1) @ self.weights_from(self.given), generator)

    def check_data(self, x: Tensor, y: Tensor) -> None:
        """Raise an InputError unless x and y are examples and targets for this network."""
        self.check_input("x", x, "orthography")
        self.check_targets("y", y, "phonology", x.shape[:2])

    def loss(
        self,
        x: Float[Tensor, "b ticks o"],
        y: Float[Tensor, "b ticks p"],
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, ""]:
        """Mean binary cross-entropy of phonology over examples, ticks and units, plus `penalty()`.

        It is computed from the states, so that units at 0 or 1 within rounding still learn.
        """
        phonology = self.per_layer(self.run(x, generator))["phonology"]
        return binary_cross_entropy_with_logits(phonology, y) + self.penalty()
