"""The guide: where it looks, what it asks of the latents, and that training obeys it."""

import math

import pytest
import torch

from sdnet.errors import InputError
from sdnet.library import SDData
from sdnet.training import stretches
from srnet.decomposition import decompose
from srnet.network import SRNet
from srnet.projection import Projection, widened
from srnet.training import Block, JointTraining, Recipe

MASKS = torch.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
LIBRARY = SDData.from_lines(["N0*x0**2", "N0*sin(2*x1)", "N0*x0*x1"], "X00")


def points(rows=60, seed=0):
    return torch.randn(rows, 2, generator=torch.Generator().manual_seed(seed))


def target(x):
    """Terms of latents 1 and 0; nothing is left for latent 2."""
    return 3 * x[:, :1] ** 2 - 2 * (2 * x[:, 1:]).sin() + 1


def guide_of(x, y, masks=MASKS, **options):
    return Projection(decompose(LIBRARY, x, y, masks), x, y, masks, **options)


def model_of(members=2, **options):
    settings = {"hid_num": (2, 0), "hid_type": ("DSN", "MLP"), "hid_kwargs": {"alpha": MASKS}}
    settings |= {"in_size": 2, "hid_size": 16, "lat_size": 3} | options
    seeds = [torch.Generator().manual_seed(seed) for seed in range(members)]
    return SRNet(**settings, stack=(members,), generator=seeds)


def standardised(curve):
    return (curve - curve.mean()) / curve.std(unbiased=False)


def true_latents(x, members=2):
    curves = [standardised((2 * x[:, 1]).sin()), standardised(x[:, 0] ** 2), torch.zeros(len(x))]
    return torch.stack(curves).expand(members, -1, -1).clone()


def test_widened_keeps_the_rows_and_moves_the_outer_third():
    x = torch.tensor([[-1.0, 0.0], [1.0, 0.0], [0.0, 0.2], [0.0, -0.2], [-3.0, 0.1], [3.0, -0.1]])
    wide = widened(x, reach=1.6)
    assert torch.equal(wide[:6], x)
    expected = [f * row for f in (1.2, 1.4, 1.6) for row in x[4:]]
    assert torch.allclose(
        torch.sort(wide[6:], 0).values, torch.sort(torch.stack(expected), 0).values
    )


def test_widened_by_one_adds_no_new_places():
    x = points(9)
    wide = widened(x, reach=1.0)
    assert wide.shape == (18, 2)
    assert torch.cdist(wide[9:], x).amin(1).max() < 1e-3


def test_widened_with_a_constant_column():
    x = torch.cat([points(9)[:, :1], torch.ones(9, 1)], 1)
    assert torch.equal(widened(x)[:, 1], torch.ones(18))


@pytest.mark.parametrize("reach", [0.9, math.inf, math.nan])
def test_impossible_reach(reach):
    with pytest.raises(InputError, match="reach is"):
        widened(points(), reach=reach)


def test_penalty_is_zero_for_latents_that_draw_the_terms():
    x = points()
    guide = guide_of(x, target(x))
    z = true_latents(guide.points)
    z[:, 2] = 7.0  # the free latent may draw anything
    assert guide.penalty(z, progress=0.5).tolist() == pytest.approx([0, 0], abs=1e-6)


def test_penalty_counts_misses_in_variances_of_the_target():
    x = points()
    y = target(x)
    guide = guide_of(x, y, weight=4.0)
    z = true_latents(guide.points)
    z[1, 0] += 0.5  # its mean square: 0.25
    expected = [0, 4 * 0.25 * float(y.var())]
    assert guide.penalty(z, progress=0.0).tolist() == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_penalty_has_a_gradient_for_each_guided_latent():
    x = points()
    guide = guide_of(x, target(x))
    z = torch.zeros_like(true_latents(guide.points)).requires_grad_()
    guide.penalty(z, progress=0.0).sum().backward()
    assert (z.grad.abs().sum(-1) > 0).tolist() == [[True, True, False]] * 2


def test_the_head_makes_the_target_of_the_true_latents():
    x = points()
    y = target(x)
    guide, model = guide_of(x, y), model_of()
    with torch.no_grad():
        guide.update(model, epoch=0)
        predicted = model.head(true_latents(guide.points).mT)
    for member in predicted:
        assert torch.allclose(member, target(guide.points), atol=1e-3)
    assert model.head.weights[0][:, 2].abs().max() == 0


def test_the_head_is_set_before_the_first_epoch_only():
    x = points()
    guide, model = guide_of(x, target(x)), model_of()
    before = model.head.weights[0].clone()
    with torch.no_grad():
        guide.update(model, epoch=guide.every)
    assert torch.equal(model.head.weights[0], before)


def test_points_are_those_where_the_terms_are_finite():
    x = points().abs() + 0.05
    library = SDData.from_lines(["N0*log(x0)"], "X00")
    y = x[:, :1].log()
    guide = Projection(decompose(library, x, y, torch.eye(2)), x, y, torch.eye(2))
    wide = widened(x)
    assert torch.equal(guide.points, wide[wide[:, 0] > 0])
    assert torch.equal(guide.points[: len(x)], x)
    assert len(guide.points) < len(wide)


def test_training_brings_latents_to_the_terms():
    x = points(100)
    y = target(x)
    guide, model = guide_of(x, y), model_of(hid_size=32)
    recipe = Recipe(300, lr=1e-2, schedule="cosine", iters=0)
    training = JointTraining(model, None, x, y, recipe, guide)
    for _ in stretches(training, lambda block: Block(), epochs=300):
        pass
    with torch.no_grad():
        z = model.latents(guide.points).mT
    truth = true_latents(guide.points)
    for member in range(2):
        for latent in range(2):
            pair = torch.stack([z[member, latent], truth[member, latent]])
            assert float(torch.corrcoef(pair)[0, 1]) > 0.95


def test_state_is_empty_and_of_no_other_guide():
    x = points()
    guide = guide_of(x, target(x))
    guide.load_state_dict(guide.state_dict())
    with pytest.raises(InputError, match="places"):
        guide.load_state_dict({"places": torch.zeros(1)})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hid_num": (2, 1)}, "linear head"),
        ({"hid_type": ("DSN", "DSN")}, "linear head"),
        ({"out_size": 2}, "one output"),
        ({"lat_size": 4, "hid_kwargs": {"alpha": torch.ones(4, 2)}}, "4 latents, the masks 3"),
    ],
)
def test_models_that_are_no_sum_of_the_latents(options, message):
    x = points()
    guide = guide_of(x, target(x))
    with pytest.raises(InputError, match=message), torch.no_grad():
        guide.update(model_of(**options), epoch=0)


def test_terms_that_the_masks_forbid():
    x = points()
    y = target(x)
    found = decompose(LIBRARY, x, y, MASKS)
    with pytest.raises(InputError, match="can't be those of 1 latents"):
        Projection(found, x, y, MASKS[:1])


@pytest.mark.parametrize("weight", [0.0, -1.0, math.inf, math.nan])
def test_impossible_weight(weight):
    x = points()
    with pytest.raises(InputError, match="weight is"):
        guide_of(x, target(x), weight=weight)


@pytest.mark.parametrize("value", [2.0, math.nan])
def test_target_that_no_sum_explains(value):
    x = points()
    found = decompose(LIBRARY, x, target(x), MASKS)
    with pytest.raises(InputError, match="constant or not finite"):
        Projection(found, x, torch.full((60, 1), value), MASKS)
