"""Plain classifiers to dissect, trained by one call: the examples of the studies and tests."""

from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sdnet.errors import InputError, nearest
from sdnet.mlp import check_whole
from srnet.dissect.inputs import check_evaluation, check_finite, check_labels

OPTIMIZERS = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}


def dense(widths: Sequence[int], generator: torch.Generator | None = None) -> nn.Sequential:
    """Linear layers with ReLUs between them, named fc1, relu1, fc2, ...: logits of classes.

    Weights and biases are uniform in +-1/sqrt(inputs), as torch's `nn.Linear` begins.

    Args:
        widths: units of every layer, from the inputs to the classes.
        generator: what the weights follow from.

    Raises:
        InputError: fewer than two widths, or one that is no whole number of at least 1.

    >>> [name for name, _ in dense([64, 128, 128, 10]).named_children()]
    ['fc1', 'relu1', 'fc2', 'relu2', 'fc3']
    """
    if len(widths) < 2:
        raise InputError(f"widths is {list(widths)}; expected inputs, hidden layers and classes")
    for width in widths:
        check_whole("a width", width, 1)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for place, (inputs, outputs) in enumerate(pairwise(widths), 1):
        layer = nn.utils.skip_init(nn.Linear, inputs, outputs)
        with torch.no_grad():
            for parameter in (layer.weight, layer.bias):
                parameter.uniform_(-(inputs**-0.5), inputs**-0.5, generator=generator)
        layers[f"fc{place}"] = layer
        if place < len(widths) - 1:
            layers[f"relu{place}"] = nn.ReLU()
    return nn.Sequential(layers)


def train_classifier(
    model: nn.Module,
    x: Float[Tensor, "n d"],
    y: Int[Tensor, " n"],
    *,
    epochs: int = 10,
    batch_size: int = 64,
    lr: float = 1e-3,
    optimizer: Literal["adam", "sgd"] = "adam",
    generator: torch.Generator | None = None,
) -> list[float]:
    """Train by cross-entropy on shuffled batches, in place; the mean loss of each epoch.

    Args:
        model: any module from rows (b, d) to logits (b, classes).
        x: examples.
        y: their classes.
        epochs: passes over the examples.
        batch_size: examples of a step.
        lr: learning rate.
        optimizer: "adam", or "sgd" without momentum.
        generator: what the order of the examples follows from.

    Raises:
        InputError: no examples, or ones that aren't finite; not a class of the network for each.
    """
    if optimizer not in OPTIMIZERS:
        raise InputError(f"optimizer is {optimizer!r}; {nearest(str(optimizer), OPTIMIZERS)}")
    check_whole("epochs", epochs, 0)
    check_whole("batch_size", batch_size, 1)
    check_finite(x)
    with torch.no_grad():  # in evaluation mode, which leaves running means as they are
        check_labels(y, len(x), model.eval()(x[:1]).shape[-1])
    steps = OPTIMIZERS[optimizer](model.parameters(), lr=lr, fused=True)
    losses = []
    model.train()
    for _ in range(epochs):
        total = 0.0
        for batch in torch.randperm(len(x), generator=generator).split(batch_size):
            loss = nn.functional.cross_entropy(model(x[batch]), y[batch])
            steps.zero_grad()
            loss.backward()
            steps.step()
            total += loss.item() * len(batch)
        losses.append(total / len(x))
    model.eval()
    return losses


@torch.no_grad()
def accuracy(model: nn.Module, x: Float[Tensor, "n d"], y: Int[Tensor, " n"]) -> float:
    """The share of examples whose largest logit is that of their class.

    Raises:
        InputError: no examples, or not a class for each; dropout or batch norm in training mode.
    """
    check_evaluation(model)
    logits = model(x)
    check_labels(y, len(x), logits.shape[-1])
    return (logits.argmax(-1) == y).float().mean().item()
