"""From the settings of trials to their states: the one place where a sweep trains.

`train_batch` is given the trials that a worker has asked for together: those that `likeness` says
train at once, as a stack.
"""

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sdnet.errors import InputError
from sdnet.mlp import pair
from srnet.runs import critic, critics, generator, generator_runs, generators
from srnet.runs.assembly import fitted
from srnet.runs.config import CriticConfig, Settings, Sources
from srnet.runs.generator_config import GeneratorConfig, Tables
from srnet.runs.generator_grouping import form
from srnet.runs.launch import hyperparams_of, load_sources, load_tables
from srnet.runs.measuring import SHOWN
from srnet.runs.running import table
from srnet.runs.states import load_state
from srnet.runs.sweeps.hyperband import best_of
from srnet.runs.tracking import Tracker
from srnet.runs.values import build

_EACH_ITS_OWN = {"lr", "wd", "betas", "gp", "iters", "schedule"}  # in a stack

_TABLES = "data", "in_var", "target_var", "rows"  # that generators are trained on

BatchWatch = Callable[[int, Mapping], str | None]
"""Is given a trial's place in the batch and its record so far; a word ends the trial."""

Ended = Callable[[int, dict | InputError], None]
"""Is told of a trial's place in the batch, and its state or why it can't be trained."""


def train_batch(
    kind: str,
    batch: Sequence[Settings],
    watch: BatchWatch,
    ended: Ended,
    trackers: Sequence[Tracker] | None = None,
) -> None:
    """Train trials, in stacks as far as they can: each to the state that it would have alone.

    Args:
        kind: "critic" or "fit", see `srnet.runs.sweeps.command.KINDS`.
        batch: settings of `symdisc critic`, or of `symdisc fit`.
        watch: asked at least every 16 epochs of each trial.
        ended: told once of each trial, as soon as it has ended; the others go on.
        trackers: one for each trial; None for no tracking.
    """
    trackers = [Tracker() for _ in batch] if trackers is None else trackers
    try:
        {"critic": _critics, "fit": _generators}[kind](batch, watch, ended, trackers)
    finally:
        for tracker in trackers:
            tracker.finish({})


def likeness(kind: str, settings: Settings) -> tuple[float, Hashable]:
    """About how long a trial takes, in no unit, and what those have in common that train at once.

    Trials that train alone have nothing in common, nor have those that can't be trained.
    """
    try:
        return {"critic": _likeness_of_critics, "fit": _likeness_of_generators}[kind](settings)
    except InputError:
        return 0.0, object()


def _likeness_of_critics(settings: Any) -> tuple[float, Hashable]:
    config = _config(settings)
    disc, points = config.disc, config.batch_size or 0
    inputs = points * (disc.emb_size or 1 if config.ext_type == "embed" else 1 + len(config.ext))
    layers = list(zip(_pair(disc.hid_num), _pair(disc.hid_size), strict=True))
    weights = inputs * max(size for _, size in layers) + sum(n * size**2 for n, size in layers)
    shared = disc.model_dump(exclude=_EACH_ITS_OWN)
    key = repr((shared, bool(disc.gp), config.ext, config.ext_type, config.arch.lat_size, points))
    return float(weights * disc.iters * config.arch.lat_size * config.epochs), key


def _likeness_of_generators(settings: Any) -> tuple[float, Hashable]:
    tables = _part(settings, Tables)
    train = _data(load_tables, tables)[0]
    x, y = (table("table", part, "", "cpu") for part in (train.in_data, train.target_data))
    hyperparams = hyperparams_of(settings, GeneratorConfig)
    config = generators.fitted(build(GeneratorConfig, hyperparams, "settings"), x, y)
    arch, disc = config.arch, config.disc
    layers = list(zip(pair("hid_num", arch.hid_num), pair("hid_size", arch.hid_size), strict=True))
    latents = sum(size * (1 + depth * size) for depth, size in layers)
    scores = max(pair("hid_size", disc.hid_size)) * disc.iters * bool(config.sd)
    curves = arch.lat_size * config.restarts * config.epochs
    shape = form(config)
    # of other tables, too, trials train apart
    key = object() if shape is None else (shape, repr([getattr(settings, n) for n in _TABLES]))
    return float(len(x) * (latents + scores) * curves), key


