"""What a sweep is of: which of our commands its file names, and the settings of its trials.

A trial's settings come about as those of a run that a W&B agent starts: the command's words, with
the drawn values in place of its macros, go through the command line's own reading.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sdnet.errors import InputError, nearest
from srnet.runs.arguments import parse_args
from srnet.runs.config import CriticRun, Settings
from srnet.runs.generator_config import GeneratorRun
from srnet.runs.sweeps.format import Keys, Metric, Parameter, Sweep
from srnet.runs.sweeps.laws import Constant
from srnet.runs.values import field_paths, flatten, merge, problem

EXAMPLE = '["${env}", "${program}", critic, --config, "${args_json_file}"], with program: symdisc'

_FILE = "${args_json_file}"
_FLAGS = ("${args}", "${args_no_boolean_flags}")
_VARIABLE = re.compile(r"\$\{envvar:([A-Z0-9_]*)\}")
_PLACE = ("name", "out", "project", "resume")


@dataclass(frozen=True)
class Kind:
    """A command that a sweep can be of: its settings, and the figures that its runs report.

    `steps` are those of every epoch or measure, `ends` those a run ends with.
    """

    settings: type[Settings]
    steps: tuple[str, ...]
    ends: tuple[str, ...]
    metric: Metric


KINDS = {
    "critic": Kind(
        CriticRun,
        steps=("acc", "loss", "penalty"),
        ends=("acc", "acc_calibrated", "auroc", "loss", "penalty"),
        metric=Metric(name="acc", goal="maximize"),
    ),
    "fit": Kind(
        GeneratorRun,
        steps=("loss", "loss_inside", "score", "min_corr", "min_corr_inside"),
        ends=("loss", "loss_inside", "score", "min_corr", "min_corr_inside"),
        metric=Metric(name="loss_inside", goal="minimize"),
    ),
}
"""By the command's name; the metric is that of a file without one."""


@dataclass(frozen=True)
class Command:
    """A sweep and the command that its trials are runs of, checked against each other.

    `words` are those after the command's name, macros among them.
    """

    sweep: Sweep
    kind: str
    words: tuple[str, ...]

    @property
    def metric(self) -> Metric:
        """What the study looks at."""
        return self.sweep.metric or KINDS[self.kind].metric

    def settings(self, values: Mapping[str, Any]) -> Settings:
        """The settings of the run that is given these values, keys nested or dotted.

        Raises:
            InputError: as the command would.
        """
        model, nested = KINDS[self.kind].settings, merge({}, values)
        words = [out for word in self.words for out in _expanded(word, nested)]
        return parse_args(model, words, f"symdisc {self.kind}", "", files={_FILE: nested})


def command_of(sweep: Sweep, more: Sequence[str] = ()) -> Command:
    """The command of a sweep, everything in the file checked against it.

    Args:
        more: words to add at the end of the command.

    Raises:
        InputError: the program isn't ours; a hyperparameter that its runs don't know, or a value
            they refuse; a metric that no run reports.

    >>> from srnet.runs.sweeps.format import parse_sweep
    >>> text = '''method: grid
    ... program: symdisc
    ... command: ["${env}", "${program}", critic, --config, "${args_json_file}", --seed=3]
    ... parameters: {disc: {parameters: {lr: {values: [1e-4, 1e-3]}}}}'''
    >>> settings = command_of(parse_sweep(text, "example")).settings({"disc.lr": "1e-3"})
    >>> settings.disc.lr, settings.disc.hid_num, settings.seed
    (0.001, 2, 3)
    """
    kind, words = _named(sweep)
    command = Command(sweep, kind, (*words, *more))
    for parameter in sweep.parameters:
        _check_parameter(parameter, command)
    _check_apart(sweep)
    _check_words(command)
    _check_metric(command)
    middle = {one.key: one.law.quantile(0.5) for one in sweep.parameters}
    if problem(KINDS[kind].settings, middle) is None:  # else it may be this one point's fault
        try:
            command.settings(middle)
        except InputError as error:
            if more:  # they are of the command line, which the error says
                raise
            raise sweep.lines.error(("command",), str(error)) from None
    return command


