"""Where a run's curves come from: what each channel is, and that each draw stands by itself."""

import itertools

import pytest
import torch

from sdnet.errors import InputError
from sdnet.library import SDData
from sdnet.training import BLOCK
from srnet.network import SRNet
from srnet.runs.config import CriticConfig
from srnet.runs.curves import CurveSource, MemberSource, random_stream
from srnet.runs.generator_config import GeneratorConfig
from srnet.runs.values import build

N, LATENTS, ITERS = 30, 3, 4
POINTS = torch.randn(N, 2, generator=torch.Generator().manual_seed(0))
SMALL = {"arch": {"hid_size": 8, "lat_size": LATENTS}, "disc.iters": ITERS}
LINES = ["N0*x0**2 + N1*x0*x1", "N0*sin(x1)"]


def source(lines=LINES, *, seed=0, points=POINTS, iter_sample=False, **settings):
    config = build(CriticConfig, {**SMALL, **settings}, "test")
    library = SDData.from_lines(lines, "X00", iter_sample=iter_sample)
    return CurveSource(config, points, library, seed)


def parts(curves):
    return curves.real, curves.fake, curves.epsilon


def distinct(rows):
    """Whether no two of them are equal."""
    return not any(torch.equal(a, b) for a, b in itertools.combinations(rows, 2))


# -- streams --------------------------------------------------------------------------------


def test_streams_are_their_own():
    places = [(0, "a", 0), (1, "a", 0), (0, "b", 0), (0, "a", 1), (2**63 - 1, "a", 0)]
    assert distinct([torch.rand(4, generator=random_stream(*place)) for place in places])
    again = [torch.rand(4, generator=random_stream(7, "a", 3)) for _ in range(2)]
    assert torch.equal(*again)


# -- blocks ---------------------------------------------------------------------------------


@pytest.mark.parametrize("iter_sample", [False, True])
@pytest.mark.parametrize("ext", ["none", "grad"])
def test_a_block_is_the_same_alone_and_after_others(iter_sample, ext):
    one = source(iter_sample=iter_sample, ext=ext)
    one.evaluation("fresh", 10)
    blocks = [parts(one.block(index)) for index in (0, 1, 2)]
    alone = parts(source(iter_sample=iter_sample, ext=ext).block(2))
    assert all(map(torch.equal, blocks[2], alone))
    assert not any(map(torch.equal, blocks[2], blocks[1]))


def test_another_seed_is_another_block():
    one, other = parts(source().block(0)), parts(source(seed=1).block(0))
    assert not any(map(torch.equal, one, other))


@pytest.mark.parametrize(
    ("settings", "shape"),
    [
        ({}, (N,)),
        ({"ext": "input", "ext_type": "embed"}, (N, 3)),
        ({"ext": ["input", "grad"], "ext_type": "embed"}, (N, 5)),
        ({"ext": "grad", "ext_type": "stack"}, (3 * N,)),
        ({"ext": ["input", "grad"], "ext_type": "stack"}, (5 * N,)),
    ],
)
@pytest.mark.parametrize("iter_sample", [False, True])
def test_shapes(settings, shape, iter_sample):
    curves = source(iter_sample=iter_sample, **settings).block(0)
    assert curves.real.shape == (BLOCK, ITERS if iter_sample else 1, LATENTS, *shape)
    assert curves.fake.shape == (BLOCK, LATENTS, *shape)
    assert curves.epsilon.shape == (BLOCK, ITERS, LATENTS, 1)
    assert curves.epsilon.min() >= 0
    assert curves.epsilon.max() <= 1
    assert curves.epsilon.unique().numel() > 0.9 * curves.epsilon.numel()


@pytest.mark.parametrize("iter_sample", [False, True])
def test_epochs_and_iterations_all_differ(iter_sample):
    curves = source(iter_sample=iter_sample).block(0)
    draws = ITERS if iter_sample else 1
    assert distinct(curves.real.flatten(0, 1))
    assert curves.real.flatten(0, 1).shape[0] == BLOCK * draws
    assert distinct(curves.fake)
    assert distinct(curves.fake.flatten(0, 1))


# -- what the channels are ------------------------------------------------------------------


def test_real_curves_are_the_templates():
    """A curve is a x0**2 + b x0 x1 or a sin(x1): least squares on these leaves nothing."""
    x0, x1 = POINTS.double().T
    first, second = torch.stack([x0**2, x0 * x1], 1), torch.sin(x1)[:, None]
    real = source().block(0).real.double()
    seen = set()
    for curve in real.flatten(0, 2):
        left = [
            (basis @ torch.linalg.lstsq(basis, curve[:, None]).solution)[:, 0] - curve
            for basis in (first, second)
        ]
        sizes = [float(rest.abs().max()) for rest in left]
        assert min(sizes) < 1e-4
        seen.add(sizes.index(min(sizes)))
    assert seen == {0, 1}


