"""Plain values (files, flags, dicts) to pydantic models and back, with errors in one sentence.

Nothing here knows the models: those are config.py's. Flags are arguments.py's.
"""

import reprlib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from sdnet.errors import InputError, nearest

Model = TypeVar("Model", bound=BaseModel)


def to_plain(config: BaseModel) -> dict[str, Any]:
    """The model as dicts, lists, text and numbers, for states and trackers; `build` reads it back.

    >>> from srnet.runs.config import DSNOptions
    >>> to_plain(DSNOptions(prune=0.5))
    {'alpha': None, 'norm': None, 'prune': 0.5}
    """
    return config.model_dump(mode="json")


def merge(base: Mapping[Any, Any], overrides: Mapping[Any, Any]) -> dict[str, Any]:
    """`base` with the leaves of `overrides`; a sub-dictionary is merged, never replaced.

    Keys may be dotted in both, the result is nested; of a leaf given twice the later one stays.

    >>> merge({"disc": {"lr": 1, "wd": 2}}, {"disc.lr": 3})
    {'disc': {'lr': 3, 'wd': 2}}
    """
    merged = merge({}, base) if base else {}
    for key, value in overrides.items():
        head, _, rest = str(key).partition(".")
        if len(rest) > 1000:
            raise InputError(f"{short(key)}: got a key of {len(rest)} letters, expected a path")
        value = {rest: value} if rest else value
        if isinstance(value, Mapping):
            below = merged.get(head)
            value = merge(below if isinstance(below, Mapping) else {}, value)
        merged[head] = value
    return merged


def flatten(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """The leaves of nested dicts by their dotted keys: what `merge` nests.

    >>> flatten({"disc": {"lr": 1, "wd": 2}})
    {'disc.lr': 1, 'disc.wd': 2}
    """
    leaves: dict[str, Any] = {}
    for key, value in values.items():
        nested = isinstance(value, Mapping)
        leaves |= flatten(value, f"{above}{key}.") if nested else {above + key: value}
    return leaves


def field_paths(model_class: type[BaseModel], above: str = "") -> dict[str, FieldInfo]:
    """The dotted path of every field, those of sub-models and the sub-models themselves.

    >>> from srnet.runs.config import Arch
    >>> list(field_paths(Arch))[-3:]
    ['hid_kwargs.norm', 'hid_kwargs.prune', 'lat_size']
    """
    paths: dict[str, FieldInfo] = {}
    for name, field in model_class.model_fields.items():
        paths[above + name] = field
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            paths |= field_paths(field.annotation, f"{above}{name}.")
    return paths


def build(model_class: type[Model], values: object, where: str) -> Model:
    """The model with the values of a mapping (keys nested or dotted), and defaults for the rest.

    Raises InputError for the first thing that is wrong: `where` (a file, "command line", ...), the
    key's path, what was given, what was expected, and for an unknown key the nearest valid one.

    >>> from srnet.runs.config import Disc
    >>> build(Disc, {"lrr": 1}, "example")
    Traceback (most recent call last):
    ...
    sdnet.errors.InputError: example: lrr: unknown key; did you mean 'lr'?
    """
    if not isinstance(values, Mapping):
        raise InputError(f"{where}: got {short(values)}, expected keys and values")
    try:
        return model_class.model_validate(merge({}, values))
    except ValidationError as error:
        raise InputError(f"{where}: {_told(error, model_class)[1]}") from None


def problem(model_class: type[BaseModel], values: Mapping[str, Any]) -> tuple[str, str] | None:
    """What `build` would refuse: the dotted path, and the sentence; None if it refuses nothing.

    The path is empty where the values are wrong together and none by itself.

    >>> from srnet.runs.config import Disc
    >>> problem(Disc, {"lr": 0})
    ('lr', 'lr: got 0, expected a number > 0')
    """
    try:
        model_class.model_validate(merge({}, values))
    except ValidationError as error:
        return _told(error, model_class)
    return None


def _told(error: ValidationError, model_class: type[BaseModel]) -> tuple[str, str]:
    """The first of pydantic's errors: where, and in our words."""
    first = error.errors(include_url=False)[0]
    return ".".join(str(part) for part in first["loc"]), _sentence(first, field_paths(model_class))


def _sentence(error: ErrorDetails, paths: Mapping[str, FieldInfo]) -> str:
    """pydantic's error in our words, at the innermost field (its location goes on into unions)."""
    path = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"{path}: unknown key; {_nearest_key(path, list(paths))}"
    while path and path not in paths:
        path = path.rpartition(".")[0]
    if error["type"] == "missing":
        return f"{path}: missing, expected {paths[path].description or 'a value'}"
    expected = error["msg"].replace("Input should be", "expected").removeprefix("Value error, ")
    if error["type"] == "model_type":
        below = [key.removeprefix(f"{path}.") for key in paths if key.startswith(f"{path}.")]
        expected = f"expected any of its keys {', '.join(below)}"
    place = f"{path}: " if path else ""  # a check of the whole model has no path
    return f"{place}got {short(error['input'])}, {expected}"


def _nearest_key(path: str, paths: list[str]) -> str:
    """The nearest key beside the unknown one, or else the nearest anywhere by its last part."""
    above, _, name = path.rpartition(".")
    beside = [key.rpartition(".")[2] for key in paths if key.rpartition(".")[0] == above]
    anywhere = get_close_matches(name, [key.rpartition(".")[2] for key in paths], n=1)
    if get_close_matches(name, beside) or not anywhere:
        return nearest(name, beside)
    places = [key for key in paths if key.rpartition(".")[2] == anywhere[0]]
    return f"did you mean {' or '.join(repr(place) for place in places)}?"


def short(value: object) -> str:
    """What was given, on one line and never long."""
    return " ".join(reprlib.repr(value).split())


class Loader(yaml.SafeLoader):
    """yaml.safe_load without aliases (a short text could grow without end) and repeated keys."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.MarkedYAMLError(None, None, "aliases are not read", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                problem = f"the key {key.value!r} is given twice"
                raise yaml.MarkedYAMLError(None, None, problem, key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep=deep)


def read_yaml(text: str, where: str) -> object:
    """The value of a YAML or JSON text; raises InputError with where:line:column.

    >>> read_yaml("{'hid_num': [2, 0]}", "example")
    {'hid_num': [2, 0]}
    """
    try:
        return yaml.load(text, Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        problem = " ".join((getattr(error, "problem", None) or str(error)).split())
        raise InputError(f"{where}{place}: {problem}; expected plain YAML or JSON") from None


def read_config(path: Path | str) -> dict[str, Any]:
    """The keys and values of a YAML or JSON file (also W&B's arguments file), as nested dicts.

    Raises InputError with file:line:column where it can't be read, or isn't keys and values.
    """
    values = read_yaml(read_text(path, "a YAML or JSON file"), str(path))
    if not isinstance(values, Mapping):
        raise InputError(f"{path}: got {short(values)}, expected keys and values")
    return merge({}, values)


def read_text(path: Path | str, what: str) -> str:
    """The text of a file; raises InputError, with what was expected, where it can't be read."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise InputError(f"{path}: {reason}, expected {what}") from None
