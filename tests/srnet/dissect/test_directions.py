"""The algebra of directions."""

import pytest
import torch

from sdnet.errors import InputError
from srnet.dissect.directions import normalised, orthonormal, remove_direction

ACTS = torch.tensor([[3.0, 4.0], [1.0, 0.0]])


def test_a_direction_of_any_length_is_removed_whole():
    """A mistake in circulation: a - (a . d) d with d of another length than 1."""
    expected = torch.tensor([[0.0, 0.0], [0.64, -0.48]])
    for length in (1e-3, 1.0, 5.0, -2.0):
        found = remove_direction(ACTS, length * torch.tensor([0.6, 0.8]))
        assert torch.allclose(found, expected, atol=1e-6)
    again = remove_direction(found, torch.tensor([0.6, 0.8]))
    assert torch.allclose(again, found, atol=1e-6)


def test_the_search_direction_has_a_gradient():
    """A mistake in circulation: a direction that is in no graph."""
    direction = torch.tensor([1.0, 1.0], requires_grad=True)
    remove_direction(ACTS, direction)[1].sum().backward()  # 1 - (d1**2 + d1 d2) / |d|**2
    assert torch.allclose(direction.grad, torch.tensor([-0.5, 0.5]), atol=1e-6)


def test_an_orthonormal_basis_spans_the_same():
    rows = torch.randn(3, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rows[2] = rows[0] + 1e-4 * rows[2]  # almost the first
    basis = orthonormal(rows)
    assert torch.allclose(basis @ basis.T, torch.eye(3, dtype=torch.float64), atol=1e-10)
    assert torch.allclose(rows @ basis.T @ basis, rows, atol=1e-10)
    assert torch.allclose(basis[0], rows[0] / rows[0].norm())


def test_what_is_refused():
    with pytest.raises(InputError, match="a direction of 3 units for activations of 2"):
        remove_direction(ACTS, torch.ones(3))
    with pytest.raises(InputError, match="direction 1 has length 0; expected a finite one"):
        normalised(torch.tensor([[1.0, 0], [0, 0]]))
    with pytest.raises(InputError, match="direction 0 has length nan"):
        normalised(torch.tensor([[torch.nan, 0]]))
    with pytest.raises(InputError, match="direction 2 is a combination of those before it"):
        orthonormal(torch.tensor([[1.0, 0, 0], [1, 1, 0], [3, 1, 0]]))
    with pytest.raises(InputError, match=r"directions of shape \(0, 3\)"):
        orthonormal(torch.zeros(0, 3))
