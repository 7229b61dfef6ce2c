"""Studies as jobs of joblib: on this machine, and on a dask cluster of which a worker is killed."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sdnet.errors import InputError
from srnet.runs.sweeps.engine import run_sweep
from srnet.runs.sweeps.ledger import Ledger

ROOT = Path(__file__).parents[4]
COMMAND = "import sys; from srnet.runs.cli import main; sys.exit(main())"


def start(*words):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen([sys.executable, *words], env=environment, **quiet)


def same_table(a, b):
    assert (Path(a) / "trials.csv").read_bytes() == (Path(b) / "trials.csv").read_bytes()
    assert len(list(Path(a).glob("trial-*.pt"))) == len(list(Path(b).glob("trial-*.pt")))


def test_loky(study):
    file = study(
        space=("[1, [1, 2]]", "[1, 2]"), ext=("lr: {", "emb_size: {values: [null, 7]}, lr: {")
    )
    run_sweep(file, out="jobs", backend="loky", workers=2, members=2, progress=False)
    run_sweep(file, out="alone", members=1, progress=False)
    same_table("jobs", "alone")


def test_dask_with_a_worker_killed(study):
    pytest.importorskip("distributed")
    file = study(epochs=("--epochs=20", "--epochs=400"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    where = ["--host", "127.0.0.1", "--no-dashboard"]
    module = "distributed.cli.dask_scheduler"
    running = [start("-m", module, *where, "--port", address.rpartition(":")[2])]
    module = "distributed.cli.dask_worker"
    flags = ["--no-nanny", "--nthreads", "1", "--no-dashboard"]
    try:
        from distributed import Client

        running += [start("-m", module, address, *flags) for _ in range(2)]
        with Client(address, timeout=60, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
            words = ["sweep", file, "--backend=dask", f"--scheduler={address}", "--members=1"]
            running.append(start("-c", COMMAND, *words))
            busy = {}
            while not all(busy.values()) or len(busy) < 2:
                assert running[-1].poll() is None
                time.sleep(0.02)
                busy = client.processing()
            running[1].send_signal(signal.SIGKILL)
            running[1].wait()
            assert running[-1].wait(timeout=120) == 0
    finally:
        for process in running:
            process.kill()
            process.wait()
    ledger = Ledger("models/tiny/study.journal", "tiny")
    assert sorted(ledger.results()) == list(range(6))
    ledger.close()
    run_sweep(file, out="alone", progress=False)
    same_table("models/tiny", "alone")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"backend": "dask"}, "no --scheduler; expected its address"),
        ({"backend": "dask", "scheduler": "tcp://127.0.0.1:1"}, "tcp://127.0.0.1:1: can't be rea"),
    ],
)
def test_clusters_that_are_not_there(study, options, told):
    pytest.importorskip("distributed")
    with pytest.raises(InputError, match=told):
        run_sweep(study(), progress=False, **options)


def test_searches_that_learn_are_no_jobs(study):
    file = study(method=("method: grid", "method: bayes\nrun_cap: 5"))
    with pytest.raises(InputError, match="jobs know nothing of each other, and method bayes does"):
        run_sweep(file, backend="loky", progress=False)
    assert not Path("models").exists()
