"""Weights & Biases, kept at arm's length: the only module that imports wandb, and only when used.

A run's own record is the truth; what goes to W&B is a view of it, at most ten updates a second.
Tracking never stops a run: whatever goes wrong in wandb becomes one warning, then it is quiet.
"""

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_SECONDS_BETWEEN_UPDATES = 0.1
_log = logging.getLogger("symdisc")


class Tracker:
    """Sends figures to a wandb run; without a run it does nothing. Made by `track`."""

    def __init__(self, run: Any = None) -> None:
        self._run = run
        self._waiting: tuple[dict[str, float], int] | None = None
        self._due = 0.0  # time.monotonic() from which the next update may be sent

    def log(self, figures: Mapping[str, float], epoch: int) -> None:
        """Send an epoch's figures, unless an update was sent less than a tenth of a second ago.

        Epochs increase from call to call. Of those not sent, the last is sent by `finish`.
        """
        if self._run is None:
            return
        self._waiting = (dict(figures), epoch)
        if time.monotonic() >= self._due:
            self._attempt(self._send)
            self._due = time.monotonic() + _SECONDS_BETWEEN_UPDATES

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Send what still waits and the run's summary, and end the tracking."""
        self._attempt(self._send)
        self._attempt(lambda run: run.summary.update(dict(summary)))
        self._attempt(lambda run: run.finish())
        self._run = None

    def _send(self, run: Any) -> None:
        if self._waiting is not None:
            figures, epoch = self._waiting
            self._waiting = None
            run.log(figures, step=epoch)

    def _attempt(self, action: Callable[[Any], None]) -> None:
        """The action on the wandb run; a failure is told once, and is the end of the tracking."""
        if self._run is None:
            return
        try:
            action(self._run)
        except Exception as error:
            self._run = None
            _warn(error)


def track(
    project: str | None,
    name: str,
    config: Mapping[str, Any],
    *,
    group: str | None = None,
    folder: Path | str | None = None,
) -> Tracker:
    """A tracker of one run of a W&B project; with project None one that does nothing.

    In a process that a W&B agent started the agent's run is tracked, also without a project.
    Online if logged in (WANDB_API_KEY or netrc), else offline; WANDB_MODE is respected. `folder`
    is where wandb keeps its files; None: WANDB_DIR, or else ./wandb. Stopping the run on its W&B
    page is a Ctrl-C in the run.

    >>> track(None, "run", {}).log({"acc": 0.5}, epoch=1)
    """
    if project is None and agent_run() is None:
        return Tracker()
    try:
        with _process_hooks_kept():
            return Tracker(_start(project, name, config, group, folder))
    except Exception as error:
        _warn(error)
        return Tracker()


def agent_run() -> str | None:
    """The id of the W&B run that a sweep's agent started this process for; None if none did."""
    return os.environ.get("WANDB_RUN_ID") if os.environ.get("WANDB_SWEEP_ID") else None


def _start(
    project: str | None,
    name: str,
    config: Mapping[str, Any],
    group: str | None,
    folder: Path | str | None,
) -> Any:
    """A wandb run of its own, silent, and bounded in how long it waits for the network."""
    import wandb  # here, since it is slow to import and most runs don't track

    mode = wandb.setup(settings=wandb.Settings(silent=True)).settings.mode
    if mode == "online" and not wandb.login(prompt=False, verify=False):
        mode = "offline"
    return wandb.init(
        project=project,
        name=name,
        config=dict(config),
        group=group,
        dir=folder,
        mode=mode,
        reinit="create_new",  # several runs may be tracked in one process
        settings=wandb.Settings(silent=True, console="off", init_timeout=30, finish_timeout=60),
    )


@contextmanager
def _process_hooks_kept() -> Iterator[None]:
    """Undo wandb's replacing of sys.exit and sys.excepthook."""
    kept = sys.exit, sys.excepthook
    try:
        yield
    finally:
        sys.exit, sys.excepthook = kept


def _warn(error: Exception) -> None:
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    _log.warning("W&B tracking is off, the run goes on: %s", reason)
