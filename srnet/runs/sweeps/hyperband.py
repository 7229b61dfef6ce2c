"""When a trial is stopped early: W&B's hyperband, on the figures that trials have had so far.

At some iteration counts, the brackets, a trial's figure is compared with those that all trials had
there, and those outside the best 1/eta are stopped. (Li et al., 2018, as W&B runs it: trials are
compared as they come, and none waits for another.) An iteration is an epoch of a critic, and a
measure of generators; to W&B's own server it is an update, of which a run sends at most ten a
second.
"""

import math
from collections.abc import Mapping, Sequence

from srnet.runs.sweeps.format import Hyperband


def brackets(rule: Hyperband, iterations: int) -> list[int]:
    """The iteration counts, up to `iterations`, at which trials are compared.

    From `min_iter` upwards by factors of eta, or the `s` below `max_iter` downwards.

    >>> brackets(Hyperband(type="hyperband", min_iter=3), 100)
    [3, 9, 27, 81]
    >>> brackets(Hyperband(type="hyperband", max_iter=27, s=2), 100)
    [3, 9]
    """
    found: list[int] = []
    if rule.min_iter is not None:
        band = float(rule.min_iter)
        while band <= iterations:
            found.append(int(band))
            band *= rule.eta
    else:
        band = float(rule.max_iter or 0)
        for _ in range(rule.s or 0):
            band /= rule.eta
            if band < 1:
                break
            found.append(int(band))
    return sorted({band for band in found if band <= iterations})


def bracket_of(rule: Hyperband, iterations: int) -> int | None:
    """The last bracket that a trial of so many iterations has come to; None before the first."""
    return max(brackets(rule, iterations), default=None)


def stops(
    history: Sequence[float], at_bracket: Sequence[float], rule: Hyperband, maximize: bool
) -> bool:
    """Whether a trial is to be stopped at its last bracket.

    Args:
        history: the trial's figures, one an iteration; no number is the worst.
        at_bracket: the figures that all trials had at that bracket, this one's among them.
        rule: `strict` compares the figure at the bracket, otherwise the best one so far is.

    >>> rule = Hyperband(type="hyperband", min_iter=2, eta=2)
    >>> stops([0.5, 0.6], [0.6, 0.7, 0.8], rule, maximize=True)
    True
    """
    band = bracket_of(rule, len(history))
    if band is None:
        return False
    losses = [_loss(figure, maximize) for figure in history]
    ordered = sorted(_loss(figure, maximize) for figure in at_bracket)
    if not ordered:
        return False
    threshold = ordered[int(len(ordered) / rule.eta)]
    return (losses[band - 1] if rule.strict else min(losses)) > threshold


def _loss(figure: float, maximize: bool) -> float:
    if math.isnan(figure):
        return math.inf
    return -figure if maximize else figure


def best_of(figures: Mapping[int, float] | Sequence[float], maximize: bool) -> float:
    """The best of some figures; NaN where none is a number.

    >>> best_of([0.1, float("nan"), 0.3], maximize=True)
    0.3
    """
    values = figures.values() if isinstance(figures, Mapping) else figures
    numbers = [value for value in values if not math.isnan(value)]
    return (max if maximize else min)(numbers, default=math.nan)
