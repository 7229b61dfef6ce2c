"""Layers by their names, and the axis of their units."""

import pytest
import torch
from torch import nn

from sdnet.errors import InputError
from srnet.dissect.classifiers import dense
from srnet.dissect.layers import find_layer, layer_names, unit_axis


def test_names_of_nested_and_shared_layers():
    shared = nn.ReLU()
    model = nn.Sequential(nn.Sequential(nn.Linear(2, 3), shared), shared)
    assert layer_names(model) == ["0", "0.0", "0.1", "1"]
    assert find_layer(model, "0.1") is find_layer(model, "1") is shared


def test_a_layer_that_is_not_there():
    with pytest.raises(InputError, match=r"layer 'fc4' is not in the network; did you mean 'fc3'"):
        find_layer(dense([2, 3, 3, 2]), "fc4")
    with pytest.raises(InputError, match="layer 'fc1': a Linear has no layers inside it"):
        find_layer(nn.Linear(2, 2), "fc1")
    with pytest.raises(InputError, match="choose from fc1"):
        find_layer(dense([2, 2]), "")


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_network_without_hooks():
    model = torch.jit.script(nn.Sequential(nn.Linear(2, 2)))
    with pytest.raises(InputError, match="a TorchScript network takes no hooks"):
        find_layer(model, "0")


@pytest.mark.parametrize(
    ("layer", "shape", "axis"),
    [
        (nn.ReLU(), (10, 4), -1),
        (nn.Linear(3, 4), (10, 7, 4), -1),
        (nn.Linear(3, 4), (10, 7, 7, 4), -1),
        (nn.LayerNorm(4), (10, 7, 4), -1),
        (nn.MultiheadAttention(4, 2), (10, 7, 4), -1),
        (nn.Conv1d(3, 4, 1), (10, 4, 7), -2),
        (nn.Conv2d(3, 4, 1), (10, 4, 7, 7), -3),
        (nn.Conv2d(3, 4, 1), (4, 7, 7), -3),  # one example without a batch
        (nn.Conv3d(3, 4, 1), (10, 4, 7, 7, 7), -4),
        (nn.ReLU(), (10, 4, 7, 7), -3),
    ],
)
def test_the_axis_of_units(layer, shape, axis):
    output = torch.zeros(shape)
    assert unit_axis(layer, output) == axis
    assert output.shape[axis] == 4


def test_an_axis_that_the_user_says():
    assert unit_axis(nn.ReLU(), torch.zeros(10, 4, 7), axis=1) == -2
    assert unit_axis(nn.ReLU(), torch.zeros(10, 7, 4), axis=-1) == -1
    for wrong in (0, 3, -3):
        with pytest.raises(InputError, match=rf"\(10, 4, 7\), which has no axis {wrong} of units"):
            unit_axis(nn.ReLU(), torch.zeros(10, 4, 7), axis=wrong)


def test_an_axis_that_has_to_be_said():
    with pytest.raises(InputError, match=r"conv.1 gives \(10, 4, 7\); say which axis"):
        unit_axis(nn.ReLU(), torch.zeros(10, 4, 7), name="conv.1")
    with pytest.raises(InputError, match=r"gives \(10,\); expected \(n, units\)"):
        unit_axis(nn.ReLU(), torch.zeros(10))
