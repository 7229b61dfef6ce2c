"""How small a module can be for how good: modules over the price of a unit.

What may live here: learning modules at several prices, and the Pareto front of size and accuracy.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn
from tqdm.auto import tqdm

from sdnet.errors import InputError
from srnet.dissect.frozen import FrozenNetwork
from srnet.dissect.heads import logits_under
from srnet.dissect.modules import DiscoveredModule, Search, learn_module
from srnet.dissect.report import Report
from srnet.dissect.tasks import Labelled, Scores, Task, labelled_rows, score


def pareto(sizes: Sequence[int], accuracies: Sequence[float]) -> list[bool]:
    """Which are on the front: no other is as small and as accurate, and better in one of both.

    >>> pareto([10, 20, 20, 30], [0.9, 0.95, 0.8, 0.95])
    [True, True, False, False]
    """
    pairs = list(zip(sizes, accuracies, strict=True))
    return [
        not any(
            other_size <= size and other >= accuracy and (other_size, other) != (size, accuracy)
            for other_size, other in pairs
        )
        for size, accuracy in pairs
    ]


@dataclass(frozen=True)
class Front(Report):
    """Modules of one task, from the cheapest unit to the dearest, with validation scores."""

    modules: tuple[DiscoveredModule, ...]
    scores: tuple[Scores, ...]

    @property
    def on_front(self) -> list[bool]:
        """Which are on the Pareto front of size and balanced accuracy."""
        return pareto(
            [module.size for module in self.modules],
            [one.balanced_accuracy for one in self.scores],
        )

    def smallest(self, balanced_accuracy: float) -> DiscoveredModule:
        """The module of fewest units that is at least so good on the validation examples.

        Raises:
            InputError: none is.
        """
        good = [
            (module.size, -one.balanced_accuracy, place)
            for place, (module, one) in enumerate(zip(self.modules, self.scores, strict=True))
            if one.balanced_accuracy >= balanced_accuracy
        ]
        if not good:
            best = max(one.balanced_accuracy for one in self.scores)
            raise InputError(
                f"no module has a balanced accuracy of {balanced_accuracy}; the best has {best:.4f}"
            )
        return self.modules[min(good)[2]]

    def rows(self) -> list[dict]:
        """A row for each price: units kept, in all and of each layer, and scores."""
        return [
            {
                "task": module.task.name,
                "alpha": module.alpha,
                "kept": module.size,
                **{name: int(mask.sum()) for name, mask in module.kept.items()},
                "accuracy": one.accuracy,
                "balanced_accuracy": one.balanced_accuracy,
                "loss": one.loss,
                "on_front": good,
            }
            for module, one, good in zip(self.modules, self.scores, self.on_front, strict=True)
        ]


def module_fronts(
    model: nn.Module,
    layers: Sequence[str],
    train: Labelled,
    validation: Labelled,
    tasks: Sequence[Task],
    alphas: Sequence[float],
    *,
    head: Literal["new", "old"] = "new",
    search: Search | None = None,
    seed: int = 0,
) -> list[Front]:
    """A module for each task and each price of a unit, with scores on validation examples.

    Each is what `discover_module` finds with a generator of that seed: they don't depend on one
    another. What comes before the first layer is computed once for all.

    Args:
        train: the examples that modules are found by.
        validation: those that they may be chosen by, and that are then no test of them.
        tasks: at least one. alphas: prices in nats, at least one.

    Raises:
        InputError: no tasks or prices, or what `discover_module` refuses.
    """
    if not tasks or not alphas:
        raise InputError(f"{len(tasks)} tasks and {len(alphas)} alphas; expected one at least")
    (x, y), (x_val, y_val) = labelled_rows(train), labelled_rows(validation)
    frozen = FrozenNetwork(model, layers, x)
    rows, rows_val = frozen.start(x), frozen.start(x_val)
    fronts = []
    progress = tqdm(total=len(tasks) * len(alphas), unit="module", disable=None)
    for task in tasks:
        asked, labels = task.labels(y)
        asked_val, labels_val = task.labels(y_val)
        modules = []
        for alpha in sorted(alphas):
            module = learn_module(
                frozen,
                rows if asked.all() else rows[asked],
                labels,
                task,
                alpha,
                head=head,
                search=search,
                generator=torch.Generator().manual_seed(seed),
            )
            modules.append(module)
            progress.update()
        scores = [
            score(logits_under(frozen, rows_val[asked_val], one.kept, task, one.head), labels_val)
            for one in modules
        ]
        fronts.append(Front(tuple(modules), tuple(scores)))
    progress.close()
    return fronts
