"""Many critics trained at once: a stack of them, whose members come and go.

Members have one shape and see as many curves; learning rates, weight decays, betas, penalties,
steps an epoch, epochs and curves are each member's own. Each ends as it would alone: on the CPU to
the bit (see `sdnet.gradients`), on a GPU to rounding.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from sdnet.critic import Critic, SDNet
from sdnet.errors import InputError
from sdnet.gradients import DenseGradients
from sdnet.mlp import stacked
from sdnet.training import (
    BLOCK,
    CriticLearner,
    Curves,
    Figures,
    NonFiniteError,
    figures_of,
    learning_rate,
    restore,
    stretch_end,
    stretches,
    training_state,
)


@dataclass(eq=False)
class Member:
    """A critic, what block i gives it to train on, and for how long.

    present: set it to False, and the member leaves at the end of the stretch.
    """

    critic: Critic
    draw: Callable[[int], Curves]
    epochs: int
    schedule: str = "constant"
    present: bool = True

    def rates(self, epochs: range) -> list[float]:
        """The learning rate of each of these epochs."""
        rate = self.critic.lr
        return [learning_rate(self.schedule, rate, epoch, self.epochs) for epoch in epochs]


@dataclass(frozen=True)
class Stretch:
    """What a member did in a stretch, and what ended it, if anything: see `sdnet.training`."""

    member: Member
    figures: Figures
    error: NonFiniteError | InputError | None = None


class CriticStack:
    """E dense critics of one shape, whose steps are taken together.

    The critics keep their weights in the stack's tensors from now on, and stay critics: they may be
    saved, or trained alone, at any time. Their own optimisers make the updates: one kernel for all
    takes one rate for all, and saves 5 of 45 µs (`benchmarks/adam.py`).

    Args:
        critics: those with more `iters` first, so that who still has steps to take in an epoch is
            always the first few of the stack.
        count: curves a side.

    Raises:
        InputError: critics that don't fit one stack.

    >>> critics = [SDNet(4, hid_num=1, hid_size=8, iters=iters, gp=0) for iters in (3, 2)]
    >>> stack = CriticStack(critics, count=5)
    >>> margins, norms = stack.step(2, *torch.rand(2, 2, 5, 4), None)       # the third step
    >>> margins.shape, norms
    (torch.Size([1, 10]), None)
    """

    def __init__(self, critics: Sequence[Critic], count: int):
        forms = {form(critic) for critic in critics}
        iters = [critic.iters for critic in critics]
        if len(forms) != 1 or None in forms or iters != sorted(iters, reverse=True):
            raise InputError(
                f"critics of {len(forms)} form(s) and of iters {iters} were given; expected dense "
                "ones of one form (see sdnet.stack.form), those with more iters first"
            )
        first = critics[0]
        self.critics, self.embedded = list(critics), first.embedding is not None
        networks = [stacked(nets) for nets in zip(*(c.networks for c in critics), strict=True)]
        sizes = len(critics), count, first.in_size, *[first.emb_size] * self.embedded
        penalties = torch.tensor([critic.gp for critic in critics], dtype=torch.float64)
        whole = DenseGradients(networks, sizes, sizes, first.objective, penalties)
        for number, critic in enumerate(critics):
            critic.live_in(whole.member(number))
        self.active = [sum(number > step for number in iters) for step in range(iters[0])]
        ends = sorted(set(iters))  # the spans of steps that as many take part in
        self.spans = [
            (self.active[begin], slice(begin, end)) for begin, end in pairwise([0, *ends])
        ]
        self.gradients = {k: whole.first(k) for k in set(self.active)} | {len(critics): whole}

    @torch.no_grad()
    def step(
        self, number: int, real: Tensor, fake: Tensor, epsilon: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Step `number` of an epoch, from 0, of those members that have as many.

        Args:
            real, fake: (E, b, n[, c]). epsilon: (E, b, 1).

        Returns:
            margins (active, b + b) and norms (active, b) before it, as of `sdnet.critic.Critic`.
        """
        active = self.active[number]
        if epsilon is not None and self.embedded:
            epsilon = epsilon.unsqueeze(-1)
        if active < len(self.critics):
            real, fake = real[:active], fake[:active]
            epsilon = None if epsilon is None else epsilon[:active]
        figures = self.gradients[active](real, fake, epsilon)
        for critic in self.critics[:active]:
            critic.optimizer.update()
        return figures

    def stretch(
        self, curves: Curves, first: int, rates: Sequence[Sequence[float]], stop: Callable[[], bool]
    ) -> tuple[Tensor, Tensor, list[float]]:
        """Epochs of a block from place `first` on, one for each rate, or until `stop` says so.

        Args:
            curves: of all members, see `together`. rates: of each member, one an epoch.

        Returns:
            margins (E, BLOCK, iters, b + b) and norms (E, BLOCK, iters, b) of the steps that were
            taken, each in its place, and the seconds of each epoch.
        """
        size, steps, count = len(self.critics), len(self.active), curves.fake.shape[2]
        margins = curves.fake.new_zeros(size, BLOCK, steps, 2 * count)
        norms = curves.fake.new_ones(size, BLOCK, steps, count)  # 1: no penalty
        times = []
        for place, row in enumerate(zip(*rates, strict=True), start=first):
            began = time.perf_counter()
            for critic, rate in zip(self.critics, row, strict=True):
                critic.optimizer.lr = rate
            real, fake, epsilon = curves.real[place], curves.fake[place], curves.epsilon[place]
            reals = real.unbind() if len(real) > 1 else [real[0]] * steps
            taken = [
                self.step(step, real, fake, epsilon)
                for step, (real, epsilon) in enumerate(zip(reals, epsilon, strict=True))
            ]
            for active, span in self.spans:
                found, lengths = zip(*taken[span], strict=True)
                margins[:active, place, span] = torch.stack(found, 1)
                if lengths[0] is not None:
                    norms[:active, place, span] = torch.stack(lengths, 1)
            times.append(time.perf_counter() - began)
            if stop():
                break
        return margins, norms, times


