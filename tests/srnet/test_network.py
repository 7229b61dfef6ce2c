"""SRNet: two cells in a row, and their derivatives."""

import itertools

import pytest
import torch
from torch import Tensor

from sdnet.errors import InputError
from sdnet.mlp import MLP
from srnet.cells import DSN
from srnet.network import SRNet

TYPES = list(itertools.product(("MLP", "DSN"), repeat=2))


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def points(n: int = 20, d: int = 2) -> Tensor:
    return torch.randn(n, d, dtype=torch.float64, generator=seeded(9))


def net(**options) -> SRNet:
    small = {"in_size": 2, "out_size": 2, "hid_num": (2, 1), "hid_size": 8, "lat_size": 3}
    return SRNet(**{**small, **options}, generator=seeded(0)).double()


@pytest.mark.parametrize("hid_type", TYPES)
def test_the_target_is_the_head_of_the_latents(hid_type):
    model, x = net(hid_type=hid_type), points()
    pred, acts = model(x, get_lat=True)
    assert pred.shape == (20, 2)
    assert acts.shape == (20, 3)
    assert torch.equal(model(x), pred)
    assert torch.equal(model.latents(x), acts)
    assert torch.equal(model.head(acts), pred)
    kinds = {"MLP": MLP, "DSN": DSN}
    assert (type(model.latents), type(model.head)) == tuple(kinds[kind] for kind in hid_type)


def test_a_value_for_both_cells_or_one_for_each():
    model = net(hid_num=(2, 0), hid_size=(8, 16), hid_type=("DSN", "MLP"))
    shapes = [tuple(weight.shape) for weight in model.latents.networks.weights]
    assert shapes == [(3, 2, 8), (3, 8, 8), (3, 8, 1)]
    assert [tuple(weight.shape) for weight in model.head.weights] == [(3, 2)]
    model = net(hid_num=1, hid_size=4, hid_type="MLP")
    assert [tuple(w.shape) for w in model.latents.weights] == [(2, 4), (4, 3)]
    assert [tuple(w.shape) for w in model.head.weights] == [(3, 4), (4, 2)]


def test_masks_are_of_the_inputs():
    mask = [[1, 0], [0, 1], [1, 1]]
    model = net(hid_type="DSN", hid_kwargs={"alpha": mask, "norm": None, "prune": 0.5})
    assert model.latents.mask().tolist() == mask
    assert model.head.mask().tolist() == [[1, 1, 1]] * 2
    assert not model.head.mask().requires_grad
    assert (model.jacobian(points(), get_lat=True) == 0).all(0).tolist() == [
        [False, True],
        [True, False],
        [False, False],
    ]


@pytest.mark.parametrize("hid_type", TYPES)
@pytest.mark.parametrize("hid_num", [(2, 0), (0, 2), (1, 1)])
@pytest.mark.parametrize("get_lat", [False, True])
def test_jacobian_is_that_of_autograd(hid_type, hid_num, get_lat):
    model, x = net(hid_type=hid_type, hid_num=hid_num), points()

    def row_wise(row: Tensor) -> Tensor:
        return model(row.unsqueeze(0), get_lat=True)[int(get_lat)][0]

    expected = torch.func.vmap(torch.func.jacrev(row_wise))(x)
    found = model.jacobian(x, get_lat=get_lat)
    assert found.shape == (20, 3 if get_lat else 2, 2)
    assert torch.allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("hid_type", TYPES)
@pytest.mark.parametrize("get_lat", [False, True])
def test_jacobian_is_differentiable(hid_type, get_lat):
    model, x = net(hid_type=hid_type), points().requires_grad_()
    numbers = [number for name, number in model.named_parameters() if "bias" not in name]
    options = {"allow_unused": True, "materialize_grads": True}
    found = torch.autograd.grad(model.jacobian(x, get_lat=get_lat).sin().sum(), numbers, **options)
    out = model(x, get_lat=True)[int(get_lat)]
    rows = [
        torch.autograd.grad(out[:, i].sum(), x, create_graph=True)[0] for i in range(out.shape[1])
    ]
    expected = torch.autograd.grad(torch.stack(rows, dim=1).sin().sum(), numbers, **options)
    assert bool(found[0].any())
    for mine, its in zip(found, expected, strict=True):
        assert torch.allclose(mine, its, rtol=0, atol=1e-12)


@pytest.mark.parametrize("hid_type", TYPES)
def test_a_stack_equals_its_members_alone(hid_type):
    sizes = {"in_size": 2, "hid_size": 8, "lat_size": 3, "hid_type": hid_type, "hid_num": (2, 1)}
    stack = SRNet(**sizes, stack=(4,), generator=[seeded(e) for e in range(4)])
    x = points().float()
    pred, acts = stack(x, get_lat=True)
    jacobians = [stack.jacobian(x, get_lat=get_lat) for get_lat in (False, True)]
    assert (pred.shape, acts.shape) == ((4, 20, 1), (4, 20, 3))
    assert [tuple(jac.shape) for jac in jacobians] == [(4, 20, 1, 2), (4, 20, 3, 2)]
    for e in range(4):
        alone = SRNet(**sizes, generator=seeded(e))
        expected = [*alone(x, get_lat=True), alone.jacobian(x), alone.jacobian(x, get_lat=True)]
        for mine, its in zip((pred, acts, *jacobians), expected, strict=True):
            assert torch.allclose(mine[e], its, rtol=0, atol=1e-5)


def test_a_generator_leaves_the_global_one_alone():
    before = torch.get_rng_state()
    models = [SRNet(hid_type=("DSN", "MLP"), generator=seeded(seed)) for seed in (0, 0, 1)]
    assert torch.equal(torch.get_rng_state(), before)
    weights = [model.latents.networks.weights[0] for model in models]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"in_size": 0}, "in_size is 0"),
        ({"lat_size": 0}, "lat_size is 0"),
        ({"hid_num": (1, 2, 3)}, "hid_num is .* expected one value or a pair"),
        ({"hid_num": (1, -1)}, "hid_num is -1"),
        ({"hid_type": ("DSN", "CNN")}, "hid_type is 'CNN'"),
        ({"hid_kwargs": {"alfa": None}}, "hid_kwargs has 'alfa'; did you mean 'alpha'"),
        ({"hid_type": "DSN", "hid_kwargs": {"alpha": [[1, 1]]}}, "each of 3 units"),
    ],
)
def test_settings_that_cannot_be_used(wrong, said):
    with pytest.raises(InputError, match=said):
        net(**wrong)


@pytest.mark.parametrize("hid_type", ["MLP", "DSN"])
def test_points_that_do_not_fit(hid_type):
    model = net(hid_type=hid_type)
    for shape in [(20, 1), (20, 3), (2,)]:
        for call in (model, model.jacobian):
            with pytest.raises(InputError, match=r"expected \(n, 2\)"):
                call(torch.zeros(shape, dtype=torch.float64))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("hid_type", TYPES)
@pytest.mark.parametrize("get_lat", [False, True])
def test_jacobian_on_cuda_agrees_with_the_cpu(hid_type, get_lat):
    model, x = net(hid_type=hid_type), points()
    expected = model.jacobian(x, get_lat=get_lat)
    found = model.cuda().jacobian(x.cuda(), get_lat=get_lat)
    assert torch.allclose(found.cpu(), expected, rtol=0, atol=1e-10)
