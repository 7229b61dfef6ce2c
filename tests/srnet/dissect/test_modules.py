"""Modules: planted ones are found exactly, the caller's network stays as it is."""

import copy
from itertools import product

import pytest
import torch
from torch import nn

from sdnet.errors import InputError
from srnet.dissect.classifiers import dense, train_classifier
from srnet.dissect.controls import compare_module
from srnet.dissect.data import load_dataset
from srnet.dissect.fronts import module_fronts, pareto
from srnet.dissect.frozen import FrozenNetwork
from srnet.dissect.heads import fit_head, last_units, logits_under
from srnet.dissect.modules import Search, discover_module, learn_module
from srnet.dissect.tasks import Task, one_against_rest, score

BITS = torch.tensor(list(product([-1.0, 1.0], repeat=5)))
"""Two pairs of bits and one that is of no use."""

FIRST, SECOND = (BITS[:, 0] != BITS[:, 1]).long(), (BITS[:, 2] != BITS[:, 3]).long()
CLASSES = FIRST + 2 * SECOND
TASKS = {"first": Task("first", (0, 1, 0, 1)), "second": Task("second", (0, 0, 1, 1))}
PLANTED = {
    "first": {"relu1": [0, 1], "relu2": [0]},
    "second": {"relu1": [2, 3], "relu2": [1]},
}
"""The blocks of `planted`: without any of these units the task can't be done."""


def planted():
    """Two blocks, an exclusive or each, and units that tell nothing, all seen by a head.

    Of a pair (a, b): relu(1 - relu(a + b) / 2 - relu(-a - b) / 2), 1 if a and b differ, else 0.
    """
    model = dense([5, 6, 3, 4])
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.fc1.weight[0, :2], model.fc1.weight[1, :2] = 1.0, -1.0
        model.fc1.weight[2, 2:4], model.fc1.weight[3, 2:4] = 1.0, -1.0
        model.fc1.weight[4, 4], model.fc1.weight[5, 4] = 1.0, -1.0
        model.fc2.weight[0, :2] = model.fc2.weight[1, 2:4] = -0.5
        model.fc2.weight[2, 4:] = 1.0
        model.fc2.bias[:2] = 1.0
        signs = torch.tensor([[-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]])
        model.fc3.weight[:, :2] = 12 * signs
        model.fc3.bias.copy_(-6 * signs.sum(1))
    return model


def data(seed=0, count=256):
    rows = torch.randint(32, (count,), generator=torch.Generator().manual_seed(seed))
    return BITS[rows], CLASSES[rows]


def discovered(model, layers, task, alpha=0.01, seed=0, steps=200, **settings):
    return discover_module(
        model,
        layers,
        data(),
        task,
        alpha,
        search=Search(steps=steps, batch_size=64),
        generator=torch.Generator().manual_seed(seed),
        **settings,
    )


def which(module):
    return {name: mask.nonzero().flatten().tolist() for name, mask in module.kept.items()}


@pytest.mark.parametrize("head", ["new", "old"])
@pytest.mark.parametrize("name", TASKS)
def test_a_planted_module_is_found_exactly(name, head):
    module = discovered(planted(), ["relu2", "relu1"], TASKS[name], head=head)
    assert which(module) == PLANTED[name]
    assert module.score((BITS, CLASSES)).balanced_accuracy == 1.0
    assert [row["kept"] for row in module.rows()] == [2, 1]


def test_the_module_is_the_best_of_all_masks():
    """A twin that tries all 2^6 masks, under the stated objective, with the old head."""
    model, task, alpha = planted(), TASKS["first"], 0.05
    with torch.no_grad():  # some noise, so that every unit has some effect
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3))
            parameter.add_(0.1 * noise)
    module = discovered(model, ["relu1"], task, alpha, head="old", steps=250)
    x, y = data()
    _, labels = task.labels(y)
    acts = model.relu1(model.fc1(x)).detach()
    objective = {}
    for mask in product([0.0, 1.0], repeat=6):
        logits = model.fc3(model.relu2(model.fc2(acts * torch.tensor(mask)))).detach()
        objective[mask] = score(task.group_logits(logits), labels).loss + alpha * sum(mask)
    best = min(objective, key=objective.get)
    assert 0 < sum(best) < 6
    assert module.kept["relu1"].float().tolist() == list(best)


def test_the_callers_network_stays_as_it_is():
    """Freezing, evaluation mode, statistics of batch norm and hooks are the copy's."""
    model = nn.Sequential(
        nn.Linear(5, 6), nn.BatchNorm1d(6), nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Linear(6, 4)
    ).train()
    before = copy.deepcopy(model.state_dict())
    module = discovered(model, ["2"], TASKS["first"], steps=5)
    after = model.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert all(layer.training and not layer._forward_hooks for layer in model.modules())
    with torch.no_grad():
        model[0].weight.zero_()
    assert not torch.equal(module.logits(BITS)[0], module.logits(BITS)[-1])


