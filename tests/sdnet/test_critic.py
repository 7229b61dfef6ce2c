"""Critics: shapes, training against a plain loop, copies and moves."""

import copy
import io

import pytest
import torch
from torch import Tensor

from sdnet.critic import Critic, CSDNet, SDNet

N = 10


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def curves(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=seeded(seed))


def dense(seed: int = 0, **settings) -> SDNet:
    small = {"in_size": N, "hid_num": 2, "hid_size": 16, "lr": 1e-3, "gp": 0.1}
    return SDNet(**{**small, **settings}, generator=seeded(seed))


def conv(seed: int = 0, **settings) -> CSDNet:
    small = {"in_size": N, "conv_arch": [4, "M"], "hid_size": 16, "lr": 1e-3, "gp": 0.1}
    return CSDNet(**{**small, **settings}, generator=seeded(seed))


KINDS = {
    "dense": (dense, {}, ()),
    "embedded": (dense, {"emb_size": 3}, (3,)),
    "conv": (conv, {}, ()),
    "conv of channels": (conv, {"emb_size": 3}, (3,)),
}
every_kind = pytest.mark.parametrize(("make", "settings", "point"), KINDS.values(), ids=KINDS)
only_dense = pytest.mark.parametrize(
    ("make", "settings", "point"), list(KINDS.values())[:2], ids=list(KINDS)[:2]
)


