"""The benchmark of information: its plain loop is of what is measured."""

import dissect_information as benchmark
import torch

from srnet.dissect.estimators import mutual_information


def test_the_plain_loop_gives_the_same_numbers():
    a, b = (side[:, :3] for side in benchmark.layers(rectify=True))
    expected = mutual_information(a, b, estimator="plug-in")
    torch.testing.assert_close(torch.from_numpy(benchmark.plain_loop(a, b)), expected)
