"""How a training went, in four words: the rule, written down.

It goes by the gain, in the course of the epochs, over no learning:

- of a critic, its accuracy on unseen curves less that of chance, 0.5;
- of generators, log10(first / loss): the decades by which the squared error of the chosen member,
  on the validation rows inside the range of the training rows, is below its training error of the
  first epoch.

The gain is smoothed over a twentieth of the epochs; what is no number counts as no gain.

- *never learns*: the best gain is below 0.1 (critic) or log10(2) (generators: not halved);
- *learns and drops*: the last gain is below half of the best one;
- *learns slowly*: nine tenths of the best gain are reached in the second half of the epochs only;
- *learns and stays*: otherwise.
"""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from srnet.smoothing import smooth

TRENDS = ("learns and stays", "learns and drops", "learns slowly", "never learns")

CHANCE, LEAST, HALVED, KEPT, REACHED, SHARE = 0.5, 0.1, math.log10(2), 0.5, 0.9, 20

Figures = Sequence[float] | np.ndarray

_RULE = (
    "The gain is {gain}, smoothed over a twentieth of the epochs. Never learns: the best gain is "
    "below {least}. Learns and drops: the last gain is below half of the best. Learns slowly: nine "
    "tenths of the best gain are reached in the second half only. Learns and stays: otherwise."
)
RULES = {
    "critic": _RULE.format(gain="accuracy on unseen curves less 0.5", least="0.1"),
    "fit": _RULE.format(
        gain="the decades by which loss_inside of the chosen member is below its training loss of "
        "the first epoch",
        least="0.3 (the loss is never halved)",
    ),
}
"""The rule in a few sentences, by the command that the trials are runs of."""


def smoothed(values: Figures, otherwise: float = CHANCE) -> Float[np.ndarray, "epochs"]:
    """The figures (epochs,) smoothed; what is no number counts as `otherwise`."""
    values = np.asarray(values, float)
    values = np.where(np.isfinite(values), values, otherwise)
    return smooth(values, max(len(values) // SHARE, 1))[0]


def trend(accuracy: Figures) -> str:
    """Which of `TRENDS` an accuracy's course (epochs,) is; no epochs never learn.

    >>> trend([0.5, 0.6, 0.9, 0.9, 0.9]), trend([0.5, 0.9, 0.6]), trend([0.5] * 4 + [0.8])
    ('learns and stays', 'learns and drops', 'learns slowly')
    """
    if not len(accuracy):
        return TRENDS[3]
    return _trend(smoothed(accuracy) - CHANCE, LEAST)


def loss_trend(loss: Figures, first: float) -> str:
    """Which of `TRENDS` the course of a loss (measures,) is that was `first` before.

    >>> loss_trend([1e-2, 1e-3, 1e-3], 1.0), loss_trend([1e-2, 1.0], 1.0), loss_trend([0.9], 1.0)
    ('learns and stays', 'learns and drops', 'never learns')
    """
    if not len(loss) or not 0 < first < math.inf:
        return TRENDS[3]
    tiny = np.finfo(float).tiny
    with np.errstate(invalid="ignore"):  # a loss of NaN, which `smoothed` takes for no gain
        gain = math.log10(first) - np.log10(np.maximum(np.asarray(loss, float), tiny))
    return _trend(smoothed(gain, 0.0), HALVED)


def _trend(gain: Float[np.ndarray, "epochs"], least: float) -> str:
    best = gain.max()
    if best < least:
        return TRENDS[3]
    if gain[-1] < KEPT * best:
        return TRENDS[1]
    first = int(np.argmax(gain >= REACHED * best))
    return TRENDS[2] if first >= len(gain) / 2 and first > 0 else TRENDS[0]
