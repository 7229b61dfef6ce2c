"""Optimisers carried through lesions: bit for bit without any, cut along with the weights else."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sdnet.errors import InputError
from srnet.dissect import carry_optimizer, cut, dense, shrink, zero_out
from srnet.dissect.weights import weight

X = torch.randn(30, 6, generator=torch.Generator().manual_seed(1))
Y = torch.arange(30) % 3


def network():
    return dense([6, 5, 3], torch.Generator().manual_seed(0))


def train(model, optimizer, steps=5):
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(model(X), Y).backward()
        optimizer.step()


MAKE = {
    "adam": lambda p: torch.optim.Adam(p, lr=0.05),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.05, weight_decay=0.1, amsgrad=True),
    "fused": lambda p: torch.optim.Adam(p, lr=0.05, fused=True),
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
}


@pytest.mark.parametrize("kind", MAKE)
def test_carried_past_no_weights_training_goes_on_as_if_nothing_was(kind):
    """The control: a mask of no weights, and a twin that is trained in one go."""
    model, twin = network(), network()
    optimizer, whole = MAKE[kind](model.parameters()), MAKE[kind](twin.parameters())
    train(model, optimizer)
    control = zero_out(model, {"fc1": 0.0})
    before = copy.deepcopy(optimizer.state_dict())
    train(control, carry_optimizer(optimizer, model, control))
    train(twin, whole, steps=10)
    for one in ("fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"):
        assert torch.equal(weight(control, one), weight(twin, one))
    after = optimizer.state_dict()["state"]
    for place, kept in before["state"].items():
        for key, value in kept.items():
            assert torch.equal(value, after[place][key]), "the old optimiser moved too"


def test_moments_are_cut_along_with_their_weights():
    model = network()
    groups = [{"params": model.fc1.parameters(), "lr": 0.01}, {"params": model.fc2.parameters()}]
    optimizer = torch.optim.Adam(groups, lr=0.05)
    train(model, optimizer)
    after = shrink(shrink(zero_out(model, {"fc1": 0.2}), "fc1", [1], X), "fc1", [0, 3], X)
    carried, kept = carry_optimizer(optimizer, model, after), [2, 3]  # of 0 2 3 4 without 0 and 3
    for key in ("exp_avg", "exp_avg_sq"):
        old, new = optimizer.state[model.fc1.weight][key], carried.state
        assert torch.equal(new[after.fc1.parametrizations.weight.original][key], old[kept])
        old = optimizer.state[model.fc2.weight][key]
        assert torch.equal(new[after.fc2.weight][key], old[:, kept])
    assert carried.state[after.fc2.bias]["step"] == 5
    assert [group["lr"] for group in carried.param_groups] == [0.01, 0.05]
    assert type(carried) is torch.optim.Adam
    train(after, carried)


def test_what_is_cut_takes_its_moments_along():
    model = network()
    optimizer = torch.optim.Adam(model.parameters())
    train(model, optimizer)
    carried = carry_optimizer(optimizer, model, cut(model, "fc2"))
    assert [len(group["params"]) for group in carried.param_groups] == [3]
    assert len(carried.state) == 3


def test_bad_input():
    model, other = network(), cut(network(), "fc2")
    optimizer = torch.optim.Adam(model.parameters())
    with pytest.raises(InputError, match="the network has 0 lesions that don't go on from the 1"):
        carry_optimizer(optimizer, other, model)
    with pytest.raises(InputError, match=r"of shape \(5, 6\) that isn't of the network"):
        carry_optimizer(optimizer, network(), network())
    lbfgs = torch.optim.LBFGS(model.parameters())

    def loss():
        lbfgs.zero_grad()
        value = F.cross_entropy(model(X), Y)
        value.backward()
        return value

    lbfgs.step(loss)
    with pytest.raises(InputError, match="start a fresh one"):
        carry_optimizer(lbfgs, model, cut(model, "fc2"))


def test_a_copied_network_is_the_same_network_with_the_same_lesions():
    model = network()
    optimizer = torch.optim.Adam(model.parameters())
    train(model, optimizer)
    damaged = copy.deepcopy(cut(model, "fc2"))
    assert len(carry_optimizer(optimizer, model, damaged).state) == 3
    assert isinstance(damaged, nn.Sequential)
