"""The stacked MLP against torch.nn, autograd, and its own members alone."""

import math
from itertools import pairwise

import pytest
import torch
from torch import nn

from sdnet.errors import InputError
from sdnet.mlp import MLP, pair, stacked

STACKS = [(), (3,), (2, 3)]
DEPTHS = [0, 1, 3]


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def plain(network: MLP, member: tuple[int, ...] = ()) -> nn.Sequential:
    """The member as an nn.Sequential with copied weights."""
    layers = []
    for weight, bias in network.layers():
        layer = nn.Linear(weight.shape[-2], weight.shape[-1], dtype=weight.dtype)
        with torch.no_grad():
            layer.weight.copy_(weight[member].T)
            layer.bias.copy_(bias[member])
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def members(stack: tuple[int, ...]) -> list[tuple[int, ...]]:
    return [tuple(place) for place in torch.ones(stack).nonzero().tolist()]


@pytest.mark.parametrize("hid_num", DEPTHS)
def test_uniform_draws_the_numbers_of_linear_layers(hid_num):
    sizes = [5, *[16] * hid_num, 2]
    with torch.random.fork_rng():
        torch.manual_seed(7)
        layers = [nn.Linear(a, b) for a, b in pairwise(sizes)]
    network = MLP(5, 2, hid_num, 16, generator=seeded(7))
    for (weight, bias), layer in zip(network.layers(), layers, strict=True):
        assert torch.allclose(weight, layer.weight.T, rtol=0, atol=1e-6)
        assert torch.allclose(bias, layer.bias, rtol=0, atol=1e-6)


def test_without_a_generator_the_default_one_draws():
    with torch.random.fork_rng():
        torch.manual_seed(7)
        network = MLP(5, 2, 1, 16)
    expected = MLP(5, 2, 1, 16, generator=seeded(7))
    assert all(map(torch.equal, network.parameters(), expected.parameters()))


def test_uniform_fills_its_bounds():
    network = MLP(100, 100, 1, 100, stack=(20,), generator=seeded(0))
    bound = 1 / math.sqrt(100)
    for numbers in network.parameters():
        # the extremes of m uniform numbers are within about 1/m of the bounds
        assert 0.99 * bound < numbers.max() <= bound
        assert -bound <= numbers.min() < -0.99 * bound
    weight = network.weights[0].detach()
    # 200,000 numbers: the standard errors are 0.0013 of the bound and 0.1 % of the deviation
    assert abs(float(weight.mean())) < 5 * 0.0013 * bound
    assert float(weight.std()) == pytest.approx(bound / math.sqrt(3), rel=0.005)


def test_normal_has_the_deviation_of_its_sizes_and_no_bias():
    network = MLP(50, 10, 1, 200, stack=(20,), init="normal", generator=seeded(0))
    for weight, bias in network.requires_grad_(False).layers():
        fan_in, fan_out = weight.shape[-2:]
        std = math.sqrt(6 / (fan_in + fan_out))
        # at least 40,000 numbers: the standard error of the deviation is 0.35 %
        assert float(weight.std()) == pytest.approx(std, rel=0.02)
        assert abs(float(weight.mean())) < 0.025 * std
        assert 3.5 * std < weight.abs().max() < 6 * std  # tails: not a uniform one
        assert not bias.any()


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("hid_num", DEPTHS)
@pytest.mark.parametrize("own_input", [False, True])
def test_forward_is_that_of_linear_layers(stack, hid_num, own_input):
    network = MLP(4, 2, hid_num, 8, stack=stack, generator=seeded(1))
    x = torch.randn(*(stack if own_input else ()), 6, 4, generator=seeded(2))
    y = network(x)
    assert y.shape == (*stack, 6, 2)
    for member in members(stack):
        expected = plain(network, member)(x[member] if own_input else x)
        assert torch.allclose(y[member], expected, rtol=0, atol=1e-6)


def test_further_leading_axes_are_a_batch():
    network = MLP(4, 2, 1, 8, stack=(3,), generator=seeded(1))
    x = torch.randn(5, 3, 6, 4, generator=seeded(2))
    assert torch.allclose(network(x)[4], network(x[4]), atol=1e-6)
    assert torch.allclose(network.jacobian(x)[4], network.jacobian(x[4]), atol=1e-6)
    single = MLP(4, 2, 1, 8, generator=seeded(1))
    assert torch.allclose(single(x)[4, 2], single(x[4, 2]), atol=1e-6)


def regression(network: MLP, steps: int = 100) -> MLP:
    """Fit y = sin(x0) + x1 by Adam; each member's loss is its own."""
    x = torch.randn(50, 2, generator=seeded(9))
    y = x[:, :1].sin() + x[:, 1:]
    adam = torch.optim.Adam(network.parameters(), lr=1e-2)
    first = None
    for _ in range(steps):
        loss = (network(x) - y).square().mean(dim=(-2, -1))
        first = loss if first is None else first
        adam.zero_grad()
        loss.sum().backward()
        adam.step()
    assert (loss < first / 2).all()  # it did train
    return network


