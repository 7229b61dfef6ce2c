"""The joint loop against loops by hand, with torch's own Adam and modules."""

import copy

import pytest
import torch

from sdnet.critic import SDNet
from sdnet.errors import InputError
from sdnet.extension import extend
from sdnet.training import BLOCK, NonFiniteError, learning_rate, stretches
from srnet.network import SRNet
from srnet.penalties import Weights
from srnet.training import Block, JointTraining, Recipe

N, E, K, ITERS, EPOCHS = 12, 3, 2, 2, BLOCK + 4
X = torch.randn(N, 2, generator=torch.Generator().manual_seed(0))
Y = X[:, :1] * X[:, 1:] + 1


def streams(count=E, first=0):
    return [torch.Generator().manual_seed(first + i) for i in range(count)]


def generators(stack=(E,), generator=None, **settings):
    options = {"hid_num": (2, 0), "hid_size": 8, "hid_type": ("DSN", "MLP"), **settings}
    return SRNet(2, 1, **options, lat_size=K, stack=stack, generator=generator or streams())


def critics(size=N, **settings):
    options = {"hid_num": 1, "hid_size": 8, "lr": 1e-2, "gp": 0, "wd": 0, "iters": ITERS}
    return SDNet(size, **{**options, **settings}, stack=(E,), generator=streams(first=10))


def curves_of(block, *point, draws=1, count=E):
    stream = torch.Generator().manual_seed(block)
    return torch.randn(BLOCK, draws, count, K, *point, generator=stream)


def trained(model, critic, recipe, draw=lambda block: Block(), guide=None, epochs=EPOCHS):
    training = JointTraining(model, critic, X, Y, recipe, guide)
    figures = list(stretches(training, draw, epochs))
    rows = {name: torch.cat([part.rows[name] for part in figures]) for name in figures[0].rows}
    return training, rows


