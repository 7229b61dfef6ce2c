"""A network of layers that settle over ticks: its parts, its forward pass and its state.

What its layers and connections are, a model says (`srnet.reading.pmsp`, `srnet.reading.hubspokes`);
how it is damaged and trained stands in rooms of their own.
"""

import math
from collections.abc import Iterable, Mapping
from copy import deepcopy

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.utils import parametrize

from sdnet.errors import InputError
from srnet.reading.lesions import Lesions
from srnet.reading.ticks import settle

Connections = Mapping[str, tuple[str, str]]
"""The name of each connection -> the layer it comes from, the layer it goes to."""


class Mask(nn.Module):
    """Weights that are 0, whatever is learnt: a parametrization of torch, W = W' * kept."""

    def __init__(self, kept: Bool[Tensor, "source target"]):
        super().__init__()
        self.register_buffer("kept", kept)

    def forward(self, weight: Tensor) -> Tensor:
        """The weights that are kept; the others 0, also where they aren't finite."""
        return weight.where(self.kept, 0.0)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """The stored weights are 0 under the mask too."""
        return self(weight)


def glorot(
    units: Mapping[str, int],
    connections: Connections,
    layers: Iterable[str],
    generator: torch.Generator | None = None,
) -> dict[str, Tensor]:
    """New parameters: weights from U(-l, l), l = sqrt(6 / (source + target)); biases 0.

    (Glorot and Bengio 2010.)
    """
    parameters = {}
    for name, (source, target) in connections.items():
        bound = math.sqrt(6 / (units[source] + units[target]))
        weight = torch.empty(units[source], units[target])
        parameters[f"w_{name}"] = weight.uniform_(-bound, bound, generator=generator)
    return parameters | {f"bias_{layer}": torch.zeros(units[layer]) for layer in layers}


