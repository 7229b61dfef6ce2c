"""Subsets as numbers."""

import torch

from srnet.dissect.subset_numbers import members, subset_sizes, units_of


def test_members_sizes_and_units_say_the_same():
    on = members(torch.arange(64), 6)
    assert torch.equal((on * 2 ** torch.arange(6)).sum(1), torch.arange(64))
    assert torch.equal(on.sum(1), subset_sizes(6))
    for number in (0, 1, 37, 63):
        assert list(units_of(number)) == on[number].nonzero()[:, 0].tolist()
