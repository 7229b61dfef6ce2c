"""A study as independent jobs by joblib: in processes of this machine, or on a dask cluster.

Here the ledger is this process's alone: jobs are given settings and give back states. So their
machines need the project's folder and no storage, and no trial sees how others are doing.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import joblib
from joblib.externals.loky.process_executor import TerminatedWorkerError

from sdnet.errors import InputError
from srnet.runs.config import Settings
from srnet.runs.parallel import here
from srnet.runs.sweeps.ledger import Claim, Ledger
from srnet.runs.sweeps.trials import train_batch
from srnet.runs.sweeps.worker import Batch, Job, Order, over
from srnet.runs.tracking import track
from srnet.runs.values import to_plain

WAVE = 4
"""Batches of a job process between two looks at what came of them."""


def work_by_jobs(
    job: Job,
    ledger: Ledger,
    told: Callable[[], None],
    backend: str,
    scheduler: str | None = None,
    workers: int = 1,
) -> None:
    """Train the trials of a study as jobs of joblib until none is left.

    Args:
        backend: "loky": `workers` processes; those that are killed are replaced. "dask": all
            workers of the cluster; those that are lost have their jobs done by the others.
        scheduler: address of the dask scheduler.

    Raises:
        InputError: the cluster can't be used, or has lost too many workers.
        KeyboardInterrupt: interrupted; what was not finished is given back.
    """
    command = job.command()
    order = Order(command, job.seed)
    train = here(train_apart) if backend == "loky" else train_apart
    with ledger.beating(), _processes(backend, scheduler, workers) as count:
        while not over(ledger, command, job.count):
            claims: list[list[Claim]] = []
            while len(claims) < WAVE * count and (
                more := ledger.claim(job.members, job.count, order)
            ):
                claims.append(more)
            if not claims:
                raise InputError(f"another process is at the study {job.name!r}; jobs share none")
            batches = [Batch(one, ledger, command, job, told) for one in claims]
            try:
                _train(batches, train, command.kind, job)
            finally:
                for batch in batches:
                    batch.release()
            if any(batch.interrupted for batch in batches):
                raise KeyboardInterrupt


def _train(batches: Sequence[Batch], train: Callable, kind: str, job: Job) -> None:
    tasks = [
        joblib.delayed(train)(kind, batch.begin(), batch.names, job.project, job.name)
        for batch in batches
    ]
    with contextlib.suppress(TerminatedWorkerError):  # what it had is tried again
        for batch, outcomes in zip(batches, joblib.Parallel(batch_size=1)(tasks), strict=True):
            for i, outcome in enumerate(outcomes):
                batch.ended(i, outcome)


def train_apart(
    kind: str, batch: Sequence[Settings], names: Sequence[str], project: str | None, group: str
) -> list[Any]:
    """The states of trials, or why they can't be trained: what a job does."""
    trackers = [
        track(project, name, to_plain(settings), group=group)
        for name, settings in zip(names, batch, strict=True)
    ]
    outcomes: dict[int, dict | InputError] = {}
    train_batch(kind, batch, lambda *_: None, outcomes.__setitem__, trackers)
    return [outcomes[i] for i in range(len(batch))]


@contextlib.contextmanager
def _processes(backend: str, scheduler: str | None, workers: int) -> Iterator[int]:
    """Jobs go to these processes; how many they are."""
    if backend == "loky":
        with joblib.parallel_config(backend="loky", n_jobs=workers):
            yield workers
        return
    try:
        from distributed import Client, KilledWorker
    except ModuleNotFoundError as error:
        if error.name != "distributed":
            raise
        raise InputError("--backend dask needs dask: pip install symdisc[cluster]") from None
    if scheduler is None:
        raise InputError("--backend dask: no --scheduler; expected its address, as tcp://host:8786")
    try:
        client = Client(scheduler, timeout=10, set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(f"scheduler {scheduler}: can't be reached ({error})") from None
    with client:
        count = sum(client.nthreads().values())
        if not count:
            raise InputError(f"scheduler {scheduler}: has no workers")
        try:
            with joblib.parallel_config(backend="dask", client=client, n_jobs=-1):
                yield count
        except KilledWorker as error:
            raise InputError(f"scheduler {scheduler}: {error}") from None
