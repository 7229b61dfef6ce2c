"""Smoothing agrees with brute force."""

import numpy as np
import pytest
import torch

from sdnet.errors import InputError
from srnet.smoothing import smooth


@pytest.mark.parametrize("horizon", [1, 2, 3, 10, 37, 80, 500])
@pytest.mark.parametrize("shape", [(60,), (3, 40), (1, 1)])
def test_smooth_is_the_mean_and_quantiles_of_each_window(horizon, shape):
    values = np.random.default_rng(0).normal(1e6, 1.0, shape).round(1)  # with ties
    runs = np.atleast_2d(values)
    windows = [
        runs[:, max(0, i - (horizon - 1) // 2) : i + horizon // 2 + 1] for i in range(runs.shape[1])
    ]
    mean, low, high = smooth(torch.from_numpy(values), horizon)
    np.testing.assert_allclose(mean, [np.mean(window) for window in windows], rtol=1e-14)
    np.testing.assert_allclose(low, [np.quantile(window, 0.1) for window in windows], rtol=1e-14)
    np.testing.assert_allclose(high, [np.quantile(window, 0.9) for window in windows], rtol=1e-14)


def test_smoothing_a_line_leaves_it_but_for_its_ends():
    mean, low, high = smooth(np.arange(20.0), horizon=5)
    np.testing.assert_allclose(mean[2:-2], np.arange(2.0, 18.0))
    np.testing.assert_allclose(mean[[0, -1]], [1.0, 18.0])  # of 0, 1, 2 and of 17, 18, 19
    np.testing.assert_allclose((high - low)[2:-2], 0.8 * 4)


@pytest.mark.parametrize("values", [[], [[]], 1.0, [1.0, float("nan")], ["a"], [[1.0], [1.0, 2.0]]])
def test_smooth_refuses_what_is_no_history(values):
    with pytest.raises(InputError, match="values"):
        smooth(values, 3)


def test_smooth_refuses_a_horizon_below_one():
    with pytest.raises(InputError, match="horizon is 0; expected a whole number"):
        smooth([1.0], 0)
