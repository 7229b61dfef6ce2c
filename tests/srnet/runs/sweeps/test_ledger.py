"""The ledger: each trial is one worker's at a time, and none is lost or counts twice."""

import os
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sdnet.errors import InputError
from srnet.runs.sweeps import ledger as room
from srnet.runs.sweeps.format import parse_sweep
from srnet.runs.sweeps.ledger import ATTEMPTS, Ledger
from srnet.runs.sweeps.processes import is_alive, whoami
from srnet.runs.sweeps.storages import open_storage, shown

ROOT = Path(__file__).parents[4]
RESULT = {"values": {}, "ended": "finished"}


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """A database with optuna's tables, whose making takes longer than most tests."""
    path = tmp_path_factory.mktemp("tables") / "s.db"
    open_storage(f"sqlite:///{path}")[1]()
    return path


@pytest.fixture(params=["journal", "database"])
def storage(request, tmp_path, tables):
    if request.param == "journal":
        return str(tmp_path / "s.journal")
    shutil.copy(tables, tmp_path / "s.db")
    return f"sqlite:///{tmp_path}/s.db"


def dead(ledger):
    """Let a ledger's worker be one that is gone, as one of a killed process would be."""
    ledger.close()


def test_each_trial_is_taken_once(storage):
    first, second = Ledger(storage, "s", maximize=True), Ledger(storage, "s")
    first.plan(5)
    second.plan(5)  # those that are there are not planned again
    taken = [*first.claim(2, 5), *second.claim(9, 4), *first.claim(9, 5), *second.claim(9, 5)]
    assert [claim.trial for claim in taken] == [0, 1, 2, 3, 4]
    for claim in taken:
        second.finish(claim, RESULT | {"n": claim.trial}, 0.5)
    assert {trial: one["n"] for trial, one in first.results().items()} == {i: i for i in range(5)}
    assert list(first.results(3)) == [0, 1, 2]
    first.plan(6)
    assert [claim.trial for claim in first.claim(9, 6)] == [5]


def test_many_workers_at_once_take_each_trial_once(tmp_path):
    storage = str(tmp_path / "s.journal")
    Ledger(storage, "s", maximize=True).plan(40)

    def take_all(_):
        ledger, taken = Ledger(storage, "s"), []
        while claims := ledger.claim(1, 40):
            taken += [claim.trial for claim in claims]
        return taken

    with ThreadPoolExecutor(4) as workers:
        taken = [trial for part in workers.map(take_all, range(4)) for trial in part]
    assert sorted(taken) == list(range(40))


def test_what_a_dead_worker_held_is_taken_again(storage):
    first, second = Ledger(storage, "s", maximize=True), Ledger(storage, "s")
    first.plan(3)
    held = first.claim(2, 3)
    first.finish(held[0], RESULT, 0.5)
    assert [claim.trial for claim in second.claim(1, 3)] == [2]
    assert second.claim(9, 3) == []  # the first one is alive
    dead(first)
    (again,) = second.claim(9, 3)
    assert (again.trial, again.attempt) == (1, 1)
    first.finish(held[1], RESULT | {"late": True}, 0.1)  # it was not dead, only slow
    second.finish(again, RESULT, 0.5)
    assert "late" not in second.results()[1]
    assert second.attempts() == {0: 1, 1: 2, 2: 1}


def test_a_trial_that_is_given_back_is_taken_again(storage):
    ledger = Ledger(storage, "s", maximize=True)
    ledger.plan(1)
    (claim,) = ledger.claim(1, 1)
    ledger.release(claim)
    (again,) = ledger.claim(1, 1)
    assert (again.trial, again.attempt) == (0, 1)


def test_two_that_find_the_same_dead_worker(storage, monkeypatch):
    """Both add the next attempt, having looked before the other wrote; one of them counts."""
    first, a, b = Ledger(storage, "s", maximize=True), Ledger(storage, "s"), Ledger(storage, "s")
    first.plan(1)
    first.claim(1, 1)
    dead(first)
    before = b._entries()
    (claim,) = a.claim(1, 1)
    (stale,) = before.values()
    looks = iter([before])
    with monkeypatch.context() as patch:
        patch.setattr(b, "_entries", lambda: next(looks))
        b._again(stale)
    assert b.claim(9, 1) == []
    a.finish(claim, RESULT, 1.0)
    assert (list(b.results()), b.attempts(), b.claim(9, 1)) == ([0], {0: 2}, [])


