"""A study read back from its folder: the best trials, what matters, and how trainings went."""

import csv
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sdnet.errors import InputError
from srnet import pages, plots
from srnet.pages import Course
from srnet.runs.states import load_state, write_whole
from srnet.runs.sweeps.command import KINDS, Command, command_of
from srnet.runs.sweeps.engine import folder_of
from srnet.runs.sweeps.format import read_sweep
from srnet.runs.sweeps.laws import InvLogUniform, Law, LogNormal, LogUniform, LogUniformValues
from srnet.runs.sweeps.results import best
from srnet.runs.sweeps.trends import CHANCE, RULES, TRENDS, loss_trend, smoothed, trend
from srnet.runs.values import read_text

FEW = 8
"""So many different values of a hyperparameter, or fewer, are shown as choices."""

_LABELS = {"critic": "accuracy on unseen curves", "fit": "loss_inside of the chosen member"}
_LOG_LAWS = (InvLogUniform, LogNormal, LogUniform, LogUniformValues)


@dataclass(frozen=True)
class Reading:
    """What a study's folder holds: rows by trial, and how each trial went, by its number.

    A critic's course is its accuracy, smoothed; generators', the loss of the member chosen.
    """

    command: Command
    rows: list[dict]
    courses: dict[int, Course]
    file: str

    @property
    def best(self) -> list[dict]:
        """The rows with the best figure first."""
        return best(self.rows, self.command.metric)

    @property
    def keys(self) -> list[str]:
        """The hyperparameters that vary over the trials."""
        keys = [one.key for one in self.command.sweep.parameters]
        return [key for key in keys if len({str(row.get(key)) for row in self.rows}) > 1]

    @property
    def scales(self) -> dict[str, str]:
        """How an axis of each of `keys`, and of the metric, is drawn: see `srnet.pages.SCALES`."""
        laws = {one.key: one.law for one in self.command.sweep.parameters}
        metric = self.command.metric.name
        scales = {
            key: scale_of([row.get(key) for row in self.rows], laws[key]) for key in self.keys
        }
        return {**scales, metric: scale_of([row[metric] for row in self.rows])}

    @cached_property
    def _shares(self) -> dict[str, float] | InputError:
        from srnet.runs.sweeps.importance import importances  # here, since it needs optuna

        metric = self.command.metric.name
        try:
            return importances(self.rows, self.keys, metric, self.scales[metric] == "log")
        except InputError as error:
            return error

    @property
    def importances(self) -> dict[str, float]:
        """See `srnet.runs.sweeps.importance.importances`; none, where the trials are too few.

        Of a metric that goes over more than two orders of magnitude, its logarithm is looked at.
        """
        return {} if isinstance(self._shares, InputError) else self._shares

    @property
    def trends(self) -> dict[str, list[int]]:
        """The trials of each trend, see `srnet.runs.sweeps.trends`."""
        return {
            name: [trial for trial, course in self.courses.items() if course.trend == name]
            for name in TRENDS
        }

    @property
    def notes(self) -> list[str]:
        """The rule of the trends, and why importances are missing, if they are."""
        trends = [f"Trends: {RULES[self.command.kind]}"] if self.courses else []
        missing = (
            [f"No importances: {self._shares}."] if isinstance(self._shares, InputError) else []
        )
        return trends + missing

    def draw(self, folder: Path) -> list[Path]:
        """Write those of the figures that there is something to draw for; their paths.

        Raises:
            InputError: a figure can't be written.
        """
        metric = self.command.metric
        drawn = {}
        if any(_is_finite(row[metric.name]) for row in self.rows):
            drawn["parallel"] = plots.parallel_coordinates(
                self.rows, self.scales, metric.name, metric.goal == "maximize"
            )
        if self.importances:
            log = "log " if self.scales[metric.name] == "log" else ""
            label = f"share of the variance of {log}{metric.name} (fANOVA)"
            drawn["importance"] = plots.bars(self.importances, label)
        if self.courses:
            drawn["trends"] = plots.curves_by_trend(
                {
                    name: [(self.courses[i].epochs, self.courses[i].values) for i in trials]
                    for name, trials in self.trends.items()
                },
                _LABELS[self.command.kind],
                chance=CHANCE if self.command.kind == "critic" else None,
                log=self.command.kind == "fit",
            )
        paths = [self._path(folder, f"-{kind}.png") for kind in drawn]
        for path, figure in zip(paths, drawn.values(), strict=True):
            plots.save(figure, path)
        return paths

    def write_page(self, folder: Path) -> Path:
        """Write the interactive page, see `srnet.pages.study_page`; its path.

        Raises:
            InputError: it can't be written.
        """
        metric, critics = self.command.metric, self.command.kind == "critic"
        path = self._path(folder, ".html")
        page = pages.study_page(
            self.rows,
            self.scales,
            metric.name,
            self.courses,
            title=self.command.sweep.name or path.stem,
            source=self.file,
            maximize=metric.goal == "maximize",
            shares=self.importances,
            trends=TRENDS if self.courses else None,
            label=_LABELS[self.command.kind],
            log=not critics,
            chance=CHANCE if critics else None,
            notes=self.notes,
        )
        write_whole(path, page.encode())
        return path

    def _path(self, folder: Path, end: str) -> Path:
        name = folder_of(self.command.sweep, Path(self.file), None).name
        return folder / f"{name}{end}"


