"""Which way imports run, and what importing the packages brings along."""

import subprocess
import sys
from pathlib import Path

import jaxtyping
import pytest
import torch
from importlinter.cli import lint_imports

from sdnet.objective import critic_loss

ROOT = Path(__file__).parents[1]

IMPORTS = """
import sys, torch
before = torch.get_rng_state()
import sdnet, srnet, srnet.runs
for package in (sdnet, srnet, srnet.runs):
    for name in package.__all__:
        getattr(package, name)
assert torch.equal(torch.get_rng_state(), before), "an import drew random numbers"
print(*sorted({"wandb", "matplotlib", "optuna"} & sys.modules.keys()))
"""


def test_imports_run_one_way():
    """The contracts of pyproject.toml; the report of a broken one is in the captured output."""
    assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True) == 0


def test_importing_all_names_brings_in_nothing_heavy_and_draws_nothing():
    found = subprocess.run(
        [sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=False
    )
    assert (found.stdout.strip(), found.stderr) == ("", "")


def test_shapes_and_types_are_checked_while_tests_run():
    """The hook of conftest.py is in place: what an annotation refuses is refused."""
    with pytest.raises(jaxtyping.TypeCheckError):
        critic_loss(torch.zeros(3, 4), torch.zeros(2, 4))
    with pytest.raises(jaxtyping.TypeCheckError):
        critic_loss(torch.zeros(4, dtype=torch.int64), torch.zeros(4))
