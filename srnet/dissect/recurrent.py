"""Units of torch's recurrent layers, for Torch-Pruning, which knows none of these layers.

What may live here: what it is to take units or inputs out of an `nn.RNN`, `nn.GRU` or `nn.LSTM` of
one layer and one direction, and how such a layer shows as one operation to what traces it.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

KINDS = (nn.RNN, nn.GRU, nn.LSTM)


def is_simple(layer: nn.Module) -> bool:
    """Whether a layer is of a kind whose units can be taken out here.

    >>> is_simple(nn.GRU(2, 3)), is_simple(nn.GRU(2, 3, num_layers=2))
    (True, False)
    """
    return (
        isinstance(layer, KINDS)
        and layer.num_layers == 1
        and not layer.bidirectional
        and layer.proj_size == 0
    )


class RecurrentPruner:
    """What Torch-Pruning asks of a pruner. A unit has a row in the weights of each of its gates."""

    pruning_dim = -1

    def prune_out_channels(self, layer: nn.RNNBase, units: Sequence[int]) -> nn.RNNBase:
        """Without the units: their rows in both weights and biases, their columns in the loop."""
        size = layer.hidden_size
        kept = [unit for unit in range(size) if unit not in set(units)]
        gates = layer.weight_hh_l0.shape[0] // size
        rows = [gate * size + unit for gate in range(gates) for unit in kept]
        for name, _ in list(layer.named_parameters()):
            _keep(layer, name, rows, 0)
        _keep(layer, "weight_hh_l0", kept, 1)
        layer.hidden_size = len(kept)
        return layer

    def prune_in_channels(self, layer: nn.RNNBase, inputs: Sequence[int]) -> nn.RNNBase:
        """Without these inputs."""
        kept = [unit for unit in range(layer.input_size) if unit not in set(inputs)]
        _keep(layer, "weight_ih_l0", kept, 1)
        layer.input_size = len(kept)
        return layer

    def get_out_channels(self, layer: nn.RNNBase) -> int:
        """How many units there are."""
        return layer.hidden_size

    def get_in_channels(self, layer: nn.RNNBase) -> int:
        """How many inputs there are."""
        return layer.input_size


def _keep(layer: nn.RNNBase, name: str, kept: Sequence[int], dim: int) -> None:
    old = getattr(layer, name)
    index = torch.tensor(kept, device=old.device)
    setattr(layer, name, nn.Parameter(old.detach().index_select(dim, index)))


class _OneOperation(torch.autograd.Function):
    """From an input to outputs of given shapes: one node in autograd's graph, for tracing only."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, *shapes: torch.Size) -> tuple[Tensor, ...]:
        return tuple(x.new_zeros(shape) for shape in shapes)


@contextlib.contextmanager
def as_one_operation(model: nn.Module) -> Iterator[None]:
    """The recurrent layers of a network give zeros, and are each one operation of autograd's.

    Their own passes are hundreds of operations, in which what traces them loses its way.
    """
    layers = [layer for layer in model.modules() if is_simple(layer)]

    def stand_in(layer: nn.RNNBase) -> Any:
        def forward(x: Tensor, hx: Any = None) -> Any:
            with torch.no_grad():
                out, last = type(layer).forward(layer, x, hx)
            states = last if isinstance(last, tuple) else (last,)
            shapes = [one.shape for one in (out, *states)]
            out, *states = _OneOperation.apply(x, *shapes)
            return out, tuple(states) if isinstance(last, tuple) else states[0]

        return forward

    for layer in layers:
        layer.forward = stand_in(layer)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward
