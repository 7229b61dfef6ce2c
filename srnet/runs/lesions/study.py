"""The study of lesions: every damage to the network of every seed, retrained, in one table.

Each trained network and each finished cell is a file of its own in the study's folder, so what was
stopped goes on, and more damages or seeds may be added. What may live here: running the cells that
aren't there yet, and what the table says in short.
"""

import json
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joblib import Parallel, delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError
from tqdm.auto import tqdm

from sdnet.errors import InputError, nearest
from sdnet.mlp import check_whole
from srnet.reading import PMSP, ToyOP
from srnet.runs.curves import random_stream
from srnet.runs.lesions.cells import Cell, run_cell, train_parent
from srnet.runs.lesions.damages import UNDAMAGED, Damage, parse_damage
from srnet.runs.lesions.protocol import DAMAGES, OPTIMIZERS, Protocol
from srnet.runs.parallel import here
from srnet.runs.reading import load_reading, save_reading
from srnet.runs.running import one_thread
from srnet.runs.states import write_whole
from srnet.runs.table_files import check_table, write_table
from srnet.runs.values import build, to_plain


@dataclass(frozen=True)
class LesionStudy:
    """A study that has been run.

    `rows` has one row for each cell and measured epoch: damage, severity (None where the kind has
    none), optimizer, seed, epoch of retraining, tick_accuracy, word_accuracy, and the words that
    are wrong.
    """

    rows: list[dict]
    table: Path
    out: Path

    def summary(self) -> list[dict]:
        """See `summary`."""
        return summary(self.rows)


def lesion_study(
    damages: Sequence[str] = DAMAGES,
    protocol: Mapping | None = None,
    *,
    seeds: Sequence[int] = (0, 1, 2),
    optimizers: Sequence[str] = OPTIMIZERS,
    out: str | Path = "models/lesions",
    table: str | Path | None = None,
    jobs: int = 2,
    progress: bool = True,
) -> LesionStudy:
    """Damage trained models of reading, retrain them, and measure what is lost and what recovers.

    For each seed a PMSP network is trained on the toy corpus; each damage is done to it, and what
    is left is retrained, with the optimiser's state carried through the damage or fresh. So is a
    control, the undamaged network: what it loses and regains by being retrained is no effect of
    the damage. Everything follows from the damages, the protocol and the seeds alone: not from the
    processes, nor from where the study was stopped.

    Args:
        damages: such as "zero_out:pp=0.1,0.2", see `srnet.runs.lesions.damages.parse_damage`.
        protocol: of the settings of `srnet.runs.lesions.protocol.Protocol`, those that differ.
        optimizers: "carried", "fresh", or both.
        out: folder of the trained networks and the finished cells.
        table: .csv or .parquet; None: lesions.csv in `out`.
        jobs: processes.
        progress: a progress bar, where standard error is a terminal.

    Raises:
        InputError: a damage, a setting or the table can't be used; `out` has a study of another
            protocol.
        KeyboardInterrupt: interrupted; the same call goes on.
    """
    chosen = build(Protocol, protocol or {}, "protocol")
    check_whole("the number of jobs", jobs, 1)
    out = Path(out)
    table = Path(table or out / "lesions.csv")
    check_table(table)
    cells = plan(damages, chosen, seeds, optimizers)
    _claim(out, chosen)
    networks = {seed: out / f"network-seed{seed}.pt" for seed in seeds}
    files = {cell: out / "cells" / f"{cell.name}.json" for cell in cells}
    untrained = {seed: path for seed, path in networks.items() if not path.exists()}
    unfinished = {cell: path for cell, path in files.items() if not path.exists()}
    total = len(networks) + len(files)
    done = total - len(untrained) - len(unfinished)
    with tqdm(total=total, initial=done, unit="cell", disable=None if progress else True) as bar:
        tasks = [delayed(here(_train))(chosen, seed, path) for seed, path in untrained.items()]
        _work(tasks, jobs, bar.update)
        tasks = [
            delayed(here(_run))(networks[cell.seed], cell, chosen, path)
            for cell, path in unfinished.items()
        ]
        _work(tasks, jobs, bar.update)
    rows = [row for path in files.values() for row in _read(path)]
    write_table(table, rows)
    return LesionStudy(rows, table, out)


