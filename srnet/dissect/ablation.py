"""Ablation: how a network's output changes without a unit, a group of units, or a direction.

What may live here: the three studies and their result. What is computed for an edited layer is
`srnet.dissect.passes`' subject, how outputs are compared `srnet.dissect.divergences`'.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sdnet.errors import InputError
from srnet.dissect.directions import normalised
from srnet.dissect.divergences import Reading, cross_entropy_of, entropy_of, kl_divergence, right
from srnet.dissect.inputs import check_labels, check_units
from srnet.dissect.passes import LinearStart, Outputs, Passes, linear_start, passes_of
from srnet.dissect.replacing import By, acts_of, instead_of, replacement
from srnet.dissect.report import Report


@dataclass(frozen=True, eq=False)
class Ablation(Report):
    """What each ablation does to each example's output; `rows` are the means over the examples.

    p is the output as it is, q that after the ablation; in nats.
    """

    kind: str
    """"unit", "group" or "direction": the name of the first column."""
    names: tuple[int | str, ...]
    """Of the k ablations."""
    kl: Float[Tensor, "k n"]
    """KL(p || q), of the original relative to the ablated."""
    kl_reverse: Float[Tensor, "k n"]
    """KL(q || p)."""
    entropy_change: Float[Tensor, "k n"]
    """H(q) - H(p)."""
    loss_change: Float[Tensor, "k n"] | None = None
    """Cross-entropy with the true class after the ablation, less that before."""
    correct_change: Int[Tensor, "k n"] | None = None
    """1 where the ablation makes the answer right, -1 where it makes it wrong, else 0."""

    def rows(self) -> list[dict]:
        """For each ablation the means over the examples: kl, kl_reverse, entropy_change, ..."""
        columns = {
            "kl": self.kl,
            "kl_reverse": self.kl_reverse,
            "entropy_change": self.entropy_change,
            "loss_change": self.loss_change,
            "accuracy_change": self.correct_change,
        }
        means = {
            name: values.double().mean(1).tolist()
            for name, values in columns.items()
            if values is not None
        }
        return [
            {self.kind: name, **{column: figures[i] for column, figures in means.items()}}
            for i, name in enumerate(self.names)
        ]


@torch.no_grad()
def ablate_units(
    model: nn.Module,
    layer: str,
    x: Tensor,
    y: Tensor | None = None,
    *,
    by: By = "zero",
    reference: Tensor | None = None,
    generator: torch.Generator | None = None,
    reading: Reading = "classes",
    axis: int | None = None,
) -> Ablation:
    """The effect of each unit of a layer, alone: a_j becomes 0, its mean, or another example's.

    KL(p || q) and KL(q || p) of the outputs p before and q after, H(q) - H(p), and with labels
    the change in loss and in accuracy. The network is left as it is. Where a linear layer comes
    next, or after activation functions only, each unit costs one outer product.

    Args:
        layer: the name of a module: of the activation, or of the linear layer before it.
        x: (n, ...) examples, as the network takes them.
        y: (n,) their classes.
        by: "zero"; "mean", of the unit over the reference examples (and over the places of an
            image); "resample", the value that the unit has for a reference example drawn for
            each unit and example alike, Chan et al. 2022 (causal scrubbing).
        reference: examples that means and values are taken of; None: x.
        generator: draws those of "resample".
        reading: "classes" for logits (n, classes), "logit" for the one of class 1 against 0.
        axis: of the layer's output which are its units, see `srnet.dissect.layers.unit_axis`.

    Raises:
        InputError: no such layer, or one without units; examples and labels that don't fit; layers
            in training mode that mix or drop; `by` of another name, or of one example.

    >>> from srnet.dissect.classifiers import dense
    >>> model = dense([2, 3, 2], torch.Generator().manual_seed(0))
    >>> found = ablate_units(model, "relu1", torch.rand(10, 2))
    >>> found.kl.shape, list(found.rows()[0])
    (torch.Size([3, 10]), ['unit', 'kl', 'kl_reverse', 'entropy_change'])
    """
    passes = passes_of(model, layer, x, axis=axis, reading=reading)
    instead = instead_of(model, layer, passes, by, reference, generator)
    names = tuple(range(passes.units))
    start = linear_start(passes)
    if start is None:
        masks = torch.eye(passes.units, dtype=torch.bool, device=x.device)
        outputs = _masked(passes, masks, instead)
    else:
        outputs = _unit_by_unit(passes, start, instead)
    return _compared(passes, "unit", names, outputs, y)


@torch.no_grad()
def ablate_groups(
    model: nn.Module,
    layer: str,
    x: Tensor,
    groups: Mapping[str, Sequence[int]] | Sequence[Sequence[int]],
    y: Tensor | None = None,
    *,
    by: By = "zero",
    reference: Tensor | None = None,
    generator: torch.Generator | None = None,
    reading: Reading = "classes",
    axis: int | None = None,
) -> Ablation:
    """The effect of groups of units of a layer, each group taken away as a whole.

    Args:
        groups: the units of each group, by its name or by its number.
        Others: as for `ablate_units`. "resample" takes the value of each unit of a group from the
            same example, so that what the group says stays together.

    Raises:
        InputError: as `ablate_units`; no groups, or units that the layer doesn't have.

    >>> from srnet.dissect.classifiers import dense
    >>> model = dense([2, 3, 2], torch.Generator().manual_seed(0))
    >>> found = ablate_groups(model, "relu1", torch.rand(10, 2), {"all": [0, 1, 2], "none": []})
    >>> found.names, bool(found.kl[1].abs().max() < 1e-6)
    (('all', 'none'), True)
    """
    named = dict(groups) if isinstance(groups, Mapping) else dict(enumerate(groups))
    passes = passes_of(model, layer, x, axis=axis, reading=reading)
    if not named:
        raise InputError("no groups were given; expected one at least")
    masks = torch.zeros(len(named), passes.units, dtype=torch.bool, device=x.device)
    for mask, units in zip(masks, named.values(), strict=True):
        check_units(units, passes.units)
        mask[list(units)] = True
    instead = instead_of(model, layer, passes, by, reference, generator, together=True)
    return _compared(passes, "group", tuple(named), _masked(passes, masks, instead), y)


@torch.no_grad()
def ablate_directions(
    model: nn.Module,
    layer: str,
    x: Tensor,
    directions: Float[Tensor, "*k units"],
    y: Tensor | None = None,
    *,
    by: By = "zero",
    reference: Tensor | None = None,
    generator: torch.Generator | None = None,
    reading: Reading = "classes",
    axis: int | None = None,
) -> Ablation:
    """The effect of directions in a layer, each alone: a + (r - a . u) u with u = d / |d|.

    r is 0, the mean of a . u, or its value for another example. A unit's own direction gives the
    same as the unit.

    Args:
        directions: of any lengths; those of units are the rows of the identity.
        Others: as for `ablate_units`.

    Raises:
        InputError: as `ablate_units`; directions of another width, of length 0, or not finite.

    >>> from srnet.dissect.classifiers import dense
    >>> model = dense([2, 3, 2], torch.Generator().manual_seed(0))
    >>> ablate_directions(model, "fc1", torch.rand(10, 2), torch.ones(1, 3)).kl.shape
    torch.Size([1, 10])
    """
    passes = passes_of(model, layer, x, axis=axis, reading=reading)
    if not isinstance(directions, Tensor):
        kind = type(directions).__name__
        raise InputError(f"directions are {kind}; expected a tensor (k, {passes.units})")
    shape = tuple(directions.shape)
    if len(shape) != 2 or shape[1] != passes.units or not shape[0]:
        raise InputError(f"directions of shape {shape}; expected (k, {passes.units}), one at least")
    rows = normalised(directions.detach().to(passes.acts))
    parts = passes.acts @ rows.mT  # (n, ..., k)
    given = None if reference is None else acts_of(model, layer, reference, passes) @ rows.mT
    instead = replacement(parts, given, by, generator, together=False)
    change = (instead - parts).expand_as(parts)
    start = linear_start(passes)
    if start is not None and not len(start.alone):
        outputs = passes.updated(start, change.mT.contiguous(), rows @ start.linear.weight.mT)
    else:
        changes = change.movedim(-1, 0)  # (k, n, ...)

        def edit(edits: slice, some: slice) -> Tensor:
            moved = torch.einsum("kn...,ku->kn...u", changes[edits, some], rows[edits])
            return passes.acts[some] + moved

        outputs = passes.edited(len(rows), edit)
    return _compared(passes, "direction", tuple(range(len(rows))), outputs, y)


def _masked(passes: Passes, masks: Tensor, instead: Tensor) -> Outputs:
    """The outputs with the units of each mask (k, units) replaced."""
    shape = [1] * (passes.acts.dim() - 1)

    def edit(edits: slice, rows: slice) -> Tensor:
        chosen = masks[edits].view(-1, *shape, passes.units)
        return torch.where(chosen, instead[rows], passes.acts[rows])

    return passes.edited(len(masks), edit)


def _unit_by_unit(passes: Passes, start: LinearStart, instead: Tensor) -> Outputs:
    """The same of each unit alone: what comes before the linear layer changes in one column."""
    change = start.alone(instead.clone()) - start.alone(passes.acts.clone())
    return passes.updated(start, change.mT.contiguous(), start.linear.weight.mT)


def _compared(
    passes: Passes, kind: str, names: tuple[int | str, ...], outputs: Outputs, y: Tensor | None
) -> Ablation:
    count = (len(names), len(passes.x))
    log_p = passes.log_p
    figures = {name: log_p.new_empty(count) for name in ("kl", "kl_reverse", "entropy_change")}
    before = entropy_of(log_p)
    if y is not None:
        check_labels(y, len(passes.x), len(log_p))
        y = y.long()
        figures["loss_change"] = log_p.new_empty(count)
        figures["correct_change"] = torch.empty(count, dtype=torch.int64, device=log_p.device)
        loss, correct = cross_entropy_of(log_p, y), right(log_p, y)
    for edits, rows, log_q in outputs:
        as_it_is = log_p[:, None, rows]
        figures["kl"][edits, rows] = kl_divergence(as_it_is, log_q)
        figures["kl_reverse"][edits, rows] = kl_divergence(log_q, as_it_is)
        figures["entropy_change"][edits, rows] = entropy_of(log_q) - before[rows]
        if y is not None:
            figures["loss_change"][edits, rows] = cross_entropy_of(log_q, y[rows]) - loss[rows]
            figures["correct_change"][edits, rows] = right(log_q, y[rows]) - correct[rows]
    _check_finite(figures["kl_reverse"], kind, names)
    return Ablation(kind, names, **figures)


def _check_finite(values: Tensor, kind: str, names: Sequence[int | str]) -> None:
    wrong = (~values.isfinite()).any(1).nonzero()
    if len(wrong):
        raise InputError(f"without {kind} {names[int(wrong[0])]} the output isn't finite")
