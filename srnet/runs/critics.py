"""Many critic runs at once: what `srnet.runs.critic` does, of a whole list of settings."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sdnet.library import SDData
from sdnet.mlp import check_whole
from sdnet.together import CriticTeam
from srnet.runs.critic import Run, begin, check_library
from srnet.runs.following import begin_all, follow_together, named
from srnet.runs.grouping import stacks
from srnet.runs.tracking import Tracker
from srnet.tables import SRData


def train_critics(
    hyperparams: Sequence[Mapping],
    train: SRData,
    lib: SDData,
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
    """Train a critic of each of the settings; the states they end with, as `train_critic`'s.

    Critics of one shape train as one stack, of the size that is quickest here. Each ends as
    `train_critic` ends with its settings and seed: on a CPU to the bit, but for `times`, of which
    each has its share of the stack's. `runtime` is of these shares.

    Args:
        hyperparams, train, lib, checkpoint_every, device, progress: as for `train_critic`.
        seeds, states, paths, trackers: of each, as for `train_critic`; None: 0, and none.
        watch: is given i and the record of run i so far, whenever a multiple of 16 or of
            `checkpoint_every` epochs is done, and perhaps at others; a word ends the run.
        ended: told of run i and its state as soon as it has ended.

    Returns:
        the states, in the order of the settings. Where the evaluation meets a draw that isn't
        finite there is no `fresh`, and a warning is logged.

    Raises:
        InputError: as `train_critic`, before any of them is trained, naming the run.

    >>> import torch
    >>> lib = SDData.from_lines(["N0*x0**2 + N1"], "X00")
    >>> points = SRData.from_arrays(torch.linspace(-1, 1, 20)[:, None])
    >>> small = {"epochs": 3, "disc.hid_size": 8}
    >>> grid = [{**small, "disc.lr": lr, "disc.gp": gp} for lr in (1e-4, 1e-3) for gp in (0, 1e-5)]
    >>> states = train_critics(grid, points, lib, seeds=[0, 1, 2, 3], progress=False)
    >>> [len(state["history"]["acc"]) for state in states]
    [3, 3, 3, 3]
    """
    check_whole("checkpoint_every", checkpoint_every, 1)

    def begun(settings: Mapping, seed: int, **options: Any) -> Run:
        return begin(settings, train, lib, seed, device=device, **options)

    runs = begin_all(begun, hyperparams, seeds, states, paths, trackers)
    if not runs:
        return []
    check_library(runs)
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

    Args: as for `train_critics`.
    """
    follow_together(runs, stacks, CriticTeam, checkpoint_every, watch, ended, progress)
