"""Which processes are alive: what a worker is known by, to those who wait for it."""

import contextlib
import os
import socket
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any


def whoami() -> dict[str, Any]:
    """What a process is known by: its machine, its number, and when it was started."""
    pid = os.getpid()
    return {"host": host_id(), "pid": pid, "started": started(pid)}


@cache
def host_id() -> str:
    """This machine, its boot, and its space of process numbers: a container has its own."""
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        parts.append(os.readlink("/proc/self/ns/pid"))
    return " ".join(parts)


def started(pid: int) -> str | None:
    """When a process of this machine was started, which no other of its number was; None: gone."""
    try:
        if sys.platform == "linux":
            text = Path(f"/proc/{pid}/stat").read_text()
            fields = text.rpartition(")")[2].split()
            return None if fields[0] in "ZX" else fields[19]
        os.kill(pid, 0)
        return "there"
    except (OSError, ValueError):
        return None


def is_alive(process: Mapping[str, Any]) -> bool | None:
    """Whether a process that is known by this is there; None if another machine has it.

    >>> is_alive(whoami()), is_alive({**whoami(), "started": "earlier"})
    (True, False)
    """
    if process["host"] != host_id():
        return None
    return started(process["pid"]) == process["started"] is not None
