"""Our own networks with a module for every layer: the same function, each unit where it was."""

import pytest
import torch
from torch import nn

from sdnet.critic import CSDNet, SDNet
from sdnet.errors import InputError
from sdnet.mlp import MLP
from srnet.cells import DSN
from srnet.dissect.ablation import ablate_units
from srnet.dissect.interventions import Replace, intervene
from srnet.dissect.unrolling import unrolled
from srnet.network import SRNet


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


X = torch.randn(7, 3, generator=seeded(1))
CURVES = torch.randn(5, 12, generator=seeded(1))
MASK = {"alpha": [[1.0, 0, 0.5], [0, 1, 1]], "norm": None, "prune": 0.6}


@pytest.mark.parametrize(
    ("network", "x"),
    [
        (MLP(3, 2, 2, 8, generator=seeded()), X),
        (MLP(3, 2, 0, 8, generator=seeded()), X),
        (MLP(3, 2, 1, 8, generator=seeded()).double(), X.double()),
        (DSN(3, 4, 2, 8, generator=seeded()), X),
        (DSN(3, 2, 1, 8, generator=seeded(), **MASK), X),
        (DSN(3, 4, 0, 8, norm="softmax", generator=seeded()), X),
        (SRNet(3, 1, lat_size=4, generator=seeded()), X),
        (SRNet(3, 2, (2, 1), 8, ("DSN", "DSN"), lat_size=4, generator=seeded()), X),
        (SDNet(12, 2, 8, generator=seeded()), CURVES),
        (SDNet(4, 2, 8, emb_size=3, generator=seeded()), CURVES.view(5, 4, 3)),
    ],
)
def test_it_is_the_same_function(network, x):
    found = unrolled(network)
    expected = network(x)
    assert torch.allclose(found(x).view_as(expected), expected, atol=1e-6)
    assert found.training
    assert not unrolled(network.eval()).training


def test_the_weights_are_copies():
    network = MLP(3, 2, 1, 8, generator=seeded())
    found = unrolled(network)
    with torch.no_grad():
        found.fc1.weight.zero_()
    assert network.weights[0].abs().min() > 0


def test_a_hidden_unit_of_one_latents_network():
    """Of latents 0 to 3 with 8 units each, unit 2 * 8 + 5 changes latent 2 and no other."""
    network = DSN(3, 4, 1, 8, generator=seeded())
    found = unrolled(network)
    with intervene(found, {"relu1": Replace([2 * 8 + 5])}):
        changed = found(X) - network(X)
    hidden = (network._seen(X)[2] @ network.networks.weights[0][2]).relu()
    expected = -hidden[:, 5] * network.networks.weights[1][2, 5, 0]
    assert torch.allclose(changed[:, 2], expected, atol=1e-6)
    assert changed[:, [0, 1, 3]].abs().max() < 1e-6


def test_the_units_of_a_critic_can_be_ablated():
    critic = SDNet(12, 1, 8, generator=seeded()).eval()
    found = ablate_units(unrolled(critic), "critic.relu1", CURVES, reading="logit")
    hidden = (CURVES @ critic.critic.weights[0] + critic.critic.biases[0]).relu()
    p = critic(CURVES).sigmoid()
    q = (critic(CURVES) - hidden[:, 3] * critic.critic.weights[1][3, 0]).sigmoid()
    kl = p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()
    assert torch.allclose(found.kl[3], kl, atol=1e-6)


def test_what_is_refused():
    with pytest.raises(InputError, match="a Linear can't be unrolled"):
        unrolled(nn.Linear(2, 2))
    with pytest.raises(InputError, match="a CSDNet can't be unrolled"):
        unrolled(CSDNet(12))
    for network in (MLP(3, 2, 1, 8, stack=(5,)), DSN(3, 2, 1, 8, stack=(5,))):
        with pytest.raises(InputError, match=r"a stack \(5,\) of networks can't be unrolled"):
            unrolled(network)
