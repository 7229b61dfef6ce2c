"""Modules: which units of a trained network a sub-task needs, found by learning masks.

What may live here: the search for one module, and the module itself. Heads, controls, fronts over
the price of a unit, and overlaps of modules have rooms of their own.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sdnet.errors import InputError
from srnet.dissect.frozen import FrozenNetwork
from srnet.dissect.heads import Kept, answer, fit_head, last_units, logits_under, zero_head
from srnet.dissect.masks import GumbelSigmoidMask
from srnet.dissect.report import Report
from srnet.dissect.tasks import Labelled, Scores, Task, group_weights, labelled_rows, score

WARM_UP = (
    100  # steps over which the price of a unit rises to alpha: at once, a dear one would empty
)
# the network before the head has learnt anything
RECORD = 100  # steps of a row of the history


@dataclass(frozen=True)
class Search:
    """How masks are trained. `steps` are of Adam, each on a batch of shuffled examples."""

    steps: int = 1200
    batch_size: int = 512
    mask_lr: float = 0.1
    head_lr: float = 0.1
    initial_keep_prob: float = 0.5
    temperature: float = 0.5
    num_mask_samples: int = 8

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; expected at least 1")
        for name in ("mask_lr", "head_lr"):
            if not 0 < getattr(self, name) < float("inf"):
                raise InputError(f"{name} is {getattr(self, name)}; expected a number above 0")


@dataclass(frozen=True)
class DiscoveredModule(Report):
    """The units that a sub-task needs, and what answers it from them."""

    task: Task
    alpha: float
    kept: Kept
    head: nn.Linear | None
    """From the last layer's masked units to logits of groups; None: the network's own."""
    frozen: FrozenNetwork = field(repr=False)
    history: list[dict] = field(repr=False)
    """Every 100 steps: the steps so far, loss (their mean), expected_kept and kept."""

    @property
    def size(self) -> int:
        """How many units are kept, of all layers together."""
        return sum(int(mask.sum()) for mask in self.kept.values())

    def logits(self, x: Tensor) -> Float[Tensor, "n groups"]:
        """Logits of the task's groups for examples x (n, ...)."""
        return logits_under(self.frozen, self.frozen.start(x), self.kept, self.task, self.head)

    def score(self, data: Labelled) -> Scores:
        """How well the module does its task on labelled examples."""
        x, y = labelled_rows(data)
        asked, labels = self.task.labels(y)
        return score(self.logits(x[asked]), labels)

    def rows(self) -> list[dict]:
        """A row for each layer: its units, how many are kept, and which."""
        return [
            {
                "layer": name,
                "units": len(mask),
                "kept": int(mask.sum()),
                "which": " ".join(map(str, mask.nonzero().flatten().tolist())),
            }
            for name, mask in self.kept.items()
        ]


def discover_module(
    model: nn.Module,
    layers: Sequence[str],
    data: Labelled,
    task: Task,
    alpha: float = 0.004,
    *,
    head: Literal["new", "old"] = "new",
    search: Search | None = None,
    generator: torch.Generator | None = None,
) -> DiscoveredModule:
    """The units of a frozen copy of a network that a sub-task needs.

    Minimises, over the keep-probabilities p of all units (and the new head), by Adam,

        E[ cross-entropy(groups | masks m) ] + alpha * E[ kept units ],   m_i ~ Bernoulli(p_i)

    each group weighing the same in the cross-entropy. Both terms are linear in each p_i, so that
    the minimum lies where every p_i is 0 or 1: a unit is worth keeping if without it the loss
    rises by more than alpha nats. The penalty is bounded by alpha times the number of units.
    Kept are the units with p_i > 1/2; a new head is then fitted anew to them.

    Args:
        model: any network; it stays as it is.
        layers: names of the layers whose units are masked, at their outputs.
        data: training examples and their classes (x, y), or a loader of such batches.
        task: which groups of classes are to be told apart.
        alpha: the price of a unit, in nats, above 0 (at 0 nothing says which units aren't needed).
        head: "new", a linear one on the units of the last of the layers (their means over the
            positions of an image); "old", the network's own logits, a group's being the log of
            the sum of exp over its classes.
        search: how the masks are trained.
        generator: what the order of the examples and the draws follow from.

    Raises:
        InputError: layers, examples, classes or settings that can't be used.

    >>> from srnet.dissect import dense, load_dataset, one_against_rest
    >>> generator = torch.Generator().manual_seed(0)
    >>> data = load_dataset()
    >>> module = discover_module(
    ...     dense([64, 30, 10], generator),
    ...     ["relu1"],
    ...     (data.x_train, data.y_train),
    ...     one_against_rest(0, classes=10),
    ...     search=Search(steps=50),
    ...     generator=generator,
    ... )
    >>> module.kept["relu1"].shape
    torch.Size([30])
    """
    x, y = labelled_rows(data)
    asked, labels = task.labels(y)
    frozen = FrozenNetwork(model, layers, x)
    return learn_module(
        frozen,
        frozen.start(x if asked.all() else x[asked]),
        labels,
        task,
        alpha,
        head=head,
        search=search,
        generator=generator,
    )


