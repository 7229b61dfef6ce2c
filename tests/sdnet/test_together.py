"""Critics in a stack against the same critics alone, which are the expected values throughout."""

import copy
import itertools
import math
from dataclasses import replace

import pytest
import torch

from sdnet.critic import CSDNet, SDNet
from sdnet.errors import InputError
from sdnet.library import SDData
from sdnet.together import Member, train_together
from sdnet.training import BLOCK, Curves, NonFiniteError, train, training_state

N, B = 20, 3
EPOCHS = BLOCK + 5

# Of each member: all that members of a stack may differ in.
MEMBERS = [
    {"iters": 2, "lr": 1e-2, "wd": 0.0, "betas": (0.9, 0.999), "gp": 0.1},
    {"iters": 5, "lr": 1e-3, "wd": 0.1, "betas": (0.5, 0.9), "gp": 1.0},
    {"iters": 1, "lr": 3e-2, "wd": 1e-3, "betas": (0.0, 0.99), "gp": 1e-5},
    {"iters": 2, "lr": 1e-4, "wd": 1e-4, "betas": (0.9, 0.999), "gp": 0.3},
]
LENGTHS = [EPOCHS, EPOCHS, EPOCHS - 7, 4]
SCHEDULES = ["constant", "cosine", "constant", "cosine"]

KINDS = {
    "dense": {},
    "no penalty": {"gp": 0.0},
    "wasserstein": {"loss_fun": "wasserstein"},
    "embedded": {"emb_size": 2, "hid_num": (1, 2), "hid_size": (5, 7)},
    "linear": {"hid_num": 0},
    "wide": {"hid_size": 64},
}
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
one_or_a_draw_a_step = pytest.mark.parametrize("each", [False, True], ids=["one draw", "draws"])


def critic(number: int, kind: dict) -> SDNet:
    generator = torch.Generator().manual_seed(number)
    return SDNet(N, **{"hid_num": 2, "hid_size": 8, **MEMBERS[number], **kind}, generator=generator)


def source(number: int, kind: dict, each: bool = False):
    """The curves of a member: they depend on its number and the block's only."""
    iters, point = MEMBERS[number]["iters"], [2] * ("emb_size" in kind)

    def draw(block: int) -> Curves:
        stream = torch.Generator().manual_seed(1000 * number + block)
        draws = iters if each else 1
        real = torch.randn(BLOCK, draws, B, N, *point, generator=stream) + 0.2
        fake = torch.randn(BLOCK, B, N, *point, generator=stream)
        return Curves(real, fake, torch.rand(BLOCK, iters, B, 1, generator=stream))

    return draw


def member(number: int, kind: dict, each: bool = False) -> Member:
    drawn = source(number, kind, each)
    return Member(critic(number, kind), drawn, LENGTHS[number], SCHEDULES[number])


def alone(number: int, kind: dict, each: bool = False, epochs: int | None = None):
    """The figures of a member that trains by itself, and its state in the end."""
    one, rows = member(number, kind, each), {"acc": [], "loss": [], "penalty": []}
    epochs = one.epochs if epochs is None else epochs
    left = itertools.count(1)
    for figures in train(
        one.critic,
        one.draw,
        one.epochs,
        schedule=one.schedule,
        stop=lambda: next(left) >= epochs,
    ):
        for name, row in rows.items():
            row.extend(getattr(figures, name))
    return rows, training_state(one.critic)


def trained(members: list[Member], **options) -> list[dict]:
    rows = [{"acc": [], "loss": [], "penalty": [], "times": []} for _ in members]
    for stretch in train_together(members, **options):
        for part in stretch:
            for name, row in rows[members.index(part.member)].items():
                row.extend(getattr(part.figures, name))
    return rows


def equal(a, b) -> bool:
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[name], b[name]) for name in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(equal, a, b))
    return torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b


def assert_as_alone(members, rows, kind, each=False):
    for number, (one, found) in enumerate(zip(members, rows, strict=True)):
        figures, state = alone(number, kind, each)
        assert {name: found[name] for name in figures} == figures
        assert equal(training_state(one.critic), state)


# -- the same bits --------------------------------------------------------------------------


@every_kind
@one_or_a_draw_a_step
def test_each_member_ends_as_it_does_alone(kind, each):
    members = [member(number, kind, each) for number in range(4)]
    assert_as_alone(members, trained(members), kind, each)


@pytest.mark.parametrize("pause", [1, 6, 1000])
def test_where_stretches_end_changes_nothing(pause):
    members = [member(number, {}) for number in range(4)]
    assert_as_alone(members, trained(members, pause=pause), {})


def test_a_critic_without_a_stack_trains_alone():
    small = {"conv_arch": [4, "M"], "hid_size": 8, "iters": 2, "gp": 0.1}
    critics = [CSDNet(N, **small, generator=torch.Generator().manual_seed(0)) for _ in range(2)]
    trained([Member(critics[0], source(0, {}), EPOCHS)])
    list(train(critics[1], source(0, {}), EPOCHS))
    assert equal(*map(training_state, critics))


