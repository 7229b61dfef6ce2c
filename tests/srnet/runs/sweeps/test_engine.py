"""Studies run whole, in parts, by several workers, and with mistakes."""

import contextlib
import csv
import math
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from sdnet.library import SDData
from srnet.runs.cli import main
from srnet.runs.critic import train_critic
from srnet.runs.states import load_state
from srnet.runs.sweeps import engine, trials, worker
from srnet.runs.sweeps.engine import _begin, run_sweep
from srnet.runs.sweeps.ledger import Ledger
from srnet.runs.tracking import Tracker
from srnet.tables import SRData

ROOT = Path(__file__).parents[4]
COMMAND = "import sys; from srnet.runs.cli import main; sys.exit(main())"
RANDOM = ("method: grid", "method: random\nrun_cap: 5")
BAYES = ("method: grid", "method: bayes\nrun_cap: 5")
LR = (
    "lr: {values: [1e-3, 1e-2, 1e-1]}",
    "lr: {distribution: log_uniform_values, min: 1e-4, max: 1}",
)


def sweep(file, **options):
    return run_sweep(file, progress=False, **options).rows


def read(path):
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


def same_states(names, a, b):
    for name in names:
        one, other = load_state(Path(a) / name), load_state(Path(b) / name)
        assert one["history"] == other["history"]
        assert all(
            torch.equal(weight, other["critic"][key]) for key, weight in one["critic"].items()
        )


# -- what a study leaves --------------------------------------------------------------------


def test_a_grid(study):
    rows = sweep(study())
    points = [(row["disc.hid_num"], row["disc.lr"]) for row in rows]
    assert points == [(n, lr) for n in (1, "[1, 2]") for lr in (1e-3, 1e-2, 1e-1)]
    table = read("models/tiny/trials.csv")
    assert [{k: "" if v is None else str(v) for k, v in row.items()} for row in rows] == table
    for row in rows:
        state = load_state(f"models/tiny/{row['state']}")
        assert row["acc"] == state["fresh"]["acc"]
        assert row["loss"] == state["history"]["loss"][-1]
        assert (row["epochs_done"], row["ended"]) == (20, "finished")
    assert [row["state"] for row in rows] == [f"trial-{i:05d}.pt" for i in range(6)]


def test_a_trial_is_the_run_that_its_config_asks_for(study):
    """As if it had been trained by itself, its values merged into the defaults."""
    sweep(study())  # in stacks of three
    state = load_state("models/tiny/trial-00004.pt")
    hyperparams = {
        "epochs": 20,
        "arch": {"lat_size": 10, "hid_size": 4},
        "disc": {"hid_num": [1, 2], "lr": 1e-2},
    }
    alone = train_critic(
        hyperparams, SRData(".", "X50"), SDData("small.lib", "X50"), 0, progress=False
    )
    assert state["hyperparams"] == alone["hyperparams"]
    assert (state["history"], state["fresh"]) == (alone["history"], alone["fresh"])


def test_trials_that_are_alike_are_taken_together(study, monkeypatch):
    """Whatever their learning rates; the largest networks first."""
    taken = []

    def noted(kind, batch, *rest):
        taken.append([(one.disc.hid_num, one.disc.hid_size) for one in batch])
        trials.train_batch(kind, batch, *rest)

    monkeypatch.setattr(worker, "train_batch", noted)
    file = study(space=("hid_num: {values: [1, [1, 2]]}", "hid_size: {values: [4, 16, 8]}"))
    sweep(file)
    assert taken == [[(2, size)] * 3 for size in (16, 8, 4)]


def test_random_draws_follow_from_seed_and_number(study):
    file = study(method=RANDOM, lr=LR)
    rows = sweep(file, out="a", count=4)
    assert [row["disc.lr"] for row in sweep(file, out="b", seed=1, count=4)] != [
        row["disc.lr"] for row in rows
    ]
    assert sweep(file, out="c") == [*rows, *sweep(file, out="a", resume=True)[4:]]
    assert len(read("c/trials.csv")) == 5


