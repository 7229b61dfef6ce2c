"""Training and retraining: one loop over shuffled batches, whose optimiser survives surgery."""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from sdnet.adam import Adam
from sdnet.errors import InputError, nearest
from sdnet.mlp import check_whole
from srnet.reading.network import Network

Data = Tensor | Mapping[str, Tensor]
"""Examples: one tensor (n, ticks, units), or one for each of several layers."""


def fit(
    model: Network,
    x: Data,
    y: Data,
    *,
    epochs: int,
    batch_size: int,
    lr: float,
    optimizer: Literal["carried", "fresh"] = "carried",
    generator: torch.Generator | None = None,
) -> list[float]:
    """Train by Adam on shuffled batches, in place; the mean loss of each epoch.

    Args:
        model: its `loss(x, y, generator)` is minimised.
        x, y: examples and targets, (n, ticks, units).
        epochs: passes over the examples.
        batch_size: examples of a step.
        lr: learning rate.
        optimizer: "carried" goes on with Adam's moments and steps of the training before, which
            damage has cut along with the weights; "fresh" starts from none.
        generator: what the order of the examples, and noise, follow from.

    Raises:
        InputError: examples or targets of other shapes than the network's, or not finite; an
            epochs or batch_size below 1, an lr that is not positive, another `optimizer`.
    """
    for name, value, least in (("epochs", epochs, 0), ("batch_size", batch_size, 1)):
        check_whole(name, value, least)
    if not 0 < lr < float("inf"):
        raise InputError(f"lr is {lr!r}; expected a positive number")
    if optimizer not in ("carried", "fresh"):
        raise InputError(f"optimizer is {optimizer!r}; {nearest(optimizer, ['carried', 'fresh'])}")
    model.check_data(x, y)
    names = [name for name, p in model.trained().items() if p.requires_grad]
    adam = Adam([model.trained()[name] for name in names], lr)
    if optimizer == "carried" and model.moments:
        kept = model.moments
        adam.steps.copy_(kept["steps"])
        for mine, of_names in ((adam.first, kept["first"]), (adam.second, kept["second"])):
            for moments, name in zip(mine, names, strict=True):
                if name in of_names:  # not of a parameter that was frozen before
                    moments.copy_(of_names[name])
    count = len(next(iter(x.values())) if isinstance(x, Mapping) else x)
    losses = []
    for _ in range(epochs):
        total = 0.0
        for batch in torch.randperm(count, generator=generator).split(batch_size):
            loss = model.loss(_rows(x, batch), _rows(y, batch), generator)
            model.zero_grad()
            loss.backward()
            adam.step()
            total += loss.item() * len(batch)
        losses.append(total / count)
    model.moments = {
        "steps": adam.steps,
        "first": dict(zip(names, adam.first, strict=True)),
        "second": dict(zip(names, adam.second, strict=True)),
    }
    return losses


def _rows(data: Data, rows: Tensor) -> Data:
    if isinstance(data, Mapping):
        return {name: values[rows] for name, values in data.items()}
    return data[rows]
