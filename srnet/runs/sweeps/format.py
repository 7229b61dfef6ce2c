"""The W&B sweep file: from its text to a frozen description, with the line of every key.

What a parameter can be is laws.py's; what the parameters are parameters of, command.py's.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, model_validator

from sdnet.errors import InputError, nearest
from srnet.runs.config import Number, OptionalCount, OptionalText, Settings, Switch, Text
from srnet.runs.sweeps.laws import LAWS, Categorical, Constant, IntUniform, Law, Uniform
from srnet.runs.values import Loader, Model, problem, read_text, read_yaml, short

Keys = tuple[str | int, ...]
"""The keys that lead to a place of a file."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_ELSEWHERE = {
    "apiVersion": "W&B Launch reads it",
    "controller": "the engine of symdisc sweep is the local controller",
    "image_uri": "W&B Launch reads it",
    "job": "W&B Launch reads it",
    "kind": "W&B Launch reads it",
    "metrics": "a study here has one metric",
    "scheduler": "it runs code named in the file",
}


class Metric(Settings):
    """What a study looks at: to choose by, to stop by, and to stop at."""

    name: Text = Field(description="the name of a figure that the runs report")
    goal: Literal["minimize", "maximize"] = "minimize"
    target: Number | None = None


class Hyperband(Settings):
    """When runs that do badly are stopped, see `srnet.runs.sweeps.hyperband`.

    `strict` is false unless it is given, as W&B documents it.
    """

    type: Literal["hyperband"] = Field(description="hyperband")
    min_iter: OptionalCount = None
    max_iter: OptionalCount = None
    s: OptionalCount = None
    eta: Number = 3.0
    strict: Switch = False

    @model_validator(mode="after")
    def _brackets(self) -> "Hyperband":
        if self.eta <= 1:
            raise ValueError("expected eta above 1")
        if (self.min_iter is None) == (self.max_iter is None):
            raise ValueError("expected either min_iter, or max_iter and s")
        if self.max_iter is not None and self.s is None:
            raise ValueError("expected s, the number of brackets, beside max_iter")
        if self.max_iter is not None and self.max_iter < self.eta:
            raise ValueError("expected max_iter of eta or more: no bracket lies below it")
        return self


class _Top(Settings):
    """The keys of the file itself."""

    method: Literal["grid", "random", "bayes"] = Field(description="grid, random or bayes")
    parameters: Any = Field(description="the parameters")
    metric: Any = None
    early_terminate: Any = None
    run_cap: OptionalCount = None
    command: Any = None
    program: OptionalText = None
    name: OptionalText = None
    description: OptionalText = None
    project: OptionalText = None
    entity: OptionalText = None


@dataclass(frozen=True)
class Parameter:
    """One hyperparameter: its dotted key, its law, and where it stands in the file."""

    key: str
    law: Law
    path: Keys


@dataclass(frozen=True)
class Lines:
    """The text a description was read from, for what is found wrong with it later."""

    where: str
    lines: Mapping[Keys, int]

    def error(self, path: Keys, text: str) -> InputError:
        """The error at a key: file, line, the key's path, and what is wrong.

        >>> Lines("a.yaml", {(): 1, ("metric",): 3}).error(("metric", "name"), "missing")
        InputError('a.yaml:3: metric.name: missing')
        """
        near = path
        while near not in self.lines:
            near = near[:-1]
        dotted = ".".join(map(str, path))
        place = f"{self.where}:{self.lines[near]}:"
        return InputError(f"{place} {dotted}: {text}" if dotted else f"{place} {text}")


@dataclass(frozen=True)
class Sweep:
    """A sweep file, read: what is to be tried, how, and by which command."""

    method: Literal["grid", "random", "bayes"]
    parameters: tuple[Parameter, ...]
    metric: Metric | None
    early_terminate: Hyperband | None
    run_cap: int | None
    command: tuple[str, ...] | None
    program: str | None
    name: str | None
    description: str | None
    project: str | None
    entity: str | None
    lines: Lines
    text: str


def read_sweep(path: Path | str) -> Sweep:
    """The description in a sweep file.

    Raises:
        InputError: file:line of the first thing in it that can't be used, the key's path, what
            was given and what was expected.
    """
    return parse_sweep(read_text(path, "a W&B sweep file"), str(path))


def parse_sweep(text: str, where: str) -> Sweep:
    """The description in a sweep file's text; `where` stands for its name in messages.

    >>> text = "method: random\\nparameters: {disc.lr: {min: 1e-4, max: 1e-2}}"
    >>> parse_sweep(text, "example").parameters[0].law
    Uniform(min=0.0001, max=0.01, distribution='uniform')
    >>> parse_sweep(text.replace("max: 1e-2", "mux: 1"), "example")
    Traceback (most recent call last):
    ...
    sdnet.errors.InputError: example:2: parameters.disc.lr.mux: unknown key; did you mean 'max'?
    """
    values = read_yaml(text, where)
    lines = Lines(where, dict(_lines(yaml.compose(text, Loader))))
    if not isinstance(values, Mapping):
        raise lines.error((), f"got {short(values)}, expected the keys of a sweep")
    for key, reason in _ELSEWHERE.items():
        if key in values:
            raise lines.error((key,), f"not supported: {reason}")
    top = _build(_Top, values, (), lines)
    metric, early = top.metric, top.early_terminate
    stops = early if early is None else _build(Hyperband, early, ("early_terminate",), lines)
    sweep = Sweep(
        method=top.method,
        parameters=tuple(_parameters(top.parameters, ("parameters",), "", lines)),
        metric=metric if metric is None else _build(Metric, metric, ("metric",), lines),
        early_terminate=stops,
        run_cap=top.run_cap,
        command=_command(top.command, lines),
        program=top.program,
        name=top.name,
        description=top.description,
        project=top.project,
        entity=top.entity,
        lines=lines,
        text=text,
    )
    _check(sweep)
    return sweep


