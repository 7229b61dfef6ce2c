"""Arguments of a wrong type: one sentence, as users meet it without beartype (so in a process)."""

import os
import subprocess
import sys
from pathlib import Path

STUDIES = """
import numpy as np
import torch
from torch import nn
from sdnet.errors import InputError
from srnet import dissect as d

seed = torch.Generator().manual_seed(0)
model, x = d.dense([3, 4, 2], seed), torch.rand(8, 3, generator=seed)
acts, y = d.activations(model, x, ["relu1"]), torch.arange(8) % 2
studies = {
    "the network is function; expected a torch.nn.Module": lambda: d.ablate_units(id_, "a", x),
    "units are 1; expected a list": lambda: d.ablate_groups(model, "relu1", x, [1, 2]),
    "units are 3; expected a list": lambda: d.ablate_groups(model, "relu1", x, {"a": 3}),
    "directions are list": lambda: d.ablate_directions(model, "relu1", x, [[1.0] * 4]),
    "directions are ndarray": lambda: d.ablate_directions(model, "relu1", x, np.ones((1, 4))),
    "x is ndarray": lambda: d.activations(model, x.numpy(), ["relu1"]),
    "interventions are list": lambda: d.intervene(model, ["relu1"]).__enter__(),
    "a is ndarray": lambda: d.mutual_information(acts["relu1"].numpy(), acts["relu1"]),
    "y is list": lambda: d.unit_information(acts, y.tolist()),
    "y is ndarray": lambda: d.unit_information(acts, y.numpy()),
    "activations are Tensor": lambda: d.unit_information(acts["relu1"], y),
    "shares is 'fc1'": lambda: d.zero_out(model, "fc1"),
}
def id_(x):
    return x
for told, study in studies.items():
    try:
        study()
    except InputError as error:
        assert told in str(error), (told, str(error))
    else:
        raise AssertionError(told)
print("all told")
"""


def test_wrong_types_are_told_in_one_sentence():
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", STUDIES],
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "all told\n", done.stderr
