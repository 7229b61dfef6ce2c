"""The most informative directions of a layer: those whose removal changes the output most.

What may live here: the search over the sphere of directions, and what it is compared with.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sdnet.errors import InputError, nearest
from sdnet.mlp import check_whole
from srnet.dissect.ablation import Ablation, ablate_directions, ablate_units
from srnet.dissect.directions import normalised
from srnet.dissect.divergences import Reading, kl_divergence
from srnet.dissect.passes import BATCH_BYTES, Passes, passes_of
from srnet.dissect.report import Report

Measure = Literal["kl", "kl_reverse"]
"""KL(original || ablated), or KL(ablated || original)."""

FIRST_ANGLE = 0.5  # of a step along a great circle, in radians
LONGER, SHORTER = 1.3, 0.5  # the next angle, after a step up, and after one that isn't
LEAST_ANGLE = 1e-4  # where a start has arrived

Objective = Callable[[Tensor], tuple[Tensor, Tensor]]  # u (s, units) -> values (s,), gradients


@dataclass(frozen=True, eq=False)
class InformativeDirections(Report):
    """Orthogonal directions by how much removing each changes the output, and comparisons."""

    measure: Measure
    """What was maximised, summed over the examples."""
    directions: Float[Tensor, "k units"]
    """Orthonormal. The i-th is the best one found that is orthogonal to those before it."""
    removed: Ablation
    """The effect of removing each direction alone."""
    starts: Float[Tensor, "k starts"]
    """What each start of the search came to, summed over the examples, the best first."""
    units: Ablation
    """The effect of each unit alone."""
    random: Ablation
    """The effect of each of some random directions alone."""

    def rows(self) -> list[dict]:
        """The directions, the best single unit, and random directions (mean and best).

        kl and kl_reverse are means over the examples, kl_sum and kl_reverse_sum their sums.
        starts_low and starts_high are the least and the largest sum of what was maximised.
        """
        rows = []
        for i, reached in enumerate(self.starts):
            spread = {"starts_low": float(reached.min()), "starts_high": float(reached.max())}
            rows.append({"direction": f"best {i}", **_figures(self.removed, [i]), **spread})
        best = int(getattr(self.units, self.measure).sum(1).argmax())
        luckiest = int(getattr(self.random, self.measure).sum(1).argmax())
        every = range(len(self.random.names))
        none = {"starts_low": None, "starts_high": None}
        rows.append({"direction": f"unit {best}", **_figures(self.units, [best]), **none})
        rows.append({"direction": "random, mean", **_figures(self.random, every), **none})
        rows.append({"direction": "random, best", **_figures(self.random, [luckiest]), **none})
        return rows


def _figures(found: Ablation, which) -> dict[str, float]:
    figures = {}
    for name in get_args(Measure):
        values = getattr(found, name)[list(which)].double()
        figures |= {name: float(values.mean()), f"{name}_sum": float(values.sum(1).mean())}
    return figures


def most_informative_direction(
    model: nn.Module,
    layer: str,
    x: Tensor,
    *,
    generator: torch.Generator,
    measure: Measure = "kl",
    starts: int = 32,
    steps: int = 300,
    comparisons: int = 100,
    reading: Reading = "classes",
    axis: int | None = None,
) -> InformativeDirections:
    """The unit vector u of a layer whose removal, a - (a . u) u, changes the output most.

    It maximises sum_n KL(p_n || q_n) over the examples, by gradient ascent on the sphere from
    several random starts: each step goes along the great circle of the steepest ascent, is taken
    only if it leads upwards, and grows or shrinks accordingly. So no start ends lower than it
    began, and the steps don't depend on the scale of the divergence. The landscape has many
    maxima: the best start is reported, with the spread of them all; it is a lower bound of the
    maximum.

    Args:
        layer: the name of a module: what it gives is searched.
        x: (n, ...) examples.
        generator: draws the starts, and the random directions for comparison.
        measure: "kl" is KL(original || ablated), "kl_reverse" KL(ablated || original).
        starts: how many. steps: of each at most.
        comparisons: random directions, whose effect stands beside.
        reading, axis: as for `srnet.dissect.ablation.ablate_units`.

    Raises:
        InputError: as `ablate_units`.

    >>> from srnet.dissect.classifiers import dense
    >>> generator = torch.Generator().manual_seed(0)
    >>> model = dense([2, 8, 2], generator)
    >>> found = most_informative_direction(model, "relu1", torch.rand(20, 2), generator=generator)
    >>> found.directions.shape, [row["direction"] for row in found.rows()][:1]
    (torch.Size([1, 8]), ['best 0'])
    """
    return most_informative_directions(
        model,
        layer,
        x,
        1,
        generator=generator,
        measure=measure,
        starts=starts,
        steps=steps,
        comparisons=comparisons,
        reading=reading,
        axis=axis,
    )


def most_informative_directions(
    model: nn.Module,
    layer: str,
    x: Tensor,
    count: int,
    *,
    generator: torch.Generator,
    measure: Measure = "kl",
    starts: int = 32,
    steps: int = 300,
    comparisons: int = 100,
    reading: Reading = "classes",
    axis: int | None = None,
) -> InformativeDirections:
    """`count` orthogonal directions: each the most informative one orthogonal to those before.

    Each is removed alone; the arguments are those of `most_informative_direction`. What they do
    together is `ablate_groups`' and `RemoveDirections`' business.

    Raises:
        InputError: as `most_informative_direction`; more directions than units.
    """
    if measure not in get_args(Measure):
        raise InputError(f"measure is {measure!r}; {nearest(str(measure), get_args(Measure))}")
    sizes = {"count": count, "starts": starts, "steps": steps, "comparisons": comparisons}
    for name, value in sizes.items():
        check_whole(name, value, 1)
    passes = passes_of(model, layer, x, axis=axis, reading=reading)
    if count > passes.units:
        raise InputError(f"count is {count}; layer {layer!r} has {passes.units} units")
    found = passes.acts.new_zeros(0, passes.units)
    reached = []
    for _ in range(count):
        begin = _random(starts, found, generator)
        ends, values = ascend(_removal(passes, measure), begin, found, steps)
        order = values.argsort(descending=True)
        found = torch.cat([found, ends[order[:1]]])
        reached.append(values[order])
    options = {"reading": reading, "axis": axis}
    random = _random(comparisons, found[:0], generator)
    return InformativeDirections(
        measure,
        found,
        ablate_directions(model, layer, x, found, **options),
        torch.stack(reached),
        ablate_units(model, layer, x, **options),
        ablate_directions(model, layer, x, random, **options),
    )


def _random(count: int, found: Float[Tensor, "k units"], generator: torch.Generator) -> Tensor:
    """Unit vectors, uniform on the sphere of what is orthogonal to those found."""
    shape = (count, found.shape[1])
    drawn = torch.randn(shape, generator=generator, dtype=found.dtype, device=generator.device)
    return normalised(_orthogonal(drawn.to(found.device), found))


def _orthogonal(rows: Tensor, found: Tensor) -> Tensor:
    return rows - (rows @ found.mT) @ found


def _removal(passes: Passes, measure: Measure) -> Objective:
    """The divergence summed over the examples when u is removed, and its gradient by u."""

    def objective(u: Tensor) -> tuple[Tensor, Tensor]:
        values, gradients = u.new_zeros(len(u)), torch.zeros_like(u)
        for edits, rows in passes.batches(len(u), passes.acts[0], BATCH_BYTES):
            acts, as_it_is = passes.acts[rows], passes.log_p[:, None, rows]
            with torch.enable_grad():
                one = u[edits].clone().requires_grad_()
                parts = torch.einsum("n...u,ku->kn...", acts, one)
                log_q = passes.through(acts - torch.einsum("kn...,ku->kn...u", parts, one), rows)
                sides = (as_it_is, log_q) if measure == "kl" else (log_q, as_it_is)
                sums = kl_divergence(*sides).sum(1)
                (gradient,) = torch.autograd.grad(sums.sum(), one)
            values[edits] += sums.detach()
            gradients[edits] += gradient
        return values, gradients

    return objective


@torch.no_grad()
def ascend(
    objective: Objective,
    begin: Float[Tensor, "s units"],
    found: Float[Tensor, "k units"],
    steps: int,
) -> tuple[Float[Tensor, "s units"], Float[Tensor, " s"]]:
    """Unit vectors orthogonal to those found, and values: where each start's ascent ends.

    u' = cos(t) u + sin(t) g / |g|, with the gradient g in the tangent space of u; the angle t is
    longer after a step up, and shorter after one that was not taken.

    >>> weight = torch.tensor([1.0, 2.0, 3.0])
    >>> def square(u):  # sum_i w_i u_i^2 is largest at the last axis
    ...     return (u**2 * weight).sum(1), 2 * u * weight
    >>> begin = torch.tensor([[0.6, 0.0, 0.8]])
    >>> ends, values = ascend(square, begin, torch.zeros(0, 3), 100)
    >>> round(values.item(), 3)
    3.0
    """
    u = begin
    values, gradients = objective(u)
    angle = torch.full_like(values, FIRST_ANGLE)
    for _ in range(steps):
        ways = _orthogonal(gradients, found)
        ways = ways - (ways * u).sum(1, keepdim=True) * u
        ways = ways / ways.norm(dim=1, keepdim=True).clamp(min=torch.finfo(u.dtype).tiny)
        turn = angle.unsqueeze(1)
        trial = normalised(_orthogonal(turn.cos() * u + turn.sin() * ways, found))
        new_values, new_gradients = objective(trial)
        up = new_values > values
        angle = torch.where(up, (LONGER * angle).clamp(max=FIRST_ANGLE), SHORTER * angle)
        values = torch.where(up, new_values, values)
        u, gradients = (
            torch.where(up.unsqueeze(1), new, old)
            for new, old in ((trial, u), (new_gradients, gradients))
        )
        if (angle < LEAST_ANGLE).all():
            break
    return u, values
