"""Which values a trial is given: the points of a grid, and random draws that follow from the trial.

What a bayesian search gives is the ledger's business.
"""

import hashlib
import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from srnet.runs.sweeps.format import Parameter, Sweep


def uniform(seed: int, number: int, key: str) -> float:
    """A number in (0, 1) that follows from seed, trial and parameter, and from nothing else.

    So a parameter's draws stay what they are when others are added to the sweep.
    """
    name = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8])
    bits = np.random.SeedSequence([seed, number, name]).generate_state(1, np.uint64)[0]
    return (int(bits >> np.uint64(11)) + 0.5) / 2**53  # neither 0 nor 1, where laws may end


def draw(parameters: Sequence[Parameter], seed: int, number: int) -> dict[str, Any]:
    """The values of a random search's trial, by dotted keys.

    >>> from srnet.runs.sweeps.laws import Uniform
    >>> space = [Parameter("disc.lr", Uniform(min=2.0, max=3.0), ())]
    >>> 2 < draw(space, seed=0, number=7)["disc.lr"] < 3
    True
    """
    return {one.key: one.law.quantile(uniform(seed, number, one.key)) for one in parameters}


def grid_size(parameters: Sequence[Parameter]) -> int:
    """How many points a grid has."""
    return math.prod(len(_different(one)) for one in parameters)


def grid_point(parameters: Sequence[Parameter], number: int) -> dict[str, Any]:
    """One point of the grid, by dotted keys; from a number to the next the last key changes first.

    >>> from srnet.runs.sweeps.laws import Categorical, IntUniform
    >>> a = Parameter("a", Categorical(values=["x", "y"]), ())
    >>> b = Parameter("b", IntUniform(min=1, max=3), ())
    >>> [grid_point([a, b], number) for number in (0, 2, 3)]
    [{'a': 'x', 'b': 1}, {'a': 'x', 'b': 3}, {'a': 'y', 'b': 1}]
    """
    point = {}
    for one in reversed(parameters):
        values = _different(one)
        number, place = divmod(number, len(values))
        point[one.key] = values[place]
    return {one.key: point[one.key] for one in parameters}


def _different(parameter: Parameter) -> Sequence:
    """Every value once, as W&B's grid has them: a value given twice is no second point."""
    values = parameter.law.support()
    if values is None:
        raise TypeError(f"{parameter.key} has no end of values")
    if isinstance(values, range):
        return values
    return list({json.dumps(value, sort_keys=True): value for value in values}.values())


def trial_count(sweep: Sweep, count: int | None) -> int:
    """How many trials a study has: `count`, or else the file's `run_cap`, or a whole grid.

    Raises:
        InputError: nothing says where a random or bayesian search ends.
    """
    limits = [limit for limit in (count, sweep.run_cap) if limit is not None][:1]
    if sweep.method == "grid":
        limits.append(grid_size(sweep.parameters))
    if not limits:
        text = f"method {sweep.method} has no end; expected --count, or run_cap in the file"
        raise sweep.lines.error(("method",), text)
    return min(limits)
