"""Each kind of damage: what is gone, what stays, and that it lasts."""

import pickle
from copy import deepcopy

import pytest
import torch
from torch.nn.utils import parametrize

from sdnet.errors import InputError
from srnet.reading import PMSP, ToyOP, in_full, kept_units, rebuild
from srnet.reading.pmsp import CONNECTIONS

CORPUS = ToyOP(ticks=6)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def network(connections=None, trained=0, seed=0):
    model = PMSP(0.3, 10, 9, 5, connections=connections, seed=seed)
    if trained:
        model.fit(CORPUS.x, CORPUS.y, trained, 20, 0.05, generator=seeded())
    return model


def same(one, other):
    """Whether two states hold the same, to the bit."""
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def phonology(model, **settings):
    with torch.no_grad():
        return model(CORPUS.x, **settings)["phonology"]


def zeros(model, connection):
    return int((model.weight(connection) == 0).sum())


DAMAGE = {
    "cut": lambda model: model.cut_connections(["cp", "oh"]),
    "zero": lambda model: model.zero_out({"pp": 0.3, "hp": 0.1}, generator=seeded()),
    "shrink": lambda model: model.shrink_layer("hidden", 0.4, generator=seeded()),
    "shrink phonology": lambda model: model.shrink_layer("phonology", [2, 5]),
    "noise": lambda model: model.add_noise("cleanup", 0.2),
    "l2": lambda model: model.apply_l2(0.2),
}


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("kind", DAMAGE)
def test_the_old_network_stays_as_it_was(kind, masked):
    """Also when it is masked: torch's parametrize edits the class, which copies would share."""
    model = network(trained=2)
    if masked:
        model = model.zero_out({"pp": 0.2, "cp": 0.2}, generator=seeded(5))
    before, read = deepcopy(model.to_state()), phonology(model)
    damaged = DAMAGE[kind](model)
    targets = damaged.targets_left(CORPUS.y)
    damaged.fit(CORPUS.x, targets, 2, 20, 0.05, generator=seeded())
    damaged.zero_out({"ph": 0.5, "hp": 0.5}, generator=seeded()).cut_connections(["pp"])
    assert same(model.to_state(), before)
    assert torch.equal(phonology(model), read)
    assert model.masks.keys() == ({"pp", "cp"} if masked else set())
    assert isinstance(damaged, PMSP)
    assert damaged is not model


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_done_again_from_the_undamaged_parent(kind):
    parent = network(trained=2)
    damaged = DAMAGE[kind](DAMAGE["shrink phonology"](DAMAGE["zero"](parent)))
    again = rebuild(parent, damaged.lesions)
    assert same(again.to_state(), damaged.to_state())
    assert not parent.lesions


def test_lesions_print_as_sentences():
    model = network().cut_connections(["cp", "pc"]).zero_out({"pp": 0.2}, generator=seeded())
    model = model.shrink_layer("hidden", [4, 1]).add_noise("phonology", 0.1).apply_l2(0.3)
    assert str(model.lesions).splitlines() == [
        "Cut cp, pc.",
        "Zeroed 16 of the 81 weights of pp.",
        "Removed 2 of the 10 units of hidden: 1, 4.",
        "Added noise of sd 0.1 to the net input of phonology (adding in variance).",
        "Set the L2 penalty of the weights to 0.3.",
    ]


