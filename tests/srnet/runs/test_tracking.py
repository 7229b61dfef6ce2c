"""The tracker: with the real wandb offline, and with ones that fail."""

import logging
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from srnet.runs.tracking import Tracker, track

REPOSITORY = Path(__file__).parents[3]
OFFLINE_RUN = """
import os, signal, sys
from srnet.runs.tracking import track
assert "wandb" not in sys.modules
before = sys.exit, sys.excepthook, signal.getsignal(signal.SIGINT)
first = track("project", "first", {"disc": {"lr": 1}}, group="g", folder=sys.argv[1])
second = track("project", "second", {}, folder=sys.argv[1])
for epoch in range(1000):
    first.log({"acc": epoch + 0.125, "loss": float("nan")}, epoch)
first.finish({"best": 0.8125})
second.finish({})
assert before == (sys.exit, sys.excepthook, signal.getsignal(signal.SIGINT))
"""


class FakeRun:
    """Records what wandb's run is asked to do; `failing` names the method that raises."""

    def __init__(self, failing=None):
        self.sent, self.summary, self.ended, self.failing = [], {}, 0, failing

    def log(self, figures, step):
        if self.failing == "log":
            raise ConnectionError("two\nlines")
        self.sent.append((step, figures))

    def finish(self):
        if self.failing == "finish":
            raise ConnectionError("gone")
        self.ended += 1


def warnings_of(caplog):
    return [record.getMessage() for record in caplog.records if record.name == "symdisc"]


def offline(folder, monkeypatch, mode):
    """The run of OFFLINE_RUN in a fresh process, where nobody is logged in."""
    for name in ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE", "WANDB_MODE", "WANDB_SERVICE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(folder / "no_netrc"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(folder / "config"))
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    if mode:
        monkeypatch.setenv("WANDB_MODE", mode)
    command = [sys.executable, "-W", "error", "-c", OFFLINE_RUN, str(folder / "runs")]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )


def test_the_real_wandb_runs_offline_and_silent_when_not_logged_in(tmp_path, monkeypatch):
    ended = offline(tmp_path, monkeypatch, None)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    files = list((tmp_path / "runs" / "wandb").glob("offline-run-*/run-*.wandb"))
    assert len(files) == 2
    content = b"".join(file.read_bytes() for file in files)
    assert b"first" in content
    assert b"0.8125" in content  # the summary
    assert b"999.125" in content  # the last epoch


def test_wandb_mode_is_respected(tmp_path, monkeypatch):
    ended = offline(tmp_path, monkeypatch, "disabled")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert not list(tmp_path.rglob("*.wandb"))


def test_ten_updates_a_second_the_last_always_sent(monkeypatch):
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr("srnet.runs.tracking.time.monotonic", lambda: clock.now)
    run = FakeRun()
    tracker = Tracker(run)
    for epoch in range(100):  # 64 epochs a second, 1/64 s each: exact in binary
        tracker.log({"epoch": float(epoch)}, epoch)
        clock.now += 1 / 64
    assert [step for step, _ in run.sent] == list(range(0, 100, 7))  # 7/64 s >= 0.1 s > 6/64 s
    tracker.finish({"best": 1.0})
    assert run.sent[-1] == (99, {"epoch": 99.0})
    assert (run.summary, run.ended) == ({"best": 1.0}, 1)
    tracker.finish({})
    tracker.log({"epoch": 100.0}, 100)
    assert (len(run.sent), run.ended) == (16, 1)


def test_waiting_figures_are_the_callers_at_the_time():
    run = FakeRun()
    tracker = Tracker(run)
    tracker.log({"acc": 0.0}, 0)
    figures = {"acc": 0.5}
    tracker.log(figures, 1)
    figures["acc"] = 0.9
    tracker.finish({})
    assert run.sent[-1] == (1, {"acc": 0.5})


def test_a_throttled_log_is_far_cheaper_than_an_update():
    tracker = Tracker(FakeRun())
    figures = {"acc": 0.5, "loss": 0.5, "gp": 0.5}
    tracker._due = time.monotonic() + 1000
    best = min(_seconds(lambda: tracker.log(figures, 1), 1000) for _ in range(20))
    assert best < 2e-5  # about 3e-7 without the type checks of the tests; an update takes 7e-4


def _seconds(action, times):
    start = time.perf_counter()
    for _ in range(times):
        action()
    return (time.perf_counter() - start) / times


@pytest.mark.parametrize("method", ["log", "finish"])
def test_a_failing_run_is_told_once_and_then_left_alone(method, caplog):
    tracker = Tracker(FakeRun(failing=method))
    with caplog.at_level(logging.WARNING, logger="symdisc"):
        for epoch in range(3):
            tracker.log({"acc": 0.5}, epoch)
        tracker.finish({})
    (warning,) = warnings_of(caplog)
    assert warning.startswith("W&B tracking is off, the run goes on: ConnectionError: ")
    assert "\n" not in warning


def test_wandb_that_cannot_be_imported_or_started_is_one_warning(monkeypatch, caplog):
    def fails(**_):
        raise RuntimeError("no service")

    absent, broken = None, SimpleNamespace(setup=fails, Settings=lambda **_: None)
    for module, error in ((absent, "ModuleNotFoundError"), (broken, "RuntimeError: no service")):
        caplog.clear()
        monkeypatch.setitem(sys.modules, "wandb", module)
        tracker = track("project", "name", {})
        tracker.log({"acc": 0.5}, 0)
        tracker.finish({})
        (warning,) = warnings_of(caplog)
        assert error in warning


def test_without_a_project_wandb_is_never_touched(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "wandb", None)  # importing it would raise
    tracker = track(None, "name", {})
    tracker.log({"acc": 0.5}, 0)
    tracker.finish({})
    assert warnings_of(caplog) == []
