"""How much each hyperparameter of a study matters to its metric."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from sdnet.errors import InputError

optuna.logging.set_verbosity(optuna.logging.ERROR)

FEW = 8
"""So many different numbers, or fewer, are taken for choices."""


def importances(
    rows: Sequence[Mapping], keys: Sequence[str], metric: str, log: bool = False
) -> dict[str, float]:
    """The share of the metric's variance over the space that each key alone explains, summing to 1.

    By functional ANOVA of a forest fitted to the trials (Hutter et al., 2014, as in optuna), with
    a fixed seed. Numbers over more than two orders of magnitude count by their logarithm. Trials
    without a figure are left out.

    Args:
        rows: of a study, see `srnet.runs.sweeps.results.rows_of`.
        keys: the hyperparameters to compare.
        log: of the logarithm of the metric, whose figures are above 0.

    Raises:
        InputError: fewer than four trials have a figure, or no key varies over them.

    >>> rows = [{"a": i % 7, "b": i % 3, "acc": 0.1 * (i % 7)} for i in range(21)]
    >>> [key for key, share in importances(rows, ["a", "b"], "acc").items() if share > 0.9]
    ['a']
    """
    rows = [row for row in rows if row[metric] is not None and math.isfinite(row[metric])]
    spaces = {key: _space([row[key] for row in rows]) for key in keys}
    spaces = {key: space for key, space in spaces.items() if space is not None}
    if len(rows) < 4 or not spaces:
        raise InputError(
            f"{len(rows)} trials with a figure for {metric}, in which {len(spaces)} of "
            f"{len(keys)} hyperparameters vary; expected at least 4 and 1"
        )
    study = optuna.create_study()
    for row in rows:
        params = {key: _param(row[key], space) for key, space in spaces.items()}
        value = math.log(row[metric]) if log else row[metric]
        study.add_trial(optuna.trial.create_trial(params=params, distributions=spaces, value=value))
    if len({row[metric] for row in rows}) == 1:
        return dict.fromkeys(spaces, 0.0)
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))


def _space(values: list) -> BaseDistribution | None:
    """What a column's values are of; None where they don't vary."""
    different = list(dict.fromkeys(map(json.dumps, values)))
    if len(different) < 2:
        return None
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    if not numbers or len(different) <= FEW:
        return CategoricalDistribution(sorted(different))
    low, high = float(min(values)), float(max(values))
    return FloatDistribution(low, high, log=low > 0 and high / low > 100)


def _param(value: Any, space: BaseDistribution) -> Any:
    return json.dumps(value) if isinstance(space, CategoricalDistribution) else float(value)
