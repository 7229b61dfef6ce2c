"""Ablation against plain loops over hooks, captum, and algebra on hand-weighted networks."""

import math

import pytest
import torch
from captum.attr import LayerFeatureAblation
from torch import nn
from torch.nn import functional

from sdnet.critic import CSDNet
from sdnet.errors import InputError
from srnet.dissect import passes
from srnet.dissect.ablation import ablate_directions, ablate_groups, ablate_units
from srnet.dissect.classifiers import dense
from srnet.dissect.cutting import split
from srnet.dissect.interventions import Mask, RemoveDirections, intervene


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


X = torch.randn(12, 4, generator=seeded(1))
Y = torch.randint(3, (12,), generator=seeded(2))


@pytest.fixture
def model():
    return dense([4, 6, 5, 3], seeded()).eval()


class Functional(nn.Module):
    """Relus without modules, a skip connection, an in-place step."""

    def __init__(self):
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(4, 5), nn.Linear(5, 5), nn.Linear(5, 3)

    def forward(self, x):
        hidden = functional.relu(self.fc1(x))
        return self.fc3(self.fc2(hidden).relu_() + hidden)


def network(kind):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if kind == "functional":
            return Functional().eval()
        if kind == "deep":
            steps = [nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 5), nn.Dropout(), nn.ReLU()]
            return nn.Sequential(*steps, nn.BatchNorm1d(5), nn.Linear(5, 3)).eval()
        return dense([4, 6, 5, 3], seeded()).eval()


def expected(model, edit, y=None):
    """The figures of one edit, by a hook and torch's own losses; `edit` is put in by a context."""
    with torch.no_grad():
        before = model(X).double()
        with edit:
            after = model(X).double()
    p, q = before.log_softmax(1), after.log_softmax(1)
    figures = {
        "kl": functional.kl_div(q, p, log_target=True, reduction="none").sum(1),
        "kl_reverse": functional.kl_div(p, q, log_target=True, reduction="none").sum(1),
        "entropy_change": (p.exp() * p).sum(1) - (q.exp() * q).sum(1),
    }
    if y is not None:
        figures["loss_change"] = functional.cross_entropy(
            after, y, reduction="none"
        ) - functional.cross_entropy(before, y, reduction="none")
        right = [(z.argmax(1) == y).long() for z in (before, after)]
        figures["correct_change"] = right[1] - right[0]
    return figures


def agree(found, place, figures):
    for name, values in figures.items():
        own = getattr(found, name)[place].double()
        assert torch.allclose(own, values.double(), atol=1e-5, rtol=1e-4), name


def one_unit(model, layer, unit, units):
    return intervene(model, {layer: Mask(torch.arange(units) != unit)})


# -- units ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "layer"),
    [
        ("dense", "fc1"),  # activations, a linear layer, and more
        ("dense", "relu1"),
        ("dense", "fc2"),
        ("dense", "relu2"),  # a linear layer is all that follows
        ("dense", "fc3"),  # nothing follows
        ("deep", "0"),
        ("deep", "2"),
        ("deep", "5"),
        ("functional", "fc1"),  # of which a way leads around
        ("functional", "fc2"),
        ("functional", "fc3"),
    ],
)
def test_units_are_those_of_a_plain_loop(kind, layer):
    model = network(kind)
    found = ablate_units(model, layer, X, Y)
    units = len(found.names)
    for unit in range(units):
        agree(found, unit, expected(model, one_unit(model, layer, unit, units), Y))


@pytest.mark.parametrize("budget", [1, 200, 1000])
@pytest.mark.parametrize("layer", ["relu1", "relu2", "fc3"])
def test_batches_of_any_size_give_the_same(model, layer, budget, monkeypatch):
    whole = ablate_units(model, layer, X, Y)
    monkeypatch.setattr(passes, "BATCH_BYTES", {"cpu": budget, "other": 1})
    monkeypatch.setattr(passes, "UPDATE_BYTES", {"cpu": budget, "other": 1})
    monkeypatch.setattr(passes, "PREFIX_ROWS", 5)
    parts = ablate_units(model, layer, X, Y)
    for name in ("kl", "kl_reverse", "entropy_change", "loss_change"):
        assert torch.allclose(getattr(parts, name), getattr(whole, name), atol=1e-6)
    assert torch.equal(parts.correct_change, whole.correct_change)


