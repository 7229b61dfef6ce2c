"""Networks to dissect in states: the same again, and one sentence for what is none."""

import pytest
import torch
from torch import nn

from sdnet.critic import SDNet
from sdnet.errors import InputError
from srnet.dissect.classifiers import dense
from srnet.network import SRNet
from srnet.runs.cli import main
from srnet.runs.listing import list_runs
from srnet.runs.networks import load_network, save_network
from srnet.runs.states import load_state, save_state


def network(*widths):
    return dense(widths or [4, 6, 5, 3], torch.Generator().manual_seed(1))


@pytest.mark.parametrize("model", [network(), network(4, 3), network().double()])
def test_the_same_network_again(tmp_path, model):
    save_network(tmp_path / "a.pt", model, data="digits", losses=[0.5])
    found = load_network(tmp_path / "a.pt")
    x = torch.rand(7, 4, dtype=model.fc1.weight.dtype)
    assert torch.equal(found(x), model(x))
    assert not found.training
    assert load_state(tmp_path / "a.pt")["losses"] == [0.5]


def test_a_network_of_another_make_is_not_written(tmp_path):
    for model in (
        nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)),  # of other names
        nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2)),
        nn.Sequential(nn.ReLU()),
    ):
        with pytest.raises(InputError, match="expected one of `dense`"):
            save_network(tmp_path / "a.pt", model)
    assert not (tmp_path / "a.pt").exists()


def spoilt(name, value):
    return {**network().state_dict(), name: value}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"widths": [4]}, r"widths is \[4\]; expected the units of each layer"),
        ({"widths": "many"}, "widths is 'many'"),
        ({"widths": [4, -1, 3]}, r"widths is \[4, -1, 3\]"),
        ({"widths": [4, 6, 3]}, "the weights aren't those of widths"),
        ({"widths": [4, 10**12, 5, 3]}, r"fc1.weight is \(6, 4\); expected \(1000000000000, 4\)"),
        ({"weights": [1]}, "the weights aren't those"),
        ({"weights": spoilt("fc2.bias", 3)}, r"fc2.bias is int; expected \(5,\)"),
        ({"weights": spoilt("fc2.bias", torch.full((5,), torch.nan))}, "not a finite number"),
        ({"weights": spoilt("fc2.bias", torch.zeros(5).long())}, "not a finite number"),
    ],
)
def test_weights_that_do_not_fit(tmp_path, changes, told):
    whole = {"format": "network 1", "widths": [4, 6, 5, 3], "weights": network().state_dict()}
    save_state(tmp_path / "a.pt", {**whole, **changes})
    with pytest.raises(InputError, match=f"a.pt: .*{told}"):
        load_network(tmp_path / "a.pt")


def test_critics_and_generators_are_networks_too(tmp_path):
    arguments = {"in_size": 5, "hid_num": 1, "hid_size": 4}
    critic = SDNet(**arguments, generator=torch.Generator().manual_seed(0))
    state = {"format": "critic 1", "hyperparams": {}, "critic_args": arguments}
    rest = {"history": {}, "times": [], "ended": "finished"}
    save_state(tmp_path / "c.pt", {**state, **rest, "critic": critic.state_dict()})
    curves = torch.rand(3, 5)
    assert torch.equal(load_network(tmp_path / "c.pt")(curves), critic(curves))

    arguments = {"in_size": 2, "lat_size": 3, "hid_size": 4}
    model = SRNet(**arguments, stack=(1,), generator=torch.Generator().manual_seed(0))
    state = {"format": "generator 1", "hyperparams": {"restarts": 1}, "generator_args": arguments}
    critics = {"critic_args": {"in_size": 5}, "critic": {}}  # those it was trained against
    save_state(tmp_path / "g.pt", {**state, **rest, **critics, "generator": model.state_dict()})
    x = torch.rand(6, 2)
    assert torch.allclose(load_network(tmp_path / "g.pt")(x), model(x)[0], atol=1e-6)


def test_a_state_without_a_network(tmp_path):
    law = ("names", "target", "equations", "chosen", "train", "validation", "network")
    save_state(tmp_path / "law.pt", {"format": "law 1", **dict.fromkeys(law)})
    with pytest.raises(InputError, match=r"law.pt: holds a law; expected a network of"):
        load_network(tmp_path / "law.pt")


def test_other_commands_tell_what_a_network_is_not(tmp_path, capsys):
    path = tmp_path / "a.pt"
    save_network(path, network(), data="digits", seed=3, losses=[2.0, 0.5], accuracy=0.75)
    assert list_runs(tmp_path) == [
        {
            "name": "a",
            "network": "4-6-5-3",
            "data": "digits",
            "seed": 3,
            "epochs": 2,
            "loss": 0.5,
            "accuracy": 0.75,
        }
    ]
    assert main(["runs", str(tmp_path)]) == 0
    assert "4-6-5-3" in capsys.readouterr().out
    for words in (["plot", "learning"], ["plot", "verdicts"], ["read"]):
        assert main([*words, str(path)]) == 2
        told = capsys.readouterr().err
        assert f"{path}: holds a network to dissect" in told
        assert told.count("\n") == 1


def test_a_network_without_a_record_is_listed(tmp_path):
    save_network(tmp_path / "a.pt", network())
    (found,) = list_runs(tmp_path)
    assert (found["network"], found["epochs"], found["loss"]) == ("4-6-5-3", 0, None)
