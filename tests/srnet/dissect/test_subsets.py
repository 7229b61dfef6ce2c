"""All subsets: any network, any suffix, against masks put in by hand; what is refused."""

from collections import OrderedDict
from copy import deepcopy
from math import pi

import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from sdnet.errors import InputError
from srnet.dissect.classifiers import dense
from srnet.dissect.interventions import Mask, intervene
from srnet.dissect.subset_numbers import members
from srnet.dissect.subsets import subset_losses, subset_table

UNITS = 5
GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(12, 3, generator=GENERATOR)
Y = torch.arange(12) % 3


class Net(nn.Module):
    """Functions between the layers, and if asked a way around them."""

    def __init__(self, around=False):
        super().__init__()
        self.hidden, self.output = nn.Linear(3, UNITS), nn.Linear(UNITS, 3)
        self.around = around

    def forward(self, x):
        logits = self.output(torch.relu(self.hidden(x)))
        return logits + x if self.around else logits


class Branching(Net):
    """What can't be traced: it asks for values."""

    def forward(self, x):
        return super().forward(x) if x.sum() < 1e9 else x


def chain(*after):
    layers = OrderedDict(hidden=nn.Linear(3, UNITS), relu=nn.ReLU())
    return nn.Sequential(layers | {f"after{i}": layer for i, layer in enumerate(after)})


NETWORKS = {
    "linear": (chain(nn.Linear(UNITS, 3)), "relu"),
    "before the ReLU": (chain(nn.Linear(UNITS, 3)), "hidden"),
    "no bias": (chain(nn.Identity(), nn.Linear(UNITS, 3, bias=False)), "relu"),
    "dropout": (chain(nn.Dropout(0.5), nn.Linear(UNITS, 3)), "relu"),
    "deeper": (chain(nn.Linear(UNITS, 4), nn.Tanh(), nn.Linear(4, 3)), "relu"),
    "another function": (chain(nn.Sigmoid(), nn.Linear(UNITS, 3)), "relu"),
    "the logits": (chain(nn.Linear(UNITS, 3)), "after0"),
    "own module": (Net(), "hidden"),
    "a way around": (Net(around=True), "hidden"),
    "not traced": (Branching(), "hidden"),
    "float64": (chain(nn.Linear(UNITS, 3)).double(), "relu"),
}


def one_by_one(model, layer, x, y, units):
    """Loss and accuracy with each subset's mask put in."""
    losses, accuracies = [], []
    for on in members(torch.arange(2**units), units):
        with torch.no_grad(), intervene(model, {layer: Mask(on)}):
            z = model(x)
        losses.append(cross_entropy(z, y).item())
        others = z.scatter(1, y[:, None], -torch.inf).amax(1)
        accuracies.append((z[torch.arange(len(y)), y] > others).double().mean().item())
    return torch.tensor(losses).double(), torch.tensor(accuracies).double()


@pytest.mark.parametrize("name", NETWORKS)
def test_any_network(name):
    model, layer = NETWORKS[name]
    model = deepcopy(model).eval()
    x = X.to(next(model.parameters()).dtype)
    before = deepcopy(model.state_dict())
    units = 3 if layer == "after0" else UNITS
    losses, accuracies = one_by_one(model, layer, x, Y, units)
    table = subset_table(model, layer, x, Y)
    assert table.losses.dtype == table.accuracies.dtype == x.dtype
    torch.testing.assert_close(table.losses.double(), losses, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(table.accuracies, accuracies.to(x.dtype))
    if name in ("no bias", "the logits"):  # without a unit all logits are 0
        assert table.accuracies[0] == 0
    assert torch.equal(subset_losses(model, layer, x, Y), table.losses)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


def test_bit_i_is_unit_i():
    model = chain(nn.Linear(UNITS, 3))
    table = subset_losses(model, "relu", X, Y)
    on = torch.tensor([0.0, 1, 0, 0, 1])
    expected = cross_entropy(model.after0(model.relu(model.hidden(X)) * on), Y)
    assert table[0b10010].item() == pytest.approx(expected.item(), rel=1e-6)
    assert table[-1].item() == pytest.approx(cross_entropy(model(X), Y).item(), rel=1e-6)


@pytest.mark.parametrize("after", [(), (nn.Identity(),)])
def test_one_logit(after):
    model = chain(nn.Linear(UNITS, 1), *after)
    y = Y % 2
    table = subset_table(model, "relu", X, y, reading="logit")
    z = model(X)[:, 0]
    expected = binary_cross_entropy_with_logits(z, y.float())
    assert table.losses[-1].item() == pytest.approx(expected.item(), rel=1e-6)
    assert table.accuracies[-1].item() == pytest.approx(((z > 0) == y).float().mean().item())


def test_channels_of_images():
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 2))
    x, y = torch.randn(6, 1, 4, 4, generator=GENERATOR), torch.arange(6) % 2
    losses, _ = one_by_one(model, "1", x, y, 3)
    torch.testing.assert_close(subset_losses(model, "1", x, y).double(), losses, rtol=1e-5, atol=0)