def plan(
    damages: Sequence[str], protocol: Protocol, seeds: Sequence[int], optimizers: Sequence[str]
) -> list[Cell]:
    """The cells of a study, the control's first; each damage is tried on a network of its sizes.

    Raises:
        InputError: nothing given for one of them, or something that can't be used.
    """
    for name, values in (("damages", damages), ("seeds", seeds), ("optimizers", optimizers)):
        if not values:
            raise InputError(f"no {name} are given, expected at least one")
    for optimizer in optimizers:
        if optimizer not in OPTIMIZERS:
            raise InputError(f"unknown optimizer {optimizer!r}; {nearest(optimizer, OPTIMIZERS)}")
    for seed in seeds:
        check_whole("a seed", seed, 0)
    corpus = ToyOP(protocol.ticks)
    model = PMSP(
        protocol.tau, protocol.h_units, len(corpus.letters), protocol.c_units, seed=seeds[0]
    )
    chosen = [Damage(UNDAMAGED, None), *(one for text in damages for one in parse_damage(text))]
    for damage in chosen:
        try:
            damage.inflict(model, random_stream(0, "damage"))
        except InputError as error:
            raise InputError(f"damage {damage.label!r}: {error}") from None
    return [
        Cell(damage, optimizer, seed)
        for damage in dict.fromkeys(chosen)
        for optimizer in dict.fromkeys(optimizers)
        for seed in dict.fromkeys(seeds)
    ]


def summary(rows: Iterable[Mapping]) -> list[dict]:
    """A row for each damage and severity: means over seeds.

    ticks, words: shares that are right after the damage; then, for each treatment of the optimiser,
    the share of words after retraining, and the share of the loss that was regained,

    regained = (after - before) / (control - before),

    where the control is the undamaged network after the same retraining; None where the damage
    lost nothing to regain.

    >>> row = {"damage": "cut:hp", "severity": None, "optimizer": "fresh", "seed": 0,
    ...        "tick_accuracy": 0.5}
    >>> control = row | {"damage": "undamaged"}
    >>> found = summary([control | {"epoch": 0, "word_accuracy": 1.0},
    ...                  control | {"epoch": 9, "word_accuracy": 0.9},
    ...                  row | {"epoch": 0, "word_accuracy": 0.1},
    ...                  row | {"epoch": 9, "word_accuracy": 0.5}])
    >>> found[1]["words"], found[1]["words fresh"], found[1]["regained fresh"]
    (0.1, 0.5, 0.5)
    """
    rows = list(rows)
    last = max(row["epoch"] for row in rows)
    conditions = dict.fromkeys((row["damage"], row["severity"]) for row in rows)
    optimizers = list(dict.fromkeys(row["optimizer"] for row in rows))

    def mean(figure: str, **where: object) -> float:
        found = [row[figure] for row in rows if all(row[k] == v for k, v in where.items())]
        return statistics.fmean(found)

    lines = []
    for damage, severity in conditions:
        where = {"damage": damage, "severity": severity}
        seeds = {row["seed"] for row in rows if row["damage"] == damage}
        words = mean("word_accuracy", epoch=0, **where)
        ticks = mean("tick_accuracy", epoch=0, **where)
        line = {**where, "seeds": len(seeds), "ticks": ticks, "words": words}
        for one in optimizers:
            after = mean("word_accuracy", epoch=last, optimizer=one, **where)
            control = mean("word_accuracy", epoch=last, optimizer=one, damage=UNDAMAGED)
            line[f"words {one}"] = after
            lost = control - words
            line[f"regained {one}"] = (
                None if damage == UNDAMAGED or lost <= 0 else (after - words) / lost
            )
        lines.append(line)
    return lines


def _work(tasks: list, jobs: int, told: Callable[[], object]) -> None:
    try:
        for _ in Parallel(n_jobs=jobs, return_as="generator_unordered")(tasks):
            told()
    except TerminatedWorkerError:
        raise InputError("a process of the study was killed; the same command goes on") from None


def _train(protocol: Protocol, seed: int, path: Path) -> None:
    with one_thread():
        save_reading(path, train_parent(protocol, seed))


def _run(network: Path, cell: Cell, protocol: Protocol, path: Path) -> None:
    with one_thread():
        try:
            rows = run_cell(load_reading(network), cell, protocol)
        except InputError as error:
            raise InputError(f"{cell.name}: {error}") from None
    write_whole(path, json.dumps(rows).encode())


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise InputError(f"{path}: isn't a file of a study ({error}); remove it") from None


def _claim(out: Path, protocol: Protocol) -> None:
    """See that the folder is of this protocol, or of none yet."""
    path, settings = out / "study.json", to_plain(protocol)
    if path.exists():
        for name, before in _read(path).items():
            if before != settings.get(name):
                raise InputError(
                    f"{path}: {name} was {before} and is now {settings.get(name)}; another "
                    "protocol needs another folder (--out)"
                )
    write_whole(path, json.dumps(settings, indent=2).encode())
