"""A study read back from its folder: the best trials, what matters, and how trainings went."""

import csv
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sdnet.errors import InputError
from srnet import plots, plots_studies
from srnet.runs.states import load_state
from srnet.runs.sweeps.command import KINDS, Command, command_of
from srnet.runs.sweeps.engine import folder_of
from srnet.runs.sweeps.format import read_sweep
from srnet.runs.sweeps.results import best
from srnet.runs.sweeps.trends import TRENDS, smoothed, trend
from srnet.runs.values import read_text


@dataclass(frozen=True)
class Reading:
    """What a study's folder holds: rows by trial, and the accuracies of critics by state's name."""

    command: Command
    rows: list[dict]
    curves: dict[str, list[float]]

    @property
    def best(self) -> list[dict]:
        """The rows with the best figure first."""
        return best(self.rows, self.command.metric)

    @property
    def keys(self) -> list[str]:
        """The hyperparameters that vary over the trials."""
        keys = [one.key for one in self.command.sweep.parameters]
        return [key for key in keys if len({str(row.get(key)) for row in self.rows}) > 1]

    @cached_property
    def importances(self) -> dict[str, float]:
        """See `srnet.runs.sweeps.importance.importances`."""
        from srnet.runs.sweeps.importance import importances  # here, since it needs optuna

        return importances(self.rows, self.keys, self.command.metric.name)

    @cached_property
    def trends(self) -> dict[str, list[str]]:
        """The states of each trend, see `srnet.runs.sweeps.trends`."""
        found: dict[str, list[str]] = {name: [] for name in TRENDS}
        for name, curve in self.curves.items():
            found[trend(curve)].append(name)
        return found

    def draw(self, folder: Path) -> list[Path]:
        """Write the figures; their paths.

        Raises:
            InputError: there is nothing to draw, or a figure can't be written.
        """
        metric = self.command.metric
        name = folder / (self.command.sweep.name or "study")
        drawn = {
            "parallel": plots_studies.parallel_coordinates(
                self.rows, self.keys, metric.name, metric.goal == "maximize"
            ),
            "importance": plots_studies.bars(
                self.importances, f"share of the variance of {metric.name}"
            ),
        }
        if self.curves:
            groups = {
                kind: [smoothed(self.curves[state]).tolist() for state in states]
                for kind, states in self.trends.items()
            }
            drawn["trends"] = plots_studies.curves_by_trend(groups, "accuracy on unseen curves")
        paths = [name.with_name(f"{name.name}-{kind}.png") for kind in drawn]
        for path, figure in zip(paths, drawn.values(), strict=True):
            plots.save(figure, path)
        return paths


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
    lines = csv.DictReader(read_text(path, "the table of a study").splitlines())
    rows = [{key: _cell(text, key in names) for key, text in line.items()} for line in lines]
    if not rows or not {"trial", "state", command.metric.name} <= rows[0].keys():
        raise InputError(f"{path}: no finished trial of this sweep; expected some of symdisc sweep")
    curves = {}
    if command.kind == "critic":
        for row in rows:
            if row["state"] is not None:
                curves[row["state"]] = load_state(folder / row["state"])["history"]["acc"]
    return Reading(command, rows, curves)


def _cell(text: str, figure: bool) -> Any:
    """What a cell of the table holds: a number, none, or text."""
    if text == "":
        return None
    try:
        value = json.loads(text)
    except ValueError:
        return float(text) if figure else text  # nan, inf
    return value if isinstance(value, int | float) and not isinstance(value, bool) else text
