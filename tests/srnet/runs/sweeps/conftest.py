"""A folder to run tiny studies in."""

from pathlib import Path

import numpy as np
import pytest

GRID = """
name: tiny
program: symdisc
command: ["${env}", "${program}", critic, --config, "${args_json_file}", --data=., --in_var=X50,
          --rows=all, --library=small.lib, --epochs=20]
method: grid
metric: {name: acc, goal: maximize}
parameters:
  arch: {parameters: {lat_size: {value: 10}, hid_size: {value: 4}}}
  disc: {parameters: {hid_num: {values: [1, [1, 2]]}, lr: {values: [1e-3, 1e-2, 1e-1]}}}
"""


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Writes a sweep file with parts of a tiny grid of 6 trials replaced; its name."""
    monkeypatch.chdir(tmp_path)
    np.savetxt("X50.gz", np.linspace(-2, 2, 20))
    Path("small.lib").write_text("N0*x0**2 + N1\n")

    def write(**replaced):
        text = GRID
        for before, after in replaced.values():
            assert before in text
            text = text.replace(before, after, 1)
        Path("tiny.yaml").write_text(text)
        return "tiny.yaml"

    return write
