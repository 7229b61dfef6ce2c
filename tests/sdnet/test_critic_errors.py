"""What critics refuse: settings that can't be used, and curves that don't fit."""

import pytest
import torch

from sdnet.critic import CSDNet, SDNet
from sdnet.errors import InputError

N = 10


def dense(**settings) -> SDNet:
    return SDNet(**{"in_size": N, "hid_num": 1, "hid_size": 8, **settings})


def conv(**settings) -> CSDNet:
    return CSDNet(**{"in_size": N, "conv_arch": [4, "M"], "hid_size": 8, **settings})


@pytest.mark.parametrize(
    ("make", "wrong", "said"),
    [
        (dense, {"in_size": 0}, "in_size is 0"),
        (dense, {"hid_num": -1}, "hid_num is -1"),
        (dense, {"hid_num": (1, 2, 3)}, "expected one value or a pair"),
        (dense, {"emb_size": 0}, "emb_size is 0; expected a whole number of at least 1"),
        (dense, {"stack": (2, 3)}, r"stack is \(2, 3\)"),
        (dense, {"iters": 0}, "iters is 0"),
        (dense, {"gp": -0.1}, "gp is -0.1; expected a finite number of at least 0"),
        (dense, {"gp": float("nan")}, "gp is nan"),
        (dense, {"lr": -1.0}, "lr is -1.0"),
        (dense, {"wd": float("inf")}, "wd is inf"),
        (dense, {"betas": (0.9,)}, "betas is"),
        (dense, {"betas": (0.9, 1.0)}, r"betas is \(0.9, 1.0\); expected two numbers"),
        (dense, {"loss_fun": "bse"}, "loss_fun is 'bse'; did you mean 'bce'"),
        (conv, {"loss_fun": "hinge"}, "choose from bce, wasserstein"),
        (conv, {"in_size": 0}, "in_size is 0"),
        (conv, {"kernel_size": 4}, "kernel_size is 4; expected an odd number"),
        (conv, {"kernel_size": -1}, "kernel_size is -1"),
        (conv, {"emb_size": 0}, "emb_size is 0"),
        (conv, {"conv_arch": [8, "m"]}, "conv_arch has 'm'"),
        (conv, {"conv_arch": [0]}, "conv_arch has 0"),
        (conv, {"conv_arch": ["M"] * 4}, "pools the 10 points of a curve to none"),
        (conv, {"iters": 0}, "iters is 0"),
    ],
)
def test_settings_that_cannot_be_used(make, wrong, said):
    with pytest.raises(InputError, match=said):
        make(**wrong)


@pytest.mark.parametrize("make", [dense, conv])
@pytest.mark.parametrize(
    ("emb_size", "shape"),
    [
        (None, (6, N + 1)),  # other points
        (None, (N,)),  # no axis of curves
        (None, (6, N, 3)),  # channels without an embedding
        (None, (6, 3, N)),
        (3, (6, N)),  # an embedding without channels
        (3, (6, N, 2)),
        (3, (6, N + 1, 3)),
        (3, (6, 3, N)),
        (3, (N, 3)),
    ],
)
def test_curves_that_do_not_fit(make, emb_size, shape):
    critic = make(emb_size=emb_size)
    batch = torch.zeros(shape)
    expected = "(b, 10, 3)" if emb_size else "(b, 10)"
    for call in (
        lambda: critic(batch),
        lambda: critic.step(batch, batch, torch.zeros(6, 1)),
        lambda: critic.fit(batch.unsqueeze(0), batch),
    ):
        with pytest.raises(InputError) as caught:
            call()
        assert f"expected {expected}" in str(caught.value)
        assert f"curves of shape {shape}" in str(caught.value)


def test_curves_that_do_not_fit_a_stack():
    critic = SDNet(N, stack=(3,))
    for shape in [(6, N), (2, 6, N), (3, N), (1, 3, 6, N)]:
        with pytest.raises(InputError, match=r"expected \(3, b, 10\)"):
            critic(torch.zeros(shape))
    with pytest.raises(InputError, match="fit trains one critic"):
        critic.fit(torch.zeros(1, 3, 3, N), torch.zeros(3, 3, N))


@pytest.mark.parametrize("make", [dense, conv])
def test_sides_that_cannot_be_trained_on(make):
    critic, free = make(), make(gp=0)
    with pytest.raises(InputError, match="7 real and 6 fake curves were given"):
        critic.fit(torch.zeros(1, 7, N), torch.zeros(6, N))
    with pytest.raises(InputError, match="7 real and 6 fake curves were given"):
        critic.step(torch.zeros(7, N), torch.zeros(6, N), torch.zeros(6, 1))
    with pytest.raises(InputError, match="a step needs an epsilon"):
        critic.step(torch.zeros(6, N), torch.zeros(6, N))
    with pytest.raises(InputError, match="0 real and 6 fake"):
        free.fit(torch.zeros(1, 0, N), torch.zeros(6, N))
    with pytest.raises(InputError, match="expected real"):
        critic.fit(torch.zeros(2, 6, N), torch.zeros(6, N))  # neither 1 nor 5 draws
    with pytest.raises(InputError, match="expected real"):
        critic.fit(torch.zeros(6, N), torch.zeros(6, N))
    assert len(free.fit(torch.zeros(1, 7, N), torch.zeros(6, N))) == 5


@pytest.mark.parametrize("shape", [(4,), (4, 1, 1), (3, 1)])
@pytest.mark.parametrize("emb_size", [None, 2])
def test_an_epsilon_of_another_shape(shape, emb_size):
    critic = SDNet(6, hid_num=1, hid_size=4, emb_size=emb_size, gp=1.0)
    curves = torch.rand(4, 6) if emb_size is None else torch.rand(4, 6, 2)
    with pytest.raises(InputError, match=r"epsilon has shape .*; expected \(4, 1\)"):
        critic.step(curves, curves, torch.rand(shape))
