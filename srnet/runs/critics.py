"""Many critic runs at once: what `srnet.runs.critic` does, of a whole list of settings."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm.auto import tqdm

from sdnet.errors import InputError
from sdnet.library import SDData
from sdnet.mlp import check_whole
from sdnet.together import Member, Stretch, train_together
from srnet.runs.critic import ADVICE, Run, begin, check_library
from srnet.runs.grouping import stacks
from srnet.runs.running import ended_by, log, one_thread
from srnet.runs.stopping import Stopping
from srnet.runs.tracking import Tracker
from srnet.tables import SRData


def train_critics(
    hyperparams: Sequence[Mapping],
    train: SRData,
    lib: SDData,
    seeds: Sequence[int] | None = None,
    *,
    states: Sequence[Mapping | None] | None = None,
    paths: Sequence[str | Path | None] | None = None,
    trackers: Sequence[Tracker | None] | None = None,
    checkpoint_every: int = 100,
    watch: Callable[[int, Mapping], str | None] | None = None,
    ended: Callable[[int, dict], None] | None = None,
    device: str = "cpu",
    progress: bool = True,
) -> list[dict]:
    """Train a critic of each of the settings; the states they end with, as `train_critic`'s.

    Critics of one shape train as one stack, of the size that is quickest here. Each ends as
    `train_critic` ends with its settings and seed: on a CPU to the bit, but for `times`, of which
    each has its share of the stack's. `runtime` is of these shares.

    Args:
        hyperparams, train, lib, checkpoint_every, device, progress: as for `train_critic`.
        seeds, states, paths, trackers: of each, as for `train_critic`; None: 0, and none.
        watch: is given i and the record of run i so far, whenever a multiple of 16 or of
            `checkpoint_every` epochs is done, and perhaps at others; a word ends the run.
        ended: told of run i and its state as soon as it has ended.

    Returns:
        the states, in the order of the settings. Where the evaluation meets a draw that isn't
        finite there is no `fresh`, and a warning is logged.

    Raises:
        InputError: as `train_critic`, before any of them is trained, naming the run.

    >>> import torch
    >>> lib = SDData.from_lines(["N0*x0**2 + N1"], "X00")
    >>> points = SRData.from_arrays(torch.linspace(-1, 1, 20)[:, None])
    >>> small = {"epochs": 3, "disc.hid_size": 8}
    >>> grid = [{**small, "disc.lr": lr, "disc.gp": gp} for lr in (1e-4, 1e-3) for gp in (0, 1e-5)]
    >>> states = train_critics(grid, points, lib, seeds=[0, 1, 2, 3], progress=False)
    >>> [len(state["history"]["acc"]) for state in states]
    [3, 3, 3, 3]
    """
    check_whole("checkpoint_every", checkpoint_every, 1)
    count = len(hyperparams)
    seeds = [0] * count if seeds is None else seeds
    given = {"seeds": seeds, "states": states, "paths": paths, "trackers": trackers}
    for name, values in given.items():
        if values is not None and len(values) != count:
            raise InputError(f"{len(values)} {name} are given for {count} hyperparams")
    columns = ([None] * count if row is None else row for row in (states, paths, trackers))
    runs: list[Run] = []
    for settings, seed, state, path, tracker in zip(hyperparams, seeds, *columns, strict=True):
        options = {"state": state, "path": path, "tracker": tracker, "device": device}
        with _named(len(runs)):
            runs.append(begin(settings, train, lib, seed, **options))
    if not runs:
        return []
    check_library(runs)
    for number, run in enumerate(runs):
        with _named(number):
            run.check()
    train_runs(runs, checkpoint_every, watch, ended, progress)
    return [run.record for run in runs]


def train_runs(
    runs: Sequence[Run],
    checkpoint_every: int = 100,
    watch: Callable[[int, Mapping], str | None] | None = None,
    ended: Callable[[int, dict], None] | None = None,
    progress: bool = True,
) -> None:
    """Train runs that have begun and are checked, of any tables, to the ends of their records.

    Args: as for `train_critics`.
    """
    total = sum(run.config.epochs for run in runs)
    bar = tqdm(total=total, unit="epoch", disable=None if progress else True)
    with one_thread(), bar, Stopping(None) as signals:
        following = _Following(runs, checkpoint_every, watch, ended, signals, bar)
        for stack in stacks(runs):
            following.train(stack)


@contextlib.contextmanager
def _named(number: int) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        raise InputError(f"run {number}: {error}") from error


@dataclass(frozen=True)
class _Following:
    """What happens to runs while they train, and how each of them ends."""

    runs: Sequence[Run]
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
            config, draw = run.config, run.source.block
            members[Member(run.critic, draw, config.epochs, config.disc.schedule)] = run
        start = len(runs[0].record["times"])
        together = train_together(
            list(members), start=start, pause=self.checkpoint_every, stop=clock
        )
        for stretch in together:
            for part in stretch:
                run = members[part.member]
                run.keep(part.figures)
                run.record["times"].extend(part.figures.times)
                self.bar.update(len(part.figures.times))
                if part.figures.times:
                    run.pause(len(run.record["times"]), self.checkpoint_every)
                reason = self._reason(run, part, clock)
                if reason is not None:
                    part.member.present = False
                    self._end(run, reason)
            clock.asked = time.monotonic()  # evaluations and files are nobody's time

    def _reason(self, run: Run, part: Stretch, clock: "_Clock") -> str | None:
        """What ends a run after a stretch, if anything does."""
        done, word = len(run.record["times"]), None
        if part.error is not None:
            return ended_by(part.error, done, ADVICE)
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
    """Shares the time that passes between the runs of a stack, by the steps that they take.

    Asked after every epoch, it says whether the stack has to stop for one of them, or for a signal.
    """

    def __init__(self, runs: Sequence[Run], signals: Stopping):
        self.signals, self.asked = signals, time.monotonic()
        self.spent = dict.fromkeys(runs, 0.0)

    def __call__(self) -> bool:
        now = time.monotonic()
        training = [run for run in self.spent if run.record["ended"] == "running"]
        passed = (now - self.asked) / sum(run.critic.iters for run in training)
        for run in training:
            self.spent[run] += passed * run.critic.iters
        self.asked = now
        return self.signals() or any(self.over(run) for run in training)

    def over(self, run: Run) -> bool:
        """Whether a run has had its `runtime`."""
        return run.config.runtime is not None and self.spent[run] > run.config.runtime
