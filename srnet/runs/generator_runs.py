"""Many generators' runs at once: what `srnet.runs.generator` does, of a whole list of settings."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sdnet.library import SDData
from sdnet.mlp import check_whole
from srnet.runs.following import begin_all, follow_together, named
from srnet.runs.generator import Run, begin
from srnet.runs.generator_grouping import stacks
from srnet.runs.tracking import Tracker
from srnet.tables import SRData
from srnet.together import GeneratorTeam


def train_generators(
    hyperparams: Sequence[Mapping],
    train: SRData,
    val: SRData,
    lib: SDData | None,
    seeds: Sequence[int] | None = None,
    *,
    states: Sequence[Mapping | None] | None = None,
    paths: Sequence[str | Path | None] | None = None,
    trackers: Sequence[Tracker | None] | None = None,
    checkpoint_every: int = 100,
    watch: Callable[[int, Mapping], str | None] | None = None,
    ended: Callable[[int, dict], None] | None = None,
    device: str = "cpu",
    progress: bool = True,
) -> list[dict]:
    """Train generators of each of the settings; the states they end with, as `train_generator`'s.

    Runs of one shape (see `srnet.runs.generator_grouping.form`) train as one stack, `restarts`
    members of each side by side, as many runs at once as is quickest here. Each ends as
    `train_generator` ends with its settings and seed: on a CPU to the bit, but for `times`, of
    which each has its members' share of the stack's. `runtime` is of these shares. Runs with a
    guide (`projection`) train alone.

    Args:
        hyperparams, train, val, lib, device, progress: as for `train_generator`.
        others: as for `srnet.runs.critics.train_critics`.

    Returns:
        the states, in the order of the settings.

    Raises:
        InputError: as `train_generator`, before any of them is trained, naming the run.

    >>> import torch
    >>> x = torch.linspace(-1, 1, 20)[:, None]
    >>> data, lib = SRData.from_arrays(x, x**2, x**2), SDData.from_lines(["N0*x0**2"], "X00")
    >>> small = {"epochs": 3, "restarts": 2, "arch": {"lat_size": 1, "hid_size": 8}}
    >>> grid = [{**small, "lr": lr, "disc.iters": iters} for lr in (1e-4, 1e-3) for iters in (1, 5)]
    >>> states = train_generators(grid, data, data, lib, progress=False)
    >>> [tuple(state["history"]["loss"].shape) for state in states]
    [(3, 2), (3, 2), (3, 2), (3, 2)]
    """
    check_whole("checkpoint_every", checkpoint_every, 1)

    def begun(settings: Mapping, seed: int, **options: Any) -> Run:
        return begin(settings, train, val, lib, seed, device=device, **options)

    runs = begin_all(begun, hyperparams, seeds, states, paths, trackers)
    for number, run in enumerate(runs):
        with named(number):
            run.check()
    train_runs(runs, checkpoint_every, watch, ended, progress)
    return [run.record for run in runs]


def train_runs(
    runs: Sequence[Run],
    checkpoint_every: int = 100,
    watch: Callable[[int, Mapping], str | None] | None = None,
    ended: Callable[[int, dict], None] | None = None,
    progress: bool = True,
) -> None:
    """Train runs that have begun and are checked, of any tables, to the ends of their records.

    Args: as for `train_generators`.
    """
    follow_together(runs, stacks, GeneratorTeam, checkpoint_every, watch, ended, progress)
