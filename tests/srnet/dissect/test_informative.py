"""The most informative direction: against the whole circle, eigenvectors, and planted answers."""

import math
from itertools import pairwise

import pytest
import torch
from torch import nn

from sdnet.errors import InputError
from srnet.dissect.ablation import ablate_directions
from srnet.dissect.classifiers import dense, train_classifier
from srnet.dissect.data import load_dataset
from srnet.dissect.informative import (
    ascend,
    most_informative_direction,
    most_informative_directions,
)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


X = torch.randn(20, 3, generator=seeded(1))


@pytest.mark.parametrize("measure", ["kl", "kl_reverse"])
@pytest.mark.parametrize("layer", ["fc1", "relu1"])
def test_of_two_units_it_is_the_best_of_the_whole_circle(layer, measure):
    model = dense([3, 2, 4], seeded())
    with torch.no_grad():
        model.fc2.weight.mul_(5)
    angles = torch.linspace(0, math.pi, 2001)
    circle = torch.stack([angles.cos(), angles.sin()], 1)
    best = getattr(ablate_directions(model, layer, X, circle), measure).sum(1).max()
    found = most_informative_direction(model, layer, X, generator=seeded(), measure=measure)
    assert found.starts[0, 0].item() == pytest.approx(best.item(), rel=1e-4)
    assert getattr(found.removed, measure).sum().item() == pytest.approx(best.item(), rel=1e-4)
    assert found.directions.norm().item() == pytest.approx(1)


def planted():
    """Logits 4 a_0 + 2 a_1 and its negative, of 6 units: only these two say anything."""
    model = nn.Sequential(nn.Linear(3, 6), nn.Linear(6, 2))
    generator = seeded(3)
    with torch.no_grad():
        model[0].weight.normal_(generator=generator)
        model[0].bias.zero_()
        model[1].weight.zero_()
        model[1].weight[0, :2] = torch.tensor([4.0, 2.0])
        model[1].weight[1] = -model[1].weight[0]
        model[1].bias.zero_()
    return model


def test_what_the_output_does_not_depend_on_is_not_found():
    """After removing the k = 1 direction along the weights nothing else reaches the logits."""
    model = planted()
    found = most_informative_directions(model, "0", X, 3, generator=seeded())
    assert torch.allclose(found.directions @ found.directions.T, torch.eye(3), atol=1e-5)
    sums = found.removed.kl.sum(1)
    assert (sums.diff() <= 1e-4).all()
    weight = torch.tensor([4.0, 2.0, 0, 0, 0, 0]) / math.sqrt(20)
    along = ablate_directions(model, "0", X, weight[None]).kl.sum()
    assert sums[0] >= along * 0.999


def test_each_is_the_best_orthogonal_to_those_before():
    """Of three units, the second is sought on the circle that the first leaves."""
    model = dense([3, 3, 4], seeded(2))
    with torch.no_grad():
        model.fc2.weight.mul_(5)
    found = most_informative_directions(model, "relu1", X, 2, generator=seeded())
    left = torch.linalg.svd(found.directions[:1]).Vh[1:]
    angles = torch.linspace(0, math.pi, 2001)
    circle = torch.stack([angles.cos(), angles.sin()], 1) @ left
    best = ablate_directions(model, "relu1", X, circle).kl.sum(1).max()
    assert found.starts[1, 0].item() == pytest.approx(best.item(), rel=1e-4)


def test_the_ascent_finds_eigenvectors_and_never_goes_down():
    """max u' A u on the sphere is A's largest eigenvalue, and on what is left the second."""
    root = torch.randn(8, 8, generator=seeded(), dtype=torch.float64)
    matrix = root @ root.T
    values, vectors = torch.linalg.eigh(matrix)

    def quadratic(u):
        return ((u @ matrix) * u).sum(1), 2 * u @ matrix

    begin = torch.nn.functional.normalize(torch.randn(5, 8, generator=seeded(1)).double(), dim=1)
    nothing = begin[:0]
    ends, reached = ascend(quadratic, begin, nothing, 500)
    assert torch.allclose(reached, values[-1].expand(5), rtol=1e-5)
    assert torch.allclose((ends @ vectors[:, -1]).abs(), torch.ones(5).double(), atol=1e-3)
    first = vectors[:, -1:].T
    begin = torch.nn.functional.normalize(begin - (begin @ first.T) @ first, dim=1)
    second = ascend(quadratic, begin, first, 500)[1]
    assert torch.allclose(second, values[-2].expand(5), rtol=1e-4)
    course = [ascend(quadratic, begin, nothing, steps)[1] for steps in range(1, 20)]
    assert all((later >= earlier).all() for earlier, later in pairwise(course))
    scaled = ascend(lambda u: tuple(1e-6 * part for part in quadratic(u)), begin, nothing, 19)[1]
    assert torch.allclose(scaled * 1e6, course[-1])  # the scale doesn't matter


def test_the_rows_and_the_comparisons():
    data = load_dataset()
    model = dense([64, 16, 10], seeded())
    train_classifier(model, data.x_train, data.y_train, epochs=5, generator=seeded())
    model.zero_grad()
    x = data.x_test[:32]
    options = {"starts": 6, "comparisons": 30}
    found = most_informative_directions(model, "relu1", x, 2, generator=seeded(1), **options)
    rows = {row["direction"]: row for row in found.rows()}
    unit = int(found.units.kl.sum(1).argmax())
    assert list(rows) == ["best 0", "best 1", f"unit {unit}", "random, mean", "random, best"]
    best, one, random = rows["best 0"], rows[f"unit {unit}"], rows["random, best"]
    assert best["kl_sum"] == pytest.approx(32 * best["kl"])
    assert best["starts_high"] == pytest.approx(best["kl_sum"], rel=1e-4)
    assert best["starts_low"] <= best["starts_high"]
    assert one["kl_sum"] == pytest.approx(float(found.units.kl.sum(1).max()), rel=1e-5)
    assert best["kl_sum"] > one["kl_sum"] > rows["random, mean"]["kl_sum"]
    assert random["kl_sum"] >= rows["random, mean"]["kl_sum"]
    again = most_informative_directions(model, "relu1", x, 2, generator=seeded(1), **options)
    assert torch.equal(again.directions, found.directions)
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    assert found.to_frame()["direction"].tolist() == list(rows)


def test_channels_and_networks_that_cannot_be_cut():
    class Skip(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.out = nn.Conv2d(1, 3, 3), nn.Linear(3, 2)

        def forward(self, x):
            hidden = self.conv(x).relu()
            return self.out(hidden.mean((2, 3)) + x.mean((1, 2, 3))[:, None])

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model, images = Skip().eval(), torch.rand(4, 1, 6, 6)
    found = most_informative_direction(model, "conv", images, generator=seeded(), starts=4)
    sphere = torch.randn(500, 3, generator=seeded(1))
    others = ablate_directions(model, "conv", images, sphere).kl.sum(1).max()
    assert found.removed.kl.sum() >= 0.999 * others


def test_what_is_refused():
    model = dense([3, 2, 2], seeded())
    with pytest.raises(InputError, match="count is 3; layer 'relu1' has 2 units"):
        most_informative_directions(model, "relu1", X, 3, generator=seeded())
    with pytest.raises(InputError, match="starts is 0; expected a whole number of at least 1"):
        most_informative_direction(model, "relu1", X, generator=seeded(), starts=0)
    with pytest.raises(InputError, match="did you mean 'relu1'"):
        most_informative_direction(model, "relu", X, generator=seeded())