@pytest.mark.parametrize("layers", [["0"], ["1"], ["0", "1"]])
def test_masked_passes_are_those_of_edited_weights(layers):
    """Also where a ReLU works in place: a unit masked after it gives 0, its bias too."""
    generator = torch.Generator().manual_seed(0)
    first, last = nn.Linear(5, 6), nn.Linear(6, 3)
    model = nn.Sequential(first, nn.ReLU(inplace=True), last)
    x = torch.randn(40, 5, generator=generator)
    mask = torch.tensor([True, False, True, True, False, True])
    frozen = FrozenNetwork(model, layers, x)
    rows = frozen.start(x)
    kept = dict.fromkeys(layers, mask)
    task = Task("all", (0, 1, 2))
    whole = logits_under(frozen, rows, {}, task, None)
    found = logits_under(frozen, rows, kept, task, None)
    expected = (first(x).relu() * mask) @ last.weight.T + last.bias
    torch.testing.assert_close(found, expected.detach())
    torch.testing.assert_close(whole, model(x).detach())
    acts = first(x) if layers == ["0"] else first(x).relu()
    torch.testing.assert_close(last_units(frozen, rows, kept), (acts * mask).detach())
    assert torch.equal(logits_under(frozen, rows, {}, task, None), whole)  # rows are untouched


