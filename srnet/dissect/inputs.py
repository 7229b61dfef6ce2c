"""What the studies are given, checked before anything is computed.

What may live here: checks that several studies share; each raises an `InputError` of one sentence.
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from numbers import Integral  # NumPy's are such, too

import torch
from torch import Tensor, nn

from sdnet.errors import InputError


def check_examples(model: nn.Module, x: Tensor) -> None:
    """Raise an InputError unless x are examples that the network can be asked about.

    At least one, on the network's device and of its type, all of them finite.
    """
    if not isinstance(x, Tensor) or x.dim() < 1 or not len(x):
        given = f"shape {tuple(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
        raise InputError(f"x is {given}; expected a tensor of examples (n, ...), one at least")
    check_finite(x)
    for weight in chain(model.parameters(), model.buffers()):
        if weight.device != x.device:
            raise InputError(
                f"x is on {x.device} and the network on {weight.device}; expected the same device"
            )
        if weight.is_floating_point() and x.is_floating_point() and weight.dtype != x.dtype:
            raise InputError(f"x is {x.dtype} and the network {weight.dtype}; expected the same")


def check_finite(x: Tensor) -> None:
    """Raise an InputError unless all values of the examples are finite."""
    if x.is_floating_point() and not x.sum().isfinite() and not x.isfinite().all():  # quick first
        row = int((~x.isfinite()).flatten(1).any(1).nonzero()[0]) if x.dim() > 1 else 0
        raise InputError(f"x has a value that isn't finite in example {row}")


def check_labels(y: Tensor, count: int, classes: int) -> None:
    """Raise an InputError unless y is a class for each of `count` examples, one at least."""
    if not count:
        raise InputError("no examples were given; expected one at least")
    whole = isinstance(y, Tensor) and not y.is_floating_point() and y.dtype != torch.bool
    if not whole or y.shape != (count,):
        given = f"{y.dtype} of shape {tuple(y.shape)}" if isinstance(y, Tensor) else f"{y!r:.40}"
        raise InputError(f"y is {given}; expected a class for each of {count} examples")
    low, high = int(y.min()), int(y.max())
    if low < 0 or high >= classes:
        wrong = low if low < 0 else high
        raise InputError(f"y has class {wrong}; expected 0 to {classes - 1}, as the network has")


def check_units(units: Sequence[int], count: int | None = None) -> None:
    """Raise an InputError unless these are different units' numbers, below `count` if given."""
    if not isinstance(units, Iterable):
        raise InputError(f"units are {units!r:.60}; expected a list of numbers")
    whole = all(isinstance(unit, Integral) and not isinstance(unit, bool) for unit in units)
    if not whole or len(set(units)) < len(units):
        raise InputError(f"units are {list(units)!r:.60}; expected different whole numbers")
    wrong = [unit for unit in units if unit < 0 or (count is not None and unit >= count)]
    if wrong:
        top = "" if count is None else f" to {count - 1}"
        raise InputError(f"unit {wrong[0]} is not in the layer; expected numbers from 0{top}")


def check_evaluation(model: nn.Module) -> None:
    """Raise an InputError if a layer would draw random numbers, or mix the examples of a batch.

    Those are dropout and batch norm in training mode; other layers do the same in both modes.
    """
    for name, layer in model.named_modules():
        if layer.training and _differs_in_training(layer):
            raise InputError(
                f"layer {name!r} is a {type(layer).__name__} in training mode, which makes an "
                "output depend on chance or on the other examples; call model.eval() first"
            )


def _differs_in_training(layer: nn.Module) -> bool:
    if isinstance(layer, nn.modules.batchnorm._NormBase):
        return isinstance(layer, nn.modules.batchnorm._BatchNorm) or layer.track_running_stats
    if isinstance(layer, nn.modules.dropout._DropoutNd):
        return layer.p > 0
    share = getattr(layer, "dropout", 0)  # of recurrent layers and attention
    return isinstance(share, float | int) and share > 0
