"""What a study found, as a table: a row for each trial, the same however the study was run."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from srnet.runs.sweeps.command import KINDS, Command
from srnet.runs.sweeps.format import Metric


def rows_of(
    command: Command, results: Mapping[int, Mapping], states: Mapping[int, str]
) -> list[dict]:
    """A row for each trial: its number, its values by dotted keys, its figures, how it ended.

    Lists are JSON text, as in a file of columns each is of one kind.

    Args:
        results: of the ledger, by the trials' numbers.
        states: the names of the state files.
    """
    keys = list(dict.fromkeys(key for one in results.values() for key in one["values"]))
    rows = []
    for trial, one in results.items():
        figures = one.get("figures", {})
        rows.append(
            {
                "trial": trial,
                **{key: _cell(one["values"].get(key)) for key in keys},
                **{name: figures.get(name) for name in KINDS[command.kind].ends},
                "epochs_done": one.get("epochs", 0),
                "ended": one["ended"],
                "state": states[trial] if figures else None,
            }
        )
    return rows


def _cell(value: Any) -> Any:
    return value if isinstance(value, int | float | str | None) else json.dumps(value)


def best(rows: Sequence[dict], metric: Metric) -> list[dict]:
    """The rows with the best figure first; those without one last."""

    def place(row: Mapping) -> float:
        figure = row[metric.name]
        if figure is None or math.isnan(figure):
            return math.inf
        return -figure if metric.goal == "maximize" else figure

    return sorted(rows, key=place)


def varying(rows: Sequence[Mapping], metric: Metric) -> list[dict]:
    """The rows to look at: the columns in which they differ, the metric's among them.

    >>> rows = [{"trial": i, "lr": 1e-3, "seed": i, "acc": 0.5} for i in range(2)]
    >>> varying(rows, Metric(name="acc"))
    [{'trial': 0, 'seed': 0, 'acc': 0.5}, {'trial': 1, 'seed': 1, 'acc': 0.5}]
    """
    keys = [key for key in (rows[0] if rows else ()) if len({str(row[key]) for row in rows}) > 1]
    always = ("trial", metric.name)
    shown = [key for key in (rows[0] if rows else ()) if key in always or key in keys]
    return [{key: row[key] for key in shown if key != "state"} for row in rows]