def test_the_numbers_are_captums(model):
    """captum gives f(x) - f(x without the unit), here of losses, entropies and divergences."""
    p = model(X).log_softmax(1).detach()

    def loss(x):
        return functional.cross_entropy(model(x), Y, reduction="none")

    def entropy(x):
        q = model(x).log_softmax(1)
        return -(q.exp() * q).sum(1)

    def kl(x):
        return (p.exp() * (p - model(x).log_softmax(1))).sum(1)

    for layer in ("relu1", "fc2", "relu2"):
        found = ablate_units(model, layer, X, Y)
        for name, figure in {"loss_change": loss, "entropy_change": entropy, "kl": kl}.items():
            method = LayerFeatureAblation(figure, model.get_submodule(layer))
            theirs = -method.attribute(X, perturbations_per_eval=1)
            assert torch.allclose(getattr(found, name), theirs.T, atol=1e-5)


def test_a_hand_weighted_network():
    """Units a = 1 and 2 with weights (1, 0) and (0, 1): without unit 1 the logits are (1, 0)."""
    model = nn.Sequential(nn.Linear(1, 2), nn.Linear(2, 2))
    with torch.no_grad():
        for layer, weight, bias in (
            (model[0], torch.zeros(2, 1), torch.tensor([1.0, 2.0])),
            (model[1], torch.eye(2), torch.zeros(2)),
        ):
            layer.weight.copy_(weight)
            layer.bias.copy_(bias)
    found = ablate_units(model, "0", torch.zeros(1, 1), torch.tensor([1]))
    before, without = 1 / (1 + math.e), math.e / (1 + math.e)  # of class 0
    log = math.log
    kl = before * log(before / without) + (1 - before) * log((1 - before) / (1 - without))
    assert found.kl[1].item() == pytest.approx(kl, rel=1e-5)
    assert found.loss_change[1].item() == pytest.approx(1, rel=1e-5)  # log(1 + e) - log(1 + 1/e)
    assert found.entropy_change[1].item() == pytest.approx(0, abs=1e-6)  # (1, 0) after (1, 2)
    assert found.correct_change.tolist() == [[0], [-1]]


def test_rows_are_means_over_the_examples():
    """A mistake in circulation: sums over 64 images called an average."""
    model = network("dense")
    found, twice = (
        ablate_units(model, "relu2", x, y) for x, y in ((X, Y), (torch.cat([X, X]), None))
    )
    rows = found.rows()
    assert [row["unit"] for row in rows] == list(range(5))
    assert list(rows[0]) == [
        "unit",
        "kl",
        "kl_reverse",
        "entropy_change",
        "loss_change",
        "accuracy_change",
    ]
    assert list(twice.rows()[0]) == ["unit", "kl", "kl_reverse", "entropy_change"]
    for row, other, kl, correct in zip(
        rows, twice.rows(), found.kl, found.correct_change, strict=True
    ):
        assert row["kl"] == pytest.approx(float(kl.sum()) / 12, rel=1e-5)
        assert row["accuracy_change"] == pytest.approx(float(correct.sum()) / 12)
        assert other["kl"] == pytest.approx(row["kl"], rel=1e-5)
    assert found.to_frame()["kl"].tolist() == [row["kl"] for row in rows]
    assert str(found).startswith("unit  kl")


def test_a_unit_that_is_constant_or_unused_changes_nothing():
    model = dense([4, 6, 3], seeded())
    with torch.no_grad():
        model.fc1.weight[1] = 0
        model.fc1.bias[1] = -1  # never on
        model.fc1.weight[2] = 0
        model.fc1.bias[2] = 3  # always the same
        model.fc2.weight[:, 3] = 0  # not used
    zero = ablate_units(model, "relu1", X).kl.abs().amax(1)
    mean = ablate_units(model, "relu1", X, by="mean").kl.abs().amax(1)
    assert zero[[1, 3]].max() < 1e-6
    assert mean[[1, 2, 3]].max() < 1e-6
    assert zero[2] > 1e-3


# -- what takes their place -----------------------------------------------------------------


@pytest.mark.parametrize("kind", ["dense", "functional"])
@pytest.mark.parametrize("reference", [None, torch.randn(7, 4, generator=seeded(5))])
def test_means_are_those_of_the_reference(kind, reference):
    model = network(kind)
    found = ablate_units(model, "fc2", X, by="mean", reference=reference)
    seen = X if reference is None else reference
    means = split(model, "fc2").prefix(seen).detach().mean(0)
    for unit in range(5):

        def put(acts, unit=unit):
            return torch.where(torch.arange(5) == unit, means, acts)

        agree(found, unit, expected(model, intervene(model, {"fc2": put})))


def test_resampling_takes_values_that_the_unit_has(model):
    """All reference examples alike: then it is a replacement by that one's activation."""
    one = torch.randn(1, 4, generator=seeded(7))
    acts = model.relu1(model.fc1(one))[0].detach()
    options = {"by": "resample", "reference": one.expand(9, 4), "generator": seeded()}
    found = ablate_units(model, "relu1", X, **options)
    for unit in range(6):

        def put(given, unit=unit):
            return torch.where(torch.arange(6) == unit, acts, given)

        agree(found, unit, expected(model, intervene(model, {"relu1": put})))


