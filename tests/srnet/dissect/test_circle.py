"""The circle: half of the square's area, and a network that learns it."""

import pytest
import torch

from sdnet.errors import InputError
from srnet.dissect.circle import circle_points, inside_circle, train_circle
from srnet.dissect.classifiers import accuracy


def test_half_of_the_square_is_inside():
    """On a fine grid: radius^2 = sqrt(2 / pi), as is found elsewhere, would have 0.627 of it."""
    axis = (torch.arange(1000) + 0.5) / 500 - 1
    x = torch.cartesian_prod(axis, axis)
    assert abs(inside_circle(x).double().mean().item() - 0.5) < 1e-4
    edge = (2 / torch.pi) ** 0.5
    assert inside_circle(torch.tensor([[edge - 1e-4, 0.0], [0.0, -edge - 1e-4]])).tolist() == [1, 0]


def test_points():
    x, y = circle_points(20_000, torch.Generator().manual_seed(0))
    assert (x.amin(), x.amax()) >= (-1, 0.99)
    assert x.abs().max() <= 1
    assert abs(y.double().mean().item() - 0.5) < 0.02
    assert x.mean(0).abs().max() < 0.02
    with pytest.raises(InputError, match="count is 0"):
        circle_points(0, torch.Generator())


def test_the_network_learns_it():
    model = train_circle(torch.Generator().manual_seed(0), epochs=150)
    again = train_circle(torch.Generator().manual_seed(0), epochs=150)
    x, y = circle_points(2000, torch.Generator().manual_seed(1))
    assert accuracy(model, x, y) > 0.93
    assert torch.equal(model(x), again(x))
    assert not model.training
