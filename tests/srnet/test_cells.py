"""DSN cells: separate networks, masks, exact derivatives, and where untrained ones bend."""

import math

import pytest
import torch
from torch import Tensor

from sdnet.errors import InputError
from sdnet.mlp import MLP
from srnet.cells import DSN, latent_curves, make_cell


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def points(n: int, d: int, seed: int = 9) -> Tensor:
    return torch.randn(n, d, dtype=torch.float64, generator=seeded(seed))


def dsn(in_size: int = 3, out_size: int = 2, hid_num: int = 2, hid_size: int = 8, **options) -> DSN:
    return DSN(in_size, out_size, hid_num, hid_size, generator=seeded(0), **options).double()


def unit(cell: DSN, i: int) -> MLP:
    """The network of unit i of a cell without stack, by itself."""
    network = MLP(cell.networks.in_size, 1, len(cell.networks.weights) - 1, 8).double()
    for mine, its in zip(network.parameters(), cell.networks.parameters(), strict=True):
        mine.data = its[i].detach()
    return network


# -- forward and masks ----------------------------------------------------------------------


@pytest.mark.parametrize("hid_num", [0, 2])
def test_units_are_separate_networks_of_masked_inputs(hid_num):
    mask = torch.tensor([[1.0, 0.0, 0.5], [0.0, -2.0, 1.0]], dtype=torch.float64)
    cell, x = dsn(hid_num=hid_num, alpha=mask), points(20, 3)
    assert cell(x).shape == (20, 2)
    for i in range(2):
        assert torch.allclose(cell(x)[:, i], unit(cell, i)(x * mask[i])[:, 0], atol=1e-12)


def test_a_learned_mask_starts_at_one_and_gets_a_gradient():
    cell = dsn()
    assert cell.mask().tolist() == [[1, 1, 1]] * 2
    cell(points(20, 3)).square().sum().backward()
    assert "alpha" in dict(cell.named_parameters())
    assert bool((cell.alpha.grad != 0).all())


@pytest.mark.parametrize("alpha", ["ones", [[1, 1, 1], [1, 1, 1]], torch.ones(2, 3)])
def test_a_fixed_mask_is_part_of_the_state_but_not_learned(alpha):
    cell = dsn(alpha=alpha)
    assert cell.mask().tolist() == [[1, 1, 1]] * 2
    assert not cell.mask().requires_grad
    assert "alpha" in cell.state_dict()
    assert "alpha" not in dict(cell.named_parameters())


def test_a_mask_that_was_given_is_copied():
    given = torch.ones(2, 3)
    cell = dsn(alpha=given)
    given.zero_()
    assert cell.mask().tolist() == [[1, 1, 1]] * 2


def test_softmax_normalises_each_row():
    cell = dsn(alpha=[[0, 0, 0], [0, math.log(2), 0]], norm="softmax")
    assert cell.mask().flatten().tolist() == pytest.approx([1 / 3] * 3 + [0.25, 0.5, 0.25])


def test_prune_drops_what_is_smaller_in_magnitude():
    cell = dsn(alpha=[[0.5, -0.5, 0.4], [-0.4, 0, 2]], prune=0.5)
    assert cell.mask().tolist() == [[0.5, -0.5, 0], [0, 0, 2]]
    # after the norm: 0.25 is dropped, 0.5 stays
    soft = dsn(alpha=[[0, 0, 0], [0, math.log(2), 0]], norm="softmax", prune=0.4)
    assert (soft.mask() != 0).tolist() == [[False] * 3, [False, True, False]]


def test_pruned_entries_of_a_learned_mask_get_no_gradient():
    cell = dsn(prune=0.5)
    with torch.no_grad():
        cell.alpha[0, 1] = 0.1
    cell(points(20, 3)).square().sum().backward()
    assert (cell.alpha.grad == 0).tolist() == [[False, True, False], [False] * 3]