def test_float32_is_within_1e_5_of_float64():
    """Saturated, too: logits of 1e4."""
    for scale in (1.0, 1e4):
        model = dense([2, 10, 2], GENERATOR)
        with torch.no_grad():
            model.fc2.weight *= scale
        x = torch.rand(50, 2, generator=GENERATOR) * 2 - 1
        y = ((x**2).sum(1) < 2 / pi).long()
        single = subset_table(model, "relu1", x, y)
        double = subset_table(deepcopy(model).double(), "relu1", x.double(), y)
        torch.testing.assert_close(single.losses.double(), double.losses, rtol=1e-5, atol=1e-5)
        assert single.losses.isfinite().all()


def test_the_same_call_gives_the_same_bits():
    model = chain(nn.Linear(UNITS, 3))
    one, two = (subset_losses(model, "relu", X, Y) for _ in range(2))
    assert torch.equal(one, two)


def test_rows_are_the_best_of_each_size():
    table = subset_table(chain(nn.Linear(UNITS, 3)), "relu", X, Y)
    rows = table.rows()
    assert [row["units on"] for row in rows] == list(range(UNITS + 1))
    assert rows[-1]["units"] == "0 1 2 3 4"
    assert rows[-1]["least loss"] == table.losses[-1].item()
    assert rows[1]["least loss"] == min(table.losses[1 << i].item() for i in range(UNITS))
    assert rows[1]["accuracy"] == table.accuracies[1 << int(rows[1]["units"])].item()
    assert "least loss" in str(table)


def test_examples_not_in_one_piece_of_memory_and_one_example():
    model = chain(nn.Linear(UNITS, 3))
    strided = torch.randn(3, 12).T
    one = subset_losses(model, "relu", strided, Y)
    assert torch.equal(one, subset_losses(model, "relu", strided.contiguous(), Y))
    assert subset_losses(model, "relu", X[:1], Y[:1]).shape == (32,)


def refused(told, model, layer, x=X, y=Y):
    for study in (subset_table, subset_losses):
        with pytest.raises(InputError, match=told):
            study(model, layer, x, y)


def test_what_is_refused():
    model = chain(nn.Linear(UNITS, 3))
    refused("layer 'rely' is not in the network; did you mean 'relu'", model, "rely")
    refused("y has class 3; expected 0 to 2", model, "relu", y=Y + 1)
    refused(r"y is torch.int64 of shape \(11,\)", model, "relu", y=Y[1:])
    refused(r"x is shape \(0, 3\)", model, "relu", X[:0], Y[:0])
    refused(
        "isn't finite in example 1",
        model,
        "relu",
        X.clone().index_fill_(0, torch.tensor(1), torch.nan),
    )
    refused("expected the same", model, "relu", X.double())
    many = dense([3, 25, 3], GENERATOR)
    refused("has 25 units, .* expected at most 24; sample_losses draws", many, "relu1")
    dropping = chain(nn.Dropout(0.5), nn.Linear(UNITS, 3)).train()
    refused("Dropout in training mode", dropping, "relu")
    refused(
        r"gives \(\d+, 1\); expected logits .*reading='logit'", chain(nn.Linear(UNITS, 1)), "relu"
    )
