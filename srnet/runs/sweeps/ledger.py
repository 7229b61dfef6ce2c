"""The ledger of a study: which trials there are, who is at them, what came of them.

It is kept in an optuna study. All that workers must agree on rests on two things that a storage
does at once for all of them: it numbers new entries, and it lets one worker alone take one that
waits.

An entry is one attempt at one trial. A worker first bids for a waiting entry (who it is), then
takes it. Where all that bid for a taken entry are dead, anyone adds the next attempt, then fails
the entry. Should two add it, the lower number counts; should a worker be declared dead and finish
all the same, its entry is failed already, or its result is the first. So no trial is lost and none
counts twice, wherever a worker is killed.
"""

import contextlib
import itertools
import json
import threading
import time
import uuid
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.exceptions import DuplicatedStudyError, UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from sdnet.errors import InputError
from srnet.runs.sweeps.format import Parameter
from srnet.runs.sweeps.laws import Categorical, Constant
from srnet.runs.sweeps.processes import is_alive, whoami
from srnet.runs.sweeps.storages import open_storage, shown

LEASE = 60.0
"""Seconds without a sign of life after which a worker of another machine counts as dead."""

BEAT = 10.0
"""Seconds between two signs of life."""

ATTEMPTS = 10
"""How often a trial is tried whose worker dies each time."""

STARTUP = 10
"""Trials of a bayesian search that are drawn at random, before there is anything to learn from."""


def _alike(trial: int) -> tuple[float, Hashable]:
    return 0.0, None


_LOST = (UpdateFinishedTrialError, KeyError)
_here: set[str] = set()  # workers of this process


@dataclass(frozen=True)
class Claim:
    """A trial that this worker is to train: its number, and the entry of the attempt."""

    trial: int
    entry: int
    attempt: int


