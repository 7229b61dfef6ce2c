"""`symdisc dissect subsets`: every subset of a layer's units on or off, the others 0."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from sdnet.errors import InputError
from srnet.runs.arguments import parse_args
from srnet.runs.commands.dissecting.given import (
    LayerSettings,
    check_files,
    load_given,
    one_state,
    write_rows,
)
from srnet.runs.commands.words import split_words
from srnet.runs.config import Count, FilePath, Number, OptionalCount, Seed

if TYPE_CHECKING:  # torch waits until the command needs it
    import torch
    from torch import Tensor, nn

    from srnet.plots.common import Figure

CIRCLE = "the circle network"


class SubsetsSettings(LayerSettings):
    """The layer, the examples, whether all subsets or some, and where figures and table go."""

    examples: Count = Field(1000, description="test examples, from the first on")
    samples: OptionalCount = Field(
        None, description="subsets drawn at random, for a layer of more than 24 units; none: all"
    )
    keep: Annotated[Number, Field(gt=0, lt=1)] = Field(
        0.5, description="probability that a unit is on in a subset drawn, or in the fits"
    )
    seed: Seed = Field(0, description="what everything random follows from")
    figures: FilePath = Field(Path("figures/subsets"), description="folder of the figures")


def command(words: Sequence[str]) -> None:
    """`symdisc dissect subsets [STATE] [--KEY VALUE ...]`"""
    states, flags = split_words(words)
    settings = parse_args(
        SubsetsSettings,
        flags,
        "symdisc dissect subsets [STATE]",
        "Loss and accuracy of every subset of a layer's units: who contributes, who interacts, the "
        "best subsets; tables and figures. Without a state: of the circle network, trained here.",
    )
    import torch

    from srnet import plots
    from srnet.dissect.circle import inside_circle
    from srnet.dissect.maps import loss_map

    generator = torch.Generator().manual_seed(settings.seed)
    if states:
        given = load_given(one_state(states, "subsets"), settings)
    else:
        given = _circle(settings, generator)
    check_files(settings.figures / "losses.png", settings.table)
    model, layer, x, y = given
    title = f"{states[0] if states else CIRCLE}, layer {layer}: {len(x)} examples"
    if settings.samples is not None:
        _some(model, layer, x, y, settings, generator, title)
        return
    figures = _all(model, layer, x, y, settings, generator, title)
    if not states:
        figures["map"] = plots.loss_heat_maps(loss_map(model, layer, inside_circle))
    for name, figure in figures.items():
        plots.save(figure, settings.figures / f"{name}.png")
    print(f"figures: {', '.join(sorted(figures))} in {settings.figures}")


def _circle(
    settings: SubsetsSettings, generator: "torch.Generator"
) -> "tuple[nn.Module, str, Tensor, Tensor]":
    from srnet.dissect.circle import circle_points, train_circle
    from srnet.dissect.layers import find_layer

    if settings.data != "digits":
        raise InputError(f"--data {settings.data} is for a state; {CIRCLE} has its own points")
    model, layer = train_circle(generator), settings.layer or "relu1"
    find_layer(model, layer)
    x, y = circle_points(settings.examples, generator)
    return model, layer, x, y


def _all(
    model: "nn.Module",
    layer: str,
    x: "Tensor",
    y: "Tensor",
    settings: SubsetsSettings,
    generator: "torch.Generator",
    title: str,
) -> "dict[str, Figure]":
    """Print the tables of all subsets; the figures by their names."""
    import torch

    from srnet import plots
    from srnet.dissect.games import unit_values
    from srnet.dissect.keeping import keep_curve, subset_probabilities
    from srnet.dissect.normality import normal_fits
    from srnet.dissect.paths import flip_paths, path_covariance
    from srnet.dissect.subsets import subset_table
    from srnet.dissect.switches import MOST_UNITS, subset_gradients

    table = subset_table(model, layer, x, y)
    losses, values = table.losses, unit_values(table.losses)
    units = len(values.shapley)
    print(f"{title}\n\nunits: what each adds to the loss\n{values}\n")
    print(f"best subsets\n{table}\n")
    print(f"loss when units are kept by chance\n{keep_curve(losses)}\n")
    figures = {"interactions": plots.interactions(values.interactions, values.shapley)}
    if (losses > 0).all() and losses.std() > 0:
        weights = subset_probabilities(torch.full((units,), settings.keep))
        fits = normal_fits(losses, generator, probabilities=weights)
        print(f"normal fits, units kept with {settings.keep:g}\n{fits}\n")
        figures["losses"] = plots.loss_densities(losses, fits, weights)
        logs = losses.log()
        paths = flip_paths(logs, 40, generator)
        figures["paths"] = plots.path_covariances(path_covariance(logs), paths)
    else:
        print("losses of 0, or all equal: no log-normal fit, no paths\n")
    if units <= MOST_UNITS:
        figures["gradients"] = plots.gradients_by_unit(subset_gradients(model, layer, x, y))
    write_rows(values.rows(), settings.table)
    return figures


def _some(
    model: "nn.Module",
    layer: str,
    x: "Tensor",
    y: "Tensor",
    settings: SubsetsSettings,
    generator: "torch.Generator",
    title: str,
) -> None:
    """Print the tables of subsets drawn at random, and draw their losses."""
    from srnet import plots
    from srnet.dissect.keeping import sample_losses
    from srnet.dissect.normality import normal_fits

    drawn = sample_losses(model, layer, x, y, settings.keep, settings.samples, generator)
    print(f"{title}\n\n{settings.samples} subsets, units kept with {settings.keep:g}\n{drawn}\n")
    fits = normal_fits(drawn.losses, generator)
    print(f"normal fits\n{fits}\n")
    plots.save(plots.loss_densities(drawn.losses, fits), settings.figures / "losses.png")
    write_rows(drawn.rows(), settings.table)
    print(f"figures: losses in {settings.figures}")
