"""A law: equations for a target and what a network's latents are, as text, and back from a state.

What may live here: what `symdisc discover` and `symdisc read` show alike. How a law comes about is
the subject of discovery.py and generator_readout.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import sympy
import torch
from jaxtyping import Float64
from numpy import ndarray

from sdnet.errors import InputError
from sdnet.formula import parse, to_text
from srnet import equations
from srnet.equations import Equation
from srnet.inspection import Fitted
from srnet.network import SRNet

AGREE = 1e-9  # of the loss, or of the target's variance where that is more


@dataclass(frozen=True, eq=False)
class Latents:
    """What a network's latents are.

    Attributes:
        table: their readings as text. formulas: of each, k of them.
        curves: what the network draws, at the rows x of the law.
        error: of the network's prediction on the held rows, mean squared; None if it has several.
    """

    table: str
    formulas: list[sympy.Expr]
    curves: Float64[ndarray, "k n"]
    error: float | None


@dataclass(frozen=True, eq=False)
class Law:
    """What was found.

    Attributes:
        names: of the inputs x0, x1, ... target: its name.
        equations: the candidates; none if a network has no equation. chosen: one of them, or None.
        x: rows that the latents are drawn at, (n, d).
        held: rows that no constant was fitted to, (m, d) and (m,): losses are theirs.
        latents: None without a network. remarks: sentences.
    """

    names: tuple[str, ...]
    target: str
    equations: list[Equation]
    chosen: Equation | None
    x: Float64[ndarray, "n d"]
    held: tuple[Float64[ndarray, "m d"], Float64[ndarray, " m"]]
    latents: Latents | None = None
    remarks: Sequence[str] = field(default=())


def describe(law: Law) -> str:
    """The law as text: the equation, how good it is, the candidates, the latents.

    >>> x0, x = sympy.Symbol("x0", real=True), np.array([[1.0], [2.0]])
    >>> found = equations.scored([2 * x0], x, [2.0, 4.0], "sparse")
    >>> print(describe(Law(("time",), "height", found, found[0], x, (x, np.array([2.0, 4.0])))))
    height = 2*x0
    x0 = time
    validation R2 1, loss 0, on 2 rows
    <BLANKLINE>
       complexity  loss  score  way     equation
    >  3           0     -      sparse  2*x0
    """
    rows, target = len(law.held[0]), law.held[1]
    parts = []
    if law.chosen is not None:
        parts.append(f"{law.target} = {to_text(law.chosen.expression)}")
    plain = tuple(f"x{i}" for i in range(len(law.names)))
    if law.names != plain:
        pairs = zip(plain, law.names, strict=True)
        parts.append(", ".join(f"{symbol} = {name}" for symbol, name in pairs))
    if law.chosen is not None:
        loss = law.chosen.loss
        parts.append(f"validation R2 {_r2(loss, target)}, loss {loss:.4g}, on {rows} rows")
        parts += ["", equations.as_text(law.equations, law.chosen)]
    if law.latents is not None:
        parts += ["", law.latents.table]
        if law.latents.error is not None:
            error = law.latents.error
            parts.append(f"the network itself: R2 {_r2(error, target)}, loss {error:.4g}")
    return "\n".join([*parts, *(["", *law.remarks] if law.remarks else [])])


def _r2(loss: float, target: Float64[ndarray, " m"]) -> str:
    variance = float(np.var(target))
    return f"{1 - loss / variance:.6g}" if variance > 0 else "- (the target is constant)"


def law_of(state: Mapping, where: str = "state") -> Law:
    """The law of a discovery's state; its losses are computed anew from the equations' text.

    Raises:
        InputError: the state isn't whole, or a loss isn't what it says.
    """
    try:
        names = tuple(state["names"])
        train, validation = (
            (state[part]["x"].numpy(), state[part]["y"].numpy()) for part in ("train", "validation")
        )
        found = [_equation(row, len(names), validation, where) for row in state["equations"]]
        latents = None
        if state["network"] is not None:
            latents = _latents(state, len(names), train[0], validation, where)
        chosen = found[state["chosen"]]
        return Law(
            names,
            state["target"],
            found,
            chosen,
            train[0],
            validation,
            latents,
            tuple(state["remarks"]),
        )
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{where}: not the whole state of a discovery ({error!r})") from None


def network_of(state: Mapping) -> Fitted | None:
    """The network of a discovery's state, with its scaling; None if none was trained."""
    kept = state["network"]
    if kept is None:
        return None
    model = SRNet(**kept["arch"], generator=torch.Generator())
    model.load_state_dict(kept["weights"])
    center, spread = kept["center"].numpy(), kept["spread"].numpy()
    scaling = center, spread, kept["mean"], kept["scale"]
    return Fitted(model, kept["arch"], *scaling, tuple(kept["members"]))


def _equation(
    row: Mapping, inputs: int, held: tuple[ndarray, ndarray], where: str
) -> equations.Equation:
    text, stored = row["equation"], row["loss"]
    found = equations.scored([_parsed(text, inputs, where)], *held, row["way"])
    loss = found[0].loss if found else np.inf
    if not abs(loss - stored) <= AGREE * max(stored, float(np.var(held[1]))):
        raise InputError(
            f"{where}: says that {text} has the loss {stored:g}, but its value is {loss:g}"
        )
    return found[0]


def _latents(
    state: Mapping, inputs: int, x: ndarray, held: tuple[ndarray, ndarray], where: str
) -> Latents:
    network, kept = network_of(state), state["latents"]
    formulas = [_parsed(text, inputs, where) for text in kept["formulas"]]
    error = float(np.mean((network(held[0]) - held[1]) ** 2))
    return Latents(kept["table"], formulas, network.latents(x), error)


def _parsed(text: str, inputs: int, where: str) -> sympy.Expr:
    return parse(text, {"x": inputs}, where=where)
