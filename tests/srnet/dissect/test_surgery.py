"""Units taken out: dependent layers follow, and what belongs to a weight stays with it."""

import copy
import io
import sys

import pytest
import torch
import torch_pruning
from torch import nn

from sdnet.errors import InputError
from srnet.dissect import Lesions, add_noise, cut, dense, noise_levels, replay, shrink, zero_out


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def without(size, units):
    return [unit for unit in range(size) if unit not in units]


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.out = nn.Linear(5, 6), nn.Linear(6, 3)
        self.inner, self.back = nn.Linear(6, 7), nn.Linear(7, 6)

    def forward(self, x):
        h = self.stem(x)
        return self.out(h + self.back(torch.relu(self.inner(h))))


class Elman(nn.Module):
    """h' = tanh(W x + U h), three ticks: each layer is used at every tick."""

    def __init__(self):
        super().__init__()
        self.input, self.back, self.out = nn.Linear(4, 6), nn.Linear(6, 6), nn.Linear(6, 2)

    def forward(self, x):
        h = torch.tanh(self.input(x))
        for _ in range(3):
            h = torch.tanh(self.input(x) + self.back(h))
        return self.out(h)


def test_dense_layers_follow():
    model, x = dense([6, 5, 4, 3], seeded()), torch.randn(8, 6, generator=seeded(1))
    before = copy.deepcopy(model.state_dict())
    smaller, kept = shrink(model, "fc2", [1, 3], x), without(4, [1, 3])
    h = torch.relu(model.fc1(x))
    h = torch.relu(h @ model.fc2.weight[kept].T + model.fc2.bias[kept])
    expected = h @ model.fc3.weight[:, kept].T + model.fc3.bias
    assert torch.allclose(smaller(x), expected, atol=1e-6)
    assert (smaller.fc2.out_features, smaller.fc3.in_features) == (2, 2)
    assert str(smaller.lesions) == "Removed 2 of the 4 units of fc2: 1, 3; fc3 followed."
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert model.fc2.out_features == 4
    file = io.BytesIO()
    torch.save(smaller.lesions.to_plain(), file)
    file.seek(0)
    lesions = Lesions.from_plain(torch.load(file, weights_only=True))
    assert torch.equal(replay(model, lesions)(x), smaller(x))


def test_convolutions_normalisations_and_what_is_flattened_follow():
    """A channel taken out is one that is 0 from its normalisation's ReLU on."""
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 5, 3),
        nn.BatchNorm2d(5),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(5 * 16, 3),
    )
    x = torch.randn(7, 1, 8, 8, generator=seeded())
    model(x)  # running means that differ between channels
    model.eval()
    smaller, gone = shrink(model, "3", [0, 4], x), [0, 4]
    twin = copy.deepcopy(model)
    with torch.no_grad():
        twin[4].weight[gone] = twin[4].bias[gone] = 0
    assert torch.allclose(smaller(x), twin(x), atol=1e-5)
    assert smaller[4].running_mean.shape == (3,)
    assert smaller[7].in_features == 3 * 16


def test_units_of_a_residual_stream_leave_all_that_write_to_it():
    model, x = Residual(), torch.randn(8, 5, generator=seeded())
    smaller, kept = shrink(model, "back", [0, 2], x), [1, 3, 4, 5]
    h = x @ model.stem.weight[kept].T + model.stem.bias[kept]
    inner = torch.relu(h @ model.inner.weight[:, kept].T + model.inner.bias)
    h = h + inner @ model.back.weight[kept].T + model.back.bias[kept]
    assert torch.allclose(smaller(x), h @ model.out.weight[:, kept].T + model.out.bias, atol=1e-6)
    assert set(smaller.lesions[0].followers) == {"stem", "inner", "out"}
    inside = shrink(model, "inner", [0, 2], x)
    assert (inside.stem.out_features, inside.back.in_features) == (6, 5)


def test_units_of_a_recurrent_network_leave_both_ends_of_its_loop():
    model, x = Elman(), torch.randn(8, 4, generator=seeded())
    smaller, kept = shrink(model, "back", [1, 4], x), without(6, [1, 4])
    twin = Elman()
    twin.load_state_dict(model.state_dict())
    for layer in (twin.input, twin.back):
        layer.weight.data, layer.bias.data = layer.weight.data[kept], layer.bias.data[kept]
    for layer in (twin.back, twin.out):
        layer.weight.data = layer.weight.data[:, kept]
    assert torch.allclose(smaller(x), twin(x), atol=1e-6)


