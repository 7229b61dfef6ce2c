"""Strengths by algebra, what counts as seen, pieces, and partial dependence."""

from itertools import combinations

import numpy as np
import pytest

from srnet.interactions import LEAST, TIMES, Interactions, interactions, partial_dependence

X = np.random.default_rng(0).standard_normal((20000, 3))


def asked(law, x=X, error=0.0, most=3, seed=1):
    return interactions(law, x, error, np.random.default_rng(seed), most)


def mean_strengths(law, seeds=100):
    """Each run asks few pairs of rows: the mean of many runs is near the expectation."""
    runs = [asked(law, seed=seed).strengths for seed in range(seeds)]
    return {chosen: np.mean([run[chosen] for run in runs]) for chosen in runs[0]}


def test_the_strengths_of_a_product_by_algebra():
    """f = x0 x1 of N(0,1): D_01 = (a0 - b0)(a1 - b1), of mean square 4; var f = 1; 4 / (4 * 1) = 1.

    D_0 = (a0 - b0) a1, of mean square 2: 2 / (2 * 1) = 1. Sets with x2 have none.
    """
    found = mean_strengths(lambda x: x[:, 0] * x[:, 1])
    for chosen in ((0,), (1,), (0, 1)):
        assert found[chosen] == pytest.approx(1, rel=0.05)
    for chosen in ((2,), (0, 2), (1, 2), (0, 1, 2)):
        assert found[chosen] == pytest.approx(0, abs=1e-25)


def test_the_strengths_of_a_sum_are_shares_of_the_variance():
    """f = 3 x0 + 4 x1: D_0 = 3 (a0 - b0), of mean square 18; var f = 25; 18 / (2 * 25) = 0.36."""
    found = mean_strengths(lambda x: 3 * x[:, 0] + 4 * x[:, 1])
    assert found[0,] == pytest.approx(0.36, rel=0.05)
    assert found[1,] == pytest.approx(0.64, rel=0.05)
    assert found[0, 1] == pytest.approx(0, abs=1e-25)


def test_an_error_adds_its_share_to_every_set():
    noise = np.random.default_rng(2)
    found = mean_strengths(lambda x: x[:, 0] + 0.1 * noise.standard_normal(len(x)))
    for chosen in ((1,), (1, 2), (0, 1, 2)):
        assert found[chosen] == pytest.approx(0.01 / 1.01, rel=0.1)


def test_every_set_up_to_the_size_has_a_strength():
    for most in (1, 2, 3):
        wanted = {c for size in range(1, most + 1) for c in combinations(range(3), size)}
        assert set(asked(lambda x: x[:, 0], most=most).strengths) == wanted


def test_a_constant_has_no_strength():
    found = asked(lambda x: np.full(len(x), 2.0))
    assert set(found.strengths.values()) == {0.0}
    assert found.pieces() == []


def test_the_same_random_numbers_give_the_same_strengths():
    def law(x):
        return np.sin(x[:, 0] * x[:, 1])

    assert asked(law).strengths == asked(law).strengths
    assert asked(law).strengths != asked(law, seed=2).strengths


@pytest.mark.parametrize(("error", "floor"), [(0.0, LEAST), (0.01, TIMES * 0.01)])
def test_the_floor_follows_the_error(error, floor):
    assert asked(lambda x: x[:, 0], error=error).floor == floor


def test_what_is_seen_is_ranked():
    strengths = {(0,): 0.2, (1,): 0.9, (2,): 0.05, (0, 1): 0.3, (0, 2): 0.7, (1, 2): 0.1}
    found = Interactions(strengths, 0.1)
    assert found.ranked(2) == [(0, 2), (0, 1), (1, 2)]
    assert found.seen(2) == [(0, 2), (0, 1)]  # at the floor isn't above it
    assert found.seen(1) == [(1,), (0,)]
    assert found.seen(3) == []


@pytest.mark.parametrize(
    ("pairs", "pieces"),
    [
        ([], [(0,), (1,), (2,), (3,)]),
        ([(0, 3)], [(0, 3), (1,), (2,)]),
        ([(0, 1), (2, 3)], [(0, 1), (2, 3)]),
        ([(0, 1), (2, 3), (1, 2)], [(0, 1, 2, 3)]),
    ],
)
def test_pieces_are_the_components_of_the_pairs(pairs, pieces):
    strengths = {(i,): 1.0 for i in range(4)} | dict.fromkeys(combinations(range(4), 2), 0.0)
    strengths |= dict.fromkeys(pairs, 1.0)
    assert Interactions(strengths, 0.5).pieces() == pieces


def test_the_pieces_of_a_law():
    found = asked(lambda x: np.exp(x[:, 0] * x[:, 2]))
    assert found.pieces() == [(0, 2)]
    assert asked(lambda x: x[:, 0] * x[:, 1] * x[:, 2]).seen(3) == [(0, 1, 2)]


def test_partial_dependence_of_an_additive_law_is_the_part():
    x = X[:300]
    part = partial_dependence(lambda x: x[:, 0] * x[:, 2] + np.exp(x[:, 1]), x, [0, 2])
    np.testing.assert_allclose(np.ptp(part - x[:, 0] * x[:, 2]), 0, atol=1e-12)


def test_partial_dependence_is_the_mean_over_the_rows_chosen():
    """With as many rows as there are: of f = x0 x1, the part of x0 is x0 times the mean of x1."""
    x = X[:50]
    part = partial_dependence(lambda x: x[:, 0] * x[:, 1], x, [0], rows=50)
    np.testing.assert_allclose(part, x[:, 0] * x[:, 1].mean(), rtol=1e-10)
    few = partial_dependence(lambda x: x[:, 0] * x[:, 1], x, [0], rows=2)
    np.testing.assert_allclose(few, x[:, 0] * (x[0, 1] + x[49, 1]) / 2, rtol=1e-10)


def test_the_rows_stay_as_they_are():
    x = X[:20].copy()
    asked(lambda x: x[:, 0], x)
    partial_dependence(lambda x: x[:, 0], x, [0])
    np.testing.assert_array_equal(x, X[:20])
