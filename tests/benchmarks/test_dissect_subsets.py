"""The benchmark of subsets: the plain ways beside ours compute the same."""

import dissect_subsets as benchmark
import torch

from srnet.dissect.classifiers import dense
from srnet.dissect.subsets import subset_losses


def test_the_loop_and_the_product_are_of_the_same_losses(monkeypatch):
    monkeypatch.setattr(benchmark, "UNITS", 6)
    monkeypatch.setattr(benchmark, "SUBSETS", 64)
    generator = torch.Generator().manual_seed(0)
    model = dense([2, 6, 2], generator)
    x, y = torch.rand(30, 2, generator=generator), torch.arange(30) % 2
    table = subset_losses(model, "relu1", x, y)
    for way in (benchmark.plain_loop, benchmark.one_product):
        torch.testing.assert_close(way(model, x, y, torch.arange(64)), table)
    assert benchmark.largest_difference(model, x, y, table) < 1e-6
    assert benchmark.largest_difference(model, x, y, table + 0.5) > 0.1
    larger = benchmark.saturated(model, x)
    with torch.no_grad():
        assert 0.9e4 < larger(x).abs().max() < 1.1e4
