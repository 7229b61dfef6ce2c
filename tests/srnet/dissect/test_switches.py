"""Derivatives by switches: autograd with the switches put in by hand, and at 0."""

from copy import deepcopy

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from sdnet.errors import InputError
from srnet.dissect.classifiers import dense
from srnet.dissect.interventions import Mask, intervene
from srnet.dissect.subset_numbers import members
from srnet.dissect.switches import example_gradients, subset_gradients, switch_gradients

GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(15, 3, generator=GENERATOR)
Y = torch.arange(15) % 3
LINEAR = dense([3, 6, 3], GENERATOR)
DEEP = nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 3))
NETWORKS = [(LINEAR, "relu1", 2), (DEEP, "1", 2)]


def by_hand(model, after, s):
    """The gradient of the mean loss by the switches, one setting after another."""
    found = []
    for setting in s:
        own = setting.clone().requires_grad_()
        loss = cross_entropy(model[after:](model[:after](X).detach() * own), Y)
        found.append(torch.autograd.grad(loss, own)[0])
    return torch.stack(found)


@pytest.mark.parametrize(("model", "layer", "after"), NETWORKS)
def test_at_any_setting(model, layer, after):
    s = torch.rand(7, 6, generator=GENERATOR)
    s[0], s[1], s[2, ::2] = 0, 1, 0
    found = switch_gradients(model, layer, X, Y, s)
    torch.testing.assert_close(found, by_hand(model, after, s), rtol=1e-4, atol=1e-6)
    assert all(p.grad is None for p in model.parameters())
    assert not s.requires_grad


@pytest.mark.parametrize(("model", "layer", "after"), NETWORKS)
def test_at_all_subsets(model, layer, after):
    s = members(torch.arange(64), 6).float()
    found = subset_gradients(model, layer, X, Y)
    torch.testing.assert_close(found, by_hand(model, after, s), rtol=1e-4, atol=1e-6)


class Around(nn.Module):
    """LINEAR with a way around its hidden layer."""

    def forward(self, x):
        return self.fc2(torch.relu(self.fc1(x))) + x

    def __init__(self):
        super().__init__()
        self.fc1, self.fc2 = LINEAR.fc1, LINEAR.fc2


@pytest.mark.parametrize(
    ("model", "layer"),
    [(LINEAR, "fc1"), (nn.Sequential(*LINEAR, nn.Tanh()), "0"), (Around(), "fc1")],
)
def test_a_unit_that_is_off_has_a_gradient_also_before_its_relu(model, layer):
    """relu(s a) at s = 0 has the slope relu(a) from above; automatic differentiation says 0."""
    found = switch_gradients(model, layer, X, Y, torch.zeros(1, 6))[0]
    model = deepcopy(model).double()
    for unit in range(6):
        step = 1e-6 * torch.eye(6)[unit].double()
        with torch.no_grad():
            after, before = (
                losses_with(model, layer, switches) for switches in (step, torch.zeros(6))
            )
        assert found[unit].item() == pytest.approx((after - before) / 1e-6, rel=1e-3)
        assert found[unit] != 0


def losses_with(model, layer, switches):
    with intervene(model, {layer: Mask(switches)}):
        return cross_entropy(model(X.double()), Y).item()


@pytest.mark.parametrize(("model", "layer", "after"), NETWORKS)
@pytest.mark.parametrize("setting", [None, torch.linspace(0, 1, 6)])
def test_of_each_example(model, layer, after, setting):
    losses, gradients = example_gradients(model, layer, X, Y, setting)
    s = torch.ones(6) if setting is None else setting
    plain = cross_entropy(model[after:](model[:after](X) * s), Y, reduction="none")
    torch.testing.assert_close(losses, plain, rtol=1e-5, atol=1e-6)
    together = switch_gradients(model, layer, X, Y, s[None])[0]
    torch.testing.assert_close(gradients.mean(0), together, rtol=1e-4, atol=1e-6)
    for row in (0, 14):
        alone = switch_gradients(model, layer, X[row : row + 1], Y[row : row + 1], s[None])[0]
        torch.testing.assert_close(gradients[row], alone, rtol=1e-4, atol=1e-6)


def test_what_is_refused():
    for told, s in {
        r"switches are \(1, 5\); expected \(k, 6\)": torch.ones(1, 5),
        r"switches are \(0, 6\)": torch.ones(0, 6),
        "a number outside": torch.full((1, 6), 1.5),
        "outside": torch.full((1, 6), torch.nan),
    }.items():
        with pytest.raises(InputError, match=told):
            switch_gradients(LINEAR, "relu1", X, Y, s)
    with pytest.raises(InputError, match=r"switches are \(1, 4\)"):
        example_gradients(LINEAR, "relu1", X, Y, torch.ones(4))
    with pytest.raises(InputError, match=r"21 units.* at most 20; switch_gradients"):
        subset_gradients(dense([3, 21, 3], GENERATOR), "relu1", X, Y)