class Sequence(nn.Module):
    """A linear layer, a recurrent one, and what is read out of all its ticks or of the last."""

    def __init__(self, kind, read):
        super().__init__()
        self.first, self.out, self.read = nn.Linear(4, 6), nn.Linear(5, 2), read
        self.loop = kind(6, 5, batch_first=True)

    def forward(self, x):
        out, state = self.loop(torch.relu(self.first(x)))
        state = state[0] if isinstance(state, tuple) else state
        return self.out({"all": out, "last": out[:, -1], "state": state[-1]}[self.read])


@pytest.mark.parametrize("read", ["all", "last", "state"])
@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
def test_units_of_recurrent_layers_leave_all_gates_and_the_loop(kind, read):
    """A unit taken out is one whose outgoing weights, in the loop and out of it, are 0."""
    model, x = Sequence(kind, read), torch.randn(3, 7, 4, generator=seeded())
    gone = [1, 4]
    smaller, twin = shrink(model, "loop", gone, x), copy.deepcopy(model)
    with torch.no_grad():
        twin.loop.weight_hh_l0[:, gone] = 0
        twin.out.weight[:, gone] = 0
    assert torch.allclose(smaller(x), twin(x), atol=1e-6)
    assert smaller.loop.hidden_size == smaller.out.in_features == 3
    gates = {nn.RNN: 1, nn.GRU: 3, nn.LSTM: 4}[kind]
    assert smaller.loop.weight_hh_l0.shape == (3 * gates, 3)
    optimizer = torch.optim.SGD(smaller.parameters(), lr=0.1)
    before = smaller(x)
    before.sum().backward()
    optimizer.step()
    assert (smaller(x) != before).all()


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
def test_recurrent_layers_follow_the_layer_before_them(kind):
    model, x = Sequence(kind, "state"), torch.randn(3, 7, 4, generator=seeded())
    damaged = zero_out(cut(model, "loop.weight_hh_l0"), {"loop.weight_ih_l0": 0.3})
    smaller, twin = shrink(damaged, "first", [0, 2], x), copy.deepcopy(model)
    with torch.no_grad():
        twin.loop.weight_ih_l0[:] = damaged.loop.weight_ih_l0
        twin.loop.weight_ih_l0[:, [0, 2]] = 0
        twin.loop.weight_hh_l0[:] = 0
    assert torch.allclose(smaller(x), twin(x), atol=1e-6)
    assert smaller.loop.input_size == 4


def test_masks_cuts_noise_and_modes_stay_on_what_is_left():
    model, x = dense([6, 5, 4, 3], seeded()), torch.randn(8, 6, generator=seeded(1))
    model.fc1.weight.requires_grad_(False)
    model.relu1.eval()
    model.fc2.weight.grad = torch.ones(4, 5)
    damaged = zero_out(model, {"fc2": 0.5, "fc3": 0.5}, generator=seeded())
    damaged = add_noise(cut(damaged, "fc1"), "fc2", 0.5, generator=seeded())
    smaller, kept = shrink(damaged, "fc2", [0], x), [1, 2, 3]
    assert torch.equal(smaller.fc2.weight, damaged.fc2.weight[kept])
    assert torch.equal(smaller.fc3.weight, damaged.fc3.weight[:, kept])
    assert int((smaller.fc3.weight == 0).sum()) == int((damaged.fc3.weight[:, kept] == 0).sum()) > 0
    assert "fc1.weight" not in dict(smaller.named_parameters())
    assert noise_levels(smaller) == {"fc2": 0.5}
    assert [m.training for m in smaller.modules()] == [m.training for m in damaged.modules()]
    optimizer = torch.optim.SGD(smaller.parameters(), lr=0.1, momentum=0.9)
    for _ in range(3):
        optimizer.zero_grad()
        smaller(x).square().sum().backward()
        optimizer.step()
    assert torch.equal(smaller.fc3.weight == 0, damaged.fc3.weight[:, kept] == 0)


def test_weights_that_are_not_trained_stay_so():
    model = dense([6, 5, 3], seeded())
    model.requires_grad_(False)
    smaller = shrink(model, "fc1", 0.4, torch.zeros(1, 6), generator=seeded())
    assert not any(p.requires_grad for p in smaller.parameters())


