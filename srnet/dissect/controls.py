"""Controls of a module: what its scores have to be held against.

What may live here: the same task done without the masks, under masks of chance, and without the
module's units.
"""

from dataclasses import dataclass
from statistics import fmean, pstdev

import torch
from jaxtyping import Int
from torch import Tensor

from sdnet.errors import InputError
from srnet.dissect.frozen import FrozenNetwork
from srnet.dissect.heads import Kept, fit_head, last_units, logits_under
from srnet.dissect.modules import DiscoveredModule
from srnet.dissect.report import Report
from srnet.dissect.tasks import Labelled, Scores, Task, labelled_rows, score

Rows = tuple[Tensor, Int[Tensor, " n"]]
"""What the frozen network goes on from, and groups."""


@dataclass(frozen=True)
class Controls(Report):
    """A module beside its controls, each with a score for each draw."""

    units: dict[str, int]
    """How many units each has, of the layers that are masked."""
    scores: dict[str, list[Scores]]

    def rows(self) -> list[dict]:
        """A row each: mean scores; `spread` is the deviation of balanced accuracy over draws."""
        return [
            {
                "network": name,
                "units": self.units[name],
                "accuracy": fmean(one.accuracy for one in scores),
                "balanced_accuracy": fmean(one.balanced_accuracy for one in scores),
                "loss": fmean(one.loss for one in scores),
                "draws": len(scores),
                "spread": pstdev(one.balanced_accuracy for one in scores),
            }
            for name, scores in self.scores.items()
        ]


def compare_module(
    module: DiscoveredModule,
    train: Labelled,
    test: Labelled,
    *,
    draws: int = 10,
    generator: torch.Generator | None = None,
) -> Controls:
    """A module's scores on examples that nothing was chosen by, and those of its controls.

    - "module": itself.
    - "random masks": as many units of each layer, drawn at random; the mean of some draws.
    - "all but the module": its units masked, all others kept.
    - "head alone": a new head on all units of the last layer, nothing masked.
    - "full network": its own logits, nothing masked; where they are those of the task's classes.

    Where the module has a new head, so has each control but the last, fitted in the same way.

    Args:
        module: what `discover_module` found.
        train: the examples that heads are fitted to, those that the module was found by.
        test: the examples that are scored.
        draws: random masks, at least 1.
        generator: what they follow from.

    Raises:
        InputError: examples or classes that can't be used; no draws.
    """
    if draws < 1:
        raise InputError(f"draws is {draws}; expected at least 1")
    frozen, task = module.frozen, module.task
    fitted, scored = (_rows(frozen, task, data) for data in (train, test))
    counts = {name: int(mask.sum()) for name, mask in module.kept.items()}
    random = [random_masks(frozen.units, counts, generator) for _ in range(draws)]
    rest = {name: ~mask for name, mask in module.kept.items()}
    total = sum(frozen.units.values())

    def scores(kept: Kept) -> Scores:
        head = None
        if module.head is not None:
            head = fit_head(last_units(frozen, fitted[0], kept), fitted[1], task.count)
        return _score(frozen, scored, kept, task, head)

    alone = fit_head(last_units(frozen, fitted[0], {}), fitted[1], task.count)
    found = {
        "module": [_score(frozen, scored, module.kept, task, module.head)],
        "random masks": [scores(_on(scored[0], kept)) for kept in random],
        "all but the module": [scores(rest)],
        "head alone": [_score(frozen, scored, {}, task, alone)],
    }
    units = dict(zip(found, (module.size, module.size, total - module.size, total), strict=True))
    if frozen.outputs == (len(task.groups),):
        found["full network"] = [_score(frozen, scored, {}, task, None)]
        units["full network"] = total
    return Controls(units, found)


def random_masks(
    units: dict[str, int], counts: dict[str, int], generator: torch.Generator | None = None
) -> dict[str, Tensor]:
    """For each layer a mask that keeps so many of its units, each set of them equally likely.

    >>> random_masks({"relu1": 5}, {"relu1": 2})["relu1"].sum()
    tensor(2)
    """
    masks = {}
    for name, size in units.items():
        masks[name] = torch.zeros(size, dtype=torch.bool)
        masks[name][torch.randperm(size, generator=generator)[: counts[name]]] = True
    return masks


def _on(rows: Tensor, kept: Kept) -> Kept:
    return {name: mask.to(rows.device) for name, mask in kept.items()}


def _rows(frozen: FrozenNetwork, task: Task, data: Labelled) -> Rows:
    x, y = labelled_rows(data)
    asked, labels = task.labels(y)
    return frozen.start(x)[asked], labels


def _score(frozen: FrozenNetwork, rows: Rows, kept: Kept, task: Task, head) -> Scores:
    return score(logits_under(frozen, rows[0], kept, task, head), rows[1])
