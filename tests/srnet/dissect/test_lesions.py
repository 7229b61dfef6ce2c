"""The five kinds of damage: what they do, what they leave alone, and that they last."""

import copy
import io

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import prune

from sdnet.errors import InputError
from srnet.dissect import (
    Lesions,
    add_noise,
    apply_l2,
    cut,
    dense,
    l2_penalty,
    lesions_of,
    noise_levels,
    replay,
    weight_norms,
    zero_out,
)
from srnet.reading import PMSP


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def network():
    """64-20-10 classifier named fc1, relu1, fc2."""
    return dense([64, 20, 10], seeded())


def batch(n=30, d=64):
    return torch.randn(n, d, generator=seeded(1))


def train(model, optimizer, steps=5):
    x, y = batch(), torch.arange(30) % 10
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()


LESIONS = {
    "cut": lambda model: cut(model, "fc2"),
    "zero_out": lambda model: zero_out(model, {"fc1": 0.5}, generator=seeded()),
    "add_noise": lambda model: add_noise(model, "relu1", 0.5, generator=seeded()),
    "apply_l2": lambda model: apply_l2(model, 0.3),
}


@pytest.mark.parametrize("name", LESIONS)
def test_the_callers_network_stays_as_it_was(name):
    model, x = network(), batch()
    before, output = copy.deepcopy(model.state_dict()), model(x)
    damaged = LESIONS[name](model)
    train(damaged, torch.optim.SGD(damaged.parameters(), lr=0.1))
    assert model.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert torch.equal(model(x), output)
    assert not lesions_of(model)
    assert not {id(p) for p in damaged.parameters()} & {id(p) for p in model.parameters()}


@pytest.mark.parametrize(
    "again",
    [
        lambda model: cut(model, "rnn.weight_ih_l0"),
        lambda model: zero_out(model, {"rnn.weight_hh_l0": 0.5}),
        lambda model: zero_out(model, {"rnn.weight_ih_l0": 0.25}),
    ],
)
def test_a_network_with_a_mask_stays_as_it_was_when_its_copies_are_damaged(again):
    """torch's copies of a parametrised module share its class, and what is done to it."""
    x = torch.randn(5, 2, 3, generator=seeded())
    parent = zero_out(nn.ModuleDict({"rnn": nn.GRU(3, 4)}), {"rnn.weight_ih_l0": 0.5})
    before, output = copy.deepcopy(parent.state_dict()), parent["rnn"](x)[0]
    damaged = again(parent)
    assert not torch.equal(damaged["rnn"](x)[0], output)
    assert torch.equal(parent["rnn"](x)[0], output)
    assert parent.state_dict().keys() == before.keys()
    weights = [one.detach().clone() for one in damaged.parameters()]
    damaged["rnn"](x)[0].sum().backward()
    torch.optim.SGD(damaged.parameters(), lr=0.1).step()
    pairs = zip(weights, damaged.parameters(), strict=True)
    assert all((one != other).any() for one, other in pairs)


def test_a_layer_that_is_cut_gives_its_bias_and_trains_nothing_but_it():
    model, x = network(), batch()
    damaged = cut(model, "fc2")
    assert torch.equal(damaged(x), model.fc2.bias.expand(30, 10))
    assert [name for name, _ in damaged.named_parameters()] == [
        "fc1.weight",
        "fc1.bias",
        "fc2.bias",
    ]
    assert "fc2.weight" not in damaged.state_dict()
    train(damaged, torch.optim.AdamW(damaged.parameters(), weight_decay=0.1))
    assert torch.equal(damaged(x), damaged.fc2.bias.expand(30, 10))
    with pytest.raises(InputError, match="'fc2' has no weights of its own left"):
        cut(damaged, "fc2")
    with pytest.raises(RuntimeError, match=r"fc2\.weight"):  # a parent's state would heal it
        damaged.load_state_dict(model.state_dict())


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_recurrent_weights_are_cut_and_zeroed_for_every_pass(kind):
    """torch's recurrent layers keep their weights in a second place too."""
    model, x = kind(3, 4), torch.randn(5, 2, 3, generator=seeded())
    twin = copy.deepcopy(model)
    with torch.no_grad():
        twin.weight_hh_l0.zero_()
    nowhere = torch.zeros_like(model.weight_hh_l0, dtype=torch.bool)
    whole = nn.ModuleDict({"rnn": model})
    for damaged in (
        cut(whole, "rnn.weight_hh_l0").rnn,
        zero_out(whole, {"rnn.weight_hh_l0": nowhere}).rnn,
    ):
        assert torch.equal(damaged(x)[0], twin(x)[0])
        optimizer = torch.optim.SGD(damaged.parameters(), lr=0.1, momentum=0.9)
        for _ in range(3):
            optimizer.zero_grad()
            damaged(x)[0].square().sum().backward()
            optimizer.step()
        twins = {
            k.replace("parametrizations.", "").replace(".original", ""): v
            for k, v in damaged.state_dict().items()
            if not k.endswith("keep")
        }
        trained = kind(3, 4)
        trained.load_state_dict({**twins, "weight_hh_l0": torch.zeros_like(twin.weight_hh_l0)})
        assert torch.equal(damaged(x)[0], trained(x)[0])


