"""Our own networks with a module for every layer, so that each can be named.

Cells and critics keep their weights in stacks (`sdnet.mlp`), where a hidden layer is no module:
"latents" and "head" of an `SRNet` have names, the layers inside them don't. Here the same function
is written as `nn.Sequential`s of linear layers and ReLUs, with copies of the weights.
"""

from collections import OrderedDict
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from sdnet.critic import SDNet
from sdnet.errors import InputError
from sdnet.mlp import MLP
from srnet.cells import DSN
from srnet.network import SRNet


def unrolled(network: nn.Module) -> nn.Sequential:
    """The same function with named layers: fc1, relu1, fc2, ... in each of its parts.

    An `MLP` becomes one such chain. So does a `DSN` of k networks, with block-diagonal weights and
    the masks in the first layer: its hidden unit i of network j is unit j * hid_size + i. An
    `SRNet` has the parts latents and head, an `SDNet` critic, and embedding where it has one; its
    score is (b, 1). The weights are copies, in the mode and of the type of the network.

    Raises:
        InputError: another network, or a stack of several.

    >>> from srnet.dissect.layers import layer_names
    >>> model = SRNet(in_size=2, hid_num=(1, 0), hid_size=8, lat_size=3)
    >>> layer_names(unrolled(model))
    ['latents', 'latents.fc1', 'latents.relu1', 'latents.fc2', 'head', 'head.fc1']
    >>> x = torch.rand(5, 2)
    >>> torch.allclose(unrolled(model)(x), model(x), atol=1e-6)
    True
    """
    return _unrolled(network).train(network.training)


def _unrolled(network: nn.Module) -> nn.Sequential:
    if isinstance(network, SRNet):
        return _named(latents=_unrolled(network.latents), head=_unrolled(network.head))
    if isinstance(network, SDNet):
        critic = _unrolled(network.critic)
        if network.embedding is None:
            return _named(critic=critic)
        return _named(embedding=_unrolled(network.embedding), curve=nn.Flatten(), critic=critic)
    if isinstance(network, DSN):
        _check_one(network.networks.stack[:-1])
        return _chain(_side_by_side(network))
    if isinstance(network, MLP):
        _check_one(network.stack)
        return _chain(network.layers())
    raise InputError(
        f"a {type(network).__name__} can't be unrolled; expected an SRNet, an SDNet, an MLP or DSN"
    )


def _check_one(stack: tuple[int, ...]) -> None:
    if stack:
        raise InputError(f"a stack {stack} of networks can't be unrolled; expected one network")


def _named(**parts: nn.Module) -> nn.Sequential:
    return nn.Sequential(OrderedDict(parts))


def _side_by_side(cell: DSN) -> Iterable[tuple[Tensor, Tensor]]:
    """The (weight (in, out), bias (out,)) of k networks as one: what isn't theirs is 0."""
    for place, (weights, biases) in enumerate(cell.networks.layers()):
        if place == 0:  # all see the inputs, each through its mask
            weight = torch.cat(list(cell.mask().unsqueeze(-1) * weights), -1)
        else:
            weight = torch.block_diag(*weights)
        yield weight, biases.flatten()


def _chain(layers: Iterable[tuple[Tensor, Tensor]]) -> nn.Sequential:
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    for place, (weight, bias) in enumerate(layers, 1):
        if modules:
            modules[f"relu{place - 1}"] = nn.ReLU()
        linear = nn.utils.skip_init(nn.Linear, *weight.shape).to(weight)
        with torch.no_grad():
            linear.weight.copy_(weight.mT)
            linear.bias.copy_(bias)
        modules[f"fc{place}"] = linear
    return nn.Sequential(modules)
