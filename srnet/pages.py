"""Pages: self-contained interactive HTML, pure functions from data to text.

A page is one file: data as JSON that nothing runs, our own script and style, both of `assets/`. It
asks no server for anything, and its policy (Content-Security-Policy) forbids that, and any script
but ours, whatever the data say.
"""

import base64
import hashlib
import html
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np

from sdnet.errors import InputError, nearest

SCRIPTS = ("drawing.js", "figures.js", "study.js")
SCALES = ("linear", "log", "choice")
POINTS = 400
"""Points of a curve on a page, at most."""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; {policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main id="page"><noscript>This page needs JavaScript to draw its figures.</noscript></main>
<script type="application/json" id="data">{data}</script>
<script>{script}</script>
</body>
</html>
"""


@dataclass(frozen=True)
class Course:
    """A figure of one training at some epochs, both (n,), and the trend it shows."""

    epochs: Sequence[int] | np.ndarray
    values: Sequence[float] | np.ndarray
    trend: str


def study_page(
    rows: Sequence[Mapping[str, Any]],
    scales: Mapping[str, str],
    metric: str,
    courses: Mapping[Any, Course],
    *,
    title: str,
    source: str,
    maximize: bool = True,
    shares: Mapping[str, float] | None = None,
    trends: Sequence[str] | None = None,
    label: str = "",
    log: bool = False,
    chance: float | None = None,
    notes: Sequence[str] = (),
) -> str:
    """The page of a study: parallel coordinates, curves by trend, importances, table of trials.

    Ranges of axes are brushed by dragging, or by arrow keys; curves and table follow. Axes of
    numbers are linear or logarithmic; those of choices have their values in order, numbers first.
    A value that an axis has no place for (none, NaN, not above 0 on a logarithmic axis) is drawn
    below it.

    Args:
        rows: the trials, each with its number under "trial"; values are numbers, text, lists, None.
            The table shows those that differ, but for "state", the name of a file.
        scales: for each hyperparameter to draw, and for the metric, one of `SCALES`.
        courses: by the trials' numbers; thinned to `POINTS` points.
        source: where the study comes from, such as its file.
        shares: the importance of each hyperparameter, from 0 to 1.
        trends: all trends in the order of the legend; those of `courses` are among them.
        label: what the courses are of; `log`: on a logarithmic axis; `chance`: a line to draw.
        notes: sentences below the figures: the rule of the trends, why something is missing.

    Raises:
        InputError: an unknown scale, a metric without one, a row without "trial", a course of an
            unknown trend, or with other than one value for each epoch.

    >>> row = {"trial": 0, "lr": 1e-3, "acc": 0.9}
    >>> page = study_page([row], {"lr": "log", "acc": "linear"}, "acc", {}, title="a", source="b")
    >>> page_data(page)["rows"]
    [{'trial': 0, 'lr': 0.001, 'acc': 0.9}]
    """
    trends = list(trends or dict.fromkeys(course.trend for course in courses.values()))
    _check(rows, scales, metric, courses, trends)
    data = {
        "title": title,
        "source": source,
        "metric": metric,
        "maximize": maximize,
        "axes": [_axis(key, scale, rows) for key, scale in scales.items()],
        "rows": [{str(key): _plain(value) for key, value in row.items()} for row in rows],
        "courses": [[_plain(trial), *_thinned(course)] for trial, course in courses.items()],
        "trends": trends,
        "curves": {"label": label, "log": log, "chance": chance},
        "shares": [[key, _plain(share)] for key, share in (shares or {}).items()],
        "notes": list(notes),
    }
    script, style = "".join(map(_asset, SCRIPTS)), _asset("study.css")
    policy = f"script-src {_hash(script)}; style-src {_hash(style)}"
    return _PAGE.format(
        policy=policy, title=html.escape(title), style=style, script=script, data=_embedded(data)
    )


def page_data(page: str) -> dict:
    """The data in the text of a page, as its script sees them; infinities and NaN are text.

    Raises:
        InputError: it is no page of this module.
    """
    start, end = '<script type="application/json" id="data">', "</script>"
    _, found, rest = page.partition(start)
    if not found:
        raise InputError("no data in the text; expected a page of srnet.pages")
    return json.loads(rest.partition(end)[0])


def _check(
    rows: Sequence[Mapping],
    scales: Mapping[str, str],
    metric: str,
    courses: Mapping[Any, Course],
    trends: Sequence[str],
) -> None:
    for key, scale in scales.items():
        if scale not in SCALES:
            raise InputError(f"scale of {key} is {scale!r}; {nearest(str(scale), SCALES)}")
    if metric not in scales:
        raise InputError(f"no scale for the metric {metric!r}; {nearest(metric, scales)}")
    if any("trial" not in row for row in rows):
        raise InputError("a row has no 'trial'; expected the trial's number there in each")
    for trial, course in courses.items():
        if course.trend not in trends:
            raise InputError(
                f"trend of {trial} is {course.trend!r}; {nearest(course.trend, trends)}"
            )
        if len(course.epochs) != len(course.values):
            counts = f"{len(course.epochs)} epochs and {len(course.values)} values"
            raise InputError(f"course of {trial} has {counts}; expected as many")


def _axis(key: str, scale: str, rows: Sequence[Mapping]) -> dict[str, Any]:
    """An axis: its choices and where among them each row is, or both ends of its numbers."""
    values = [_native(row.get(key)) for row in rows]
    if scale == "choice":
        texts, places = choices(values)
        return {"key": key, "scale": scale, "choices": texts, "places": places}
    numbers = [v for v in values if _is_number(v) and (scale == "linear" or v > 0)]
    ends = [_plain(min(numbers)), _plain(max(numbers))] if numbers else None
    return {"key": key, "scale": scale, "ends": ends}


def choices(values: Sequence[Any]) -> tuple[list[str], list[int | None]]:
    """The different values as text, numbers by their size and then text; which each value is.

    Numbers inside text count by their size too: [2, 16] comes after [2, 8]. None and NaN are no
    choices.

    >>> choices([10, "[2, 16]", None, 9, 10, "[2, 8]"])
    (['9', '10', '[2, 8]', '[2, 16]'], [1, 3, None, 0, 1, 2])
    """
    values = [_native(value) for value in values]
    known = [value for value in values if not _is_none(value)]
    ranks = {_text(v): (0, v, []) if _is_number(v) else (1, 0, _natural(_text(v))) for v in known}
    texts = sorted(ranks, key=ranks.__getitem__)
    return texts, [None if _is_none(value) else texts.index(_text(value)) for value in values]


def _natural(text: str) -> list[tuple[float, str]]:
    """What texts are sorted by: their whole numbers as numbers, the rest as it stands."""
    return [
        (float(part), "") if part.isdigit() else (-1.0, part) for part in re.split(r"(\d+)", text)
    ]


def _native(value: Any) -> Any:
    """A value without NumPy's or torch's types around it."""
    return value.tolist() if hasattr(value, "tolist") else value


def _is_none(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _text(value: Any) -> str:
    plain = _plain(value)
    return plain if isinstance(plain, str) else json.dumps(plain)


def _plain(value: Any) -> Any:
    """A value as JSON has it: NaN and infinities as text, arrays and tuples as lists."""
    value = _native(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            return str(value)
        return int(value) if value.is_integer() and abs(value) < 1e15 else value
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value if isinstance(value, int | str | None) else str(value)


def _thinned(course: Course) -> tuple[list, list, str]:
    """Epochs and values at `POINTS` places at most, the first and last among them; the trend."""
    count = len(course.epochs)
    places = np.unique(np.linspace(0, count - 1, min(count, POINTS)).round().astype(int))
    values = [float(course.values[i]) for i in places]
    return (
        [int(course.epochs[i]) for i in places],
        [float(f"{v:.5g}") if math.isfinite(v) else None for v in values],
        course.trend,
    )


def _embedded(data: Mapping) -> str:
    """JSON in which nothing can end the element that it stands in, or begin another."""
    text = json.dumps(data, allow_nan=False, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _asset(name: str) -> str:
    return files("srnet").joinpath("assets", name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """The source expression by which a policy allows just this text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
