"""Networks in two parts: the parts give what the whole gives, and nothing is written over."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from sdnet.errors import InputError
from srnet.dissect.classifiers import dense
from srnet.dissect.cutting import Captured, Rerun, Rest, split
from srnet.dissect.interventions import Mask, intervene
from srnet.network import SRNet

X = torch.rand(6, 4, generator=torch.Generator().manual_seed(1))


class Net(nn.Module):
    """Three linear layers; subclasses say how they follow each other."""

    def __init__(self):
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(4, 5), nn.Linear(5, 5), nn.Linear(5, 3)


class Functional(Net):
    def forward(self, x, short=False):
        hidden = functional.relu(self.fc1(x))
        if short:
            return hidden
        return self.fc3(self.fc2(hidden).relu_())


class Tanh(Net):
    def forward(self, x):
        return self.fc3(torch.tanh(self.fc1(x)))


class Skip(Net):
    def forward(self, x):
        hidden = self.fc1(x).relu()
        return self.fc3(hidden + self.fc2(hidden))


class Branch(Net):
    def forward(self, x):
        hidden = self.fc1(x)
        if hidden.sum() > -1e9:  # torch.fx can't follow
            hidden.relu_()
        return self.fc3(self.fc2(hidden))


class Scaled(Net):
    """Something besides the layer's output goes into the suffix: no cut, unless it is constant."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, x):
        return self.fc3(self.fc2(self.fc1(x)) * self.scale)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(4, 5), nn.ReLU())

    def forward(self, x):
        return self.inner(x)


IN_PLACE = nn.Sequential(nn.Linear(4, 5), nn.ReLU(inplace=True), nn.Linear(5, 3))
NESTED = nn.Sequential(nn.Sequential(nn.Linear(4, 5), nn.ReLU()), nn.Linear(5, 3))
DEEP = nn.Sequential(Block(), nn.Sequential(nn.Linear(5, 3), nn.Tanh()))


@pytest.mark.parametrize(
    ("model", "layer", "kind"),
    [
        (dense([4, 5, 5, 3]), "fc1", Rest),
        (dense([4, 5, 5, 3]), "relu2", Rest),
        (dense([4, 5, 5, 3]), "fc3", Rest),  # the suffix is empty
        (IN_PLACE, "0", Rest),
        (NESTED, "0", Rest),
        (NESTED, "0.0", Rest),
        (DEEP, "0.inner.0", Rest),
        (DEEP, "1.0", Rest),
        (Functional(), "fc1", Rest),
        (Functional(), "fc2", Rest),
        (Skip(), "fc1", Rest),
        (Skip(), "fc2", Rerun),
        (Skip(), "fc3", Rest),
        (Branch(), "fc1", Rerun),
        (Branch(), "fc2", Rerun),
        (Scaled(), "fc2", Rest),
        (SRNet(4, 2, lat_size=3), "latents", object),  # the tests' checks of shapes aren't traced
        (SRNet(4, 2, lat_size=3), "head", object),
    ],
)
def test_the_parts_give_what_the_whole_gives(model, layer, kind):
    """Also of other activations, against a hook; and what goes into the suffix stays as it is."""
    whole = model(X)
    prefix, suffix = split(model, layer)
    assert isinstance(suffix, kind)
    acts = prefix(X)
    kept = acts.clone()
    assert torch.equal(suffix(acts, X), whole)
    assert torch.equal(acts, kept)
    mask = torch.arange(acts.shape[-1]) != 1
    with intervene(model, {layer: Mask(mask)}):
        expected = model(X)
    assert torch.equal(suffix(acts * mask, X), expected)
    both = suffix(torch.cat([acts, acts * mask]), X)
    assert torch.allclose(both, torch.cat([whole, expected]), atol=1e-6)
    assert all(not module._forward_hooks for module in model.modules())


def test_the_parts_are_the_networks_own_modules_and_gradients_flow():
    for model in (dense([4, 5, 3]), Functional(), Branch()):
        layer = "fc1"
        prefix, suffix = split(model, layer)
        acts = prefix(X)
        suffix(acts, X).sum().backward()
        found = [p.grad for p in model.parameters()]
        model.zero_grad(set_to_none=True)
        model(X).sum().backward()
        for one, parameter in zip(found[2:], list(model.parameters())[2:], strict=True):
            assert torch.allclose(one, parameter.grad, atol=1e-6)


def test_chains_are_cut_into_chains():
    """Of such a suffix the studies see what comes next."""
    model = Functional()
    kinds = [type(step) for step in split(model, "fc1").suffix.network]
    assert kinds == [nn.ReLU, nn.Linear, nn.ReLU, nn.Linear]
    assert [type(step) for step in split(dense([4, 5, 3]), "fc1").suffix.network] == [
        nn.ReLU,
        nn.Linear,
    ]
    model = Tanh()
    steps = list(split(model, "fc1").suffix.network)
    assert [type(step) for step in steps] == [nn.Tanh, nn.Linear]
    assert steps[1] is model.fc3


def test_a_module_that_is_there_twice_is_cut_where_its_name_is():
    shared = nn.ReLU()
    model = nn.Sequential(nn.Linear(4, 5), shared, nn.Linear(5, 5), shared, nn.Linear(5, 3))
    for layer in ("1", "3"):
        prefix, suffix = split(model, layer)
        assert len(prefix.network) == int(layer) + 1
        assert torch.equal(suffix(prefix(X)), model(X))


class Twice(Net):
    def forward(self, x):
        return self.fc3(self.fc2(self.fc2(self.fc1(x))))


class Unused(Net):
    def forward(self, x):
        return self.fc3(self.fc1(x))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(4, 3, batch_first=True)

    def forward(self, x):
        return self.rnn(x[:, None])[0][:, 0]


@pytest.mark.parametrize(
    ("model", "layer", "told"),
    [
        (Twice(), "fc2", "layer 'fc2' is run 2 times in a forward pass; expected once"),
        (Unused(), "fc2", "layer 'fc2' is run 0 times"),
        (Recurrent(), "rnn", "layer 'rnn' gives a tuple; expected a tensor"),
        (nn.Sequential(nn.GRU(4, 3)), "0", "layer '0' gives a tuple; expected a tensor"),
    ],
)
def test_layers_where_no_cut_is(model, layer, told):
    prefix, _ = split(model, layer)
    with pytest.raises(InputError, match=told):
        prefix(X)
    assert all(not module._forward_hooks for module in model.modules())


def test_a_rerun_needs_its_inputs():
    prefix, suffix = split(Skip(), "fc2")
    assert isinstance(prefix, Captured)
    for given in ((prefix(X),), (prefix(X)[:5], X), (prefix(X), X[:0])):
        with pytest.raises(InputError, match="can't be cut there"):
            suffix(*given)
    with pytest.raises(InputError, match="did you mean 'fc2'"):
        split(Skip(), "fc22")
