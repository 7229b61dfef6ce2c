"""The training loop: stretches, stopping and going on, rates, figures, and numbers that end."""

import copy
import io
import itertools
import math

import pytest
import torch

from sdnet.critic import Critic, CSDNet, SDNet
from sdnet.errors import InputError
from sdnet.training import (
    BLOCK,
    Curves,
    Figures,
    NonFiniteError,
    learning_rate,
    restore,
    train,
    training_state,
)

N, B, ITERS = 8, 5, 3
EPOCHS = BLOCK + 9

KINDS = {
    "dense": {},
    "embedded": {"emb_size": 2},
    "conv": {"conv_arch": [4, "M"]},
    "no penalty": {"gp": 0, "loss_fun": "wasserstein"},
}
every_kind = pytest.mark.parametrize("settings", KINDS.values(), ids=KINDS)


def make(**settings) -> Critic:
    kind = CSDNet if "conv_arch" in settings else SDNet
    small = {"in_size": N, "hid_num": 1, "hid_size": 8, "lr": 1e-2, "gp": 0.1, "iters": ITERS}
    return kind(**{**small, **settings}, generator=torch.Generator().manual_seed(0))


def source(draws: int = 1, emb_size: int | None = None, **_):
    """Real curves rise, fake ones fall; a block's curves depend on its number only."""
    point = () if emb_size is None else (emb_size,)
    slope = torch.linspace(-1, 1, N).reshape(N, *[1] * len(point))

    def draw(block: int) -> Curves:
        stream = torch.Generator().manual_seed(100 + block)
        real = slope + torch.randn(BLOCK, draws, B, N, *point, generator=stream)
        fake = -slope + torch.randn(BLOCK, B, N, *point, generator=stream)
        return Curves(real, fake, torch.rand(BLOCK, ITERS, B, 1, generator=stream))

    return draw


def joined(stretches) -> dict[str, list[float]]:
    """The figures of all stretches in a row, without the times."""
    rows = {"acc": [], "loss": [], "penalty": []}
    for figures in stretches:
        assert figures.non_finite is None
        assert len(figures.times) == len(figures.acc)
        assert all(seconds > 0 for seconds in figures.times)
        for name, row in rows.items():
            row.extend(getattr(figures, name))
    return rows


def stop_after(epochs: int):
    """True once it has been asked as many times, and from then on."""
    asked = itertools.count(1)
    return lambda: next(asked) >= epochs


def assert_same_state(one: Critic, other: Critic) -> None:
    """Weights and moments, bit for bit."""
    mine, its = training_state(one), training_state(other)
    assert mine["critic"].keys() == its["critic"].keys()
    for name, numbers in mine["critic"].items():
        assert torch.equal(numbers, its["critic"][name])
    assert torch.equal(mine["optimizer"]["steps"], its["optimizer"]["steps"])
    for name in ("first", "second"):
        assert all(map(torch.equal, mine["optimizer"][name], its["optimizer"][name]))


# -- rates ----------------------------------------------------------------------------------


def test_cosine_falls_from_the_rate_to_zero():
    rates = [learning_rate("cosine", 2.0, epoch, 12) for epoch in range(13)]
    assert [rates[epoch] for epoch in (0, 4, 6, 12)] == pytest.approx([2, 1.5, 1, 0])
    assert all(later < rate for rate, later in itertools.pairwise(rates))
    assert {learning_rate("constant", 2.0, epoch, 12) for epoch in range(13)} == {2.0}


def test_unknown_schedule():
    with pytest.raises(InputError, match="schedule is 'cosin'; did you mean 'cosine'"):
        next(train(make(), source(), 10, schedule="cosin"))


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
@pytest.mark.parametrize("start", [0, 7])
def test_each_epoch_has_its_rate(schedule, start):
    critic, rates = make(), []

    def note() -> bool:
        rates.append(critic.optimizer.lr)
        return False

    for _ in train(critic, source(), 20, start=start, schedule=schedule, pause=3, stop=note):
        pass
    expected = [learning_rate(schedule, 1e-2, epoch, 20) for epoch in range(start, 20)]
    assert rates == expected


# -- stretches, stopping, going on ----------------------------------------------------------


