"""Many learners trained at once: members come, train on blocks of their own, and leave as they end.

Each ends as it would alone; their epochs, schedules and blocks are their own too. How the steps of
several are taken together is a team's business: here that of critics, see `sdnet.stack`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from sdnet.critic import Critic
from sdnet.errors import InputError
from sdnet.stack import CriticStack, side_by_side
from sdnet.training import (
    BLOCK,
    CriticLearner,
    Curves,
    Figures,
    Learner,
    NonFiniteError,
    figures_of,
    stretch_end,
    stretches,
)


@runtime_checkable
class Trainee(Protocol):
    """What trains with others: a learner, what block i gives it to train on, and for how long.

    present: set it to False, and it leaves at the end of the stretch. steps: an epoch's; those with
    more come first in a team. pauses: it is told of at multiples of these epochs at least.
    """

    draw: Callable[[int], Any]
    epochs: int
    present: bool

    @property
    def learner(self) -> Learner: ...

    @property
    def steps(self) -> int: ...

    @property
    def pauses(self) -> tuple[int, ...]: ...


@runtime_checkable
class Team(Protocol):
    """Several trainees whose steps are taken together."""

    def stretch(self, blocks: Sequence[Any], epochs: range, stop: Callable[[], bool]) -> list[Any]:
        """Train through epochs of a block of each; the figures of each, see `Learner`."""


@dataclass(eq=False)
class Member:
    """A critic, what block i gives it to train on, and for how long; see `Trainee`."""

    critic: Critic
    draw: Callable[[int], Curves]
    epochs: int
    schedule: str = "constant"
    present: bool = True

    @property
    def learner(self) -> CriticLearner:
        return CriticLearner(self.critic, self.schedule, self.epochs)

    @property
    def steps(self) -> int:
        return self.critic.iters

    @property
    def pauses(self) -> tuple[int, ...]:
        return ()


@dataclass(frozen=True)
class Stretch:
    """What a member did in a stretch, and what ended it, if anything: see `sdnet.training`."""

    member: Trainee
    figures: Any
    error: NonFiniteError | InputError | None = None


class CriticTeam:
    """Critics of one form, as `CriticStack` trains them."""

    def __init__(self, members: Sequence[Member]):
        self.members, self.blocks, self.stack = members, [], None

    def stretch(
        self, blocks: Sequence[Curves], epochs: range, stop: Callable[[], bool]
    ) -> list[Figures]:
        """Each has the share of the time that it has of the steps."""
        if blocks != self.blocks:
            self.blocks, self.curves = blocks, side_by_side(blocks)
        if self.stack is None:
            critics = [member.critic for member in self.members]
            self.stack = CriticStack(critics, self.curves.fake.shape[2])
        first, rates = epochs.start % BLOCK, [one.learner.rates(epochs) for one in self.members]
        margins, norms, times = self.stack.stretch(self.curves, first, rates, stop)
        total, figures = sum(member.steps for member in self.members), []
        for number, (member, block) in enumerate(zip(self.members, blocks, strict=True)):
            own = [seconds * member.steps / total for seconds in times]
            tables = (table[number, :, : member.steps].contiguous() for table in (margins, norms))
            figures.append(figures_of(member.critic, block, *tables, first, own))
        return figures


def train_together(
    members: Sequence[Trainee],
    *,
    start: int = 0,
    pause: int = BLOCK,
    stop: Callable[[], bool] = lambda: False,
    team_of: Callable[[Sequence[Any]], Team] = CriticTeam,
) -> Iterator[list[Stretch]]:
    """Train members from epoch `start` on, each to its own end, yielding what each stretch gave.

    A stretch ends with its block, at a multiple of `pause` or of a member's, with the last epoch of
    a member, and when `stop` says so, which is asked after every epoch; who is still `present` then
    goes on. A member whose figures, weights or draws are no longer numbers leaves with an error, as
    it was before that epoch (of draws there are no figures).

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
    here = sorted(members, key=lambda member: -member.steps)
    group, number, blocks = None, None, {}
    while here := [member for member in here if member.present and member.epochs > start]:
        if start // BLOCK != number:
            number = start // BLOCK
            blocks, failed = _drawn(here, number)
            if failed:
                yield _without_failed(failed)
                continue
        if group is None or group.members != here:
            group = _Group(here, team_of)
        pauses = [pause, *(other for member in here for other in member.pauses)]
        end = min(stretch_end(start, pauses), *(member.epochs for member in here))
        own = [blocks[member] for member in here]
        stretch, done = group.stretch(own, range(start, end), stop)
        if any(part.error for part in stretch):
            group = None  # whose members' weights were put back
        start += done
        yield _without_failed(stretch)


def _without_failed(stretch: list[Stretch]) -> list[Stretch]:
    for part in stretch:
        part.member.present &= part.error is None
    return stretch


def _drawn(members: Sequence[Trainee], number: int) -> tuple[dict[Trainee, Any], list[Stretch]]:
    """Block `number` of each member, and those that can't have it."""
    blocks, failed = {}, []
    for member in members:
        try:
            blocks[member] = member.draw(number)
        except InputError as error:  # a rare draw that isn't finite
            failed.append(Stretch(member, None, error))
    return blocks, failed


class _Group:
    """Members that train together, or one that does so alone."""

    def __init__(self, members: list[Trainee], team_of: Callable[[Sequence[Any]], Team]):
        self.members = members
        self.team = team_of(members) if len(members) > 1 else None

    def stretch(
        self, blocks: list[Any], epochs: range, stop: Callable[[], bool]
    ) -> tuple[list[Stretch], int]:
        """What each did in these epochs, and how many of them `stop` let be."""
        if self.team is None:
            part = _alone(self.members[0], blocks[0], epochs, stop)
            return [part], len(part.figures.times)
        before = [member.learner.state() for member in self.members]
        found = self.team.stretch(blocks, epochs, stop)
        done, parts = len(found[0].times), []
        for member, block, figures, state in zip(self.members, blocks, found, before, strict=True):
            if figures.non_finite is None:
                parts.append(Stretch(member, figures))
            else:  # again by itself, which ends as it does alone
                member.learner.restore(state)
                parts.append(_alone(member, block, epochs[:done]))
        return parts, done


def _alone(
    member: Trainee, block: Any, epochs: range, stop: Callable[[], bool] = lambda: False
) -> Stretch:
    run = stretches(member.learner, lambda _: block, epochs.stop, start=epochs.start, stop=stop)
    figures = next(run)
    try:
        next(run, None)
    except NonFiniteError as error:
        return Stretch(member, figures, error)
    return Stretch(member, figures)
