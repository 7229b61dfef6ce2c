"""What is left unread of known latents, and the choice by loss, reading and score, by hand."""

import math

import pytest
import torch

from srnet.network import SRNet
from srnet.runs.measuring import chosen, unread

X = torch.randn(60, 2, generator=torch.Generator().manual_seed(0))
LIBRARY = {"lines": ["N0*abs(x0)", "N0*sin(2*U0*x1)"], "in_var": "X00"}


def members():
    """Three of two latents each, a ReLU and a line: (|x0|, x1), (relu(x0), x1), and a lost one."""
    model = SRNet(2, 1, hid_num=(1, 0), hid_size=2, lat_size=2, hid_type="MLP", stack=(3,))
    model.requires_grad_(False)
    for part in (*model.latents.weights, *model.latents.biases):
        part.zero_()
    inner, outer = model.latents.weights
    inner[:, 0, 0], inner[:, 0, 1] = 1.0, -1.0  # hidden units relu(x0) and relu(-x0)
    outer[0] = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    outer[1] = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    outer[2] = torch.nan
    return model


def test_what_is_left_by_hand():
    """|x0| is a line of the library; of relu(x0) the best shape is known; constants are read."""
    found = unread(members(), X, LIBRARY)
    ramp = X[:, 0].clamp_min(0)
    shapes = [X[:, 0].abs(), X[:, 0], X[:, 0] ** 2, X[:, 0] * X[:, 1], X[:, 1], X[:, 1] ** 2]
    left = min(1 - float(torch.corrcoef(torch.stack([ramp, s]))[0, 1]) ** 2 for s in shapes)
    assert found[0] == pytest.approx(0, abs=1e-5)
    assert found[1] == pytest.approx(left / 2, abs=1e-4)  # of two latents
    assert found[2].isnan()


def test_without_a_library_shapes_are_generic():
    found = unread(members(), X, None)
    assert found[0] <= 1e-4  # |x0|^c
    assert found[1] > 0


@pytest.mark.parametrize(("mask", "read"), [([1.0, 0.0], False), ([1.0, 1.0], True)])
def test_masks_hide_shapes(mask, read):
    """relu(x0) is x1 on these points, which a latent that sees x0 alone can't be."""
    kwargs = {"alpha": [mask]}
    model = SRNet(
        2, 1, (1, 0), 1, ("DSN", "MLP"), hid_kwargs=kwargs, lat_size=1, stack=(1,)
    ).requires_grad_(False)
    inner, outer = model.latents.networks.weights
    inner.copy_(torch.tensor([[[[1.0], [0.0]]]]))
    outer.fill_(1.0)
    points = torch.stack([X[:, 0], X[:, 0].clamp_min(0)], 1)
    (left,) = unread(model, points, LIBRARY)
    assert (float(left) <= 1e-5) is read


def picked(loss, unread=None, score=None):
    row = {"loss": torch.tensor(loss), "loss_inside": torch.tensor(loss)}
    row |= {} if unread is None else {"unread": torch.tensor(unread)}
    row |= {} if score is None else {"score": torch.tensor(score)}
    history = {"loss": torch.tensor([[1.0 if math.isfinite(x) else math.nan for x in loss]])}
    found = chosen(row, {"history": history, "seed": 5})
    return found["best"], [member["choice"] for member in found["members"]]


def test_loss_then_reading_then_score():
    best, why = picked(
        [0.1, 0.19, 0.15, 0.5, 0.12], [0.2, 0.02, 0.035, 0.0, 0.03], [9.0, 1.0, 3.0, 8.0, 2.0]
    )
    assert best == 2
    assert why == [
        "unread 0.2, another has 0.02",
        "score 1, another has 3",
        "chosen",
        "loss_inside 0.5, another has 0.1",
        "score 2, another has 3",
    ]


def test_readings_within_a_networks_error_are_equal():
    assert picked([0.1, 0.1, 0.1], [1e-6, 9e-5, 1.2e-4], [1.0, 2.0, 3.0])[0] == 1


def test_without_a_critic_the_reading_decides():
    assert picked([0.1, 0.12, 0.15], [0.03, 0.02, 0.025])[0] == 1


def test_of_the_loss_alone_the_least_decides():
    assert picked([0.12, 0.1])[0] == 1


def test_a_lost_member_is_passed_over():
    nan = math.nan
    best, why = picked([nan, 0.3, 0.2], [nan, 0.5, 0.1], [nan, 1.0, 2.0])
    assert (best, why[0]) == (2, "lost: non-finite in epoch 1")
