"""Epochs of generators and their critics, of one run or of several side by side in one stack.

An epoch of a member, with z its latents at the points of its curves:

    critic      `iters` steps on library draws against z as it stands
    generator   for each batch of rows, one step on  mean (head(latents(x)) - y)^2 + penalty(z)

A guide's penalty is of the latents at points of its own. Of a batch of all rows the latents at the
rows, the critics' points and the guide's come from one forward pass.

Members never meet: each loss is of its own member, and so is each gradient. Products are of the
whole stack; penalties and updates, of few numbers, are each run's own, so that its rates, weights
and decays are, and kernels see them as they do when it trains alone. So a run's bits are those that
it has alone wherever batched products round members alike, see `srnet.runs.generator_grouping`.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sdnet.critic import Critic
from sdnet.extension import seen
from sdnet.mlp import joined
from sdnet.stack import CriticStack
from sdnet.training import BLOCK
from srnet.network import SRNet
from srnet.recipes import Block, Figures, Guide, Recipe


@runtime_checkable
class Trained(Protocol):
    """A run as its epochs need it: `srnet.training.JointTraining`."""

    model: SRNet
    critic: Critic | None
    recipe: Recipe
    guide: Guide | None
    x: Tensor
    y: Tensor
    points: Tensor
    places: Tensor
    parameters: list[nn.Parameter]

    def set_rates(self, epoch: int) -> None:
        """The learning rates of an epoch."""

    def scores(self, curves: Tensor) -> Tensor:
        """What the critics, or the one critic, think of curves, (E, k)."""

    def penalty(
        self, values: Tensor, scores: Tensor | None, mask: Tensor | None, block: Block
    ) -> Tensor:
        """What is added to the squared errors, (E,)."""

    def step(self) -> None:
        """An update from every parameter's `.grad`."""

    def figures(self, rows: list[tuple], times: list[float]) -> Figures:
        """Of what each epoch gave: squared errors (E,), penalties (E,), margins (E, b + b)."""