class Ledger:
    """A study in its storage, as one worker sees it.

    Args:
        storage: path of a journal file, or URL of a database.
        name: of the study.
        maximize: which way its values are better, to begin the study; None: it is there already.
        join: with `maximize`, whether it may be there already too.

    Raises:
        InputError: the storage can't be reached or isn't one; there is no such study, or there is.
    """

    def __init__(self, storage: str, name: str, maximize: bool | None = None, join: bool = True):
        self.storage, self._disconnect = open_storage(storage)
        try:
            if maximize is None:
                self.study = optuna.load_study(study_name=name, storage=self.storage)
            else:
                direction = "maximize" if maximize else "minimize"
                self.study = optuna.create_study(
                    study_name=name, storage=self.storage, direction=direction, load_if_exists=join
                )
        except (KeyError, DuplicatedStudyError) as error:
            self._disconnect()
            there = isinstance(error, DuplicatedStudyError)
            told = (
                f"has a study {name!r} already: add --resume to go on with it, or choose another "
                "--out or --storage"
            )
            text = told if there else f"has no study {name!r}"
            raise InputError(f"{shown(storage)} {text}") from None
        self.id = uuid.uuid4().hex
        self._study_id = self.storage.get_study_id_from_name(name)
        self._seen: dict[str, tuple[Any, float]] = {}
        _here.add(self.id)

    def close(self) -> None:
        """Say that this worker is gone: what it had taken and not finished is tried again."""
        _here.discard(self.id)
        self._disconnect()

    # -- what the study is of ---------------------------------------------------------------

    @property
    def begun(self) -> bool:
        """Whether the study has been said to be of some sweep."""
        return "sweep" in self.storage.get_study_user_attrs(self._study_id)

    def belongs_to(self, sweep: Mapping[str, Any]) -> str | None:
        """None if the study is of this sweep, which a new one becomes; else what is different."""
        kept = self.storage.get_study_user_attrs(self._study_id).get("sweep")
        if kept is None:
            self.storage.set_study_user_attr(self._study_id, "sweep", json.dumps(sweep))
            return None
        before = json.loads(kept)
        now = json.loads(json.dumps(sweep))
        return next((key for key in {**now, **before} if before.get(key) != now.get(key)), None)

    def plan(self, count: int) -> None:
        """See that there is an entry for each of the first `count` trials."""
        planned = {trial for trial, _ in self._entries()}
        for trial in range(count):
            if trial not in planned:
                self._add(trial, 0)

    # -- taking and finishing ---------------------------------------------------------------

    def claim(
        self, limit: int, count: int, likeness: Callable[[int], tuple[float, Hashable]] = _alike
    ) -> list[Claim]:
        """Take up to `limit` of the first `count` trials for this worker alone.

        Those tried least often come first, and each time again fewer at once: one that ends its
        workers holds up no other, and is alone in the end. Of these, the longest come first, so
        that none is begun when all else is done, and all that are taken are alike.

        Args:
            likeness: of a trial, how long it takes, and what those to be taken together share.
        """
        self._retry_those_of_the_dead()
        entries = self._entries()
        done = {trial for (trial, _), entry in entries.items() if _result(entry) is not None}
        groups: dict[Hashable, list[tuple[float, Claim]]] = {}
        for (trial, attempt), entry in entries.items():
            if entry.state == TrialState.WAITING and trial < count and trial not in done:
                work, kind = likeness(trial)
                claim = Claim(trial, entry._trial_id, attempt)
                groups.setdefault((attempt, kind), []).append((work, claim))
        orders = [
            sorted((one.attempt, -work, one.trial, one) for work, one in group)
            for group in groups.values()
        ]
        for order in sorted(orders, key=lambda order: order[0][:3]):
            most = max(limit >> order[0][0], 1)
            taken = list(itertools.islice(filter(self._take, (one[3] for one in order)), most))
            if taken:
                return taken
        return []

    def _take(self, claim: Claim) -> bool:
        bid = f"bid {self.id}"
        try:
            self.storage.set_trial_user_attr(claim.entry, bid, {"id": self.id, **whoami()})
            if self.storage.set_trial_state_values(claim.entry, TrialState.RUNNING):
                return True
            self.storage.set_trial_user_attr(claim.entry, bid, None)
        except _LOST:
            pass
        return False

    def note(self, claim: Claim, values: Mapping[str, Any]) -> None:
        """Keep the values that a trial is given, for those who look on."""
        with contextlib.suppress(*_LOST):
            self.storage.set_trial_user_attr(claim.entry, "values", dict(values))

    def finish(
        self, claim: Claim, result: Mapping[str, Any], value: float | None, step: int | None = None
    ) -> None:
        """Keep a trial's result, once and for all.

        Args:
            value: what a bayesian search learns; None for a trial that has none.
            step: of a trial that was stopped, the iteration that its value is of.
        """
        state = TrialState.COMPLETE if value is not None and step is None else TrialState.PRUNED
        with contextlib.suppress(*_LOST):  # another worker took over, and has done the same
            if value is not None and step is not None:
                self.storage.set_trial_intermediate_value(claim.entry, step, value)
            self.storage.set_trial_user_attr(claim.entry, "result", dict(result))
            values = [value] if state == TrialState.COMPLETE else None
            self.storage.set_trial_state_values(claim.entry, state, values)

    def release(self, claim: Claim) -> None:
        """Give a trial back, to be tried again by anyone."""
        self._again(self.storage.get_trial(claim.entry))

    def report(self, claim: Claim, step: int, figure: float) -> None:
        """Keep the figure that a trial has at an iteration, for others to be compared with."""
        with contextlib.suppress(*_LOST):
            self.storage.set_trial_intermediate_value(claim.entry, step, figure)

    def reported(self, step: int) -> list[float]:
        """The figures that trials have had at an iteration."""
        found = [entry.intermediate_values.get(step) for entry in self._entries().values()]
        return [figure for figure in found if figure is not None]

    # -- what came of them ------------------------------------------------------------------

    def results(self, count: int | None = None) -> dict[int, dict]:
        """The results of finished trials by their numbers, the first attempt's that has one."""
        found: dict[int, dict] = {}
        for (trial, _), entry in sorted(self._entries().items(), key=lambda item: item[0]):
            result = _result(entry)
            if result is not None and (count is None or trial < count):
                found.setdefault(trial, result)
        return dict(sorted(found.items()))

    def attempts(self) -> dict[int, int]:
        """How often each trial was taken."""
        taken: dict[int, int] = {}
        for (trial, _), entry in self._entries().items():
            taken[trial] = taken.get(trial, 0) + (entry.state != TrialState.WAITING)
        return taken

    # -- what a bayesian search asks for ----------------------------------------------------

    def suggest(self, claim: Claim, parameters: Sequence[Parameter], seed: int) -> dict[str, Any]:
        """Values for a trial from those before it, by a tree-structured Parzen estimator.

        Multivariate, and trials that are running count as bad ones (the constant liar), so that
        workers don't all ask the same. Numbers are seen by their quantile: before there is
        anything to learn from, they follow the sweep's own laws. (Bergstra et al., 2011)
        """
        sampler = optuna.samplers.TPESampler(
            seed=(seed * 1_000_003 + claim.trial) % 2**32,
            n_startup_trials=STARTUP,
            multivariate=True,
            constant_liar=True,
        )
        study = optuna.load_study(  # anew, since a study keeps the trials that it has seen
            study_name=self.study.study_name, storage=self.storage, sampler=sampler
        )
        trial = Trial(study, claim.entry)
        values = {}
        for one in parameters:
            if isinstance(one.law, Constant):
                values[one.key] = one.law.value
            elif isinstance(one.law, Categorical):
                texts = dict.fromkeys(json.dumps(value) for value in one.law.values)
                chosen = trial.suggest_categorical(one.key, list(texts))
                values[one.key] = json.loads(chosen)
            else:
                u = trial.suggest_float(one.key, 0, 1)
                values[one.key] = one.law.quantile(min(max(u, 1e-12), 1 - 1e-12))
        return values

    # -- signs of life ----------------------------------------------------------------------

    @contextlib.contextmanager
    def beating(self) -> Iterator[None]:
        """Give signs of life while the worker is at work, for workers of other machines."""
        over = threading.Event()

        def beat() -> None:
            for number in itertools.count():
                with contextlib.suppress(Exception):  # a storage that is away for a while
                    self.storage.set_study_user_attr(self._study_id, f"beat {self.id}", number)
                if over.wait(BEAT):
                    return self.storage.remove_session()  # of this thread

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _alive(self, bid: Mapping[str, Any], beats: Mapping[str, Any]) -> bool:
        """Whether the worker that bid may still be at work."""
        there = is_alive(bid)
        if there is not None:
            mine = there and bid["pid"] == whoami()["pid"]
            return there and (bid["id"] in _here or not mine)
        sign, now = beats.get(f"beat {bid['id']}"), time.monotonic()
        last, since = self._seen.setdefault(bid["id"], (sign, now))
        if sign != last:  # judged by this machine's clock alone
            self._seen[bid["id"]] = (sign, now)
            return True
        return now - since < LEASE

    def _retry_those_of_the_dead(self) -> None:
        running = [one for one in self._entries().values() if one.state == TrialState.RUNNING]
        beats = self.storage.get_study_user_attrs(self._study_id) if running else {}
        for entry in running:
            bids = [bid for key, bid in entry.user_attrs.items() if key.startswith("bid ") and bid]
            if not any(self._alive(bid, beats) for bid in bids):
                self._again(entry)

    def _again(self, entry: FrozenTrial) -> None:
        """The next attempt at an entry's trial, and the end of this one; in this order."""
        trial, attempt = entry.user_attrs["trial"], entry.user_attrs["attempt"] + 1
        entries = self._entries()
        with contextlib.suppress(*_LOST):
            if attempt >= ATTEMPTS:
                why = f"failed: its worker died {ATTEMPTS} times"
                result = {"values": entry.user_attrs.get("values", {}), "ended": why}
                self.storage.set_trial_user_attr(entry._trial_id, "result", result)
            elif (trial, attempt) not in entries:
                self._add(trial, attempt, entry.params)
            self.storage.set_trial_state_values(entry._trial_id, TrialState.FAIL)

    def _add(self, trial: int, attempt: int, params: Mapping[str, Any] | None = None) -> None:
        attrs = {"trial": trial, "attempt": attempt}
        fixed = {"fixed_params": dict(params)} if params else {}  # as a search has chosen them
        state = TrialState.WAITING
        self.study.add_trial(create_trial(state=state, user_attrs=attrs, system_attrs=fixed))

    def _entries(self) -> dict[tuple[int, int], FrozenTrial]:
        """The entry of each attempt: of two that are of the same one, that of the lower number."""
        entries: dict[tuple[int, int], FrozenTrial] = {}
        for entry in self.storage.get_all_trials(self._study_id, deepcopy=False):
            label = entry.user_attrs.get("trial"), entry.user_attrs.get("attempt")
            if None not in label:
                entries.setdefault(label, entry)
        return entries


def _result(entry: FrozenTrial) -> dict | None:
    return entry.user_attrs.get("result") if entry.state.is_finished() else None
