"""Checks that all studies share: one sentence for each mistake."""

import pytest
import torch
from torch import nn

from sdnet.errors import InputError
from srnet.dissect.classifiers import dense
from srnet.dissect.inputs import check_evaluation, check_examples, check_labels

MODEL = dense([3, 4, 2], torch.Generator().manual_seed(0))


def test_examples():
    check_examples(MODEL, torch.zeros(1, 3))
    check_examples(nn.Embedding(5, 3), torch.tensor([[1, 2]]))  # tokens have a type of their own
    gap = torch.zeros(4, 3)
    gap[2, 1] = torch.inf
    wrong = {
        r"x is shape \(0, 3\); expected a tensor of examples": torch.zeros(0, 3),
        "isn't finite in example 2": gap,
        "x is torch.float64 and the network torch.float32": torch.zeros(1, 3).double(),
        "x is on meta and the network on cpu": torch.zeros(1, 3, dtype=torch.int64, device="meta"),
    }
    for told, x in wrong.items():
        with pytest.raises(InputError, match=told):
            check_examples(MODEL, x)


def test_labels():
    check_labels(torch.tensor([0, 1, 1]), 3, 2)
    check_labels(torch.tensor([0, 1], dtype=torch.uint8), 2, 2)
    wrong = {
        "y has class 2; expected 0 to 1": torch.tensor([0, 1, 2]),
        "y has class -1": torch.tensor([0, 1, -1]),
        r"y is torch.int64 of shape \(2,\)": torch.tensor([0, 1]),
        r"y is torch.int64 of shape \(3, 1\)": torch.tensor([[0], [1], [1]]),
        "y is torch.float32": torch.tensor([0.0, 1, 1]),
        "y is torch.bool": torch.tensor([True, False, True]),
    }
    for told, y in wrong.items():
        with pytest.raises(InputError, match=told):
            check_labels(y, 3, 2)
    with pytest.raises(InputError, match="no examples"):
        check_labels(torch.zeros(0, dtype=torch.int64), 0, 2)


@pytest.mark.parametrize(
    ("layer", "differs"),
    [
        (nn.Dropout(0.5), True),
        (nn.Dropout(0.0), False),
        (nn.BatchNorm1d(3), True),
        (nn.BatchNorm2d(3, track_running_stats=False), True),
        (nn.InstanceNorm1d(3), False),
        (nn.LayerNorm(3), False),
        (nn.GRU(3, 3, num_layers=2, dropout=0.5), True),
        (nn.MultiheadAttention(4, 2), False),
        (nn.Linear(3, 3), False),
    ],
)
def test_layers_in_training_mode(layer, differs):
    model = nn.Sequential(nn.Linear(3, 3), layer)
    if differs:
        with pytest.raises(InputError, match=f"layer '1' is a {type(layer).__name__} in training"):
            check_evaluation(model)
    check_evaluation(model.eval() if differs else model)
