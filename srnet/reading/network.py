"""A network of layers that settle over ticks: its parts, its forward pass and its state.

Which layers and connections there are, a model says (`srnet.reading.pmsp`,
`srnet.reading.hubspokes`); training and damage, which any of them can do, have rooms of their own
below this one.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.utils import parametrize

from sdnet.errors import InputError
from srnet.reading import damage, fitting
from srnet.reading.lesions import Lesions
from srnet.reading.starts import Ends, check_tau
from srnet.reading.ticks import settle


class Mask(nn.Module):
    """Weights that are 0, whatever is learnt: a parametrization of torch."""

    def __init__(self, kept: Bool[Tensor, "source target"]):
        super().__init__()
        self.register_buffer("kept", kept)

    def forward(self, weight: Float[Tensor, "source target"]) -> Float[Tensor, "source target"]:
        """The weights that are kept; 0 at the others, even where they are not finite."""
        return weight.where(self.kept, 0.0)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """What is stored is 0 under the mask too."""
        return self(weight)


class Network(nn.Module):
    """Layers of sigmoid units with time-averaged net input, and connections between them.

    At tick t every layer reads the activations of tick t - 1 (0 at the start):

    net = incoming products + bias + noise,   state = tau net + (1 - tau) previous state,
    activation = sigmoid(state).

    The connection NAME has the weights `w_NAME` (source, target) and no bias; a layer has one bias,
    `bias_LAYER`. A model is made by its own constructor or by `from_state`.

    Args:
        tau: in (0, 1].
        units: of each layer.
        connections: what is connected, by the connection's name.
        parameters: `w_NAME` of every connection, `bias_LAYER` of every layer that settles.
    """

    given: tuple[str, ...] = ()
    """Layers whose activations come from outside at every tick; they don't settle."""

    def __init__(
        self,
        tau: float,
        units: Mapping[str, int],
        connections: Mapping[str, Ends],
        parameters: Mapping[str, Tensor],
    ):
        check_tau(tau)
        super().__init__()
        self.tau, self.units, self.connections = tau, dict(units), dict(connections)
        for name, tensor in parameters.items():
            self.register_parameter(name, nn.Parameter(tensor))
        self.noise: dict[str, float] = {}
        """sd of the noise in the net input of each layer that has some"""
        self.l2 = 0.0
        """the loss has a penalty of l2 times the sum of squared weights"""
        self.moments: dict = {}
        """Adam's after `fit`: "steps", and of each parameter by its name, "first" and "second" """
        self.lesions = Lesions()

    # The functions of the rooms below, as methods: `model.cut_connections(["cp"])`.
    fit = fitting.fit
    retrain = fitting.retrain
    cut_connections = damage.cut_connections
    zero_out = damage.zero_out
    shrink_layer = damage.shrink_layer
    add_noise = damage.add_noise
    apply_l2 = damage.apply_l2

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

    def weight(self, connection: str) -> Tensor:
        """The weights of a connection (source, target), 0 under its mask."""
        return getattr(self, f"w_{connection}")

    def trained(self) -> dict[str, nn.Parameter]:
        """What an optimiser moves, by the names `w_NAME` and `bias_LAYER`, masked or not."""
        return {
            name.removeprefix("parametrizations.").removesuffix(".original"): parameter
            for name, parameter in self.named_parameters()
        }

    def states(
        self, external: Float[Tensor, "ticks b u"], generator: torch.Generator | None = None
    ) -> Float[Tensor, "ticks b u"]:
        """The states of all layers that settle, side by side, driven from outside.

        Args:
            external: what reaches each unit from outside at each tick, beside bias and noise.
            generator: of the noise; None is torch's default generator.
        """
        drive = external + torch.cat([getattr(self, f"bias_{layer}") for layer in self.layers])
        if self.noise:
            drawn_on = drive.device if generator is None else generator.device
            noise = torch.zeros(drive.shape, dtype=drive.dtype, device=drawn_on)
            for layer, part in self._split(noise).items():
                if layer in self.noise:
                    part.normal_(0, self.noise[layer], generator=generator)
            drive = drive + noise.to(drive.device)
        return settle(drive, self.weights_from(self.layers), self.tau)

    def weights_from(self, sources: Iterable[str]) -> Float[Tensor, "source u"]:
        """The weights from some layers to all that settle, as one matrix; 0 where no connection."""
        names = {ends: name for name, ends in self.connections.items()}
        rows = []
        for source in sources:
            blocks = []
            for target in self.layers:
                name, bias = names.get((source, target)), getattr(self, f"bias_{target}")
                blocks.append(
                    self.weight(name) if name else bias.new_zeros(self.units[source], len(bias))
                )
            rows.append(torch.cat(blocks, 1))
        return torch.cat(rows)

    def _split(self, values: Tensor) -> dict[str, Tensor]:
        sizes = [self.units[layer] for layer in self.layers]
        return dict(zip(self.layers, values.split(sizes, -1), strict=True))

    def per_layer(self, values: Float[Tensor, "ticks b u"]) -> dict[str, Tensor]:
        """Values of all units that settle -> (b, ticks, units) of each layer."""
        return {layer: part.transpose(0, 1) for layer, part in self._split(values).items()}

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
        """l2 times the sum of squared weights (no biases), as the loss has it."""
        if not self.l2 or not self.connections:
            return torch.zeros(())
        squares = [self.weight(name).square().sum() for name in self.connections]
        return self.l2 * torch.stack(squares).sum()

    @torch.no_grad()
    def weight_norms(self) -> dict[str, float]:
        """The Euclidean norm of each connection's weights."""
        return {name: self.weight(name).norm().item() for name in self.connections}

    def state_noise(self) -> dict[str, float]:
        """The sd that noise gives to the states of each noisy layer after many ticks.

        Noise of sd s enters before time-averaging, so the state's is that of an autoregressive
        process, s sqrt(tau / (2 - tau)), without what comes back through connections.
        """
        shrinks = math.sqrt(self.tau / (2 - self.tau))
        return {layer: sd * shrinks for layer, sd in self.noise.items()}

    def check_input(self, name: str, values: Tensor, layer: str) -> None:
        """Raise an InputError unless values are (examples, ticks, units of layer), as weights are.

        `name` is what the message calls them.
        """
        units, like = self.units[layer], getattr(self, f"bias_{self.layers[0]}")
        if values.dim() != 3 or values.shape[-1] != units or 0 in values.shape:
            kept = damage.kept_units(self, layer)
            hint = "" if kept == list(range(units)) else f"; it has kept the units {kept}"
            raise InputError(
                f"{name} has shape {tuple(values.shape)}; expected (examples, ticks, {units}), for "
                f"the {units} units of {layer}{hint}"
            )
        if values.dtype != like.dtype or values.device != like.device:
            raise InputError(
                f"{name} is {values.dtype} on {values.device}; expected {like.dtype} on "
                f"{like.device}, as the weights are"
            )

    def check_finite(self, name: str, values: Tensor, layer: str) -> None:
        """Raise an InputError where `check_input` does, or if a value is not finite."""
        self.check_input(name, values, layer)
        if not values.isfinite().all():
            raise InputError(f"{name} has a value that is not finite")

    def check_targets(self, name: str, values: Tensor, layer: str, like: Sequence[int]) -> None:
        """Raise an InputError unless values in [0, 1] are given for `like` examples and ticks."""
        self.check_input(name, values, layer)
        if tuple(values.shape[:2]) != tuple(like):
            raise InputError(
                f"{name} has {tuple(values.shape[:2])} examples and ticks; expected {tuple(like)}, "
                "as the inputs have"
            )
        if not ((values >= 0) & (values <= 1)).all():
            raise InputError(f"{name} has a value outside [0, 1], where targets must be")

    def to_state(self) -> dict:
        """All that makes this network, as tensors and plain containers (not copied)."""
        parameters = self.trained()
        return {
            "tau": self.tau,
            "units": self.units,
            "connections": self.connections,
            "parameters": {name: parameter.detach() for name, parameter in parameters.items()},
            "frozen": [name for name, p in parameters.items() if not p.requires_grad],
            "masks": self.masks,
            "noise": self.noise,
            "l2": self.l2,
            "moments": self.moments,
            "lesions": self.lesions.to_plain(),
            "training": self.training,
        }

    @classmethod
    def from_state(cls, state: Mapping) -> "Network":
        """The network that `to_state` was called on, with tensors of its own."""
        state = deepcopy(dict(state))
        model = cls.__new__(cls)  # a model's own constructor only draws weights of given sizes
        names = ("tau", "units", "connections", "parameters")
        Network.__init__(model, *(state[name] for name in names))
        for name in state["frozen"]:
            getattr(model, name).requires_grad_(False)
        for name, kept in state["masks"].items():
            parametrize.register_parametrization(model, f"w_{name}", Mask(kept))
        for name in ("noise", "l2", "moments"):
            setattr(model, name, state[name])
        model.lesions = Lesions.from_plain(state["lesions"])
        return model.train(state["training"])

    def with_state(self, state: Mapping) -> "Network":
        """Another network of the same kind, with that state."""
        return self._kind().from_state(state)

    def _kind(self) -> type["Network"]:
        """The model's class, without the one that torch puts over it when it is parametrized."""
        return type(self).__bases__[0] if parametrize.is_parametrized(self) else type(self)

    # torch's parametrize edits the class of a module, which a plain copy would share, and refuses
    # to be pickled; so networks are copied, and sent to other processes, by their states.
    def __deepcopy__(self, memo: dict) -> "Network":
        return self.with_state(self.to_state())

    def __reduce__(self) -> tuple:
        return self._kind().from_state, (self.to_state(),)
