"""How an accuracy went in the course of a training, in four words: the rule, written down.

The accuracy is smoothed over a twentieth of the epochs. With its gain over chance, accuracy - 0.5:

- *never learns*: the best gain is below 0.1;
- *learns and drops*: the last gain is below half of the best one;
- *learns slowly*: nine tenths of the best gain are reached in the second half of the epochs only;
- *learns and stays*: otherwise.
"""

from collections.abc import Sequence

import numpy as np

from srnet.smoothing import smooth

TRENDS = ("learns and stays", "learns and drops", "learns slowly", "never learns")

CHANCE, LEAST, KEPT, REACHED, SHARE = 0.5, 0.1, 0.5, 0.9, 20


def smoothed(accuracy: Sequence[float] | np.ndarray) -> np.ndarray:
    """The accuracy (epochs,) that the rule looks at; epochs without a number count as chance."""
    values = np.nan_to_num(np.asarray(accuracy, float), nan=CHANCE)
    return smooth(values, max(len(values) // SHARE, 1))[0]


def trend(accuracy: Sequence[float] | np.ndarray) -> str:
    """Which of `TRENDS` an accuracy's course (epochs,) is; no epochs never learn.

    >>> trend([0.5, 0.6, 0.9, 0.9, 0.9]), trend([0.5, 0.9, 0.6]), trend([0.5] * 4 + [0.8])
    ('learns and stays', 'learns and drops', 'learns slowly')
    """
    if not len(accuracy):
        return TRENDS[3]
    gain = smoothed(accuracy) - CHANCE
    best = gain.max()
    if best < LEAST:
        return TRENDS[3]
    if gain[-1] < KEPT * best:
        return TRENDS[1]
    first = int(np.argmax(gain >= REACHED * best))
    return TRENDS[2] if first >= len(gain) / 2 and first > 0 else TRENDS[0]