class Branched(nn.Module):
    """A network that can't be cut after its layer."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(5, 6), nn.Linear(11, 4)

    def forward(self, x):
        return self.last(torch.cat([self.first(x), x], 1))


def test_a_network_that_is_no_chain():
    model = Branched()
    frozen = FrozenNetwork(model, ["first"], BITS)
    rows = frozen.start(BITS)
    nothing = {"first": torch.zeros(6, dtype=torch.bool)}
    found = logits_under(frozen, rows, nothing, Task("all", (0, 1, 2, 3)), None)
    expected = BITS @ model.last.weight[:, 6:].T + model.last.bias
    torch.testing.assert_close(found, expected.detach())


def test_channels_of_images_are_units_and_a_new_head_sees_their_means():
    model = nn.Sequential(nn.Conv2d(1, 3, 2), nn.Flatten(), nn.Linear(12, 2)).double()
    x = torch.rand(5, 1, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    frozen = FrozenNetwork(model, ["0"], x)
    assert frozen.units == {"0": 3}
    kept = {"0": torch.tensor([True, False, True])}
    means = model[0](x).mean((2, 3)).detach() * kept["0"]
    torch.testing.assert_close(last_units(frozen, frozen.start(x), kept), means)
    module = discover_module(
        model, ["0"], (x, torch.tensor([0, 1, 0, 1, 1])), one_against_rest(1, 2),
        search=Search(steps=3),
    )  # fmt: skip
    assert module.logits(x).dtype == torch.float64


def test_a_fitted_head_is_the_minimum():
    generator = torch.Generator().manual_seed(0)
    acts = torch.randn(60, 3, generator=generator, dtype=torch.float64)
    labels = (acts[:, 0] + torch.randn(60, generator=generator) > 0.8).long()
    head = fit_head(acts, labels, 2).requires_grad_(True)
    losses = nn.functional.cross_entropy(head(acts), labels, reduction="none")
    balanced = sum(losses[labels == group].mean() for group in range(2)) / 2
    (balanced + 5e-5 * head.weight.square().sum()).backward()
    assert head.weight.grad.abs().max() < 1e-5
    assert head.bias.grad.abs().max() < 1e-5


def test_the_same_seed_gives_the_same_module_and_a_loader_too():
    x, y = data()
    task, search = TASKS["first"], Search(steps=50, batch_size=48)
    found = [
        discover_module(
            planted(), ["relu1"], given, task, 0.01, search=search,
            generator=torch.Generator().manual_seed(4),
        )
        for given in ((x, y), (x, y), list(zip(x.split(100), y.split(100), strict=True)))
    ]  # fmt: skip
    for other in found[1:]:
        assert other.history == found[0].history
        assert torch.equal(other.head.weight, found[0].head.weight)


@pytest.fixture(scope="module")
def digits():
    generator = torch.Generator().manual_seed(0)
    data = load_dataset()
    model = dense([64, 40, 20, 10], generator)
    train_classifier(model, data.x_train, data.y_train, epochs=10, generator=generator)
    return model, data


def test_the_number_kept_does_not_depend_on_how_long_masks_are_trained():
    """A penalty on raw logits goes on forever: idle units drift, and useful ones follow."""
    module = discovered(planted(), ["relu1", "relu2"], TASKS["first"], steps=400)
    assert [row["kept"] for row in module.history[1:]] == [3] * 3
    assert which(module) == PLANTED["first"]


def test_controls_of_a_module_of_digits(digits):
    model, examples = digits
    module = discover_module(
        model,
        ["relu1", "relu2"],
        (examples.x_train, examples.y_train),
        one_against_rest(0, classes=10),
        alpha=0.02,
        search=Search(steps=250, batch_size=128),
        generator=torch.Generator().manual_seed(0),
    )
    assert 2 < module.size < 20
    found = compare_module(
        module,
        (examples.x_train, examples.y_train),
        (examples.x_test, examples.y_test),
        draws=3,
        generator=torch.Generator().manual_seed(0),
    )
    rows = {row["network"]: row for row in found.rows()}
    assert rows["module"]["balanced_accuracy"] > 0.97
    assert rows["random masks"]["balanced_accuracy"] < 0.95
    with torch.no_grad():
        right = (model(examples.x_test).argmax(1) == 0) == (examples.y_test == 0)
    assert rows["full network"]["accuracy"] == pytest.approx(right.float().mean().item(), abs=0.01)
    assert rows["module"]["units"] == module.size
    assert rows["all but the module"]["units"] == 60 - module.size


def test_a_front_is_of_modules_as_each_is_alone():
    x, y = data()
    task, search = TASKS["second"], Search(steps=250, batch_size=64)
    (front,) = module_fronts(
        planted(), ["relu1"], (x, y), (BITS, CLASSES), [task], [1.0, 0.01], search=search, seed=7
    )
    assert [module.alpha for module in front.modules] == [0.01, 1.0]
    frozen = FrozenNetwork(planted(), ["relu1"], x)
    alone = learn_module(
        frozen, frozen.start(x), task.labels(y)[1], task, 1.0,
        search=search, generator=torch.Generator().manual_seed(7),
    )  # fmt: skip
    assert torch.equal(alone.kept["relu1"], front.modules[1].kept["relu1"])
    assert front.smallest(1.0) is front.modules[0]
    assert front.modules[1].size == 0  # a unit costs more than all that can be gained, ln 2
    assert front.scores[1].balanced_accuracy == 0.5
    with pytest.raises(InputError, match=r"no module has a balanced accuracy of 1.1"):
        front.smallest(1.1)


def test_the_pareto_front_against_its_definition():
    generator = torch.Generator().manual_seed(0)
    sizes = torch.randint(6, (40,), generator=generator).tolist()
    accuracies = (torch.randint(6, (40,), generator=generator) / 5).tolist()
    for i, good in enumerate(pareto(sizes, accuracies)):
        beaten = any(
            (sizes[j] < sizes[i] and accuracies[j] >= accuracies[i])
            or (sizes[j] <= sizes[i] and accuracies[j] > accuracies[i])
            for j in range(40)
        )
        assert good != beaten


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.shared, self.idle = nn.Linear(5, 5), nn.Linear(5, 5)

    def forward(self, x):
        return self.shared(self.shared(x))


@pytest.mark.parametrize(
    ("model", "layers", "message"),
    [
        (dense([5, 3, 4]), ["relu9"], "did you mean 'relu1'"),
        (dense([5, 3, 4]), [], "expected one name or more"),
        (dense([5, 3, 4]), ["relu1", "relu1"], "each once"),
        (Twice(), ["shared"], "runs 2 times"),
        (Twice(), ["idle"], "runs 0 times"),
        (dense([6, 3, 4]), ["relu1"], "can't take an example"),
        (dense([5, 3, 4]).double(), ["relu1"], "can't take an example"),
        (nn.Sequential(nn.Unflatten(1, (5, 1)), nn.Conv1d(5, 2, 1)), ["1"], r"gives \(1, 2, 1\)"),
        (nn.Sequential(nn.LSTM(5, 2)), ["0"], "gives tuple"),
    ],
)
def test_networks_and_layers_that_cannot_be_masked(model, layers, message):
    with pytest.raises(InputError, match=message):
        discovered(model, layers, TASKS["first"])


@pytest.mark.parametrize("alpha", [0.0, -1.0, float("nan"), float("inf")])
def test_prices_that_cannot_be(alpha):
    with pytest.raises(InputError, match="the price of a unit"):
        discovered(planted(), ["relu1"], TASKS["first"], alpha)


def test_settings_that_cannot_be():
    with pytest.raises(InputError, match="steps is 0"):
        Search(steps=0)
    with pytest.raises(InputError, match="mask_lr is -1"):
        Search(mask_lr=-1.0)
    module = discovered(planted(), ["relu1"], TASKS["first"], steps=2)
    with pytest.raises(InputError, match="draws is 0"):
        compare_module(module, data(), data(), draws=0)
    with pytest.raises(InputError, match="0 tasks"):
        module_fronts(planted(), ["relu1"], data(), data(), [], [0.1])
