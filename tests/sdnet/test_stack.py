"""A stack's steps are its critics' own, and what fits a stack. Training is in test_together.py."""

import copy

import pytest
import torch

from sdnet.critic import CSDNet, SDNet
from sdnet.errors import InputError
from sdnet.stack import CriticStack, form, side_by_side
from sdnet.training import BLOCK, Curves, training_state

N, B = 20, 3
ITERS = [2, 5, 1, 2]


def critic(number: int, kind: dict) -> SDNet:
    own = {"iters": ITERS[number], "lr": 10 ** -(2 + number / 2), "wd": 0.1 * number, "gp": 0.1}
    generator = torch.Generator().manual_seed(number)
    return SDNet(N, **{"hid_num": 2, "hid_size": 8, **own, **kind}, generator=generator)


def block(number: int) -> Curves:
    stream, iters = torch.Generator().manual_seed(number), ITERS[number]
    real = torch.randn(BLOCK, iters, B, N, generator=stream)
    fake = torch.randn(BLOCK, B, N, generator=stream)
    return Curves(real, fake, torch.rand(BLOCK, iters, B, 1, generator=stream))


# -- steps ----------------------------------------------------------------------------------


def test_a_step_is_that_of_each_critic_with_as_many():
    critics = [critic(number, {}) for number in (1, 0, 2)]  # of 5 steps, 2 and 1
    alone = copy.deepcopy(critics)
    stack = CriticStack(critics, B)
    sides = torch.randn(2, 3, B, N, generator=torch.Generator().manual_seed(9))
    epsilon = torch.rand(3, B, 1, generator=torch.Generator().manual_seed(8))
    for number, active in ((0, 3), (1, 2), (2, 1), (4, 1), (0, 3)):
        margins, norms = stack.step(number, *sides, epsilon)
        assert len(margins) == len(norms) == active
        for e, one in enumerate(alone[:active]):
            expected = one.step(*sides[:, e], epsilon[e])
            assert torch.equal(margins[e], expected[0])
            assert torch.equal(norms[e], expected[1])
    for mine, its in zip(critics, alone, strict=True):
        assert all(map(torch.equal, mine.parameters(), its.parameters()))


def test_critics_in_a_stack_can_be_trained_alone_in_between():
    critics = [critic(number, {}) for number in (0, 3)]
    alone = copy.deepcopy(critics)
    stack = CriticStack(critics, B)
    sides = torch.randn(2, 2, B, N, generator=torch.Generator().manual_seed(9))
    epsilon = torch.rand(2, B, 1, generator=torch.Generator().manual_seed(8))
    state = training_state(critics[1])
    critics[0].step(*sides[:, 0], epsilon[0])
    alone[0].step(*sides[:, 0], epsilon[0])
    stack = CriticStack(critics, B)  # its gradients were the lone step's own
    stack.step(0, *sides, epsilon)
    for e, one in enumerate(alone):
        one.step(*sides[:, e], epsilon[e])
        assert all(map(torch.equal, critics[e].parameters(), one.parameters()))
    critics[1].load_state_dict(state["critic"])
    assert torch.equal(critics[1].critic.weights[0], state["critic"]["critic.weights.0"])


# -- what fits a stack ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [
        {"hid_size": 9},
        {"hid_num": 1},
        {"loss_fun": "wasserstein"},
        {"gp": 0.0},
        {"emb_size": 2},
    ],
)
def test_critics_of_other_forms_are_refused(other):
    assert form(critic(0, {})) != form(critic(3, other))
    with pytest.raises(InputError, match=r"critics of 2 form.* expected dense ones of one form"):
        CriticStack([critic(0, {}), critic(3, other)], B)


def test_those_with_more_steps_come_first():
    assert form(critic(0, {})) == form(critic(1, {}))
    with pytest.raises(InputError, match=r"iters \[2, 5\] were given; .* more iters first"):
        CriticStack([critic(0, {}), critic(1, {})], B)


def test_critics_that_have_no_stack():
    conv = CSDNet(N, conv_arch=[2])
    assert form(conv) is None
    stacks = [SDNet(N, hid_num=1, hid_size=4, stack=stack) for stack in ((2,), (3,), ())]
    assert form(stacks[0]) == form(stacks[1]) != form(stacks[2])
    with pytest.raises(InputError):
        CriticStack([conv], B)


def test_blocks_of_members_side_by_side():
    blocks = [block(number) for number in (1, 0)]  # 5 and 2 steps
    curves = side_by_side(blocks)
    assert curves.real.shape == (BLOCK, 5, 2, B, N)
    assert torch.equal(curves.real[:, :, 0], blocks[0].real)
    assert torch.equal(curves.real[:, :2, 1], blocks[1].real)
    assert not curves.real[:, 2:, 1].any()
    assert torch.equal(curves.fake[:, 1], blocks[1].fake)
    assert torch.equal(curves.epsilon[:, :2, 1], blocks[1].epsilon)