def test_the_state_of_a_member_is_its_own_numbers(tmp_path):
    """Not the stack's, of which its tensors are parts."""
    members = [member(number, {}) for number in range(4)]
    trained(members)
    state = training_state(members[1].critic)
    for folder, numbers in (("stack", state), ("alone", alone(1, {})[1])):
        (tmp_path / folder).mkdir()
        torch.save(numbers, tmp_path / folder / "state.pt")
    sizes = {path.stat().st_size for path in tmp_path.glob("*/state.pt")}
    assert len(sizes) == 1
    kept = copy.deepcopy(state)
    list(train(members[1].critic, members[1].draw, EPOCHS + 2, start=EPOCHS))
    assert equal(state, kept)


# -- coming and going -----------------------------------------------------------------------


@pytest.mark.parametrize("at", [1, 7, BLOCK, BLOCK + 2])
@pytest.mark.parametrize("leaving", [0, 1])
def test_members_that_leave_do_not_touch_the_others(at, leaving):
    members = [member(number, {}) for number in range(4)]
    asked = itertools.count(1)
    rows = [[] for _ in members]
    for stretch in train_together(members, stop=lambda: next(asked) == at):
        for part in stretch:
            rows[members.index(part.member)] += part.figures.loss
        if len(rows[leaving]) == at:
            members[leaving].present = False
    for number, one in enumerate(members):
        epochs = min(at, LENGTHS[number]) if number == leaving else None
        figures, state = alone(number, {}, epochs=epochs)
        assert rows[number] == figures["loss"]
        assert equal(training_state(one.critic), state)


def test_one_that_left_can_go_on_alone():
    members = [member(number, {}) for number in (0, 1)]
    for _ in train_together(members, pause=10):
        for one in members:
            one.present = False
    left = members[0]
    list(train(left.critic, left.draw, EPOCHS, start=10))
    assert equal(training_state(left.critic), alone(0, {})[1])


def test_those_that_trained_alone_can_go_on_together():
    members = [member(number, {}) for number in range(3)]
    for one in members:
        asked = itertools.count(1)
        options = {"schedule": one.schedule, "stop": lambda asked=asked: next(asked) >= 9}
        list(train(one.critic, one.draw, one.epochs, **options))
    trained(members, start=9)
    for number, one in enumerate(members):
        assert equal(training_state(one.critic), alone(number, {})[1])


def test_nothing_is_left_to_do():
    assert trained([member(0, {})], start=EPOCHS)[0]["acc"] == []
    assert list(train_together([])) == []


def test_each_has_its_share_of_the_time():
    rows = trained([member(number, {}) for number in (1, 2)])
    assert [len(row["times"]) for row in rows] == [EPOCHS, EPOCHS - 7]
    both = zip(rows[0]["times"], rows[1]["times"], strict=False)
    for first, second in both:  # of 5 steps and of 1
        assert first > 0
        assert first == pytest.approx(5 * second)


# -- numbers that end -----------------------------------------------------------------------


@pytest.mark.parametrize("bad", [0, 5, BLOCK])
@pytest.mark.parametrize("pause", [2, BLOCK])
@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_a_member_that_is_not_finite_leaves_as_it_was_before(bad, pause, value):
    members = [member(number, {}) for number in range(3)]
    draw = members[0].draw

    def spoiled(block: int) -> Curves:
        curves = draw(block)
        if block == bad // BLOCK:
            curves.real[bad % BLOCK, 0, 0, 0] = value
        return curves

    members[0] = replace(members[0], draw=spoiled)
    errors, rows = [], [[] for _ in members]
    for stretch in train_together(members, pause=pause):
        for part in stretch:
            rows[members.index(part.member)] += part.figures.loss
            if part.error is not None:
                errors.append((members.index(part.member), part.error))
    ((number, error),) = errors
    assert isinstance(error, NonFiniteError)
    assert (number, error.epoch) == (0, bad)
    assert not members[0].present
    if bad:
        figures, state = alone(0, {}, epochs=bad)
        assert rows[0] == figures["loss"]
        assert equal(training_state(members[0].critic), state)
    else:
        assert rows[0] == []
    for other in (1, 2):
        figures, state = alone(other, {})
        assert rows[other] == figures["loss"]
        assert equal(training_state(members[other].critic), state)


def test_a_draw_that_cannot_be_had_ends_its_member_only():
    members = [member(number, {}) for number in range(3)]
    draw = members[1].draw

    def refused(block: int) -> Curves:
        if block:
            SDData.from_lines(["N0"], "X00").get(0, torch.zeros(1, 1))  # an InputError of its own
        return draw(block)

    members[1] = replace(members[1], draw=refused)
    stretches = list(train_together(members))
    # member 2 ends after 14 epochs, and the first block after 16
    assert [[members.index(part.member) for part in stretch] for stretch in stretches] == [
        [1, 0, 2],
        [1, 0],
        [1],
        [0],
    ]
    assert isinstance(stretches[2][0].error, InputError)
    assert not members[1].present
    assert equal(training_state(members[1].critic), alone(1, {}, epochs=BLOCK)[1])
    assert equal(training_state(members[0].critic), alone(0, {})[1])
    assert equal(training_state(members[2].critic), alone(2, {})[1])
