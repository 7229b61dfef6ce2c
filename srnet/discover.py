"""SymbolicRegressor: from a table to an equation, as a scikit-learn estimator.

What may live here: the checks of what a user gives, the choice among the formulas that
`srnet.pursuit` finds, and their forms for further use. Candidates of all ways stand in one table,
each with the error it makes on rows that no constant was fitted to.
"""

import math
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import sympy
from jaxtyping import Float64
from numpy import ndarray
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data
from threadpoolctl import threadpool_limits
from torch import Tensor

from sdnet.errors import InputError, nearest
from sdnet.formula import to_text, to_torch
from sdnet.library import SDData
from srnet import equations as tables
from srnet.pursuit import EXPRESSED, Pursuit
from srnet.rows import split, told
from srnet.search import ENGINES, installed


class SymbolicRegressor(RegressorMixin, BaseEstimator):
    """Finds a formula y = f(x0, x1, ...) of a table.

    Candidates come by several ways: "sparse" (sums of the library's shapes, or of generic ones and
    their products, fitted to y directly), "composed" (an outer function of such a sum), "network"
    (latents of a trained generator, each named), "pieces" (a network says which inputs act
    together; products of three, or a search engine for each group apart), and "search" (a search
    engine on y). All are judged on held rows; `equations_` is their Pareto front.

    Args:
        library: path of a .lib file whose templates the terms are; None for generic shapes.
        max_seconds: after which no further way begins.
        network: whether a generator is trained even if an exact formula was found without.
        masks: rows of 0 and 1, which inputs each latent sees; None: from the terms of a good
            formula, else from what acts together in a network.
        n_latents: how many latents, each seeing all inputs, where no masks are given; None: found.
        linear_head: whether y is known to be a sum of the latents: no outer function is tried.
        epochs, restarts: of the networks; as many are trained at once, the best is kept.
        search_engine: "operon", "pysr", or None for no search; "operon" is passed over where it
            is not installed.
        warm_start: whether a further `fit` keeps the equations found before as candidates and goes
            on with the ways not yet tried.
        random_state: a whole number; the same one gives the same equation, as long as time
            suffices.

    Attributes:
        pursuit_: the `srnet.pursuit.Pursuit`, with its rows and all equations found.
        equation_: the chosen `srnet.equations.Equation`. equations_: the Pareto front.
        network_: the trained `srnet.inspection.Fitted`, and readings_ of its latents, or None.
        masks_: what its latents see, (k, d).

    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> law = SymbolicRegressor(network=False).fit(x, 2 * x[:, 0] * x[:, 1] - 1)
    >>> law.sympy()
    2*x0*x1 - 1
    """

    def __init__(
        self,
        library: str | Path | None = None,
        *,
        max_seconds: float = 400,
        network: bool = True,
        masks: ArrayLike | None = None,
        n_latents: int | None = None,
        linear_head: bool = False,
        epochs: int = 1000,
        restarts: int = 2,
        search_engine: str | None = "operon",
        warm_start: bool = False,
        random_state: int = 0,
    ):
        self.library = library
        self.max_seconds = max_seconds
        self.network = network
        self.masks = masks
        self.n_latents = n_latents
        self.linear_head = linear_head
        self.epochs = epochs
        self.restarts = restarts
        self.search_engine = search_engine
        self.warm_start = warm_start
        self.random_state = random_state

    def fit(self, X: Any, y: Any, validation: Any = None) -> "SymbolicRegressor":
        """Find formulas for y (n,) of X (n, d), arrays or data frames; anything else is refused.

        Args:
            validation: held rows (X, y); None holds a quarter of the rows, chosen by random_state.

        Raises:
            InputError: numbers or settings that can't be used.
        """
        try:
            x, y = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        except ValueError as error:
            raise InputError(told(error, X, y)) from error
        self._check_settings(x)
        rows = split(x, y.astype(np.float64), validation, self.random_state)
        pursuit = self._pursuit(*rows)
        if np.ptp(pursuit.y) == 0:
            found = tables.scored([_constant(pursuit.y[0])], *pursuit.held, "constant")
            pursuit.equations = found
            warnings.warn(
                f"the target is constant, {pursuit.y[0]:g}, on the rows fitted to: so is the law",
                stacklevel=2,
            )
        else:
            with threadpool_limits(1):  # products this small are slower on several cores
                pursuit.run(self.max_seconds, self.network)
        self.pursuit_ = pursuit
        self.equations_ = tables.pareto(pursuit.equations)
        self.equation_ = tables.best(pursuit.equations, pursuit.held[1])
        self.network_, self.readings_ = pursuit.fitted, pursuit.readings
        self.masks_ = pursuit.masks
        left = pursuit.relative(self.equation_)
        if self.library is not None and left > EXPRESSED:
            warnings.warn(
                f"{self.library} does not express the target: its best equation leaves {left:.2g} "
                "of the target's deviation; expected a library with the law's terms, or None",
                stacklevel=2,
            )
        return self

    def predict(self, X: Any) -> Float64[ndarray, " n"]:
        """The formula's values at X (n, d).

        Raises:
            InputError: the formula isn't a finite number at a row.
        """
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=np.float64)
        values = tables.evaluate(self.equation_.expression, X)
        bad = np.flatnonzero(~np.isfinite(values))
        if len(bad):
            raise InputError(
                f"the equation {self.equation_.expression} is not a finite number at row {bad[0]} "
                f"of X ({len(bad)} of {len(X)} rows)"
            )
        return values

    def sympy(self) -> sympy.Expr:
        """The chosen formula, of the real symbols x0, x1, ..."""
        check_is_fitted(self)
        return self.equation_.expression

    def latex(self) -> str:
        """The chosen formula in LaTeX."""
        return sympy.latex(self.sympy())

    def text(self) -> str:
        """The chosen formula as text that `sdnet.formula.parse` reads back, with all digits."""
        return to_text(self.sympy())

    def to_torch(self) -> Callable[[Tensor], Tensor]:
        """The chosen formula as a function of a tensor x (..., d), that returns y (...)."""
        symbols = [sympy.Symbol(f"x{i}", real=True) for i in range(self.n_features_in_)]
        compiled = to_torch([self.sympy()], symbols)
        return lambda x: compiled(*x.unbind(-1))[0]

    def table(self) -> str:
        """The Pareto front as text, the chosen equation marked."""
        check_is_fitted(self)
        return tables.as_text(self.equations_, self.equation_)

    def _repr_html_(self) -> str:
        if not hasattr(self, "equations_"):
            return super()._repr_html_()
        return tables.as_html(self.equations_, self.equation_)

    def _pursuit(self, x: ndarray, y: ndarray, *held: ndarray) -> Pursuit:
        """A new pursuit; with `warm_start` the formulas and the ways of the last one go over."""
        library = None if self.library is None else self._opened_library(x.shape[1])
        masks = None if self.masks is None else np.asarray(self.masks, dtype=np.float64)
        if masks is None and self.n_latents is not None:
            masks = np.ones((self.n_latents, x.shape[1]))
        engine = self.search_engine if installed(self.search_engine) else None
        if engine is None and self.search_engine not in (None, "operon"):  # asked for by name
            raise InputError(
                f"search_engine {self.search_engine!r} isn't installed: pip install "
                f"{ENGINES[self.search_engine]}"
            )
        seeds = [self.random_state + i for i in range(self.restarts)]
        pursuit = Pursuit(x, y, held, library, seeds, self.epochs, engine, masks, self.linear_head)
        before = getattr(self, "pursuit_", None) if self.warm_start else None
        if before is not None and before.x.shape[1] != x.shape[1]:
            raise InputError(
                f"X has {x.shape[1]} columns, but warm_start goes on with a law of "
                f"{before.x.shape[1]}; expected as many, or warm_start False"
            )
        if before is not None:
            for equation in before.equations:
                pursuit.equations += tables.scored([equation.expression], *held, equation.way)
            pursuit.tried = set(before.tried)
            pursuit.fitted, pursuit.readings = before.fitted, before.readings
            pursuit.plain, pursuit.asked = before.plain, before.asked
            pursuit.masks = before.masks if masks is None else masks
        return pursuit

    def _opened_library(self, inputs: int) -> SDData:
        library = open_library(self.library)
        if library.variables > inputs:
            raise InputError(
                f"{self.library} uses x{library.variables - 1}, but X has {inputs} columns "
                "(x0 is the first)"
            )
        return library

    def _check_settings(self, x: ndarray) -> None:
        """Raise an InputError for settings that can't be used, or that contradict the table."""
        for name in ("network", "linear_head", "warm_start"):
            value = getattr(self, name)
            if not isinstance(value, bool | np.bool_):
                raise InputError(f"{name} is {value!r}; expected True or False")
        if not isinstance(self.library, str | Path | None):
            kind = type(self.library).__name__
            raise InputError(f"library is a {kind}; expected the path of a .lib file, or None")
        for name, least in (("epochs", 1), ("restarts", 1), ("random_state", 0)):
            value = getattr(self, name)
            whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
            if not whole or value < least:
                raise InputError(f"{name} is {value!r}; expected a whole number >= {least}")
        if self.random_state >= 2**31:
            raise InputError(f"random_state is {self.random_state}; expected less than 2**31")
        seconds = self.max_seconds
        if not (isinstance(seconds, int | float) and 0 < seconds < math.inf):
            raise InputError(f"max_seconds is {seconds!r}; expected a number > 0")
        if self.search_engine not in (None, *ENGINES):
            hint = nearest(str(self.search_engine), ENGINES)
            raise InputError(f"search_engine is {self.search_engine!r}; {hint}")
        if self.n_latents is not None:
            if not isinstance(self.n_latents, int | np.integer) or self.n_latents < 1:
                raise InputError(f"n_latents is {self.n_latents!r}; expected a whole number >= 1")
            if self.masks is not None and len(self.masks) != self.n_latents:
                raise InputError(
                    f"n_latents is {self.n_latents}, but masks has {len(self.masks)} rows; "
                    "expected one of the two, or as many rows as latents"
                )
        if self.masks is not None:
            masks = np.asarray(self.masks, dtype=object)
            good = masks.ndim == 2 and len(masks) and masks.shape[1] == x.shape[1]
            if not good or not np.isin(masks, (0, 1)).all():
                raise InputError(
                    f"masks is {self.masks!r}; expected rows of 0 and 1, one for each latent, "
                    f"with an entry for each of the {x.shape[1]} columns of X"
                )
            blind = np.flatnonzero(~np.asarray(masks, dtype=bool).any(1))
            if len(blind):
                raise InputError(
                    f"row {blind[0]} of masks is all 0; expected each latent to see an input"
                )


def open_library(path: str | Path) -> SDData:
    """The library of a file, whatever the name of the table that it is written for.

    Raises:
        InputError: as `sdnet.library.SDData` does.
    """
    text = Path(path).read_text("utf-8", "replace") if Path(path).is_file() else ""
    table = re.search(r"^[^#]*?\b([A-Za-z_]\w*)\[", text, re.MULTILINE)
    return SDData(path, table[1] if table else "X")


def _constant(value: float) -> sympy.Expr:
    return sympy.Integer(int(value)) if value == int(value) else sympy.Float(float(value))