def read_study(file: str | Path, folder: str | Path | None = None) -> Reading:
    """The study of a sweep file as `run_sweep` left it in a folder (by default where it does).

    Raises:
        InputError: the file, the table or a state can't be read; there is no finished trial.
    """
    sweep = read_sweep(file)
    command = command_of(sweep)
    folder = folder_of(sweep, Path(file), folder)
    path = folder / "trials.csv"
    names = KINDS[command.kind].ends
    lines = list(csv.DictReader(read_text(path, "the table of a study").splitlines()))
    for number, line in enumerate(lines, 2):
        if None in line or None in line.values():
            given = "more" if None in line else "fewer"
            raise InputError(
                f"{path}: row {number} has {given} cells than the header; the table "
                "is damaged, and the sweep's command with --resume writes it anew"
            )
    rows = [{key: _cell(text, key in names) for key, text in line.items()} for line in lines]
    if not rows or not {"trial", "state", command.metric.name} <= rows[0].keys():
        raise InputError(f"{path}: no finished trial of this sweep; expected some of symdisc sweep")
    course = {"critic": _accuracy, "fit": _loss}[command.kind]
    courses = {
        row["trial"]: course(load_state(folder / row["state"]))
        for row in rows
        if row["state"] is not None
    }
    return Reading(command, rows, courses, str(file))


def _accuracy(state: Mapping) -> Course:
    """The course of a critic."""
    values = state["history"]["acc"]
    shown = smoothed(values) if len(values) else []
    return Course(range(1, len(values) + 1), shown, trend(values))


def _loss(state: Mapping) -> Course:
    """The course of generators: that of the member chosen."""
    member, measures = state["best"], state["measures"]
    if not measures["epoch"]:
        return Course([], [], trend([]))
    values = measures["loss_inside"][:, member].tolist()
    first = float(state["history"]["loss"][0, member])
    return Course(measures["epoch"], values, loss_trend(values, first))


def scale_of(values: list, law: Law | None = None) -> str:
    """The scale of an axis: of a hyperparameter by its law and values, of a figure by its values.

    Numbers that a logarithmic law draws, or over more than two orders of magnitude, are drawn by
    their logarithm; a hyperparameter of `FEW` values, or not of numbers alone, as choices.

    >>> scale_of([1e-5, 1.0]), scale_of([0.5, 0.9])
    ('log', 'linear')
    """
    known = [value for value in values if value is not None]
    numbers = [value for value in known if _is_finite(value)]
    few = law is not None and not isinstance(law, _LOG_LAWS) and len(set(known)) <= FEW
    if few or (law is not None and len(numbers) < len(known)):
        return "choice"
    if isinstance(law, _LOG_LAWS):
        return "log"
    wide = bool(numbers) and min(numbers) > 0 and max(numbers) > 100 * min(numbers)
    return "log" if wide else "linear"


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _cell(text: str, figure: bool) -> Any:
    """What a cell of the table holds: a number, none, or text."""
    if text == "":
        return None
    try:
        value = json.loads(text)
    except ValueError:
        return float(text) if figure else text  # nan, inf
    return value if isinstance(value, int | float) and not isinstance(value, bool) else text
