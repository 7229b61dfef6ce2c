"""The cells of a generator: networks from n points of d variables to n points of k units.

A cell is a module with `forward`, (..., n, d) -> (..., n, k), and `jacobian`, the exact derivative
of each unit by each variable, (..., n, k, d). "MLP" is one network with k outputs
(`sdnet.mlp.MLP` itself); "DSN" is k separate networks, each over its own masked inputs.
"""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sdnet.errors import InputError, nearest
from sdnet.mlp import MLP, Random, check_points, check_whole

Alpha = Tensor | Sequence[Sequence[float]] | str | None
DSN_OPTIONS = ("alpha", "norm", "prune")


class DSN(nn.Module):
    """k separate networks, unit i computing g_i(mask_i * x), with a row of the mask each.

    Weights are normal with zero biases: before training every unit is linear along each ray
    from the origin, so a unit of one variable has its only kink at 0.

    Args:
        in_size, out_size: d variables, k units.
        hid_num, hid_size: hidden layers of each network, and units in each.
        alpha: the mask before normalisation, (k, d): None learns it, from ones on; "ones"
            fixes it at one; a tensor or rows of numbers fix it as given.
        norm: "softmax" normalises each row of alpha over the variables.
        prune: entries of the mask that are smaller than this count as 0.
        stack, generator: as for `sdnet.mlp.MLP`.

    Raises:
        InputError: an alpha of another shape or name, an unknown norm.

    >>> cell = DSN(2, 3, hid_num=1, hid_size=8, alpha=[[1, 0], [0, 1], [1, 1]])
    >>> cell(torch.zeros(10, 2)).shape
    torch.Size([10, 3])
    >>> cell.jacobian(torch.ones(10, 2))[:, 0, 1].abs().max()      # unit 0 does not see x1
    tensor(0., grad_fn=<MaxBackward1>)
    """

    def __init__(
        self,
        in_size: int,
        out_size: int,
        hid_num: int,
        hid_size: int,
        *,
        alpha: Alpha = None,
        norm: str | None = None,
        prune: float | None = None,
        stack: tuple[int, ...] = (),
        generator: Random = None,
    ):
        super().__init__()
        if norm not in (None, "softmax"):
            raise InputError(f"norm is {norm!r}; {nearest(str(norm), ['softmax', 'None'])}")
        check_whole("out_size", out_size, 1)
        self.norm, self.prune = norm, prune
        self.networks = MLP(
            in_size,
            1,
            hid_num,
            hid_size,
            stack=(*stack, out_size),
            init="normal",
            generator=generator,
        )
        mask = _initial_mask(alpha, out_size, in_size).expand(*stack, -1, -1).clone()
        if alpha is None:
            self.alpha = nn.Parameter(mask)
        else:
            self.register_buffer("alpha", mask)

    def mask(self) -> Float[Tensor, "*stack k d"]:
        """What each unit's inputs are multiplied by, normalised and pruned."""
        mask = self.alpha.softmax(-1) if self.norm == "softmax" else self.alpha
        return mask if self.prune is None else mask * (mask.abs() >= self.prune)

    def forward(self, x: Float[Tensor, "*rows d"]) -> Float[Tensor, "*units"]:
        """(n, d) or (*stack, n, d) -> (*stack, n, k)."""
        curves = self.networks(self._seen(x)).squeeze(-1)
        if curves.requires_grad:  # sums over points are rounded by layout, which is another for one
            curves.register_hook(Tensor.contiguous)
        return curves.mT

    def jacobian(self, x: Float[Tensor, "*rows d"]) -> Float[Tensor, "*jac"]:
        """d g_i / d x_j, (*stack, n, k, d), in one pass; differentiable by weights and mask."""
        inner = self.networks.jacobian(self._seen(x)).squeeze(-2)  # (*stack, k, n, d)
        return (inner * self.mask().unsqueeze(-2)).movedim(-3, -2)

    def _seen(self, x: Tensor) -> Tensor:
        check_points(x, self.networks.in_size, self.networks.stack[:-1])
        return x.unsqueeze(-3) * self.mask().unsqueeze(-2)


def _initial_mask(alpha: Alpha, units: int, variables: int) -> Tensor:
    if alpha is None or (isinstance(alpha, str) and alpha == "ones"):
        return torch.ones(units, variables)
    if isinstance(alpha, str):
        raise InputError(
            f"alpha is {alpha!r}; expected None (learned), 'ones' or a mask of numbers"
        )
    try:
        mask = torch.as_tensor(alpha, dtype=torch.get_default_dtype()).detach()
    except (TypeError, ValueError):
        mask = torch.empty(0)
    if mask.shape != (units, variables) or not mask.isfinite().all():
        raise InputError(
            f"alpha is {alpha!r}; expected a row for each of {units} units, with a number for "
            f"each of {variables} variables"
        )
    return mask


def make_cell(
    kind: str,
    in_size: int,
    out_size: int,
    hid_num: int,
    hid_size: int,
    hid_kwargs: Mapping | None = None,
    *,
    stack: tuple[int, ...] = (),
    generator: Random = None,
) -> MLP | DSN:
    """The cell of a `hid_type`, "MLP" or "DSN"; `hid_kwargs` are the masks' of a DSN only.

    >>> make_cell("DSN", 2, 3, 1, 8, {"norm": "softmax"}).mask()[0]
    tensor([0.5000, 0.5000], grad_fn=<SelectBackward0>)
    """
    sizes = in_size, out_size, hid_num, hid_size
    options = dict(hid_kwargs or {})
    for key in options:
        if key not in DSN_OPTIONS:
            raise InputError(f"hid_kwargs has {key!r}; {nearest(str(key), DSN_OPTIONS)}")
    if kind == "MLP":
        return MLP(*sizes, stack=stack, generator=generator)
    if kind == "DSN":
        return DSN(*sizes, stack=stack, generator=generator, **options)
    raise InputError(f"hid_type is {kind!r}; {nearest(str(kind), ['MLP', 'DSN'])}")


@torch.no_grad()
def latent_curves(
    cell: MLP | DSN, x: Float[Tensor, "n d"], *, gradients: bool = False
) -> tuple[Float[Tensor, "*stack k n"], Float[Tensor, "*stack k n d"] | None]:
    """What each unit draws: its curve and, with `gradients`, its partial derivatives.

    >>> curves, slopes = latent_curves(make_cell("MLP", 1, 5, 2, 8), torch.rand(100, 1))
    >>> curves.shape, slopes
    (torch.Size([5, 100]), None)
    """
    slopes = cell.jacobian(x).movedim(-2, -3) if gradients else None
    return cell(x).mT, slopes
