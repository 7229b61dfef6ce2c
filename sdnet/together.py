"""Many critics trained at once: members come, train on their own curves, and leave as they end.

Each ends as it would alone, as `sdnet.stack` has it; their epochs, schedules and curves are their
own too.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sdnet.critic import Critic
from sdnet.errors import InputError
from sdnet.stack import CriticStack, side_by_side
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
    >>> import torch
    >>> from sdnet.critic import SDNet
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
            self.curves = side_by_side(blocks)
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
