"""A frozen copy of a network, run under masks on the outputs of named layers.

What may live here: copying, finding where the layers stand, and passes under masks. The caller's
network is never touched: hooks and modes are the copy's.
"""

import copy
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sdnet.errors import InputError
from srnet.dissect.layers import find_layer

Mask = Callable[[Tensor], Tensor]
"""From activations (b, ..., units), units last, to a new tensor of them, masked."""

CHUNK = 4096  # examples of a pass without gradients
CACHE = 2**30  # bytes of activations that are kept, so that each is computed once


class Pass(NamedTuple):
    """What one pass gives."""

    acts: Tensor
    """(b, ..., units), the masked output of the last of the layers, units last"""
    output: Tensor
    """the network's"""


class FrozenNetwork:
    """A copy of a network in evaluation mode, without gradients, that runs under masks.

    What comes before the first layer doesn't depend on masks. Of an `nn.Sequential`, it is
    computed once for all passes: `start` gives the first layer's output, and `run` goes on from
    there. Other networks start from their inputs.

    Args:
        model: any network; it is copied, in whatever mode it is.
        layers: names of layers that run once in a pass each. Units are the last axis of (n, units)
            and of linear layers, and the channels of images (n, channels, height, width).
        x: examples (n, ...), as many as there will be at most.

    Raises:
        InputError: an unknown layer, one named twice, one that doesn't run once in a pass, or
            whose output has no axis of units that one can tell; examples that the network can't
            take.

    >>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2))
    >>> x = torch.rand(5, 2)
    >>> frozen = FrozenNetwork(model, ["1"], x)
    >>> frozen.units
    {'1': 3}
    >>> silent = frozen.run(frozen.start(x), {"1": torch.zeros_like}).output
    >>> torch.equal(silent, model[2].bias.expand(5, 2))
    True
    """

    def __init__(self, model: nn.Module, layers: Sequence[str], x: Tensor) -> None:
        if not layers or isinstance(layers, str) or len(set(layers)) < len(layers):
            raise InputError(f"layers are {layers!r}; expected one name or more, each once")
        for name in layers:
            find_layer(model, name)
        network = copy.deepcopy(model).eval().requires_grad_(False)
        for module in network.modules():
            if getattr(module, "inplace", False):
                module.inplace = False  # it would write over the activations that are kept
        outputs, output = _outputs(network, layers, x[:1])
        self.outputs = tuple(output.shape[1:]) if isinstance(output, Tensor) else None
        """The shape of the network's own output for one example."""
        self.layers = tuple(outputs)
        """The names, in the order in which they run."""
        self._axes = {
            name: _unit_axis(name, network.get_submodule(name), output)
            for name, output in outputs.items()
        }
        self.units = {name: outputs[name].shape[axis] for name, axis in self._axes.items()}
        """How many units each has."""
        first = outputs[self.layers[0]]
        self._before: nn.Module = nn.Identity()
        self._network = network
        if len(x) * first.numel() * first.element_size() <= CACHE:
            self._before, self._network = _cut(network, self.layers[0])

    @torch.no_grad()
    def start(self, x: Tensor) -> Tensor:
        """What `run` goes on from, for the examples x (n, ...): one row an example."""
        return torch.cat([self._before(some) for some in x.split(CHUNK)])

    def run(self, rows: Tensor, masks: Mapping[str, Mask]) -> Pass:
        """One pass from rows of `start`, under a mask for each layer named; others pass as are."""
        last: list[Tensor] = []

        def hook(name: str) -> Callable[[nn.Module, tuple, Tensor], Tensor]:
            def apply(_layer: nn.Module, _inputs: tuple, acts: Tensor) -> Tensor:
                acts = acts.movedim(self._axes[name], -1)
                acts = masks[name](acts) if name in masks else acts.clone()
                if name == self.layers[-1]:
                    last.append(acts)
                    acts = acts.clone()  # what follows may write into it
                return acts.movedim(-1, self._axes[name])

            return apply

        hooks = [
            self._network.get_submodule(name).register_forward_hook(hook(name))
            for name in self.layers
        ]
        try:
            output = self._network(rows)
        finally:
            for handle in hooks:
                handle.remove()
        return Pass(last[0], output)

    @torch.no_grad()
    def run_all(self, rows: Tensor, masks: Mapping[str, Mask]) -> Pass:
        """`run` without gradients, in chunks."""
        passes = [self.run(some, masks) for some in rows.split(CHUNK)]
        return Pass(*(torch.cat(parts) for parts in zip(*passes, strict=True)))


def _outputs(
    network: nn.Module, layers: Sequence[str], x: Tensor
) -> tuple[dict[str, object], object]:
    """The layers' outputs for one example, in the order in which they run, and the network's."""
    calls: list[tuple[str, object]] = []

    def note(name: str) -> Callable[[nn.Module, tuple, object], None]:
        return lambda _layer, _inputs, output: calls.append((name, output))

    hooks = [network.get_submodule(name).register_forward_hook(note(name)) for name in layers]
    try:
        with torch.no_grad():
            final = network(x)
    except (RuntimeError, TypeError, IndexError, ValueError) as error:
        raise InputError(
            f"the network can't take an example {x.dtype} of shape {tuple(x.shape)} on "
            f"{x.device} ({error})"
        ) from None
    finally:
        for handle in hooks:
            handle.remove()
    for name in layers:
        count = sum(called == name for called, _ in calls)
        if count != 1:
            raise InputError(f"layer {name!r} runs {count} times in a pass; expected once")
    return dict(calls), final


def _unit_axis(name: str, layer: nn.Module, output: object) -> int:
    """Which axis are the units, counted from the end."""
    if isinstance(output, Tensor) and len(output.shape[:1]) and len(output) == 1:
        if output.dim() == 2 or (output.dim() > 2 and isinstance(layer, nn.Linear)):
            return -1
        if output.dim() > 3:
            return 1 - output.dim()
    given = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
    raise InputError(
        f"layer {name!r} gives {given} for one example; expected a tensor of shape (examples, "
        "units) or (examples, channels, height, width), or a linear layer"
    )


def _cut(network: nn.Module, layer: str) -> tuple[nn.Module, nn.Module]:
    """The children up to a layer, and a network from that layer's output on; else all is after."""
    names = [name for name, _ in network.named_children()]
    if type(network) is not nn.Sequential or layer not in names:
        return nn.Identity(), network
    place = names.index(layer) + 1
    after = OrderedDict([(layer, nn.Identity()), *list(network.named_children())[place:]])
    return network[:place], nn.Sequential(after)