def test_in_parts_as_in_one_go(study):
    file = study(method=RANDOM, lr=LR)
    for count in (1, 3, 5):
        sweep(file, out="parts", count=count, resume=True, members=2)
    sweep(file, out="whole")
    assert Path("parts/trials.csv").read_bytes() == Path("whole/trials.csv").read_bytes()
    same_states([f"trial-{i:05d}.pt" for i in range(5)], "parts", "whole")


def test_two_workers_as_one_and_stacks_as_trials_alone(study):
    sweep(study(), out="two", workers=2, storage="elsewhere/s.journal")
    sweep(study(), out="one", members=1)
    assert Path("two/trials.csv").read_bytes() == Path("one/trials.csv").read_bytes()
    same_states([f"trial-{i:05d}.pt" for i in range(6)], "two", "one")
    assert not Path("two/study.journal").exists()


def test_parquet(study):
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = sweep(study(), table="t.parquet")
    assert len(read("models/tiny/trials.csv")) == len(rows)  # for `symdisc study`
    assert parquet.read_table("t.parquet").to_pylist() == [
        {**row, "disc.hid_num": str(row["disc.hid_num"])} for row in rows
    ]


def test_generators(study):
    file = study(
        command=("critic, --config", "fit, --config"),
        data=("--rows=all", "--rows=all, --val_rows=all, --target_var=F50, --restarts=2"),
        metric=("metric: {name: acc, goal: maximize}", "metric: {name: loss_inside}"),
        space=("disc: {parameters: {hid_num: {values: [1, [1, 2]]}, ", "disc: {parameters: {"),
        lat=("lat_size: {value: 10}", "lat_size: {value: 2}"),
    )
    x = torch.linspace(-2, 2, 20)
    Path("F50.txt").write_text("\n".join(str(v) for v in (x**2).tolist()))
    rows = sweep(file)
    for row in rows:
        state = load_state(f"models/tiny/{row['state']}")
        chosen = state["members"][state["best"]]
        assert row["loss_inside"] == chosen["loss_inside"]
        assert row["score"] == chosen["score"]
        assert math.isnan(row["min_corr"])  # there is no truth to measure by
        assert state["hyperparams"]["disc"]["lr"] == row["disc.lr"]
    assert len(rows) == 3
    assert sweep(file, out="one", members=1) == [  # whatever trains at once
        {**row, "state": row["state"]} for row in rows
    ]


def test_each_trial_is_tracked_in_the_group_of_the_study(study, monkeypatch):
    """With a project: a run of its own, with its settings, its figures, and the last ones."""
    runs = []

    class Run:
        def __init__(self, *words, group):
            self.words, self.group, self.figures, self.summary = words, group, [], {}
            runs.append(self)

        def log(self, figures, step):
            self.figures.append((step, figures))

        def finish(self):
            self.ended = True

    monkeypatch.setattr(worker, "track", lambda *words, group: Tracker(Run(*words, group=group)))
    rows = sweep(study(), project="p", members=3)
    runs.sort(key=lambda run: run.words[1])
    assert [run.words[:2] for run in runs] == [("p", f"trial-{i:05d}") for i in range(6)]
    assert {run.group for run in runs} == {"tiny"}
    for row, run in zip(rows, runs, strict=True):
        assert run.words[2]["disc"]["lr"] == row["disc.lr"]
        assert (run.figures[-1][0], run.ended) == (20, True)
        assert run.summary["acc"] == row["acc"]


# -- searching and stopping -----------------------------------------------------------------


def test_bayes(study):
    rows = sweep(study(method=BAYES, lr=LR))
    assert len({row["disc.lr"] for row in rows}) == 5
    assert all(1e-4 <= row["disc.lr"] <= 1 for row in rows)
    assert {row["disc.hid_num"] for row in rows} <= {1, "[1, 2]"}