def test_an_epoch_is_its_steps():
    """Against a loop by hand, with one draw an epoch and with one a step."""
    for draws in (1, ITERS):
        critic, twin = make(), make()
        found = joined(train(critic, source(draws), BLOCK + 3))
        for epoch in range(BLOCK + 3):
            curves, place = source(draws)(epoch // BLOCK), epoch % BLOCK
            fake, rows = curves.fake[place], []
            for i in range(ITERS):
                real = curves.real[place, i % draws]
                margins, norms = twin.step(real, fake, curves.epsilon[place, i])
                logits = torch.nn.functional.softplus(-margins)
                loss = logits[:B].mean() + logits[B:].mean()
                right = (margins[:B] > 0).sum() + (margins[B:] >= 0).sum()
                rows.append((right / (2 * B), loss, (norms - 1).square().mean()))
            rows = rows[:draws]  # what was not trained on before
            for name, column in zip(
                ("acc", "loss", "penalty"), zip(*rows, strict=True), strict=True
            ):
                assert found[name][epoch] == pytest.approx(float(sum(column) / draws), abs=1e-6)
        assert_same_state(critic, twin)


@every_kind
@pytest.mark.parametrize("pause", [1, 5, 25])
def test_the_length_of_stretches_changes_nothing(settings, pause):
    whole, parts = make(**settings), make(**settings)
    expected = joined(train(whole, source(**settings), EPOCHS, pause=1000))
    stretches = list(train(parts, source(**settings), EPOCHS, pause=pause))
    assert joined(stretches) == expected
    assert_same_state(parts, whole)
    ends = set(itertools.accumulate(len(figures.acc) for figures in stretches))
    assert ends == {*range(pause, EPOCHS, pause), BLOCK, EPOCHS}


@every_kind
@pytest.mark.parametrize(
    ("at", "pause"), [(1, 1), (7, 7), (BLOCK - 1, 4), (BLOCK, BLOCK), (EPOCHS - 1, 5)]
)
def test_stopped_at_any_epoch_and_gone_on_is_never_stopped(settings, at, pause):
    whole = make(**settings)
    options = {"schedule": "cosine", "pause": pause}
    expected = joined(train(whole, source(ITERS, **settings), EPOCHS, schedule="cosine"))

    first = make(**settings)
    begun = joined(train(first, source(ITERS, **settings), EPOCHS, stop=stop_after(at), **options))
    assert len(begun["acc"]) == at
    file = io.BytesIO()
    torch.save(training_state(first), file)
    file.seek(0)

    second = make(**settings)
    restore(second, torch.load(file, weights_only=True))
    rest = joined(train(second, source(ITERS, **settings), EPOCHS, start=at, **options))
    assert {name: begun[name] + rest[name] for name in begun} == expected
    assert_same_state(second, whole)


def test_nothing_is_left_to_do():
    for start in (10, 11):
        assert list(train(make(), source(), 10, start=start)) == []


@pytest.mark.parametrize("at", [1, 4, BLOCK, BLOCK + 4])
@pytest.mark.parametrize("pause", [1, 4, BLOCK])
def test_stop_is_asked_after_every_epoch_and_ends_it_there(at, pause):
    asked, drawn = [], []

    def stop() -> bool:
        asked.append(len(asked))
        return len(asked) == at  # once only: one yes is enough

    def draw(block: int) -> Curves:
        drawn.append(block)
        return source()(block)

    figures = joined(train(make(), draw, EPOCHS, pause=pause, stop=stop))
    assert len(figures["acc"]) == len(asked) == at
    assert drawn == list(range((at - 1) // BLOCK + 1))


def test_a_pause_of_nothing():
    with pytest.raises(InputError, match="pause is 0"):
        next(train(make(), source(), 10, pause=0))


def test_a_training_state_is_a_copy():
    critic = make()
    list(train(critic, source(), 3))
    state = training_state(critic)
    kept, twin = copy.deepcopy(state), make()
    list(train(critic, source(), 6, start=3))
    for name, numbers in state["critic"].items():
        assert torch.equal(numbers, kept["critic"][name])
    restore(twin, state)
    list(train(twin, source(), 6, start=3))
    assert_same_state(twin, critic)
    for name, numbers in state["critic"].items():
        assert torch.equal(numbers, kept["critic"][name])


# -- figures --------------------------------------------------------------------------------


def known(draws: list[list[list[float]]], fake: list[list[float]], **settings) -> Figures:
    """One epoch of the critic 3 x0 + 4 x1, which does not learn."""
    critic = SDNet(2, hid_num=0, lr=0, wd=0, gp=1, iters=2, **settings)
    with torch.no_grad():
        critic.critic.weights[0].copy_(torch.tensor([[3.0], [4.0]]))
        critic.critic.biases[0].zero_()
    real, fake = torch.tensor(draws), torch.tensor(fake)
    curves = Curves(
        real.expand(BLOCK, *real.shape),
        fake.expand(BLOCK, *fake.shape),
        torch.full((BLOCK, 2, len(fake), 1), 0.5),
    )
    (figures,) = train(critic, lambda block: curves, 1)
    return figures


RIGHT, WRONG = [[1.0, 0.0], [0.0, 1.0]], [[-1.0, 0.0], [0.0, -1.0]]  # scores 3, 4; -3, -4


def test_figures_of_a_known_critic():
    figures = known([RIGHT], WRONG, loss_fun="wasserstein")
    assert (figures.acc, figures.loss, figures.penalty) == ([1], [-7], [16])
    figures = known([RIGHT], RIGHT, loss_fun="wasserstein")
    assert (figures.acc, figures.loss, figures.penalty) == ([0.5], [0], [16])
    figures = known([[[0.0, 0.0], [0.0, 0.0]]], WRONG)
    # a score of 0 is not above 0
    assert figures.acc == [0.5]
    phi = [math.log(2), (math.log1p(math.exp(-3)) + math.log1p(math.exp(-4))) / 2]
    assert figures.loss == pytest.approx([sum(phi)])


def test_figures_are_a_mean_over_draws():
    figures = known([RIGHT, WRONG], WRONG, loss_fun="wasserstein")
    assert (figures.acc, figures.loss, figures.penalty) == ([0.75], [(-7 + 0) / 2], [16])


# -- numbers that end -----------------------------------------------------------------------


def spoiled(draw, bad: int, value: float):
    """The same curves, but for one number in one epoch."""

    def spoil(block: int) -> Curves:
        curves = draw(block)
        if block == bad // BLOCK:
            curves.real[bad % BLOCK, 0, 0, 0] = value
        return curves

    return spoil


def until_error(stretches) -> tuple[list[Figures], NonFiniteError]:
    """What came before the error, and the error."""
    collected = []
    try:
        for figures in stretches:
            collected.append(figures)
    except NonFiniteError as error:
        return collected, error
    raise AssertionError("it went on to the end")


@every_kind
@pytest.mark.parametrize(
    ("bad", "pause"), [(0, 1), (0, BLOCK), (5, 1), (5, 2), (5, 6), (BLOCK - 1, BLOCK), (BLOCK, 1)]
)
@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_an_epoch_that_is_not_finite_is_named_and_undone(settings, bad, pause, value):
    critic, good = make(**settings), make(**settings)
    expected = joined(train(good, source(**settings), bad))
    draw = spoiled(source(**settings), bad, value)
    stretches, error = until_error(train(critic, draw, EPOCHS, pause=pause))
    assert error.epoch == bad
    assert str(error) == f"training became non-finite in epoch {bad + 1}"
    assert joined(stretches) == expected
    assert_same_state(critic, good)


def test_a_rate_that_throws_the_weights_away():
    critic, untouched = make(lr=1e30), make(lr=1e30)
    _, error = until_error(train(critic, source(), EPOCHS))
    assert error.epoch == 0  # the second of its steps sees what the first did
    assert_same_state(critic, untouched)


@pytest.mark.parametrize("pause", [1, 2, BLOCK])
def test_weights_that_are_lost_while_the_losses_are_numbers(pause):
    """A gradient that overflows in an epoch of one step: the next epoch's loss shows it first."""

    def overflowing(critic: SDNet) -> SDNet:
        with torch.no_grad():  # the score is 8e5 for every curve
            critic.critic.weights[0].fill_(0)
            critic.critic.biases[0].fill_(1)
            critic.critic.weights[1].fill_(1e5)
        return critic

    settings = {"iters": 1, "gp": 0, "lr": 0, "wd": 0}
    critic, good = overflowing(make(**settings)), overflowing(make(**settings))

    def draw(block: int) -> Curves:
        curves = source()(block)
        curves.fake[5] *= 1e35  # the first layer's gradient is 1e5 times that
        return curves

    expected = joined(train(good, draw, 5))
    stretches, error = until_error(train(critic, draw, EPOCHS, pause=pause))
    assert error.epoch == 5
    assert joined(stretches) == expected
    assert_same_state(critic, good)


@pytest.mark.parametrize("pause", [1, 4, BLOCK])
def test_moments_that_are_lost_end_it_too(pause):
    """A square that overflows would stop its weight for ever, unseen."""
    settings = {"iters": 1, "gp": 0, "wd": 0, "hid_num": 0, "loss_fun": "wasserstein"}
    critic, good = make(**settings), make(**settings)
    list(train(good, source(), 5))
    _, error = until_error(train(critic, spoiled(source(), 5, 1e25), EPOCHS, pause=pause))
    assert error.epoch == 5
    assert_same_state(critic, good)