@pytest.mark.parametrize("inner", [(), (3,)])
@pytest.mark.parametrize("init", ["uniform", "normal"])
def test_a_member_is_the_network_alone_at_the_start_and_trained(inner, init):
    options = {"in_size": 2, "out_size": 1, "hid_num": 2, "hid_size": 16, "init": init}
    seeds = [3, 4, 5, 6]
    together = MLP(**options, stack=(4, *inner), generator=[seeded(s) for s in seeds])
    alone = [MLP(**options, stack=inner, generator=seeded(s)) for s in seeds]
    for e, single in enumerate(alone):
        for mine, its in zip(together.parameters(), single.parameters(), strict=True):
            assert torch.equal(mine[e], its)
    regression(together)
    for e, single in enumerate(alone):
        regression(single)
        for mine, its in zip(together.parameters(), single.parameters(), strict=True):
            assert torch.allclose(mine[e], its, rtol=0, atol=1e-5)


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("hid_num", DEPTHS)
def test_jacobian_is_that_of_autograd(stack, hid_num):
    network = MLP(4, 2, hid_num, 8, stack=stack, generator=seeded(1)).double()
    x = torch.randn(6, 4, dtype=torch.float64, generator=seeded(2))
    jacobian = network.jacobian(x)
    assert jacobian.shape == (*stack, 6, 2, 4)
    for member in members(stack):
        single = plain(network, member)
        expected = torch.func.vmap(torch.func.jacrev(lambda row, f=single: f(row)))(x)
        assert torch.allclose(jacobian[member], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("hid_num", DEPTHS)
def test_jacobian_is_differentiable_by_weights(hid_num):
    network = MLP(3, 2, hid_num, 8, generator=seeded(1)).double()
    x = torch.randn(5, 3, dtype=torch.float64, generator=seeded(2), requires_grad=True)
    weights = list(network.weights)
    explicit = torch.autograd.grad(network.jacobian(x).sin().sum(), weights)
    y = network(x)
    rows = [torch.autograd.grad(y[:, i].sum(), x, create_graph=True)[0] for i in range(2)]
    expected = torch.autograd.grad(torch.stack(rows).sin().sum(), weights)
    for mine, its in zip(explicit, expected, strict=True):
        assert torch.allclose(mine, its, rtol=0, atol=1e-12)


def test_jacobian_of_a_dead_unit_and_at_a_kink_is_zero():
    network = MLP(1, 1, 1, 1)
    with torch.no_grad():
        for value, numbers in zip([2.0, 3.0, 0.0, 5.0], network.parameters(), strict=True):
            numbers.fill_(value)  # 3 relu(2 x) + 5
    x = torch.tensor([[-1.0], [0.0], [1.0]])
    assert network(x).flatten().tolist() == [5, 5, 11]
    assert network.jacobian(x).flatten().tolist() == [0, 0, 6]


@pytest.mark.parametrize("init", ["uniform", "normal"])
def test_a_constructor_given_a_generator_leaves_the_global_one_alone(init):
    before = torch.get_rng_state()
    MLP(3, 2, 2, 8, init=init, generator=seeded(0))
    MLP(3, 2, 2, 8, init=init, stack=(2, 3), generator=[seeded(0), seeded(1)])
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"in_size": 0}, "in_size is 0"),
        ({"out_size": -1}, "out_size is -1"),
        ({"hid_num": -1}, "hid_num is -1; expected a whole number of at least 0"),
        ({"hid_size": 0}, "hid_size is 0"),
        ({"hid_size": True}, "hid_size is True"),
        ({"stack": (2, 0)}, "stack is 0"),
        ({"init": "unifrom"}, "did you mean 'uniform'"),
        ({"stack": (3,), "generator": [seeded(0)]}, "1 generators were given"),
        ({"generator": [seeded(0)]}, "1 generators were given"),
    ],
)
def test_sizes_that_cannot_be_used(wrong, said):
    with pytest.raises(InputError, match=said):
        MLP(**{"in_size": 3, "out_size": 2, "hid_num": 1, "hid_size": 8, **wrong})


@pytest.mark.parametrize("shape", [(4,), (6, 3), (6, 1), (2, 6, 4), (1, 6, 4), (3, 6, 5)])
def test_points_that_do_not_fit(shape):
    network = MLP(4, 2, 1, 8, stack=(3,))
    for function in (network, network.jacobian):
        with pytest.raises(InputError, match=r"expected \(n, 4\) or \(3, n, 4\)"):
            function(torch.zeros(shape))


def test_pair():
    assert pair("hid_type", ("DSN", "MLP")) == ("DSN", "MLP")
    for wrong in ([1], (1, 2, 3), []):
        with pytest.raises(InputError, match=r"hid_num is .* expected one value or a pair"):
            pair("hid_num", wrong)


# -- stacks of what there is ----------------------------------------------------------------


@pytest.mark.parametrize("stack", [(), (2,)])
def test_networks_in_a_stack_are_themselves(stack):
    alone = [MLP(3, 2, 1, 5, stack=stack, generator=seeded(e)) for e in range(4)]
    many = stacked(alone)
    assert many.stack == (4, *stack)
    for e, network in enumerate(alone):
        for mine, its in zip(many.parameters(), network.parameters(), strict=True):
            assert torch.equal(mine[e], its)
            assert mine.untyped_storage().data_ptr() != its.untyped_storage().data_ptr()
    assert isinstance(alone[0].weights[0], torch.nn.Parameter)
    assert alone[0].stack == stack


@pytest.mark.parametrize("size", [1, 7, 8, 9, 20])
@pytest.mark.parametrize("hid_num", [0, 2])
def test_one_input_for_many_networks_with_and_without_gradients(size, hid_num):
    """Without them, a few networks are computed at a time."""
    net, x = MLP(2, 3, hid_num, 16, stack=(size,), generator=seeded(0)), torch.randn(50, 2)
    expected = net(x)
    with torch.no_grad():
        found = net(x)
    assert found.shape == (size, 50, 3)
    assert torch.allclose(found, expected, atol=1e-6)
