"""Recorded activations: what the layers gave, and a network that is as it was."""

import pytest
import torch
from torch import nn

from sdnet.errors import InputError
from srnet.dissect.classifiers import dense
from srnet.dissect.recording import activations

G = torch.Generator


def hooks(model):
    return sum(len(module._forward_hooks) for module in model.modules())


def test_outputs_are_those_of_the_layers():
    model = dense([3, 4, 2], G().manual_seed(0))
    x = torch.randn(5, 3, generator=G().manual_seed(1))
    found = activations(model, x, ["fc2", "relu1"])
    assert list(found) == ["fc2", "relu1"]
    assert torch.equal(found["relu1"], model.fc1(x).relu())
    assert torch.equal(found["fc2"], model(x))
    assert not found["fc2"].requires_grad


def test_batches_are_put_together_in_order():
    model = dense([3, 4, 2], G().manual_seed(0)).double()
    x = torch.randn(7, 3, generator=G().manual_seed(1)).double()
    parts = activations(model, x, ["fc2"], batch_size=3)["fc2"]
    torch.testing.assert_close(parts, model(x))


def test_a_layer_in_place_does_not_change_what_was_recorded_before_it():
    model = nn.Sequential(nn.Linear(1, 1), nn.ReLU(inplace=True))
    nn.init.ones_(model[0].weight), nn.init.zeros_(model[0].bias)
    found = activations(model, torch.tensor([[-2.0]]), ["0", "1"])
    assert (found["0"].item(), found["1"].item()) == (-2, 0)


def test_dropout_and_batch_norm_are_at_rest_and_each_mode_is_put_back():
    model = nn.Sequential(nn.BatchNorm1d(2), nn.Dropout(0.9), nn.Linear(2, 2))
    model.train()
    model[1].eval()  # modes that differ
    x = torch.randn(50, 2, generator=G().manual_seed(0)) + 3
    before = model[0].running_mean.clone()
    found = activations(model, x, ["1"])["1"]
    torch.testing.assert_close(found, x / (1 + 1e-5) ** 0.5)  # nothing dropped, norm of a start
    assert torch.equal(model[0].running_mean, before)
    assert [module.training for module in model] == [True, False, True]
    assert model.training


class Failing(nn.Module):
    def forward(self, x):
        raise ArithmeticError("as it happens")


def test_no_hook_is_left_also_after_an_error():
    model = nn.Sequential(nn.Linear(2, 2), Failing()).train()
    with pytest.raises(ArithmeticError):
        activations(model, torch.ones(1, 2), ["0"])
    assert hooks(model) == 0
    assert model.training
    with pytest.raises(InputError, match="layer 'fc9'"):
        activations(dense([2, 2, 2]), torch.ones(1, 2), ["fc1", "fc9"])
    sound = dense([2, 2, 2])
    activations(sound, torch.ones(1, 2), ["fc1"])
    assert hooks(sound) == 0


class Odd(nn.Module):
    """Runs `twice` two times, `never` not at all, and an LSTM, which gives no tensor."""

    def __init__(self):
        super().__init__()
        self.twice, self.never = nn.Linear(2, 2), nn.Linear(2, 2)
        self.lstm, self.total = nn.LSTM(2, 3, batch_first=True), Total()

    def forward(self, x):
        x = self.twice(self.twice(x))
        self.lstm(x[:, None])
        return self.total(x)


class Total(nn.Module):
    def forward(self, x):
        return x.sum()


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        ("twice", r"layer 'twice' runs 2 times in a pass; expected once"),
        ("never", r"layer 'never' runs 0 times in a pass"),
        ("lstm", r"layer 'lstm' gives a tuple; expected one tensor"),
        ("total", r"layer 'total' gives the shape \(\) for 3 examples; expected \(3, units\)"),
        ("twic", r"layer 'twic' is not in the network; did you mean 'twice'"),
    ],
)
def test_layers_that_have_no_units_are_refused(layer, words):
    with pytest.raises(InputError, match=words):
        activations(Odd(), torch.ones(3, 2), [layer])


@pytest.mark.parametrize(
    ("x", "options", "words"),
    [
        (torch.ones(0, 3), {}, r"x has the shape \(0, 3\)"),
        (torch.tensor(1.0), {}, r"x has the shape \(\)"),
        (torch.ones(2, 4), {}, r"can't take x of the shape \(2, 4\)"),
        (torch.ones(2, 3).double(), {}, r"can't take x .*float64"),
        (torch.ones(2, 3), {"batch_size": 0}, "batch_size is 0"),
        (torch.ones(2, 3), {"layers": []}, "expected a list of one name or more"),
        (torch.ones(2, 3), {"layers": "fc1"}, "layers is 'fc1'; expected a list"),
    ],
)
def test_examples_that_do_not_fit_are_refused(x, options, words):
    with pytest.raises(InputError, match=words):
        activations(dense([3, 4, 2]), x, **{"layers": ["fc1"], **options})


def test_a_convolution_gives_channels_and_places():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    found = activations(model, torch.ones(4, 1, 5, 5), ["1"])["1"]
    assert found.shape == (4, 2, 3, 3)


@pytest.mark.parametrize(
    ("layer", "x"),
    [
        (nn.BatchNorm2d(3), torch.ones(2, 3)),  # a ValueError
        (nn.Embedding(5, 2), torch.tensor([[1, 5]])),  # an IndexError
        (nn.Bilinear(2, 2, 1), torch.ones(2, 2)),  # a TypeError
    ],
)
def test_examples_that_a_layer_refuses_in_its_own_way_are_told(layer, x):
    with pytest.raises(InputError, match="can't take x of the shape"):
        activations(nn.Sequential(layer), x, ["0"])