@pytest.mark.parametrize(("share", "left"), [(0, 7), (0.05, 7), (0.08, 6), (0.3, 5), (0.9, 1)])
def test_the_number_of_units_is_rounded(share, left):
    """Of 7 units: 0.08 is 0.56 of a unit, which a truncation would leave."""
    model = dense([6, 7, 3], seeded())
    smaller = shrink(model, "fc1", share, torch.zeros(1, 6), generator=seeded())
    assert smaller.fc1.out_features == smaller.fc2.in_features == left


def test_units_follow_from_the_seed():
    model, x = dense([6, 30, 3], seeded()), torch.zeros(1, 6)
    state = torch.get_rng_state()
    units = [shrink(model, "fc1", 0.5, x, generator=seeded(s)).lesions[0].units for s in (1, 1, 2)]
    assert torch.equal(torch.get_rng_state(), state)
    assert units[0] == units[1] != units[2]


X = torch.zeros(2, 6)
BAD = [
    ("fc1", [5], X, r"units \[5\], expected different whole numbers from 0 to 4"),
    ("fc1", [1, 1], X, "different whole numbers"),
    ("fc1", [-1], X, "different whole numbers"),
    ("fc1", 1.0, X, r"the share of layer 'fc1' is 1.0; expected .* \[0, 1\)"),
    ("fc1", 0.95, X, "'fc1' would lose all its 5 units"),
    ("fc1", list(range(5)), X, "would lose all its 5 units"),
    ("fc4", 0.1, X, "'fc4' is not in the network"),
    ("relu1", 0.1, X, r"layer 'relu1' is ReLU\(\); .*: choose from fc1, fc2, fc3"),
    ("fc3", [0], X, "outputs of the network"),
    ("fc1", [0], torch.tensor(0.0), r"expected tensors \(batch, ...\)"),
    ("fc1", [0], torch.zeros(2, 7), "can't be passed through for units of layer 'fc1'"),
]


@pytest.mark.parametrize(("layer", "units", "example", "message"), BAD)
def test_bad_input(layer, units, example, message):
    with pytest.raises(InputError, match=message):
        shrink(dense([6, 5, 4, 3], seeded()), layer, units, example)


def test_a_network_that_cannot_be_followed_is_told():
    class Raw(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.weights = nn.Linear(6, 5), nn.Parameter(torch.ones(5, 3))

        def forward(self, x):
            return self.first(x) @ self.weights

    with pytest.raises(InputError, match="can't be passed through for units of layer 'first'"):
        shrink(Raw(), "first", [0], X)
    tied = dense([6, 5, 5, 5], seeded())
    tied.fc3.weight = tied.fc2.weight
    with pytest.raises(InputError, match=r"fc3.weight, a tied weight"):
        shrink(tied, "fc1", [0], X)
    assert shrink(tied[:3], "fc1", [0], X)(X).shape == (2, 5)
    normed = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(6, 5)), nn.Linear(5, 2))
    with pytest.raises(InputError, match="layer '0' has a parametrised weight"):
        shrink(normed, "0", [0], X)
    unused = nn.Sequential(nn.Linear(6, 5))
    unused[0].register_module("other", nn.Linear(6, 5))
    with pytest.raises(InputError, match=r"'0\.other' has no part in the network's output"):
        shrink(unused, "0.other", [0], X)


def test_recurrent_layers_in_several_layers_are_refused():
    model = nn.ModuleDict({"loop": nn.GRU(2, 3, num_layers=2), "fc": nn.Linear(3, 1)})
    with pytest.raises(InputError, match=r"'loop' is GRU\(2, 3, num_layers=2\); .*fc"):
        shrink(model, "loop", [0], torch.zeros(1, 4, 2))


def test_a_library_that_stumbles_is_told(monkeypatch):
    def stumble(*_, **__):
        raise IndexError("list index out of range")

    monkeypatch.setattr(torch_pruning.DependencyGraph, "build_dependency", stumble)
    with pytest.raises(InputError, match=r"it can't be followed .* 'fc1' \(IndexError\('list"):
        shrink(dense([6, 5, 3]), "fc1", [0], X)


def test_a_missing_library_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_pruning", None)
    with pytest.raises(InputError, match=r"pip install symdisc\[lesions\]"):
        shrink(dense([6, 5, 3]), "fc1", [0], X)
