"""A run that is killed again and again ends in the same state as one left alone."""

import multiprocessing
import random
import signal
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from sdnet.library import SDData
from srnet.runs.critic import train_critic
from srnet.runs.generator import train_generator
from srnet.runs.states import load_state
from srnet.tables import SRData

EVERY = 20
SETTINGS = {
    "critic": {
        "epochs": 6000,
        "ext": "grad",
        "arch.lat_size": 3,
        "disc": {"hid_size": 16, "lr": 1e-3, "schedule": "cosine", "gp": 1e-4},
    },
    "generators": {
        "epochs": 1200,
        "restarts": 2,
        "log_freq": 30,
        "batch_size": 20,
        "arch": {"lat_size": 2, "hid_size": 8},
        "disc": {"hid_size": 8},
    },
}


def command(kind: str, path: Path, state: Mapping | None) -> dict:
    """What a user does after each crash: the same run again, from the state that is there."""
    options = {"state": state, "path": path, "checkpoint_every": EVERY, "progress": False}
    if kind == "critic":
        points = SRData.from_arrays(torch.linspace(-2, 2, 40)[:, None])
        library = SDData.from_lines(["N0*x0**2 + N1", "N0*sin(2*U0*x0)"], "X00")
        args = SETTINGS[kind], points, library, 3
        return {"target": train_critic, "args": args, "kwargs": options}
    x = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
    data = SRData.from_arrays(x, x, x.sum(1, keepdim=True))
    library = SDData.from_lines(["N0*x0", "N0*x1"], "X00")
    return {
        "target": train_generator,
        "args": (SETTINGS[kind], data, data, library, 3),
        "kwargs": options,
    }


def equal(a: object, b: object) -> bool:
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    return a == b


@pytest.fixture(scope="module")
def processes():
    """Processes that have torch loaded when they start, so that kills fall into the training."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["srnet.runs.critic", "srnet.runs.generator"])
    return context


def written(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


@pytest.mark.parametrize(("kind", "kills"), [("critic", 20), ("generators", 6)])
def test_kills_lose_nothing(tmp_path, processes, kind, kills):
    undisturbed, killed = tmp_path / "undisturbed.pt", tmp_path / "killed.pt"
    left_alone = processes.Process(**command(kind, undisturbed, None))
    left_alone.start()
    left_alone.join()
    moments, epochs, state = random.Random(0), 0, None
    for _ in range(kills):
        before = written(killed)
        process = processes.Process(**command(kind, killed, state))
        process.start()
        while process.is_alive() and written(killed) == before:
            time.sleep(0.005)
        time.sleep(moments.uniform(0, 0.1))  # anywhere between two states, or in the writing of one
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL, "the run ended before it could be killed"
        state = load_state(killed)  # a whole state at every moment
        done = len(state["times"])
        assert done % EVERY == 0
        assert done > epochs
        epochs = done
    last = command(kind, killed, state)
    last["target"](*last["args"], **last["kwargs"])
    one, other = load_state(undisturbed), load_state(killed)
    del one["times"], other["times"]
    assert [name for name in one if not equal(one[name], other[name])] == []
    assert one.keys() == other.keys()
