"""What is trained: the tables of the problems, critics, generators."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from srnet.runs.arguments import parse_args
from srnet.runs.commands.words import split_words
from srnet.runs.config import CriticRun, FilePath, NonNegative, Seed, Settings
from srnet.runs.generator_config import GeneratorRun


class DataSettings(Settings):
    """Where the tables go."""

    folder: FilePath = Field(Path("data"), description="folder to write to")
    noise: NonNegative = Field(0.0, description="of the target, as a fraction of its deviation")
    seed: Seed = Field(0, description="what the inputs follow from; the default gives data/")


def data(words: Sequence[str]) -> None:
    """`symdisc data [NAME ...]`"""
    names, flags = split_words(words)
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
