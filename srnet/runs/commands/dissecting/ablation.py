"""`symdisc dissect ablation`: what each unit of a layer does to the output."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from srnet.runs.arguments import parse_args
from srnet.runs.commands.dissecting.given import (
    LayerSettings,
    load_given,
    one_state,
    write_rows,
)
from srnet.runs.commands.words import split_words
from srnet.runs.config import Count, FilePath, Seed


class AblationSettings(LayerSettings):
    """The layer, the examples, and what takes a unit's place."""

    by: Literal["zero", "mean", "resample"] = Field(
        "zero", description="what takes a unit's place: 0, its mean, its value for another example"
    )
    top: Count = Field(20, description="rows of the table that are printed, by kl")
    seed: Seed = Field(0, description="what resampling follows from")
    figure: FilePath = Field(Path("figures/ablation.png"), description="figure, .png or .svg")


def command(words: Sequence[str]) -> None:
    """`symdisc dissect ablation STATE [--KEY VALUE ...]`"""
    states, flags = split_words(words)
    settings = parse_args(
        AblationSettings,
        flags,
        "symdisc dissect ablation STATE",
        "Take away each unit of a layer, and tell how the output changes; table and figure.",
    )
    state = one_state(states, "ablation")
    import torch

    from srnet import plots
    from srnet.dissect.ablation import ablate_units
    from srnet.texttable import as_table

    model, layer, x, y = load_given(state, settings)
    generator = torch.Generator().manual_seed(settings.seed)
    found = ablate_units(model, layer, x, y, by=settings.by, generator=generator)
    accuracy = found.correct_change.double().mean(1)
    figure = plots.units_by_effect(found.kl, found.kl_reverse, found.names, accuracy)
    plots.save(figure, settings.figure)
    rows = sorted(found.rows(), key=lambda row: -row["kl"])
    print(f"layer {layer}: {len(rows)} units, {len(x)} test examples; means over them, in nats")
    print(as_table(rows[: settings.top]))
    if len(rows) > settings.top:
        print(f"... and {len(rows) - settings.top} units with less")
    write_rows(found.rows(), settings.table)
    print(f"figure: {settings.figure}")