@pytest.mark.parametrize("copy", [deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_of_a_damaged_network_are_whole_and_their_own(copy):
    model = network(trained=1)
    model.w_oh.requires_grad_(False)
    for damage in DAMAGE.values():
        model = damage(model) if "oh" in model.connections else model.zero_out({"pp": 0.1})
    other = copy(model.eval())
    assert same(other.to_state(), model.to_state())
    assert type(other).__name__ == type(model).__name__
    before = deepcopy(model.to_state())
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(1)
    assert same(model.to_state(), before)


# --- cutting


@pytest.mark.parametrize("connection", CONNECTIONS)
def test_a_connection_that_is_cut_says_nothing_and_the_rest_is_kept(connection):
    model = network(list(CONNECTIONS), trained=1)
    silent = deepcopy(model)
    with torch.no_grad():
        silent.weight(connection).zero_()
    damaged = model.cut_connections([connection])
    torch.testing.assert_close(phonology(damaged), phonology(silent), rtol=0, atol=1e-6)
    assert not hasattr(damaged, f"w_{connection}")
    assert connection not in damaged(CORPUS.x, return_internals=True)
    for name in damaged.connections:
        assert torch.equal(damaged.weight(name), model.weight(name))


# --- zeroing


@pytest.mark.parametrize(("share", "count"), [(0, 0), (0.2, 16), (0.29, 23), (0.99, 80)])
def test_exactly_the_share_is_zeroed(share, count):
    damaged = network().zero_out({"pp": share}, generator=seeded())
    assert zeros(damaged, "pp") == count  # round(share * 81)
    assert all(zeros(damaged, name) == 0 for name in damaged.connections if name != "pp")


def test_masks_add_up():
    """Also with the same seed, which would draw the same mask again from all weights."""
    model = network()
    for times in (1, 2, 3):
        before = model.masks.get("pp")
        model = model.zero_out({"pp": 0.2}, generator=seeded())
        assert zeros(model, "pp") == 16 * times
        assert before is None or not (model.masks["pp"] & ~before).any()
    given = torch.ones(9, 9, dtype=torch.bool)
    given[0] = False
    both = model.zero_out({"pp": given})
    assert torch.equal(both.masks["pp"], model.masks["pp"] & given)


def test_bernoulli_zeroes_each_weight_with_the_probability():
    model = PMSP(0.1, 100, 100, 5, seed=0)
    counts = [
        zeros(model.zero_out({"hp": 0.3}, bernoulli=True, generator=seeded(seed)), "hp")
        for seed in range(20)
    ]
    mean = sum(counts) / 20  # of 10,000 weights each: sd 46, of the mean 10
    assert abs(mean - 3000) < 50
    assert len(set(counts)) > 10


OPTIMISERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.1),
    "adam": lambda p: torch.optim.Adam(p, lr=0.1, weight_decay=0.1),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.1, weight_decay=0.1),
}


@pytest.mark.parametrize("method", OPTIMISERS)
def test_zeroed_weights_stay_zero_in_any_loop_even_with_momentum_from_before(method):
    model = network()

    def steps(model, optimiser):
        for _ in range(3):
            optimiser.zero_grad()
            model.loss(CORPUS.x, CORPUS.y).backward()
            optimiser.step()
            for name, kept in model.masks.items():
                assert not model.weight(name)[~kept].any()
                assert kept.sum() == model.weight(name).count_nonzero()
        return optimiser

    before = steps(model, OPTIMISERS[method](model.parameters()))
    damaged = model.zero_out({"pp": 0.4, "oh": 0.4}, generator=seeded())
    optimiser = OPTIMISERS[method]([damaged.trained()[name] for name in model.trained()])
    optimiser.load_state_dict(before.state_dict())
    steps(damaged, optimiser)


def test_masks_survive_every_later_operation():
    model = network(trained=3).zero_out({"pp": 0.4, "ph": 0.3, "cp": 0.5}, generator=seeded())
    lines = model.masks["ph"]
    model = model.add_noise("hidden", 0.1).apply_l2(0.01).cut_connections(["cp"])
    model = deepcopy(model).double()
    model.fit(CORPUS.x.double(), CORPUS.y.double(), 3, 7, 0.05, generator=seeded())
    model = model.shrink_layer("hidden", [0, 9]).shrink_layer("phonology", [3])
    y = CORPUS.y.double()[..., kept_units(model, "phonology")]
    model.fit(CORPUS.x.double(), y, 3, 7, 0.05, optimizer="fresh", generator=seeded())
    kept = [unit for unit in range(9) if unit != 3]
    assert torch.equal(model.masks["ph"], lines[kept][:, 1:9])
    assert model.masks.keys() == {"pp", "ph"}
    for name, mask in model.masks.items():
        assert not model.weight(name)[~mask].any()
        assert model.weight(name)[mask].all()
        assert not model.trained()[f"w_{name}"][~mask].any()


def test_a_weight_under_a_mask_that_is_not_finite_does_no_harm():
    model = network()
    with torch.no_grad():
        model.w_pp[0, 0] = float("nan")
    mask = torch.ones(9, 9, dtype=torch.bool)
    mask[0, 0] = False
    damaged = model.zero_out({"pp": mask})
    assert phonology(damaged).isfinite().all()
    damaged.loss(CORPUS.x, CORPUS.y).backward()
    assert damaged.trained()["w_pp"].grad.isfinite().all()


def test_masks_are_parametrizations_of_torch():
    damaged = network().zero_out({"pp": 0.2}, generator=seeded())
    assert parametrize.is_parametrized(damaged, "w_pp")


