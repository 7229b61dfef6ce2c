"""A study run here: its ledger begun or joined, workers started and replaced, its table kept."""

import contextlib
import math
import multiprocessing
import os
import re
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm.auto import tqdm

from sdnet.errors import InputError
from srnet.runs.sweeps.command import Command, command_of
from srnet.runs.sweeps.format import Metric, Sweep, read_sweep
from srnet.runs.sweeps.points import trial_count
from srnet.runs.sweeps.results import best, rows_of
from srnet.runs.table_files import check_table, write_table
from srnet.runs.values import short, to_plain

if TYPE_CHECKING:
    from srnet.runs.sweeps.ledger import Ledger
    from srnet.runs.sweeps.worker import Job

MEMBERS = 8
"""Trials that a worker takes at once at most: larger stacks gain little on a CPU."""

LOOK = 0.2
"""Seconds between two looks at the workers."""

PATIENCE = 60.0
"""Seconds that workers have to end in when they are asked to."""


@dataclass(frozen=True)
class Study:
    """A study that has been run: its rows by trial, see `srnet.runs.sweeps.results.rows_of`.

    >>> rows = [{"trial": 0, "acc": 0.5}, {"trial": 1, "acc": 0.9}]
    >>> metric = Metric(name="acc", goal="maximize")
    >>> Study("example", metric, rows, Path("trials.csv"), Path("models")).best[0]
    {'trial': 1, 'acc': 0.9}
    """

    name: str
    metric: Metric
    rows: list[dict]
    table: Path
    out: Path

    @property
    def best(self) -> list[dict]:
        """The rows with the best figure first."""
        return best(self.rows, self.metric)


def run_sweep(
    file: str | Path,
    *,
    count: int | None = None,
    workers: int = 1,
    storage: str | Path | None = None,
    resume: bool = False,
    seed: int = 0,
    out: str | Path | None = None,
    table: str | Path | None = None,
    members: int | None = None,
    project: str | None = None,
    backend: str | None = None,
    scheduler: str | None = None,
    more: Sequence[str] = (),
    progress: bool = True,
) -> Study:
    """Run the study of a sweep file, as `symdisc sweep` does.

    Without `early_terminate` and a target, a grid's or random study's table and states follow
    from the file and `seed` alone: not from the workers, nor from where they were killed.

    Args:
        count: trials of the study; None: the file's `run_cap`, or all points of a grid.
        workers: processes; 1: this one. They are replaced where they are killed.
        storage: journal file, or URL of a database that several machines share; None: in `out`.
        resume: go on with the study of this name in the storage, or join those who are at it;
            where there is none, begin it.
        seed: what random draws and a bayesian search follow from.
        out: folder of the states, trial-00000.pt, ...; None: models/ and the study's name.
        table: .csv or .parquet, kept up to date, as trials.csv in `out` is in any case; None: that.
        members: trials that a worker takes at once, alike ones; None: as many as its share, at
            most 8, and one in a bayesian search, which learns from each.
        project: W&B project to track each trial in, as a run of the study's group; None: none.
        backend: "loky" or "dask": trials are independent jobs of joblib, see
            `srnet.runs.sweeps.jobs`; None: workers that share the storage.
        scheduler: address of the dask scheduler.
        more: words to add to the file's command, such as ["--epochs", "100"].
        progress: a progress bar, where standard error is a terminal.

    Raises:
        InputError: the file, the storage or the table can't be used; the storage has a study of
            this name and `resume` is off, or it is of another sweep; a new study's `out` has
            states of another one; the storage is lost during the study.
        KeyboardInterrupt: interrupted, the table and the ledger being whole.
    """
    sweep = read_sweep(file)
    command = command_of(sweep, more)
    count = trial_count(sweep, count)
    name = sweep.name or Path(file).stem
    out = folder_of(sweep, Path(file), out)
    own = out / "trials.csv"  # what `srnet.runs.sweeps.reading` reads
    table = Path(table or own)
    check_table(table)
    storage = str(storage or out / "study.journal")
    if backend is not None and (sweep.method == "bayes" or sweep.early_terminate is not None):
        what = "method bayes" if sweep.method == "bayes" else "early_terminate"
        raise InputError(
            f"--backend {backend}: its jobs know nothing of each other, and {what} does"
        )
    ledger_room, worker_room = _rooms()
    from srnet.runs.sweeps.storages import lost_is_told

    _check_first(command, seed)
    text, where, words = sweep.text, str(file), tuple(more)
    if members is None:
        members = 1 if sweep.method == "bayes" else min(MEMBERS, math.ceil(count / workers))
    job = worker_room.Job(
        text, where, words, storage, name, seed, count, members, out.absolute(), project
    )
    ledger = ledger_room.Ledger(storage, name, command.metric.goal == "maximize", join=resume)
    with contextlib.closing(ledger), lost_is_told(storage):
        _begin(ledger, command, job)
        kept = _Table(command, ledger, job, {own, table})
        bar = tqdm(total=count, unit="trial", disable=None if progress else True)
        with bar:

            def told() -> None:
                bar.update(kept.update() - bar.n)
                bar.set_postfix(kept.shown(), refresh=False)

            told()
            try:
                if backend is not None:
                    from srnet.runs.sweeps.jobs import work_by_jobs

                    work_by_jobs(job, ledger, told, backend, scheduler, workers)
                elif workers == 1:
                    worker_room.work(job, ledger, told)
                else:
                    _supervise(job, workers, told)
            finally:
                told()
    return Study(name, command.metric, kept.rows, table, out)


