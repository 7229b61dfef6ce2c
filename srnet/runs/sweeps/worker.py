"""A worker of a study: takes trials from the ledger, trains them, and keeps what comes of them.

Any number of workers, here and on other machines, work at one study by its ledger alone.
"""

import contextlib
import math
import multiprocessing
import sys
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdnet.errors import InputError
from srnet.runs.config import Settings
from srnet.runs.states import save_state
from srnet.runs.sweeps.command import KINDS, Command, command_of, typed
from srnet.runs.sweeps.format import parse_sweep
from srnet.runs.sweeps.hyperband import bracket_of, brackets, stops
from srnet.runs.sweeps.ledger import Claim, Ledger
from srnet.runs.sweeps.points import draw, grid_point
from srnet.runs.sweeps.storages import lost_is_told
from srnet.runs.sweeps.trials import figures_of, likeness, steps_of, train_batch
from srnet.runs.tracking import track
from srnet.runs.values import to_plain

STOPPED = "stopped early"
"""How a trial ended that hyperband stopped."""

PAUSE = 0.2
"""Seconds between two looks at the trials of others."""


@dataclass(frozen=True)
class Job:
    """What a worker is to do; plain, so that a process of its own can be given it.

    `text` is the sweep file's, `where` its name in messages, `more` words added to its command;
    `count` the trials of the study, `members` how many a worker takes at once.
    """

    text: str
    where: str
    more: tuple[str, ...]
    storage: str
    name: str
    seed: int
    count: int
    members: int
    out: Path
    project: str | None

    def command(self) -> Command:
        """The sweep and what it is of."""
        return command_of(parse_sweep(self.text, self.where), self.more)


def state_name(trial: int) -> str:
    """The name of a trial's state file.

    >>> state_name(12)
    'trial-00012.pt'
    """
    return f"trial-{trial:05d}.pt"


def work(job: Job, ledger: Ledger, told: Callable[[], None] = lambda: None) -> None:
    """Take and train trials until none is left; `told` is called after each.

    Raises:
        KeyboardInterrupt: asked to stop; what was not finished is given back.
        InputError: the storage can't be used.
    """
    command = job.command()
    order = Order(command, job.seed)
    with ledger.beating():
        while claims := _next(ledger, command, job, order):
            batch = Batch(claims, ledger, command, job, told)
            try:
                batch.train()
            except BaseException:
                batch.release()
                raise


def work_as_process(job: Job) -> None:
    """`work`, for a process of its own: exits with 2 for bad input, with 130 when interrupted."""
    try:
        ledger = Ledger(job.storage, job.name)
        with contextlib.closing(ledger), lost_is_told(job.storage):
            work(job, ledger)
    except KeyboardInterrupt:
        sys.exit(130)
    except InputError as error:
        print(f"symdisc: {error}", file=sys.stderr)
        sys.exit(2)


def over(ledger: Ledger, command: Command, count: int) -> bool:
    """Whether every trial has its result, or one has reached the metric's target."""
    results, metric = ledger.results(count), command.metric
    if metric.target is not None:
        for one in results.values():
            figure = one.get("figures", {}).get(metric.name, math.nan)
            maximize = metric.goal == "maximize"
            if figure >= metric.target if maximize else figure <= metric.target:
                return True
    return len(results) >= count


class Order:
    """Which trials are taken together: those that train at once, as far as that is known."""

    def __init__(self, command: Command, seed: int):
        self._command, self._seed = command, seed
        self._known: dict[int, tuple[float, Hashable]] = {}

    def __call__(self, trial: int) -> tuple[float, Hashable]:
        if self._command.sweep.method == "bayes":  # whose values are not known before
            return 0.0, None
        if trial not in self._known:
            values = _planned(trial, self._command, self._seed)
            try:
                self._known[trial] = likeness(self._command.kind, self._command.settings(values))
            except InputError:  # of this one alone, which it will say when it is its turn
                self._known[trial] = 0.0, object()
        return self._known[trial]


def _next(ledger: Ledger, command: Command, job: Job, order: Order) -> list[Claim]:
    """The trials to train next; waits while others may leave theirs; none when all is done."""
    while not over(ledger, command, job.count):
        if _parent_is_gone():
            raise KeyboardInterrupt
        claims = ledger.claim(job.members, job.count, order)
        if claims:
            return claims
        time.sleep(PAUSE)
    return []


def _planned(trial: int, command: Command, seed: int) -> dict[str, Any]:
    """What a trial of a grid or random search is given, by dotted keys."""
    parameters = command.sweep.parameters
    if command.sweep.method == "grid":
        return grid_point(parameters, trial)
    return draw(parameters, seed, trial)