def form(critic: Critic) -> tuple | None:
    """What critics of one stack have in common; None for one that is trained alone.

    Besides shapes it is whether there is a penalty: one of weight 0 would cost, and round sums
    otherwise.
    """
    if not isinstance(critic, SDNet) or critic.stack:
        return None
    shapes = tuple(tuple(parameter.shape) for parameter in critic.parameters())
    device = critic.critic.weights[0].device
    return critic.in_size, critic.emb_size, critic.objective, bool(critic.gp), shapes, device


def together(blocks: Sequence[Curves]) -> Curves:
    """The blocks of E members as one: real (BLOCK, 1 or iters, E, b, n[, c]), fake (BLOCK, E, ...),
    epsilon (BLOCK, iters, E, b, 1). Members of fewer steps than others have zeros for the rest.
    """
    return Curves(
        _filled([block.real for block in blocks]),
        torch.stack([block.fake for block in blocks], 1),
        _filled([block.epsilon for block in blocks]),
    )


def _filled(parts: Sequence[Tensor]) -> Tensor:
    """(BLOCK, steps, ...) of each member -> (BLOCK, most steps, E, ...)."""
    most = max(part.shape[1] for part in parts)
    whole = parts[0].new_zeros(len(parts[0]), most, len(parts), *parts[0].shape[2:])
    for number, part in enumerate(parts):
        whole[:, : part.shape[1], number] = part
    return whole


