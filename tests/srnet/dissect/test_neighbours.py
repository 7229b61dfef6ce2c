"""KSG: closed forms of Gaussians, a plain twin, ties."""

import math

import numpy as np
import pytest
import torch
from scipy.special import digamma
from sklearn.metrics import mutual_info_score

from sdnet.errors import InputError
from srnet.dissect.neighbours import ksg

G = torch.Generator


def gaussian(rho, n, generator):
    z = torch.randn(n, 2, generator=generator, dtype=torch.float64)
    return z[:, :1], rho * z[:, :1] + math.sqrt(1 - rho**2) * z[:, 1:]


def plain(x, y, k):
    """Kraskov's first estimator, written as it is defined."""
    x, y = ((v - v.mean()) / v.std() for v in (x, y))
    n, total = len(x), 0.0
    for i in range(n):
        dx, dy = np.abs(x - x[i]), np.abs(y - y[i])
        radius = np.sort(np.delete(np.maximum(dx, dy), i))[k - 1]
        total += digamma(np.sum(dx < radius)) + digamma(np.sum(dy < radius))  # itself among them
    return digamma(n) + digamma(k) - total / n


def test_gaussian_pairs_have_the_closed_form():
    """-0.5 ln(1 - rho^2), 2,000 samples: the mean of 20 draws within 0.02, a draw within 0.05."""
    generator = G().manual_seed(0)
    for rho in (0.0, 0.6, 0.9):
        exact = -0.5 * math.log(1 - rho**2)
        draws = [ksg(*gaussian(rho, 2000, generator)).item() for _ in range(20)]
        assert np.mean(draws) == pytest.approx(exact, abs=0.02)
        assert np.median(np.abs(np.array(draws) - exact)) < 0.05
        assert draws[0] == pytest.approx(exact, abs=0.05)


@pytest.mark.parametrize("k", [1, 3, 7])
def test_all_pairs_are_those_of_a_plain_twin(k):
    """A mistake in circulation: counting the k-th neighbour too (<= for <), or psi of n_x."""
    z = torch.randn(60, 5, generator=G().manual_seed(k), dtype=torch.float64)
    a, b = z[:, :2], torch.stack([z[:, 0] + z[:, 2], z[:, 3] ** 3 * 1e4, z[:, 4] * 1e-5], dim=1)
    found = ksg(a, b, k)
    for i in range(2):
        for j in range(3):
            expected = plain(a[:, i].numpy(), b[:, j].numpy(), k)
            assert found[i, j].item() == pytest.approx(expected, abs=1e-9)


def test_results_below_zero_are_left():
    """A mistake in circulation: max(0, I), whose mean of independent data is above 0."""
    z = torch.randn(200, 24, generator=G().manual_seed(0))
    found = ksg(z[:, :12], z[:, 12:])
    assert (found < 0).float().mean() > 0.3
    # 5 standard errors: values of one row share a unit, but are hardly correlated
    assert abs(found.mean()) < 5 * found.std() / 12
    assert found.clamp(min=0).mean() > 0.01


def test_independent_units_of_many_zeros_have_none():
    """A mistake in circulation: inclusive counts at ties (-0.2 here, as Gao's form)."""
    z = torch.randn(640, 12, generator=G().manual_seed(0)).relu()
    found = ksg(z[:, :6], z[:, 6:])
    assert abs(found.mean()) < 0.01


def test_discrete_values_have_the_information_of_their_counts():
    a = torch.randint(3, (2000, 1), generator=G().manual_seed(0))
    noise = torch.randint(3, (2000, 1), generator=G().manual_seed(1))
    b = torch.where(noise == 0, noise, a)
    exact = mutual_info_score(a[:, 0], b[:, 0])
    assert exact > 0.3
    assert ksg(a.float(), b.float()).item() == pytest.approx(exact, abs=0.05)


def test_a_constant_has_none_and_noise_is_for_ties_only():
    x, y = gaussian(0.5, 100, G().manual_seed(0))
    assert ksg(torch.full_like(x, 0.1), y).item() == 0
    assert ksg(x, torch.full_like(x, 1e9)).item() == 0
    many = gaussian(0.5, 20_000, G().manual_seed(0))  # so near each other that noise would count
    one, other = (ksg(*many, generator=G().manual_seed(seed)).item() for seed in (0, 1))
    assert one == other  # nothing is equal: nothing is drawn
    tied = x.relu()
    seeds = [ksg(tied, y, generator=G().manual_seed(seed)).item() for seed in (0, 0, 1)]
    assert seeds[0] == seeds[1]
    assert seeds[0] == pytest.approx(seeds[2], abs=0.1)
    assert ksg(tied, y).item() == seeds[0]  # none: of seed 0


def test_values_far_from_zero_keep_their_distances():
    x, y = gaussian(0.8, 300, G().manual_seed(0))
    assert ksg(x + 2**20, y * 2**-60).item() == pytest.approx(ksg(x, y).item(), abs=1e-6)


@pytest.mark.parametrize(("n", "k"), [(5, 5), (5, 0), (1, 1)])
def test_neighbours_that_are_not_there_are_refused(n, k):
    x = torch.arange(float(n))[:, None]
    with pytest.raises(InputError, match=f"neighbours is {k} for {n} examples"):
        ksg(x, x, k)
