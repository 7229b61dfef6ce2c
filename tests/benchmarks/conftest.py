"""The folder benchmarks holds scripts, no package: its modules are found by their plain names."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
