"""Sub-tasks of a classifier, the labelled examples they are asked on, and how well they are done.

What may live here: which group of classes an example belongs to, and scores of logits of groups.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sdnet.errors import InputError

Labelled = tuple[Tensor, Tensor] | Iterable[tuple[Tensor, Tensor]]
"""Examples and classes (x, y), or a loader of batches of them."""


@dataclass(frozen=True)
class Task:
    """A question about examples of known classes: to which group does the class belong?

    >>> Task("parity of 0 to 3", (0, 1, 0, 1)).count
    2
    """

    name: str
    groups: tuple[int | None, ...]
    """The group of each class, from 0 on; None: its examples are left out."""

    def __post_init__(self) -> None:
        groups = {group for group in self.groups if group is not None}
        if len(groups) < 2 or groups != set(range(len(groups))):
            raise InputError(
                f"task {self.name!r} has groups {self.groups}; expected one for each class, "
                "numbered 0, 1, ... without gaps, two groups at least"
            )

    @property
    def count(self) -> int:
        """How many groups there are."""
        return max(group for group in self.groups if group is not None) + 1

    def labels(self, y: Int[Tensor, " n"]) -> tuple[Bool[Tensor, " n"], Int[Tensor, " m"]]:
        """Which examples take part, and the groups of those.

        Raises:
            InputError: a class that the task doesn't know; no example of a group.

        >>> asked, groups = Task("1 or 2", (None, 0, 1)).labels(torch.tensor([2, 0, 1]))
        >>> asked.tolist(), groups.tolist()
        ([True, False, True], [1, 0])
        """
        if len(y) and not 0 <= int(y.min()) <= int(y.max()) < len(self.groups):
            raise InputError(
                f"y has classes {int(y.min())} to {int(y.max())}; expected 0 to "
                f"{len(self.groups) - 1}, those of task {self.name!r}"
            )
        numbers = [-1 if group is None else group for group in self.groups]
        groups = torch.tensor(numbers, device=y.device)[y.long()]
        asked = groups >= 0
        missing = set(range(self.count)) - set(groups.unique().tolist())
        if missing:
            raise InputError(
                f"task {self.name!r} has no example of group {min(missing)} among {len(y)}; "
                "expected one of each at least"
            )
        return asked, groups[asked]

    def group_logits(self, logits: Float[Tensor, "b classes"]) -> Float[Tensor, "b groups"]:
        """Logits of groups from those of classes: log of the sum of exp over a group's classes.

        Their softmax is the probability of each group, classes that are left out excepted.

        Raises:
            InputError: another number of classes than the task's.

        >>> Task("0 or not", (1, 0, 0)).group_logits(torch.tensor([[2.0, 0.0, 0.0]]))
        tensor([[0.6931, 2.0000]])
        """
        if logits.shape[1] != len(self.groups):
            raise InputError(
                f"the network has {logits.shape[1]} classes and task {self.name!r} "
                f"{len(self.groups)}; expected equal numbers"
            )
        members = [
            [i for i, group in enumerate(self.groups) if group == number]
            for number in range(self.count)
        ]
        return torch.stack([logits[:, some].logsumexp(1) for some in members], 1)


def one_against_rest(chosen: int, classes: int) -> Task:
    """ "Is it this class or another?": group 1 is the class, group 0 all others.

    Raises:
        InputError: no such class.

    >>> one_against_rest(0, classes=3).groups
    (1, 0, 0)
    """
    if not 0 <= chosen < classes:
        raise InputError(f"class {chosen} is none of the {classes}; expected 0 to {classes - 1}")
    return Task(str(chosen), tuple(int(i == chosen) for i in range(classes)))


def labelled_rows(data: Labelled) -> tuple[Tensor, Int[Tensor, " n"]]:
    """All examples x (n, ...) and classes y (n,) of a pair or of a loader, read once.

    Raises:
        InputError: no examples, values that aren't finite, or not a class for each example.

    >>> x, y = labelled_rows([(torch.zeros(2, 5), torch.tensor([0, 1]))] * 3)
    >>> x.shape, y.tolist()
    (torch.Size([6, 5]), [0, 1, 0, 1, 0, 1])
    """
    x, y = data if isinstance(data, tuple) and len(data) == 2 else _joined(data)
    if not isinstance(x, Tensor) or not isinstance(y, Tensor):
        raise InputError(
            f"x is a {type(x).__name__} and y a {type(y).__name__}; expected tensors, a row of x "
            "and a class of y for each example"
        )
    if y.is_floating_point() or y.dtype == torch.bool or y.shape != x.shape[:1] or not len(x):
        raise InputError(
            f"x has shape {tuple(x.shape)} and y is {y.dtype} of shape {tuple(y.shape)}; "
            "expected a whole number, the class, for each of one example or more"
        )
    # The sum is quick to look at; of large numbers it can overflow, so it's not the last word.
    if not x.sum().isfinite() and not (finite := x.isfinite()).all():
        raise InputError(f"{int((~finite).sum())} values of x aren't finite; expected numbers")
    return x, y


def _joined(loader: Iterable) -> tuple[Tensor, Tensor]:
    try:
        x, y = zip(*loader, strict=True)
        return torch.cat(x), torch.cat(y)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"the examples can't be read ({error}); expected a pair (x, y) of tensors, or a "
            "loader of such batches, one at least"
        ) from None


def group_weights(labels: Int[Tensor, " n"], count: int) -> Float[Tensor, " count"]:
    """The weight of an example of each group, n / (groups * examples of the group).

    Under them every group weighs the same, however rare it is, and their mean is 1.

    >>> group_weights(torch.tensor([0, 0, 0, 1]), 2)
    tensor([0.6667, 2.0000])
    """
    return len(labels) / (count * labels.bincount(minlength=count).float())


@dataclass(frozen=True)
class Scores:
    """How well groups are told: of a constant answer to two groups `balanced_accuracy` is 0.5."""

    accuracy: float
    """The share of examples whose largest logit is that of their group."""
    balanced_accuracy: float
    """The mean over groups of that share within the group."""
    loss: float
    """Cross-entropy, in nats, each group weighing the same."""


def score(logits: Float[Tensor, "n groups"], labels: Int[Tensor, " n"]) -> Scores:
    """Accuracy, balanced accuracy and cross-entropy of logits.

    Every group needs an example, as `Task.labels` sees to.

    >>> always_0 = torch.tensor([[1.0, 0.0]]).expand(10, 2)
    >>> scores = score(always_0, torch.tensor([0] * 9 + [1]))
    >>> round(scores.accuracy, 2), scores.balanced_accuracy
    (0.9, 0.5)
    """
    count = logits.shape[1]
    right = (logits.argmax(1) == labels).double()
    recalls = right.new_zeros(count).index_add_(0, labels, right) / labels.bincount(minlength=count)
    weights = group_weights(labels, count).to(logits.dtype)
    loss = torch.nn.functional.cross_entropy(logits, labels, weights)
    return Scores(right.mean().item(), recalls.mean().item(), loss.item())
