"""The explicit gradients against autograd's double backward, and nets worked out by hand."""

import pytest
import torch
from torch import Tensor

from sdnet.gradients import DenseGradients
from sdnet.mlp import MLP
from sdnet.objective import BCE, OBJECTIVES, WASSERSTEIN, Objective

POINTS, CHANNELS = 6, 3


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=seeded(seed))


def networks(embedded: bool, hid_num: int, stack: tuple[int, ...] = ()) -> list[MLP]:
    """A critic of 6 points, after an embedding of 3 channels if there is one; in float64."""
    generator = [seeded(e) for e in range(stack[0])] if stack else seeded(0)
    options = {"stack": stack, "generator": generator}
    chain = [MLP(CHANNELS, 1, hid_num, 5, **options)] if embedded else []
    chain.append(MLP(POINTS, 1, hid_num, 8, **options))
    return [network.double() for network in chain]


def shape(embedded: bool, *leading: int) -> tuple[int, ...]:
    return (*leading, POINTS, CHANNELS) if embedded else (*leading, POINTS)


def score(chain: list[MLP], curves: Tensor, member: tuple[int, ...] = ()) -> Tensor:
    """The scores of (b, n) or (b, n, c) curves, layer by layer."""
    x = curves
    for network in chain:
        x = x.reshape(-1, network.in_size)
        for i, (weight, bias) in enumerate(network.layers()):
            x = (x.relu() if i else x) @ weight[member] + bias[member]
    return x.reshape(-1)


def by_autograd(
    chain: list[MLP],
    real: Tensor,
    fake: Tensor,
    epsilon: Tensor | None,
    loss_fun: str,
    gp: float,
    member: tuple[int, ...] = (),
) -> tuple[Tensor, Tensor | None, list[Tensor]]:
    """Margins, norms and gradients of the textbook's formulas, by double backward."""
    scores = score(chain, real, member), score(chain, fake, member)
    if loss_fun == "bce":
        loss = -scores[0].sigmoid().log().mean() - (1 - scores[1].sigmoid()).log().mean()
    else:
        loss = scores[1].mean() - scores[0].mean()
    norms = None
    if gp:
        weight = epsilon.reshape(-1, *[1] * (real.dim() - 1))
        mix = (weight * real + (1 - weight) * fake).requires_grad_()
        (slope,) = torch.autograd.grad(score(chain, mix, member).sum(), mix, create_graph=True)
        norms = slope.square().flatten(1).sum(1).sqrt()
        loss = loss + gp * (norms - 1).square().mean()
    numbers = [number for network in chain for number in network.parameters()]
    found = torch.autograd.grad(loss, numbers, allow_unused=True, materialize_grads=True)
    margins = torch.cat([scores[0], -scores[1]]).detach()
    return margins, None if norms is None else norms.detach(), [grad[member] for grad in found]


def gradients(chain: list[MLP]) -> list[Tensor]:
    return [number.grad for network in chain for number in network.parameters()]


def assert_close(mine, its) -> None:
    for one, other in zip(mine, its, strict=True):
        assert torch.allclose(one, other, rtol=0, atol=1e-12)


@pytest.mark.parametrize("embedded", [False, True])
@pytest.mark.parametrize("hid_num", [0, 1, 3])
@pytest.mark.parametrize("loss_fun", ["bce", "wasserstein"])
@pytest.mark.parametrize("gp", [0.0, 0.7])
def test_gradients_are_those_of_autograd(embedded, hid_num, loss_fun, gp):
    chain = networks(embedded, hid_num)
    sizes = shape(embedded, 4)
    dense = DenseGradients(chain, sizes, sizes, OBJECTIVES[loss_fun], gp)
    for seed in (10, 20):  # the buffers hold nothing over from one call to the next
        real, fake = random(*sizes, seed=seed), random(*sizes, seed=seed + 1)
        epsilon = random(4, 1, seed=seed + 2).sigmoid()
        expected = by_autograd(chain, real, fake, epsilon, loss_fun, gp)
        margins, norms = dense(real, fake, epsilon.unsqueeze(-1) if embedded else epsilon)
        assert_close([margins], [expected[0]])
        assert (norms is None) == (gp == 0)
        if gp:
            assert_close([norms], [expected[1]])
        assert_close(gradients(chain), expected[2])


@pytest.mark.parametrize("embedded", [False, True])
@pytest.mark.parametrize("counts", [(4, 7), (7, 4), (1, 3)])
def test_without_a_penalty_the_sides_may_differ_in_number(embedded, counts):
    chain = networks(embedded, 2)
    real, fake = (random(*shape(embedded, b), seed=b) for b in counts)
    dense = DenseGradients(chain, real.shape, fake.shape, BCE)
    margins, norms = dense(real, fake)
    expected = by_autograd(chain, real, fake, None, "bce", 0.0)
    assert norms is None
    assert_close([margins, *gradients(chain)], [expected[0], *expected[2]])


