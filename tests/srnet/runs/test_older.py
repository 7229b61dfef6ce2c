"""States of the older form: the critic they hold, against the same layers put together by hand."""

import pickle
from collections import OrderedDict
from itertools import pairwise

import joblib
import numpy as np
import pytest
import torch
from torch import nn

from sdnet.errors import InputError
from srnet.runs.assembly import load_critic
from srnet.runs.listing import list_runs
from srnet.runs.states import load_state

POINTS = 12


def network(*sizes):
    """Linear layers with relu between, numbered as in the older form: 0, 2, 4, ..."""
    layers = []
    for i, (before, after) in enumerate(pairwise(sizes)):
        layers += [nn.ReLU()] if i else []
        layers.append(nn.Linear(before, after))
    return nn.Sequential(*layers)


def disc_state(**networks):
    return OrderedDict(
        (f"{name}.{key}", tensor.detach().clone())
        for name, layers in networks.items()
        for key, tensor in layers.state_dict().items()
    )


def older(disc_state, disc=None, **hyperparams):
    disc = {"hid_num": 9, "lr": 1e-3, "iters": 3, **(disc or {})}  # hid_num isn't to be trusted
    hyperparams = {"batch_size": POINTS, "epochs": 10, **hyperparams, "disc": disc}
    return {"hyperparams": hyperparams, "disc_state": disc_state}


@pytest.fixture
def plain():
    return network(POINTS, 8, 8, 8, 1)


def refusal(path, content):
    torch.save(content, path)
    with pytest.raises(InputError) as caught:
        load_critic(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    "write", [joblib.dump, torch.save, lambda o, p: joblib.dump(o, p, compress=3)]
)
def test_a_critic_of_values(tmp_path, plain, write):
    path = tmp_path / "older.pkl"
    write(older(disc_state(layers2=plain)), path)
    critic, curves = load_critic(path), torch.randn(20, POINTS)
    torch.testing.assert_close(critic(curves), plain(curves)[:, 0])
    assert (critic.lr, critic.iters, critic.stack) == (1e-3, 3, ())


def test_a_plain_pickle(tmp_path, plain):
    path = tmp_path / "older.pkl"
    path.write_bytes(pickle.dumps(older(disc_state(layers2=plain))))
    curves = torch.randn(20, POINTS)
    torch.testing.assert_close(load_critic(path)(curves), plain(curves)[:, 0])


@pytest.mark.parametrize("hyperparams", [{"ext": "grad", "ext_type": "embed", "ext_size": 1}, {}])
@pytest.mark.parametrize("write", [joblib.dump, torch.save])
def test_a_critic_with_an_embedding(tmp_path, write, hyperparams):
    path = tmp_path / "older.pkl"
    embedding, critic = network(2, 5, 5, 1), network(POINTS, 7, 1)
    write(older(disc_state(layers1=embedding, layers2=critic), **hyperparams), path)
    curves = torch.randn(20, POINTS, 2)
    expected = critic(embedding(curves)[..., 0])[:, 0]
    torch.testing.assert_close(load_critic(path)(curves), expected)


@pytest.mark.parametrize("sizes", [{"ext_size": 2}, {"ext_size": np.int64(2)}, {}])
def test_a_critic_of_stacked_channels(tmp_path, sizes):
    path = tmp_path / "older.pkl"
    critic = network(3 * POINTS, 7, 7, 1)
    hyperparams = {"ext": ["input", "grad"], "ext_type": "stack", **sizes}
    joblib.dump(older(disc_state(layers2=critic), **hyperparams), path)
    curves = torch.randn(20, 3 * POINTS)
    torch.testing.assert_close(load_critic(path)(curves), critic(curves)[:, 0])


def test_one_layer_without_batch_size(tmp_path):
    path, critic = tmp_path / "older.pkl", network(POINTS, 1)
    joblib.dump({"hyperparams": {}, "disc_state": disc_state(layers2=critic)}, path)
    curves = torch.randn(20, POINTS)
    torch.testing.assert_close(load_critic(path)(curves), critic(curves)[:, 0])


def test_double_precision_and_parameters(tmp_path):
    path, critic = tmp_path / "older.pkl", network(POINTS, 4, 1)
    state = {f"layers2.{name}": p.double() for name, p in critic.named_parameters()}
    joblib.dump(older(OrderedDict(state)), path)
    curves = torch.randn(20, POINTS)
    torch.testing.assert_close(load_critic(path)(curves), critic(curves)[:, 0])


def test_the_hyperparams_stay_as_they_were_and_are_listed(tmp_path, plain):
    path = tmp_path / "older.pt"
    content = older(disc_state(layers2=plain), {"loss_fun": "Wasserstein"}, note="of 2023")
    joblib.dump(content, path)
    state = load_state(path)
    assert state["hyperparams"] == content["hyperparams"]
    assert load_critic(path).objective.phi(torch.tensor(3.0)) == -3  # of wasserstein
    (row,) = list_runs(tmp_path)
    assert (row["hidden"], row["epochs"], row["acc"]) == ("3 x 8", "0/10", None)