@pytest.mark.parametrize("members", [1, 5], ids=["alone", "at once"])
@pytest.mark.parametrize("method", [RANDOM, BAYES], ids=["random", "bayes"])
def test_early_stopping(study, monkeypatch, method, members):
    """Each trial is worse than those before it: from the third on, n/2 others are better."""
    file = study(
        method=method,
        space=("hid_num: {values: [1, [1, 2]]}, ", ""),
        lr=LR,
        epochs=("--epochs=20", "--epochs=60"),
        early=(
            "parameters:",
            "early_terminate: {type: hyperband, min_iter: 16, eta: 2}\nparameters:",
        ),
    )
    records = []

    def course(record, name, maximize):
        if not any(record is other for other in records):
            records.append(record)
        return [1 / len(records)] * len(record["times"])

    monkeypatch.setattr(worker, "steps_of", course)
    rows = sweep(file, members=members)
    assert [row["ended"] for row in rows] == ["finished"] * 2 + ["stopped early"] * 3
    assert [row["epochs_done"] for row in rows] == [60] * 2 + [16] * 3
    state = load_state("models/tiny/trial-00003.pt")
    assert (state["ended"], len(state["times"]), "fresh" in state) == ("stopped early", 16, True)


def test_a_target_ends_the_study(study):
    file = study(metric=("goal: maximize}", "goal: maximize, target: 0.1}"))
    rows = sweep(file, members=1)
    assert [row["trial"] for row in rows] == [3]  # the first of the longest


def test_trials_that_cannot_be_run_are_told(study, capsys):
    """Values that are wrong only together fail one trial, not the study."""
    space = "disc: {parameters: {hid_num: {values: [1, [1, 2]]}, lr: {values: [1e-3, 1e-2, 1e-1]}}}"
    file = study(space=(space, "ext: {values: [grad, []]}\n  disc.emb_size: {values: [7, null]}"))
    assert main(["sweep", file]) == 0
    shown = capsys.readouterr().out
    assert "2 of 4 trials could not be run; the first failed: disc.emb_size is 7" in shown
    ended = [row["ended"] for row in read("models/tiny/trials.csv")]
    assert [text.partition(":")[0] for text in ended] == ["failed", "finished"] * 2


# -- interruptions --------------------------------------------------------------------------