def test_resampling_follows_its_generator_and_keeps_a_group_together():
    """Two units that are always equal cancel in the logits: only together they still do."""
    model = nn.Sequential(nn.Linear(1, 2), nn.Linear(2, 2))
    with torch.no_grad():
        model[0].weight.fill_(1)
        model[0].bias.fill_(0)
        model[1].weight.copy_(torch.tensor([[1.0, -1], [0, 0]]))
    x = torch.randn(50, 1, generator=seeded(3))
    together = ablate_groups(model, "0", x, [[0, 1]], by="resample", generator=seeded())
    assert together.kl.abs().max() < 1e-6
    alone = [ablate_units(model, "0", x, by="resample", generator=seeded(s)).kl for s in (1, 1, 2)]
    assert alone[0].max() > 0.1
    assert torch.equal(alone[0], alone[1])
    assert not torch.equal(alone[0], alone[2])


# -- groups and directions ------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["dense", "functional"])
def test_groups_are_those_of_a_plain_loop(kind):
    model = network(kind)
    groups = {"ends": [0, 4], "none": [], "all": [4, 3, 2, 1, 0]}
    found = ablate_groups(model, "fc2", X, groups, Y)
    assert found.names == ("ends", "none", "all")
    for place, units in enumerate(groups.values()):
        keep = torch.tensor([unit not in units for unit in range(5)])
        agree(found, place, expected(model, intervene(model, {"fc2": Mask(keep)}), Y))
    assert found.kl[1].abs().max() < 1e-7
    assert ablate_groups(model, "fc2", X, [[1], [2, 3]]).names == (0, 1)


@pytest.mark.parametrize(
    ("kind", "layer"), [("dense", "relu2"), ("dense", "fc2"), ("functional", "fc2")]
)
def test_directions_are_those_of_a_plain_loop(kind, layer):
    """Of any length: they are normalised."""
    model = network(kind)
    directions = torch.randn(3, 5, generator=seeded(4)) * torch.tensor([[1.0], [30], [0.02]])
    found = ablate_directions(model, layer, X, directions, Y)
    for place, direction in enumerate(directions):
        agree(
            found, place, expected(model, intervene(model, {layer: RemoveDirections(direction)}), Y)
        )
    units = ablate_units(model, layer, X, by="mean")
    own = ablate_directions(model, layer, X, torch.eye(5), by="mean")
    assert torch.allclose(own.kl, units.kl, atol=1e-6)


# -- other networks -------------------------------------------------------------------------


def test_channels_of_images():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 3)
    )
    images = torch.rand(5, 1, 8, 8)
    for layer in ("0", "1", "2"):
        found = ablate_units(model, layer, images)
        assert found.kl.shape == (4, 5)
        for unit in range(4):
            with one_unit(model, layer, unit, 4):
                q = model(images).log_softmax(1)
            p = model(images).log_softmax(1)
            assert torch.allclose(found.kl[unit], (p.exp() * (p - q)).sum(1), atol=1e-6)
    mean = ablate_units(model, "1", images, by="mean")
    assert mean.kl.shape == (4, 5)
    assert len(ablate_directions(model, "1", images, torch.ones(2, 4)).names) == 2
    drawn = ablate_units(model, "1", images, by="resample", generator=seeded())
    assert drawn.kl.max() > 0


def test_a_critic_of_curves_gives_one_logit():
    critic = CSDNet(12, conv_arch=[4, "M"], hid_size=8, generator=seeded()).eval()
    curves = torch.randn(6, 12, generator=seeded(1))
    found = ablate_units(critic, "convolutions.0", curves, reading="logit")
    with one_unit(critic, "convolutions.0", 2, 4):
        q = critic(curves).sigmoid()
    p = critic(curves).sigmoid()
    kl = p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()
    assert torch.allclose(found.kl[2], kl, atol=1e-6)


def test_sequences_and_tokens():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 5), nn.Flatten(), nn.Linear(15, 3))
    tokens = torch.randint(9, (6, 3))
    found = ablate_units(model, "1", tokens)
    with one_unit(model, "1", 4, 5):
        q = model(tokens).log_softmax(1)
    p = model(tokens).log_softmax(1)
    assert torch.allclose(found.kl[4], (p.exp() * (p - q)).sum(1), atol=1e-6)


def test_interventions_around_it_are_seen():
    """The short way past a linear layer isn't taken where something is attached to it."""
    model = network("dense")
    keep = torch.tensor([1.0, 0, 1, 0, 1])
    with intervene(model, {"relu2": Mask(keep)}):
        found = ablate_units(model, "fc2", X)
    assert found.kl[[1, 3]].abs().max() < 1e-7
    plain = ablate_units(model, "fc2", X)
    assert plain.kl[[1, 3]].max() > 1e-5


