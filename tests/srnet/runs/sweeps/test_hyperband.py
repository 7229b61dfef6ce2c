"""Early stopping, by the examples of W&B's documentation and by counting."""

import math
import random

import pytest

from srnet.runs.sweeps.format import Hyperband
from srnet.runs.sweeps.hyperband import best_of, bracket_of, brackets, stops


def rule(**keys):
    return Hyperband(type="hyperband", **keys)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"min_iter": 3}, [3, 9, 27, 81]),  # the example of W&B's documentation: 3, 9, 27, 81
        ({"min_iter": 2, "eta": 2}, [2, 4, 8, 16, 32, 64]),
        ({"min_iter": 101}, []),
        ({"max_iter": 27, "s": 2}, [3, 9]),  # and 27/eta, 27/eta/eta
        ({"max_iter": 8, "s": 9, "eta": 2}, [1, 2, 4]),
        ({"min_iter": 1, "eta": 1.5}, [1, 2, 3, 5, 7, 11, 17, 25, 38, 57, 86]),  # rounded down
    ],
)
def test_brackets(keys, expected):
    assert brackets(rule(**keys), 100) == expected


def test_the_bracket_a_trial_has_come_to():
    assert [bracket_of(rule(min_iter=3), n) for n in (0, 2, 3, 8, 9)] == [None, None, 3, 3, 9]


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("keys", [{"min_iter": 2, "eta": 2}, {"max_iter": 12, "s": 2, "eta": 3}])
def test_those_outside_the_best_are_stopped(strict, maximize, keys):
    """By counting: with n trials at the bracket, more than n/eta of them are better."""
    numbers, early = random.Random(0), rule(strict=strict, **keys)
    decided = set()
    for _ in range(300):
        lengths = [numbers.randint(0, 14) for _ in range(numbers.randint(1, 9))]
        histories = [[round(numbers.random(), 1) for _ in range(n)] for n in lengths]
        for history in histories:
            band = max((b for b in brackets(early, 14) if b <= len(history)), default=None)
            there = [other[band - 1] for other in histories if band and len(other) >= band]
            expected = False
            if band is not None:
                best = max if maximize else min
                mine = history[band - 1] if strict else best(history)
                better = sum(other > mine if maximize else other < mine for other in there)
                expected = better > int(len(there) / early.eta)
            assert stops(history, there, early, maximize) == expected
            decided.add(expected)
    assert decided == {False, True}


def test_figures_that_are_no_numbers_are_the_worst():
    nan = math.nan
    assert stops([0.5, nan], [0.1, 0.2, nan], rule(min_iter=2, eta=2, strict=True), maximize=True)
    assert not stops([0.5, 0.2], [0.2, nan, nan], rule(min_iter=2, eta=2), maximize=True)
    assert best_of([nan, 0.2, 0.1], maximize=True) == 0.2
    assert best_of([nan, 0.2, 0.1], maximize=False) == 0.1
    assert math.isnan(best_of([nan], maximize=True))
