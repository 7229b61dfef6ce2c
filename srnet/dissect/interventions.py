"""Interventions: what a layer gives is changed on its way on, and the network stays as it is.

What may live here: `intervene`, and the interventions that several studies use. Cutting a network
in two is `srnet.dissect.cutting`'s subject, the algebra of directions `srnet.dissect.directions`'.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sdnet.errors import InputError
from srnet.dissect.directions import orthonormal
from srnet.dissect.inputs import check_units
from srnet.dissect.layers import find_layer, unit_axis

Intervention = Callable[[Tensor], Tensor]
"""Activations (n, ..., units), units last, to others of that shape. Never in place."""


@contextmanager
def intervene(
    model: nn.Module,
    interventions: Mapping[str, Intervention | Sequence[Intervention]],
    *,
    axis: int | None = None,
) -> Iterator[nn.Module]:
    """A context in which the outputs of named layers are changed; afterwards all is as before.

    It acts on what the named module gives: name the activation to act after it, the linear layer
    to act before it. A module that is used at several places, or several times, is changed at
    each. Of a layer that gives a tuple (recurrent layers, attention) the first part is changed,
    and the others go on as they are. The units of images (n, channels, height, width) are their
    channels, those of sequences (n, time, units) the last axis; see
    `srnet.dissect.layers.unit_axis`.

    Contexts may be nested, and several interventions at one layer act in their order, the outer
    context's first. Gradients flow through all of them, also to a mask or a direction.

    Args:
        interventions: for each layer's name a `Mask`, `RemoveDirections`, `Noise`, `Replace`, any
            function of activations (n, ..., units) with the units last, or a list of these.
        axis: which axis of the layers' outputs the units are, where their modules don't tell.

    Yields:
        The model itself.

    Raises:
        InputError: no such layer; something that is no function; and, as the model is run: an
            output without units, sizes that don't fit, a layer that isn't run as a module.

    >>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    >>> before = model(torch.ones(1, 2))
    >>> with intervene(model, {"1": Mask(torch.zeros(3))}):
    ...     bool(model(torch.ones(1, 2)) == model[2].bias)
    True
    >>> bool(model(torch.ones(1, 2)) == before)
    True
    """
    if not isinstance(interventions, Mapping):
        kind = type(interventions).__name__
        raise InputError(f"interventions are {kind}; expected a dict of layers' names to them")
    layers = {name: find_layer(model, name) for name in interventions}
    acts = {name: _in_order(name, given) for name, given in interventions.items()}
    ran: set[str] = set()

    def check(*_: object) -> None:
        if missed := layers.keys() - ran:
            raise InputError(
                f"layer {min(missed)!r} was not run in the forward pass, so nothing was changed "
                "there; name a layer that is called as a module, of a network that isn't compiled"
            )

    with ExitStack() as hooks:
        for name, layer in layers.items():
            hook = _hook(name, acts[name], axis, ran)
            hooks.callback(layer.register_forward_hook(hook).remove)
        hooks.callback(model.register_forward_pre_hook(lambda *_: ran.clear()).remove)
        hooks.callback(model.register_forward_hook(check).remove)
        yield model


def _in_order(name: str, given: object) -> list[Intervention]:
    acts = list(given) if isinstance(given, Sequence) else [given]
    for act in acts:
        if not callable(act) or isinstance(act, type):
            raise InputError(
                f"layer {name!r}: got {act!r:.40}; expected an intervention such as Mask(...), or "
                "a function of activations"
            )
    return acts


def _hook(name: str, acts: Sequence[Intervention], axis: int | None, ran: set[str]) -> Callable:
    def hook(layer: nn.Module, _: object, output: object) -> object:
        ran.add(name)
        parts = output if isinstance(output, tuple) else (output,)
        if not parts or not isinstance(parts[0], Tensor):
            raise InputError(
                f"layer {name!r} gives a {type(output).__name__}; expected a tensor, or a tuple "
                "that begins with one"
            )
        units_last = unit_axis(layer, parts[0], axis, f"layer {name!r}")
        changed = parts[0].movedim(units_last, -1)
        for act in acts:
            changed = _applied(act, changed, name)
        changed = changed.movedim(-1, units_last)
        if not isinstance(output, tuple):
            return changed
        rest = output[1:]
        return type(output)(changed, *rest) if hasattr(output, "_fields") else (changed, *rest)

    return hook


def _applied(act: Intervention, acts: Tensor, name: str) -> Tensor:
    try:
        changed = act(acts)
    except InputError as error:
        raise InputError(f"layer {name!r}: {error}") from None
    if not isinstance(changed, Tensor) or changed.shape != acts.shape:
        found = tuple(changed.shape) if isinstance(changed, Tensor) else type(changed).__name__
        raise InputError(
            f"layer {name!r}: the intervention gives {found}; expected {tuple(acts.shape)}, as it "
            "was given"
        )
    return changed


@dataclass(frozen=True, eq=False)
class Mask:
    """a * mask: 1 keeps a unit, 0 removes it, numbers between weaken it.

    Args:
        mask: (units,), or with leading axes that fit the activations', such as (n, units).

    >>> Mask(torch.tensor([True, False]))(torch.tensor([[2.0, 3.0]]))
    tensor([[2., 0.]])
    """

    mask: Tensor

    def __post_init__(self) -> None:
        _check_finite("a mask", self.mask)

    def __call__(self, acts: Float[Tensor, "*n units"]) -> Float[Tensor, "*n units"]:
        mask = self.mask.to(acts)
        axes = mask.dim()
        fits = 1 <= axes <= acts.dim() and mask.shape[-1] == acts.shape[-1]
        wanted = acts.shape[acts.dim() - axes :]
        if not fits or any(m not in (1, a) for m, a in zip(mask.shape, wanted, strict=True)):
            raise InputError(
                f"a mask of shape {tuple(mask.shape)} for activations {tuple(acts.shape)}; "
                f"expected ({acts.shape[-1]},), a number for each unit"
            )
        return acts * mask


@dataclass(frozen=True, eq=False)
class RemoveDirections:
    """a - sum_i (a . q_i) q_i, with an orthonormal basis q of the directions' span.

    Args:
        directions: (units,) or (k, units), of any length other than 0.

    Raises:
        InputError: directions that depend on each other, or of length 0.

    >>> RemoveDirections(torch.tensor([3.0, 3.0]))(torch.tensor([[1.0, 2.0]]))
    tensor([[-0.5000,  0.5000]])
    """

    directions: Tensor

    def __post_init__(self) -> None:
        _check_finite("a direction", self.directions)
        orthonormal(self.directions.detach())  # for its checks

    def __call__(self, acts: Float[Tensor, "*n units"]) -> Float[Tensor, "*n units"]:
        basis = orthonormal(self.directions).to(acts)  # here, so that each pass has its own graph
        if basis.shape[-1] != acts.shape[-1]:
            raise InputError(
                f"directions of {basis.shape[-1]} units; the layer has {acts.shape[-1]}"
            )
        return acts - (acts @ basis.mT) @ basis


@dataclass(frozen=True, eq=False)
class Noise:
    """a + std * e, with e of N(0, 1) drawn anew in each pass.

    Args:
        std: one for all units, or (units,).
        generator: where the noise comes from, on the device of the activations.

    >>> noise = Noise(0.1, torch.Generator().manual_seed(0))
    >>> noise(torch.zeros(1, 3)).shape
    torch.Size([1, 3])
    """

    std: float | Tensor
    generator: torch.Generator

    def __post_init__(self) -> None:
        _check_finite("std", torch.as_tensor(self.std))
        if (torch.as_tensor(self.std) < 0).any():
            raise InputError(f"std is {self.std!r}; expected numbers of at least 0")

    def __call__(self, acts: Float[Tensor, "*n units"]) -> Float[Tensor, "*n units"]:
        std = torch.as_tensor(self.std).to(acts)
        if std.dim() and std.shape != acts.shape[-1:]:
            raise InputError(
                f"std of shape {tuple(std.shape)}; expected one number, or ({acts.shape[-1]},)"
            )
        if self.generator.device.type != acts.device.type:
            raise InputError(
                f"the generator is on {self.generator.device} and the activations on {acts.device}"
            )
        drawn = torch.empty_like(acts, requires_grad=False).normal_(generator=self.generator)
        return acts + std * drawn


@dataclass(frozen=True, eq=False)
class Replace:
    """a with some units set to given values, the same for all examples: 0, their means, ...

    The values are not taken from the examples that are passing through: a mean over them would
    depend on the batch, and of one example it would change nothing.

    Args:
        units: which units, by their number from 0.
        values: one for all of them, or (len(units),).

    >>> Replace([2, 0], torch.tensor([8.0, 9.0]))(torch.zeros(1, 3))
    tensor([[9., 0., 8.]])
    """

    units: Sequence[int]
    values: float | Tensor = 0.0

    def __post_init__(self) -> None:
        check_units(self.units)
        values = torch.as_tensor(self.values)
        _check_finite("values", values)
        if values.dim() and values.shape != (len(self.units),):
            raise InputError(
                f"values of shape {tuple(values.shape)} for {len(self.units)} units; expected one "
                "for each, or one for all"
            )

    def __call__(self, acts: Float[Tensor, "*n units"]) -> Float[Tensor, "*n units"]:
        check_units(self.units, acts.shape[-1])
        where = torch.tensor(self.units, dtype=torch.int64, device=acts.device)
        values = torch.as_tensor(self.values).to(acts)
        return acts.index_copy(-1, where, values.expand(*acts.shape[:-1], len(where)))


def _check_finite(what: str, values: object) -> None:
    if not isinstance(values, Tensor):
        raise InputError(f"{what} is {values!r:.40}; expected a tensor")
    if not values.isfinite().all():
        raise InputError(f"{what} holds a value that isn't finite")
