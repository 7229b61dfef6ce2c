"""Residuals with structure, and without."""

import numpy as np
import pytest

from srnet.readout.bank import make_bank
from srnet.readout.generic import generic_shapes
from srnet.readout.noise import is_noise


@pytest.fixture(scope="module")
def table():
    x = np.random.default_rng(1).normal(size=(300, 3))
    return x, make_bank(generic_shapes(x), x, order=3)


def test_noise_is_seen_as_such_19_times_in_20():
    """The level of the test is 1/20: of 60 draws, 3 are expected, and 10 have a chance of 1e-3."""
    x = np.random.default_rng(1).normal(size=(60, 1))
    bank = make_bank(generic_shapes(x), x)
    random = np.random.default_rng(2)
    wrong = sum(not is_noise(random.normal(size=len(x)), bank, random) for _ in range(60))
    assert wrong < 10


@pytest.mark.parametrize(
    "structure",
    [
        lambda x: x[:, 0] ** 2,
        lambda x: x[:, 0] * np.cos(2 * x[:, 2]),
        lambda x: np.abs(x[:, 1]),  # no shape of the bank, but like some
    ],
)
def test_structure_is_seen_in_noise_of_its_own_size(table, structure):
    x, bank = table
    random = np.random.default_rng(3)
    part = structure(x)
    assert not is_noise(part + part.std() * random.normal(size=len(x)), bank, random)


def test_a_residual_of_zeros_is_noise(table):
    x, bank = table
    assert is_noise(np.zeros(len(x)), bank, np.random.default_rng(0))
