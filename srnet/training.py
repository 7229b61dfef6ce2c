"""The joint loop: E generators and their E critics, trained at once. Modules and tensors only.

An epoch of a member, with z its latents at the points of its curves:

    critic      `iters` steps on library draws against z as it stands
    generator   for each batch of rows, one step on  mean (head(latents(x)) - y)^2 + penalty(z)

A guide's penalty is of the latents at points of its own. Of a batch of all rows the latents at the
rows, the critics' points and the guide's come from one forward pass.

Members never meet: each loss is of its own member, and so is each gradient. A member whose
figures are no longer numbers is lost: its weights are NaN from the end of that stretch on, and the
others go on.
"""

import copy
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from sdnet.adam import Adam
from sdnet.critic import Critic
from sdnet.errors import InputError
from sdnet.extension import seen
from sdnet.objective import margin_accuracy
from sdnet.training import BLOCK, learning_rate, restore, training_state
from srnet.network import SRNet
from srnet.penalties import Weights, penalty


@dataclass(frozen=True)
class Recipe:
    """How generators are trained.

    weights: of the penalties. lr, wd, betas: of the generators' Adam; the critics have their own.
    schedule, critic_schedule: of the two learning rates over all `epochs`, see
    `sdnet.training.learning_rate`. iters: the critics' steps an epoch, 0 for critics that stay as
    they are. batch_size: rows of a step, None for all of them. points: a curve is what a latent
    draws at the first so many rows, None for all of them. ext, ext_type: what the critics see
    beside the values. average: decay of the running average of the generators' weights, 0 for none.
    """

    epochs: int
    weights: Weights = field(default_factory=Weights)
    lr: float = 1e-3
    wd: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    schedule: str = "constant"
    critic_schedule: str = "constant"
    iters: int = 5
    batch_size: int | None = None
    points: int | None = None
    ext: tuple[str, ...] = ()
    ext_type: str = "stack"
    average: float = 0.0


@dataclass(frozen=True)
class Block:
    """What a block of epochs trains on besides the table; None what its recipe doesn't need.

    real: (BLOCK, 1 or iters, E, b, n[, c]), library draws as the critics see them.
    epsilon: (BLOCK, iters, E, b, 1), where the critics' gradient penalty is taken.
    draws: (E, m, n), the library curves that e3 compares latents with.
    order: (BLOCK, E, rows), in which order each epoch goes through the rows; None: as they stand.
    """

    real: Tensor | None = None
    epsilon: Tensor | None = None
    draws: Float[Tensor, "e m n"] | None = None
    order: Int64[Tensor, "block e rows"] | None = None


@dataclass
class Figures:
    """A row for each epoch, with a number for each member: `rows` are (epochs, E) by their names.

    "loss" (squared error) and "penalty" (weighted) are means over the epoch's steps, "acc" is
    the critics' accuracy before their steps, where critics are trained; all are NaN from the epoch
    on in which a member is lost. `times` are seconds.
    """

    rows: dict[str, Tensor]
    times: list[float]
    non_finite: int | None = None  # the epoch of this stretch in which the last member was lost


@runtime_checkable
class Guide(Protocol):
    """What may lead the latents besides the critics.

    every: epochs between two updates. points: where the guide looks at the latents, (m, d); they
    need not be rows of the table.
    """

    every: int
    points: Tensor

    def update(self, model: SRNet, epoch: int) -> None:
        """Called without gradients, before the epoch; may change weights in place."""

    def penalty(self, curves: Tensor, progress: float) -> Tensor:
        """(E, k, m), latents at the points -> (E,), added to the loss of each step.

        progress is the share of epochs done, in [0, 1).
        """

    def state_dict(self) -> dict:
        """Tensors and plain containers from which `load_state_dict` brings everything back."""

    def load_state_dict(self, state: dict) -> None:
        """Put the guide back to a `state_dict`."""


