"""PMSP against a twin in NumPy whose backpropagation through time is written out by hand."""

from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy

from sdnet.errors import InputError
from srnet.reading import PMSP, ToyOP
from srnet.reading.pmsp import CONNECTIONS, LETTERS

ALL = list(CONNECTIONS)
SETTLING = ("hidden", "phonology", "cleanup")


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


def twin(model, x, y):
    """Activations, connections' inputs, loss and gradients, one tick and connection at a time."""
    tau, examples, ticks = model.tau, *x.shape[:2]
    weight = {name: model.weight(name).detach().numpy() for name in model.connections}
    bias = {layer: getattr(model, f"bias_{layer}").detach().numpy() for layer in SETTLING}
    ends = {name: (LETTERS[name[0]], LETTERS[name[1]]) for name in weight}
    activation = {layer: np.zeros((examples, ticks, len(bias[layer]))) for layer in SETTLING}
    inputs = {name: np.zeros((examples, ticks, w.shape[1])) for name, w in weight.items()}

    def read(layer, t):
        if layer == "orthography":
            return x[:, t]
        return activation[layer][:, t - 1] if t else np.zeros((examples, len(bias[layer])))

    state = dict.fromkeys(SETTLING, 0.0)
    for t in range(ticks):
        net = {layer: bias[layer] for layer in SETTLING}
        for name, (source, target) in ends.items():
            inputs[name][:, t] = read(source, t) @ weight[name]
            net[target] = net[target] + inputs[name][:, t]
        state = {layer: tau * net[layer] + (1 - tau) * state[layer] for layer in SETTLING}
        for layer in SETTLING:
            activation[layer][:, t] = sigmoid(state[layer])

    p = activation["phonology"]
    loss = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
    loss += model.l2 * sum((w**2).sum() for w in weight.values())
    gradient = {f"w_{name}": 2 * model.l2 * w for name, w in weight.items()}
    gradient |= {f"bias_{layer}": np.zeros_like(bias[layer]) for layer in SETTLING}
    by_state = dict.fromkeys(SETTLING, 0.0)  # dL / d state at t + 1
    for t in reversed(range(ticks)):
        by_activation = dict.fromkeys(SETTLING, 0.0)
        for name, (source, target) in ends.items():
            if source in SETTLING and t + 1 < ticks:
                by_activation[source] += tau * by_state[target] @ weight[name].T
        for layer in SETTLING:
            active = activation[layer][:, t]
            direct = (active - y[:, t]) / y.size if layer == "phonology" else 0.0
            slope = active * (1 - active)
            by_state[layer] = direct + by_activation[layer] * slope + (1 - tau) * by_state[layer]
            gradient[f"bias_{layer}"] = gradient[f"bias_{layer}"] + tau * by_state[layer].sum(0)
        for name, (source, target) in ends.items():
            gradient[f"w_{name}"] = gradient[f"w_{name}"] + read(source, t).T @ (
                tau * by_state[target]
            )
    for name, kept in model.masks.items():
        gradient[f"w_{name}"] = gradient[f"w_{name}"] * kept.numpy()
    return activation, inputs, loss, gradient


def random_model(connections=ALL, **lesions):
    """Small, of random weights and biases, in float64."""
    model = PMSP(0.3, h_units=5, p_units=4, c_units=3, o_units=6, connections=connections, seed=0)
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        parameter.data.normal_(generator=generator)
    return model.double()


def random_data(p_units=4):
    numbers = np.random.default_rng(0)
    return numbers.random((7, 9, 6)), numbers.random((7, 9, p_units))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


