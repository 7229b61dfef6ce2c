"""The commands of `symdisc`: each takes its words, and has a Python twin that does the work."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from sdnet.errors import InputError, nearest
from srnet.runs.arguments import parse_args
from srnet.runs.config import (
    Count,
    Counts,
    CriticRun,
    FilePath,
    Names,
    NonNegative,
    OptionalCount,
    OptionalText,
    Positive,
    Seed,
    Settings,
    Sources,
    Switch,
    Text,
)
from srnet.runs.discovery_config import DiscoveryRun
from srnet.runs.generator_config import GeneratorRun

if TYPE_CHECKING:  # what brings in torch waits until a command needs it
    from srnet.readout.engines import Engine

SHOWN_TRIALS = 10
"""How many of a study's trials are printed, the best ones."""


class DataSettings(Settings):
    """Where the tables go."""

    folder: FilePath = Field(Path("data"), description="folder to write to")
    noise: NonNegative = Field(0.0, description="of the target, as a fraction of its deviation")
    seed: Seed = Field(0, description="what the inputs follow from; the default gives data/")


class CompareSettings(Sources):
    """The data of the study, and where its results go."""

    iter_sample: Switch = Field(True, description="new library draws for each step of an epoch")
    seeds: Count = Field(5, description="seeds of each setting: 0, 1, ...")
    epochs: OptionalCount = Field(None, description="epochs of every setting; None: its own")
    jobs: Count = Field(2, description="processes")
    out: FilePath = Field(Path("models"), description="folder of the states")
    figures: FilePath = Field(Path("figures"), description="folder of the figures")


class GrowthSettings(Settings):
    """The table of the study, its libraries and critics, and where its results go."""

    data: FilePath = Field(Path("data"), description="folder of the tables")
    in_var: Text = Field("X10[:,0]", description="input table, and which of its columns is x0")
    rows: Text = Field("train", description="rows: train, val or test by the mask file, or all")
    sizes: Counts = Field((1, 3, 9, 26, 100, 1000, 10000), description="templates of each library")
    kinds: Names = Field(("plain", "gradients-stacked"), description="what the critics see")
    seeds: Count = Field(3, description="seeds of each setting: 0, 1, ...")
    epochs: Count = Field(2000, description="epochs of every critic")
    out: FilePath = Field(Path("models/growth"), description="folder of the states")
    figures: FilePath = Field(Path("figures"), description="folder of the figure")


class ReadSettings(Settings):
    """What a generator's readout may cost, and where the figure goes."""

    engine: Literal["operon", "pysr"] | None = Field(
        "operon",
        description="search engine for latents that no shape expresses, and for a head that "
        "isn't linear; operon is passed over where it isn't installed",
    )
    seconds: Positive = Field(4.0, description="of each such search")
    figures: FilePath = Field(Path("figures"), description="folder of the figure")


class PlotSettings(Settings):
    """What is drawn, and where to."""

    out: OptionalText = Field(None, description="file to write, .png or .svg; None: chosen")
    smooth: Count = Field(100, description="learning: epochs that a point of a curve stands for")
    figure: Text = Field("acc", description="learning: acc, loss or penalty")
    seed: Seed | None = Field(None, description="of the curves drawn; None: the run's own")


class StudySettings(Settings):
    """Where a study is, and where its figures go."""

    out: OptionalText = Field(None, description="folder of the states; None: models/NAME")
    figures: FilePath = Field(Path("figures"), description="folder of the figures")


class SweepSettings(Settings):
    """How a study is run, and where it is kept."""

    count: OptionalCount = Field(None, description="trials; None: run_cap, or the whole grid")
    workers: Count = Field(1, description="processes")
    storage: OptionalText = Field(None, description="journal file or database URL; None: in out")
    resume: Switch = Field(False, description="go on with the study in the storage, or join it")
    seed: Seed = Field(0, description="what random draws follow from")
    out: OptionalText = Field(None, description="folder of the states; None: models/NAME")
    table: OptionalText = Field(None, description=".csv or .parquet; None: trials.csv in out")
    members: OptionalCount = Field(
        None, description="alike trials that a worker takes at once; None: its share, at most 8"
    )
    project: OptionalText = Field(None, description="W&B project; None: no tracking")
    backend: Literal["loky", "dask"] | None = Field(
        None, description="trials are jobs of joblib, with no storage to share"
    )
    scheduler: OptionalText = Field(None, description="dask: address of the scheduler")