def by_hand(member, critic, recipe, draw, see, index):
    """One member alone, by autograd and torch.optim.Adam; the critic's steps likewise."""
    adam = torch.optim.Adam(member.parameters(), recipe.lr)
    its = torch.optim.Adam(critic.critic.parameters(), critic.lr)
    for epoch in range(recipe.epochs):
        for optimizer, name, rate in (
            (adam, recipe.schedule, recipe.lr),
            (its, recipe.critic_schedule, critic.lr),
        ):
            optimizer.param_groups[0]["lr"] = learning_rate(name, rate, epoch, recipe.epochs)
        real = draw(epoch // BLOCK).real[epoch % BLOCK, :, index]
        for i in range(ITERS):
            fake = see(member).detach()
            margins = critic(real[i % len(real)]), -critic(fake)
            its.zero_grad()
            sum(torch.nn.functional.softplus(-margin).mean() for margin in margins).backward()
            its.step()
        loss = (member(X) - Y).square().mean()
        loss = loss - recipe.weights.sd * critic(see(member)).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
    return member


def values(model):
    return model.latents(X).mT


def with_gradients(model):
    slopes = model.jacobian(X, get_lat=True).movedim(-2, -3)
    return extend(values(model), X, slopes, ext_type="stack")


@pytest.mark.parametrize("draws", [1, ITERS])
@pytest.mark.parametrize(
    ("see", "ext", "channels"), [(values, (), 1), (with_gradients, ("input", "grad"), 5)]
)
def test_each_member_trains_as_by_hand(see, ext, channels, draws):
    """Also where the penalty's gradient flows through the latents' derivatives."""
    recipe = Recipe(
        EPOCHS,
        Weights(sd=0.1),
        lr=1e-2,
        schedule="cosine",
        critic_schedule="cosine",
        iters=ITERS,
        ext=ext,
    )
    size = N * channels
    draw = lambda block: Block(curves_of(block, size, draws=draws))  # noqa: E731
    model, _ = trained(generators(), critics(size), recipe, draw)
    for index in range(E):
        alone = generators((), torch.Generator().manual_seed(index))
        critic = SDNet(
            size, 1, 8, lr=1e-2, gp=0, wd=0, generator=torch.Generator().manual_seed(10 + index)
        )
        by_hand(alone, critic, recipe, draw, see, index)
        for name, weights in alone.state_dict().items():
            torch.testing.assert_close(
                model.model.state_dict()[name][index], weights, rtol=1e-3, atol=1e-4
            )


def test_the_figures_of_an_epoch():
    """The first epoch's, before any step: squared error, -sd times the mean score, accuracy."""
    model, critic = generators(), critics()
    real = curves_of(0, N)
    recipe = Recipe(1, Weights(sd=0.5), iters=1)
    before = copy.deepcopy(model)
    _, rows = trained(model, critic, recipe, lambda block: Block(real), epochs=1)
    torch.testing.assert_close(rows["loss"][0], (before(X) - Y).square().mean((1, 2)).detach())
    # the verdict is of the critic after its step
    torch.testing.assert_close(
        rows["penalty"][0], -0.5 * critic(before.latents(X).mT).mean(-1).detach()
    )
    fresh = critics()
    scores = fresh(real[0, 0]), fresh(before.latents(X).mT)
    right = (scores[0] > 0).double().mean(-1) + (scores[1] <= 0).double().mean(-1)
    assert torch.equal(rows["acc"][0], right / 2)


def test_the_average_of_weights():
    """By its recursion, on the weights of every step."""
    model = generators()
    recipe = Recipe(EPOCHS, iters=0, lr=1e-2, average=0.8)
    training = JointTraining(model, None, X, Y, recipe)
    expected = model.latents.networks.weights[0].detach().clone()
    for step in range(1, EPOCHS + 1):
        for _ in stretches(training, lambda block: Block(), step, start=step - 1):
            pass
        decay = min(0.8, step / (step + 9))
        expected = decay * expected + (1 - decay) * model.latents.networks.weights[0].detach()
    torch.testing.assert_close(training.averaged.latents.networks.weights[0], expected)
    assert not any(p.requires_grad for p in training.averaged.parameters())
    assert JointTraining(model, None, X, Y, Recipe(3, iters=0)).averaged is model


@pytest.mark.parametrize("shuffled", [False, True])
def test_batches(shuffled):
    """Steps of 5, 5 and 2 rows, in the order given, each by torch's Adam."""
    orders = torch.stack(
        [torch.rand(E, N, generator=g).argsort(-1) for g in streams(BLOCK, first=5)]
    )
    recipe = Recipe(2, iters=0, lr=1e-2, batch_size=5)
    block = Block(order=orders if shuffled else None)
    training, rows = trained(generators(), None, recipe, lambda _: block, epochs=2)
    alone = generators((), torch.Generator().manual_seed(1))
    adam, losses = torch.optim.Adam(alone.parameters(), 1e-2), []
    for epoch in range(2):
        order = orders[epoch, 1] if shuffled else torch.arange(N)
        for batch in order.split(5):
            loss = (alone(X[batch]) - Y[batch]).square().mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
            losses.append(loss.detach())
    for name, weights in alone.state_dict().items():
        torch.testing.assert_close(
            training.model.state_dict()[name][1], weights, rtol=1e-4, atol=1e-5
        )
    expected = torch.stack(losses).view(2, 3).mean(1)
    torch.testing.assert_close(rows["loss"][:, 1], expected)


def test_a_curve_has_the_first_points_whatever_the_batch():
    seen = []

    class Note(SDNet):
        def step(self, real, fake, epsilon=None):
            seen.append(fake.clone())
            return super().step(real, fake, epsilon)

    for batch_size in (None, 5):
        model = generators()
        critic = Note(7, 1, 8, gp=0, stack=(E,), generator=streams())
        recipe = Recipe(1, Weights(sd=0.1), iters=1, points=7, batch_size=batch_size)
        expected = model.latents(X[:7]).mT.detach()
        trained(model, critic, recipe, lambda _: Block(curves_of(0, 7)), epochs=1)
        torch.testing.assert_close(seen[-1], expected)


class Pull:
    """A guide that draws the latents at its points to 1."""

    every = 1000

    def __init__(self, points):
        self.points, self.seen = points, []

    def update(self, model, epoch):
        pass

    def penalty(self, curves, progress):
        self.seen.append(curves.detach().clone())
        return (curves - 1).square().mean((-2, -1))

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


GUIDED = torch.randn(9, 2, generator=torch.Generator().manual_seed(7))


@pytest.mark.parametrize("batch_size", [None, 5, N])
@pytest.mark.parametrize("count", [None, 7])
@pytest.mark.parametrize("points", [X, torch.cat([X, GUIDED]), GUIDED, X[:3]])
def test_a_guide_looks_at_its_own_points(points, count, batch_size):
    """And the critics at theirs; each step is one on the rows by torch's Adam."""
    critic_saw = []

    class Note(SDNet):
        def step(self, real, fake, epsilon=None):
            critic_saw.append(fake.clone())
            return super().step(real, fake, epsilon)

    size, guide, model = count or N, Pull(points), generators()
    before = copy.deepcopy(model)
    critic = Note(size, 1, 8, gp=0, stack=(E,), generator=streams())
    recipe = Recipe(1, Weights(), lr=1e-2, iters=1, points=count, batch_size=batch_size)
    _, rows = trained(
        model, critic, recipe, lambda _: Block(curves_of(0, size)), guide=guide, epochs=1
    )
    torch.testing.assert_close(guide.seen[0], before.latents(points).mT.detach())
    torch.testing.assert_close(critic_saw[0], before.latents(X[:size]).mT.detach())
    alone = generators((), torch.Generator().manual_seed(1))
    adam, losses = torch.optim.Adam(alone.parameters(), 1e-2), []
    for batch in torch.arange(N).split(batch_size or N):
        losses.append((alone(X[batch]) - Y[batch]).square().mean())
        adam.zero_grad()
        (losses[-1] + (alone.latents(points) - 1).square().mean()).backward()
        adam.step()
    for name, weights in alone.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name][1], weights, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(rows["loss"][0, 1], torch.stack(losses).mean().detach())


