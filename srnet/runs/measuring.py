"""What a run of generators measures, keeps of it, and chooses by.

The truth, where it is known, is measured by here; the choice is made without it, by the loss, by
how well the latents can be read, and by the critic's score. Figures are of all validation rows and,
named `..._inside`, of those inside the box of the training rows.
"""

from collections.abc import Mapping
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from sdnet.errors import InputError
from srnet.measures import RECORDED_ROWS, Criterion, choose, inside, measure, spacing
from srnet.network import SRNet
from srnet.readout.likeness import shares_left
from srnet.readout.naming import ERROR
from srnet.runs.generator_readout import read_shapes, seen_inputs
from srnet.runs.running import on_cpu, table
from srnet.tables import SRData
from srnet.training import JointTraining

SHOWN = ("loss", "loss_inside", "unread", "score", "min_corr", "min_corr_inside")
"""The measures of each member that are shown in the end."""

READ_ROWS = 200
"""Training rows that latents are compared with shapes on, at most."""


class Validation:
    """The rows that a run is measured on, and which of them lie inside, see `measures.inside`."""

    def __init__(self, val: SRData, x: Tensor, y: Tensor, device: str):
        points = table("val.in_data", val.in_data, "(n, d) of the inputs", device)
        target = table("val.target_data", val.target_data, "(n, out) of the target", device)
        for name, mine, theirs in (("in_data", points, x), ("target_data", target, y)):
            if mine.shape[1] != theirs.shape[1]:
                raise InputError(
                    f"val.{name} has {mine.shape[1]} columns and train.{name} {theirs.shape[1]}; "
                    "expected as many"
                )
        truth = val.lat_data
        if truth is not None:
            truth = table("val.lat_data", truth, "(n, g) of the true latents", device)
        rows = {len(part) for part in (points, target, truth) if part is not None}
        if len(rows) > 1:
            raise InputError(
                f"the tables of val have {sorted(rows)} rows; expected as many of each"
            )
        self.x, self.y, self.truth, self.kept = points, target, truth, inside(points, x)
        if not self.kept.any():
            raise InputError(
                "no row of val lies within the range of the training rows; expected some to "
                "choose by"
            )

    def counts(self) -> dict[str, int]:
        """How many rows there are, and how many of them lie inside, for the record."""
        return {"rows": len(self.x), "inside": int(self.kept.sum())}


def measures(training: JointTraining, validation: Validation, record: Mapping) -> dict[str, Tensor]:
    """A row of measures, see `train_generator`, with the `latents` (E, k, n) at the rows."""
    row = measure(training.averaged, validation.x, validation.y, validation.truth, validation.kept)
    if training.critic is not None:
        with torch.no_grad():
            row["score"] = training.scores(training.curves(training.averaged)[1]).mean(-1)
    loss, penalty = (record["history"][name][-1:].sum(0) for name in ("loss", "penalty"))
    size = penalty.abs()
    row["share"] = size / (size + loss).clamp_min(torch.finfo(size.dtype).tiny)
    return on_cpu(row)


def add(record: dict, row: dict[str, Tensor], epoch: int, log_freq: int) -> None:
    """Add a row of measures, and its latents if they are due; thin those that aren't any more."""
    kept, found = record["latents"], record["measures"]
    every = log_freq * spacing(epoch // log_freq)
    latents = row.pop("latents")
    step = -(-latents.shape[-1] // RECORDED_ROWS)
    latents = latents[..., ::step].clone()
    _append(found, row, epoch)
    left = [i for i, earlier in enumerate(kept["epoch"]) if earlier % every == 0]
    if len(left) < len(kept["epoch"]):
        kept["curves"] = kept["curves"][left]
        kept["epoch"] = [kept["epoch"][i] for i in left]
    if epoch % every == 0:
        _append(kept, {"curves": latents}, epoch)


def _append(columns: dict, row: Mapping[str, Tensor], epoch: int) -> None:
    columns["epoch"].append(epoch)
    for name, value in row.items():
        before = [columns[name]] if name in columns else []
        columns[name] = torch.cat([*before, value.unsqueeze(0)])


@torch.no_grad()
def unread(
    model: SRNet, points: Float[Tensor, "n d"], library: Mapping | None
) -> Float[Tensor, " e"]:
    """For each member the mean over latents of the share of variance that the best shape leaves.

    The shapes are those that the readout tries first: the library's (as a state keeps it) or,
    without one, generic ones, and x_i and x_i*x_j, of the inputs that a latent sees; see
    `srnet.readout.likeness.shares_left`. NaN for a member that is lost, and on fewer than 3 points.
    A second or less for 10 members of 5 latents.
    """
    points = points[:: -(-len(points) // READ_ROWS)]
    curves = model.latents(points).mT.double().cpu()
    x, masks = points.double().cpu().numpy(), seen_inputs(model)
    shapes = read_shapes(library, x)
    found = torch.full((len(curves),), torch.nan, dtype=torch.float64)
    for member, drawn in enumerate(curves):
        if drawn.isfinite().all() and len(x) >= 3:
            seen = None if masks is None else masks[member]
            found[member] = shares_left(drawn.numpy(), x, shapes, seen).mean()
    return found


def by_member(found: Mapping) -> dict[str, float]:
    """The last row of the measures that are one number a member, for a tracker."""
    return {
        f"{name}/{i}": value
        for name, rows in found.items()
        if name != "epoch" and rows.dim() == 2
        for i, value in enumerate(rows[-1].tolist())
    }


def lost(losses: Float[Tensor, "epochs e"]) -> dict[int, int]:
    """The members whose training became non-finite, each with the epoch, counted from 1.

    >>> lost(torch.tensor([[1.0, 2.0], [0.5, torch.nan], [0.3, torch.nan]]))
    {1: 2}
    """
    bad = losses.isnan().int()
    return {i: int(bad[:, i].argmax()) + 1 for i in range(bad.shape[1]) if bad[:, i].any()}


def chosen(row: Mapping[str, Tensor], record: Mapping) -> dict:
    """`members` and `best`, of the row of measures at the end.

    The loss inside must be within twice the best one; of these, what is left `unread` within twice
    the least one or a network's error; of these, the highest score is chosen, or the least unread
    where there is no critic. The loss comes first, since latents of a network that doesn't fit may
    well be readable; the score last, since it is the critic's alone and its scale is free.
    """
    shown = [name for name in SHOWN if name in row]
    columns = {name: row[name].tolist() for name in shown}
    criteria = [Criterion("loss_inside", columns["loss_inside"], share=1.0)]
    if "unread" in columns:
        criteria.append(Criterion("unread", columns["unread"], slack=ERROR**2, share=1.0))
    if "score" in columns:
        criteria.append(Criterion("score", columns["score"], highest=True))
    criteria[-1] = replace(criteria[-1], slack=0.0, share=0.0)  # the last one decides
    best, reasons = choose(criteria)
    for i, epoch in lost(record["history"]["loss"]).items():
        reasons[i] = f"lost: non-finite in epoch {epoch}"
    seed = record["seed"]
    members = [
        {"member": i, "seed": seed + i, **{name: columns[name][i] for name in shown}, "choice": why}
        for i, why in enumerate(reasons)
    ]
    return {"members": members, "best": best}
