"""A worker of a study: takes trials from the ledger, trains them, and keeps what comes of them.

Any number of workers, here and on other machines, work at one study by its ledger alone.
"""

import math
import multiprocessing
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdnet.errors import InputError
from srnet.runs.states import save_state
from srnet.runs.sweeps.command import KINDS, Command, command_of, typed
from srnet.runs.sweeps.format import parse_sweep
from srnet.runs.sweeps.hyperband import bracket_of, brackets, stops
from srnet.runs.sweeps.ledger import Claim, Ledger
from srnet.runs.sweeps.points import draw, grid_point
from srnet.runs.sweeps.trials import figures_of, steps_of, train_batch
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
    """Take and train trials until none is left; `told` is called after each batch.

    Raises:
        KeyboardInterrupt: asked to stop; what was not finished is given back.
        InputError: the storage can't be used.
    """
    command = job.command()
    with ledger.beating():
        while claims := _next(ledger, command, job):
            try:
                _train(claims, ledger, command, job)
            except BaseException:
                for claim in claims:
                    ledger.release(claim)
                raise
            told()


def work_as_process(job: Job) -> None:
    """`work`, for a process of its own: exits with 2 for bad input, with 130 when interrupted."""
    try:
        ledger = Ledger(job.storage, job.name)
        try:
            work(job, ledger)
        finally:
            ledger.close()
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


def _next(ledger: Ledger, command: Command, job: Job) -> list[Claim]:
    """The trials to train next; waits while others may leave theirs; none when all is done."""
    while not over(ledger, command, job.count):
        if _parent_is_gone():
            raise KeyboardInterrupt
        claims = ledger.claim(job.members, job.count)
        if claims:
            return claims
        time.sleep(PAUSE)
    return []


def _values(claim: Claim, ledger: Ledger, command: Command, seed: int) -> dict[str, Any]:
    """What a trial is given, by dotted keys."""
    sweep = command.sweep
    if sweep.method == "grid":
        return grid_point(sweep.parameters, claim.trial)
    if sweep.method == "random":
        return draw(sweep.parameters, seed, claim.trial)
    return ledger.suggest(claim, sweep.parameters, seed)


def _train(claims: list[Claim], ledger: Ledger, command: Command, job: Job) -> None:
    """Train a batch, and keep each trial's state and result."""
    batch, trained = [], []
    for claim in claims:
        values = _values(claim, ledger, command, job.seed)
        ledger.note(claim, values)
        try:
            settings = command.settings(values)
        except InputError as error:  # keys that are wrong together only
            ledger.finish(claim, {"values": values, "ended": f"failed: {error}"}, None)
            continue
        batch.append(settings)
        trained.append((claim, typed(command, values)))
    trackers = [
        track(job.project, Path(state_name(claim.trial)).stem, to_plain(settings), group=job.name)
        for (claim, _), settings in zip(trained, batch, strict=True)
    ]
    watch = _Watch([claim for claim, _ in trained], ledger, command)
    outcomes = train_batch(command.kind, batch, watch, trackers)
    interrupted = False
    for (claim, values), outcome in zip(trained, outcomes, strict=True):
        if isinstance(outcome, InputError):
            ledger.finish(claim, {"values": values, "ended": f"failed: {outcome}"}, None)
        elif outcome["ended"] == "interrupted":
            ledger.release(claim)
            interrupted = True
        else:
            save_state(job.out / state_name(claim.trial), outcome)
            _finish(claim, values, outcome, ledger, command)
    if interrupted:
        raise KeyboardInterrupt


def _finish(
    claim: Claim, values: dict[str, Any], state: Mapping, ledger: Ledger, command: Command
) -> None:
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
    ledger.finish(claim, result, None if math.isnan(value) else value, step)


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
