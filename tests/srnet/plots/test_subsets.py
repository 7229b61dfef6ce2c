"""Figures of subsets: what stands where, and what is refused."""

import numpy as np
import pytest
import torch

from sdnet.errors import InputError
from srnet.dissect.circle import inside_circle
from srnet.dissect.classifiers import dense
from srnet.dissect.keeping import subset_probabilities
from srnet.dissect.maps import loss_map
from srnet.dissect.normality import normal_fits
from srnet.dissect.paths import flip_paths, path_covariance
from srnet.plots.subsets import (
    gradients_by_unit,
    interactions,
    loss_densities,
    loss_heat_maps,
    path_covariances,
)

GENERATOR = torch.Generator().manual_seed(0)


@pytest.mark.parametrize("keep", [None, 0.9])
def test_densities_and_their_fits(keep):
    losses = torch.rand(256, generator=GENERATOR) + 0.5
    p = None if keep is None else subset_probabilities(torch.full((8,), keep))
    fits = normal_fits(losses, GENERATOR, probabilities=p)
    left, right = loss_densities(losses, fits, p).axes
    for ax, fit, values in ((left, fits.loss, losses), (right, fits.log_loss, losses.log())):
        heights, edges, _ = ax.patches[0].get_data()
        assert (heights * np.diff(edges)).sum() == pytest.approx(1)
        weights = np.ones(256) / 256 if p is None else p.numpy()
        share = weights[values.numpy() < edges[60]].sum()
        assert (heights * np.diff(edges))[:60].sum() == pytest.approx(share, abs=0.02)
        x, y = ax.lines[0].get_xydata().T
        assert x[y.argmax()] == pytest.approx(fit.mean, abs=np.ptp(x) / 300)
        assert y.max() == pytest.approx(0.39894 / fit.std, rel=1e-3)
        assert f"skewness {fit.skewness:.2f}" in ax.get_title(loc="right")


def test_gradients_split_by_on_and_off():
    gradients = torch.randn(32, 5, generator=GENERATOR)
    ax = gradients_by_unit(gradients).axes[0]
    medians = [line.get_ydata()[0] for line in ax.lines if line.get_linewidth() == 1.4]
    numbers = torch.arange(32)
    expected = [
        np.median(gradients[(numbers >> unit & 1) == on, unit])
        for on in (0, 1)
        for unit in range(5)
    ]
    assert medians == pytest.approx(expected)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["unit off", "unit on"]


def test_path_covariances():
    table = torch.randn(16, generator=GENERATOR)
    found, paths = path_covariance(table), flip_paths(table, 7, GENERATOR)
    walk, start, end, *_ = path_covariances(found, paths).axes
    assert len(walk.lines) == 8
    np.testing.assert_allclose(walk.lines[3].get_ydata(), paths[3])
    for ax, matrix in ((start, found.from_start), (end, found.from_end)):
        np.testing.assert_array_equal(ax.images[0].get_array(), matrix)


def test_maps():
    model = dense([2, 4, 2], GENERATOR)
    found = loss_map(model, "relu1", inside_circle, size=9)
    loss, *slopes = [ax for ax in loss_heat_maps(found, [3, 0]).axes if ax.images]
    np.testing.assert_array_equal(loss.images[0].get_array(), found.losses)
    for ax, unit in zip(slopes, (3, 0), strict=True):
        assert ax.get_title(loc="left") == f"unit {unit}"
        np.testing.assert_array_equal(ax.images[0].get_array(), found.gradients[unit])
        assert ax.images[0].norm.vmin == -ax.images[0].norm.vmax
        assert ax.images[0].origin == "lower"


def test_interactions():
    matrix = torch.randn(4, 4, generator=GENERATOR)
    heat, below, _ = interactions(matrix, torch.arange(4.0)).axes
    np.testing.assert_array_equal(heat.images[0].get_array(), matrix)
    assert [bar.get_height() for bar in below.patches] == [0, 1, 2, 3]
    assert len(interactions(matrix).axes) == 2


def test_what_cannot_be_drawn():
    fits = normal_fits(torch.rand(9, generator=GENERATOR) + 1, GENERATOR)
    with pytest.raises(InputError, match="not all finite and above 0"):
        loss_densities(torch.tensor([1.0, 0.0]), fits)
    with pytest.raises(InputError, match=r"gradients are \(8, 2\)"):
        gradients_by_unit(torch.zeros(8, 2))
    with pytest.raises(InputError, match=r"paths are \(3, 4\); expected \(paths, 5\)"):
        path_covariances(path_covariance(torch.zeros(16)), torch.zeros(3, 4))
    model = dense([2, 4, 2], GENERATOR)
    with pytest.raises(InputError, match="unit 4; expected 0 to 3"):
        loss_heat_maps(loss_map(model, "relu1", inside_circle, size=5), [4])
    with pytest.raises(InputError, match=r"interactions are \(4, 3\)"):
        interactions.__wrapped__(torch.zeros(4, 3))
