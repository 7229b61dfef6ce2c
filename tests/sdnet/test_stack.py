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


@pytest.mark.parametrize("hid_size", [3, 4])
@pytest.mark.parametrize("counts", [(0, 0, 0), (1, 2, 1), (3, 1, 1)], ids=["single", "1", "3"])
def test_small_critics_and_those_that_are_stacks(counts, hid_size):
    """Products of few numbers are often rounded alike by chance, when they are tried once."""

    def made():
        return [
            SDNet(
                N,
                hid_num=1,
                hid_size=hid_size,
                lr=1e-2,
                gp=0.1 * number,
                iters=1,
                stack=(count,) * bool(count),
                generator=torch.Generator().manual_seed(number),
            )
            for number, count in enumerate(counts, start=1)
        ]

    critics, alone = made(), made()
    stack = CriticStack(critics, 2)
    sizes = [count or 1 for count in counts]
    for seed in range(30):
        generator = torch.Generator().manual_seed(seed)
        sides = torch.randn(2, sum(sizes), 2, N, generator=generator)
        epsilon = torch.rand(sum(sizes), 2, 1, generator=generator)
        stack.step(0, *sides, epsilon)
        parts = zip(*(side.split(sizes) for side in (*sides, epsilon)), strict=True)
        for one, count, part in zip(alone, counts, parts, strict=True):
            one.step(*(side if count else side[0] for side in part))
        for mine, its in zip(critics, alone, strict=True):
            assert all(map(torch.equal, mine.parameters(), its.parameters()))


def test_critics_that_are_stacks_score_as_they_do_alone():
    critics = [SDNet(N, 1, 8, stack=(2,)), SDNet(N, 1, 8, stack=(1,))]
    curves = torch.randn(3, B, N)
    expected = [one(part) for one, part in zip(critics, curves.split([2, 1]), strict=True)]
    torch.testing.assert_close(CriticStack(critics, B).scores(curves), torch.cat(expected))


def test_what_is_one_for_all_steps_is_so_beside_those_with_one_for_each():
    blocks = [block(1), block(0)]
    real = blocks[1].real[:, :1]
    joined = side_by_side([blocks[0], Curves(real, blocks[1].fake, blocks[1].epsilon)])
    assert joined.real.shape[1] == 5
    assert torch.equal(joined.real[:, :, 1], real.expand(-1, 5, -1, -1))
    assert torch.equal(joined.real[:, :, 0], blocks[0].real)


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
