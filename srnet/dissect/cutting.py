"""A network cut in two after a layer: the prefix gives the layer's output, the suffix goes on.

What may live here: how a network is cut, and what the pieces are. Both pieces hold the network's
own modules, not copies, and leave them as they are.
"""

import inspect
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, fx, nn

from sdnet.errors import InputError
from srnet.dissect.layers import find_layer

POINTWISE = {
    nn.functional.relu: nn.ReLU,
    torch.relu: nn.ReLU,
    torch.tanh: nn.Tanh,
    torch.sigmoid: nn.Sigmoid,
    nn.functional.gelu: nn.GELU,
    nn.functional.silu: nn.SiLU,
    "relu": nn.ReLU,
    "relu_": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}
"""Functions and methods of one tensor, and the modules that do the same."""


class Split(NamedTuple):
    """A network in two parts: suffix(prefix(x)) is model(x)."""

    prefix: Callable[[Tensor], Tensor]
    """x (n, ...) to the layer's output."""
    suffix: Callable[..., Tensor]
    """The layer's output, or another in its place, to the network's: a `Rest` or a `Rerun`."""


def split(model: nn.Module, layer: str) -> Split:
    """The network before and after a layer, which is part of the prefix.

    Chains of `nn.Sequential`, also nested ones, are taken apart. Of other networks, the modules
    that contain the layer are traced by torch.fx. Where that can't be done, or where there is a
    way around the layer (a skip connection), the suffix runs the whole network with the layer's
    output replaced, and then needs the inputs: suffix(acts, x); with m times as many rows as x
    has, the rows of acts are m blocks, each of all of x.

    Raises:
        InputError: no such layer; as the parts are run: a layer that is run several times, or not
            at all, or gives no tensor.

    >>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    >>> prefix, suffix = split(model, "1")
    >>> x = torch.rand(5, 2)
    >>> prefix(x).shape, torch.equal(suffix(prefix(x)), model(x))
    (torch.Size([5, 3]), True)
    """
    find_layer(model, layer)
    pieces = _chain(model, layer) or _traced(model, layer)
    if pieces is None:
        return Split(Captured(model, layer), Rerun(model, layer))
    prefix, suffix = pieces
    return Split(Start(prefix, layer), Rest(suffix))


@dataclass(frozen=True, eq=False)
class Start:
    """A prefix that stands by itself."""

    network: nn.Module
    layer: str

    def __call__(self, x: Tensor) -> Tensor:
        return _tensor(self.network(x), self.layer)


@dataclass(frozen=True, eq=False)
class Rest:
    """A suffix that stands by itself. Nothing is written into the activations it is given."""

    network: nn.Module

    def __call__(self, acts: Tensor, x: Tensor | None = None) -> Tensor:
        return self.network(acts.clone() if self._may_write else acts)

    @property
    def _may_write(self) -> bool:
        modules = self.network.modules()
        return isinstance(self.network, fx.GraphModule) or any(
            getattr(module, "inplace", False) for module in modules
        )


@dataclass(frozen=True, eq=False)
class Captured:
    """The prefix of a network that can't be cut: a whole pass, which leaves the layer's output."""

    model: nn.Module
    layer: str

    def __call__(self, x: Tensor) -> Tensor:
        seen: list[Tensor] = []

        def hook(_: nn.Module, __: object, output: object) -> None:
            seen.append(_tensor(output, self.layer).clone())  # what follows may write into it

        handle = find_layer(self.model, self.layer).register_forward_hook(hook)
        try:
            self.model(x)
        finally:
            handle.remove()
        _check_once(self.layer, len(seen))
        return seen[0]


@dataclass(frozen=True, eq=False)
class Rerun:
    """The suffix of a network that can't be cut: a whole pass with the layer's output replaced."""

    model: nn.Module
    layer: str

    def __call__(self, acts: Tensor, x: Tensor | None = None) -> Tensor:
        if x is None or not len(x) or len(acts) % len(x):
            given = "no x" if x is None else f"{len(acts)} activations for {len(x)} rows of x"
            raise InputError(
                f"layer {self.layer!r}: the network can't be cut there, and {given} was given; "
                "expected suffix(acts, x), with as many activations for each row of x"
            )
        runs = 0

        def hook(*_: object) -> Tensor:
            nonlocal runs
            runs += 1
            return acts.clone()  # what follows may write into it

        times = len(acts) // len(x)
        handle = find_layer(self.model, self.layer).register_forward_hook(hook)
        try:
            output = self.model(x.repeat(times, *[1] * (x.dim() - 1)))
        finally:
            handle.remove()
        _check_once(self.layer, runs)
        return output


