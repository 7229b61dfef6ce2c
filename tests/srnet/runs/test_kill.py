"""A run that is killed again and again ends in the same state as one left alone."""

import multiprocessing
import random
import signal
import time
from pathlib import Path

import pytest
import torch

from sdnet.library import SDData
from srnet.runs.critic import train_critic
from srnet.runs.states import load_state
from srnet.tables import SRData

KILLS = 20
EVERY = 25
HYPERPARAMS = {
    "epochs": 6000,
    "ext": "grad",
    "arch.lat_size": 3,
    "disc": {"hid_size": 16, "lr": 1e-3, "schedule": "cosine", "gp": 1e-4},
}


def arguments(path: Path) -> tuple[tuple, dict]:
    """What a user does after each crash: the same run again, from the state that is there."""
    points = SRData.from_arrays(torch.linspace(-2, 2, 40)[:, None])
    library = SDData.from_lines(["N0*x0**2 + N1", "N0*sin(2*U0*x0)"], "X00")
    state = load_state(path) if path.exists() else None
    options = {"state": state, "path": path, "checkpoint_every": EVERY, "progress": False}
    return (HYPERPARAMS, points, library, 3), options


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
    context.set_forkserver_preload(["srnet.runs.critic"])
    return context


def test_twenty_kills_lose_nothing(tmp_path, processes):
    undisturbed, killed = tmp_path / "undisturbed.pt", tmp_path / "killed.pt"
    args, options = arguments(undisturbed)
    train_critic(*args, **options)
    moments, kills, epochs = random.Random(0), 0, 0
    while kills < KILLS:
        args, options = arguments(killed)
        process = processes.Process(target=train_critic, args=args, kwargs=options)
        process.start()
        time.sleep(moments.uniform(0.05, 0.4))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL, "the run ended before it could be killed"
        kills += 1
        if killed.exists():
            done = len(load_state(killed)["times"])  # a whole state at every moment
            assert done % EVERY == 0
            assert done >= epochs
            epochs = done
    assert epochs > 0, "every kill fell before the first state"
    args, options = arguments(killed)
    train_critic(*args, **options)
    one, other = load_state(undisturbed), load_state(killed)
    del one["times"], other["times"]
    assert equal(one, other)