# --- shrinking


@pytest.mark.parametrize("layer", ["hidden", "phonology", "cleanup"])
def test_removed_units_are_gone_from_all_connections_as_if_they_were_silent(layer):
    model = network(list(CONNECTIONS), trained=1)
    removed = [0, 3]
    silent = deepcopy(model)
    with torch.no_grad():
        for name, (source, _) in model.connections.items():
            if source == layer:
                silent.weight(name)[removed] = 0
    damaged = model.shrink_layer(layer, removed)
    assert damaged.units[layer] == model.units[layer] - 2
    expected = phonology(silent)[..., kept_units(damaged, "phonology")]
    torch.testing.assert_close(phonology(damaged), expected, rtol=0, atol=1e-6)
    for name, (source, target) in damaged.connections.items():
        assert damaged.weight(name).shape == (damaged.units[source], damaged.units[target])


@pytest.mark.parametrize(("units", "share", "left"), [(100, 0.29, 71), (10, 0.37, 6), (7, 0, 7)])
def test_the_number_of_removed_units_is_rounded_and_not_truncated(units, share, left):
    model = PMSP(0.1, units, 9, 5, seed=0)  # 0.29 * 100 is 28.999... in floats
    assert model.shrink_layer("hidden", share, generator=seeded()).units["hidden"] == left


def test_units_are_drawn_from_the_seed():
    drawn = [
        network().shrink_layer("hidden", 0.3, generator=seeded(seed)).lesions[0].removed
        for seed in (0, 0, 1, 2)
    ]
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) == 3


def test_phonology_that_was_shrunk_needs_targets_of_the_units_left_and_says_so():
    damaged = network().shrink_layer("phonology", [0, 1]).shrink_layer("phonology", [0])
    left = [3, 4, 5, 6, 7, 8]
    assert kept_units(damaged, "phonology") == left
    with pytest.raises(InputError, match=r"6 units of phonology; it has kept the units \[3"):
        damaged.fit(CORPUS.x, CORPUS.y, 1, 20, 0.05)
    damaged.fit(CORPUS.x, CORPUS.y[..., left], 1, 20, 0.05)
    full = in_full(damaged, "phonology", phonology(damaged))
    assert torch.equal(full[..., left], phonology(damaged))
    assert not full[..., :3].any()


# --- noise


def test_noise_adds_in_variance_or_in_sd():
    once = network().add_noise("hidden", 0.3)
    assert once.add_noise("hidden", 0.4).noise == {"hidden": pytest.approx(0.5)}
    assert once.add_noise("hidden", 0.4, combine="sd").noise == {"hidden": pytest.approx(0.7)}
    assert once.add_noise("cleanup", 0.4).noise == {"hidden": 0.3, "cleanup": 0.4}


@pytest.mark.parametrize("training", [True, False])
def test_noise_enters_the_net_input_before_averaging_at_training_and_evaluation(training):
    """Without connections the state is an autoregressive process of known variance."""
    tau, sd = 0.3, 0.8
    model = PMSP(tau, 1, 800, 1, connections=[], seed=0).add_noise("phonology", sd)
    x = torch.zeros(100, 20, 20)
    states = model.train(training)(x, generator=seeded())["phonology"].logit()
    ticks = torch.arange(20)
    # var_t = (tau sd)^2 (1 + q + ... + q^t), q = (1 - tau)^2
    expected = (tau * sd) ** 2 * (1 - (1 - tau) ** (2 * ticks + 2)) / (1 - (1 - tau) ** 2)
    torch.testing.assert_close(states.var((0, 2)), expected, rtol=0.02, atol=0)
    reported = model.state_noise()["phonology"]
    assert reported == pytest.approx(expected[-1].sqrt().item(), rel=1e-4)
    # one tick keeps 1 - tau of the one before, and units and examples are independent
    later, earlier = states[:, -1].flatten(), states[:, -2].flatten()
    assert torch.stack([later, earlier]).corrcoef()[0, 1].item() == pytest.approx(0.7, abs=0.01)
    pairs = torch.stack([states[:, -1, :400].flatten(), states[:, -1, 400:].flatten()])
    assert abs(pairs.corrcoef()[0, 1].item()) < 0.02


