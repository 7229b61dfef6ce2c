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
from srnet.runs.sweeps.processes import started

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


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds the workers in /proc")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savetxt("X50.gz", np.linspace(-2, 2, 20))
    Path("small.lib").write_text("N0*x0**2 + N1\n")
    Path("killed.yaml").write_text(STUDY)
    return tmp_path


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The folder of the study left alone."""
    place = tmp_path_factory.mktemp("alone")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        np.savetxt("X50.gz", np.linspace(-2, 2, 20))
        Path("small.lib").write_text("N0*x0**2 + N1\n")
        Path("killed.yaml").write_text(STUDY)
        assert len(run_sweep("killed.yaml", out="alone", progress=False).rows) == 40
    return place / "alone"


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


def test_kills_of_workers_lose_nothing(folder, alone):
    moments, kills = random.Random(0), 0
    study = start("--workers=2", "--members=2")
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
    assert 40 < sum(ledger.attempts().values()) <= 40 + 2 * KILLS
    ledger.close()
    same(Path("models/killed"), alone)


def test_a_study_that_is_killed_whole_and_resumed(folder, alone):
    """Its workers end by themselves, and what they held is run again."""
    study = start("--workers=2")
    while len(list(Path().glob("models/killed/*.pt"))) < 3:
        assert study.poll() is None
        time.sleep(0.02)
    workers = workers_of(study.pid)
    study.kill()
    study.communicate()
    until = time.monotonic() + 30
    while any(map(started, workers)):
        assert time.monotonic() < until
        time.sleep(0.02)
    assert len(list(Path().glob("models/killed/*.pt"))) < 40
    assert len(run_sweep("killed.yaml", resume=True, progress=False).rows) == 40
    same(Path("models/killed"), alone)


def same(killed, alone):
    """The same table, the same states, and nothing else left behind."""
    names = {f"trial-{i:05d}.pt" for i in range(40)} | {"trials.csv", "study.journal"}
    assert {path.name for path in killed.iterdir()} == names
    assert (killed / "trials.csv").read_bytes() == (alone / "trials.csv").read_bytes()
    for name in sorted(names)[1::13]:
        if name.endswith(".pt"):
            one, other = load_state(alone / name), load_state(killed / name)
            assert one["history"] == other["history"]
            assert all(torch.equal(w, other["critic"][key]) for key, w in one["critic"].items())
