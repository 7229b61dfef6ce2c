"""Figures of states: a state holds its points, library and seed, so nothing else is read."""

from collections.abc import Mapping, Sequence
from functools import partial

import torch
from sympy import Expr

from sdnet.errors import InputError
from sdnet.formula import to_text
from sdnet.library import SDData
from srnet import plots
from srnet.equations import evaluate
from srnet.runs.assembly import critic_of
from srnet.runs.config import CriticConfig
from srnet.runs.critic import score
from srnet.runs.curves import CurveSource
from srnet.runs.laws import Law
from srnet.runs.values import build


def source_of(state: Mapping, seed: int | None = None) -> CurveSource:
    """Where a state's curves came from, to draw more; with another seed, other curves.

    Raises:
        InputError: the state is of the older form, which doesn't hold its points and library.
    """
    if "points" not in state:
        raise InputError("a state of the older form holds no points and library to draw from")
    config = build(CriticConfig, state["hyperparams"], "the state's hyperparams")
    library = SDData.from_lines(**state["library"])
    return CurveSource(config, state["points"], library, state["seed"] if seed is None else seed)


def learning(
    states: Mapping[str, Mapping | Sequence[Mapping]], smooth: int = 100, figure: str = "acc"
) -> plots.Figure:
    """Learning curves of several runs; several states under one label are seeds of one setting.

    smooth: epochs of the moving average. figure: "acc", "loss" or "penalty".
    """
    return plots.learning_curves(states, horizon=smooth, figure=figure).figure


def samples(state: Mapping, count: int = 12, seed: int | None = None) -> plots.Figure:
    """Curves of the library beside curves of untrained generators."""
    source = source_of(state, seed)
    real, fake = (_values(source, curves) for curves in source.evaluation("samples", count))
    return plots.curves_side_by_side(source.points, real, fake)[0].figure


def verdicts(state: Mapping, count: int = 500, seed: int | None = None) -> plots.Figure:
    """Curves that the state's critic gets right, and those it gets wrong."""
    source = source_of(state, seed)
    critic = critic_of(state)
    curves = torch.cat(source.evaluation("verdicts", count))
    is_real = torch.arange(2 * count) < count
    values = _values(source, curves)
    return plots.verdicts(source.points, values, score(critic, curves), is_real)[0, 0].figure


def law(found: Law) -> plots.Figure:
    """The target against the equation on held rows, and each latent against its formula."""
    latents = [] if found.latents is None else found.latents.formulas
    has_equation = found.chosen is not None
    figure, axes = plots.panels(has_equation + len(latents))
    if has_equation:
        x, y = found.held
        equation = found.chosen.expression
        plots.target_against_equation(
            axes[0], y, evaluate(equation, x), label=found.target, text=to_text(equation)
        )
    for latent, (ax, formula) in enumerate(zip(axes[has_equation:], latents, strict=True)):
        plots.latent_against_formula(
            ax,
            found.x,
            found.latents.curves[latent],
            partial(evaluate, formula),
            _inputs(formula),
            found.names,
            label=f"latent {latent}",
            text=to_text(formula),
        )
    return figure


def _inputs(formula: Expr) -> list[int]:
    return sorted(int(symbol.name[1:]) for symbol in formula.free_symbols)


def _values(source: CurveSource, curves: torch.Tensor) -> torch.Tensor:
    """The values (b, n) of curves with any channels."""
    return curves[..., 0] if curves.dim() == 3 else curves[:, : len(source.points)]
