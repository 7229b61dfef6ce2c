"""Equations: found in a table, read out of a state."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from sdnet.errors import InputError
from srnet.runs.arguments import parse_args
from srnet.runs.commands.words import split_words
from srnet.runs.config import FilePath, Positive, Settings
from srnet.runs.discovery_config import DiscoveryRun

if TYPE_CHECKING:  # what brings in torch waits until a command needs it
    from srnet.readout.engines import Engine


class ReadSettings(Settings):
    """What a generator's readout may cost, and where the figure goes."""

    engine: Literal["operon", "pysr"] | None = Field(
        "operon",
        description="search engine for latents that no shape expresses, and for a head that "
        "isn't linear; operon is passed over where it isn't installed",
    )
    seconds: Positive = Field(4.0, description="of each such search")
    figures: FilePath = Field(Path("figures"), description="folder of the figure")


def discover(words: Sequence[str]) -> None:
    """`symdisc discover [data/F07] [--csv FILE --target COLUMN] [--KEY VALUE ...]`"""
    problems, flags = split_words(words)
    if len(problems) > 1:
        raise InputError(f"symdisc discover: got {' '.join(problems)}; expected one problem")
    settings = parse_args(
        DiscoveryRun,
        [*flags, *(f"--data={problem}" for problem in problems)],
        "symdisc discover [PROBLEM]",
        "Find the equation of a problem's table, such as data/F07, or of a CSV file's column.",
    )
    from srnet.runs import figures  # noqa: F401 - what draws must be there before the work begins
    from srnet.runs.discovery import load_given, run_discovery

    given = load_given(settings)
    print(
        f"looking for {given.target} of {given.x.shape[1]} inputs on {len(given.x)} rows, for up "
        f"to about {settings.seconds:g} s",
        flush=True,
    )
    _show_law(run_discovery(settings, given), settings.figures)


def read(words: Sequence[str]) -> None:
    """`symdisc read STATE [--figures FOLDER]`"""
    states, flags = split_words(words)
    settings = parse_args(
        ReadSettings,
        flags,
        "symdisc read STATE",
        "Print the equation and the latents of a state of symdisc discover or fit; figure.",
    )
    if len(states) != 1:
        raise InputError(f"symdisc read: got {len(states)} states, expected one")
    from srnet.readout.engines import Engine

    engine = None if settings.engine is None else Engine(settings.engine, settings.seconds)
    if settings.engine == "pysr" and not engine.usable:
        raise InputError("--engine pysr isn't installed: pip install pysr")
    _show_law(Path(states[0]), settings.figures, engine)


def _show_law(state: Path, folder: Path, engine: "Engine | None" = None) -> None:
    """Print what was found, and draw it; the engine is for a generator that is read only now."""
    from srnet import plots
    from srnet.runs import figures
    from srnet.runs.discovery import load_law
    from srnet.runs.laws import describe

    law, out = load_law(state, engine), folder / f"{state.stem}.png"
    print(describe(law), flush=True)
    plots.save(figures.law(law), out)
    print(f"\nstate: {state}  figure: {out}")
