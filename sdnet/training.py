"""Training by blocks and stretches of epochs, and the loop of a critic.

`stretches` is the loop of every run: what learns in it is a `Learner`. The critic's own sees real
and fake curves only, never where they come from.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from sdnet.adam import Adam
from sdnet.critic import Critic
from sdnet.errors import InputError, nearest
from sdnet.mlp import check_whole
from sdnet.objective import gradient_penalty, margin_accuracy

BLOCK = 16
"""Epochs whose curves are drawn together, so that the cost of drawing is shared."""


@dataclass(frozen=True, eq=False)
class Curves:
    """What a critic trains on in one block of epochs.

    real: (BLOCK, 1 or iters, b, n[, c]); fake: (BLOCK, b, n[, c]); epsilon: (BLOCK, iters, b, 1),
    where between fake and real the gradient penalty is taken.
    """

    real: Tensor
    fake: Tensor
    epsilon: Tensor


@dataclass
class Figures:
    """One entry an epoch. acc, loss and penalty are of curves that were not yet trained on.

    They are taken at an epoch's first step, or over all its steps where each has its own real
    curves; `penalty` is mean (|g| - 1)^2, and 0 without a gradient penalty. `times` are seconds.
    """

    acc: list[float] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    penalty: list[float] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    non_finite: int | None = None  # the epoch of this stretch, counted from its start, that was


class NonFiniteError(RuntimeError):
    """Training gave a loss or weight that is no number; the critic is as before that epoch."""

    def __init__(self, epoch: int):
        super().__init__(f"training became non-finite in epoch {epoch + 1}")
        self.epoch = epoch


def learning_rate(schedule: str, rate: float, epoch: int, epochs: int) -> float:
    """The rate in an epoch (from 0): "constant", or "cosine", rate (1 + cos(pi epoch/epochs)) / 2.

    >>> [learning_rate("cosine", 1.0, epoch, 4) for epoch in (0, 2, 4)]
    [1.0, 0.5, 0.0]
    """
    if schedule == "constant":
        return rate
    if schedule == "cosine":
        return rate * (1 + math.cos(math.pi * epoch / epochs)) / 2
    raise InputError(f"schedule is {schedule!r}; {nearest(str(schedule), ['constant', 'cosine'])}")


@runtime_checkable
class Learner(Protocol):
    """What is trained: networks with their optimisers."""

    def stretch(self, block: Any, epochs: range, stop: Callable[[], bool]) -> tuple[Any, bool]:
        """Train through epochs of one block; their figures, and whether `stop` ended them.

        The figures have `times` (one an epoch that was trained) and `non_finite`, see `Figures`.
        """

    def state(self) -> dict:
        """A copy of all that training changes."""

    def restore(self, state: dict) -> None:
        """Put everything back to a `state`."""


def stretch_end(start: int, pauses: Iterable[int] = ()) -> int:
    """Where a stretch that begins at epoch `start` ends: with its block, or at a pause's multiple.

    >>> stretch_end(3), stretch_end(3, [5]), stretch_end(15, [100])
    (16, 5, 16)
    """
    return min((start // pause + 1) * pause for pause in (BLOCK, *pauses))


def stretches(
    learner: Learner,
    draw: Callable[[int], Any],
    epochs: int,
    *,
    start: int = 0,
    pauses: tuple[int, ...] = (BLOCK,),
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Any]:
    """Train through epochs `start` to `epochs`, yielding the figures of each stretch.

    A stretch ends with its block, or at a multiple of one of the `pauses`, or when `stop` says
    so, which is asked after every epoch and ends the training. What an epoch does depends on the
    learner and `draw` of its block only: training from `start` gives the same bits as training
    that never stopped.

    Args:
        draw: what block i trains on, epochs BLOCK * i to BLOCK * (i + 1).

    Raises:
        NonFiniteError: after a stretch of the epochs before it, to which the learner is put back.
    """
    number, block = None, None
    while start < epochs:
        if start // BLOCK != number:
            number = start // BLOCK
            block = draw(number)
        end = min(epochs, stretch_end(start, pauses))
        before = learner.state()
        figures, stopped = learner.stretch(block, range(start, end), stop)
        bad = None
        while figures.non_finite is not None:  # again if weights were lost before a loss shows it
            learner.restore(before)
            bad = figures.non_finite
            figures, _ = learner.stretch(block, range(start, start + bad), lambda: False)
        yield figures
        if bad is not None:
            raise NonFiniteError(start + bad)
        if stopped:
            return
        start = end


def train(
    critic: Critic,
    draw: Callable[[int], Curves],
    epochs: int,
    *,
    start: int = 0,
    schedule: str = "constant",
    pause: int = BLOCK,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Figures]:
    """Train a critic through epochs `start` to `epochs`, yielding the figures of each stretch.

    See `stretches`; `draw` gives the curves of a block.

    Raises:
        NonFiniteError: after a stretch of the epochs before it, to which the critic is put back.
    """
    check_whole("pause", pause, 1)
    learner = CriticLearner(critic, schedule, epochs)
    yield from stretches(learner, draw, epochs, start=start, pauses=(pause,), stop=stop)


@dataclass(frozen=True)
class CriticLearner:
    """A critic as `stretches` trains it; `epochs` are those of its schedule."""

    critic: Critic
    schedule: str
    epochs: int

    def rates(self, epochs: range) -> list[float]:
        """The learning rate of each of these epochs."""
        return [learning_rate(self.schedule, self.critic.lr, i, self.epochs) for i in epochs]

    def stretch(
        self, block: Curves, epochs: range, stop: Callable[[], bool]
    ) -> tuple[Figures, bool]:
        return _stretch(self.critic, block, epochs.start % BLOCK, self.rates(epochs), stop)

    def state(self) -> dict:
        return training_state(self.critic)

    def restore(self, state: dict) -> None:
        restore(self.critic, state)


def _stretch(
    critic: Critic, curves: Curves, first: int, rates: list[float], stop: Callable[[], bool]
) -> tuple[Figures, bool]:
    """Epochs from place `first` of a block on, one for each rate; and whether `stop` ended them.

    Margins and norms of the whole block are kept, each epoch's in its place: how a sum is rounded
    depends on the shape it is taken over, and figures must not depend on where a stretch began.
    """
    count, other = curves.real.shape[2], curves.fake.shape[1]
    margins = curves.fake.new_zeros(BLOCK, critic.iters, count + other)
    norms = curves.fake.new_ones(BLOCK, critic.iters, count)  # 1: no penalty
    times, stopped = [], False
    for place, rate in enumerate(rates, start=first):
        began = time.perf_counter()
        critic.optimizer.lr = rate
        real, fake, epsilon = curves.real[place], curves.fake[place], curves.epsilon[place]
        steps = [critic.step(real[i % len(real)], fake, epsilon[i]) for i in range(critic.iters)]
        margins[place] = torch.stack([step[0] for step in steps])
        if critic.gp:
            norms[place] = torch.stack([step[1] for step in steps])
        times.append(time.perf_counter() - began)
        stopped = stop()
        if stopped:
            break
    return figures_of(critic, curves, margins, norms, first, times), stopped


def figures_of(
    critic: Critic, curves: Curves, margins: Tensor, norms: Tensor, first: int, times: list[float]
) -> Figures:
    """From what steps returned to figures, of as many epochs as times from place `first` on.

    Args:
        curves: the block that was trained on.
        margins, norms: of all its steps, (BLOCK, iters, b + b) and (BLOCK, iters, b).
    """
    count, done = norms.shape[-1], slice(first, first + len(times))
    unseen = slice(None) if curves.real.shape[1] > 1 else slice(1)
    phi = critic.objective.phi(margins)
    loss = phi[..., :count].mean(-1) + phi[..., count:].mean(-1)
    tables = (margin_accuracy(margins, count), loss, gradient_penalty(norms))
    acc, loss_row, penalty = (table[:, unseen].mean(-1)[done].tolist() for table in tables)
    figures = Figures(acc, loss_row, penalty, times)
    finite = (loss + tables[-1]).isfinite().all(-1)[done]
    if not finite.all():
        figures.non_finite = int(finite.int().argmin())
    elif times and not all_finite(critic.parameters(), critic.optimizer):
        figures.non_finite = len(times) - 1  # the last step's update
    return figures


def all_finite(parameters: Iterable[Tensor], adam: Adam) -> bool:
    """Whether weights and moments are numbers: an infinite moment stops its weight for good."""
    tensors = [tensor.detach() for tensor in (*parameters, *adam.first, *adam.second)]
    # a finite sum has finite terms, and is 70 times as quick
    return all(math.isfinite(x.sum()) or bool(x.isfinite().all()) for x in tensors)


def training_state(critic: Critic) -> dict:
    """A copy of all that training changes: the weights and the optimiser's moments.

    >>> from sdnet.critic import SDNet
    >>> critic = SDNet(in_size=4, hid_num=1, hid_size=8)
    >>> sorted(training_state(critic))
    ['critic', 'optimizer']
    """
    state = {"critic": dict(critic.state_dict()), "optimizer": critic.optimizer.state_dict()}
    return copied(state)


def copied(tree: object) -> object:
    """The same containers of copies of the tensors: of each its own numbers, also where it is part
    of a larger one, which `copy.deepcopy` would copy whole."""
    if isinstance(tree, dict):
        return {key: copied(value) for key, value in tree.items()}
    return [copied(value) for value in tree] if isinstance(tree, list) else tree.clone()


def restore(critic: Critic, state: dict) -> None:
    """Put a critic back to a `training_state`."""
    critic.load_state_dict(state["critic"])
    critic.optimizer.load_state_dict(state["optimizer"])
