"""Many edits of one layer: one pass through the prefix, and the suffix in batches.

What may live here: how edited activations become log-probabilities with least work. Which edits
there are is the subject of the studies.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sdnet.errors import InputError
from srnet.dissect.cutting import Rerun, Rest, split
from srnet.dissect.divergences import Reading, log_probabilities
from srnet.dissect.inputs import check_evaluation, check_examples
from srnet.dissect.layers import find_layer, unit_axis

BATCH_BYTES = {"cpu": 2**20, "other": 2**28}
"""Activations that go through the suffix at once: on a CPU, what stays in its second cache."""

UPDATE_BYTES = {"cpu": 2**18, "other": 2**28}
"""Outputs that are updated and compared at once: of these, several tensors stay in it."""

PREFIX_ROWS = 2048
"""Examples that go through the prefix at once."""

SAME = 1e-3  # of the outputs' scale: how near the two parts must come to the whole

ELEMENTWISE = (
    nn.Identity,
    nn.ReLU,
    nn.ReLU6,
    nn.LeakyReLU,
    nn.ELU,
    nn.SELU,
    nn.CELU,
    nn.GELU,
    nn.SiLU,
    nn.Mish,
    nn.Softplus,
    nn.Softsign,
    nn.Tanh,
    nn.Sigmoid,
    nn.Hardtanh,
    nn.Hardsigmoid,
    nn.Hardswish,
    nn.Dropout,  # which keeps everything in evaluation mode
    nn.Flatten,  # of (n, units) the same
)


Outputs = Iterator[tuple[slice, slice, Tensor]]
"""Which edits, of which rows, and their log-probabilities (classes, k, n)."""


@dataclass(frozen=True, eq=False)
class Passes:
    """What all edits of a layer have in common: `passes_of` makes it."""

    acts: Float[Tensor, "n *places units"]
    """The layer's output, its units last."""
    log_p: Float[Tensor, "classes n"]
    """Of the network as it is."""
    suffix: Rest | Rerun
    x: Tensor
    axis: int
    reading: Reading

    @property
    def units(self) -> int:
        """How many the layer has."""
        return self.acts.shape[-1]

    def through(self, edited: Tensor, rows: slice = slice(None)) -> Float[Tensor, "classes k n"]:
        """Log-probabilities of k edits (k, n, ..., units) of the activations of some rows."""
        acts = edited.flatten(0, 1).movedim(-1, self.axis)
        found = log_probabilities(self.suffix(acts, self.x[rows]), self.reading)
        return found.unflatten(1, edited.shape[:2])

    def batches(self, count: int, each: Tensor, budget: dict) -> Iterator[tuple[slice, slice]]:
        """(edits, rows) in batches of so many bytes, if an edit of a row is as large as `each`."""
        budget = budget.get(self.acts.device.type, budget["other"])
        size = each.numel() * each.element_size()
        rows = max(1, min(len(self.acts), budget // size))
        edits = max(1, budget // (size * rows))
        for first in range(0, len(self.acts), rows):
            for edit in range(0, count, edits):
                yield slice(edit, min(edit + edits, count)), slice(first, first + rows)

    def edited(self, count: int, edit: Callable[[slice, slice], Tensor]) -> Outputs:
        """The outputs of `count` edits.

        Args:
            edit: of edits and rows to activations (k, n, ..., units), new ones.
        """
        for edits, rows in self.batches(count, self.acts[0], BATCH_BYTES):
            yield edits, rows, self.through(edit(edits, rows), rows)

    def updated(
        self, start: "LinearStart", change: Float[Tensor, "k n"], weight: Float[Tensor, "k out"]
    ) -> Outputs:
        """The outputs of edits that add change_kn weight_k to what the linear layer gives.

        An edit of one unit changes what the next linear layer gives by one product of a column
        and a row, so that nothing needs to be multiplied through the layer again.
        """
        if len(start.rest) or self.reading != "classes":
            return self._updated_and_on(start, change, weight)
        return self._updated_logits(start, change, weight)

    def _updated_and_on(self, start: "LinearStart", change: Tensor, weight: Tensor) -> Outputs:
        for edits, rows in self.batches(len(change), start.output[0], BATCH_BYTES):
            moved = change[edits, rows, None] * weight[edits, None, :]
            output = start.rest((start.output[rows] + moved).flatten(0, 1))
            found = log_probabilities(output, self.reading)
            yield edits, rows, found.unflatten(1, moved.shape[:2])

    def _updated_logits(self, start: "LinearStart", change: Tensor, weight: Tensor) -> Outputs:
        """Of a linear layer that is the last: its products are made classes first at once."""
        logits = start.output.mT.contiguous()
        for edits, rows in self.batches(len(change), start.output[0], UPDATE_BYTES):
            column, row = change[None, edits, rows], weight.mT[:, edits, None]
            output = torch.addcmul(logits[:, None, rows], column, row)
            yield edits, rows, output.log_softmax(0, self.log_p.dtype)


@dataclass(frozen=True, eq=False)
class LinearStart:
    """A suffix that begins with steps which treat each unit alone, and then a linear layer."""

    alone: nn.Sequential
    linear: nn.Linear
    rest: nn.Sequential
    output: Float[Tensor, "n out"]
    """Of the linear layer, as it is."""


def passes_of(
    model: nn.Module, layer: str, x: Tensor, *, axis: int | None = None, reading: Reading
) -> Passes:
    """One pass of the examples, with all that is checked about it.

    Args:
        axis: of the layer's output which are its units, where its module doesn't tell.
        reading: what the network's output is, see `log_probabilities`.

    Raises:
        InputError: no such layer, or one without units; examples that don't fit, or give outputs
            that aren't finite; layers in training mode that mix or drop.
    """
    module = find_layer(model, layer)
    check_examples(model, x)
    check_evaluation(model)
    prefix, suffix = split(model, layer)
    with torch.no_grad():
        whole = _tried(model, x[:1])
        log_probabilities(whole, reading)  # for its checks
        acts = torch.cat([prefix(rows) for rows in x.split(PREFIX_ROWS)])
        if len(acts) != len(x):
            raise InputError(
                f"layer {layer!r} gives {tuple(acts.shape)} for {len(x)} examples; expected their "
                "axis first"
            )
        axis = unit_axis(module, acts, axis, f"layer {layer!r}")
        parts = zip(acts.split(PREFIX_ROWS), x.split(PREFIX_ROWS), strict=True)
        output = torch.cat([suffix(*part) for part in parts])
        log_p = log_probabilities(output, reading)
        _check_same(whole, output[:1], layer)
    wrong = (~log_p.isfinite()).any(0).nonzero()
    if len(wrong):
        raise InputError(f"the network's output isn't finite for example {int(wrong[0])}")
    return Passes(acts.movedim(axis, -1), log_p, suffix, x, axis, reading)


def _tried(model: nn.Module, x: Tensor) -> object:
    try:
        return model(x)
    except InputError:
        raise
    except (RuntimeError, IndexError, ValueError) as error:  # of shapes, of tokens that aren't
        reason = " ".join(str(error).split())
        raise InputError(
            f"the network can't take examples of shape {tuple(x.shape[1:])} ({reason:.200})"
        ) from None


def _check_same(whole: Tensor, parts: Tensor, layer: str) -> None:
    """Tracing takes what the network asks of Python, and not of tensors, as it is on a trial."""
    scale = whole.abs().max().clamp(min=1)
    if whole.shape != parts.shape or (whole - parts).abs().max() > SAME * scale:
        raise InputError(
            f"the network, cut at {layer!r}, doesn't give its own output: its forward pass depends "
            "on more than tensors; expected one without such branches"
        )


@torch.no_grad()
def linear_start(passes: Passes) -> LinearStart | None:
    """The suffix's first linear layer, if only steps which treat each unit alone lead to it."""
    if passes.acts.dim() != 2 or not isinstance(passes.suffix, Rest):
        return None
    steps = list(_steps(passes.suffix.network))
    place = next((i for i, step in enumerate(steps) if type(step) is nn.Linear), None)
    if place is None or not all(type(step) in ELEMENTWISE for step in steps[:place]):
        return None
    if any(_has_hooks(step) for step in steps[: place + 1]):
        return None  # which may do anything, and must not be passed by
    alone, linear = nn.Sequential(*steps[:place]), steps[place]
    output = linear(alone(passes.acts.clone()))
    return LinearStart(alone, linear, nn.Sequential(*steps[place + 1 :]), output)


def _steps(network: nn.Module) -> Sequence[nn.Module]:
    if type(network) is not nn.Sequential or _has_hooks(network):
        return [network]
    return [step for child in network for step in _steps(child)]


def _has_hooks(module: nn.Module) -> bool:
    return bool(module._forward_hooks or module._forward_pre_hooks)