def _lines(node: yaml.Node | None, path: Keys = ()) -> Iterator[tuple[Keys, int]]:
    """The line, counted from 1, of every key and item of a text."""
    yield path, 1 if node is None else node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            below = (*path, str(key.value))
            yield from _lines(value, below)
            yield below, key.start_mark.line + 1  # the key's line, also where its value is below
    elif isinstance(node, yaml.SequenceNode):
        for i, value in enumerate(node.value):
            yield from _lines(value, (*path, i))


def _build(model_class: type[Model], values: object, path: Keys, lines: Lines) -> Model:
    """The model with the values of a mapping of the file."""
    if not isinstance(values, Mapping):
        raise lines.error(path, f"got {short(values)}, expected keys and values")
    dotted = next((key for key in map(str, values) if "." in key), None)
    found = (dotted, "unknown key") if dotted else problem(model_class, values)
    if found is None:
        return model_class.model_validate({str(key): value for key, value in values.items()})
    key, sentence = found
    below = (dotted or key.partition(".")[0],) if key else ()
    raise lines.error((*path, *below), sentence.removeprefix(f"{key}: "))


def _parameters(values: object, path: Keys, above: str, lines: Lines) -> Iterator[Parameter]:
    """The parameters of a `parameters` mapping, those nested in it among them."""
    if not isinstance(values, Mapping) or not values:
        raise lines.error(path, f"got {short(values)}, expected parameters by their names")
    for name, options in values.items():
        place = (*path, str(name))
        if not _NAME.fullmatch(str(name)):
            raise lines.error(place, "expected a name of letters, digits, '_', '-' and '.'")
        if not isinstance(options, Mapping):
            hint = f"a constant is written {{value: {short(options)}}}"
            raise lines.error(place, f"got {short(options)}, expected keys such as values; {hint}")
        if "parameters" in options:
            others = [key for key in options if key != "parameters"]
            if others:
                raise lines.error((*place, others[0]), "expected nothing else beside parameters")
            below = (*place, "parameters")
            yield from _parameters(options["parameters"], below, f"{above}{name}.", lines)
        else:
            law = _build(_law_of(options, place, lines), options, place, lines)
            yield Parameter(above + str(name), law, place)


def _law_of(options: Mapping, path: Keys, lines: Lines) -> type[Law]:
    """The law that the keys of a parameter ask for."""
    if "distribution" in options:
        name = options["distribution"]
        if str(name) not in LAWS:
            hint = nearest(str(name), LAWS)
            raise lines.error((*path, "distribution"), f"unknown distribution {name!r}; {hint}")
        return LAWS[name]
    if "value" in options:
        return Constant
    if "values" in options:
        return Categorical
    if "min" in options and "max" in options:
        whole = [_is_whole(options[bound]) for bound in ("min", "max")]
        if None not in whole and whole[0] != whole[1]:  # W&B refuses these too
            text = "expected two whole numbers, or two that aren't, or a distribution"
            raise lines.error(path, f"min {options['min']} and max {options['max']}: {text}")
        return IntUniform if all(whole) else Uniform
    known = ["value", "values", "min", "max", "distribution", "parameters"]
    keys = [str(key) for key in options]
    odd = next((key for key in keys if key not in [*known, "mu", "sigma", "q", "a", "b"]), None)
    if odd is not None:
        raise lines.error((*path, odd), f"unknown key; {nearest(odd, known)}")
    given = f"got {', '.join(keys)}" if keys else "got nothing"
    raise lines.error(path, f"{given}; expected value, values, min and max, or a distribution")


def _is_whole(bound: object) -> bool | None:
    """Whether a number is written as a whole one: 1.0 isn't, nor 1e3; None if it's no number."""
    if isinstance(bound, str):
        with suppress(ValueError):
            return float(bound).is_integer() and bound.lstrip("+-").isdigit()
        return None
    return isinstance(bound, int) if isinstance(bound, int | float) else None


def _command(words: object, lines: Lines) -> tuple[str, ...] | None:
    if words is None:
        return None
    if not isinstance(words, list) or not words:
        raise lines.error(("command",), f"got {short(words)}, expected a list of words")
    for i, word in enumerate(words):
        if isinstance(word, dict | list) or word is None:
            raise lines.error(("command", i), f"got {short(word)}, expected a word")
    return tuple(map(str, words))


def _check(sweep: Sweep) -> None:
    """What the keys of a file ask of each other."""
    lines, seen = sweep.lines, {}
    for parameter in sweep.parameters:
        other = seen.setdefault(parameter.key, parameter)
        if other is not parameter:
            first = lines.lines[other.path]
            raise lines.error(
                parameter.path, f"{parameter.key} is given twice, first in line {first}"
            )
        weighted = isinstance(parameter.law, Categorical) and parameter.law.probabilities
        if weighted and sweep.method != "random":
            text = f"got them with method {sweep.method}, expected method random"
            raise lines.error((*parameter.path, "probabilities"), text)
        if sweep.method == "grid" and parameter.law.support() is None:
            name = parameter.law.distribution
            text = f"a grid has no end with {name}: expected values, or int_uniform, or q_uniform"
            raise lines.error(parameter.path, text)
    if sweep.metric is None:
        asks = "method bayes" if sweep.method == "bayes" else "early_terminate"
        if asks == "method bayes" or sweep.early_terminate is not None:
            raise lines.error((), f"metric: missing, expected one, since {asks} needs it")
