"""Adam against torch's own, and what it keeps when it is moved or restored."""

import copy

import pytest
import torch
from torch import nn

from sdnet.adam import Adam

SETTINGS = {"lr": 1e-2, "betas": (0.8, 0.99), "weight_decay": 0.1}


def parameters(dtype: torch.dtype = torch.float32) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    shapes = [(7, 5), (5,), (3, 5, 1)]
    return [nn.Parameter(torch.randn(s, generator=generator, dtype=dtype)) for s in shapes]


def give_gradients(own: list[nn.Parameter], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for parameter in own:
        parameter.grad = torch.randn(
            parameter.shape, generator=generator, dtype=parameter.dtype
        ).to(parameter.device)


def test_the_bits_of_torchs_fused_adam():
    mine, theirs = parameters(), parameters()
    adam, reference = Adam(mine, **SETTINGS), torch.optim.Adam(theirs, fused=True, **SETTINGS)
    for step in range(20):
        give_gradients(mine, step)
        give_gradients(theirs, step)
        if step == 10:
            adam.lr = reference.param_groups[0]["lr"] = 1e-3
        adam.step()
        reference.step()
    assert all(map(torch.equal, mine, theirs))


def test_two_steps_by_hand():
    """With beta1 = beta2 = 0 a step is lr * g / (|g| + eps)."""
    weight = nn.Parameter(torch.tensor([1.0, 2.0]))
    adam = Adam([weight], lr=0.5, betas=(0.0, 0.0))
    for gradient in ([3.0, -4.0], [-0.25, 0.0]):
        weight.grad = torch.tensor(gradient)
        adam.step()
    assert weight.tolist() == pytest.approx([1.0 - 0.5 + 0.5, 2.0 + 0.5], abs=1e-6)


def test_a_restored_one_goes_on_as_the_first():
    mine = parameters()
    adam = Adam(mine, **SETTINGS)
    for step in range(3):
        give_gradients(mine, step)
        adam.step()
    state = copy.deepcopy(adam.state_dict())
    others = [nn.Parameter(parameter.detach().clone()) for parameter in mine]
    restored = Adam(others, **SETTINGS)
    restored.load_state_dict(state)
    for step in range(3, 6):
        for own, optimiser in ((mine, adam), (others, restored)):
            give_gradients(own, step)
            optimiser.step()
    assert all(map(torch.equal, mine, others))
    assert float(state["steps"]) == 3, "the state was not a copy"


def test_a_state_of_other_parameters_is_refused():
    adam = Adam(parameters(), **SETTINGS)
    with pytest.raises(ValueError, match="argument"):
        adam.load_state_dict(Adam(parameters()[:2], **SETTINGS).state_dict())


def test_moments_follow_the_parameters():
    layer = nn.Linear(3, 2)
    adam = Adam(layer.parameters(), **SETTINGS)
    give_gradients(adam.parameters, 0)
    adam.step()
    first = [moment.clone() for moment in adam.first]
    layer.double()
    adam.follow()
    assert [moment.dtype for moment in adam.first + adam.second] == [torch.float64] * 4
    assert all(map(torch.equal, adam.first, [moment.double() for moment in first]))
    give_gradients(adam.parameters, 1)
    adam.step()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_as_on_the_cpu():
    mine = parameters()
    theirs = [nn.Parameter(parameter.detach().cuda()) for parameter in mine]
    adam, on_gpu = Adam(mine, **SETTINGS), Adam(theirs, **SETTINGS)
    for step in range(5):
        give_gradients(mine, step)
        give_gradients(theirs, step)
        adam.step()
        on_gpu.step()
    for own, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(own.detach(), other.detach().cpu(), rtol=1e-5, atol=1e-6)
