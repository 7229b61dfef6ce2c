"""Discrete entropies: against counting one by one, scikit-learn, and all orders of the examples."""

import math
from collections import Counter
from itertools import permutations

import pytest
import torch
from sklearn.metrics.cluster import contingency_matrix, expected_mutual_information

from srnet.dissect import discrete
from srnet.dissect.discrete import chance_information, entropies, joint_entropies

G = torch.Generator


def codes(n, units, states, seed=0):
    return torch.randint(states, (n, units), generator=G().manual_seed(seed))


def plain(*columns):
    """The entropy of what the columns are together, counted one by one; and how many occur."""
    counts = Counter(zip(*(column.tolist() for column in columns), strict=True)).values()
    n = len(columns[0])
    return -sum(c / n * math.log(c / n) for c in counts), len(counts)


def plain_information(a, b):
    return plain(a)[0] + plain(b)[0] - plain(a, b)[0]


def test_entropies_are_those_counted_one_by_one():
    a = torch.cat([codes(37, 3, 5), torch.full((37, 1), 2)], dim=1)
    found = entropies(a)
    for i, column in enumerate(a.T):
        assert (found.plugin[i].item(), found.occupied[i].item()) == pytest.approx(plain(column))
    expected = [h + (k - 1) / 74 for h, k in map(plain, a.T)]
    torch.testing.assert_close(found.miller_madow(37).tolist(), expected)


@pytest.mark.parametrize("cells", [1, 40, 2**23])
def test_every_unit_meets_every_other_also_of_a_wider_layer(cells, monkeypatch):
    """A mistake in circulation: unit j is paired with unit j, the rest of the layer ignored."""
    monkeypatch.setattr(discrete, "CELLS", cells)  # in blocks of any size
    a, b = codes(29, 3, 4), codes(29, 5, 3, seed=1)
    found = joint_entropies(a, b)
    for i in range(3):
        for j in range(5):
            expected = plain(a[:, i], b[:, j])
            got = found.plugin[i, j].item(), found.occupied[i, j].item()
            assert got == pytest.approx(expected)


def test_chance_information_is_the_mean_over_all_orders():
    a = torch.tensor([[0, 0], [0, 1], [1, 2], [1, 0], [1, 0], [2, 0]])
    b = torch.tensor([[0], [0], [0], [0], [1], [2]])
    found = chance_information(a, b)
    for i in range(2):
        orders = [b[list(order), 0] for order in permutations(range(6))]
        mean = sum(plain_information(a[:, i], order) for order in orders) / len(orders)
        assert found[i, 0].item() == pytest.approx(mean, rel=1e-12)


@pytest.mark.parametrize(("n", "power"), [(640, 1.0), (5000, 1.0), (5000, 6.0)])
def test_chance_information_is_scikit_learns(n, power):
    """With states of very different frequency, in a skewed and in an even case."""
    a, b = ((torch.rand(n, 1, generator=G().manual_seed(s)) ** power * 7).long() for s in (0, 1))
    expected = expected_mutual_information(contingency_matrix(a[:, 0], b[:, 0]), n)
    assert chance_information(a, b).item() == pytest.approx(expected, rel=1e-7)


def test_chance_gives_nothing_to_a_constant_and_everything_to_units_that_all_differ():
    n = torch.arange(9)[:, None]
    assert chance_information(n, 0 * n).item() == pytest.approx(0, abs=1e-12)
    assert chance_information(n, n).item() == pytest.approx(math.log(9))
    one = torch.zeros(1, 1, dtype=torch.int64)
    assert chance_information(one, one).item() == pytest.approx(0, abs=1e-12)