@pytest.mark.parametrize("size", [(4, 3), (0, 2)])
def test_a_guide_of_other_variables_or_no_points(size):
    with pytest.raises(InputError, match=r"the guide's points are \(.*expected some, of 2 variab"):
        JointTraining(generators(), None, X, Y, Recipe(1, iters=0), Pull(torch.zeros(size)))


def test_a_fixed_critic_judges_all_members_and_stays():
    critic = SDNet(N, 1, 8, gp=0, generator=torch.Generator().manual_seed(3)).requires_grad_(False)
    kept = copy.deepcopy(critic.state_dict())
    recipe = Recipe(30, Weights(sd=10.0), lr=1e-2, iters=0)
    model = generators()
    training = JointTraining(model, critic, X, Y, recipe)
    before = training.scores(training.curves(model)[1])
    # to rounding, which depends on how many curves are scored at once
    torch.testing.assert_close(before[1], critic(model.latents(X).mT[1]))
    for figures in stretches(training, lambda block: Block(), 30):
        assert figures.rows.keys() == {"loss", "penalty"}
    after = training.scores(training.curves(model)[1])
    assert (after.mean(-1) > before.mean(-1)).all()
    assert all(torch.equal(weight, kept[name]) for name, weight in critic.state_dict().items())
    assert training.state().keys() == {"generator", "generator_optimizer"}


def test_masks_are_learned_by_their_penalties():
    recipe = Recipe(200, Weights(a2=1.0), lr=1e-2, iters=0)
    training, _ = trained(generators(), None, recipe, epochs=200)
    free, _ = trained(generators(), None, Recipe(200, lr=1e-2, iters=0), epochs=200)
    assert (training.model.latents.mask().norm() < free.model.latents.mask().norm()).all()


def draws_that_end(block, bad, members):
    real = curves_of(block, N)
    if bad // BLOCK == block:
        real[bad % BLOCK, 0, members] = torch.nan
    return Block(real)


@pytest.mark.parametrize("bad", [0, 5, BLOCK - 1, BLOCK + 2])
def test_a_lost_member_leaves_the_others_as_they_are(bad):
    recipe = Recipe(EPOCHS, Weights(sd=0.1), iters=1, average=0.9)
    lossy, rows = trained(
        generators(), critics(), recipe, lambda block: draws_that_end(block, bad, 1)
    )
    sound, expected = trained(
        generators(), critics(), recipe, lambda block: draws_that_end(block, EPOCHS, 1)
    )
    for name, row in rows.items():
        assert torch.equal(row[:, [0, 2]], expected[name][:, [0, 2]])
        assert torch.equal(row[:bad, 1], expected[name][:bad, 1])
        assert row[bad:, 1].isnan().all()
    mine, its = lossy.state(), sound.state()
    for part in ("generator", "critic", "average"):
        for name, weights in its[part].items():
            assert torch.equal(mine[part][name][[0, 2]], weights[[0, 2]])
    for part in ("generator", "average"):
        assert mine[part]["head.weights.0"][1].isnan().all()


def test_members_are_lost_one_by_one_until_the_last():
    """The state is that of the epoch before the last one is lost."""

    def draw(block):
        real = curves_of(block, N)
        if block == 0:
            for member, epoch in enumerate((9, 2, 5)):
                real[epoch, 0, member] = torch.inf
        return Block(real)

    training = JointTraining(
        generators(), critics(), X, Y, Recipe(EPOCHS, Weights(sd=0.1), iters=1)
    )
    steps = stretches(training, draw, EPOCHS)
    assert next(steps).rows["loss"].isfinite().sum(0).tolist() == [9, 2, 5]
    with pytest.raises(NonFiniteError) as caught:
        next(steps)
    assert caught.value.epoch == 9
    weights = training.model.head.weights[0]
    assert weights.isnan().flatten(1).all(1).tolist() == [False, True, True]
    assert weights[0].isfinite().all()


@pytest.mark.parametrize("bad", [0, 5, BLOCK - 1, BLOCK + 2])
def test_numbers_that_end(bad):
    """An epoch whose draws are no numbers: the state is that of the epoch before, bit for bit."""
    draw = lambda block: draws_that_end(block, bad, slice(None))  # noqa: E731

    recipe = Recipe(EPOCHS, Weights(sd=0.1), iters=1)
    training = JointTraining(generators(), critics(), X, Y, recipe)
    with pytest.raises(NonFiniteError) as caught:
        list(stretches(training, draw, EPOCHS))
    assert caught.value.epoch == bad
    expected = JointTraining(generators(), critics(), X, Y, recipe)
    for _ in stretches(expected, draw, bad):
        pass
    mine, its = training.state(), expected.state()
    for part in ("generator", "critic"):
        assert all(torch.equal(mine[part][name], its[part][name]) for name in its[part])
