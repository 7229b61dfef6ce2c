"""Losses on a grid: which point is where, and what stands there."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from sdnet.errors import InputError
from srnet.dissect.circle import inside_circle
from srnet.dissect.classifiers import dense
from srnet.dissect.maps import loss_map
from srnet.dissect.switches import example_gradients

MODEL = dense([2, 4, 2], torch.Generator().manual_seed(0))


@pytest.mark.parametrize("setting", [None, torch.tensor([1.0, 0.0, 0.5, 1.0])])
def test_rows_and_columns(setting):
    found = loss_map(MODEL, "relu1", inside_circle, setting, size=7, low=-2, high=1)
    assert found.axis.tolist() == pytest.approx([-2, -1.5, -1, -0.5, 0, 0.5, 1])
    point = torch.tensor([[found.axis[5], found.axis[2]]])  # column 5, row 2
    label = inside_circle(point)
    assert found.labels[2, 5] == label
    losses, gradients = example_gradients(MODEL, "relu1", point, label, setting)
    torch.testing.assert_close(found.losses[2, 5], losses[0])
    torch.testing.assert_close(found.gradients[:, 2, 5], gradients[0])
    if setting is None:
        torch.testing.assert_close(losses[0], cross_entropy(MODEL(point), label))


def test_what_is_refused():
    with pytest.raises(InputError, match="the grid has 1 points a side"):
        loss_map(MODEL, "relu1", inside_circle, size=1)
    with pytest.raises(InputError, match="from 1 to -1"):
        loss_map(MODEL, "relu1", inside_circle, low=1, high=-1)
