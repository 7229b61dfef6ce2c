"""Two machines' worth of workers at one study in a real PostgreSQL, started here on loopback."""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from sdnet.errors import InputError
from srnet.runs.sweeps.engine import run_sweep
from srnet.runs.sweeps.ledger import Ledger

ROOT = Path(__file__).parents[4]
COMMAND = "import sys; from srnet.runs.cli import main; sys.exit(main())"
SERVERS = [Path(path) for path in ("/usr/lib/postgresql", "/usr/local/pgsql")]


def program(name):
    """The path of a program of PostgreSQL, which Debian keeps out of PATH."""
    found = [path for server in SERVERS for path in sorted(server.glob(f"*/bin/{name}"))]
    found += [Path(path) for path in (shutil.which(name),) if path]
    return str(found[-1]) if found else None


@pytest.fixture(scope="module")
def server():
    """The URL of a fresh database; it refuses to be started by root, so another user does."""
    initdb, pg_ctl = program("initdb"), program("pg_ctl")
    if None in (initdb, pg_ctl):
        pytest.skip("PostgreSQL isn't installed here: apt-get install postgresql")
    user = getpass.getuser()
    if user == "root":
        user = "postgres"
        if subprocess.run(["id", user], capture_output=True, check=False).returncode:
            pytest.skip("root can't start PostgreSQL, and there is no user postgres")
    folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
    shutil.chown(folder, user)
    become = ["runuser", "-u", user, "--"] if user != getpass.getuser() else []
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = str(folder / "data")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c fsync=off -k ''"

    def run(*words):
        done = subprocess.run([*become, *words], cwd=folder, capture_output=True, check=False)
        if done.returncode:
            pytest.skip(f"{words[0]} fails here: {done.stderr.decode().strip()[-200:]}")

    run(initdb, "-D", data, "-A", "trust", "-U", "tester", "--no-sync")
    log = str(folder / "log")
    run(pg_ctl, "-D", data, "-o", options, "-l", log, "-w", "start")
    try:
        yield f"postgresql://tester:secret@127.0.0.1:{port}/postgres"
    finally:
        run(pg_ctl, "-D", data, "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder)


def start(file, out, url):
    """`symdisc sweep` as on a machine of its own: its states in a folder of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    words = ["sweep", file, f"--out={out}", f"--storage={url}", "--resume"]
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", COMMAND, *words],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_workers_of_which_one_is_killed(study, server):
    file = study(
        space=("hid_num: {values: [1, [1, 2]]}, ", "hid_num: {values: [1, 2]}, "),
        seeds=("  arch:", "  seed: {min: 0, max: 1}\n  arch:"),
    )
    first, second = (start(file, out, server) for out in ("a", "b"))  # both make the tables
    while not list(Path().glob("a/trial-*.pt")):
        assert first.poll() is None, first.communicate()
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    _, told = second.communicate(timeout=120)
    assert (second.returncode, told) == (0, "")
    ledger = Ledger(server, "tiny")
    assert sorted(ledger.results()) == list(range(12))
    assert 12 <= sum(ledger.attempts().values()) <= 18  # the six of a batch again
    ledger.close()
    run_sweep(file, out="alone", progress=False)
    assert Path("b/trials.csv").read_bytes() == Path("alone/trials.csv").read_bytes()
    kept = {path.name for out in "ab" for path in Path(out).glob("trial-*.pt")}
    assert len(kept) == 12


def test_an_array_of_slurm(study, server, tmp_path):
    """Two tasks of the array, on a `symdisc` that is this one."""
    symdisc = tmp_path / "bin" / "symdisc"
    symdisc.parent.mkdir()
    symdisc.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{COMMAND}" "$@"\n')
    symdisc.chmod(0o755)
    file = study(name=("name: tiny", "name: array"))
    environment = {
        **os.environ,
        "PATH": f"{symdisc.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "SYMDISC_STORAGE": server,
    }
    script = ["bash", str(ROOT / "sweeps/sweep.slurm"), file, "--members", "2", "--", "--epochs=7"]
    tasks = [
        subprocess.Popen(script, env={**environment, "SLURM_ARRAY_TASK_ID": number})
        for number in "01"
    ]
    assert [task.wait(timeout=120) for task in tasks] == [0, 0]
    tables = [Path(f"models/tiny-{number}.csv").read_text() for number in "01"]
    assert tables[0] == tables[1]
    assert tables[0].count(",7,finished") == 6
    assert len(list(Path("models/array").glob("trial-*.pt"))) == 6
    del environment["SYMDISC_STORAGE"]
    refused = subprocess.run(script, env=environment, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "SYMDISC_STORAGE: expected the URL of a PostgreSQL" in refused.stderr


def test_a_study_that_is_there_or_of_another_sweep(study, server):
    name = ("name: tiny", "name: other")
    run_sweep(study(name=name), storage=server, count=1, progress=False)
    with pytest.raises(InputError, match="has a study 'other' already: add --resume") as told:
        run_sweep("tiny.yaml", storage=server, progress=False)
    assert "secret" not in str(told.value)
    other = study(name=name, lr=("lr: {values: [1e-3,", "lr: {values: [1e-4,"))
    with pytest.raises(InputError, match="a study 'other' of another sweep: its param") as told:
        run_sweep(other, storage=server, resume=True, progress=False)
    assert "secret" not in str(told.value)


def test_a_server_that_is_not_there(study, server):
    url = server.replace(server.rpartition(":")[2], "1/postgres")
    with pytest.raises(InputError, match=r"storage .*127.0.0.1:1/postgres: can't be used") as told:
        run_sweep(study(), storage=url, progress=False)
    assert "secret" not in str(told.value)
    assert "refused" in str(told.value)
