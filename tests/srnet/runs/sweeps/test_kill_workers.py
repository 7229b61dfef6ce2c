"""A study whose workers are killed again and again ends with the table of one left alone."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from srnet.runs.states import load_state
from srnet.runs.sweeps.engine import run_sweep
from srnet.runs.sweeps.ledger import Ledger

ROOT = Path(__file__).parents[4]
KILLS = 30
STUDY = """
name: killed
command: [symdisc, critic, --config, "${args_json_file}", --data=., --in_var=X50, --rows=all,
          --library=small.lib, --epochs=30]
method: grid
parameters:
  arch: {parameters: {lat_size: {value: 10}, hid_size: {value: 4}}}
  disc: {parameters: {hid_size: {values: [4, 8]}, lr: {values: [1e-3, 1e-2]}}}
  seed: {min: 0, max: 9}
"""
COMMAND = "import sys; from srnet.runs.cli import main; sys.exit(main())"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savetxt("X50.gz", np.linspace(-2, 2, 20))
    Path("small.lib").write_text("N0*x0**2 + N1\n")
    Path("killed.yaml").write_text(STUDY)
    return tmp_path


def children(pid):
    """The processes that a process has started and that are there."""
    found = []
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = place.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] not in "ZX":
            found.append(int(place.parent.name))
    return found


def workers_of(pid):
    """The study's workers: they are children of the server that forks them."""
    return [
        worker
        for child in children(pid)
        if b"forkserver" in Path(f"/proc/{child}/cmdline").read_bytes()
        for worker in children(child)
    ]


def start(*words):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", COMMAND, "sweep", "killed.yaml", *words],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="finds the workers in /proc")
def test_kills_of_workers_lose_nothing(folder):
    moments, kills = random.Random(0), 0
    study = start("--workers=2")
    while kills < KILLS and study.poll() is None:
        time.sleep(moments.uniform(0.05, 0.2))
        workers = workers_of(study.pid)
        if workers and Path("models/killed/trials.csv").exists():
            os.kill(moments.choice(workers), signal.SIGKILL)
            kills += 1
    _, told = study.communicate(timeout=120)
    assert (study.returncode, told, kills) == (0, "", KILLS)
    ledger = Ledger("models/killed/study.journal", "killed")
    assert sorted(ledger.results()) == list(range(40))
    assert 40 < sum(ledger.attempts().values()) <= 40 + KILLS
    ledger.close()

    rows = run_sweep("killed.yaml", out="alone", progress=False)
    assert len(rows) == 40
    assert Path("alone/trials.csv").read_bytes() == Path("models/killed/trials.csv").read_bytes()
    for row in rows[::13]:
        alone, killed = (
            load_state(f"{place}/{row['state']}") for place in ("alone", "models/killed")
        )
        assert alone["history"] == killed["history"]
        assert all(torch.equal(w, killed["critic"][name]) for name, w in alone["critic"].items())
    names = {f"trial-{i:05d}.pt" for i in range(40)} | {"trials.csv", "study.journal"}
    assert {path.name for path in Path("models/killed").iterdir()} == names