def check_sources(kind: str, settings: Settings) -> None:
    """Raise InputError for tables and a library that can't be read."""
    load, part = {"critic": (load_sources, Sources), "fit": (load_tables, Tables)}[kind]
    _data(load, _part(settings, part))


def _critics(
    batch: Sequence[Any], watch: BatchWatch, ended: Ended, trackers: Sequence[Tracker]
) -> None:
    _train_all(critics.train_runs, _begun_critic, batch, watch, ended, trackers)


def _begun_critic(settings: Any, tracker: Tracker) -> critic.Run:
    """A critic's run that nothing is wrong with."""
    sources = _part(settings, Sources)
    hyperparams = hyperparams_of(settings, CriticConfig)
    options = {"state": None, "path": None, "tracker": tracker, "device": settings.device}
    run = critic.begin(hyperparams, *_data(load_sources, sources), settings.seed, **options)
    _check(sources, "grad" in run.config.ext, settings.device)
    run.check()
    return run


def _generators(
    batch: Sequence[Any], watch: BatchWatch, ended: Ended, trackers: Sequence[Tracker]
) -> None:
    _train_all(generator_runs.train_runs, _begun_generators, batch, watch, ended, trackers)


def _begun_generators(settings: Any, tracker: Tracker) -> generator.Run:
    options = {"state": None, "path": None, "tracker": tracker, "device": settings.device}
    judge = None if settings.critic is None else load_state(settings.critic)
    tables = _data(load_tables, _part(settings, Tables))
    hyperparams = hyperparams_of(settings, GeneratorConfig)
    return generator.begin(hyperparams, *tables, settings.seed, critic=judge, **options)


def _train_all(
    train_runs: Callable[..., None],
    begun: Callable[[Any, Tracker], Any],
    batch: Sequence[Any],
    watch: BatchWatch,
    ended: Ended,
    trackers: Sequence[Tracker],
) -> None:
    """Train the runs of those that can be begun; the others have ended."""
    runs, places = [], []
    for i, (settings, tracker) in enumerate(zip(batch, trackers, strict=True)):
        try:
            run = begun(settings, tracker)
        except InputError as error:  # of this one's settings
            ended(i, error)
            continue
        runs.append(run)
        places.append(i)
    train_runs(
        runs,
        watch=lambda number, record: watch(places[number], record),
        ended=lambda number, state: ended(places[number], state),
        progress=False,
    )


def _config(settings: Any) -> CriticConfig:
    """What a critic is asked to do, with what follows from its table."""
    points = table("points", _data(load_sources, _part(settings, Sources))[0].in_data, "", "cpu")
    return fitted(build(CriticConfig, hyperparams_of(settings, CriticConfig), "settings"), points)


def _pair(sizes: int | Sequence[int]) -> Sequence[int]:
    return sizes if isinstance(sizes, Sequence) else (0, sizes)


def _part(settings: Settings, model: type[Sources]) -> Sources:
    """The settings that say which tables and library a trial is of; equal ones are of the same."""
    return model.model_validate({name: getattr(settings, name) for name in model.model_fields})


@lru_cache(maxsize=8)  # trials of a sweep mostly share their tables
def _data(load: Callable[..., tuple], sources: Sources) -> tuple:
    return load(sources)


@lru_cache(maxsize=8)  # and one check does for all of them
def _check(sources: Sources, with_partials: bool, device: str) -> None:
    train, lib = _data(load_sources, sources)
    lib.check(table("points", train.in_data, "", device), with_partials=with_partials)


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