def test_channels_of_real_curves():
    """Of N0 sin(x1): the derivative by x0 is 0, that by x1 is N0 cos(x1)."""
    one = source(["N0*sin(x1)"], ext=["grad", "input"], ext_type="embed")
    curves = one.block(0).real.flatten(0, 2)
    values, inputs, slopes = curves[..., 0], curves[..., 1:3], curves[..., 3:]
    assert torch.equal(inputs, POINTS.expand_as(inputs))
    size = values[:, :1] / POINTS[0, 1].sin()
    expected = torch.stack([torch.zeros_like(values), size * POINTS[:, 1].cos()], -1)
    torch.testing.assert_close(slopes, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("hid_type", ["MLP", "DSN"])
def test_gradients_of_fake_curves_are_finite_differences(hid_type):
    """Of a piecewise linear curve they are exact away from the kinks."""
    torch.set_default_dtype(torch.float64)
    try:
        ways, step = {}, 1e-7
        for name, shift in (("here", [0, 0]), ("by x0", [step, 0]), ("by x1", [0, step])):
            moved = POINTS.double() + torch.tensor(shift, dtype=torch.float64)
            one = source(points=moved, ext="grad", ext_type="embed", **{"arch.hid_type": hid_type})
            ways[name] = one.block(0).fake.flatten(0, 1)
    finally:
        torch.set_default_dtype(torch.float32)
    here = ways["here"]
    for variable in (0, 1):
        difference = (ways[f"by x{variable}"][..., 0] - here[..., 0]) / step
        right = (difference - here[..., 1 + variable]).abs() < 1e-6
        assert right.float().mean() > 0.999
        assert here[..., 1 + variable].abs().max() > 0.1


def test_stacked_channels_are_the_embedded_ones_end_to_end():
    stacked, embedded = (
        source(ext=["input", "grad"], ext_type=kind).block(1) for kind in ("stack", "embed")
    )
    assert torch.equal(stacked.real, embedded.real.mT.flatten(-2))
    assert torch.equal(stacked.fake, embedded.fake.mT.flatten(-2))


def test_the_values_are_the_same_whatever_else_is_seen():
    plain, more = source().block(0), source(ext="grad", ext_type="embed").block(0)
    assert torch.equal(plain.real, more.real[..., 0])
    assert torch.equal(plain.fake, more.fake[..., 0])


# -- generators -----------------------------------------------------------------------------


@pytest.mark.parametrize("hid_type", ["MLP", "DSN"])
@pytest.mark.parametrize("alpha", [None, [[1, 0], [0, 1], [1, 1]]])
def test_fakes_are_the_latents_of_an_untrained_srnet(hid_type, alpha):
    """The same numbers, from the same state of the generator."""
    arch = {
        "hid_num": [2, 0],
        "hid_size": [8, 5],
        "hid_type": [hid_type, "MLP"],
        "hid_kwargs": {"alpha": alpha, "norm": None, "prune": None},
        "lat_size": LATENTS,
    }
    fakes = source(arch=arch).fake(1, torch.Generator().manual_seed(5))
    model = SRNet(in_size=2, **arch, generator=torch.Generator().manual_seed(5))
    torch.testing.assert_close(fakes[0], model.latents(POINTS).detach().T)


def test_fakes_of_an_epoch_are_of_one_generator_with_one_hidden_unit():
    """Then all its latents are a + b h of the same h; those of other epochs are of another h."""
    fakes = source(arch={"hid_num": [1, 0], "hid_size": 1, "lat_size": LATENTS}).block(0).fake
    centred = (fakes - fakes.mean(-1, keepdim=True)).double()
    sizes = torch.linalg.svdvals(centred)  # (BLOCK, LATENTS)
    assert (sizes[:, 1] < 1e-5 * sizes[:, 0].max()).all()
    assert torch.linalg.svdvals(centred.flatten(0, 1))[1] > 0.01 * sizes.max()


def test_a_mask_that_does_not_fit_the_latents():
    with pytest.raises(InputError, match=r"alpha is .* expected a row for each of 3 units"):
        source(**{"arch.hid_type": "DSN", "arch.hid_kwargs.alpha": [[1, 0]]}).block(0)


# -- evaluation -----------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 7, 50 * LATENTS, 50 * LATENTS + 1])
@pytest.mark.parametrize("settings", [{}, {"ext": "grad", "ext_type": "embed"}])
def test_an_evaluation_has_as_many_curves_as_asked_for(count, settings):
    shape = (N, 3) if settings else (N,)
    real, fake = source(**settings).evaluation("fresh", count)
    assert real.shape == fake.shape == (count, *shape)


def test_evaluations_are_of_curves_that_nothing_else_holds():
    one = source()
    held = [side.flatten(0, -2) for i in range(3) for side in parts(one.block(i))[:2]]
    for name in ("fresh", "held out"):
        held.extend(one.evaluation(name, 200))
    curves = torch.cat(held)
    assert len(curves.unique(dim=0)) == len(curves)
    again = source().evaluation("held out", 200)
    assert all(map(torch.equal, again, held[-2:]))


def test_points_are_not_touched_and_nothing_else_is_drawn():
    points, before = POINTS.clone(), torch.get_rng_state()
    one = source(points=points, ext=["input", "grad"])
    one.block(0)
    one.evaluation("fresh", 10)
    assert torch.equal(points, POINTS)
    assert torch.equal(torch.get_rng_state(), before)


# -- members --------------------------------------------------------------------------------


@pytest.mark.parametrize(("batch", "count"), [(None, LATENTS), (7, 7)])
@pytest.mark.parametrize(("iter_sample", "draws"), [(False, 1), (True, ITERS)])
def test_a_step_sees_as_many_library_curves_as_asked_for(batch, count, iter_sample, draws):
    library = SDData.from_lines(LINES, "X00", iter_sample=iter_sample)

    def real(restarts, seed):
        settings = {**SMALL, "restarts": restarts, "disc.batch": batch}
        config = build(GeneratorConfig, settings, "test")
        return MemberSource(config, POINTS, N, library, seed).block(0).real

    both = real(2, seed=0)
    assert both.shape == (BLOCK, draws, 2, count, N)
    assert torch.equal(real(1, seed=1)[:, :, 0], both[:, :, 1])
