"""The brick: a multilayer perceptron, or a stack of many, as batched matrix products.

The weights of layer l are (*stack, in, out) and its biases (*stack, out). An empty stack is one
network; (E,) is an ensemble of E; (E, k) an ensemble of E cells of k networks each. Only the
network, its initialisation and its input derivative live here.
"""

import copy
import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sdnet.errors import InputError, nearest

AT_ONCE = 8
"""Members of a stack that are computed together where no gradient is asked for."""

T = TypeVar("T", int, str)
Module = TypeVar("Module", bound=nn.Module)

Random = torch.Generator | Sequence[torch.Generator] | None
"""Where a stack's weights come from: one generator draws the whole stack; a sequence of E draws
member e of a stack (E, ...) from generator e; None is torch's default generator."""


class MLP(nn.Module):
    """A ReLU network of `hid_num` hidden layers, or a stack of such networks.

    h_0 = x,  h_l = relu(h_{l-1} W_l + b_l),  MLP(x) = h_L W_{L+1} + b_{L+1},  L = `hid_num`;
    `hid_num=0` is one linear layer.

    Args:
        in_size, out_size: variables in and out.
        hid_num, hid_size: hidden layers, and units in each.
        stack: leading sizes; every network of the stack has its own weights.
        init: "uniform" draws weights and biases from U(-1/sqrt(in), 1/sqrt(in)), as
            `torch.nn.Linear` does; "normal" draws weights from N(0, 6/(in + out)) with zero
            biases, so that an untrained network is linear along every ray from the origin.
        generator: see `Random`. With a sequence, member e starts from the numbers of the same
            network alone, `stack[1:]`, drawn from generator e.

    Raises:
        InputError: a size that is not a whole number of the right sign, an unknown `init`, or
            as many generators as there are not members.

    >>> net = MLP(3, 1, hid_num=2, hid_size=8, stack=(5,))
    >>> [tuple(weight.shape) for weight in net.weights]
    [(5, 3, 8), (5, 8, 8), (5, 8, 1)]
    >>> net(torch.zeros(10, 3)).shape          # one input for all five
    torch.Size([5, 10, 1])
    """

    def __init__(
        self,
        in_size: int,
        out_size: int,
        hid_num: int,
        hid_size: int,
        *,
        stack: tuple[int, ...] = (),
        init: str = "uniform",
        generator: Random = None,
    ):
        super().__init__()
        for name, value, least in (
            ("in_size", in_size, 1),
            ("out_size", out_size, 1),
            ("hid_num", hid_num, 0),
            ("hid_size", hid_size, 1),
            *(("a size of stack", size, 1) for size in stack),
        ):
            check_whole(name, value, least)
        if init not in INITIALISERS:
            raise InputError(f"init is {init!r}; {nearest(str(init), INITIALISERS)}")
        self.in_size, self.out_size, self.stack = in_size, out_size, tuple(stack)
        sizes = [in_size] + [hid_size] * hid_num + [out_size]
        layers = _draw(sizes, self.stack, init, generator)
        self.weights = nn.ParameterList([nn.Parameter(weight) for weight, _ in layers])
        self.biases = nn.ParameterList([nn.Parameter(bias) for _, bias in layers])

    def layers(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The (weight, bias) of each layer, from the input on."""
        return zip(self.weights, self.biases, strict=True)

    def forward(self, x: Float[Tensor, "*rows d"]) -> Float[Tensor, "*out"]:
        """x (n, in), shared by the stack, or (..., *stack, n, in) -> (..., *stack, n, out)."""
        check_points(x, self.in_size, self.stack)
        if len(self.stack) > 1 and x.shape[:-2] == self.stack:  # one axis makes faster products
            layers = ((w.flatten(0, -3), b.flatten(0, -2)) for w, b in self.layers())
            return _apply(layers, x.flatten(0, -3)).unflatten(0, self.stack)
        if x.dim() == 2 and len(self.stack) == 1 and not torch.is_grad_enabled():
            return torch.cat([_apply_shared(part, x) for part in self._parts()])
        return _apply(self.layers(), x)

    def _parts(self) -> Iterator[list[tuple[Tensor, Tensor]]]:
        """The layers of a few members at a time: what so few compute stays in the cache."""
        for first in range(0, self.stack[0], AT_ONCE):
            few = slice(first, first + AT_ONCE)
            yield [(weight[few], bias[few]) for weight, bias in self.layers()]

    def jacobian(self, x: Float[Tensor, "*rows d"]) -> Float[Tensor, "*jac"]:
        """The exact derivative of each output by each input, (*stack, n, out, in).

        The tangents of all inputs are pushed through the network at once: T_0 = I and
        T_l = (T_{l-1} W_l) * (h_l > 0). At a kink the derivative of relu is taken as 0. The
        result is differentiable by the weights.

        >>> net = MLP(2, 1, hid_num=0, hid_size=1)
        >>> torch.equal(net.jacobian(torch.zeros(4, 2))[3, 0], net.weights[0][:, 0])
        True
        """
        check_points(x, self.in_size, self.stack)
        last = len(self.weights) - 1
        tangent = None  # (*stack, in, n, size): one tangent for each input
        for i, (weight, bias) in enumerate(self.layers()):
            if tangent is None:
                rows = torch.broadcast_shapes(x.shape[:-2], weight.shape[:-2]) + x.shape[-2:-1]
                tangent = weight.unsqueeze(-2).expand(*rows[:-1], -1, rows[-1], -1)
            else:
                tangent = tangent @ weight.unsqueeze(-3)
            if i < last:
                x = affine(x, weight, bias).relu()
                tangent = tangent * (x > 0).to(x.dtype).unsqueeze(-3)
        return tangent.movedim(-3, -1)


def stacked(networks: Sequence[MLP]) -> MLP:
    """Networks of one shape and stack (...), copied into one network of stack (E, ...).

    >>> alone = [MLP(3, 1, hid_num=1, hid_size=8) for _ in range(5)]
    >>> x, many = torch.rand(10, 3), stacked(alone)
    >>> many.stack, torch.allclose(many(x)[4], alone[4](x), atol=1e-6)
    ((5,), True)
    """
    many = copy.deepcopy(networks[0])
    many.stack = (len(networks), *many.stack)
    for name in ("weights", "biases"):
        layers = zip(*(getattr(network, name) for network in networks), strict=True)
        joined = [nn.Parameter(torch.stack([p.detach() for p in layer])) for layer in layers]
        setattr(many, name, nn.ParameterList(joined))
    return many


def joined(modules: Sequence[Module]) -> Module:
    """Modules alike but for their stacks (E_1, ...), (E_2, ...), as one of (E_1 + E_2 + ..., ...).

    They keep their parameters and buffers in the tensors of the whole from now on.

    >>> parts, x = [MLP(3, 1, hid_num=1, hid_size=8, stack=(e,)) for e in (2, 3)], torch.rand(10, 3)
    >>> many = joined(parts)
    >>> many.stack, torch.allclose(many(x)[2:], parts[1](x), atol=1e-6)
    ((5,), True)
    >>> _ = many.biases[1].data.fill_(7.0)
    >>> parts[0].biases[1].flatten().tolist()
    [7.0, 7.0]
    """
    whole = copy.deepcopy(modules[0])
    tables = [_tensors(module) for module in modules]
    for name, tensor in _tensors(whole).items():
        own = [table[name] for table in tables]
        tensor.data = torch.cat([part.data for part in own])
        for part, place in zip(own, tensor.data.split([len(p) for p in own]), strict=True):
            part.data = place
    for network in whole.modules():
        if isinstance(network, MLP):
            network.stack = (len(network.weights[0]), *network.stack[1:])
    return whole


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def check_whole(name: str, value: object, least: int) -> None:
    """Raise an InputError unless `value` is a whole number of at least `least`."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise InputError(f"{name} is {value!r}; expected a whole number of at least {least}")


def check_points(x: Tensor, variables: int, stack: tuple[int, ...]) -> None:
    """Raise an InputError unless x is (n, variables) or (..., *stack, n, variables)."""
    leading = x.shape[:-2]
    fits = x.dim() > 1 and x.shape[-1] == variables
    if not fits or (leading and leading[len(leading) - len(stack) :] != stack):
        own = f" or ({', '.join(map(str, stack))}, n, {variables})" if stack else ""
        raise InputError(
            f"points of shape {tuple(x.shape)} were given to a network of {variables} "
            f"variable(s); expected (n, {variables}){own}"
        )


def affine(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """x W + b: (n, in) or (*stack, n, in) by (*stack, in, out) -> (*stack, n, out)."""
    if x.dim() == 2 and weight.dim() == 2:
        return torch.addmm(bias, x, weight)
    if x.dim() == 3 and weight.dim() == 3:
        if weight.shape[0] == weight.shape[-1] == 1:  # as of two: one alone is rounded otherwise
            x, weight, bias = (tensor.expand(2, *tensor.shape[1:]) for tensor in (x, weight, bias))
            return torch.baddbmm(bias.unsqueeze(-2), x, weight)[:1]
        return torch.baddbmm(bias.unsqueeze(-2), x, weight)
    return x @ weight + bias.unsqueeze(-2)


def _apply(layers: Iterable[tuple[Tensor, Tensor]], x: Tensor) -> Tensor:
    hidden = False
    for weight, bias in layers:
        x = affine(x.relu_() if hidden else x, weight, bias)  # relu of our own tensor: in place
        hidden = True
    return x


def _apply_shared(layers: list[tuple[Tensor, Tensor]], x: Tensor) -> Tensor:
    """The same, of one x for a whole stack (E,); `x @ weight` would copy it into another order."""
    (weight, bias), *rest = layers
    first = torch.bmm(x.expand(len(weight), -1, -1), weight).add_(bias.unsqueeze(-2))
    return _apply(rest, first.relu_()) if rest else first


def pair(name: str, value: T | Sequence[T]) -> tuple[T, T]:
    """A setting that holds for two networks, or one for each.

    >>> pair("hid_num", 2), pair("hid_num", [2, 4]), pair("hid_type", "MLP")
    ((2, 2), (2, 4), ('MLP', 'MLP'))
    """
    if isinstance(value, int | str):
        return value, value
    if not isinstance(value, Sequence) or len(value) != 2:
        raise InputError(f"{name} is {value!r}; expected one value or a pair")
    return value[0], value[1]


def _uniform(shape: tuple[int, ...], generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
    *stack, fan_in, fan_out = shape
    bound = 1 / math.sqrt(fan_in)
    # (out, in), transposed: the order in which torch.nn.Linear draws
    weight = torch.empty(*stack, fan_out, fan_in).uniform_(-bound, bound, generator=generator)
    bias = torch.empty(*stack, fan_out).uniform_(-bound, bound, generator=generator)
    return weight.mT.contiguous(), bias


def _normal(shape: tuple[int, ...], generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
    *stack, fan_in, fan_out = shape
    std = math.sqrt(6 / (fan_in + fan_out))
    return torch.empty(shape).normal_(0, std, generator=generator), torch.zeros(*stack, fan_out)


INITIALISERS = {"uniform": _uniform, "normal": _normal}


def _draw(
    sizes: list[int], stack: tuple[int, ...], init: str, generator: Random
) -> list[tuple[Tensor, Tensor]]:
    if not isinstance(generator, Sequence):
        return [INITIALISERS[init]((*stack, *pair), generator) for pair in pairwise(sizes)]
    if not stack or len(generator) != stack[0]:
        raise InputError(
            f"{len(generator)} generators were given for a stack of {stack}; "
            "expected one for each member of its first axis"
        )
    members = [_draw(sizes, stack[1:], init, member) for member in generator]
    return [
        (torch.stack([weight for weight, _ in layer]), torch.stack([bias for _, bias in layer]))
        for layer in zip(*members, strict=True)
    ]
