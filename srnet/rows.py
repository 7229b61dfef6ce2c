"""The rows of a user's table: which a formula is fitted to, and which it is judged on.

What may live here: the checks of tables that `srnet.discover` gets, and their split.
"""

import math
import warnings
from typing import Any

import numpy as np
from numpy import ndarray
from sklearn.utils.validation import check_array

from sdnet.errors import InputError

LEAST_ROWS = 8
HELD = 0.25  # of the rows, for validation
FAR = 30.0  # deviations from 0, beyond which a column is said to be far from it


def split(x: ndarray, y: ndarray, validation: Any, seed: int) -> tuple[ndarray, ...]:
    """Rows to fit and rows to judge: x, y, held x, held y. Equal rows stay on one side."""
    varies = np.ptp(x, axis=0) > 0
    if not varies.all():
        constant = ", ".join(f"x{i}" for i in np.flatnonzero(~varies))
        warnings.warn(f"{constant}: constant in X, so no law can be seen in it", stacklevel=3)
    far = [
        f"x{i} ({center:.4g} with deviations of {deviation:.4g})"
        for i, (center, deviation) in enumerate(zip(x.mean(0), x.std(0), strict=True))
        if 0 < deviation * FAR < abs(center)
    ]
    if far:
        warnings.warn(
            f"far from 0 as to how they vary: {', '.join(far)}; expected differences from a value "
            "in the middle, since laws are sought in powers and waves of x itself",
            stacklevel=3,
        )
    if validation is not None:
        if not isinstance(validation, tuple) or len(validation) != 2:
            given = type(validation).__name__
            if isinstance(validation, tuple | list):
                given += f" of {len(validation)}"
            raise InputError(f"validation is a {given}; expected (X, y)")
        try:
            held = check_array(validation[0], dtype=np.float64)
            target = check_array(validation[1], dtype=np.float64, ensure_2d=False).ravel()
        except ValueError as error:
            raise InputError(f"validation: {told(error, *validation)}") from error
        if held.shape[1] != x.shape[1] or len(held) != len(target):
            raise InputError(
                f"validation has X {held.shape} and y {target.shape}; expected as many rows in "
                f"both and the {x.shape[1]} columns of X"
            )
        return x, y, held, target
    distinct, place = np.unique(x, axis=0, return_inverse=True)
    if len(distinct) < LEAST_ROWS:
        raise InputError(
            f"X has {len(x)} samples (rows), {len(distinct)} of them distinct; expected at least "
            f"{LEAST_ROWS}, to fit formulas to some and judge them on the others"
        )
    chosen = np.random.default_rng(seed).permutation(len(distinct))[: round(HELD * len(distinct))]
    apart = np.isin(place.ravel(), chosen)
    return x[~apart], y[~apart], x[apart], y[apart]


def told(error: ValueError, x: Any, y: Any) -> str:
    """What scikit-learn says of X and y, in one sentence, with the first place that is meant."""
    said = str(error).splitlines()[0].rstrip(".:")
    placed = any(word in said for word in ("NaN", "infinity", "convert"))
    for name, values in (("X", x), ("y", y)) if placed else ():
        rows = np.asarray(values, dtype=object)
        for place in np.ndindex(rows.shape):
            if not _is_finite(rows[place]):
                where = f"row {place[0]}" + (f", column {place[1]}" if len(place) > 1 else "")
                return f"{said}: {rows[place]!r} in {name}, {where}; expected finite numbers"
    return f"{said}; expected X (n, d) and y (n,) of finite real numbers"


def _is_finite(value: object) -> bool:
    try:
        return math.isfinite(value) if not isinstance(value, str) else math.isfinite(float(value))
    except (TypeError, ValueError):
        return False