def train_together(
    members: Sequence[Member],
    *,
    start: int = 0,
    pause: int = BLOCK,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[list[Stretch]]:
    """Train members from epoch `start` on, each to its own end, yielding what each stretch gave.

    A stretch ends with its block, at a multiple of `pause`, with the last epoch of a member, and
    when `stop` says so, which is asked after every epoch; who is still `present` then goes on. A
    member whose figures, weights or draws are no longer numbers leaves with an error, as it was
    before that epoch.

    >>> from functools import partial
    >>> def draw(seed, number):
    ...     generator = torch.Generator().manual_seed(100 * seed + number)
    ...     sides = torch.rand(2, BLOCK, 1, 5, 4, generator=generator)
    ...     return Curves(sides[0], sides[1, :, 0], torch.rand(BLOCK, 3, 5, 1, generator=generator))
    >>> members = [
    ...     Member(SDNet(4, hid_num=1, hid_size=8, iters=3, lr=lr), partial(draw, seed), epochs)
    ...     for seed, (lr, epochs) in enumerate([(1e-3, 10), (1e-2, 20)])
    ... ]
    >>> for stretch in train_together(members):
    ...     [len(part.figures.acc) for part in stretch]
    [10, 10]
    [6]
    [4]
    """
    team = sorted(members, key=lambda member: -member.critic.iters)
    stack, number, blocks = None, None, {}
    while team := [member for member in team if member.present and member.epochs > start]:
        if start // BLOCK != number:
            number = start // BLOCK
            blocks, failed = _drawn(team, number)
            if failed:
                yield _without_failed(failed)
                continue
        if stack is None or stack.members != team:
            stack = _Team(team)
        stack.train_on([blocks[member] for member in team])
        end = min(stretch_end(start, [pause]), *(member.epochs for member in team))
        stretch, done = stack.stretch(range(start, end), stop)
        if any(part.error for part in stretch):
            stack = None  # whose members' weights were put back
        start += done
        yield _without_failed(stretch)


def _without_failed(stretch: list[Stretch]) -> list[Stretch]:
    for part in stretch:
        part.member.present &= part.error is None
    return stretch


def _drawn(team: Sequence[Member], number: int) -> tuple[dict[Member, Curves], list[Stretch]]:
    """Block `number` of each member, and those that can't have it."""
    blocks, failed = {}, []
    for member in team:
        try:
            blocks[member] = member.draw(number)
        except InputError as error:  # a rare draw that isn't finite
            failed.append(Stretch(member, Figures(), error))
    return blocks, failed


class _Team:
    """Members that train on a block together, or one that does so alone."""

    def __init__(self, members: list[Member]):
        self.members, self.blocks, self.stack = members, [], None

    def train_on(self, blocks: list[Curves]) -> None:
        """From now on, stretches are of these blocks."""
        if blocks == self.blocks:
            return
        self.blocks = blocks
        if len(blocks) > 1:
            self.curves = together(blocks)
            if self.stack is None:
                critics = [member.critic for member in self.members]
                self.stack = CriticStack(critics, self.curves.fake.shape[2])

    def stretch(self, epochs: range, stop: Callable[[], bool]) -> tuple[list[Stretch], int]:
        """What each did in these epochs, and how many of them `stop` let be."""
        if len(self.members) == 1:
            part = _alone(self.members[0], self.blocks[0], epochs, stop)
            return [part], len(part.figures.times)
        before = [training_state(member.critic) for member in self.members]
        first, rates = epochs.start % BLOCK, [member.rates(epochs) for member in self.members]
        margins, norms, times = self.stack.stretch(self.curves, first, rates, stop)
        trained = range(epochs.start, epochs.start + len(times))
        total, parts = sum(member.critic.iters for member in self.members), []
        for number, (member, block) in enumerate(zip(self.members, self.blocks, strict=True)):
            critic = member.critic
            own = [seconds * critic.iters / total for seconds in times]
            tables = (table[number, :, : critic.iters].contiguous() for table in (margins, norms))
            figures = figures_of(critic, block, *tables, first, own)
            if figures.non_finite is None:
                parts.append(Stretch(member, figures))
            else:  # again by itself, which ends as it does alone
                restore(critic, before[number])
                parts.append(_alone(member, block, trained))
        return parts, len(times)


def _alone(
    member: Member, block: Curves, epochs: range, stop: Callable[[], bool] = lambda: False
) -> Stretch:
    learner = CriticLearner(member.critic, member.schedule, member.epochs)
    run = stretches(learner, lambda _: block, epochs.stop, start=epochs.start, stop=stop)
    figures = next(run)
    try:
        next(run, None)
    except NonFiniteError as error:
        return Stretch(member, figures, error)
    return Stretch(member, figures)
