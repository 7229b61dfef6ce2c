"""Hub and spokes against a loop in NumPy, and where error is injected."""

import numpy as np
import pytest
import torch

from sdnet.errors import InputError
from srnet.reading import HubAndSpokes

SPOKES = {"names": 3, "shapes": 4, "sounds": 2}


def network(**settings):
    model = HubAndSpokes(0.3, 5, SPOKES, seed=0, **settings).double()
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        parameter.data.normal_(generator=generator)
    return model


def rand(*shape):
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


def test_activations_are_those_of_a_loop():
    model, x = network(), {"names": rand(6, 8, 3), "sounds": rand(6, 8, 2)}
    found = model(x, return_internals=True)
    act = {layer: np.zeros((6, units)) for layer, units in model.units.items()}
    state = dict(act)
    for t in range(8):
        given = {name: values[:, t].numpy() for name, values in x.items()}
        net = {
            layer: given.get(layer, 0) + getattr(model, f"bias_{layer}").detach().numpy()
            for layer in act
        }
        for name, (source, target) in model.connections.items():
            product = act[source] @ model.weight(name).detach().numpy()
            np.testing.assert_allclose(found[name][:, t].detach().numpy(), product, 0, 1e-12)
            net[target] = net[target] + product
        state = {layer: 0.3 * net[layer] + 0.7 * state[layer] for layer in act}
        act = {layer: 1 / (1 + np.exp(-state[layer])) for layer in act}
        for layer, values in act.items():
            np.testing.assert_allclose(found[layer][:, t].detach().numpy(), values, 0, 1e-12)


def test_spokes_reach_one_another_through_the_hub_only():
    assert set(network().connections.values()) == {
        ("hub", "hub"),
        *((spoke, "hub") for spoke in SPOKES),
        *(("hub", spoke) for spoke in SPOKES),
        *((spoke, spoke) for spoke in SPOKES),
    }


def test_error_is_injected_at_the_named_layers_only():
    model = network(connections=["names_to_hub", "hub_to_shapes", "hub_to_sounds"])
    x, y = {"names": rand(6, 8, 3)}, {"shapes": rand(6, 8, 4)}
    model.loss(x, y).backward()
    assert model.w_names_to_hub.grad.any()  # passed back
    assert model.w_hub_to_shapes.grad.any()
    assert not model.w_hub_to_sounds.grad.any()
    assert not model.bias_sounds.grad.any()


def test_the_loss_is_the_mean_over_all_targets_and_of_the_last_ticks():
    model, x = network(), {"names": rand(6, 8, 3)}
    y = {"shapes": rand(6, 8, 4), "hub": rand(6, 3, 5)}
    acts = {name: values.detach().numpy() for name, values in model(x).items()}
    parts = [(acts["shapes"], y["shapes"].numpy()), (acts["hub"][:, 5:], y["hub"].numpy())]
    losses = [-(t * np.log(a) + (1 - t) * np.log(1 - a)).ravel() for a, t in parts]
    assert model.loss(x, y).item() == pytest.approx(np.concatenate(losses).mean(), abs=1e-12)


def test_it_learns_and_is_damaged_as_any_network():
    model = HubAndSpokes(0.5, 8, {"names": 4, "shapes": 4}, seed=0)
    x = {"names": torch.eye(4)[:, None].repeat(1, 6, 1) * 4}
    y = {"shapes": torch.eye(4)[:, None].repeat(1, 2, 1)}  # at the last two ticks
    losses = model.fit(x, y, 200, 4, 0.05, generator=torch.Generator().manual_seed(0))
    right = model(x)["shapes"][:, -1].argmax(-1)
    assert right.tolist() == [0, 1, 2, 3]
    assert losses[-1] < 0.1 < losses[0]
    damaged = model.zero_out({"hub_to_shapes": 0.9}).shrink_layer("shapes", [0])
    assert (damaged(x)["shapes"][:, -1].argmax(-1) + 1).tolist() != [0, 1, 2, 3]
    left = damaged.targets_left(y)
    assert left["shapes"].shape == (4, 2, 3)
    damaged.fit(x, left, 1, 4, 0.05)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"spokes": {}}, "spokes is empty"),
        ({"spokes": {"hub": 3}}, "a spoke can't be named 'hub'"),
        ({"spokes": {"a.b": 3}}, "a spoke can't be named 'a.b'"),
        ({"spokes": {"names": 0}}, "units of names is 0"),
        ({"hub_units": 0}, "units of hub is 0"),
        ({"connections": ["names_to_shapes"]}, "connection 'names_to_shapes' can't be"),
        ({"tau": -1}, "tau is -1"),
    ],
)
def test_a_network_that_can_not_be(settings, message):
    with pytest.raises(InputError, match=message):
        HubAndSpokes(**({"tau": 0.1, "hub_units": 2, "spokes": SPOKES} | settings))


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ({}, {"hub": rand(6, 8, 5)}, "no inputs are given"),
        ({"names": rand(6, 8, 3)}, {}, "no targets are given"),
        ({"name": rand(6, 8, 3)}, {"hub": rand(6, 8, 5)}, "a spoke 'name'; did you mean 'names'"),
        ({"hub": rand(6, 8, 5)}, {"hub": rand(6, 8, 5)}, "x has a spoke 'hub'"),
        ({"names": rand(6, 8, 3)}, {"hubs": rand(6, 8, 5)}, "a layer 'hubs'; did you mean 'hub'"),
        ({"names": rand(6, 8, 2)}, {"hub": rand(6, 8, 5)}, r"x\['names'\] has shape"),
        ({"names": rand(6, 8, 3)}, {"hub": rand(6, 9, 5)}, r"\(6, 9\) examples and ticks"),
        ({"names": rand(6, 8, 3)}, {"hub": rand(5, 8, 5)}, r"\(5, 8\) examples and ticks"),
        (
            {"names": rand(6, 8, 3), "sounds": rand(6, 7, 2)},
            {"hub": rand(6, 8, 5)},
            r"\[\(6, 7\), \(6, 8\)\] examples and ticks",
        ),
    ],
)
def test_data_that_do_not_fit(x, y, message):
    with pytest.raises(InputError, match=message):
        network().fit(x, y, 1, 6, 0.05)
