"""Channels of a point: shapes, their order, and what does not fit."""

import pytest
import torch

from sdnet.errors import InputError
from sdnet.extension import extend

CURVES = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])  # b = 2, n = 3
INPUTS = torch.tensor([[10.0, 70.0], [20.0, 80.0], [30.0, 90.0]])  # d = 2


def test_nothing_to_add():
    assert extend(CURVES).tolist() == CURVES.unsqueeze(-1).tolist()
    assert extend(CURVES, ext_type="stack").tolist() == CURVES.tolist()


def test_inputs_serve_every_curve():
    assert extend(CURVES, INPUTS).tolist() == [
        [[1, 10, 70], [2, 20, 80], [3, 30, 90]],
        [[4, 10, 70], [5, 20, 80], [6, 30, 90]],
    ]
    assert extend(CURVES, INPUTS, ext_type="stack").tolist() == [
        [1, 2, 3, 10, 20, 30, 70, 80, 90],
        [4, 5, 6, 10, 20, 30, 70, 80, 90],
    ]


@pytest.mark.parametrize("channel", [torch.tensor([7.0, 8, 9]), torch.tensor([[7.0], [8], [9]])])
def test_one_variable_with_or_without_its_axis(channel):
    assert extend(CURVES, channel, ext_type="stack").tolist() == [
        [1, 2, 3, 7, 8, 9],
        [4, 5, 6, 7, 8, 9],
    ]


@pytest.mark.parametrize("channel", [-CURVES, -CURVES.unsqueeze(-1)])
def test_a_channel_of_each_curve(channel):
    assert extend(CURVES, channel, ext_type="stack").tolist() == [
        [1, 2, 3, -1, -2, -3],
        [4, 5, 6, -4, -5, -6],
    ]


def test_channels_stand_in_the_order_they_are_given():
    slopes = torch.stack([CURVES + 0.5, -CURVES], dim=-1)  # (b, n, d)
    both = extend(CURVES, slopes, INPUTS)
    assert both.shape == (2, 3, 5)
    assert both[1, 2].tolist() == [6, 6.5, -6, 30, 90]
    stacked = extend(CURVES, slopes, INPUTS, ext_type="stack")
    assert stacked.shape == (2, 15)
    assert torch.equal(stacked.unflatten(-1, (5, 3)).mT, both)


def test_any_leading_axes():
    curves = torch.rand(4, 5, 2, 3)
    assert extend(curves, INPUTS).shape == (4, 5, 2, 3, 3)
    assert extend(curves, INPUTS, ext_type="stack").shape == (4, 5, 2, 9)
    per_draw = torch.rand(4, 1, 1, 3, 2)
    assert torch.equal(extend(curves, per_draw)[3, 4, 1, :, 1:], per_draw[3, 0, 0])
    single = torch.rand(3)
    assert torch.equal(extend(single, INPUTS), torch.cat([single[:, None], INPUTS], dim=1))


def test_a_channel_of_the_curves_own_shape_is_one_channel():
    """3 curves of 3 points, and (3, 3) numbers: not the inputs of 3 variables."""
    curves = torch.arange(9.0).reshape(3, 3)
    assert torch.equal(extend(curves, -curves), torch.stack([curves, -curves], dim=-1))
    # an axis more makes it the inputs of 3 variables
    inputs = 10 * curves.unsqueeze(0)
    assert torch.equal(extend(curves, inputs)[1, :, 1:], inputs[0])


@pytest.mark.parametrize("ext_type", ["embed", "stack"])
@pytest.mark.parametrize(
    "size",
    [
        (2,),  # as many numbers as curves
        (2, 1),  # other points
        (1, 2),  # one point only: not to be repeated
        (1, 3),  # one curve for all: its axis of channels is missing
        (4, 2),
        (3, 3, 1),  # other curves
        (2, 2, 3),  # channels first
        (1, 2, 3, 1),  # more axes than the curves
        (),
    ],
)
def test_channels_that_do_not_fit(size, ext_type):
    with pytest.raises(InputError) as caught:
        extend(CURVES, INPUTS, torch.zeros(size), ext_type=ext_type)
    assert "channel 2 has shape" in str(caught.value)
    assert "curves of shape (2, 3); expected (..., 3, channels)" in str(caught.value)


def test_unknown_ext_type():
    with pytest.raises(InputError, match="ext_type is 'stak'; did you mean 'stack'"):
        extend(CURVES, INPUTS, ext_type="stak")
