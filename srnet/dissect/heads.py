"""Heads: what answers a sub-task from a frozen network under masks, the network's own or a new one.

What may live here: logits of groups under given masks, and the fitting of a new head to them.
"""

from collections.abc import Mapping
from functools import partial

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from srnet.dissect.frozen import FrozenNetwork, Mask, Pass
from srnet.dissect.masks import apply_masks
from srnet.dissect.tasks import Task, group_weights

RIDGE = 1e-4  # on a head's weights, so that it is one even where groups part without error

Kept = Mapping[str, Bool[Tensor, " _"]]
"""For each layer which of its units are kept."""


def answer(passed: Pass, task: Task, head: nn.Linear | None) -> Tensor:
    """Logits of groups, from a new head or the old one."""
    return task.group_logits(passed.output) if head is None else head(unit_means(passed.acts))


def unit_means(acts: Tensor) -> Float[Tensor, "b units"]:
    """What a new head sees: each unit, the mean over whatever lies between examples and units."""
    return acts.flatten(1, -2).mean(1) if acts.dim() > 2 else acts


def logits_under(
    frozen: FrozenNetwork, rows: Tensor, kept: Kept, task: Task, head: nn.Linear | None
) -> Float[Tensor, "n groups"]:
    """Logits of groups for rows of `start`, under fixed masks: without one, all are kept."""
    with torch.no_grad():
        return answer(frozen.run_all(rows, fixed(kept)), task, head)


def last_units(frozen: FrozenNetwork, rows: Tensor, kept: Kept) -> Float[Tensor, "n units"]:
    """The last layer's units under fixed masks: what a new head sees."""
    return unit_means(frozen.run_all(rows, fixed(kept)).acts)


def fixed(kept: Kept) -> dict[str, Mask]:
    """Masks that draw nothing."""
    return {name: partial(apply_masks, masks=mask[None]) for name, mask in kept.items()}


def fit_head(acts: Float[Tensor, "n units"], labels: Int[Tensor, " n"], groups: int) -> nn.Linear:
    """The linear head on fixed activations: logistic regression, each group weighing the same.

    Minimises cross-entropy + 5e-5 |W|^2 by L-BFGS, from 0: convex, so nothing is drawn. A unit that
    is always 0 has weight 0.

    >>> acts = torch.tensor([[0.0, 0.0], [1.0, 0.0], [4.0, 0.0], [5.0, 0.0]])
    >>> head = fit_head(acts, torch.tensor([0, 0, 1, 1]), 2)
    >>> head(acts).argmax(1).tolist(), head.weight[:, 1].tolist()
    ([0, 0, 1, 1], [0.0, 0.0])
    """
    alive = acts.ne(0).any(0)
    seen = acts[:, alive]
    weights = group_weights(labels, groups).to(acts.dtype)
    weight = acts.new_zeros(groups, seen.shape[1], requires_grad=True)
    bias = acts.new_zeros(groups, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        logits = torch.addmm(bias, seen, weight.T)
        loss = nn.functional.cross_entropy(logits, labels, weights)
        loss = loss + RIDGE / 2 * weight.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    head = zero_head(acts.shape[1], groups).to(acts)
    with torch.no_grad():
        head.weight[:, alive] = weight
        head.bias.copy_(bias)
    return head.requires_grad_(False)


def zero_head(features: int, groups: int) -> nn.Linear:
    """A head that draws no numbers at its start."""
    head = nn.utils.skip_init(nn.Linear, features, groups)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    return head
