"""Generators and their critics of one run, as `sdnet.training.stretches` trains them.

What an epoch does is `srnet.epochs`' subject; here are networks, optimisers and average of a run,
its state, and what becomes of members: one whose figures are no longer numbers is lost. Its weights
are NaN from the end of that stretch on, and the others go on.
"""

import copy
from collections.abc import Callable, Iterable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sdnet.adam import Adam
from sdnet.critic import Critic
from sdnet.errors import InputError
from sdnet.objective import margin_accuracy
from sdnet.training import copied, learning_rate, restore, training_state
from srnet.epochs import Epochs, critics_view
from srnet.network import SRNet
from srnet.penalties import penalty
from srnet.recipes import Block, Figures, Guide, Recipe

__all__ = ["Block", "Figures", "Guide", "JointTraining", "Recipe"]


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
        self._epochs = Epochs([self])

    def stretch(
        self, block: Block, epochs: range, stop: Callable[[], bool]
    ) -> tuple[Figures, bool]:
        figures, stopped = self._epochs.stretch([block], epochs, stop)
        return figures[0], stopped

    def state(self) -> dict:
        state = {
            "generator": dict(self.model.state_dict()),
            "generator_optimizer": self.optimizer.state_dict(),
        }
        if self.recipe.average:
            state["average"] = dict(self.averaged.state_dict())
        state = copied(state)
        if self.guide is not None:
            state["guide"] = copy.deepcopy(self.guide.state_dict())
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
        values = model.latents(self.points).mT
        return values, critics_view(model, values, self.points, self.recipe)

    def scores(self, curves: Tensor) -> Float[Tensor, "e k"]:
        """What the critics, or the one critic, think of curves that they see, (E, k, n[, c])."""
        if self.critic.stack:
            return self.critic(curves)
        return self.critic(curves.flatten(0, 1)).unflatten(0, curves.shape[:2])

    def set_rates(self, epoch: int) -> None:
        """The learning rates of an epoch."""
        recipe = self.recipe
        self.optimizer.lr = learning_rate(recipe.schedule, recipe.lr, epoch, recipe.epochs)
        if recipe.iters:
            self.critic.optimizer.lr = learning_rate(
                recipe.critic_schedule, self.critic.lr, epoch, recipe.epochs
            )

    def penalty(
        self, values: Tensor, scores: Tensor | None, mask: Tensor | None, block: Block
    ) -> Float[Tensor, "e"]:
        """What critic, masks and draws add to the squared errors; see `srnet.penalties`."""
        return penalty(self.recipe.weights, values, scores, mask, block.draws)

    def step(self) -> None:
        """An update of the generators from every parameter's `.grad`, and of their average."""
        self.optimizer.step()
        if self.recipe.average:
            # a young average forgets faster, so that it isn't of the first weights
            steps = float(self.optimizer.steps)
            decay = min(self.recipe.average, steps / (steps + 9))
            averages = list(self.averaged.parameters())
            torch._foreach_lerp_(averages, [p.detach() for p in self.parameters], 1 - decay)

    def figures(self, rows: list[tuple], times: list[float]) -> Figures:
        """Of what epochs gave: squared errors (E,), penalties (E,), margins (E, b + b) or None.

        Members whose numbers are none any more are lost.
        """
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