CASES = {
    "all": lambda: random_model(),
    "usual": lambda: random_model(None),
    "feedforward": lambda: random_model(["oh", "hp"]),
    "bare": lambda: random_model([]),
    "cut": lambda: random_model().cut_connections(["pc", "oh"]),
    "zeroed": lambda: random_model().zero_out(dict.fromkeys(ALL, 0.4), generator=seeded()),
    "shrunk": lambda: random_model().shrink_layer("hidden", [0, 3]).shrink_layer("cleanup", [1]),
    "penalised": lambda: random_model().apply_l2(0.3),
    "everything": lambda: (
        random_model()
        .zero_out({"pp": 0.5, "hh": 0.3}, generator=seeded())
        .shrink_layer("hidden", 0.3, generator=seeded())
        .cut_connections(["cp"])
        .apply_l2(0.1)
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_all_numbers_are_those_of_the_numpy_twin(case):
    model, (x, y) = CASES[case](), random_data()
    activation, inputs, loss, gradient = twin(model, x, y)
    x, y = torch.tensor(x), torch.tensor(y)
    found = model(x, return_internals=True)
    expected = activation | inputs
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name].detach().numpy(), values, rtol=0, atol=1e-12)
    assert torch.equal(model(x)["phonology"], found["phonology"])

    own_loop = binary_cross_entropy(model(x)["phonology"], y) + model.penalty()
    for value in (model.loss(x, y), own_loop):
        np.testing.assert_allclose(value.item(), loss, rtol=0, atol=1e-12)
        model.zero_grad()
        value.backward()
        for name, parameter in model.trained().items():
            np.testing.assert_allclose(parameter.grad.numpy(), gradient[name], rtol=0, atol=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_one_step_of_adam_is_that_of_the_numpy_twin(case):
    model, (x, y) = CASES[case](), random_data()
    loss, gradient = twin(model, x, y)[2:]
    before = {name: p.detach().clone().numpy() for name, p in model.trained().items()}
    losses = model.fit(torch.tensor(x), torch.tensor(y), 1, 7, 0.05)
    np.testing.assert_allclose(losses, [loss], rtol=0, atol=1e-12)
    for name, parameter in model.trained().items():
        first, second = 0.1 * gradient[name], 0.001 * gradient[name] ** 2
        step = 0.05 * (first / 0.1) / (np.sqrt(second / 0.001) + 1e-8)
        np.testing.assert_allclose(
            parameter.detach().numpy(), before[name] - step, rtol=0, atol=1e-6
        )


def test_a_layer_reads_the_ticks_before_and_orthography_the_same_tick():
    model = PMSP(1, h_units=1, p_units=1, c_units=1, o_units=1, connections=["oh", "hp"])
    with torch.no_grad():
        model.w_oh.fill_(1.0)
        model.w_hp.fill_(2.0)
    x = torch.tensor([0.0, 3.0, 0.0])[None, :, None]
    acts = model(x, return_internals=True)
    hidden = torch.tensor([0.0, 3.0, 0.0]).sigmoid()
    torch.testing.assert_close(acts["hidden"].flatten(), hidden)
    expected = torch.stack([torch.tensor(0.0), 2 * hidden[0], 2 * hidden[1]])
    torch.testing.assert_close(acts["hp"].flatten(), expected)
    torch.testing.assert_close(acts["phonology"].flatten(), expected.sigmoid())


def test_the_first_state_is_tau_times_the_net_input():
    model = PMSP(0.1, h_units=1, p_units=1, c_units=1, connections=[])
    with torch.no_grad():
        model.bias_phonology.fill_(5.0)
    found = model(torch.zeros(1, 2, 20))["phonology"].flatten()
    torch.testing.assert_close(found, torch.tensor([0.5, 0.95]).sigmoid())


def test_units_that_are_wrong_and_saturated_still_learn():
    model = PMSP(1, h_units=1, p_units=1, c_units=1, connections=[])
    with torch.no_grad():
        model.bias_phonology.fill_(200.0)
    x, y = torch.zeros(1, 1, 20), torch.zeros(1, 1, 1)
    assert model(x)["phonology"].item() == 1
    model.loss(x, y).backward()
    assert model.bias_phonology.grad.item() == 1


def test_weights_begin_as_glorot_has_them_from_the_seed_alone():
    before = torch.get_rng_state()
    model = PMSP(0.1, 40, 60, 50, o_units=20, connections=ALL, seed=3)
    same = PMSP(0.1, 40, 60, 50, o_units=20, connections=["pp", "oh"], seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    for name in ALL:
        weight = model.weight(name)
        bound = (6 / sum(weight.shape)) ** 0.5
        assert 0.97 * bound < weight.abs().max() < bound
        # of n uniform numbers the variance has a standard error of 0.9 / sqrt(n)
        n = weight.numel()
        assert abs(3 * weight.var().item() / bound**2 - 1) < 4 * 0.9 / n**0.5
    assert all(not getattr(model, f"bias_{layer}").any() for layer in SETTLING)
    assert torch.equal(model.w_pp, same.w_pp)
    assert torch.equal(model.w_oh, same.w_oh)
    assert not torch.equal(model.w_oh, PMSP(0.1, 40, 60, 50, seed=4).w_oh)


def test_parameters_have_the_names_of_the_field():
    names = [name for name, _ in PMSP(0.1, 2, 3, 4, seed=0).named_parameters()]
    assert names == [
        *("w_oh", "w_ph", "w_hp", "w_pp", "w_cp", "w_pc"),
        *("bias_hidden", "bias_phonology", "bias_cleanup"),
    ]


# Starting weights that the Keras implementation of this model (PyPI: connectionist) draws by
# tf.keras.utils.set_random_seed(0, 1, 2), and its own figures at 100 epochs from there: accuracy of
# ticks undamaged, without hp, oh, cp, and the mean of five masks of 16 weights of pp.
STARTS = Path(__file__).with_name("known_starts.npz")
KNOWN = {
    0: (0.480, 0.120, 0.240, 0.345, 0.479),
    1: (0.472, 0.133, 0.240, 0.482, 0.473),
    2: (0.467, 0.182, 0.215, 0.393, 0.452),
}


@pytest.fixture(scope="module", params=KNOWN)
def trained(request):
    """A network from a known start after 100 epochs, and what is known of it."""
    corpus = ToyOP()
    model = PMSP(0.1, h_units=10, p_units=9, c_units=5)
    with np.load(STARTS) as starts, torch.no_grad():
        for name in model.connections:
            model.weight(name).copy_(torch.from_numpy(starts[f"{request.param} w_{name}"]))
    model.fit(corpus.x, corpus.y, 100, 20, 0.05, generator=seeded())
    return model, KNOWN[request.param]


def test_damage_after_100_epochs_does_what_is_known(trained):
    model, known = trained
    corpus = ToyOP()
    masks = [
        torch.from_numpy(np.random.RandomState(seed).permutation(81) >= 16).view(9, 9)
        for seed in range(5)
    ]
    networks = [[model], *([model.cut_connections([name])] for name in ("hp", "oh", "cp"))]
    networks.append([model.zero_out({"pp": mask}) for mask in masks])
    found = [
        np.mean([corpus.tick_accuracy(network(corpus.x)["phonology"]) for network in group])
        for group in networks
    ]
    np.testing.assert_allclose(found, known, rtol=0, atol=0.01)


def test_hardly_a_word_is_right_after_100_epochs_and_all_after_500(trained):
    model, corpus = deepcopy(trained[0]), ToyOP()
    assert corpus.word_accuracy(model(corpus.x)["phonology"]) <= 0.15
    model.fit(corpus.x, corpus.y, 400, 20, 0.05, generator=seeded())
    assert corpus.word_accuracy(model(corpus.x)["phonology"]) == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"connections": ["oh", "hq"]}, "connection 'hq' can't be; choose from oh"),
        ({"connections": ["ho"]}, "connection 'ho' can't be"),
        ({"connections": ["oh", "oh"]}, "expected each once"),
        ({"tau": 0}, "tau is 0; expected a number in"),
        ({"tau": float("nan")}, "tau is nan"),
        ({"tau": 1.5}, "tau is 1.5"),
        ({"h_units": 0}, "units of hidden is 0"),
    ],
)
def test_a_network_that_can_not_be(settings, message):
    sizes = {"tau": 0.1, "h_units": 2, "p_units": 2, "c_units": 2}
    with pytest.raises(InputError, match=message):
        PMSP(**(sizes | settings))


@pytest.mark.parametrize(
    ("shape", "dtype", "message"),
    [
        (
            (4, 30, 19),
            torch.float32,
            r"x has shape \(4, 30, 19\); expected \(examples, ticks, 20\)",
        ),
        ((0, 30, 20), torch.float32, r"x has shape \(0, 30, 20\)"),
        ((30, 20), torch.float32, r"x has shape \(30, 20\)"),
        ((4, 0, 20), torch.float32, r"x has shape \(4, 0, 20\)"),
        ((4, 30, 20), torch.float64, "x is torch.float64 on cpu; expected torch.float32"),
    ],
)
def test_inputs_that_do_not_fit(shape, dtype, message):
    with pytest.raises(InputError, match=message):
        PMSP(0.1, 2, 3, 4, seed=0)(torch.zeros(shape, dtype=dtype))