def _check_once(layer: str, runs: int) -> None:
    if runs != 1:
        raise InputError(
            f"layer {layer!r} is run {runs} times in a forward pass; expected once, to cut there"
        )


def _tensor(output: object, layer: str) -> Tensor:
    if not isinstance(output, Tensor):
        raise InputError(
            f"layer {layer!r} gives a {type(output).__name__}; expected a tensor (a layer after it "
            "may give one)"
        )
    return output


def _chain(model: nn.Module, layer: str) -> tuple[nn.Module, nn.Module] | None:
    """The parts of nested `nn.Sequential`s; None where another module contains the layer."""
    before: list[nn.Module] = []
    after: list[nn.Module] = []
    for name in layer.split("."):
        if type(model).forward is not nn.Sequential.forward:
            return None
        names = [child for child, _ in model.named_children()]
        if len(names) < len(model):  # a module is there twice; named_children tells it once
            names = list(model._modules)
        place = names.index(name)
        children = list(model)
        before += children[:place]
        after = children[place + 1 :] + after
        model = children[place]
    return nn.Sequential(*before, model), nn.Sequential(*after)


class _Tracer(fx.Tracer):
    """Goes into the modules that contain the layer; all others are steps of the graph."""

    def __init__(self, layer: str):
        super().__init__()
        self.layer = layer

    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        return not self.layer.startswith(f"{name}.")


def _traced(model: nn.Module, layer: str) -> tuple[nn.Module, nn.Module] | None:
    """The parts of the graph that torch.fx finds; None where it finds none, or no place to cut."""
    try:
        graph = _Tracer(layer).trace(model, _defaults(model))
    except Exception:  # tracing runs the user's code on placeholders, which may fail in any way
        return None
    calls = [node for node in graph.nodes if node.op == "call_module" and node.target == layer]
    if len(calls) != 1:
        return None
    (cut,) = calls
    after = _depending_on(cut, graph)
    output = after[-1] if after else None
    constants = {node for node in graph.nodes if node.op == "get_attr"}
    inside = {cut, *after, *constants}
    if (
        output is None
        or output.op != "output"
        or not isinstance(output.args[0], fx.Node)
        or any(node.target is operator.getitem for node in cut.users)  # of a tuple
        or any(source not in inside for node in after for source in node.all_input_nodes)
    ):
        return None
    needed = _needed_for(cut, graph)
    prefix = _part(model, needed, cut, None)
    suffix = _as_modules(model, cut, after[:-1])
    if suffix is None:
        suffix = _part(model, [*constants, *after[:-1]], output.args[0], cut)
    return prefix, suffix


def _defaults(model: nn.Module) -> dict[str, object]:
    """The arguments of `forward` that keep their default: tracing takes them as given."""
    parameters = list(inspect.signature(model.forward).parameters.values())[1:]
    kept = [one for one in parameters if one.default is not inspect.Parameter.empty]
    return {one.name: one.default for one in kept}


def _depending_on(cut: fx.Node, graph: fx.Graph) -> list[fx.Node]:
    found: dict[fx.Node, None] = {cut: None}
    for node in graph.nodes:
        if any(source in found for source in node.all_input_nodes):
            found[node] = None
    return list(found)[1:]


def _needed_for(cut: fx.Node, graph: fx.Graph) -> list[fx.Node]:
    needed = {cut}
    for node in reversed(list(graph.nodes)):
        if node in needed:
            needed.update(node.all_input_nodes)
    return [node for node in graph.nodes if node in needed or node.op == "placeholder"]


def _part(
    model: nn.Module, nodes: Sequence[fx.Node], last: fx.Node, cut: fx.Node | None
) -> fx.GraphModule:
    """Nodes as a network of the model's own modules; `cut` is its input, where it has another."""
    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {} if cut is None else {cut: graph.placeholder("acts")}
    for node in nodes:
        copies[node] = graph.node_copy(node, copies.__getitem__)
    graph.output(copies[last])
    return fx.GraphModule(model, graph)


def _as_modules(model: nn.Module, cut: fx.Node, nodes: Sequence[fx.Node]) -> nn.Sequential | None:
    """A chain of modules and pointwise functions as `nn.Sequential`; None if it is none."""
    modules = []
    for before, node in zip([cut, *nodes], nodes, strict=False):
        if node.args != (before,):
            return None
        if node.op == "call_module" and not node.kwargs:
            modules.append(model.get_submodule(node.target))
        elif node.target in POINTWISE and node.kwargs.keys() <= {"inplace"}:
            modules.append(POINTWISE[node.target]())
        else:
            return None
    return nn.Sequential(*modules)