@pytest.mark.parametrize("inner", [{}, {"norm": "softmax", "prune": 0.2}])
def test_a_stack_equals_its_members_alone(inner):
    sizes = {"in_size": 3, "out_size": 2, "hid_num": 2, "hid_size": 8, **inner}
    stack = DSN(**sizes, stack=(4,), generator=[seeded(e) for e in range(4)])
    x, own = points(20, 3).float(), points(80, 3).float().reshape(4, 20, 3)
    assert stack(x).shape == (4, 20, 2)
    assert stack.jacobian(x).shape == (4, 20, 2, 3)
    assert stack.mask().shape == (4, 2, 3)
    for e in range(4):
        alone = DSN(**sizes, generator=seeded(e))
        assert torch.allclose(stack(x)[e], alone(x), atol=1e-6)
        assert torch.allclose(stack(own)[e], alone(own[e]), atol=1e-6)
        assert torch.allclose(stack.jacobian(own)[e], alone.jacobian(own[e]), atol=1e-6)


# -- derivatives ----------------------------------------------------------------------------


@pytest.mark.parametrize("hid_num", [0, 1, 3])
@pytest.mark.parametrize("norm", [None, "softmax"])
def test_jacobian_is_that_of_autograd(hid_num, norm):
    cell, x = dsn(hid_num=hid_num, norm=norm, alpha=[[1, -0.3, 2], [0, 1, 1]]), points(20, 3)
    expected = torch.func.vmap(torch.func.jacrev(lambda row: cell(row.unsqueeze(0))[0]))(x)
    assert cell.jacobian(x).shape == (20, 2, 3)
    assert torch.allclose(cell.jacobian(x), expected, rtol=0, atol=1e-12)


def test_jacobian_of_a_masked_input_is_exactly_zero():
    x = points(50, 3)
    masked = [[True, False, False], [False, True, False]]
    for cell in (
        dsn(alpha=[[0, 1, 2], [1, 0, 3]]),
        dsn(alpha=[[0.3, 1, 2], [1, 0.3, 3]], prune=0.5),
        dsn(alpha=[[-3, 1, 2], [1, -3, 3]], norm="softmax", prune=0.1),
    ):
        jacobian = cell.jacobian(x)
        assert (jacobian == 0).all(0).tolist() == masked
        moved = x.clone()
        moved[:, 0] += 1
        assert torch.equal(cell(moved)[:, 0], cell(x)[:, 0])
        assert not torch.equal(cell(moved)[:, 1], cell(x)[:, 1])


def test_jacobian_is_differentiable_by_weights_and_mask():
    cell, x = dsn(norm="softmax"), points(20, 3).requires_grad_()
    numbers = [*cell.networks.weights, cell.alpha]
    found = torch.autograd.grad(cell.jacobian(x).sin().sum(), numbers)
    units = cell(x)
    rows = [torch.autograd.grad(units[:, i].sum(), x, create_graph=True)[0] for i in range(2)]
    expected = torch.autograd.grad(torch.stack(rows, dim=1).sin().sum(), numbers)
    assert bool(found[-1].any())
    for mine, its in zip(found, expected, strict=True):
        assert torch.allclose(mine, its, rtol=0, atol=1e-12)


# -- where untrained cells bend -------------------------------------------------------------


def bends(cell: MLP | DSN) -> Tensor:
    """Second differences of each unit on a grid of [-2, 2] with 0 in it, (k, inner points)."""
    x = torch.linspace(-2, 2, 401, dtype=torch.float64).unsqueeze(1)
    return cell(x).detach().T.diff(n=2).abs()


@pytest.mark.parametrize("hid_num", [1, 2, 3])
def test_an_untrained_dsn_bends_at_zero_and_an_untrained_mlp_elsewhere(hid_num):
    sizes = {"in_size": 1, "out_size": 5, "hid_num": hid_num, "hid_size": 32}
    separate = DSN(**sizes, generator=seeded(1)).double()
    middle = 199  # of 399 inner points, the one at 0
    found = bends(separate)
    assert bool((found[:, middle] > 1e-4).all())  # the two slopes differ
    found[:, middle] = 0
    assert found.max() < 1e-12  # and each side is a straight line
    assert bool((separate(torch.zeros(1, 1, dtype=torch.float64)) == 0).all())

    joint = bends(MLP(**sizes, generator=seeded(1)).double())
    joint[:, middle] = 0
    assert bool((joint.max(1).values > 1e-4).all())