def test_a_worker_that_dies_between_adding_and_failing(storage, monkeypatch):
    first, second = Ledger(storage, "s", maximize=True), Ledger(storage, "s")
    first.plan(1)
    first.claim(1, 1)
    dead(first)
    with monkeypatch.context() as patch:
        patch.setattr(second.storage, "set_trial_state_values", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            second.claim(1, 1)
    third = Ledger(storage, "s")
    (claim,) = third.claim(9, 1)
    assert (claim.trial, claim.attempt) == (0, 1)


def test_a_bid_that_is_too_late_is_withdrawn(storage):
    """Else a worker that lives would seem to hold what a dead one took."""
    first, second = Ledger(storage, "s", maximize=True), Ledger(storage, "s")
    first.plan(1)
    (claim,) = first.claim(1, 1)
    assert not second._take(claim)
    dead(first)
    assert [again.attempt for again in second.claim(1, 1)] == [1]


def test_a_trial_whose_workers_always_die_is_given_up(storage):
    last = Ledger(storage, "s", maximize=True)
    last.plan(2)
    for _ in range(ATTEMPTS):
        worker = Ledger(storage, "s")
        claims = worker.claim(2, 2)
        worker.finish(claims[-1], RESULT, 1.0) if len(claims) == 2 else None
        dead(worker)
    assert last.claim(1, 2) == []
    assert last.results()[0]["ended"] == f"failed: its worker died {ATTEMPTS} times"
    assert last.results()[1] == RESULT


HOLD = """
import sys, time
from srnet.runs.sweeps.ledger import Ledger
Ledger(sys.argv[1], "s").claim(1, 1)
time.sleep(60)
"""


def test_a_killed_process(tmp_path):
    storage = str(tmp_path / "s.journal")
    ledger = Ledger(storage, "s", maximize=True)
    ledger.plan(1)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", HOLD, storage], env=environment) as process:
        while ledger.attempts() != {0: 1}:
            assert process.poll() is None
            time.sleep(0.01)
        assert ledger.claim(1, 1) == []
        process.kill()
    assert [claim.attempt for claim in ledger.claim(1, 1)] == [1]


def test_workers_of_another_machine(storage, monkeypatch):
    """They count as alive as long as their signs of life change, by one's own clock."""
    far = Ledger(storage, "s", maximize=True)
    far.plan(1)
    with monkeypatch.context() as patch:
        patch.setattr(room, "whoami", lambda: {"host": "far", "pid": 1, "started": "1"})
        far.claim(1, 1)
    near, now = Ledger(storage, "s"), [1000.0]
    monkeypatch.setattr(room.time, "monotonic", lambda: now[0])
    study = near._study_id
    for seconds, beat in ((0, 0), (50, 1), (50, 2), (59, 2)):
        now[0] += seconds
        far.storage.set_study_user_attr(study, f"beat {far.id}", beat)
        assert near.claim(1, 1) == []
    now[0] += 2  # 61 since the last sign
    assert [claim.attempt for claim in near.claim(1, 1)] == [1]


def test_signs_of_life(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "BEAT", 0.01)
    ledger = Ledger(str(tmp_path / "s.journal"), "s", maximize=True)
    threads = threading.active_count()
    with ledger.beating():
        time.sleep(0.2)
    signs = ledger.storage.get_study_user_attrs(ledger._study_id)[f"beat {ledger.id}"]
    assert signs >= 2
    assert threading.active_count() == threads


def test_processes():
    me = whoami()
    assert is_alive(me) is True
    assert is_alive({**me, "started": "0"}) is False  # another has its number now
    assert is_alive({**me, "pid": 2**22 + 1}) is False
    assert is_alive({**me, "host": "elsewhere"}) is None


# -- storages -------------------------------------------------------------------------------


def test_a_line_that_a_killed_writer_left_unfinished(tmp_path):
    path = tmp_path / "s.journal"
    ledger = Ledger(str(path), "s", maximize=True)
    ledger.plan(2)
    with path.open("ab") as file:
        file.write(b'{"op_code": 6, "worker')
    (claim,) = ledger.claim(1, 2)
    ledger.finish(claim, RESULT, 1.0)
    assert list(Ledger(str(path), "s").results()) == [0]


def test_what_a_study_is_of(storage):
    ledger = Ledger(storage, "s", maximize=True)
    sweep = {"method": "grid", "parameters": [["a", {"values": [1, 1e-4]}]]}
    assert ledger.belongs_to(sweep) is None
    assert Ledger(storage, "s").belongs_to(sweep) is None
    assert ledger.belongs_to({**sweep, "method": "random"}) == "method"
    with pytest.raises(InputError, match="has a study 's' already: add --resume"):
        Ledger(storage, "s", maximize=True, join=False)
    with pytest.raises(InputError, match="has no study 't'"):
        Ledger(storage, "t")


def test_storages_that_cannot_be_used(tmp_path):
    (tmp_path / "text").write_text("hello\n")
    (tmp_path / "json").write_text("[1]\n")
    for name, told in (("text", "not the journal of a study"), ("json", "not the journal of a"),
                       ("text/s", "can't be used as a study's journal")):  # fmt: skip
        with pytest.raises(InputError, match=told):
            Ledger(str(tmp_path / name), "s", maximize=True)
    with pytest.raises(InputError, match="has no study 's'"):
        Ledger(str(tmp_path / "new"), "s")
    for url, told in (("nosuch://x", "no such kind of database"), ("a b://", "not the URL of"),
                      (f"sqlite:///{tmp_path}/none/s.db", "can't be used")):  # fmt: skip
        with pytest.raises(InputError, match=told):
            Ledger(url, "s", maximize=True)


def test_passwords_are_not_shown():
    assert shown("postgresql://me:secret@h/s") == "postgresql://me:***@h/s"
    assert shown("a/s.journal") == "a/s.journal"


# -- bayesian search ------------------------------------------------------------------------


def test_a_bayesian_search_finds_what_is_good(tmp_path):
    """With a best value of (0.7, "b"), half of its later trials come near, which 1 in 9 would."""
    text = "method: bayes\nmetric: {name: acc}\nparameters:\n  x: {min: 0.0, max: 1.0}\n"
    space = parse_sweep(text + "  c: {values: [a, b, [1, 2]]}\n  k: {value: 3}", "s").parameters
    ledger, seen = Ledger(str(tmp_path / "s.journal"), "s", maximize=False), []
    ledger.plan(60)
    while claims := ledger.claim(1, 60):
        (claim,) = claims
        values = ledger.suggest(claim, space, seed=0)
        assert (values["k"], 0 <= values["x"] <= 1) == (3, True)
        assert values["c"] in ("a", "b", [1, 2])
        seen.append(values)
        ledger.finish(claim, RESULT, (values["x"] - 0.7) ** 2 + (values["c"] != "b"))
    near = [abs(v["x"] - 0.7) < 1 / 6 and v["c"] == "b" for v in seen]
    assert sum(near[30:]) >= 15


def test_a_retried_trial_of_a_search_keeps_its_values(tmp_path):
    text = "method: bayes\nmetric: {name: acc}\nparameters: {x: {min: 0.0, max: 1.0}}"
    space = parse_sweep(text, "s").parameters
    first = Ledger(str(tmp_path / "s.journal"), "s", maximize=False)
    first.plan(1)
    (claim,) = first.claim(1, 1)
    values = first.suggest(claim, space, seed=0)
    dead(first)
    second = Ledger(str(tmp_path / "s.journal"), "s")
    (again,) = second.claim(1, 1)
    assert second.suggest(again, space, seed=1) == values


def test_figures_are_kept_for_others_to_be_compared_with(storage):
    ledger = Ledger(storage, "s", maximize=True)
    ledger.plan(3)
    a, b, c = ledger.claim(3, 3)
    ledger.report(a, 3, 0.5)
    ledger.report(b, 3, float("nan"))
    ledger.report(c, 9, 0.25)
    ledger.finish(b, RESULT | {"ended": "stopped early"}, None)
    ledger.finish(c, RESULT | {"ended": "stopped early"}, 0.25, step=9)
    assert (list(map(str, ledger.reported(3))), ledger.reported(9)) == (["0.5", "nan"], [0.25])
