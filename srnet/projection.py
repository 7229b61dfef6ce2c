"""Projection: guides that make each latent draw a given term.

What may live here: guides of `srnet.training`, and the points at which they look at the latents.
Which sum of library shapes explains the target is found by `srnet.decomposition`.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from sdnet.errors import InputError
from sdnet.mlp import MLP
from srnet.decomposition import allot
from srnet.network import SRNet
from srnet.readout.terms import Sum, Term

REACH = 1.5
"""How far beyond the outermost rows latents are looked at, as a multiple of their distance."""

STEPS_OUT = 3


def widened(x: Float[Tensor, "n d"], reach: float = REACH) -> Float[Tensor, "m d"]:
    """The rows, then the outer third of them, pushed away from the mean in three steps.

    Outer rows are those with the largest max_j |x_j - mean_j| / deviation_j; a row goes to
    mean + (1 + i (reach - 1) / 3) (x - mean) for i = 1, 2, 3. A network interpolates well and
    extrapolates badly, while a shape is known everywhere: so a latent is shown, where rows are
    few and beyond the last of them, how its shape goes on.

    Raises:
        InputError: reach is less than 1, or not finite.

    >>> widened(torch.tensor([[0.0], [1.0], [5.0]]), reach=2.5)[:, 0]
    tensor([0.0000, 1.0000, 5.0000, 6.5000, 8.0000, 9.5000])
    """
    if not 1 <= reach < math.inf:
        raise InputError(f"reach is {reach!r}; expected a finite number of at least 1")
    mean = x.mean(0)
    far = ((x - mean) / x.std(0, unbiased=False).clamp_min(1e-30)).abs().amax(-1)
    outer = (x - mean)[far.argsort(descending=True, stable=True)[: len(x) // 3]]
    factors = [1 + i * (reach - 1) / STEPS_OUT for i in range(1, STEPS_OUT + 1)]
    return torch.cat([x, *(mean + factor * outer for factor in factors)])


class TermGuide:
    """A guide (`srnet.training.Guide`): latent pi(j) is to draw the term t_j.

    With every term standardised at the points, u_j = (t_j - mean) / deviation, the penalty is

        weight * variance of y * sum_j mean_points (z_pi(j) - u_j)^2.

    A latent without a term is free. pi gives a term to a latent whose mask lets it see the term's
    inputs. The guide draws nothing and looks at no latent to choose a term: it has no state.

    Args:
        terms: each not constant.
        x, y: the rows that they were found at.
        masks: which inputs each latent sees, those whose entry isn't 0.
        weight: of the penalty, in units of the variance of y. At 1, latents and their sum pull
            in different directions at first; at 10 the former are settled early.
        reach: see `widened`.

    Attributes:
        points: where the latents are looked at; those of `widened(x, reach)` at which all
            terms are finite.

    Raises:
        InputError: more terms than latents can be, a constant y, an impossible weight or reach.
    """

    every = 1 << 30  # epochs between updates: the first is the only one

    def __init__(
        self,
        terms: Sequence[Term],
        x: Float[Tensor, "n d"],
        y: Float[Tensor, "n 1"],
        masks: Float[Tensor, "k d"],
        *,
        weight: float = 10.0,
        reach: float = REACH,
    ):
        if not 0 < weight < math.inf:
            raise InputError(f"weight is {weight!r}; expected a finite number above 0")
        if not y.isfinite().all() or (y == y[0]).all():
            raise InputError("y is constant or not finite; expected a target that a sum explains")
        places = allot(terms, masks.cpu())
        if not terms or places is None:
            seen = [str(tuple(sorted(term.variables))) for term in terms]
            raise InputError(
                f"the {len(seen)} terms of inputs {', '.join(seen)} can't be those of "
                f"{len(masks)} latents with masks {masks.tolist()}; expected at least one term, "
                "and for each a latent of its own that sees its inputs"
            )
        self._latents = torch.as_tensor(places, dtype=torch.int64, device=x.device)
        self._count = len(masks)
        self._scale = weight * float(y.var())
        points = widened(x, reach)
        curves = _curves(terms, points)
        finite = curves.isfinite().all(0)
        self.points, curves = points[finite], curves[:, finite]
        self._deviations, self._means = torch.std_mean(curves, -1, unbiased=False)
        self._targets = ((curves - self._means[:, None]) / self._deviations[:, None]).to(x)

    def update(self, model: SRNet, epoch: int) -> None:
        """Nothing: the penalty does all."""

    def penalty(self, curves: Float[Tensor, "e k m"], progress: float) -> Float[Tensor, "e"]:
        """The penalty of each member; the same from the first epoch to the last.

        Args:
            curves: the latents at the guide's points.
        """
        misses = curves[:, self._latents] - self._targets
        return self._scale * misses.square().mean(-1).sum(-1)

    def state_dict(self) -> dict:
        """Nothing: all follows from the arguments."""
        return {}

    def load_state_dict(self, state: Mapping) -> None:
        """Take over nothing.

        Raises:
            InputError: the state of another guide.
        """
        if state:
            raise InputError(
                f"the state has {sorted(state)}; expected that of a {type(self).__name__}, empty"
            )


class Projection(TermGuide):
    """The guide to the terms of a sum y = b + sum_j a_j t_j, for a linear head.

    Before the first epoch the head is set to the weights that this sum gives the standardised
    terms: left to gradient steps from random weights, it would lag behind the latents for most of
    a run. A latent without a term starts with no weight in the head: it takes up what the terms
    leave.

    Args:
        found: the sum, as `srnet.decomposition.decompose` gives it. The others: see `TermGuide`.

    >>> from sdnet.library import SDData
    >>> from srnet.decomposition import decompose
    >>> x = torch.linspace(-1, 2, 30).reshape(15, 2)
    >>> y = 3 * x[:, :1] ** 2 + 1
    >>> found = decompose(SDData.from_lines(["N0*x0**2"], "X00"), x, y, torch.eye(2))
    >>> guide = Projection(found, x, y, masks=torch.eye(2))
    >>> exact = torch.stack([guide.points[:, 0] ** 2] * 2).unsqueeze(0)
    >>> exact = (exact - exact.mean()) / exact.std(unbiased=False)
    >>> guide.penalty(exact, progress=0.0).allclose(torch.zeros(1), atol=1e-5)
    True
    """

    def __init__(
        self,
        found: Sum,
        x: Float[Tensor, "n d"],
        y: Float[Tensor, "n 1"],
        masks: Float[Tensor, "k d"],
        *,
        weight: float = 10.0,
        reach: float = REACH,
    ):
        super().__init__(found.terms, x, y, masks, weight=weight, reach=reach)
        weights = torch.as_tensor(found.weights)
        self._head = (weights * self._deviations).to(x)
        self._offset = found.offset + float((weights * self._means).sum())

    def update(self, model: SRNet, epoch: int) -> None:
        """Before the first epoch, set the head.

        Raises:
            InputError: a model with another head than a linear one to one output, or with another
                number of latents.
        """
        head = model.head
        if not isinstance(head, MLP) or len(head.weights) != 1 or head.out_size != 1:
            raise InputError(
                "the guide needs a linear head to one output, which makes the target a sum of "
                "latents; expected arch.hid_num (.., 0), arch.hid_type (.., 'MLP'), one target"
            )
        if head.in_size != self._count:
            raise InputError(f"the model has {head.in_size} latents, the masks {self._count}")
        if epoch == 0:
            head.weights[0].zero_()
            head.weights[0][..., self._latents, 0] = self._head
            head.biases[0].fill_(self._offset)


def _curves(terms: Sequence[Term], points: Float[Tensor, "m d"]) -> Float[Tensor, "terms m"]:
    """The terms at the points in float64."""
    x = points.double().cpu().numpy()
    curves = [torch.as_tensor(term.values(x), device=points.device) for term in terms]
    return torch.stack(curves)
