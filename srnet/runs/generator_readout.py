"""The readout of trained generators: from the state of `symdisc fit` to a law."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float64
from numpy import ndarray
from threadpoolctl import threadpool_limits

from sdnet.errors import InputError
from sdnet.library import SDData
from sdnet.mlp import pair
from srnet.cells import DSN
from srnet.equations import Equation, best, pareto, scored
from srnet.inspection import ask
from srnet.network import SRNet
from srnet.pursuit import Pursuit
from srnet.readout.engines import Engine
from srnet.readout.generic import generic_shapes
from srnet.readout.heads import finished, read_function, read_sum
from srnet.readout.latents import LatentReading, as_text, read_latents
from srnet.readout.naming import EXPRESSED
from srnet.readout.shapes import Shape, library_shapes
from srnet.runs.generators import generator_of
from srnet.runs.laws import Latents, Law

HELD = 4  # each fourth row is kept from the fit of the equation's constants


def generator_law(
    state: Mapping,
    where: str = "state",
    engine: Engine | None = None,
    seconds: float = 20.0,
) -> Law:
    """What the latents of a state's best generator are, and the equation they make.

    The library is the one trained with; generic shapes and their products where there is none. A
    state keeps the rows trained on and no others: the equation's constants are refined on three
    quarters of them, and its loss is that of the others. A linear head is read from its weights;
    of any other a function of the latents' formulas is found, see `srnet.readout.heads`. A head
    with several outputs makes no equation.

    Args:
        engine: for latents that no shape expresses, and for such a function; None: none is asked.
        seconds: after which no further search for such a function begins, and as many for equations
            that are fitted to the table directly, which stand in the same table.

    Raises:
        InputError: not the state of generators, or not a whole one.
    """
    model = generator_of(state, where=where)
    try:
        x, targets = (state[name].double().numpy() for name in ("points", "targets"))
        library, arch = state["library"], state["generator_args"]
        shapes, linear = read_shapes(library, x), pair("hid_num", arch["hid_num"])[1] == 0
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{where}: not the whole state of generators ({error!r})") from None
    predicted, curves = _predict(model, x)
    if not np.isfinite(curves).all():
        raise InputError(
            f"{where}: the generator's latents are not finite: there is nothing to read"
        )
    readings = read_latents(
        curves.T, x, shapes, seen_inputs(model), products=library is None, engine=engine
    )
    names, target = tuple(f"x{i}" for i in range(x.shape[1])), "y"
    held = np.arange(len(x)) % HELD == HELD - 1
    latents = [as_text(readings), [reading.expression for reading in readings], curves.T]
    rows = x[held], targets[held, 0]
    if targets.shape[1] > 1:
        remark = (
            f"no equation is made of these latents: the head has {targets.shape[1]} outputs, "
            "expected one"
        )
        return Law(names, target, [], None, x, rows, Latents(*latents, None), (remark,))
    fitted = x[~held], targets[~held, 0]
    if linear:
        formula = read_sum(readings, *_head(model, len(readings)))
        formulas = [finished(formula, *fitted, "network")]
    else:
        formulas = read_function(readings, *fitted, seconds=seconds, engine=engine)
    found = [e for f in formulas for e in scored([f.expression], *rows, f.way)]
    error = float(np.mean((predicted[held, 0] - rows[1]) ** 2))
    share = error / max(float(targets[:, 0].var()), 1e-300)
    asked = ask(lambda points: _predict(model, points)[0][:, 0], share, x)
    direct = Pursuit(
        *fitted,
        held=rows,
        library=_library(library),
        seeds=[0],
        epochs=1,
        engine=None,
        equations=found,
        tried={"network"},
        asked=asked,
    )
    with threadpool_limits(1):  # products this small are slower on several cores
        direct.run(seconds, network=False)  # nothing, if the network's equation is exact
    found = direct.equations
    chosen = best(found, rows[1])
    remarks = tuple(_remarks(len(x), rows[1], readings, chosen, error))
    return Law(names, target, pareto(found), chosen, x, rows, Latents(*latents, error), remarks)


def _predict(model: SRNet, x: Float64[ndarray, "n d"]) -> list[ndarray]:
    """The outputs (n, out) and the latents (n, k)."""
    points = torch.from_numpy(x).to(torch.get_default_dtype())
    with torch.no_grad():
        return [part.double().numpy() for part in model(points, get_lat=True)]


def _library(library: Mapping | None) -> SDData | None:
    """A library as a state keeps it."""
    return None if library is None else SDData.from_lines(**library)


def read_shapes(library: Mapping | None, x: Float64[ndarray, "n d"]) -> list[Shape]:
    """The shapes that latents are read by: a library's, as a state keeps it, or generic ones."""
    lib = _library(library)
    return generic_shapes(x) if lib is None else library_shapes(lib.templates)


def seen_inputs(model: SRNet) -> ndarray | None:
    """Which inputs each latent sees, (*stack, k, d): those whose mask isn't 0; None: all."""
    if not isinstance(model.latents, DSN):
        return None
    return (model.latents.mask() != 0).cpu().numpy()


def _head(model: SRNet, latents: int) -> tuple[Float64[ndarray, " k"], float]:
    """The weights and the offset of a linear head: its values at the unit vectors, and at 0."""
    with torch.no_grad():
        offset = model.head(torch.zeros(1, latents))[0, 0].double()
        weights = model.head(torch.eye(latents))[:, 0].double() - offset
    return weights.numpy(), float(offset)


def _remarks(
    count: int,
    held: Float64[ndarray, " m"],
    readings: Sequence[LatentReading],
    chosen: Equation,
    error: float,
) -> Iterator[str]:
    """What is to be known of an equation, and of the network's mean squared error."""
    yield (
        f"the network was trained on all {count} rows; the equation's constants were fitted to "
        f"{count - len(held)} of them, and losses are of the other {len(held)}"
    )
    if chosen.way not in ("network", "search", "mean"):
        yield (
            "the best equation isn't made of these latents: it was fitted to the table directly "
            f"({chosen.way})"
        )
    if chosen.loss > error:
        yield f"it predicts worse than the network: its loss is {chosen.loss:.4g}, not {error:.4g}"
    left = np.sqrt(chosen.loss) / max(float(held.std()), 1e-300)
    if left > EXPRESSED:
        unread = [str(reading.latent) for reading in readings if not reading.expressed]
        why = f"; latents that aren't either: {', '.join(unread)}" if unread else ""
        yield f"y is not expressed: the equation leaves {left:.2g} of its deviation{why}"