def test_ctrl_c_gives_back_what_is_not_finished(study, monkeypatch):
    batches = []

    def interrupted(kind, batch, *rest):
        batches.append(len(batch))
        if len(batches) == 2:
            os.kill(os.getpid(), signal.SIGINT)
        trials.train_batch(kind, batch, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(worker, "train_batch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            sweep(study(), out="parts")
    assert batches == [3, 3]
    assert [row["trial"] for row in read("parts/trials.csv")] == ["3", "4", "5"]
    sweep(study(), out="parts", resume=True)
    sweep(study(), out="whole")
    assert Path("parts/trials.csv").read_bytes() == Path("whole/trials.csv").read_bytes()
    ledger = Ledger("parts/study.journal", "tiny")
    assert ledger.attempts() == {0: 2, 1: 2, 2: 2, 3: 1, 4: 1, 5: 1}


def test_ctrl_c_of_a_study_with_workers(study):
    file = study(epochs=("--epochs=20", "--epochs=100000"))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    # a shell starts background jobs, and so this test, with SIGINT ignored
    listening = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    command = [sys.executable, "-W", "error", "-c", listening + COMMAND]
    running = subprocess.Popen(
        [*command, "sweep", file, "--workers=2", "--members=1"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not Path("models/tiny/study.journal").exists():
        assert running.poll() is None, running.stderr.read()
        time.sleep(0.05)
    ledger = Ledger("models/tiny/study.journal", "tiny", maximize=True)
    while sum(ledger.attempts().values()) < 2:
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    try:
        shown, told = running.communicate(timeout=60)
    finally:
        running.kill()
    assert (running.returncode, told) == (130, "")
    assert shown == "interrupted; the same command with --resume goes on\n"
    assert ledger.results() == {}
    again = [claim for _ in range(2) for claim in ledger.claim(6, 6)]
    assert [claim.attempt for claim in again] == [0, 0, 0, 0, 1, 1]


def test_a_mistake_of_the_code_is_no_result(study, monkeypatch):
    """The trial is given back, and the study ends with the error."""
    with monkeypatch.context() as patch:
        patch.setattr(worker, "train_batch", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            sweep(study())
    assert len(sweep(study(), resume=True)) == 6


# -- mistakes -------------------------------------------------------------------------------


def refuses(capsys, *words):
    status, told = main(["sweep", *words]), capsys.readouterr()
    assert (status, told.out) == (2, "")
    assert told.err.startswith("symdisc: ")
    assert told.err.count("\n") == 1
    return told.err


def test_a_study_that_is_there(study, capsys):
    assert main(["sweep", study(), "--count=1"]) == 0
    capsys.readouterr()
    told = refuses(capsys, study(), "--count=1")
    assert "models/tiny/study.journal has a study 'tiny' already: add --resume" in told
    again = ["--count=1", "--resume"]
    assert main(["sweep", study(), *again]) == 0
    capsys.readouterr()
    other = study(lr=("lr: {values: [1e-3,", "lr: {values: [1e-4,"))
    assert "a study 'tiny' of another sweep: its parameters isn't" in refuses(capsys, other, *again)
    assert "its seed isn't 3" in refuses(capsys, study(), *again, "--seed=3")
    assert "its command isn't" in refuses(capsys, study(), *again, "--", "--epochs=3")
    assert "its method isn't" in refuses(capsys, study(method=RANDOM), *again)


@pytest.mark.parametrize("words", [["--resume"], ["--storage=other.journal"]])
def test_states_of_another_study_are_not_overwritten(study, capsys, words):
    assert main(["sweep", study(), "--count=1", "--out=kept"]) == 0
    capsys.readouterr()
    before = {path: path.read_bytes() for path in Path("kept").glob("tr*")}
    other = study(name=("name: tiny", "name: other"))
    told = refuses(capsys, other, "--count=1", "--out=kept", *words)
    assert "kept/trial-00000.pt is of another study than 'other'" in told
    assert {path: path.read_bytes() for path in Path("kept").glob("tr*")} == before


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_database_lost_during_the_study(study, capfd, monkeypatch, workers):
    """Its trials are gone when the first one is read, as where a server has been stopped."""

    def begin_and_lose(ledger, command, job):
        _begin(ledger, command, job)
        with contextlib.closing(sqlite3.connect("lost.db")) as database:
            database.execute("DROP TABLE trials")

    monkeypatch.setattr(engine, "_begin", begin_and_lose)
    words = ["--count=2", f"--workers={workers}", "--storage=sqlite:///lost.db"]
    assert main(["sweep", study(), *words]) == 2
    told = capfd.readouterr().err
    assert "storage sqlite:///lost.db: was lost during the study (no such table: trials)" in told
    assert "--resume goes on" in told
    assert "Traceback" not in told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "symdisc sweep: got 0 files, expected one"),
        (["a.yaml", "b.yaml"], "got 2 files, expected one"),
        (["none.yaml"], "none.yaml: No such file or directory, expected a W&B sweep file"),
        (["tiny.yaml", "--wokers=2"], "command line: wokers: unknown key; did you mean 'workers'?"),
        (["tiny.yaml", "--count=0"], "count: got '0', expected a whole number >= 1, or none"),
        (["tiny.yaml", "--table=t.xls"], "table t.xls: expected a name that ends in .csv or"),
        (["tiny.yaml", "--storage=small.lib"], "small.lib: not the journal of a study"),
        (["tiny.yaml", "--storage=small.lib/s"], "small.lib/s: can't be used as a study's journal"),
        (["tiny.yaml", "--out=small.lib"], "can't be used as a study's journal"),
        (["tiny.yaml", "--storage=nosuch://h/s"], "storage nosuch://h/s: no such kind of database"),
        (["tiny.yaml", "--", "--epoch=3"], "symdisc: command line: epoch: unknown key"),
        (["tiny.yaml", "--", "--library=no.lib"], "no.lib: no such file"),
        (
            ["tiny.yaml", "--", "--in_var=X51"],
            "there is no table X51.gz: the nearest name there is",
        ),
    ],
)
def test_mistakes(study, capsys, words, told):
    study()
    before = sorted(Path().rglob("*"))
    assert told in refuses(capsys, *words)
    assert sorted(Path().rglob("*")) == before


def test_without_optuna(study, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    for name in ("ledger", "storages", "worker"):
        monkeypatch.delitem(sys.modules, f"srnet.runs.sweeps.{name}", raising=False)
        monkeypatch.delattr(f"srnet.runs.sweeps.{name}", raising=False)
    told = refuses(capsys, study())
    assert told == "symdisc: symdisc sweep needs optuna: pip install symdisc[sweeps]\n"
