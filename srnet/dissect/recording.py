"""What the layers of a network give for examples: their outputs, recorded by forward hooks.

The room is not called `activations`: a module of that name would hide the function in
`srnet.dissect`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from sdnet.errors import InputError
from srnet.dissect.layers import find_layer

Outputs = dict[str, list[object]]


def activations(
    model: nn.Module, x: Tensor, layers: Sequence[str], *, batch_size: int = 1024
) -> dict[str, Tensor]:
    """The outputs of named layers for the examples x, as the layers give them.

    They are recorded in evaluation mode, since dropout would make them random and batch norm would
    learn from x; afterwards every module is in the mode it was in, and no hook is left, also after
    an error. They are copies without gradients: a layer that works in place, such as
    `nn.ReLU(inplace=True)`, doesn't change what was recorded before it.

    A unit is one number for each example. Of a dense layer's output (n, units) it is a column. Of
    a convolution's (n, channels, height, width) it is your choice: `flatten(1)` has a unit for
    each channel and place, `mean((2, 3))` one for each channel.

    Args:
        model: any network whose outputs have the examples as their first axis.
        x: (n examples, ...), what the network takes, on its device.
        layers: names as in `model.named_modules()`.
        batch_size: examples of one pass.

    Returns:
        for each name (n examples, ...).

    Raises:
        InputError: no examples; an unknown layer, and the nearest names; a layer that doesn't run
            once in a pass or whose output is no tensor with a row for each example; examples that
            the network can't take.

    >>> model = nn.Sequential(nn.Linear(1, 2), nn.ReLU())
    >>> _ = nn.init.ones_(model[0].weight), nn.init.zeros_(model[0].bias)
    >>> activations(model, torch.tensor([[-1.0], [3.0]]), ["0", "1"])["1"]
    tensor([[0., 0.],
            [3., 3.]])
    """
    if not isinstance(x, Tensor):
        raise InputError(f"x is {type(x).__name__}; expected a tensor of examples (n, ...)")
    if x.ndim == 0 or not len(x):
        raise InputError(f"x has the shape {tuple(x.shape)}; expected one example or more")
    if batch_size < 1:
        raise InputError(f"batch_size is {batch_size}; expected a whole number, at least 1")
    if not layers or isinstance(layers, str):
        raise InputError(f"layers is {layers!r}; expected a list of one name or more")
    parts: dict[str, list[Tensor]] = {name: [] for name in layers}
    with torch.no_grad(), _evaluating(model), _recording(model, layers) as outputs:
        for batch in x.split(batch_size):
            for seen in outputs.values():
                seen.clear()
            _run(model, batch)
            for name, seen in outputs.items():
                parts[name].append(_checked(name, seen, len(batch)))
    return {name: torch.cat(tensors) for name, tensors in parts.items()}


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode, then each module's own mode again: they need not all have the same."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


@contextmanager
def _recording(model: nn.Module, layers: Sequence[str]) -> Iterator[Outputs]:
    outputs: Outputs = {name: [] for name in layers}
    modules = {name: find_layer(model, name) for name in outputs}
    handles = []
    try:
        for name, module in modules.items():
            # the list is bound as a default: a closure would see only the last one
            def record(module, inputs, output, seen=outputs[name]):
                seen.append(output.detach().clone() if isinstance(output, Tensor) else output)

            handles.append(module.register_forward_hook(record))
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


def _run(model: nn.Module, batch: Tensor) -> None:
    try:
        model(batch)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, ValueError, TypeError, IndexError) as error:  # x that doesn't fit
        raise InputError(
            f"the network can't take x of the shape {tuple(batch.shape)}, {batch.dtype} on "
            f"{batch.device}: {next(iter(str(error).splitlines()), type(error).__name__)}"
        ) from error


def _checked(name: str, seen: list[object], examples: int) -> Tensor:
    if len(seen) != 1:
        raise InputError(f"layer {name!r} runs {len(seen)} times in a pass; expected once")
    (output,) = seen
    if not isinstance(output, Tensor):
        kind = type(output).__name__
        raise InputError(f"layer {name!r} gives a {kind}; expected one tensor")
    if output.ndim < 2 or len(output) != examples:
        raise InputError(
            f"layer {name!r} gives the shape {tuple(output.shape)} for {examples} examples; "
            f"expected ({examples}, units)"
        )
    return output