def test_noise_follows_from_the_generator():
    noisy = network().add_noise("phonology", 0.5)
    first, again, other = (phonology(noisy, generator=seeded(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


# --- L2


def test_l2_is_a_setting_that_is_replaced():
    model = network()
    squares = sum(model.weight(name).double().square().sum() for name in model.connections).item()
    plain = model.loss(CORPUS.x, CORPUS.y).item()
    for penalised, strength in (
        (model.apply_l2(0.3), 0.3),
        (model.apply_l2(0.3).apply_l2(0.1), 0.1),
        (model.apply_l2(0.3).apply_l2(0), 0),
    ):
        found = penalised.loss(CORPUS.x, CORPUS.y).item()
        assert found == pytest.approx(plain + strength * squares, rel=1e-5)


def test_norms_are_of_the_weights_and_not_of_their_signed_sum():
    model = network()
    with torch.no_grad():
        model.w_cp.fill_(0)
        model.w_cp[0, :2] = torch.tensor([3.0, -4.0])
    assert model.weight_norms()["cp"] == 5
    assert model.weight_norms().keys() == model.connections.keys()


def test_a_strong_penalty_makes_weights_small():
    models = network(), network().apply_l2(0.3)
    for model in models:
        model.fit(CORPUS.x, CORPUS.y, 30, 20, 0.05, generator=seeded())
    free, held = (model.weight_norms() for model in models)
    assert all(held[name] < 0.2 * free[name] for name in free)


# --- what can't be


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda m: m.cut_connections(["cq"]), "no connection 'cq'; choose from oh, ph"),
        (lambda m: m.cut_connections(["cp", "cp"]), "no connection 'cp'; choose from oh"),
        (lambda m: m.zero_out({"hh": 0.2}), "no connection 'hh'"),
        (lambda m: m.zero_out({"pp": 1}), r"the share of pp is 1; expected a number in \[0, 1\)"),
        (lambda m: m.zero_out({"pp": -0.1}), "the share of pp is -0.1"),
        (lambda m: m.zero_out({"pp": float("nan")}), "the share of pp is nan"),
        (lambda m: m.zero_out({"pp": True}), "the share of pp is True"),
        (
            lambda m: m.zero_out({"pp": 0.7}).zero_out({"pp": 0.7}),
            "57 weights of pp can't be zeroed; 24 of its 81 are left",
        ),
        (
            lambda m: m.zero_out({"pp": torch.ones(9, 8, dtype=torch.bool)}),
            r"the mask of pp has shape \(9, 8\); expected \(9, 9\)",
        ),
        (lambda m: m.zero_out({"pp": torch.ones(9, 9)}), "the mask of pp is torch.float32"),
        (lambda m: m.shrink_layer("hiden", 0.3), "no layer 'hiden' .* did you mean 'hidden'"),
        (lambda m: m.shrink_layer("orthography", 0.3), "no layer 'orthography' to damage"),
        (lambda m: m.shrink_layer("hidden", 1), r"the share of hidden is 1; .* \[0, 1\)"),
        (lambda m: m.shrink_layer("hidden", 0.96), "all 10 units of hidden would be removed"),
        (lambda m: m.shrink_layer("cleanup", range(5)), "all 5 units of cleanup would be removed"),
        (lambda m: m.shrink_layer("cleanup", [5]), "it has 5, numbered from 0"),
        (lambda m: m.shrink_layer("cleanup", [-1]), "it has 5, numbered from 0"),
        (lambda m: m.shrink_layer("cleanup", [1, 1]), "named twice"),
        (lambda m: m.add_noise("p", 0.1), "no layer 'p' to damage"),
        (lambda m: m.add_noise("hidden", -1), "the sd of noise is -1.0"),
        (lambda m: m.add_noise("hidden", float("nan")), "the sd of noise is nan"),
        (lambda m: m.add_noise("hidden", 1, combine="std"), "combine is 'std'; .*'sd'"),
        (lambda m: m.apply_l2(-1), "the strength of L2 is -1.0"),
        (lambda m: m.apply_l2(float("inf")), "the strength of L2 is inf"),
    ],
)
def test_damage_that_can_not_be_done(damage, message):
    with pytest.raises(InputError, match=message):
        damage(network())


def test_lesions_of_another_network_are_refused():
    damaged = network().zero_out({"pp": 0.2}).shrink_layer("hidden", [9])
    with pytest.raises(InputError, match="the mask of pp has shape"):
        rebuild(PMSP(0.1, 10, 8, 5), damaged.lesions)
    with pytest.raises(InputError, match="of the 10 of hidden can't be removed; it has 7"):
        rebuild(PMSP(0.1, 7, 9, 5), damaged.lesions)
