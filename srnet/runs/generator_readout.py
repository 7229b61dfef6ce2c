"""The readout of trained generators: from the state of `symdisc fit` to a law."""

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float64
from numpy import ndarray

from sdnet.errors import InputError
from sdnet.library import SDData
from sdnet.mlp import pair
from srnet.equations import scored
from srnet.network import SRNet
from srnet.readout.constants import refined, snapped
from srnet.readout.generic import generic_shapes
from srnet.readout.latents import as_text, read_latents, read_sum
from srnet.readout.shapes import Shape, library_shapes
from srnet.runs.generators import generator_of
from srnet.runs.laws import Latents, Law

HELD = 4  # each fourth row is kept from the fit of the equation's constants


def generator_law(state: Mapping, where: str = "state") -> Law:
    """What the latents of a state's best generator are, and the equation they make.

    The library is the one trained with; generic shapes where there is none. A state keeps the rows
    trained on and no others: the equation's constants are refined on three quarters of them, and
    its loss is that of the others. Only a linear head with one output makes an equation.

    Raises:
        InputError: not the state of generators, or not a whole one.
    """
    model = generator_of(state, where=where)
    try:
        x, targets = (state[name].double().numpy() for name in ("points", "targets"))
        library, arch = state["library"], state["generator_args"]
        shapes = _shapes(library, x)
        masks = _masks(arch, x.shape[1])
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{where}: not the whole state of generators ({error!r})") from None
    with torch.no_grad():
        points = torch.from_numpy(x).to(torch.get_default_dtype())
        predicted, curves = (part.double().numpy() for part in model(points, get_lat=True))
    if not np.isfinite(curves).all():
        raise InputError(
            f"{where}: the generator's latents are not finite: there is nothing to read"
        )
    readings = read_latents(curves.T, x, shapes, masks)
    names, target = tuple(f"x{i}" for i in range(x.shape[1])), "y"
    held = np.arange(len(x)) % HELD == HELD - 1
    latents = [as_text(readings), [reading.expression for reading in readings], curves.T]
    if targets.shape[1] > 1 or pair("hid_num", arch["hid_num"])[1]:
        remark = "no equation is made of these latents: the head isn't linear with one output"
        rows = x[held], targets[held, 0]
        return Law(names, target, [], None, x, rows, Latents(*latents, None), (remark,))
    y = targets[:, 0]
    expression = read_sum(readings, *_head(model, len(readings)))
    expression = snapped(refined(expression, x[~held], y[~held]), x[~held], y[~held])
    found = scored([expression], x[held], y[held], "network")
    error = float(np.mean((predicted[held, 0] - y[held]) ** 2))
    remarks = [
        f"the network was trained on all {len(x)} rows; the equation's constants were fitted to "
        f"{len(x) - held.sum()} of them, and losses are of the other {held.sum()}"
    ]
    if not found:
        remarks.append(f"the equation {expression} is not a finite number on each row")
    rows = x[held], y[held]
    chosen = found[0] if found else None
    return Law(names, target, found, chosen, x, rows, Latents(*latents, error), remarks)


def _shapes(library: Mapping | None, x: Float64[ndarray, "n d"]) -> list[Shape]:
    if library is None:
        return generic_shapes(x)
    return library_shapes(SDData.from_lines(**library).templates)


def _masks(arch: Mapping, inputs: int) -> ndarray | None:
    """Which inputs each latent sees, where that was given; None: any."""
    alpha = arch["hid_kwargs"]["alpha"]
    kind = pair("hid_type", arch["hid_type"])[0]
    return np.asarray(alpha) if kind == "DSN" and isinstance(alpha, list | tuple) else None


def _head(model: SRNet, latents: int) -> tuple[Float64[ndarray, " k"], float]:
    """The weights and the offset of a linear head: its values at the unit vectors, and at 0."""
    with torch.no_grad():
        offset = model.head(torch.zeros(1, latents))[0, 0].double()
        weights = model.head(torch.eye(latents))[:, 0].double() - offset
    return weights.numpy(), float(offset)
