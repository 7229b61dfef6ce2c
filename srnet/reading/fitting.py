"""Training and retraining: one loop over shuffled batches, whose optimiser survives surgery."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sdnet.adam import Adam
from sdnet.errors import InputError, nearest
from sdnet.mlp import check_whole

Data = Tensor | Mapping[str, Tensor]
"""Examples: one tensor (n, ticks, units), or one for each of several layers."""


def fit(
    model: nn.Module,
    x: Data,
    y: Data,
    epochs: int,
    batch_size: int,
    lr: float,
    *,
    optimizer: str = "carried",
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
        InputError: examples or targets of other shapes than the network's, or not finite; epochs
            below 0, a batch_size below 1, an lr that is not positive, another `optimizer`; no
            parameter that is free to learn.

    >>> from srnet.reading import PMSP, ToyOP
    >>> corpus, model = ToyOP(), PMSP(0.1, h_units=10, p_units=9, c_units=5, seed=0)
    >>> losses = fit(model, corpus.x, corpus.y, epochs=20, batch_size=20, lr=0.05)
    >>> losses[-1] < losses[0] / 2
    True
    """
    for name, value, least in (("epochs", epochs, 0), ("batch_size", batch_size, 1)):
        check_whole(name, value, least)
    if not 0 < lr < float("inf"):
        raise InputError(f"lr is {lr!r}; expected a positive number")
    if optimizer not in ("carried", "fresh"):
        raise InputError(f"optimizer is {optimizer!r}; {nearest(optimizer, ['carried', 'fresh'])}")
    model.check_data(x, y)
    names = [name for name, p in model.trained().items() if p.requires_grad]
    if not names:
        raise InputError("all parameters of the network are frozen; expected one that can learn")
    adam = Adam([model.trained()[name] for name in names], lr)
    before = model.moments if optimizer == "carried" else {}
    _load(adam, names, before)
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
        "first": before.get("first", {}) | dict(zip(names, adam.first, strict=True)),
        "second": before.get("second", {}) | dict(zip(names, adam.second, strict=True)),
    }
    return losses


class Recovery(NamedTuple):
    """A network after retraining, its control, and their scores before and after each epoch."""

    model: nn.Module
    scores: list[float]
    control: nn.Module | None
    control_scores: list[float] | None


def retrain(
    model: nn.Module,
    x: Data,
    y: Data,
    epochs: int,
    batch_size: int,
    lr: float,
    *,
    score: Callable[[nn.Module], float],
    optimizer: str = "carried",
    control: nn.Module | None = None,
    seed: int = 0,
) -> Recovery:
    """Retrain copies of a damaged network and of its control in the same way; how each recovers.

    Much of what looks like recovery may be more training, or Adam's new start. What the control,
    the undamaged parent, gains by the same epochs in the same order with the same `optimizer` shows
    how much.

    Args:
        model: what was damaged.
        x, y: examples, and their targets before any unit was removed.
        epochs, batch_size, lr, optimizer: as in `fit`.
        score: of a network, such as its accuracy.
        control: what is retrained beside it, None for nothing.
        seed: of the order of examples and of noise, for both.

    >>> from srnet.reading import PMSP, ToyOP
    >>> corpus, parent = ToyOP(ticks=6), PMSP(0.3, h_units=10, p_units=9, c_units=5, seed=0)
    >>> recovery = retrain(
    ...     parent.cut_connections(["cp"]), corpus.x, corpus.y, epochs=2, batch_size=20, lr=0.05,
    ...     score=lambda model: corpus.tick_accuracy(model(corpus.x)["phonology"]), control=parent)
    >>> len(recovery.scores), len(recovery.control_scores)
    (3, 3)
    """

    def retrained(start: nn.Module) -> tuple[nn.Module, list[float]]:
        network, generator = deepcopy(start), torch.Generator().manual_seed(seed)
        targets, scores = network.targets_left(y), [score(network)]
        for epoch in range(epochs):
            begins = optimizer if epoch == 0 else "carried"
            fit(network, x, targets, 1, batch_size, lr, optimizer=begins, generator=generator)
            scores.append(score(network))
        return network, scores

    return Recovery(*retrained(model), *(retrained(control) if control else (None, None)))


def _load(adam: Adam, names: list[str], moments: Mapping) -> None:
    """Take over steps and moments; a parameter that was frozen, and has none yet, begins at 0."""
    if moments:
        adam.steps.copy_(moments["steps"])
    for key, mine in (("first", adam.first), ("second", adam.second)):
        for name, values in zip(names, mine, strict=True):
            if name in moments.get(key, {}):
                values.copy_(moments[key][name])


def _rows(data: Data, rows: Tensor) -> Data:
    if isinstance(data, Mapping):
        return {name: values[rows] for name, values in data.items()}
    return data[rows]