def data(words: Sequence[str]) -> None:
    """`symdisc data [NAME ...]`"""
    names, flags = _split(words)
    settings = parse_args(
        DataSettings,
        flags,
        "symdisc data [NAME ...]",
        "Write the tables of the benchmark problems, all of them or those named, such as F07.",
    )
    from srnet.problems import write_tables

    paths = write_tables(settings.folder, names or None, settings.seed, noise=settings.noise)
    print(f"{len(paths)} files written to {settings.folder}")


def critic(words: Sequence[str]) -> int:
    """`symdisc critic [--config FILE] [--KEY VALUE ...]`; 2 if training became non-finite."""
    settings = parse_args(
        CriticRun, words, "symdisc critic", "Train a critic against untrained generators."
    )
    from srnet.runs.launch import run_critic
    from srnet.runs.listing import row_of
    from srnet.texttable import as_table

    path = run_critic(settings)
    row = row_of(path)
    print(as_table([row]))
    print(f"state: {path}")
    return 2 if row["ended"].startswith("non-finite") else 0


def fit(words: Sequence[str]) -> int:
    """`symdisc fit [--config FILE] [--KEY VALUE ...]`; 2 if training became non-finite."""
    settings = parse_args(
        GeneratorRun, words, "symdisc fit", "Train generators against critics on a table."
    )
    from srnet.runs.launch import run_generator
    from srnet.runs.states import load_state
    from srnet.texttable import as_table

    path = run_generator(settings)
    state = load_state(path)
    print(as_table(state["members"]))
    rows, inside = state["validation"].values()
    print(
        f"on {rows} validation rows, and on the {inside} of them inside the range of the training "
        "rows, by which the member is chosen: the loss there within twice the least, then unread, "
        "the share of the latents' variance that no single shape explains, then the critic's score"
    )
    print(f"symdisc read {path} prints the equation of the chosen one")
    print(f"{state['ended']} after {len(state['times'])} epochs; state: {path}")
    return 2 if state["ended"].startswith("non-finite") else 0


def discover(words: Sequence[str]) -> None:
    """`symdisc discover [data/F07] [--csv FILE --target COLUMN] [--KEY VALUE ...]`"""
    problems, flags = _split(words)
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
    states, flags = _split(words)
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


def compare(words: Sequence[str]) -> None:
    """`symdisc compare [--KEY VALUE ...]`"""
    settings = parse_args(
        CompareSettings,
        words,
        "symdisc compare",
        "Train critics that see more and more, over several seeds: table, states and figures.",
    )
    from srnet import plots
    from srnet.runs import compare as study
    from srnet.runs import figures
    from srnet.runs.launch import load_sources
    from srnet.texttable import as_table

    train, lib = load_sources(settings)
    chosen = study.STUDY
    if settings.epochs:
        chosen = {name: {**one, "epochs": settings.epochs} for name, one in chosen.items()}
    print(
        f"training {len(chosen) * settings.seeds} critics in {settings.jobs} processes: "
        f"{', '.join(chosen)}",
        flush=True,
    )
    results = study.compare_critics(
        chosen, train, lib, range(settings.seeds), settings.out, jobs=settings.jobs
    )
    print(as_table(study.summary(results)))
    first = next(iter(results.values()))[0]
    plots.save(figures.learning(results), settings.figures / "learning.png")
    plots.save(figures.samples(first), settings.figures / "samples.png")
    plots.save(figures.verdicts(first), settings.figures / "verdicts.png")
    print(f"states: {settings.out}  figures: {settings.figures}")


def growth(words: Sequence[str]) -> None:
    """`symdisc growth [--KEY VALUE ...]`"""
    settings = parse_args(
        GrowthSettings,
        words,
        "symdisc growth",
        "Train critics against larger and larger libraries: table, states and a figure.",
    )
    from srnet import plots
    from srnet.runs import growth as study
    from srnet.tables import SRData
    from srnet.texttable import as_table

    rows = None if settings.rows == "all" else settings.rows
    results = study.growth_study(
        SRData(settings.data, settings.in_var, rows=rows),
        settings.out,
        sizes=settings.sizes,
        kinds=settings.kinds,
        seeds=range(settings.seeds),
        epochs=settings.epochs,
    )
    print(as_table(study.summary(results)))
    path = settings.figures / "growth.png"
    plots.save(plots.growth(study.accuracies(results)).figure, path)
    print(f"states: {settings.out}  figure: {path}")


