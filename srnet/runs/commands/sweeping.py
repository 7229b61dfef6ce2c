"""Hyperparameter studies: run, and read."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from sdnet.errors import InputError
from srnet.runs.arguments import parse_args
from srnet.runs.commands.words import split_words
from srnet.runs.config import Count, FilePath, OptionalCount, OptionalText, Seed, Settings, Switch

SHOWN_TRIALS = 10
"""How many of a study's trials are printed, the best ones."""


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


class StudySettings(Settings):
    """Where a study is, and where its figures go."""

    out: OptionalText = Field(None, description="folder of the states; None: models/NAME")
    figures: FilePath = Field(Path("figures"), description="folder of the figures")


def sweep(words: Sequence[str]) -> int:
    """`symdisc sweep FILE [--KEY VALUE ...] [-- WORDS]`; 2 if every trial failed."""
    words, more = list(words), []
    if "--" in words:
        place = words.index("--")
        words, more = words[:place], words[place + 1 :]
    files, flags = split_words(words)
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
    files, flags = split_words(words)
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