@pytest.mark.parametrize(("share", "count"), [(0, 0), (0.0006, 1), (0.1, 128), (0.33, 422)])
def test_exactly_the_rounded_share_is_zeroed(share, count):
    """Of 1280 weights: 0.0006 is 0.768 of a weight, which a truncation would leave."""
    damaged = zero_out(network(), {"fc1": share}, generator=seeded())
    assert int((damaged.fc1.weight == 0).sum()) == count


def test_bernoulli_masks_vary_about_the_rate():
    counts = torch.tensor(
        [
            int(
                (
                    zero_out(
                        network(), {"fc1": 0.2}, generator=seeded(seed), bernoulli=True
                    ).fc1.weight
                    == 0
                ).sum()
            )
            for seed in range(40)
        ],
        dtype=torch.float64,
    )
    sd = (1280 * 0.2 * 0.8) ** 0.5  # binomial
    assert abs(counts.mean() - 256) < 4 * sd / 40**0.5
    assert 0.6 * sd < counts.std() < 1.5 * sd


@pytest.mark.parametrize(
    "make",
    [
        lambda p: torch.optim.Adam(p, lr=0.05, weight_decay=0.1),
        lambda p: torch.optim.AdamW(p, lr=0.05, weight_decay=0.1),
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
        lambda p: torch.optim.RMSprop(p, lr=0.05, momentum=0.9, weight_decay=0.1),
    ],
)
def test_zeroed_weights_stay_zero_and_the_rest_learns(make):
    """A mask that is applied once, or to the gradient alone, lets decay and momentum undo it."""
    damaged = zero_out(network(), {"fc1": 0.3}, generator=seeded())
    zeroed, before = damaged.fc1.weight == 0, damaged.fc1.weight.detach().clone()
    train(damaged, make(damaged.parameters()), steps=20)
    after = damaged.fc1.weight
    assert (after[zeroed] == 0).all()
    assert (after[~zeroed] != before[~zeroed]).all()


def test_a_zeroed_weight_is_zero_even_where_it_was_not_finite():
    model = nn.Sequential(nn.Linear(2, 1, bias=False))
    model[0].weight.data[:] = torch.tensor([[float("inf"), 2.0]])
    damaged = zero_out(model, {"0": torch.tensor([[False, True]])})
    assert damaged(torch.tensor([[1.0, 3.0]])).item() == 6


def test_masks_add_up_and_survive_what_comes_later():
    first = zero_out(network(), {"fc1": 0.2}, generator=seeded(1))
    second = zero_out(first, {"fc1": 0.2}, generator=seeded(2))
    zeroed = second.fc1.weight == 0
    assert int(zeroed.sum()) == 512  # 256 and 256 others
    assert zeroed[first.fc1.weight == 0].all()
    assert int((first.fc1.weight == 0).sum()) == 256  # the first network's mask didn't grow
    kept = torch.rand(20, 64, generator=seeded()) > 0.1
    third = zero_out(second, {"fc1": kept})
    zeroed |= ~kept
    later = apply_l2(add_noise(cut(third, "fc2"), "fc1", 0.1), 0.1)
    train(later, torch.optim.Adam(later.parameters(), lr=0.05))
    assert torch.equal(later.fc1.weight == 0, zeroed)
    assert torch.equal(copy.deepcopy(later).fc1.weight == 0, zeroed)
    with pytest.raises(InputError, match=r"1024 weights of 'fc1.weight' .* of its 1280 are left"):
        zero_out(third, {"fc1": 0.8})