@pytest.mark.parametrize("embedded", [False, True])
@pytest.mark.parametrize("loss_fun", ["bce", "wasserstein"])
@pytest.mark.parametrize("gp", [0.0, 0.4, [0.5, 0.0, 2.0]])
def test_a_member_of_a_stack_has_its_own_gradient(embedded, loss_fun, gp):
    chain = networks(embedded, 2, stack=(3,))
    sizes = shape(embedded, 3, 4)
    real, fake = random(*sizes, seed=1), random(*sizes, seed=2)
    epsilon = random(3, 4, 1, seed=3).sigmoid()
    weights = torch.tensor(gp, dtype=torch.float64)
    dense = DenseGradients(chain, sizes, sizes, OBJECTIVES[loss_fun], weights)
    margins, norms = dense(real, fake, epsilon.unsqueeze(-1) if embedded else epsilon)
    for e, weight in enumerate(weights.expand(3).tolist()):
        expected = by_autograd(chain, real[e], fake[e], epsilon[e], loss_fun, weight, (e,))
        assert_close([margins[e]], [expected[0]])
        if weight:
            assert_close([norms[e]], [expected[1]])
        assert_close([grad[e] for grad in gradients(chain)], expected[2])


@pytest.mark.parametrize("embedded", [False, True])
@pytest.mark.parametrize("stack", [(), (2,)])
def test_a_score_that_is_flat_has_no_penalty_gradient_and_no_nan(embedded, stack):
    chain = networks(embedded, 1, stack)
    for network in chain:
        for number in network.parameters():
            torch.nn.init.zeros_(number)
    sizes = shape(embedded, *stack, 4)
    real, fake = random(*sizes, seed=1), random(*sizes, seed=2)
    epsilon = torch.full((*stack, 4, *[1] * (1 + embedded)), 0.5, dtype=torch.float64)
    margins, norms = DenseGradients(chain, sizes, sizes, BCE, 1.0)(real, fake, epsilon)
    assert not margins.any()
    assert not norms.any()
    # every score is 0, so each side's slope is 1/2 and the sides cancel in the last bias
    assert all(not grad.any() for grad in gradients(chain))


