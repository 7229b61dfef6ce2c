"""The benchmark of information: its plain loop is of what is measured, and its rows are whole."""

import dissect_information as benchmark
import pytest
import torch

from srnet.dissect.estimators import mutual_information


def test_the_plain_loop_gives_the_same_numbers():
    a, b = (side[:, :3] for side in benchmark.layers(rectify=True))
    expected = mutual_information(a, b, estimator="plug-in")
    torch.testing.assert_close(torch.from_numpy(benchmark.plain_loop(a, b)), expected)


def test_one_half_of_two_networks_side_by_side_is_a_module():
    rows = {row["what"].split(",")[0]: row["measured"] for row in benchmark.halves()}
    assert rows["one half: C1"] == pytest.approx(0, abs=0.03)
    assert rows["one half: C2"] == pytest.approx(0, abs=0.03)
    assert rows["one half: C3"] < -0.4
    assert rows["crossed: C3"] == pytest.approx(0, abs=0.03)