def folder_of(sweep: Sweep, file: Path, out: str | Path | None) -> Path:
    """Where a study's states go: `out`, or a folder of its name in models/."""
    name = re.sub(r"[^\w.-]+", "-", sweep.name or file.stem).lstrip(".-")
    return Path("models") / name if out is None else Path(out)


def _rooms() -> tuple[Any, Any]:
    """The rooms that need optuna, which not everyone has installed."""
    try:
        from srnet.runs.sweeps import ledger, worker
    except ModuleNotFoundError as error:
        if error.name != "optuna":
            raise
        raise InputError("symdisc sweep needs optuna: pip install symdisc[sweeps]") from None
    return ledger, worker


def _check_first(command: Command, seed: int) -> None:
    """Raise for tables and a library that no trial could be run with."""
    from srnet.runs.sweeps.points import draw
    from srnet.runs.sweeps.trials import check_sources

    try:
        settings = command.settings(draw(command.sweep.parameters, seed, 0))
    except InputError:
        return  # of this one point alone: it will say so in the table
    check_sources(command.kind, settings)


def _begin(ledger: "Ledger", command: Command, job: "Job") -> None:
    """See that the study is of this sweep, and that its trials are there."""
    from srnet.runs.sweeps.storages import shown

    sweep = command.sweep
    if not ledger.begun and (foreign := sorted(job.out.glob("trial-*.pt"))):
        raise InputError(
            f"{foreign[0]} is of another study than {job.name!r}, which is new in "
            f"{shown(job.storage)}; choose another --out, or move the states"
        )
    identity = {
        "method": sweep.method,
        "parameters": [[one.key, to_plain(one.law)] for one in sweep.parameters],
        "metric": to_plain(command.metric),
        "early_terminate": sweep.early_terminate and to_plain(sweep.early_terminate),
        "command": [command.kind, *command.words],
        "seed": job.seed,
    }
    different = ledger.belongs_to(identity)
    if different is not None:
        given = short(identity[different])
        raise InputError(
            f"{shown(job.storage)} has a study {job.name!r} of another sweep: its {different} "
            f"isn't {given}; choose another --out, --storage, or name in the file"
        )
    ledger.plan(job.count)


class _Table:
    """The study's tables on disk, written anew whenever a trial has been added."""

    def __init__(self, command: Command, ledger: "Ledger", job: "Job", paths: set[Path]):
        self._command, self._ledger, self._job, self._paths = command, ledger, job, paths
        self.rows: list[dict] = []
        self._written = -1

    def update(self) -> int:
        """Read the ledger; how many trials are finished."""
        from srnet.runs.sweeps.worker import state_name

        results = self._ledger.results(self._job.count)
        if len(results) != self._written:
            self.rows = rows_of(self._command, results, {i: state_name(i) for i in results})
            for path in self._paths:
                write_table(path, self.rows, ["trial"])
            self._written = len(results)
        return len(results)

    def shown(self) -> dict[str, str]:
        """The best figure so far, for the progress bar."""
        metric = self._command.metric
        figure = best(self.rows, metric)[0][metric.name] if self.rows else None
        return {} if figure is None else {metric.name: f"{figure:.4g}"}


def _supervise(job: "Job", workers: int, told: Any) -> None:
    """Run workers in processes of their own until the study is over, replacing those killed.

    Raises:
        KeyboardInterrupt: this process or a worker was interrupted.
        InputError: a worker ended with an error, which it has printed.
    """
    from srnet.runs.sweeps.worker import work_as_process

    methods = multiprocessing.get_all_start_methods()
    context: Any = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    if context.get_start_method() == "forkserver":
        context.set_forkserver_preload(["srnet.runs.sweeps.worker"])  # a replacement starts at once

    def start() -> Any:
        process = context.Process(target=work_as_process, args=(job,))
        process.start()
        return process

    running = [start() for _ in range(min(workers, job.count))]
    try:
        while running:
            time.sleep(LOOK)
            told()
            for process in [one for one in running if not one.is_alive()]:
                running.remove(process)
                if process.exitcode == 130:
                    raise KeyboardInterrupt
                if process.exitcode > 0:
                    raise InputError(f"a worker ended with status {process.exitcode}, see above")
                if process.exitcode < 0:  # killed
                    running.append(start())
    finally:
        _end(running)


def _end(running: list) -> None:
    for process in running:
        if process.is_alive():
            os.kill(process.pid, signal.SIGINT)
    until = time.monotonic() + PATIENCE
    for process in running:
        process.join(max(until - time.monotonic(), 0))
        if process.is_alive():
            process.kill()
            process.join()
