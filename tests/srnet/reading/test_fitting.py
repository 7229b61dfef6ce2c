"""Training: batches, and an optimiser that goes through surgery or starts afresh."""

import pytest
import torch

from sdnet.errors import InputError
from srnet.reading import PMSP, ToyOP

CORPUS = ToyOP(ticks=6)
X, Y = CORPUS.x, CORPUS.y


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def network(trained=0):
    model = PMSP(0.3, 10, 9, 5, seed=0)
    if trained:
        model.fit(X, Y, trained, 20, 0.05, generator=seeded())
    return model


def weights(model):
    return {name: parameter.detach().clone() for name, parameter in model.trained().items()}


def close(one, other):
    torch.testing.assert_close(one, other, rtol=0, atol=1e-6)


def test_training_is_torch_adam_over_the_same_batches():
    found, expected = network(), network()
    losses = found.fit(X, Y, 4, 6, 0.05, generator=seeded(3))
    optimiser, order = torch.optim.Adam(expected.parameters(), lr=0.05), seeded(3)
    for epoch in range(4):
        total = 0.0
        for batch in torch.randperm(20, generator=order).split(6):
            loss = expected.loss(X[batch], Y[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.item() * len(batch)
        assert losses[epoch] == pytest.approx(total / 20, rel=1e-5)
    close(weights(found), weights(expected))


def test_two_trainings_are_one_when_the_optimiser_is_carried():
    once, twice, afresh = network(), network(), network()
    once.fit(X, Y, 6, 7, 0.05, generator=seeded())
    generator = seeded()
    twice.fit(X, Y, 2, 7, 0.05, generator=generator)
    twice.fit(X, Y, 4, 7, 0.05, generator=generator)
    assert all(
        torch.equal(*pair) for pair in zip(once.parameters(), twice.parameters(), strict=True)
    )
    generator = seeded()
    afresh.fit(X, Y, 2, 7, 0.05, generator=generator)
    afresh.fit(X, Y, 4, 7, 0.05, optimizer="fresh", generator=generator)
    assert (once.w_oh - afresh.w_oh).abs().max() > 0.01


def test_the_optimiser_goes_through_surgery_with_its_weights():
    """The next step is that of torch's Adam whose moments were cut along by hand."""
    parent = network(trained=5)
    kept, mask = [0, 1, 2, 4, 5, 6, 8, 9], torch.rand(9, 9, generator=seeded()) > 0.3
    damaged = parent.cut_connections(["cp"]).shrink_layer("hidden", [3, 7]).zero_out({"pp": mask})
    expected = damaged.with_state(damaged.to_state())
    optimiser = torch.optim.Adam(expected.trained().values(), lr=0.05)

    def cut(name, moments):
        if name in ("w_oh", "w_ph"):
            return moments[:, kept]
        if name in ("w_hp", "bias_hidden"):
            return moments[kept]
        return moments * mask if name == "w_pp" else moments

    for name, parameter in expected.trained().items():
        optimiser.state[parameter] = {
            "step": torch.tensor(5.0),
            "exp_avg": cut(name, parent.moments["first"][name]).clone(),
            "exp_avg_sq": cut(name, parent.moments["second"][name]).clone(),
        }
    expected.loss(X, Y).backward()
    optimiser.step()
    damaged.fit(X, Y, 1, 20, 0.05, generator=seeded())
    close(weights(damaged), weights(expected))


@pytest.mark.parametrize("optimizer", ["carried", "fresh"])
def test_the_control_is_retrained_in_the_same_way(optimizer):
    parent = network(trained=5)

    def score(model):
        return model.loss(X, model.targets_left(Y)).item()

    settings = {"epochs": 3, "batch_size": 6, "lr": 0.05, "score": score, "optimizer": optimizer}
    damaged = parent.shrink_layer("phonology", [8])
    recovery = damaged.retrain(X, Y, **settings, control=parent, seed=4)
    undamaged = parent.retrain(X, Y, **settings, seed=4)
    assert recovery.control_scores == undamaged.scores
    assert undamaged.control is undamaged.control_scores is None
    assert recovery.scores[0] == score(damaged)
    assert recovery.control_scores[0] == score(parent)
    by_hand = damaged.with_state(damaged.to_state())
    by_hand.fit(X, Y[..., :8], 3, 6, 0.05, optimizer=optimizer, generator=seeded(4))
    assert recovery.scores[-1] == score(by_hand)


@pytest.mark.parametrize("trained", [0, 2])
def test_frozen_weights_stay_through_damage_until_they_are_freed(trained):
    model = network(trained)
    model.w_oh.requires_grad_(False)
    model.fit(X, Y, 2, 20, 0.05, generator=seeded())
    damaged = model.cut_connections(["cp"]).shrink_layer("hidden", [0]).zero_out({"oh": 0.1})
    expected = damaged.w_oh.detach().clone()
    damaged.fit(X, Y, 2, 20, 0.05, generator=seeded())
    assert torch.equal(damaged.w_oh, expected)
    assert not torch.equal(damaged.w_hp, model.w_hp[1:])
    assert ("w_oh" in damaged.moments["first"]) == bool(trained)
    damaged.trained()["w_oh"].requires_grad_(True)
    damaged.fit(X, Y, 1, 20, 0.05, generator=seeded())
    assert not torch.equal(damaged.w_oh, expected)
    assert not damaged.cut_connections(["oh"]).to_state()["frozen"]


def test_noise_in_training_follows_from_the_generator():
    found = []
    for seed in (0, 0, 1):
        model = network().add_noise("hidden", 0.5)
        model.fit(X, Y, 2, 20, 0.05, generator=seeded(seed))
        found.append(model.w_hp)
    assert torch.equal(found[0], found[1])
    assert (found[0] - found[2]).abs().max() > 1e-4  # rounding is 1e-7


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": X[..., :19]}, r"x has shape \(20, 6, 19\); expected \(examples, ticks, 20\)"),
        ({"y": Y[..., :8]}, r"y has shape \(20, 6, 8\); expected \(examples, ticks, 9\)"),
        ({"y": Y[:19]}, r"y has \(19, 6\) examples and ticks; expected \(20, 6\)"),
        ({"y": Y[:, :3]}, r"y has \(20, 3\) examples and ticks"),
        ({"y": Y * 2}, r"y has a value outside \[0, 1\]"),
        ({"y": Y * float("nan")}, r"y has a value outside \[0, 1\]"),
        ({"x": X * float("nan")}, "x has a value that is not finite"),
        ({"x": X[:0], "y": Y[:0]}, r"x has shape \(0, 6, 20\)"),
        ({"x": X.double()}, "x is torch.float64 on cpu; expected torch.float32"),
        ({"y": Y.long()}, "y is torch.int64 on cpu; expected torch.float32"),
        ({"epochs": -1}, "epochs is -1"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"optimizer": "frsh"}, "optimizer is 'frsh'; did you mean 'fresh'"),
        ({"lr": 0}, "lr is 0"),
        ({"lr": float("nan")}, "lr is nan"),
    ],
)
def test_training_that_can_not_be(changes, message):
    model = network()
    before = weights(model)
    settings = {"x": X, "y": Y, "epochs": 1, "batch_size": 20, "lr": 0.05} | changes
    with pytest.raises(InputError, match=message):
        model.fit(**settings)
    assert all(torch.equal(before[name], now) for name, now in model.trained().items())


def test_a_network_that_is_all_frozen_can_not_be_trained():
    with pytest.raises(InputError, match="all parameters of the network are frozen"):
        network().requires_grad_(False).fit(X, Y, 1, 20, 0.05)
