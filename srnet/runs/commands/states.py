"""States: listed, and drawn."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from sdnet.errors import InputError, nearest
from srnet.runs.arguments import parse_args
from srnet.runs.commands.words import split_words
from srnet.runs.config import Count, OptionalText, Seed, Settings, Text


class PlotSettings(Settings):
    """What is drawn, and where to."""

    out: OptionalText = Field(None, description="file to write, .png or .svg; None: chosen")
    smooth: Count = Field(100, description="learning: epochs that a point of a curve stands for")
    figure: Text = Field("acc", description="learning: acc, loss or penalty")
    seed: Seed | None = Field(None, description="of the curves drawn; None: the run's own")


def runs(words: Sequence[str]) -> None:
    """`symdisc runs [FOLDER]`"""
    folders, flags = split_words(words)
    parse_args(Settings, flags, "symdisc runs [FOLDER]", "List the states of a folder (models).")
    from srnet.runs.listing import list_runs
    from srnet.texttable import as_table

    for folder in folders or ["models"]:
        rows = list_runs(folder)
        kinds = dict.fromkeys(tuple(row) for row in rows if "problem" not in row)
        tables = [as_table([row for row in rows if tuple(row) == kind]) for kind in kinds]
        print("\n\n".join(tables) or f"{folder}: no states")
        for row in rows:
            if "problem" in row:
                print(row["problem"])


def plot(words: Sequence[str]) -> None:
    """`symdisc plot learning|samples|verdicts STATE [STATE ...] [--KEY VALUE ...]`"""
    what, flags = split_words(words)
    settings = parse_args(
        PlotSettings,
        flags,
        "symdisc plot learning|samples|verdicts STATE [STATE ...]",
        "learning: curves of several runs. samples: real against fake curves. "
        "verdicts: curves the critic gets right and wrong.",
    )
    kinds = ("learning", "samples", "verdicts")
    if not what or what[0] not in kinds:
        given = what[0] if what else "nothing"
        raise InputError(f"symdisc plot: got {given}; {nearest(given, kinds)}")
    kind, *paths = what
    if not paths or (kind != "learning" and len(paths) > 1):
        many = "at least one state" if kind == "learning" else "one state"
        raise InputError(f"symdisc plot {kind}: got {len(paths)} states, expected {many}")
    from srnet import plots
    from srnet.runs import figures
    from srnet.runs.states import contents, load_state

    out = Path(settings.out or f"figures/{kind}.png")
    names = {path: Path(path).stem for path in paths}
    if len(set(names.values())) < len(names):  # of two folders
        names = {path: path for path in paths}
    states = {name: load_state(path) for path, name in names.items()}
    for path, name in names.items():
        if not str(states[name]["format"]).startswith("critic"):
            what = contents(states[name])
            raise InputError(f"{path}: holds {what}; symdisc plot {kind} is of critics")
    if kind == "learning":
        figure = figures.learning(states, settings.smooth, settings.figure)
    else:
        draw = {"samples": figures.samples, "verdicts": figures.verdicts}[kind]
        figure = draw(next(iter(states.values())), seed=settings.seed)
    plots.save(figure, out)
    print(f"figure: {out}")
