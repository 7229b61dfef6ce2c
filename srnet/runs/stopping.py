"""Ending a run cleanly: its time is over, or somebody asked for it."""

import signal
import threading
import time
from types import FrameType


class Stopping:
    """Says when to stop: after `runtime` seconds, or on Ctrl-C or SIGTERM (as clusters send).

    Inside the `with` block the first signal only sets a mark, to be asked for where the run can
    end cleanly; a second one acts as it would have outside. Outside Python's main thread signals
    can't be taken, and only the time counts.

    >>> with Stopping(runtime=None) as stop:
    ...     stop(), stop.reason
    (False, None)
    """

    def __init__(self, runtime: float | None):
        self.deadline = None if runtime is None else time.monotonic() + runtime
        self.reason: str | None = None
        self._handlers: dict = {}

    def __call__(self) -> bool:
        if self.reason is None and self.deadline is not None and time.monotonic() > self.deadline:
            self.reason = "runtime"
        return self.reason is not None

    def __enter__(self) -> "Stopping":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._handlers[number] = signal.signal(number, self._mark)
        return self

    def __exit__(self, *_) -> None:
        self._restore()

    def _mark(self, number: int, frame: FrameType | None) -> None:
        self.reason = "interrupted"
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}
