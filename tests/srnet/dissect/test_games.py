"""Units as players: closed forms of games, and sums over orders and subsets written out."""

from itertools import chain, combinations, permutations
from math import factorial

import pytest
import torch

from sdnet.errors import InputError
from srnet.dissect.games import (
    banzhaf_values,
    best_subsets,
    pair_interactions,
    shapley_values,
    unit_values,
)


def table_of(units, game):
    """The table of a game given as a function of a set."""
    sets = [{i for i in range(units) if number >> i & 1} for number in range(2**units)]
    return torch.tensor([float(game(s)) for s in sets], dtype=torch.float64)


def random_table(units, seed=0):
    return torch.randn(2**units, generator=torch.Generator().manual_seed(seed)).double()


def number(units):
    return sum(1 << unit for unit in units)


def contexts(units, *players):
    others = [i for i in range(units) if i not in players]
    return chain.from_iterable(combinations(others, size) for size in range(len(others) + 1))


def test_shapley_values_are_means_over_orders():
    v = random_table(5)
    expected = torch.zeros(5, dtype=torch.float64)
    for order in permutations(range(5)):
        for place, unit in enumerate(order):
            before = number(order[:place])
            expected[unit] += v[before | 1 << unit] - v[before]
    torch.testing.assert_close(shapley_values(v), expected / factorial(5))


def test_banzhaf_values_are_means_over_subsets():
    v = random_table(6)
    for unit, found in enumerate(banzhaf_values(v)):
        gains = [v[number(s) | 1 << unit] - v[number(s)] for s in contexts(6, unit)]
        assert found.item() == pytest.approx(sum(gains).item() / 32)


@pytest.mark.parametrize("units", [2, 3, 7, 8])
@pytest.mark.parametrize("index", ["shapley", "banzhaf"])
def test_interactions_are_sums_over_contexts(units, index):
    v = random_table(units)
    found = pair_interactions(v, index)
    assert torch.equal(found.diagonal(), torch.zeros(units).double())
    for i, j in permutations(range(units), 2):
        total = 0.0
        for s in contexts(units, i, j):
            n, a, b, size = number(s), 1 << i, 1 << j, len(s)
            weight = factorial(size) * factorial(units - size - 2) / factorial(units - 1)
            weight = 2.0 ** (2 - units) if index == "banzhaf" else weight
            total += weight * (v[n | a | b] - v[n | a] - v[n | b] + v[n]).item()
        assert found[i, j].item() == pytest.approx(total, abs=1e-12)


def test_an_additive_game_has_its_weights_and_no_interactions():
    weights = [3.0, -1.0, 0.0, 0.5, 2.0]
    v = table_of(5, lambda s: 10 + sum(weights[i] for i in s))
    for values in (shapley_values(v), banzhaf_values(v)):
        torch.testing.assert_close(values, torch.tensor(weights).double())
    for index in ("shapley", "banzhaf"):
        assert pair_interactions(v, index).abs().max() < 1e-13


def test_a_unanimity_game():
    """v(S) = 1 where S has all of 1, 3, 4: each gets 1/3, or 1/4; a pair 1/2, in both."""
    v = table_of(6, lambda s: {1, 3, 4} <= s)
    team = torch.tensor([0, 1, 0, 1, 1, 0]).double()
    torch.testing.assert_close(shapley_values(v), team / 3)
    torch.testing.assert_close(banzhaf_values(v), team / 4)
    pairs = (torch.outer(team, team) / 2).fill_diagonal_(0)
    torch.testing.assert_close(pair_interactions(v), pairs)
    torch.testing.assert_close(pair_interactions(v, "banzhaf"), pairs)


def test_the_glove_game():
    """Units 0 and 1 have left gloves, unit 2 the right one; a pair is worth 1 (Shapley: 1/6, 2/3).

    The gloves of the same hand replace each other: their interaction is -1/2. A left and the right
    one make a pair, of which the other left takes half the worth: 1/2.
    """
    v = table_of(3, lambda s: 2 in s and len(s) > 1)
    torch.testing.assert_close(shapley_values(v), torch.tensor([1 / 6, 1 / 6, 2 / 3]).double())
    torch.testing.assert_close(banzhaf_values(v), torch.tensor([1 / 4, 1 / 4, 3 / 4]).double())
    pairs = pair_interactions(v)
    assert pairs[0, 1].item() == pytest.approx(-1 / 2)
    assert pairs[0, 2].item() == pairs[1, 2].item() == pytest.approx(1 / 2)


def test_the_values_add_up_and_the_index_is_not_halved():
    """Of two units the index is v(12) - v(1) - v(2) + v(0) itself, not half of it (as in SHAP)."""
    v = random_table(9)
    assert shapley_values(v).sum().item() == pytest.approx((v[-1] - v[0]).item())
    assert pair_interactions(torch.tensor([1.0, 3.0, 4.0, 10.0]))[0, 1].item() == 4


def test_a_table_far_from_zero_keeps_its_differences():
    v = random_table(10)
    torch.testing.assert_close(shapley_values(v + 1e6), shapley_values(v), atol=1e-8, rtol=0)
    torch.testing.assert_close(pair_interactions(v + 1e6), pair_interactions(v), atol=1e-8, rtol=0)


def test_one_unit():
    v = torch.tensor([5.0, 3.0])
    assert shapley_values(v).tolist() == banzhaf_values(v).tolist() == [-2]
    assert pair_interactions(v).tolist() == [[0]]
    assert unit_values(v).rows()[0]["partner"] is None


def test_best_subsets():
    v = random_table(7).round()  # with equal ones
    best = best_subsets(v)
    assert [one.size for one in best] == list(range(8))
    for one in best:
        numbers = [number(units) for units in combinations(range(7), one.size)]
        least = min((v[n].item(), n) for n in numbers)
        assert (one.value, one.number) == least
        assert number(one.units) == one.number
        assert len(one.units) == one.size


def test_unit_values():
    v = random_table(4)
    rows = unit_values(v).rows()
    assert [row["unit"] for row in rows] == [0, 1, 2, 3]
    assert rows[2]["alone"] == (v[4] - v[0]).item()
    assert rows[2]["last"] == (v[15] - v[11]).item()
    pairs = pair_interactions(v)
    for row in rows:
        strongest = pairs[row["unit"]].abs().max().item()
        assert abs(row["interaction"]) == strongest
        assert row["interaction"] == pairs[row["unit"], row["partner"]].item()


def test_a_unit_that_does_nothing_has_no_partner():
    v = random_table(4)
    row = unit_values(torch.cat([v, v])).rows()[4]
    assert (row["partner"], row["interaction"]) == (None, None)
    assert abs(row["shapley"]) < 1e-15
    assert row["alone"] == row["last"] == 0


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (torch.zeros(6), r"the table is \(6,\); expected \(2\^N,\)"),
        (torch.zeros(1), r"the table is \(1,\)"),
        (torch.zeros(2, 2), r"the table is \(2, 2\)"),
        (torch.tensor([0.0, 1.0, 2.0, torch.nan]), r"isn't finite at subset 3, units \[0, 1\]"),
    ],
)
@pytest.mark.parametrize("study", [shapley_values, banzhaf_values, pair_interactions, best_subsets])
def test_what_is_no_table(study, table, told):
    with pytest.raises((InputError, TypeError), match=told if table.dim() == 1 else None):
        study(table)


def test_an_index_of_another_name():
    with pytest.raises(InputError, match="index is 'shaply'; did you mean 'shapley'"):
        pair_interactions.__wrapped__(torch.zeros(4), "shaply")