def sides(point: tuple[int, ...], b: int = 6, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """real, fake, and the penalty's epsilon."""
    shape = (b, N, *point)
    epsilon = torch.rand(b, 1, generator=seeded(seed + 2))
    return curves(*shape, seed=seed), curves(*shape, seed=seed + 1), epsilon


def assert_same(one: Critic, other: Critic, tolerance: float = 0.0) -> None:
    for mine, its in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.allclose(mine, its, rtol=0, atol=tolerance)


# -- shapes and sizes -----------------------------------------------------------------------


@every_kind
def test_a_score_for_each_curve(make, settings, point):
    critic = make(**settings)
    real, _, _ = sides(point)
    scores = critic(real)
    assert scores.shape == (6,)
    assert torch.allclose(critic(real[2:3]), scores[2:3], atol=1e-6)  # each by itself


def test_a_stack_scores_as_its_members():
    for settings, point in [({}, ()), ({"emb_size": 3}, (3,))]:
        generators = [seeded(e) for e in range(4)]
        small = {"in_size": N, "hid_num": (1, 2), "hid_size": (5, 16), **settings}
        stack = SDNet(**small, stack=(4,), generator=generators)
        batch = curves(4, 6, N, *point, seed=9)
        assert stack(batch).shape == (4, 6)
        for e in range(4):
            alone = SDNet(**small, generator=seeded(e))
            assert torch.allclose(stack(batch)[e], alone(batch[e]), atol=1e-6)


def test_an_embedding_maps_each_point_by_itself():
    critic = dense(emb_size=3, hid_num=(1, 2), hid_size=(5, 16))
    assert [tuple(w.shape) for w in critic.embedding.weights] == [(3, 5), (5, 1)]
    assert [tuple(w.shape) for w in critic.critic.weights] == [(N, 16), (16, 16), (16, 1)]
    batch = curves(2, N, 3, seed=0)
    points = torch.stack([critic.embedding(batch[:, i])[:, 0] for i in range(N)], dim=1)
    assert torch.allclose(critic(batch), critic.critic(points)[:, 0], atol=1e-6)


def test_a_pair_of_sizes_without_embedding_uses_the_second():
    critic = dense(hid_num=(5, 1), hid_size=(3, 7))
    assert critic.embedding is None
    assert [tuple(w.shape) for w in critic.critic.weights] == [(N, 7), (7, 1)]


def test_convolutions_and_poolings():
    critic = CSDNet(100, conv_arch=[8, "M", 16, "M"], kernel_size=5, hid_num=1, hid_size=30)
    shapes = [tuple(weight.shape) for weight in critic.convolutions.parameters()]
    assert shapes == [(8, 1, 5), (8,), (16, 8, 5), (16,)]
    assert critic.critic.weights[0].shape == (16 * 25, 30)  # 100 points, pooled twice
    # 11 points pooled to 5 and 2: a rest is dropped
    assert CSDNet(11, conv_arch=[4, "M", "M"]).critic.weights[0].shape[0] == 4 * 2
    # no convolution at all: a dense critic
    assert CSDNet(11, conv_arch=[], emb_size=2).critic.weights[0].shape[0] == 2 * 11


def test_a_convolution_sees_neighbours_only():
    critic = conv(conv_arch=[4], kernel_size=3)
    batch = curves(1, N, seed=0)
    other = batch.clone()
    other[0, 0] += 1
    changed = critic.convolutions(other.unsqueeze(1)) != critic.convolutions(batch.unsqueeze(1))
    assert changed[0].any(0).tolist() == [True, True] + [False] * (N - 2)


@every_kind
def test_a_generator_leaves_the_global_one_alone(make, settings, point):
    before = torch.get_rng_state()
    critic, again, other = make(1, **settings), make(1, **settings), make(2, **settings)
    real, fake, _ = sides(point)
    critic.fit(real.unsqueeze(0), fake, generator=seeded(0))
    assert torch.equal(torch.get_rng_state(), before)
    fresh = make(1, **settings)
    assert_same(again, fresh)
    assert not torch.equal(next(other.parameters()), next(fresh.parameters()))


def test_convolutions_draw_as_torch_does():
    """torch.nn.Conv1d's numbers under the same seed, then those of the dense network."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        layers = [torch.nn.Conv1d(3, 4, 3), torch.nn.Linear(4 * N, 16), torch.nn.Linear(16, 1)]
    critic = conv(5, conv_arch=[4], emb_size=3)
    found = [(critic.convolutions[0].weight, critic.convolutions[0].bias)]
    found += [(weight.mT, bias) for weight, bias in critic.critic.layers()]
    for layer, (weight, bias) in zip(layers, found, strict=True):
        assert torch.allclose(weight, layer.weight, rtol=0, atol=1e-6)
        assert torch.allclose(bias, layer.bias, rtol=0, atol=1e-6)


# -- training -------------------------------------------------------------------------------


@every_kind
@pytest.mark.parametrize("loss_fun", ["bce", "wasserstein"])
@pytest.mark.parametrize("gp", [0, 0.1])
def test_a_step_is_that_of_a_plain_loop(make, settings, point, loss_fun, gp):
    """20 steps against losses, double backward and Adam written out; wd and betas count too."""
    settings = {**settings, "loss_fun": loss_fun, "gp": gp, "wd": 0.01, "betas": (0.5, 0.9)}
    critic, plain = make(**settings).double(), make(**settings).double()
    adam = torch.optim.Adam(plain.parameters(), lr=1e-3, weight_decay=0.01, betas=(0.5, 0.9))
    for i in range(20):
        real, fake, epsilon = (numbers.double() for numbers in sides(point, seed=3 * i))
        figures = critic.step(real, fake, epsilon)
        scores = plain(real), plain(fake)
        if loss_fun == "bce":
            loss = -scores[0].sigmoid().log().mean() - (-scores[1]).sigmoid().log().mean()
        else:
            loss = scores[1].mean() - scores[0].mean()
        if gp:
            weight = epsilon.reshape(-1, *[1] * (1 + len(point)))
            mix = (weight * real + (1 - weight) * fake).requires_grad_()
            (slope,) = torch.autograd.grad(plain(mix).sum(), mix, create_graph=True)
            norms = slope.flatten(1).norm(dim=1)
            loss = loss + gp * (norms - 1).square().mean()
            assert torch.allclose(figures[1], norms, rtol=0, atol=1e-9)
        else:
            assert figures[1] is None
        adam.zero_grad()
        loss.backward()
        adam.step()
        margins = torch.cat([scores[0], -scores[1]])
        assert torch.allclose(figures[0], margins, rtol=0, atol=1e-9)
        assert_same(critic, plain, 1e-9)


@only_dense
@pytest.mark.parametrize("gp", [0, 0.1])
def test_the_explicit_path_agrees_with_the_generic_one(make, settings, point, gp):
    explicit, generic = make(**settings, gp=gp).double(), make(**settings, gp=gp).double()
    real, fake, epsilon = (numbers.double() for numbers in sides(point))
    mine = explicit.gradients(real, fake, epsilon)
    its = Critic.gradients(generic, real, fake, epsilon)
    assert torch.allclose(mine[0], its[0], rtol=0, atol=1e-12)
    assert (mine[1] is None) == (its[1] is None) == (gp == 0)
    if gp:
        assert torch.allclose(mine[1], its[1], rtol=0, atol=1e-12)
    for one, other in zip(explicit.parameters(), generic.parameters(), strict=True):
        assert torch.allclose(one.grad, other.grad, rtol=0, atol=1e-12)


def test_a_stack_steps_as_its_members():
    small = {"in_size": N, "hid_num": 1, "hid_size": 8, "lr": 1e-2, "gp": 0.1}
    stack = SDNet(**small, stack=(3,), generator=[seeded(e) for e in range(3)])
    alone = [SDNet(**small, generator=seeded(e)) for e in range(3)]
    for i in range(20):
        batches = [sides((), seed=100 * e + 3 * i) for e in range(3)]
        margins, norms = stack.step(*(torch.stack(numbers) for numbers in zip(*batches)))  # noqa: B905
        for e, critic in enumerate(alone):
            figures = critic.step(*batches[e])
            assert torch.allclose(margins[e], figures[0], rtol=0, atol=1e-5)
            assert torch.allclose(norms[e], figures[1], rtol=0, atol=1e-5)


@every_kind
@pytest.mark.parametrize("draws", [1, 5])
def test_fit_takes_a_step_an_iteration(make, settings, point, draws):
    critic, twin = make(**settings), make(**settings)
    real = curves(draws, 6, N, *point, seed=0)
    fake = curves(6, N, *point, seed=1)
    accuracies = critic.fit(real, fake, generator=seeded(4))
    epsilon = torch.rand(5, 6, 1, generator=seeded(4))
    for i, found in enumerate(accuracies):
        draw = real[0 if draws == 1 else i]
        right = int((twin(draw) > 0).sum() + (twin(fake) <= 0).sum())
        assert found == pytest.approx(right / 12)
        twin.step(draw, fake, epsilon[i])
    assert len(accuracies) == 5
    assert_same(critic, twin)


@every_kind
def test_fit_learns_what_can_be_told_apart(make, settings, point):
    """Real curves rise, fake ones fall, both in noise."""
    critic = make(**settings, lr=1e-2, gp=1e-5)
    slope = torch.linspace(-1, 1, N).reshape(N, *[1] * len(point))
    accuracies = []
    for i in range(30):
        real, fake, _ = sides(point, b=20, seed=3 * i)
        accuracies += critic.fit((slope + 0.3 * real).unsqueeze(0), -slope + 0.3 * fake, seeded(i))
    assert accuracies[0] < 0.9
    assert sum(accuracies[-20:]) / 20 > 0.99


@every_kind
def test_the_penalty_pulls_the_gradient_to_one(make, settings, point):
    """A linear critic has one gradient; from equal sides it learns the penalty only."""
    linear = {"hid_num": 0, "loss_fun": "wasserstein", "gp": 1.0, "lr": 1e-2, "wd": 0}
    critic = make(**settings, **linear, **({"conv_arch": []} if make is conv else {}))
    curve, _, epsilon = sides(point)
    norms = [critic.step(curve, curve, epsilon)[1] for _ in range(200)]
    assert (norms[0] - 1).abs().min() > 0.05
    assert norms[-1].tolist() == pytest.approx([1] * 6, abs=0.01)


def test_settings_changed_between_steps_count():
    critic, twin = dense(gp=0), dense(gp=0.5)
    real, fake, epsilon = sides(())
    critic.step(real, fake, epsilon)
    critic.gp = 0.5
    critic.load_state_dict(twin.state_dict())
    critic.gradients(real, fake, epsilon)
    twin.gradients(real, fake, epsilon)
    for one, other in zip(critic.parameters(), twin.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad)


# -- copies and moves -----------------------------------------------------------------------


@every_kind
def test_a_copy_trains_on_by_itself(make, settings, point):
    critic, undisturbed = make(**settings), make(**settings)
    for each in (critic, undisturbed):
        each.step(*sides(point))
    twin = copy.deepcopy(critic)
    assert_same(twin, critic)
    for i in range(3):  # more than one: what is cached must follow the copy's own weights
        twin.step(*sides(point, seed=50 + i))
    assert not torch.equal(next(twin.parameters()), next(critic.parameters()))
    assert_same(critic, undisturbed)
    for each in (undisturbed, critic):
        for i in range(3):
            each.step(*sides(point, seed=50 + i))
        assert_same(each, twin)  # moments included


@every_kind
def test_weights_saved_and_loaded_train_on(make, settings, point):
    critic = make(**settings)
    critic.step(*sides(point))
    file = io.BytesIO()
    torch.save([critic.state_dict(), critic.optimizer.state_dict()], file)
    file.seek(0)
    weights, moments = torch.load(file, weights_only=True)
    other = make(seed=8, **settings)
    other.step(*sides(point, seed=20))  # what it had cached must not stay
    other.load_state_dict(weights)
    other.optimizer.load_state_dict(moments)
    assert_same(other, critic)
    for i in range(3):
        critic.step(*sides(point, seed=50 + i))
        other.step(*sides(point, seed=50 + i))
    assert_same(other, critic)


@every_kind
def test_a_critic_moved_to_float64_trains_on(make, settings, point):
    critic, single = make(**settings), make(**settings)
    for each in (critic, single):
        each.step(*sides(point))
    critic.to(torch.float64)
    assert_same(critic, copy.deepcopy(single).double())
    for i in range(3):
        critic.step(*(numbers.double() for numbers in sides(point, seed=50 + i)))
        single.step(*sides(point, seed=50 + i))
    assert all(number.dtype == torch.float64 for number in critic.parameters())
    assert_same(critic, copy.deepcopy(single).double(), 1e-5)


def test_other_numbers_of_curves_from_step_to_step():
    critic, plain = dense(), dense()
    for i, b in enumerate((6, 3, 6)):
        batch = sides((), b=b, seed=3 * i)
        critic.step(*batch)
        Critic.gradients(plain, *batch)
        plain.optimizer.step()
    assert_same(critic, plain, 1e-5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@every_kind
def test_fit_on_cuda_agrees_with_the_cpu(make, settings, point):
    real, fake, _ = sides(point)
    found = []
    for device in ("cpu", "cuda"):
        critic = make(**settings).double().to(device)
        batch = [numbers.double().to(device) for numbers in (real.unsqueeze(0), fake)]
        accuracies = [critic.fit(*batch, generator=seeded(i)) for i in range(4)]
        found.append((accuracies, critic.cpu()))
    assert found[0][0] == found[1][0]
    assert_same(found[0][1], found[1][1], 1e-9)
