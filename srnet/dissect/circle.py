"""The circle: a small network whose every subset of units can be looked at.

Points of the square [-1, 1]^2 are inside or outside a circle of half its area, and 20 ReLU units
tell which. What may live here: the points, their classes, and the network, trained by one call.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sdnet.errors import InputError
from srnet.dissect.classifiers import dense, train_classifier

RADIUS_SQUARED = 2 / math.pi  # pi r^2 = 2, of the square's 4: not r^2 = sqrt(2 / pi)
UNITS = 20


def inside_circle(x: Float[Tensor, "n 2"]) -> Int[Tensor, " n"]:
    """1 where x0^2 + x1^2 <= 2 / pi, else 0.

    >>> inside_circle(torch.tensor([[0.0, 0.79], [0.0, 0.8]])).tolist()
    [1, 0]
    """
    return ((x**2).sum(-1) <= RADIUS_SQUARED).long()


def circle_points(
    count: int, generator: torch.Generator
) -> tuple[Float[Tensor, "n 2"], Int[Tensor, " n"]]:
    """Points drawn uniformly from [-1, 1]^2, and whether they are inside.

    Raises:
        InputError: no point is asked for.

    >>> x, y = circle_points(1000, torch.Generator().manual_seed(0))
    >>> x.shape, y.shape
    (torch.Size([1000, 2]), torch.Size([1000]))
    """
    if count < 1:
        raise InputError(f"count is {count}; expected 1 at least")
    x = torch.rand(count, 2, generator=generator) * 2 - 1
    return x, inside_circle(x)


def train_circle(
    generator: torch.Generator, *, units: int = UNITS, points: int = 1000, epochs: int = 1000
) -> nn.Sequential:
    """A network 2-20-2 with fc1, relu1, fc2, trained on points of the circle in about a second.

    Adam, rate 0.01, all points in each step.

    Args:
        generator: what points and weights follow from, on the CPU.
        units: ReLU units of the hidden layer.
        points: training points.
        epochs: steps.

    >>> model = train_circle(torch.Generator().manual_seed(0), epochs=2)
    >>> [name for name, _ in model.named_children()]
    ['fc1', 'relu1', 'fc2']
    """
    x, y = circle_points(points, generator)
    model = dense([2, units, 2], generator)
    train_classifier(model, x, y, epochs=epochs, batch_size=points, lr=0.01, generator=generator)
    return model