def _named(sweep: Sweep) -> tuple[str, tuple[str, ...]]:
    """Which of our commands a file's `command` and `program` name, and the words after it."""

    def refusal(path: Keys, given: str) -> InputError:
        return sweep.lines.error(path, f"{given}; expected a command of symdisc, as {EXAMPLE}")

    if sweep.command is None:
        raise refusal(("command",), "missing")
    words = [word for word in sweep.command if word not in ("${env}", "/usr/bin/env")]
    if "${program}" in words and sweep.program is None:
        raise refusal(("program",), "missing, and the command has ${program}")
    path: Keys = ("program",) if words[:1] == ["${program}"] else ("command",)
    words = [str(sweep.program) if word == "${program}" else word for word in words]
    if len(words) < 2 or re.split(r"[/\\]", words[0])[-1] not in ("symdisc", "symdisc.exe"):
        raise refusal(path, f"got {' '.join(words) or 'no word'}")
    if words[1] not in KINDS:
        hint = nearest(words[1], KINDS)
        raise sweep.lines.error(("command",), f"symdisc {words[1]} isn't of one run; {hint}")
    rest = words[2:]
    for word in rest:
        known = word in (_FILE, *_FLAGS) or _VARIABLE.search(word)
        if word.startswith("${") and not known:
            hint = f"expected {_FILE} after --config, or one of {', '.join(_FLAGS)}"
            raise sweep.lines.error(("command",), f"{word} isn't read by symdisc; {hint}")
    if not {_FILE, *_FLAGS} & set(rest):
        text = f"the values of a trial are nowhere in it; expected --config, {_FILE}"
        raise sweep.lines.error(("command",), text)
    if any(a == _FILE and b != "--config" for a, b in zip(rest, ["", *rest], strict=False)):
        raise sweep.lines.error(("command",), f"expected --config before {_FILE}")
    return words[1], tuple(rest)


def _expanded(word: str, values: Mapping[str, Any]) -> list[str]:
    """The words that an agent puts in a word's place."""
    if word in _FLAGS:
        switches = word == _FLAGS[1]
        shown = {k: v for k, v in values.items() if not (switches and v is False)}
        return [f"--{k}" if switches and v is True else f"--{k}={v}" for k, v in shown.items()]
    return [_VARIABLE.sub(lambda found: os.environ.get(found[1], found[1]), word)]


def _check_parameter(parameter: Parameter, command: Command) -> None:
    """Raise for a key that the runs don't know, and for values that they refuse."""
    sweep, model = command.sweep, KINDS[command.kind].settings
    head = parameter.key.partition(".")[0]
    if head in _PLACE:
        text = f"{head} says where a run is kept, which the sweep does; expected a hyperparameter"
        raise sweep.lines.error(parameter.path, text)
    for value in parameter.law.samples():
        found = problem(model, {parameter.key: value})
        if found is not None and found[0]:  # without a path it is a matter of other keys too
            raise sweep.lines.error(parameter.path, f"symdisc {command.kind}: {found[1]}")


def _check_apart(sweep: Sweep) -> None:
    """Raise for two parameters that set the same key, one of them by a dictionary."""
    owners: dict[str, Parameter] = {}
    for parameter in sweep.parameters:
        values = parameter.law.samples()
        for leaf in {leaf for v in values for leaf in flatten(merge({}, {parameter.key: v}))}:
            other = owners.setdefault(leaf, parameter)
            if other is not parameter:
                first = sweep.lines.lines[other.path]
                text = f"{leaf} is given twice, first in line {first}"
                raise sweep.lines.error(parameter.path, text)


def _check_words(command: Command) -> None:
    """Raise for a word that gives all trials one value of what the sweep varies."""
    varied = {one.key for one in command.sweep.parameters if not isinstance(one.law, Constant)}
    for word in command.words:
        flag = word.partition("=")[0]
        if flag.removeprefix("--") in varied and flag.startswith("--"):
            raise InputError(
                f"{word}: the sweep varies {flag.removeprefix('--')}, and every trial would have "
                "this value; take the flag away, or the key out of the file's parameters"
            )


def _check_metric(command: Command) -> None:
    sweep, kind = command.sweep, KINDS[command.kind]
    if sweep.metric is None:
        return
    name, path = sweep.metric.name, ("metric", "name")
    if name not in kind.ends:
        text = f"no run of symdisc {command.kind} reports {name!r}; {nearest(name, kind.ends)}"
        raise sweep.lines.error(path, text)
    if sweep.early_terminate and name not in kind.steps:
        text = f"{name!r} is known only when a run is over; for early_terminate"
        raise sweep.lines.error(path, f"{text} {nearest(name, kind.steps)}")


def typed(command: Command, values: Mapping[str, Any]) -> dict[str, Any]:
    """A trial's values by their dotted keys, as its settings have them: 1e-4 is a number there."""
    plain = flatten(command.settings(values).model_dump(mode="json"))
    known = field_paths(KINDS[command.kind].settings)
    keys = flatten(merge({}, values))
    return {key: plain.get(key) for key in keys if key in known}
