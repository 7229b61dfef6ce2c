"""The command line of a configuration: words like `--disc.lr 1e-3` to a pydantic model.

The flags are the dotted paths of the model's fields. tyro writes the help from the same models;
the values go through `config.build`, as those of a file do, so that a value means the same
wherever it is written and every mistake is told in the same words. (tyro's own reading has no
`--arch={'hid_num': [2, 0]}`, and tells a mistake in a box of its own.)
"""

import ast
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, create_model

from sdnet.errors import InputError
from srnet.runs.values import Model, build, field_paths, merge, read_config, read_yaml

_NEGATIVE_NUMBER = re.compile(r"-\.?[0-9]")


def parse_args(
    model_class: type[Model],
    argv: Sequence[str],
    prog: str,
    description: str,
    *,
    files: Mapping[str, Mapping[str, Any]] | None = None,
) -> Model:
    """The model that the words of a command line ask for; `--help` prints the flags and exits.

    A flag is `--` and the dotted path of a field, with underscores or hyphens. Its value is one
    word, several (a list), or follows `=`: `--arch.hid_num 2 0`, `--arch.hid_num=[2,0]`,
    `--arch={'hid_num': [2, 0]}`, `--shuffle`, `--no-shuffle`. `--config FILE` reads a YAML or JSON
    file, whose values the flags override wherever they stand; of a flag given twice the last stays.
    `files` holds the values of those that aren't to be read.

    Raises InputError for unknown flags and for values that can't be used.

    >>> from srnet.runs.config import Disc
    >>> parse_args(Disc, ["--lr", "1e-3", "--hid-num=[1,2]"], "example", "An example.").hid_num
    (1, 2)
    """
    groups = _groups(argv)
    values: dict[str, Any] = {}
    for key, words in groups:
        if key == "config":
            values = merge(values, _read(model_class, words, files or {}))
    if any(key in ("h", "help") for key, _ in groups):
        _help(model_class, values, prog, description)
    for key, words in groups:
        if key != "config":
            values = merge(values, _override(model_class, key, words))
    return build(model_class, values, "command line")


def _groups(argv: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Each flag's name with the words that belong to it."""
    groups: list[tuple[str, list[str]]] = []
    for word in argv:
        if word.startswith("-") and not _NEGATIVE_NUMBER.match(word):
            name, equals, value = word.partition("=")
            groups.append((name.lstrip("-").replace("-", "_"), [value] if equals else []))
        elif groups:
            groups[-1][1].append(word)
        if not groups or not groups[-1][0]:
            raise InputError(f"command line: got {word!r}, expected a flag such as --key value")
    return groups


def _read(
    model_class: type[BaseModel], words: list[str], files: Mapping[str, Mapping[str, Any]]
) -> Mapping[str, Any]:
    """The values of a `--config` file, checked here so that a mistake is told as the file's."""
    if len(words) != 1:
        raise InputError(f"command line: --config: got {len(words)} words, expected one file")
    values = files[words[0]] if words[0] in files else read_config(words[0])
    build(model_class, values, words[0])
    return values


def _override(model_class: type[BaseModel], key: str, words: list[str]) -> Mapping[str, object]:
    """One flag as {key: value}; a flag without words switches a bool on, `no_` before it off."""
    if words:
        values = [_value(word, f"command line: --{key}") for word in words]
        return {key: values[0] if len(values) == 1 else values}
    fields = field_paths(model_class)
    above, dot, name = key.rpartition(".")
    switch = f"{above}{dot}{name.removeprefix('no_')}"
    if switch in fields and fields[switch].annotation is bool:
        return {switch: switch == key}
    if key in fields:
        meaning = fields[key].description
        raise InputError(f"command line: --{key}: got nothing, expected a value ({meaning})")
    return {key: None}  # build refuses the unknown key, and names the nearest


def _value(word: str, where: str) -> object:
    """Brackets hold a Python, JSON or YAML literal; other words are read by their field's type."""
    if not word.lstrip().startswith(("[", "{", "(")):
        return word
    with suppress(ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return ast.literal_eval(word)
    return read_yaml(word, where)


def _help(model_class: type[Model], values: Mapping[str, Any], prog: str, description: str) -> None:
    """tyro's help of the model, `--config` among the flags and its values as defaults; exits."""
    import tyro  # here, since only the help needs it

    config = Field(None, description="YAML or JSON file of these keys; the flags override it")
    with_config = create_model(
        model_class.__name__, __base__=model_class, config=(Path | None, config)
    )
    default = build(with_config, values, "--config") if values else tyro.MISSING
    tyro.cli(
        with_config,
        prog=prog,
        description=description,
        default=default,
        args=["--help"],
        use_underscores=True,
    )