class Epochs:
    """The epochs of one run, or of several whose steps are taken together, in one stack.

    Several keep their weights in the stack's tensors from now on, and stay runs of their own, that
    may be measured, saved or trained alone at any time. Their own optimisers make the updates.

    Args:
        runs: of networks and curves of one shape and of one table; those with more `iters` first,
            so that who still has steps to take in an epoch is always the first few of the stack.
            Several have neither a guide nor a critic that isn't trained.
    """

    def __init__(self, runs: Sequence[Trained]):
        self.runs, self.first = list(runs), runs[0]
        self.sizes = [len(run.parameters[0]) for run in runs]
        self.model = joined([run.model for run in runs]) if len(runs) > 1 else self.first.model
        self.parameters = list(self.model.parameters())
        self.critics: CriticStack | None = None
        self.blocks: list[Block] = []

    def stretch(
        self, blocks: Sequence[Block], epochs: range, stop: Callable[[], bool]
    ) -> tuple[list[Figures], bool]:
        """Epochs of a block of each run; the figures of each, and whether `stop` ended them.

        Of an epoch's seconds each member has the same share.
        """
        self._train_on(list(blocks))
        rows: list[list[tuple]] = [[] for _ in self.runs]
        times, stopped = [], False
        for epoch in epochs:
            began = time.perf_counter()
            for run_rows, row in zip(rows, self._epoch(epoch), strict=True):
                run_rows.append(row)
            times.append(time.perf_counter() - began)
            stopped = stop()
            if stopped:
                break
        figures, total = [], sum(self.sizes)
        for run, run_rows, size in zip(self.runs, rows, self.sizes, strict=True):
            figures.append(run.figures(run_rows, [seconds * size / total for seconds in times]))
        return figures, stopped

    def _train_on(self, blocks: list[Block]) -> None:
        if blocks == self.blocks:  # a stretch may end within one
            return
        self.blocks = blocks
        self.real = _side_by_side([block.real for block in blocks], 2)
        self.epsilon = _side_by_side([block.epsilon for block in blocks], 2)
        self.order = _side_by_side([block.order for block in blocks], 1)

    def _epoch(self, epoch: int) -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
        """Of each run squared errors (E,), penalties (E,) and its critics' margins (E, b + b)."""
        guide, recipe = self.first.guide, self.first.recipe
        for run in self.runs:
            run.set_rates(epoch)
        if guide is not None and epoch % guide.every == 0:
            with torch.no_grad():
                guide.update(self.model, epoch)
        losses, penalties, margins = [], [], None
        for number, (x, y) in enumerate(self._batches(epoch % BLOCK)):
            places = self.model.latents(self.first.places)
            z = places[:, : len(x)] if x is self.first.x else self.model.latents(x)
            points = self.first.points
            values = places[:, : len(points)].mT
            curves = critics_view(self.model, values, points, recipe)
            if number == 0 and recipe.iters:
                margins = self._train_critics(curves.detach(), epoch % BLOCK)
            losses.append((self.model.head(z) - y).square().mean((-2, -1)))
            added = self._penalties(values, curves)
            if guide is not None:
                guided = places[:, -len(guide.points) :].mT
                added = added + guide.penalty(guided, epoch / recipe.epochs)
            penalties.append(added)
            self._step(losses[-1] + added)
        return zip(self._means(losses), self._means(penalties), self._parts(margins), strict=True)

    def _batches(self, place: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The rows of each step: the whole table, (E, size, d) of an order, or (size, d)."""
        x, y, size = self.first.x, self.first.y, self.first.recipe.batch_size
        if size is None:
            yield x, y
        elif self.order is None:
            yield from zip(x.split(size), y.split(size), strict=True)
        else:
            for rows in self.order[place].split(size, dim=-1):
                yield x[rows], y[rows]

    def _train_critics(self, fake: Tensor, place: int) -> Tensor:
        """The epoch's steps of all critics; the margins before the first one."""
        if len(self.runs) > 1 and self.critics is None:
            critics = [run.critic for run in self.runs]
            self.critics = CriticStack(critics, self.real.shape[3], fake.shape[1])
        real, margins = self.real[place], []
        for i in range(self.first.recipe.iters):  # which has most of them
            curves = (
                real[i % len(real)],
                fake,
                None if self.epsilon is None else self.epsilon[place, i],
            )
            if self.critics is None:
                margins.append(self.first.critic.step(*curves)[0])
            else:
                margins.append(self.critics.step(i, *curves)[0])
        return margins[0]

    def _penalties(self, values: Tensor, curves: Tensor) -> Float[Tensor, "e"]:
        weights = [run.recipe.weights for run in self.runs]
        scores, mask = None, None
        if any(one.sd for one in weights):
            judge = self.first if self.critics is None else self.critics
            scores = judge.scores(curves)
        if any(one.of_masks for one in weights):
            mask = self.model.latents.mask()
        parts = [self._parts(table) for table in (values, scores, mask)]
        each = zip(self.runs, *parts, self.blocks, strict=True)
        return torch.cat([run.penalty(*tables) for run, *tables in each])

    def _step(self, losses: Float[Tensor, "e"]) -> None:
        for parameter in self.parameters:
            parameter.grad = None
        torch.autograd.backward(losses.sum(), inputs=self.parameters)
        if len(self.runs) > 1:
            for number, parameter in enumerate(self.parameters):
                for run, part in zip(self.runs, self._parts(parameter.grad), strict=True):
                    run.parameters[number].grad = part
        for run in self.runs:
            run.step()

    def _parts(self, table: Tensor | None) -> Sequence[Tensor | None]:
        """What is each run's of a table (E, ...) of all members."""
        return [None] * len(self.runs) if table is None else table.split(self.sizes)

    def _means(self, steps: Sequence[Float[Tensor, "e"]]) -> list[Tensor]:
        """(E_i,) over the steps, by runs: how a sum is rounded depends on its shape."""
        return [
            torch.stack(own).mean(0)
            for own in zip(*(self._parts(step.detach()) for step in steps), strict=True)
        ]


def critics_view(
    model: SRNet, values: Float[Tensor, "e k n"], points: Float[Tensor, "n d"], recipe: Recipe
) -> Tensor:
    """What critics see of the latents' values at the points, (E, k, n[, c])."""
    slopes = None
    if "grad" in recipe.ext:
        slopes = model.latents.jacobian(points).movedim(-2, -3)
    return seen(values, points, slopes, recipe.ext, recipe.ext_type)


def _side_by_side(tables: Sequence[Tensor | None], axis: int) -> Tensor | None:
    """Tables of members along an axis, (BLOCK, steps, E, ...) or (BLOCK, E, ...), as one of all.

    What is one for all steps of a member is repeated; members of fewer steps than others have zeros
    for the rest.
    """
    if tables[0] is None or len(tables) == 1:
        return tables[0]
    if axis == 2:
        most = max(table.shape[1] for table in tables)
        tables = [_of_steps(table, most) for table in tables]
    return torch.cat(list(tables), axis)


def _of_steps(table: Tensor, steps: int) -> Tensor:
    found = table.shape[1]
    if found in (1, steps):
        return table.expand(-1, steps, *[-1] * (table.dim() - 2))
    return torch.cat([table, table.new_zeros(len(table), steps - found, *table.shape[2:])], 1)