def learn_module(
    frozen: FrozenNetwork,
    rows: Tensor,
    labels: Int[Tensor, " n"],
    task: Task,
    alpha: float,
    *,
    head: Literal["new", "old"] = "new",
    search: Search | None = None,
    generator: torch.Generator | None = None,
) -> DiscoveredModule:
    """`discover_module` for rows of `FrozenNetwork.start` and the groups that they belong to."""
    search = search or Search()
    if not 0 < alpha < float("inf"):
        raise InputError(f"alpha is {alpha}; expected a number above 0, the price of a unit")
    if head not in ("new", "old"):
        raise InputError(f"head is {head!r}; expected 'new' or 'old'")
    masks = {
        name: GumbelSigmoidMask(
            units,
            initial_keep_prob=search.initial_keep_prob,
            temperature=search.temperature,
            num_mask_samples=search.num_mask_samples,
            generator=generator,
        ).to(rows.device)
        for name, units in frozen.units.items()
    }
    new = None
    if head == "new":
        new = zero_head(frozen.units[frozen.layers[-1]], task.count).to(rows)
    history = _train(frozen, rows, labels, task, alpha, masks, new, search, generator)
    kept = {name: mask.kept.detach() for name, mask in masks.items()}
    if new is not None:
        new = fit_head(last_units(frozen, rows, kept), labels, task.count)
    return DiscoveredModule(task, alpha, kept, new, frozen, history)


def _train(
    frozen: FrozenNetwork,
    rows: Tensor,
    labels: Int[Tensor, " n"],
    task: Task,
    alpha: float,
    masks: Mapping[str, GumbelSigmoidMask],
    head: nn.Linear | None,
    search: Search,
    generator: torch.Generator | None,
) -> list[dict]:
    """Train masks and head in place; what happened, every `RECORD` steps."""
    groups = [{"params": [mask.logits for mask in masks.values()], "lr": search.mask_lr}]
    if head is not None:
        groups.append({"params": list(head.parameters()), "lr": search.head_lr})
    optimizer = torch.optim.Adam(groups, fused=True)
    weights = group_weights(labels, task.count).to(rows.dtype)
    history, losses = [], []
    for step, batch in enumerate(_batches(len(rows), search, generator), 1):
        logits = answer(frozen.run(rows[batch], masks), task, head)
        # Not the weighted mean, whose divisor would change with the groups of a batch.
        loss = nn.functional.cross_entropy(logits, labels[batch], weights, reduction="sum")
        loss = loss / len(batch)
        expected = sum(mask.expected_kept() for mask in masks.values())
        optimizer.zero_grad()
        price = alpha * min(1.0, step / WARM_UP)
        (loss + price * expected).backward()
        optimizer.step()
        losses.append(loss.detach())
        if step % RECORD == 0 or step == search.steps:
            kept = sum(int(mask.kept.sum()) for mask in masks.values())
            history.append(
                {
                    "steps": step,
                    "loss": torch.stack(losses).mean().item(),
                    "expected_kept": expected.item(),
                    "kept": kept,
                }
            )
            losses.clear()
    return history


def _batches(count: int, search: Search, generator: torch.Generator | None) -> Iterator[Tensor]:
    """Indices of batches: shuffled passes over the examples, until the steps are done."""
    steps = 0
    while True:
        for batch in torch.randperm(count, generator=generator).split(search.batch_size):
            if steps == search.steps:
                return
            steps += 1
            yield batch