def sweep(words: Sequence[str]) -> int:
    """`symdisc sweep FILE [--KEY VALUE ...] [-- WORDS]`; 2 if every trial failed."""
    words, more = list(words), []
    if "--" in words:
        place = words.index("--")
        words, more = words[:place], words[place + 1 :]
    files, flags = _split(words)
    settings = parse_args(
        SweepSettings,
        flags,
        "symdisc sweep FILE [-- WORDS]",
        "Run the study of a W&B sweep file; WORDS are added to the command of each trial.",
    )
    if len(files) != 1:
        raise InputError(f"symdisc sweep: got {len(files)} files, expected one")
    from srnet.runs.sweeps.engine import run_sweep
    from srnet.runs.sweeps.results import varying
    from srnet.texttable import as_table

    try:
        study = run_sweep(files[0], more=more, **dict(settings))
    except KeyboardInterrupt:
        print("interrupted; the same command with --resume goes on")
        return 130
    print(as_table(varying(study.best, study.metric)[:SHOWN_TRIALS]))
    failed = [row["ended"] for row in study.rows if row["ended"].startswith("failed")]
    if failed:
        print(f"{len(failed)} of {len(study.rows)} trials could not be run; the first {failed[0]}")
    print(f"{len(study.rows)} trials; table: {study.table}  states: {study.out}")
    return 2 if len(failed) == len(study.rows) else 0


def study(words: Sequence[str]) -> None:
    """`symdisc study FILE [--out FOLDER] [--figures FOLDER]`"""
    files, flags = _split(words)
    settings = parse_args(
        StudySettings,
        flags,
        "symdisc study FILE",
        "The best trials of a sweep file's study, what matters to them, how they went; figures, "
        "and a page for a browser.",
    )
    if len(files) != 1:
        raise InputError(f"symdisc study: got {len(files)} files, expected one")
    from srnet.runs.sweeps.reading import read_study
    from srnet.runs.sweeps.results import varying
    from srnet.texttable import as_table

    found = read_study(files[0], settings.out)
    print(as_table(varying(found.best, found.command.metric)[:SHOWN_TRIALS]))
    shares = [{"importance": key, "share": share} for key, share in found.importances.items()]
    counts = [{"trend": name, "trials": len(one)} for name, one in found.trends.items()]
    for table in (shares, counts if found.courses else []):
        if table:
            print(f"\n{as_table(table)}")
    print("", *(textwrap.fill(note, 100) for note in found.notes), sep="\n")
    print(f"\nfigures: {' '.join(map(str, found.draw(settings.figures)))}")
    print(f"page: {found.write_page(settings.figures)}")


def runs(words: Sequence[str]) -> None:
    """`symdisc runs [FOLDER]`"""
    folders, flags = _split(words)
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
    what, flags = _split(words)
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
    from srnet.runs.states import load_state

    out = Path(settings.out or f"figures/{kind}.png")
    names = {path: Path(path).stem for path in paths}
    if len(set(names.values())) < len(names):  # of two folders
        names = {path: path for path in paths}
    states = {name: load_state(path) for path, name in names.items()}
    for path, name in names.items():
        for key, what in (("generator_args", "generators"), ("equations", "a law")):
            if key in states[name]:
                raise InputError(f"{path}: holds {what}; symdisc plot {kind} is of critics")
    if kind == "learning":
        figure = figures.learning(states, settings.smooth, settings.figure)
    else:
        draw = {"samples": figures.samples, "verdicts": figures.verdicts}[kind]
        figure = draw(next(iter(states.values())), seed=settings.seed)
    plots.save(figure, out)
    print(f"figure: {out}")


def _split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words before the first flag, and the rest."""
    first = next((i for i, word in enumerate(words) if word.startswith("-")), len(words))
    return list(words[:first]), list(words[first:])
