"""From the settings of trials to their states: the one place where a sweep trains.

`train_batch` is given the trials that a worker has asked for together, and may train them in any
way that gives each the state it would have alone.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sdnet.errors import InputError
from srnet.runs.config import CriticConfig, Settings, Sources
from srnet.runs.critic import train_critic
from srnet.runs.generator import train_generator
from srnet.runs.generator_config import GeneratorConfig, Tables
from srnet.runs.launch import hyperparams_of, load_sources, load_tables
from srnet.runs.measuring import SHOWN
from srnet.runs.states import load_state
from srnet.runs.sweeps.hyperband import best_of
from srnet.runs.tracking import Tracker

BatchWatch = Callable[[int, Mapping], str | None]
"""Is given a trial's place in the batch and its record so far; a word ends the trial."""


def train_batch(
    kind: str,
    batch: Sequence[Settings],
    watch: BatchWatch,
    trackers: Sequence[Tracker] | None = None,
) -> list[dict | InputError]:
    """The states that trials end with, in their order, or why one can't be trained.

    Args:
        kind: "critic" or "fit", see `srnet.runs.sweeps.command.KINDS`.
        batch: settings of `symdisc critic`, or of `symdisc fit`.
        watch: asked at least every 16 epochs of each trial.
        trackers: one for each trial; None for no tracking.
    """
    train = {"critic": _critic, "fit": _generators}[kind]
    outcomes: list[dict | InputError] = []
    for i, settings in enumerate(batch):
        tracker = Tracker() if trackers is None else trackers[i]
        options = {
            "watch": lambda record, i=i: watch(i, record),
            "tracker": tracker,
            "device": settings.device,
            "progress": False,
        }
        try:
            outcomes.append(train(settings, options))
        except InputError as error:
            outcomes.append(error)
        finally:
            tracker.finish({})
    return outcomes


def check_sources(kind: str, settings: Settings) -> None:
    """Raise InputError for tables and a library that can't be read."""
    load, part = {"critic": (load_sources, Sources), "fit": (load_tables, Tables)}[kind]
    _data(load, _part(settings, part))


def _critic(settings: Any, options: dict) -> dict:
    data = _data(load_sources, _part(settings, Sources))
    return train_critic(hyperparams_of(settings, CriticConfig), *data, settings.seed, **options)


def _generators(settings: Any, options: dict) -> dict:
    data = _data(load_tables, _part(settings, Tables))
    critic = None if settings.critic is None else load_state(settings.critic)
    hyperparams = hyperparams_of(settings, GeneratorConfig)
    return train_generator(hyperparams, *data, settings.seed, critic=critic, **options)


def _part(settings: Settings, model: type[Sources]) -> Sources:
    """The settings that say which tables and library a trial is of; equal ones are of the same."""
    return model.model_validate({name: getattr(settings, name) for name in model.model_fields})


@lru_cache(maxsize=8)  # trials of a sweep mostly share their tables
def _data(load: Callable[..., tuple], sources: Sources) -> tuple:
    return load(sources)


def figures_of(state: Mapping, names: Sequence[str]) -> dict[str, float]:
    """What a trial is judged by, by name: the figures that its tracker's summary holds.

    A critic's are those on fresh curves, and of the last epoch what fresh curves don't tell;
    generators' are those of the member chosen. A figure that isn't there is NaN.
    """
    if "members" in state:
        found = state["members"][state["best"]]
    else:
        last = {name: rows[-1] for name, rows in state["history"].items() if len(rows)}
        found = {**last, **state.get("fresh", {})}
    return {name: float(found.get(name, math.nan)) for name in names}


def steps_of(record: Mapping, name: str, maximize: bool) -> list[float]:
    """A figure's course so far: of a critic each epoch's, of generators the best member's.

    Generators are measured every `log_freq` epochs, and each measure counts as one iteration.
    """
    if name in SHOWN and "measures" in record:
        rows = record["measures"].get(name)
        return [] if rows is None else [best_of(row, maximize) for row in rows.tolist()]
    return [float(figure) for figure in record["history"][name]]