def _values(claim: Claim, ledger: Ledger, command: Command, seed: int) -> dict[str, Any]:
    if command.sweep.method == "bayes":
        return ledger.suggest(claim, command.sweep.parameters, seed)
    return _planned(claim.trial, command, seed)


class Batch:
    """Trials that were taken together: each is trained, and its state and result kept."""

    def __init__(
        self,
        claims: list[Claim],
        ledger: Ledger,
        command: Command,
        job: Job,
        told: Callable[[], None],
    ):
        self._ledger, self._command, self._job, self._told = ledger, command, job, told
        self._left, self.interrupted = list(claims), False
        self._trained: list[tuple[Claim, dict[str, Any]]] = []

    def begin(self) -> list[Settings]:
        """The settings of the trials that can be trained; the others have failed."""
        command, job = self._command, self._job
        batch: list[Settings] = []
        for claim in tuple(self._left):
            values = _values(claim, self._ledger, command, job.seed)
            self._ledger.note(claim, values)
            try:
                settings = command.settings(values)
            except InputError as error:  # keys that are wrong together only
                self._finish(claim, values, error)
                continue
            batch.append(settings)
            self._trained.append((claim, typed(command, values)))
        return batch

    def train(self) -> None:
        """Train all of them here; KeyboardInterrupt where one was interrupted."""
        job, batch = self._job, self.begin()
        trackers = [
            track(job.project, name, to_plain(settings), group=job.name)
            for name, settings in zip(self.names, batch, strict=True)
        ]
        watch = _Watch([claim for claim, _ in self._trained], self._ledger, self._command)
        train_batch(self._command.kind, batch, watch, self.ended, trackers)
        if self.interrupted:
            raise KeyboardInterrupt

    @property
    def names(self) -> list[str]:
        """Of the trials that can be trained, in their order."""
        return [Path(state_name(claim.trial)).stem for claim, _ in self._trained]

    def release(self) -> None:
        """Give back those that have no result."""
        for claim in self._left:
            self._ledger.release(claim)

    def ended(self, i: int, outcome: dict | InputError) -> None:
        """Keep what came of the i-th of those that can be trained."""
        claim, values = self._trained[i]
        if isinstance(outcome, dict) and outcome["ended"] == "interrupted":
            self.interrupted = True
            return
        if isinstance(outcome, dict):
            save_state(self._job.out / state_name(claim.trial), outcome)
        self._finish(claim, values, outcome)

    def _finish(self, claim: Claim, values: dict[str, Any], outcome: Mapping | InputError) -> None:
        if isinstance(outcome, InputError):
            self._ledger.finish(claim, {"values": values, "ended": f"failed: {outcome}"}, None)
        else:
            self._ledger.finish(claim, *_result(values, outcome, self._command))
        self._left.remove(claim)
        self._told()


def _result(
    values: dict[str, Any], state: Mapping, command: Command
) -> tuple[dict[str, Any], float | None, int | None]:
    """A trial's result, and what a bayesian search learns: a figure, and when of one stopped."""
    metric, sweep = command.metric, command.sweep
    figures = figures_of(state, KINDS[command.kind].ends)
    result = {
        "values": values,
        "figures": figures,
        "epochs": len(state["times"]),
        "ended": state["ended"],
    }
    value, step = figures[metric.name], None
    if state["ended"] == STOPPED and sweep.early_terminate is not None:
        history = steps_of(state, metric.name, metric.goal == "maximize")
        step = bracket_of(sweep.early_terminate, len(history))
        value = value if step is None else history[step - 1]
    return result, None if math.isnan(value) else value, step


class _Watch:
    """Ends trials that hyperband stops, and all of them when the study's own process is gone."""

    def __init__(self, claims: list[Claim], ledger: Ledger, command: Command):
        self._claims, self._ledger, self._command = claims, ledger, command
        self._compared: list[set[int]] = [set() for _ in claims]

    def __call__(self, i: int, record: Mapping) -> str | None:
        if _parent_is_gone():
            return "interrupted"
        rule, metric = self._command.sweep.early_terminate, self._command.metric
        if rule is None:
            return None
        maximize = metric.goal == "maximize"
        history = steps_of(record, metric.name, maximize)
        new = [band for band in brackets(rule, len(history)) if band not in self._compared[i]]
        for band in new:
            self._ledger.report(self._claims[i], band, history[band - 1])
            self._compared[i].add(band)
        if new and stops(history, self._ledger.reported(new[-1]), rule, maximize):
            return STOPPED
        return None


def _parent_is_gone() -> bool:
    parent = multiprocessing.parent_process()
    return parent is not None and not parent.is_alive()