def test_masks_follow_from_the_seed_and_larger_ones_hold_smaller():
    masks = [
        zero_out(network(), {"fc1": share}, generator=seeded(3)).fc1.weight == 0
        for share in (0.1, 0.1, 0.4)
    ]
    assert torch.equal(masks[0], masks[1])
    assert (masks[2] | ~masks[0]).all()


def test_tied_weights_are_zeroed_where_they_are_named():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    kept = ~torch.eye(3, dtype=torch.bool)
    damaged = zero_out(model, {"1": kept})
    assert torch.equal(damaged[0].weight, model[0].weight)
    assert torch.equal(damaged[1].weight, model[0].weight * kept)


def test_noise_has_its_deviation_in_training_and_evaluation():
    """50,000 draws tell a deviation to 0.3 %."""
    model = nn.Sequential(nn.Linear(1, 1), nn.ReLU())
    x = torch.randn(50_000, 1, generator=seeded())
    clean = model[0](x)
    damaged = add_noise(model, "0", 0.5, generator=seeded())
    for mode in (True, False):
        noise = damaged.train(mode)[0](x) - clean
        assert noise.std().item() == pytest.approx(0.5, rel=0.02)
        assert abs(noise.mean().item()) < 0.01
    assert (damaged(x) >= 0).all()  # before the activation
    assert (add_noise(model, "1", 0.5)(x) < 0).any()  # after it


def test_repeated_noise_adds_in_variance_or_deviation_as_asked():
    model = nn.Sequential(nn.Linear(1, 1))
    once = add_noise(model, "0", 0.3, generator=seeded())
    assert noise_levels(add_noise(once, "0", 0.4)) == {"0": 0.5}
    assert noise_levels(add_noise(once, "0", 0.5, combine="sd")) == {"0": 0.8}
    assert noise_levels(once) == {"0": 0.3}
    x = torch.zeros(50_000, 1)
    assert add_noise(once, "0", 0.4)(x).std().item() == pytest.approx(0.5, rel=0.02)


def test_noise_follows_from_its_seed_and_a_copy_goes_on_from_where_it_is():
    model, x = network().double(), batch().double()
    one, other = (add_noise(model, "fc1", 0.5, generator=seeded(4)) for _ in range(2))
    state = torch.get_rng_state()
    first = one(x)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first, other(x))
    assert first.dtype == torch.float64
    second = copy.deepcopy(one)(x)
    assert torch.equal(second, one(x))
    assert not torch.equal(second, first)


def test_the_penalty_is_the_sum_of_squares_of_weights_that_are_there():
    model = nn.Sequential(nn.Linear(2, 1), nn.Linear(1, 1))
    model[0].weight.data[:] = torch.tensor([[3.0, -4.0]])
    model[1].weight.data[:] = 2.0
    damaged = apply_l2(model, 0.5)
    assert l2_penalty(damaged).item() == 0.5 * (9 + 16 + 4)  # no halves, no biases
    l2_penalty(damaged).backward()
    assert torch.equal(damaged[0].weight.grad, torch.tensor([[3.0, -4.0]]))
    masked = zero_out(damaged, {"0": torch.tensor([[False, True]])})
    assert l2_penalty(masked).item() == 0.5 * (16 + 4)
    assert l2_penalty(cut(masked, "1")).item() == 0.5 * 16
    assert l2_penalty(apply_l2(masked, 0.1, "1")).item() == pytest.approx(0.4)  # replaced
    assert l2_penalty(apply_l2(masked, 0)).item() == l2_penalty(model).item() == 0
    assert weight_norms(masked) == {"0.weight": 4, "1.weight": 2}


