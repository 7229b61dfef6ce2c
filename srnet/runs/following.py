"""Many runs that train at once: what happens to each while they do, and how each ends.

Whose networks they are, and how they train together, is the business of `srnet.runs.critics` and
`srnet.runs.generator_runs`.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

from tqdm.auto import tqdm

from sdnet.errors import InputError
from sdnet.together import Stretch, Team, Trainee, train_together
from srnet.runs.running import ended_by, log, one_thread
from srnet.runs.stopping import Stopping
from srnet.runs.tracking import Tracker


@runtime_checkable
class Run(Protocol):
    """A run that has begun: what it was asked, and its record so far.

    weight: of its epochs, in the time that those of a stack take. advice: what helps against
    numbers that end.
    """

    config: Any
    record: dict
    advice: str

    @property
    def weight(self) -> int: ...

    def trainee(self) -> Trainee:
        """What is to be trained."""

    def keep(self, figures: Any) -> None:
        """Add the figures of a stretch to the record, without its times."""

    def pause(self, done: int, checkpoint_every: int) -> None:
        """What is due after a stretch."""

    def finish(self) -> None:
        """What is due in the end."""


AnyRun = TypeVar("AnyRun", bound=Run)


def begin_all(
    begin: Callable[..., AnyRun],
    hyperparams: Sequence[Mapping],
    seeds: Sequence[int] | None,
    states: Sequence[Mapping | None] | None,
    paths: Sequence[str | Path | None] | None,
    trackers: Sequence[Tracker | None] | None,
) -> list[AnyRun]:
    """A run of each of the settings, each with what is given for it; None: seed 0, and none.

    Args:
        begin: given settings, a seed and, by their names, state, path and tracker.

    Raises:
        InputError: other numbers of things than of settings; or of one run, which it names.
    """
    count = len(hyperparams)
    seeds = [0] * count if seeds is None else seeds
    given = {"seeds": seeds, "states": states, "paths": paths, "trackers": trackers}
    for name, values in given.items():
        if values is not None and len(values) != count:
            raise InputError(f"{len(values)} {name} are given for {count} hyperparams")
    columns = ([None] * count if row is None else row for row in (states, paths, trackers))
    runs: list[AnyRun] = []
    for settings, seed, state, path, tracker in zip(hyperparams, seeds, *columns, strict=True):
        with named(len(runs)):
            runs.append(begin(settings, seed, state=state, path=path, tracker=tracker))
    return runs


@contextlib.contextmanager
def named(number: int) -> Iterator[None]:
    """Errors name the run."""
    try:
        yield
    except InputError as error:
        raise InputError(f"run {number}: {error}") from error


def follow_together(
    runs: Sequence[AnyRun],
    stacks: Callable[[Sequence[AnyRun]], list[list[AnyRun]]],
    team_of: Callable[[Sequence[Any]], Team],
    checkpoint_every: int = 100,
    watch: Callable[[int, Mapping], str | None] | None = None,
    ended: Callable[[int, dict], None] | None = None,
    progress: bool = True,
) -> None:
    """Train runs that have begun and are checked, one stack after another, to their ends.

    Args:
        stacks: which of the runs train as one.
        team_of: how these do.
        checkpoint_every, watch, ended, progress: as for `srnet.runs.critics.train_critics`.
    """
    total = sum(run.config.epochs for run in runs)
    bar = tqdm(total=total, unit="epoch", disable=None if progress else True)
    with one_thread(), bar, Stopping(None) as signals:
        following = _Following(runs, team_of, checkpoint_every, watch, ended, signals, bar)
        for stack in stacks(runs):
            following.train(stack)


@dataclass(frozen=True)
class _Following:
    """What happens to runs while they train, and how each of them ends."""

    runs: Sequence[Run]
    team_of: Callable[[Sequence[Any]], Team]
    checkpoint_every: int
    watch: Callable[[int, Mapping], str | None] | None
    ended: Callable[[int, dict], None] | None
    signals: Stopping
    bar: tqdm

    def train(self, runs: Sequence[Run]) -> None:
        """Train the runs of one stack to their ends."""
        clock, members = _Clock(runs, self.signals), {}
        for run in runs:
            run.record["ended"], done = "running", len(run.record["times"])
            self.bar.update(done)
            if done >= run.config.epochs:
                self._end(run, "finished")
            members[run.trainee()] = run
        together = train_together(
            list(members),
            start=len(runs[0].record["times"]),
            pause=self.checkpoint_every,
            stop=clock,
            team_of=self.team_of,
        )
        for stretch in together:
            for part in stretch:
                run = members[part.member]
                if part.figures is not None and part.figures.times:
                    self._keep(run, part.figures)
                reason = self._reason(run, part, clock)
                if reason is not None:
                    part.member.present = False
                    self._end(run, reason)
            clock.asked = time.monotonic()  # evaluations and files are nobody's time

    def _keep(self, run: Run, figures: Any) -> None:
        run.keep(figures)
        run.record["times"].extend(figures.times)
        self.bar.update(len(figures.times))
        run.pause(len(run.record["times"]), self.checkpoint_every)

    def _reason(self, run: Run, part: Stretch, clock: "_Clock") -> str | None:
        """What ends a run after a stretch, if anything does."""
        done, word = len(run.record["times"]), None
        if part.error is not None:
            return ended_by(part.error, done, run.advice)
        if self.watch is not None:  # of the last epoch too, as others may be compared with it
            word = self.watch(self.runs.index(run), run.record)
        if done >= run.config.epochs:
            return "finished"
        if self.signals.reason is not None:
            return self.signals.reason
        if clock.over(run):
            return "runtime"
        return word

    def _end(self, run: Run, reason: str) -> None:
        run.record["ended"] = reason
        try:
            run.finish()
        except InputError as error:  # of a rare draw; the others are to go on
            log.warning("%s; there is no evaluation", error)
        if self.ended is not None:
            self.ended(self.runs.index(run), run.record)


class _Clock:
    """Shares the time that passes between the runs of a stack, by their weights.

    Asked after every epoch, it says whether the stack has to stop for one of them, or for a signal.
    """

    def __init__(self, runs: Sequence[Run], signals: Stopping):
        self.signals, self.asked = signals, time.monotonic()
        self.spent = dict.fromkeys(runs, 0.0)

    def __call__(self) -> bool:
        now = time.monotonic()
        training = [run for run in self.spent if run.record["ended"] == "running"]
        passed = (now - self.asked) / sum(run.weight for run in training)
        for run in training:
            self.spent[run] += passed * run.weight
        self.asked = now
        return self.signals() or any(self.over(run) for run in training)

    def over(self, run: Run) -> bool:
        """Whether a run has had its `runtime`."""
        return run.config.runtime is not None and self.spent[run] > run.config.runtime
