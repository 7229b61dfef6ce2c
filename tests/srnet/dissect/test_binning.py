"""Bins: equal widths, equal frequencies, what ties and constants become."""

import numpy as np
import pytest
import torch

from sdnet.errors import InputError
from srnet.dissect.binning import discretise, equal_frequency, equal_width

G = torch.Generator


def column(*values):
    return torch.tensor(values, dtype=torch.float64)[:, None]


def test_equal_width_makes_as_many_bins_as_asked_with_both_ends_inside():
    """A mistake in circulation: k edges make k - 1 bins, and the minimum falls into bin -1."""
    x = torch.linspace(-3, 7, 101)[:, None]
    codes = equal_width(x, 10)
    assert codes.unique().tolist() == list(range(10))
    assert (codes[0], codes[-1]) == (0, 9)
    expected, _ = np.histogram(x.double().numpy(), 10)
    assert codes[:, 0].bincount().tolist() == expected.tolist()


def test_equal_width_is_of_each_unit_by_itself():
    """A mistake in circulation: common edges put a quiet unit into one bin."""
    x = torch.rand(50, 1, generator=G().manual_seed(0))
    codes = equal_width(torch.cat([x, 1e-3 * x - 4], dim=1).double(), 5)
    assert torch.equal(codes[:, 0], codes[:, 1])


@pytest.mark.parametrize(("n", "bins"), [(640, 6), (7, 3), (12, 4), (5, 8)])
def test_equal_frequency_without_ties_has_n_over_bins_each(n, bins):
    x = torch.randn(n, 3, generator=G().manual_seed(0))
    for codes in equal_frequency(x, bins).T:
        counts = codes.bincount(minlength=bins)
        assert n // bins <= counts.min() <= counts.max() <= -(-n // bins)


def test_equal_values_share_a_bin_whatever_their_order():
    """A mistake in circulation: bins by argsort deal equal values out by their places."""
    x = torch.randn(200, 4, generator=G().manual_seed(0)).relu()
    codes = equal_frequency(x, 6)
    for values, bins in zip(x.T, codes.T, strict=True):
        assert len(bins[values == 0].unique()) == 1
        by_value = bins[values.argsort()]
        assert (by_value.diff() >= 0).all()
    order = torch.randperm(200, generator=G().manual_seed(1))
    assert torch.equal(equal_frequency(x[order], 6), codes[order])


def test_many_zeros_leave_the_bins_that_they_cover_empty():
    """Of 12 values 6 are 0: t = 1/4, the second of 6 bins; the others are in the upper three."""
    x = column(*[0.0] * 6, *range(1, 7))
    assert equal_frequency(x, 6)[:, 0].tolist() == [1] * 6 + [3, 3, 4, 4, 5, 5]
    assert equal_frequency(-0.0 * x, 6)[:, 0].unique().numel() == 1


def test_growing_and_falling_transformations_change_no_bin_but_their_order():
    x = torch.randn(101, 1, generator=G().manual_seed(0), dtype=torch.float64)
    codes = equal_frequency(x, 7)
    assert torch.equal(equal_frequency(x.exp() * 5, 7), codes)
    assert torch.equal(equal_frequency(-x, 7), 6 - codes)


@pytest.mark.parametrize("binning", ["equal-frequency", "equal-width"])
def test_a_constant_is_one_bin(binning):
    assert discretise("a", torch.full((9, 1), 0.1), 4, binning).unique().numel() == 1


def test_one_example_and_views_that_are_not_contiguous():
    assert discretise("a", torch.ones(1, 3)).shape == (1, 3)
    x = torch.randn(6, 10, generator=G().manual_seed(0))
    assert torch.equal(discretise("a", x.T[:, ::2]), discretise("a", x.T[:, ::2].contiguous()))


def test_whole_numbers_and_bools_are_states():
    assert discretise("a", torch.tensor([[9], [-2], [9], [4]]))[:, 0].tolist() == [2, 0, 2, 1]
    assert discretise("a", torch.tensor([[True], [False]]))[:, 0].tolist() == [1, 0]


@pytest.mark.parametrize(
    ("a", "options", "words"),
    [
        (torch.ones(3), {}, r"a has the shape \(3,\); expected \(examples, units\)"),
        (torch.ones(2, 3, 4, 4), {}, r"flatten\(1\) makes each channel and place a unit"),
        (torch.ones(0, 3), {}, "at least one of each"),
        (torch.ones(3, 0), {}, "at least one of each"),
        (torch.tensor([[1.0], [float("nan")]]), {}, "a has 1 values that aren't finite"),
        (torch.tensor([[1.0], [float("inf")]]), {}, "a has 1 values that aren't finite"),
        (torch.ones(2, 1, dtype=torch.complex64), {}, "expected real numbers"),
        (torch.ones(2, 1), {"bins": 1}, "bins is 1; expected a whole number from 2 to 1024"),
        (torch.ones(2, 1), {"binning": "equal-widths"}, "did you mean 'equal-width'"),
        (torch.arange(1025)[:, None], {}, "1025 different whole numbers"),
        (
            torch.tensor([[-1.7e308], [1.7e308]], dtype=torch.float64),
            {"binning": "equal-width"},
            "is infinite",
        ),
    ],
)
def test_what_cannot_be_binned_is_refused(a, options, words):
    with pytest.raises(InputError, match=words):
        discretise("a", a, **options)