def test_lesions_read_as_sentences_and_are_done_again_from_disk():
    model, x = network(), batch()
    damaged = zero_out(model, {"fc1": 0.25}, generator=seeded())
    damaged = apply_l2(add_noise(cut(damaged, "fc2"), "fc1", 0.25, generator=seeded()), 0.1, "fc1")
    assert str(damaged.lesions).splitlines() == [
        "Zeroed 320 of the 1280 weights of fc1.weight.",
        "Cut fc2.weight.",
        "Added noise of sd 0.25 to the output of fc1.",
        "Set the L2 penalty to 0.1 times the sum of squares of fc1.weight.",
    ]
    train(damaged, torch.optim.Adam(damaged.parameters()))
    file = io.BytesIO()
    torch.save({"lesions": damaged.lesions.to_plain(), "weights": damaged.state_dict()}, file)
    file.seek(0)
    state = torch.load(file, weights_only=True)
    again = replay(network(), Lesions.from_plain(state["lesions"]))
    again.load_state_dict(state["weights"])
    assert str(again.lesions) == str(damaged.lesions)
    damaged = replay(model, damaged.lesions)  # its noise begins anew too
    damaged.load_state_dict(state["weights"])
    assert torch.equal(again(x), damaged(x))


def test_replaying_nothing_gives_a_copy():
    model = network()
    again = replay(model, [])
    assert again is not model
    assert torch.equal(again(batch()), model(batch()))


BAD = [
    (lambda m: cut(m, "fc3"), "layer 'fc3' is not in the network; did you mean 'fc"),
    (lambda m: cut(m, "relu1"), "'relu1' has no weights of its own left"),
    (lambda m: cut(m, []), "no layers to cut"),
    (lambda m: cut(m, ""), "layer '' has no weights"),
    (lambda m: zero_out(m, {}), "no layers to zero out"),
    (lambda m: zero_out(m, {"fc1": 1.0}), r"share of layer 'fc1' is 1.0; .* \[0, 1\)"),
    (lambda m: zero_out(m, {"fc1": -0.1}), "is -0.1"),
    (lambda m: zero_out(m, {"fc1": float("nan")}), "is nan"),
    (lambda m: zero_out(m, {"fc1": torch.zeros(2, 2, dtype=torch.bool)}), r"shape \(20, 64\)"),
    (lambda m: zero_out(m, {"fc1": torch.zeros(20, 64)}), "torch.float32 of shape"),
    (lambda m: add_noise(m, "fc9", 0.1), "'fc9' is not in the network"),
    (lambda m: add_noise(m, "fc1", -1.0), "noise of -1.0, expected"),
    (lambda m: add_noise(m, "fc1", float("nan")), "noise of nan"),
    (lambda m: add_noise(m, "fc1", 1.0, combine="var"), "by 'var'; choose from variance"),
    (lambda m: apply_l2(m, float("inf")), "penalty of inf"),
    (lambda m: apply_l2(m, 0.1, "fc4"), "'fc4' is not in the network"),
    (lambda m: apply_l2(m, 0.1, []), "no layers for the penalty"),
    (lambda m: replay(m, zero_out(dense([5, 20, 10]), {"fc1": 0.5}).lesions), "the mask of"),
    (lambda m: replay(m, cut(nn.Sequential(nn.Linear(1, 1)), "0").lesions), "layer '0.weight'"),
    (lambda m: Lesions.from_plain([{"kind": "cutt"}]), "kind 'cutt'; did you mean 'cut'"),
    (lambda m: Lesions.from_plain([{"kind": "cut", "layers": ()}]), "expected weights"),
]


@pytest.mark.parametrize(("call", "message"), BAD)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call(network())


def test_models_of_reading_have_lesions_of_their_own():
    with pytest.raises(InputError, match=r"lesions of its own, as srnet\.reading"):
        cut(PMSP(0.1, h_units=2, p_units=9, c_units=2, seed=0), "w_cp")


def test_one_module_is_a_network_too():
    model = nn.Linear(3, 2)
    assert torch.equal(cut(model, "weight")(torch.ones(1, 3)), model.bias[None])
    assert int((zero_out(model, {"weight": 0.5}).weight == 0).sum()) == 3


def test_noise_on_what_is_no_tensor_is_told():
    damaged = add_noise(nn.ModuleDict({"rnn": nn.GRU(2, 3)}), "rnn", 0.1)
    with pytest.raises(InputError, match="layer 'rnn' gives a tuple"):
        damaged["rnn"](torch.zeros(4, 1, 2))


def test_a_network_that_cannot_be_copied_is_told():
    model = network()
    prune.random_unstructured(model.fc1, "weight", 0.5)
    model(batch())
    with pytest.raises(InputError, match="can't be copied"):
        cut(model, "fc2")
