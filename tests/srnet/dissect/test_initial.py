"""Untrained networks: those of the same seed, and the trained one left alone."""

import copy

import pytest
import torch
from torch import nn

from sdnet.errors import InputError
from srnet.dissect.classifiers import dense
from srnet.dissect.initial import untrained

G = torch.Generator


def test_of_a_dense_classifier_it_is_the_one_that_training_begins_with():
    model = dense([4, 6, 3], G().manual_seed(0))
    before = copy.deepcopy(model.state_dict())
    fresh = untrained(model, G().manual_seed(7))
    for name, weights in dense([4, 6, 3], G().manual_seed(7)).state_dict().items():
        assert torch.equal(fresh.state_dict()[name], weights)
    for name, weights in model.state_dict().items():
        assert torch.equal(weights, before[name])


def test_convolutions_and_norms_begin_as_torch_has_it():
    model = nn.Sequential(nn.Conv2d(3, 8, 5, bias=False), nn.BatchNorm2d(8), nn.ReLU())
    nn.init.constant_(model[1].weight, 9.0)
    model[1].running_mean += 5
    fresh = untrained(model)
    bound = 75**-0.5
    assert 0.9 * bound < fresh[0].weight.abs().max() <= bound
    assert fresh[1].weight.unique().tolist() == [1]
    assert fresh[1].running_mean.unique().tolist() == [0]


def test_weights_of_an_unknown_kind_are_named():
    with pytest.raises(InputError, match="layer '1' is a Embedding, whose weights before training"):
        untrained(nn.Sequential(nn.Linear(1, 1), nn.Embedding(2, 2)))
