"""`symdisc dissect information`: what units tell of each other, trained against untrained."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from sdnet.errors import InputError
from srnet.runs.arguments import parse_args
from srnet.runs.commands.dissecting.given import SOURCES, TABLE, check_files, one_state, write_rows
from srnet.runs.commands.words import split_words
from srnet.runs.config import Count, FilePath, Names, Seed, Settings, Text

if TYPE_CHECKING:  # what brings in torch waits until the command needs it
    from torch import Tensor, nn

    from srnet.dissect.information import PairInformation


class Examples(Settings):
    """The examples whose activations are measured, and the layers."""

    layers: Annotated[Names | None, Field(description="layers; none: all ReLUs")] = None
    data: Text = Field("digits", description=SOURCES)
    rows: Literal["train", "test"] = Field("test", description="training or test examples")
    examples: Count = Field(
        640, description="how many of them, drawn at random; all, if there are fewer"
    )
    base: Literal["nats", "bits"] = Field("nats", description="nats or bits")
    seed: Seed = Field(0, description="what everything random follows from")


class InformationSettings(Examples):
    """What is measured, how, and where the figure and the table go."""

    estimator: Literal["plug-in", "miller-madow", "shuffle", "ksg"] = Field(
        "miller-madow", description="of mutual information; ksg takes about 1 ms a pair of units"
    )
    bins: Count = Field(6, description="bins of a unit, from 2")
    binning: Literal["equal-frequency", "equal-width"] = Field(
        "equal-frequency", description="how a unit's range is cut"
    )
    neighbours: Count = Field(5, description="neighbours of ksg")
    figure: FilePath = Field(Path("figures/information.png"), description="heat maps, .png or .svg")
    table: FilePath | None = Field(None, description=TABLE)


def command(words: Sequence[str]) -> None:
    """`symdisc dissect information STATE [--KEY VALUE ...]`"""
    states, flags = split_words(words)
    settings = parse_args(
        InformationSettings,
        flags,
        "symdisc dissect information STATE",
        "Mutual information between the units of each layer and the next, trained and untrained.",
    )
    check_files(settings.figure, settings.table)

    import torch

    from srnet import plots
    from srnet.dissect.information import pair_information, unit_information
    from srnet.dissect.initial import untrained
    from srnet.runs.networks import load_network
    from srnet.texttable import as_table

    generator = torch.Generator().manual_seed(settings.seed)
    model = load_network(one_state(states, "information"))
    x, y = some_examples(settings, generator)
    networks = {"trained": model, "untrained": untrained(model, generator)}
    how = settings.model_dump(include={"estimator", "bins", "binning", "base"})
    single = how | ({"estimator": "miller-madow"} if settings.estimator == "ksg" else {})
    units: list[dict] = []
    reports: dict[str, list[PairInformation]] = {}
    for name, network in networks.items():
        acts = recorded(network, x, settings.layers)
        found = unit_information(acts, y, **single).summary()
        units += [{"network": name, **row} for row in found]
        pairs = list(pairwise(acts)) or [(*acts, *acts)]  # one layer: with itself
        reports[name] = [
            pair_information(acts, *pair, neighbours=settings.neighbours, **how) for pair in pairs
        ]
    print(f"{len(x)} examples; entropy and information in {settings.base}\n")
    print(as_table(units), end="\n\n")
    print(as_table(_summaries(reports)), end="\n\n")
    plots.save(plots.information_maps(reports), settings.figure)
    write_rows(_pairs(reports), settings.table)
    print(f"figure: {settings.figure}")


def _summaries(reports: "dict[str, list[PairInformation]]") -> list[dict]:
    return [
        {"network": name, "layers": f"{one.layer_a}, {one.layer_b}", **one.summary()}
        for name, found in reports.items()
        for one in found
    ]


def _pairs(reports: "dict[str, list[PairInformation]]") -> list[dict]:
    """One row a pair of units, of the same columns whatever the layers."""
    rows = []
    for network, found in reports.items():
        for one in found:
            for row in one.rows():
                unit_a, unit_b, value = row.values()
                place = {"layer_a": one.layer_a, "unit_a": unit_a}
                place |= {"layer_b": one.layer_b, "unit_b": unit_b}
                rows.append({"network": network, **place, f"information_{one.base}": value})
    return rows


def some_examples(settings: Examples, generator) -> "tuple[Tensor, Tensor]":
    """Rows of the data and their classes, drawn without order."""
    import torch

    from srnet.dissect.data import load_dataset

    data = load_dataset(settings.data)
    x, y = getattr(data, f"x_{settings.rows}"), getattr(data, f"y_{settings.rows}")
    chosen = torch.randperm(len(x), generator=generator)[: settings.examples]
    return x[chosen], y[chosen]


def recorded(model: "nn.Module", x: "Tensor", layers: Sequence[str] | None) -> "dict[str, Tensor]":
    """The activations of the layers asked for, or of all ReLUs; every number a unit."""
    from torch import nn

    from srnet.dissect.layers import layer_names
    from srnet.dissect.recording import activations

    if layers is None:
        layers = [name for name, layer in model.named_modules() if isinstance(layer, nn.ReLU)]
    if not layers:
        names = ", ".join(layer_names(model)) or "none"
        raise InputError(f"the network has no ReLU layers; expected --layers, of its own: {names}")
    return {name: acts.flatten(1) for name, acts in activations(model, x, layers).items()}
