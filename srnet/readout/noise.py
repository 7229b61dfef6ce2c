"""Noise: whether what a formula leaves of its target has any structure that could be found."""

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from srnet.readout.bank import Bank

SHUFFLES = 19  # so that the largest of them is beaten by chance once in 20


def is_noise(residual: Float64[ndarray, " n"], bank: Bank, random: np.random.Generator) -> bool:
    """Whether no shape of the bank, and no product of two, explains the residual beyond chance.

    A permutation test of the largest gain: it is compared with those of `SHUFFLES` residuals whose
    rows were put in a random order, and structure is seen where it is above all of them (a level
    of 1/20). Source: Manly (1997), "Randomization, Bootstrap and Monte Carlo Methods in Biology".

    Args:
        residual: at the points of the bank.

    >>> from srnet.readout.bank import make_bank
    >>> from srnet.readout.generic import generic_shapes
    >>> random = np.random.default_rng(0)
    >>> x = random.normal(size=(200, 2))
    >>> bank = make_bank(generic_shapes(x), x, order=2)
    >>> wave, noise = np.sin(3 * x[:, 0]), random.normal(size=200)
    >>> is_noise(0.5 * wave + noise, bank, random), is_noise(noise, bank, random)
    (False, True)
    """
    residual = residual - residual.mean()
    q = np.full((len(residual), 1), len(residual) ** -0.5)
    chance = (bank.gain(q, random.permutation(residual)) for _ in range(SHUFFLES))
    return bank.gain(q, residual) <= max(chance)