class JointTraining:
    """Generators with their critics as `sdnet.training.stretches` trains them.

    Args:
        model: generators, stack (E,).
        critic: critics of the same stack, or one critic, stack (), which judges all members and
            is never trained; None where nothing is judged.
        x, y: the table, (n, d) and (n, out).
        recipe: how they are trained; its weight `sd` needs a critic, its `iters` a stack of them.
        guide: see `Guide`.

    Raises:
        InputError: a guide without points, or whose points have other variables than x.

    >>> from sdnet.training import stretches
    >>> model, x = SRNet(in_size=1, lat_size=2, hid_size=8, stack=(3,)), torch.rand(20, 1)
    >>> training = JointTraining(model, None, x, x**2, Recipe(epochs=30, iters=0))
    >>> for figures in stretches(training, lambda block: Block(), epochs=30):
    ...     figures.rows["loss"].shape
    torch.Size([16, 3])
    torch.Size([14, 3])
    """

    def __init__(
        self,
        model: SRNet,
        critic: Critic | None,
        x: Float[Tensor, "n d"],
        y: Float[Tensor, "n out"],
        recipe: Recipe,
        guide: Guide | None = None,
    ):
        self.model, self.critic, self.recipe, self.guide = model, critic, recipe, guide
        self.x, self.y = x, y
        self.points = x[: recipe.points]
        self.places = x if recipe.batch_size is None else self.points
        """Where the latents are computed besides the rows of a batch, the guide's points last."""
        if guide is not None:
            self.places = _joined(self.places, guide.points)
        self.parameters = list(model.parameters())
        self.optimizer = Adam(self.parameters, recipe.lr, recipe.betas, recipe.wd)
        self.averaged = copy.deepcopy(model).requires_grad_(False) if recipe.average else model
        """The generators to be judged and kept: of averaged weights, or the trained ones."""

    def stretch(
        self, block: Block, epochs: range, stop: Callable[[], bool]
    ) -> tuple[Figures, bool]:
        rows, times, stopped = [], [], False
        for epoch in epochs:
            began = time.perf_counter()
            rows.append(self._epoch(epoch, block))
            times.append(time.perf_counter() - began)
            stopped = stop()
            if stopped:
                break
        return self._figures(rows, times), stopped

    def state(self) -> dict:
        state = {
            "generator": dict(self.model.state_dict()),
            "generator_optimizer": self.optimizer.state_dict(),
        }
        if self.recipe.average:
            state["average"] = dict(self.averaged.state_dict())
        if self.guide is not None:
            state["guide"] = self.guide.state_dict()
        state = copy.deepcopy(state)
        return state | training_state(self.critic) if self.recipe.iters else state

    def restore(self, state: dict) -> None:
        self.model.load_state_dict(state["generator"])
        self.optimizer.load_state_dict(state["generator_optimizer"])
        if self.recipe.average:
            self.averaged.load_state_dict(state["average"])
        if self.guide is not None:
            self.guide.load_state_dict(copy.deepcopy(state["guide"]))
        if self.recipe.iters:
            restore(self.critic, state)

    def curves(self, model: SRNet) -> tuple[Float[Tensor, "e k n"], Tensor]:
        """The latents of generators at the points, as values and as the critics see them."""
        return self._seen(model, model.latents(self.points).mT)

    def scores(self, curves: Tensor) -> Float[Tensor, "e k"]:
        """What the critics, or the one critic, think of curves that they see, (E, k, n[, c])."""
        if self.critic.stack:
            return self.critic(curves)
        return self.critic(curves.flatten(0, 1)).unflatten(0, curves.shape[:2])

    def _seen(self, model: SRNet, values: Tensor) -> tuple[Tensor, Tensor]:
        slopes, recipe = None, self.recipe
        if "grad" in recipe.ext:
            slopes = model.latents.jacobian(self.points).movedim(-2, -3)
        return values, seen(values, self.points, slopes, recipe.ext, recipe.ext_type)

    def _epoch(self, epoch: int, block: Block) -> tuple[Tensor, Tensor, Tensor | None]:
        """Squared errors (E,), penalties (E,), and the critics' first margins (E, b + b)."""
        recipe = self.recipe
        self.optimizer.lr = learning_rate(recipe.schedule, recipe.lr, epoch, recipe.epochs)
        if self.guide is not None and epoch % self.guide.every == 0:
            with torch.no_grad():
                self.guide.update(self.model, epoch)
        losses, penalties, margins = [], [], None
        for number, (x, y) in enumerate(self._batches(block, epoch % BLOCK)):
            places = self.model.latents(self.places)
            z = places[:, : len(x)] if x is self.x else self.model.latents(x)
            values, curves = self._seen(self.model, places[:, : len(self.points)].mT)
            if number == 0 and recipe.iters:
                margins = self._train_critic(curves.detach(), block, epoch)
            losses.append((self.model.head(z) - y).square().mean((-2, -1)))
            added = self._penalty(values, curves, block)
            if self.guide is not None:
                guided = places[:, -len(self.guide.points) :].mT
                added = added + self.guide.penalty(guided, epoch / recipe.epochs)
            penalties.append(added)
            self._step(losses[-1] + added)
        means = (torch.stack(numbers).detach().mean(0) for numbers in (losses, penalties))
        return *means, margins

    def _batches(self, block: Block, place: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The rows of each step: the whole table, (E, size, d) of an order, or (size, d)."""
        size = self.recipe.batch_size
        if size is None:
            yield self.x, self.y
        elif block.order is None:
            yield from zip(self.x.split(size), self.y.split(size), strict=True)
        else:
            for rows in block.order[place].split(size, dim=-1):
                yield self.x[rows], self.y[rows]

    def _train_critic(self, fake: Tensor, block: Block, epoch: int) -> Tensor:
        critic, place, recipe = self.critic, epoch % BLOCK, self.recipe
        rate = learning_rate(recipe.critic_schedule, critic.lr, epoch, recipe.epochs)
        critic.optimizer.lr, real, margins = rate, block.real[place], []
        for i in range(recipe.iters):
            epsilon = None if block.epsilon is None else block.epsilon[place, i]
            margins.append(critic.step(real[i % len(real)], fake, epsilon)[0])
        return margins[0]

    def _penalty(self, values: Tensor, curves: Tensor, block: Block) -> Tensor:
        weights = self.recipe.weights
        scores = self.scores(curves) if weights.sd else None
        mask = self.model.latents.mask() if weights.e1 or weights.a1 or weights.a2 else None
        return penalty(weights, values, scores, mask, block.draws)

    def _step(self, losses: Float[Tensor, "e"]) -> None:
        for parameter in self.parameters:
            parameter.grad = None
        torch.autograd.backward(losses.sum(), inputs=self.parameters)
        self.optimizer.step()
        if self.recipe.average:
            # a young average forgets faster, so that it isn't of the first weights
            steps = float(self.optimizer.steps)
            decay = min(self.recipe.average, steps / (steps + 9))
            averages = list(self.averaged.parameters())
            torch._foreach_lerp_(averages, [p.detach() for p in self.parameters], 1 - decay)

    def _figures(self, rows: list[tuple], times: list[float]) -> Figures:
        if not rows:
            return Figures({}, times)
        loss, penalties, margins = zip(*rows, strict=True)
        figures = Figures({"loss": torch.stack(loss), "penalty": torch.stack(penalties)}, times)
        finite = torch.stack(list(figures.rows.values())).isfinite().all(0)
        if margins[0] is not None:
            margins = torch.stack(margins)
            figures.rows["acc"] = margin_accuracy(margins, margins.shape[-1] // 2)
            finite &= margins.isfinite().all(-1)
        present = finite.cumprod(0).bool()  # (epochs, E): until a member's first bad epoch
        for name, row in figures.rows.items():
            figures.rows[name] = row.where(present, torch.nan)
        left = present.any(-1)
        if not left.all():
            figures.non_finite = int(left.int().argmin())
        elif not (present[-1] & self._finite()).any():
            figures.non_finite = len(times) - 1  # the last step's update
        else:
            self._lose(~present[-1])
        return figures

    def _finite(self) -> Bool[Tensor, "e"]:
        """The members whose weights and moments are numbers."""
        tensors = _trained(self.parameters, self.optimizer)
        if self.recipe.iters:
            tensors += _trained(self.critic.parameters(), self.critic.optimizer)
        return torch.stack([tensor.isfinite().flatten(1).all(1) for tensor in tensors]).all(0)

    @torch.no_grad()
    def _lose(self, members: Bool[Tensor, "e"]) -> None:
        if members.any():
            for parameter in [*self.parameters, *self.averaged.parameters()]:
                parameter[members] = torch.nan


def _joined(first: Float[Tensor, "n d"], last: Float[Tensor, "m other"]) -> Tensor:
    """Points that begin with the first ones and end with the last; these may begin with those."""
    if not len(last) or first.shape[1] != last.shape[1]:
        raise InputError(
            f"the guide's points are {tuple(last.shape)}; expected some, of {first.shape[1]} "
            "variables as x"
        )
    return last if torch.equal(first, last[: len(first)]) else torch.cat([first, last])


def _trained(parameters: Iterable[Tensor], adam: Adam) -> list[Tensor]:
    return [*parameters, *adam.first, *adam.second]
