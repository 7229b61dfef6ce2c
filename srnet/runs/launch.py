"""From the command line's settings to a run: its table, library, name and tracking."""

from collections.abc import Callable
from pathlib import Path

from sdnet.errors import InputError
from sdnet.library import SDData
from srnet.runs.config import CriticConfig, CriticRun, Place, Settings, Sources
from srnet.runs.critic import train_critic
from srnet.runs.generator import train_generator
from srnet.runs.generator_config import GeneratorConfig, GeneratorRun, Tables
from srnet.runs.states import load_state
from srnet.runs.tracking import agent_run, track
from srnet.runs.values import to_plain
from srnet.tables import SRData


def run_critic(settings: CriticRun) -> Path:
    """Train a critic as `symdisc critic` does; the path of its state.

    Raises:
        InputError: settings, data and library that can't be used; a state of this name is there
            and `resume` is off, or is of another run.
    """
    path = _path(settings, default_name(settings))
    state = _earlier(path, settings.resume)
    train, lib = load_sources(settings)
    return _tracked(train_critic, settings, CriticConfig, path, train, lib, state=state)


def run_generator(settings: GeneratorRun) -> Path:
    """Train generators as `symdisc fit` does; the path of their state.

    Raises:
        InputError: settings, data and library that can't be used; a state of this name is there
            and `resume` is off, or is of another run.
    """
    path = _path(settings, generators_name(settings))
    state = _earlier(path, settings.resume)
    train, val, lib = load_tables(settings)
    critic = None if settings.critic is None else load_state(settings.critic)
    data = train, val, lib
    return _tracked(
        train_generator, settings, GeneratorConfig, path, *data, critic=critic, state=state
    )


def load_sources(settings: Sources) -> tuple[SRData, SDData]:
    """The table and the library that the settings name."""
    rows = None if settings.rows == "all" else settings.rows
    train = SRData(settings.data, settings.in_var, rows=rows)
    return train, SDData(settings.library, settings.in_var, settings.shuffle, settings.iter_sample)


def load_tables(settings: Tables) -> tuple[SRData, SRData, SDData]:
    """The training rows, the validation rows and the library that the settings name."""
    train, val = (
        SRData(
            settings.data,
            settings.in_var,
            settings.lat_var,
            settings.target_var,
            rows=None if rows == "all" else rows,
        )
        for rows in (settings.rows, settings.val_rows)
    )
    lib = SDData(settings.library, settings.in_var, settings.shuffle, settings.iter_sample)
    return train, val, lib


def default_name(settings: CriticRun) -> str:
    """Library, what the critic sees, and seed.

    >>> default_name(CriticRun(ext="grad", seed=3))
    'F10_v1-grad-stack-seed3'
    """
    sees = [*settings.ext, settings.ext_type] if settings.ext else ["plain"]
    return "-".join([settings.library.stem, *sees, f"seed{settings.seed}"])


def generators_name(settings: GeneratorRun) -> str:
    """Target, library, what the critic sees, and seed.

    >>> generators_name(GeneratorRun(seed=3))
    'F07-F07_v2-plain-seed3'
    """
    target = settings.target_var.partition("[")[0]
    sees = [*settings.ext, settings.ext_type] if settings.ext else ["plain"]
    return "-".join([target, settings.library.stem, *sees, f"seed{settings.seed}"])


def hyperparams_of(settings: Settings, config: type[Settings]) -> dict:
    """The settings that the training depends on: those that are keys of `config`."""
    plain = to_plain(settings)
    return {key: value for key, value in plain.items() if key in config.model_fields}


def _path(settings: Place, default: str) -> Path:
    """Where the state goes; runs of a W&B agent, which differ by their settings, by their id."""
    run = agent_run()
    chosen = default if run is None else f"{default}-{run}"
    return settings.out / f"{settings.name or chosen}.pt"


def _earlier(path: Path, resume: bool) -> dict | None:
    if resume:
        return load_state(path)
    if path.exists():
        raise InputError(
            f"{path} is there already: add --resume to go on with it, or choose another --name"
        )
    return None


def _tracked(
    train: Callable[..., dict],
    settings: CriticRun | GeneratorRun,
    config: type[Settings],
    path: Path,
    *data: SRData | SDData,
    **options: dict | None,
) -> Path:
    """Train as the settings say, its figures tracked; `config` has the keys it depends on."""
    tracker = track(settings.project, path.stem, to_plain(settings))
    try:
        train(
            hyperparams_of(settings, config),
            *data,
            settings.seed,
            path=path,
            checkpoint_every=settings.checkpoint_every,
            tracker=tracker,
            device=settings.device,
            **options,
        )
    finally:
        tracker.finish({})
    return path