class Network(nn.Module):
    """Layers of sigmoid units with time-averaged net input, and connections between them.

    At tick t every layer reads the activations of tick t - 1 (0 at the start):

    net = incoming products + bias + noise,   state = tau net + (1 - tau) previous state,
    activation = sigmoid(state).

    Args:
        tau: in (0, 1].
        units: of each layer; layers without a bias are given from outside (`given`).
        connections: what is connected.
        parameters: `w_NAME` (source, target) of every connection, `bias_LAYER` of every layer.
    """

    given: tuple[str, ...] = ()
    """Layers whose activations come from outside at every tick."""
    outputs: tuple[str, ...] = ()
    """Layers that have targets."""

    def __init__(
        self,
        tau: float,
        units: Mapping[str, int],
        connections: Connections,
        parameters: Mapping[str, Tensor],
    ):
        super().__init__()
        self.tau, self.units, self.connections = tau, dict(units), dict(connections)
        for name, tensor in parameters.items():
            setattr(self, name, nn.Parameter(tensor))
        self.noise: dict[str, float] = {}
        """sd of the noise in the net input of each layer that has some, every tick anew"""
        self.l2 = 0.0
        """the loss has a penalty of l2 times the sum of squared weights"""
        self.moments: dict = {}
        """Adam's after `fit`: "steps", and by the names of parameters "first" and "second"
        (see `srnet.reading.fitting`)"""
        self.lesions = Lesions()

    @property
    def layers(self) -> list[str]:
        """The layers that settle, in the order of their units in `states`."""
        return [layer for layer in self.units if layer not in self.given]

    @property
    def masks(self) -> dict[str, Tensor]:
        """Of each connection that has been zeroed in part: true where a weight is kept."""
        return {
            name: self.parametrizations[f"w_{name}"][0].kept
            for name in self.connections
            if parametrize.is_parametrized(self, f"w_{name}")
        }

    def mask(self, connection: str, kept: Bool[Tensor, "source target"]) -> None:
        """Hold the weights that aren't kept at 0 from now on (once for a connection)."""
        parametrize.register_parametrization(self, f"w_{connection}", Mask(kept))

    def weight(self, connection: str) -> Float[Tensor, "source target"]:
        """The weights of a connection, 0 under its mask."""
        return getattr(self, f"w_{connection}")

    def biases(self) -> Float[Tensor, " u"]:
        """The biases of all layers that settle."""
        return torch.cat([getattr(self, f"bias_{layer}") for layer in self.layers])

    def weights_from(self, sources: Iterable[str]) -> Float[Tensor, "source u"]:
        """The weights from some layers to all that settle, as one matrix; 0 where no connection."""
        names = {ends: name for name, ends in self.connections.items()}
        empty = self.biases().detach()
        return torch.cat(
            [
                torch.cat(
                    [
                        self.weight(names[source, target])
                        if (source, target) in names
                        else empty.new_zeros(self.units[source], self.units[target])
                        for target in self.layers
                    ],
                    1,
                )
                for source in sources
            ]
        )

    def states(
        self, external: Float[Tensor, "ticks b u"], generator: torch.Generator | None = None
    ) -> Float[Tensor, "ticks b u"]:
        """The states of all layers that settle, side by side, driven from outside.

        Args:
            external: what reaches each unit from outside at each tick.
            generator: of the noise; None is torch's default generator.
        """
        drive = external + self.biases()
        if self.noise:
            drive = drive + self._draw_noise(drive.detach(), generator)
        return settle(drive, self.weights_from(self.layers), self.tau)

    def _draw_noise(self, like: Tensor, generator: torch.Generator | None) -> Tensor:
        noise = torch.zeros_like(like)
        for layer, part in self.split(noise).items():
            if layer in self.noise:
                part.normal_(0, self.noise[layer], generator=generator)
        return noise

    def split(self, values: Float[Tensor, "ticks b u"]) -> dict[str, Tensor]:
        """Values of all units that settle -> of each layer, as views."""
        sizes = [self.units[layer] for layer in self.layers]
        return dict(zip(self.layers, values.split(sizes, -1), strict=True))

    def per_layer(self, values: Float[Tensor, "ticks b u"]) -> dict[str, Tensor]:
        """Values of all units that settle -> (b, ticks, units) of each layer."""
        return {layer: part.transpose(0, 1) for layer, part in self.split(values).items()}

    def inputs(self, activations: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What each connection gives to its target, (b, ticks, target): source at t - 1 times W.

        Args:
            activations: (b, ticks, units) of every layer; given ones count at the same tick.
        """
        inputs = {}
        for name, (source, _) in self.connections.items():
            before = activations[source]
            if source not in self.given:
                before = nn.functional.pad(before[:, :-1], (0, 0, 1, 0))
            inputs[name] = before @ self.weight(name)
        return inputs

    def penalty(self) -> Float[Tensor, ""]:
        """l2 times the sum of squared weights (no biases), as the loss of `fit` has it."""
        weights = [self.weight(name).flatten() for name in self.connections]
        return self.l2 * sum((weight @ weight for weight in weights), self.biases().new_zeros(()))

    @torch.no_grad()
    def weight_norms(self) -> dict[str, float]:
        """The Euclidean norm of each connection's weights."""
        return {name: self.weight(name).norm().item() for name in self.connections}

    def state_noise(self) -> dict[str, float]:
        """The sd that noise gives to the states of each noisy layer after many ticks.

        Noise of sd s enters before time-averaging, so the sd in the state is that of an
        autoregressive process, s sqrt(tau / (2 - tau)), without what comes back by connections.
        """
        return {
            layer: sd * math.sqrt(self.tau / (2 - self.tau)) for layer, sd in self.noise.items()
        }

    def check_input(self, name: str, values: Tensor, layer: str) -> None:
        """Raise an InputError unless values are (examples, ticks, units of layer), as weights are.

        What `name` says is what the message calls them.
        """
        units, like = self.units[layer], self.biases()
        if values.dim() != 3 or values.shape[-1] != units or 0 in values.shape:
            raise InputError(
                f"{name} has shape {tuple(values.shape)}; expected (examples, ticks, {units}), for "
                f"the {units} units of {layer}"
            )
        if values.dtype != like.dtype or values.device != like.device:
            raise InputError(
                f"{name} is {values.dtype} on {values.device}; expected {like.dtype} on "
                f"{like.device}, as the weights are"
            )

    def check_targets(self, name: str, values: Tensor, layer: str, like: torch.Size) -> None:
        """Raise an InputError unless values in [0, 1] are given for each example and tick."""
        self.check_input(name, values, layer)
        if values.shape[:2] != like:
            raise InputError(
                f"{name} has {tuple(values.shape[:2])} examples and ticks; expected {tuple(like)}, "
                "as the inputs have"
            )
        if not ((values >= 0) & (values <= 1)).all():
            raise InputError(
                f"{name} has a value outside [0, 1]; expected targets of sigmoid units"
            )

    def trained(self) -> dict[str, nn.Parameter]:
        """What an optimiser moves, by the names `w_NAME` and `bias_LAYER`, masked or not."""
        return {
            name.removeprefix("parametrizations.").removesuffix(".original"): parameter
            for name, parameter in self.named_parameters()
        }

    def to_state(self) -> dict:
        """All that makes this network, as tensors and plain containers (not copied)."""
        masked = self.masks
        return {
            "tau": self.tau,
            "units": self.units,
            "connections": self.connections,
            "parameters": {name: p.detach() for name, p in self.trained().items()},
            "frozen": [name for name, p in self.trained().items() if not p.requires_grad],
            "masks": masked,
            "noise": self.noise,
            "l2": self.l2,
            "moments": self.moments,
            "lesions": self.lesions.to_plain(),
        }

    @classmethod
    def from_state(cls, state: Mapping) -> "Network":
        """The network that `to_state` was called on, with tensors of its own."""
        state = deepcopy(dict(state))
        model = cls.__new__(cls)  # a model's own constructor only says the sizes and draws weights
        Network.__init__(
            model, state["tau"], state["units"], state["connections"], state["parameters"]
        )
        for name in state["frozen"]:
            getattr(model, name).requires_grad_(False)
        for connection, kept in state["masks"].items():
            model.mask(connection, kept)
        model.noise, model.l2, model.moments = state["noise"], state["l2"], state["moments"]
        model.lesions = Lesions.from_plain(state["lesions"])
        return model

    # torch's parametrize edits the class of a module, which its copies would share, and refuses
    # pickling; so a network is copied, and sent to another process, by its state.
    def __deepcopy__(self, memo: dict) -> "Network":
        return _restore(*self.__reduce__()[1])

    def __reduce__(self) -> tuple:
        return _restore, (self._kind(), self.to_state(), self.training)

    def with_state(self, state: Mapping) -> "Network":
        """Another network of the same kind, of that state."""
        return _restore(self._kind(), state, self.training)

    def _kind(self) -> type["Network"]:
        return type(self).__bases__[0] if parametrize.is_parametrized(self) else type(self)


def _restore(kind: type[Network], state: dict, training: bool) -> Network:
    return kind.from_state(state).train(training)


def check_tau(tau: float) -> None:
    """Raise an InputError unless tau is in (0, 1]."""
    if not (isinstance(tau, int | float) and 0 < tau <= 1):
        raise InputError(f"tau is {tau!r}; expected a number in (0, 1]")
