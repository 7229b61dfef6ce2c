"""Studies of the critic alone: what it sees, and how large its library is."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from srnet.runs.arguments import parse_args
from srnet.runs.config import (
    Count,
    Counts,
    FilePath,
    Names,
    OptionalCount,
    Settings,
    Sources,
    Switch,
    Text,
)


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
