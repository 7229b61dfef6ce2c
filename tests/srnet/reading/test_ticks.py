"""The recurrence and its written-out gradient, against a plain loop that autograd records."""

import pytest
import torch

from srnet.reading.ticks import settle


def plain(drive, weights, tau):
    state = active = torch.zeros_like(drive[0])
    states = []
    for given in drive:
        state = tau * (given + active @ weights) + (1 - tau) * state
        active = torch.sigmoid(state)
        states.append(state)
    return torch.stack(states)


def problem(ticks, seed=0):
    generator = torch.Generator().manual_seed(seed)
    drive = torch.randn(ticks, 3, 4, dtype=torch.float64, generator=generator)
    weights = torch.randn(4, 4, dtype=torch.float64, generator=generator)
    return drive.requires_grad_(), weights.requires_grad_()


@pytest.mark.parametrize("ticks", [1, 2, 30])
@pytest.mark.parametrize("tau", [0.1, 0.6, 1])
def test_states_and_gradients_are_those_of_the_plain_loop(ticks, tau):
    inputs = problem(ticks)
    upstream = torch.randn(ticks, 3, 4, dtype=torch.float64)
    found, expected = settle(*inputs, tau), plain(*inputs, tau)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(
        torch.autograd.grad(found, inputs, upstream),
        torch.autograd.grad(expected, inputs, upstream),
        rtol=0,
        atol=1e-12,
    )


def test_gradients_are_those_of_finite_differences():
    assert torch.autograd.gradcheck(lambda drive, weights: settle(drive, weights, 0.3), problem(5))


def test_what_it_is_given_stays_as_it_was():
    drive, weights = problem(4)
    before = drive.clone(), weights.clone()
    states = settle(drive, weights, 0.3)
    states.backward(upstream := torch.ones_like(states))
    assert torch.equal(drive, before[0])
    assert torch.equal(weights, before[1])
    assert torch.equal(upstream, torch.ones_like(states))


def test_tensors_that_are_not_contiguous():
    drive, weights = problem(6)
    turned = drive.detach().transpose(0, 1).contiguous().transpose(0, 1)
    found = settle(turned, weights.detach().T.contiguous().T, 0.3)
    torch.testing.assert_close(found, plain(drive, weights, 0.3), rtol=0, atol=1e-12)