# -- what can't be used ---------------------------------------------------------------------


def test_a_state_for_700_points_does_not_fit_100(tmp_path):
    content = older(disc_state(layers2=network(700, 8, 1)), batch_size=100)
    message = refusal(tmp_path / "older.pt", content)
    assert "batch_size 100" in message
    assert "700 inputs" in message


@pytest.mark.parametrize(
    ("hyperparams", "words"),
    [
        ({"ext_size": 1}, "ext_size 1 don't fit a critic of 12 inputs"),
        ({"batch_size": 5, "ext": "grad"}, "batch_size 5 and ext_size None don't fit"),
        ({"batch_size": "many"}, "batch_size is 'many'"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"ext_size": "one"}, "ext_size 'one'; expected whole numbers"),
        ({"disc": []}, "its `hyperparams.disc` is no dict"),
    ],
)
def test_hyperparams_that_do_not_fit(tmp_path, plain, hyperparams, words):
    content = older(disc_state(layers2=plain))
    content["hyperparams"] |= hyperparams
    assert words in refusal(tmp_path / "older.pt", content)


def test_channels_that_do_not_fit(tmp_path):
    state = disc_state(layers1=network(2, 5, 1), layers2=network(POINTS, 7, 1))
    message = refusal(tmp_path / "older.pt", older(state, ext_size=2))
    assert "12 inputs and 2 channels" in message


@pytest.mark.parametrize(
    ("disc", "words"),
    [
        ({"loss_fun": "wassertsein"}, "did you mean 'wasserstein'?"),
        ({"lr": -1.0}, "lr is -1.0"),
        ({"lr": "fast"}, "not the state of a critic"),
        ({"betas": None}, "not the state of a critic"),
        ({"iters": 0}, "iters is 0"),
    ],
)
def test_options_that_cannot_be(tmp_path, plain, disc, words):
    assert words in refusal(tmp_path / "older.pt", older(disc_state(layers2=plain), disc))


def without(state, name):
    return OrderedDict((key, tensor) for key, tensor in state.items() if key != name)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: without(s, "layers2.2.bias"), "layers2.2 has a weight (8, 8) and a bias (0,)"),
        (lambda s: without(s, "layers2.2.weight"), "layers2.2 has a weight (0,) and a bias (8,)"),
        (lambda s: without(without(s, "layers2.0.bias"), "layers2.0.weight"), "12 and ext_size"),
        (lambda s: {**s, "layers2.4.weight": torch.zeros(8, 7)}, "(8, 7)"),
        (lambda s: {**s, "layers2.6.weight": torch.zeros(2, 8)}, "a bias (1,)"),
        (lambda s: {**s, "layers2.0.weight": torch.zeros(9, 12)}, "a bias (8,)"),
        (lambda s: {**s, "layers2.8.weight": torch.zeros(1, 1), "layers2.8.bias": torch.ones(1)},
         "one size for all hidden layers"),
        (lambda s: {**s, "layers2.1.running_mean": torch.zeros(8)}, "'layers2.1.running_mean'"),
        (lambda s: {**s, "layers3.0.weight": torch.zeros(8)}, "'layers3.0.weight'"),
        (lambda s: {**s, "layers2.0.bias": torch.full((8,), torch.nan)}, "'layers2.0.bias'"),
        (lambda s: {**s, "layers2.0.bias": torch.zeros(8, dtype=torch.cfloat)}, "finite numbers"),
        (lambda s: {**s, "layers2.0.bias": "zeros"}, "finite numbers"),
        (lambda s: {}, "no tensors named layers2.0.weight"),
        (lambda s: [s], "is no dict"),
    ],
)  # fmt: skip
def test_tensors_that_make_no_critic(tmp_path, plain, change, words):
    content = older(change(disc_state(layers2=plain)))
    assert words in refusal(tmp_path / "older.pt", content)


def test_two_outputs(tmp_path):
    content = older(disc_state(layers2=network(POINTS, 8, 2)))
    assert "one output" in refusal(tmp_path / "older.pt", content)


def test_an_embedding_alone(tmp_path):
    content = older(disc_state(layers1=network(2, 5, 1)))
    assert "no tensors named layers2.0.weight" in refusal(tmp_path / "older.pt", content)


def test_text_in_place_of_tensors(tmp_path):
    path = tmp_path / "older.pkl"
    joblib.dump(older({"layers2.0.weight": np.array(["a", "b"])}), path)
    with pytest.raises(InputError, match="finite numbers"):
        load_state(path)