def by_hand(*numbers: list) -> MLP:
    """A critic of two points with the given weights and biases, layer by layer."""
    critic = MLP(2, 1, len(numbers) // 2 - 1, 2)
    with torch.no_grad():
        for layer, (weight, bias) in enumerate(critic.layers()):
            weight.copy_(torch.tensor(numbers[2 * layer]))
            bias.copy_(torch.tensor(numbers[2 * layer + 1]))
    return critic


def steps(critic: MLP, objective: Objective, gp: float, epsilon: float) -> tuple[Tensor, Tensor]:
    """One real curve (1, 1), one fake curve (-1, 1)."""
    real, fake = torch.tensor([[1.0, 1.0]]), torch.tensor([[-1.0, 1.0]])
    dense = DenseGradients([critic], real.shape, fake.shape, objective, gp)
    return dense(real, fake, torch.tensor([[epsilon]]))


def test_linear_critic_by_hand():
    critic = by_hand([[3.0], [4.0]], [1.0])
    margins, norms = steps(critic, WASSERSTEIN, 0.5, 0.3)
    assert margins.tolist() == [8, -2]  # scores 3 + 4 + 1 and -3 + 4 + 1
    assert norms.tolist() == [5]
    # fake - real + 0.5 * 2 (5 - 1) (3, 4)/5
    assert torch.allclose(critic.weights[0].grad.flatten(), torch.tensor([-2 + 2.4, 3.2]))
    assert critic.biases[0].grad.tolist() == [0]


def test_one_hidden_layer_by_hand():
    critic = by_hand([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0], [[2.0], [3.0]], [0.0])
    margins, norms = steps(critic, WASSERSTEIN, 0.5, 0.25)
    # hidden (1, 1) and (0, 1)
    assert margins.tolist() == [5, -3]
    # at 0.25 (1, 1) + 0.75 (-1, 1) = (-0.5, 1) the first unit is off: g = (0, 3), P = 4
    assert norms.tolist() == [3]
    # the loss gives -(1, 1)'(2, 3) + (-1, 1)'(0, 3), the penalty (0, 4)'(0, 3)
    loss_grad = torch.tensor([[-2.0, -6.0], [-2.0, 0.0]])
    penalty_grad = torch.tensor([[0.0, 0.0], [0.0, 12.0]])
    assert torch.allclose(critic.weights[0].grad, loss_grad + 0.5 * penalty_grad)
    assert critic.biases[0].grad.tolist() == [-2, 0]
    # -(1, 1) + (0, 1), and (0, 4)
    assert torch.allclose(critic.weights[1].grad.flatten(), torch.tensor([-1, 0.5 * 4]))
    assert critic.biases[1].grad.tolist() == [0]


def test_bce_by_hand():
    critic = by_hand([[0.0], [0.0]], [0.0])
    steps(critic, BCE, 0.0, 0.0)
    # at score 0: -1/2 of the real curve, +1/2 of the fake one
    assert critic.weights[0].grad.flatten().tolist() == [-1, 0]
    assert critic.biases[0].grad.tolist() == [0]


def test_weights_changed_in_place_are_seen():
    chain = networks(False, 1)
    real, fake = random(4, POINTS, seed=1), random(4, POINTS, seed=2)
    dense = DenseGradients(chain, real.shape, fake.shape)
    dense(real, fake)
    with torch.no_grad():
        for number in chain[0].parameters():
            number.mul_(-2).add_(0.1)
    margins, _ = dense(real, fake)
    expected = by_autograd(chain, real, fake, None, "bce", 0.0)
    assert_close([margins, *gradients(chain)], [expected[0], *expected[2]])


def test_the_gradient_comes_back_after_zero_grad():
    chain = networks(False, 1)
    real, fake = random(4, POINTS, seed=1), random(4, POINTS, seed=2)
    dense = DenseGradients(chain, real.shape, fake.shape)
    dense(real, fake)
    before = [grad.clone() for grad in gradients(chain)]
    chain[0].zero_grad()
    assert gradients(chain) == [None] * len(before)
    dense(real, fake)
    assert_close(gradients(chain), before)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("embedded", [False, True])
@pytest.mark.parametrize("stack", [(), (3,)])
def test_cuda_agrees_with_the_cpu(embedded, stack):
    sizes = shape(embedded, *stack, 4)
    real, fake = random(*sizes, seed=1), random(*sizes, seed=2)
    epsilon = random(*stack, 4, *[1] * (1 + embedded), seed=3).sigmoid()
    found = []
    for device in ("cpu", "cuda"):
        chain = [network.to(device) for network in networks(embedded, 2, stack)]
        dense = DenseGradients(chain, sizes, sizes, BCE, 0.5)
        figures = dense(*(numbers.to(device) for numbers in (real, fake, epsilon)))
        found.append([numbers.cpu() for numbers in (*figures, *gradients(chain))])
    assert_close(*found)


@pytest.mark.parametrize("embedded", [False, True])
@pytest.mark.parametrize("gp", [0.0, 0.3])
def test_the_first_of_a_stack_alone(embedded, gp):
    """The others keep the gradients that they had."""
    chain = networks(embedded, 2, stack=(3,))
    sizes = shape(embedded, 3, 4)
    dense = DenseGradients(chain, sizes, sizes, BCE, torch.full((3,), gp))
    sides = random(2, *sizes, seed=1)
    epsilon = random(3, 4, 1, *[1] * embedded, seed=3).sigmoid()
    dense(*sides, epsilon)
    before = [grad.clone() for grad in gradients(chain)]
    real, fake = random(2, *sizes, seed=4)
    few = dense.first(2)
    margins, norms = few(real[:2], fake[:2], epsilon[:2])
    after = [grad.clone() for grad in gradients(chain)]
    expected = dense(real, fake, epsilon)
    assert_close([margins], [expected[0][:2]])
    if gp:
        assert_close([norms], [expected[1][:2]])
    for old, found, whole in zip(before, after, gradients(chain), strict=True):
        assert_close([found[:2], found[2]], [whole[:2], old[2]])


@pytest.mark.parametrize("embedded", [False, True])
@pytest.mark.parametrize("count", [1, 4, 40])
@pytest.mark.parametrize("loss_fun", ["bce", "wasserstein"])
def test_a_member_of_a_stack_has_its_bits_alone(embedded, count, loss_fun):
    chain = [network.float() for network in networks(embedded, 2, stack=(3,))]
    sizes = shape(embedded, 3, count)
    real, fake = random(2, *sizes, seed=1).float()
    epsilon = random(3, count, 1, *[1] * embedded, seed=3).sigmoid().float()
    objective = OBJECTIVES[loss_fun]
    dense = DenseGradients(chain, sizes, sizes, objective, torch.tensor([0.1, 0.2, 0.3]))
    margins, norms = dense(real, fake, epsilon)
    for e, gp in enumerate((0.1, 0.2, 0.3)):
        one = [network.float() for network in networks(embedded, 2)]
        for network, whole in zip(one, chain, strict=True):
            network.load_state_dict({name: w[e] for name, w in whole.state_dict().items()})
        alone = DenseGradients(one, sizes[1:], sizes[1:], objective, torch.tensor(gp))
        found = alone(real[e], fake[e], epsilon[e])
        assert torch.equal(found[0], margins[e])
        assert torch.equal(found[1], norms[e])
        for mine, its in zip(gradients(one), gradients(chain), strict=True):
            assert torch.equal(mine, its[e])
