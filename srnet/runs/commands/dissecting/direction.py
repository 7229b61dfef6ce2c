"""`symdisc dissect direction`: the directions of a layer that matter most to the output."""

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


class DirectionSettings(LayerSettings):
    """The layer, the examples, and the search."""

    examples: Count = Field(64, description="test examples, from the first on")
    count: Count = Field(1, description="orthogonal directions, each the best of those left")
    measure: Literal["kl", "kl_reverse"] = Field(
        "kl", description="kl: KL(original || ablated), kl_reverse: KL(ablated || original)"
    )
    starts: Count = Field(32, description="random starts of the search")
    steps: Count = Field(300, description="steps of each start at most")
    comparisons: Count = Field(100, description="random directions that stand beside")
    seed: Seed = Field(0, description="what starts and random directions follow from")
    figure: FilePath = Field(Path("figures/direction.png"), description="figure, .png or .svg")


def command(words: Sequence[str]) -> None:
    """`symdisc dissect direction STATE [--KEY VALUE ...]`"""
    states, flags = split_words(words)
    settings = parse_args(
        DirectionSettings,
        flags,
        "symdisc dissect direction STATE",
        "Find the direction of a layer whose removal changes the output most; table and figure.",
    )
    state = one_state(states, "direction")
    import torch

    from srnet import plots
    from srnet.dissect.informative import most_informative_directions

    model, layer, x, _ = load_given(state, settings)
    found = most_informative_directions(
        model,
        layer,
        x,
        settings.count,
        generator=torch.Generator().manual_seed(settings.seed),
        measure=settings.measure,
        starts=settings.starts,
        steps=settings.steps,
        comparisons=settings.comparisons,
    )
    sums = {
        **{f"starts for direction {i}": values for i, values in enumerate(found.starts)},
        "single units": getattr(found.units, settings.measure).sum(1),
        "random directions": getattr(found.random, settings.measure).sum(1),
    }
    sides = {"kl": "original || ablated", "kl_reverse": "ablated || original"}
    label = f"KL({sides[settings.measure]}), sum over {len(x)} examples, nats"
    plots.save(plots.strips(sums, label), settings.figure)
    print(f"layer {layer}: {found.directions.shape[1]} units, {len(x)} test examples; in nats")
    print(found)
    write_rows(found.rows(), settings.table)
    print(f"figure: {settings.figure}")