@pytest.mark.parametrize("double", [False, True])
def test_the_network_and_the_examples_stay_as_they_are(double):
    model = network("deep")
    x = X.clone()
    if double:
        model, x = model.double(), x.double()
    x = x.repeat(1, 2)[:, ::2].requires_grad_()[:, :]  # not contiguous
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = ablate_units(model, "1", x)
    assert found.kl.dtype == x.dtype
    assert not found.kl.requires_grad
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in model.parameters())


@pytest.mark.parametrize("layer", ["relu1", "relu2"])
def test_short_floats_are_compared_in_float32(layer):
    model, x = network("dense").bfloat16(), X.bfloat16()
    found = ablate_units(model, layer, x)
    assert found.kl.dtype == torch.float32
    with one_unit(model, layer, 2, len(found.names)):
        q = model(x).float().log_softmax(1)
    p = model(x).float().log_softmax(1)
    assert torch.allclose(found.kl[2], (p.exp() * (p - q)).sum(1), atol=5e-3)


# -- what is refused ------------------------------------------------------------------------


def test_what_is_refused(model):
    gap = X.clone()
    gap[3, 2] = torch.nan
    wrong = {
        "did you mean 'relu2'": lambda: ablate_units(model, "relu3", X),
        "x is shape": lambda: ablate_units(model, "relu1", X[:0]),
        "isn't finite in example 3": lambda: ablate_units(model, "relu1", gap),
        "torch.float64 and the network": lambda: ablate_units(model, "relu1", X.double()),
        r"can't take examples of shape \(3,\) \(mat1": lambda: ablate_units(
            model, "relu1", X[:, :3]
        ),
        "y has class 3; expected 0 to 2": lambda: ablate_units(model, "relu1", X, Y + 1),
        r"y is torch.int64 of shape \(11,\)": lambda: ablate_units(model, "relu1", X, Y[1:]),
        "of one example, which changes nothing": lambda: ablate_units(
            model, "relu1", X[:1], by="mean"
        ),
        "expected a generator": lambda: ablate_units(model, "relu1", X, by="resample"),
        "reference gives activations": lambda: ablate_units(
            nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
            "0",
            torch.rand(2, 1, 8, 8),
            by="mean",
            reference=torch.rand(2, 1, 9, 9),
        ),
        "no groups were given": lambda: ablate_groups(model, "relu1", X, {}),
        "unit 6 is not in the layer": lambda: ablate_groups(model, "relu1", X, [[6]]),
        r"expected \(k, 6\), one at least": lambda: ablate_directions(
            model, "relu1", X, torch.ones(2, 5)
        ),
        r"directions of shape \(6,\); expected \(k, 6\)": lambda: ablate_directions(
            model, "relu1", X, torch.ones(6)
        ),
        "direction 1 has length 0": lambda: ablate_directions(
            model, "relu1", X, torch.tensor([[1.0] * 6, [0.0] * 6])
        ),
        r"gives \(1, 3\); expected one logit": lambda: ablate_units(
            model, "relu1", X, reading="logit"
        ),
    }
    for told, study in wrong.items():
        with pytest.raises(InputError, match=told):
            study()


def test_a_network_that_gives_several_things_is_refused():
    class Pair(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 3)

        def forward(self, x):
            return self.fc(x), x

    with pytest.raises(InputError, match="the network gives a tuple; expected a tensor of logits"):
        ablate_units(Pair(), "fc", X)


def test_layers_in_training_mode_are_refused():
    model = network("deep").train()
    with pytest.raises(InputError, match="layer '3' is a Dropout in training mode"):
        ablate_units(model, "1", X)
    plain = dense([4, 3, 2], seeded()).train()  # of which both modes are the same
    assert ablate_units(plain, "relu1", X).kl.shape == (3, 12)
    assert plain.training


def test_outputs_that_are_not_finite_are_told():
    model = dense([4, 3, 2], seeded())
    with torch.no_grad():
        model.fc2.bias[0] = torch.inf
    with pytest.raises(InputError, match="the network's output isn't finite for example 0"):
        ablate_units(model, "relu1", X)


def test_a_network_that_asks_more_than_tensors_is_told():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1, self.fc2 = nn.Linear(4, 3), nn.Linear(3, 2)

        def forward(self, x):
            return self.fc2(self.fc1(x)) * (1.0 if isinstance(x, torch.Tensor) else 2.0)

    with pytest.raises(InputError, match="cut at 'fc1', doesn't give its own output"):
        ablate_units(Odd(), "fc1", X)