def test_an_untrained_dsn_of_many_variables_is_linear_along_rays():
    cell, x = dsn(hid_num=3), points(20, 3)
    assert torch.allclose(cell(2.5 * x), 2.5 * cell(x), atol=1e-12)


# -- making cells, curves, and what is refused ----------------------------------------------


def test_make_cell():
    joint = make_cell("MLP", 2, 3, 1, 8, {"alpha": None, "norm": None}, generator=seeded(0))
    assert all(
        map(torch.equal, joint.parameters(), MLP(2, 3, 1, 8, generator=seeded(0)).parameters())
    )
    separate = make_cell("DSN", 2, 3, 1, 8, {"norm": "softmax"}, stack=(4,))
    assert isinstance(separate, DSN)
    assert separate.mask().shape == (4, 3, 2)
    assert separate.norm == "softmax"


@pytest.mark.parametrize("kind", ["MLP", "DSN"])
@pytest.mark.parametrize("stack", [(), (4,)])
def test_latent_curves(kind, stack):
    cell = make_cell(kind, 2, 3, 2, 8, stack=stack, generator=seeded(0)).double()
    x = points(20, 2)
    curves, slopes = latent_curves(cell, x, gradients=True)
    assert curves.shape == (*stack, 3, 20)
    assert slopes.shape == (*stack, 3, 20, 2)
    assert not curves.requires_grad
    assert torch.equal(curves, cell(x).mT)
    # by differences: no point is within 1e-7 of a kink
    step = torch.tensor([0.0, 1e-7], dtype=torch.float64)
    moved, none = latent_curves(cell, x + step)
    assert torch.allclose((moved - curves) / 1e-7, slopes[..., 1], atol=1e-5)
    assert none is None


@pytest.mark.parametrize("kind", ["MLP", "DSN"])
def test_a_constructor_given_a_generator_leaves_the_global_one_alone(kind):
    before = torch.get_rng_state()
    make_cell(kind, 2, 3, 2, 8, stack=(2,), generator=seeded(0))
    make_cell(kind, 2, 3, 2, 8, stack=(2,), generator=[seeded(0), seeded(1)])
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"in_size": 0, "alpha": torch.ones(2, 0)}, "in_size is 0"),
        ({"out_size": 0}, "out_size is 0"),
        ({"norm": "sofmax"}, "did you mean 'softmax'"),
        ({"alpha": "one"}, "alpha is 'one'; expected None"),
        ({"alpha": [[1, 1], [1, 1]]}, "a row for each of 2 units, with a number for each of 3"),
        ({"alpha": [[1, 1, 1]]}, "a row for each of 2 units"),
        ({"alpha": [[1, 1, 1], [1]]}, "a row for each of 2 units"),
        ({"alpha": torch.ones(3)}, "a row for each of 2 units"),
        ({"alpha": [[1, 1, float("nan")], [1, 1, 1]]}, "a row for each of 2 units"),
    ],
)
def test_settings_that_cannot_be_used(wrong, said):
    with pytest.raises(InputError, match=said):
        dsn(**wrong)


def test_cells_that_do_not_exist():
    with pytest.raises(InputError, match="hid_type is 'DNS'"):
        make_cell("DNS", 2, 3, 1, 8)
    for kind in ("MLP", "DSN"):
        with pytest.raises(InputError, match="hid_kwargs has 'alhpa'; did you mean 'alpha'"):
            make_cell(kind, 2, 3, 1, 8, {"alhpa": None})


@pytest.mark.parametrize("shape", [(3,), (20, 2), (20, 1), (2, 20, 3), (1, 20, 3)])
def test_points_that_do_not_fit(shape):
    cell = DSN(3, 2, 1, 8, stack=(4,))
    for function in (cell, cell.jacobian):
        with pytest.raises(InputError, match=r"expected \(n, 3\) or \(4, n, 3\)"):
            function(torch.zeros(shape))
