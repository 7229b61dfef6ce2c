"""What one parameter of a sweep can be: the laws of the W&B sweep format, and their draws.

A law gives its value at a quantile u in (0, 1), so that one uniform number is a draw of any of
them. How a law is chosen for the keys of a file is format.py's business.
"""

import bisect
import itertools
import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any, ClassVar, Literal, get_args

from pydantic import Field, model_validator

from srnet.runs.config import (
    NonNegative,
    Number,
    Positive,
    Settings,
    Shares,
    Step,
    Values,
    WholeNumber,
)


class Law(Settings):
    """The base of all laws: what a parameter's value is at a quantile."""

    least: ClassVar[float] = 1e-9  # the quantile that stands for the least value, and 1 - least

    def quantile(self, u: float) -> Any:
        """The value below which the law puts the share u, 0 < u < 1."""
        raise NotImplementedError

    def support(self) -> Sequence | None:
        """Every value the law can take; None if there is no end of them."""
        return None

    def samples(self) -> list:
        """Values to try a parameter with: all of a few, or low, middle and high ones."""
        values = self.support()
        if values is not None:
            return list(values) if len(values) <= 1000 else [values[0], values[-1]]
        return [self.quantile(u) for u in (self.least, 0.37, 1 - self.least)]


class Constant(Law):
    """Always the same."""

    distribution: Literal["constant"] = "constant"
    value: Any = Field(description="a value")

    def quantile(self, u: float) -> Any:
        return self.value

    def support(self) -> Sequence:
        return [self.value]


class Categorical(Law):
    """One of some values, each as likely, or with probabilities.

    >>> Categorical(values=["a", "b"], probabilities=[0.9, 0.1]).quantile(0.5)
    'a'
    """

    distribution: Literal["categorical", "categorical_w_probabilities"] = "categorical"
    values: Values = Field(description="a list of values")
    probabilities: Shares = None

    @model_validator(mode="after")
    def _fit(self) -> "Categorical":
        if self.probabilities is None:
            if self.distribution != "categorical":
                raise ValueError("expected probabilities, one for each value")
            return self
        if len(self.probabilities) != len(self.values):
            raise ValueError(f"expected as many probabilities as values, {len(self.values)}")
        total = math.fsum(self.probabilities)
        if not math.isclose(total, 1, rel_tol=1e-5):
            raise ValueError(f"expected probabilities that sum to 1, not {total:g}")
        return self

    def quantile(self, u: float) -> Any:
        if self.probabilities is None:
            return self.values[int(u * len(self.values))]
        edges = list(itertools.accumulate(self.probabilities))
        return self.values[min(bisect.bisect_left(edges, u * edges[-1]), len(edges) - 1)]

    def support(self) -> Sequence:
        return self.values


def _exp(power: float) -> float:
    """e to a power; infinity where that is no float, which settings refuse as they do any."""
    try:
        return math.exp(power)
    except OverflowError:
        return math.inf


class _Bounded(Law):
    min: Number = Field(description="a number")
    max: Number = Field(description="a number")

    @model_validator(mode="after")
    def _ordered(self) -> "_Bounded":
        if self.min >= self.max:
            raise ValueError("expected min below max")
        return self

    def _between(self, u: float) -> float:
        return self.min + u * (self.max - self.min)


class IntUniform(_Bounded):
    """The whole numbers from min to max, each as likely."""

    distribution: Literal["int_uniform"] = "int_uniform"
    min: WholeNumber = Field(description="a whole number")
    max: WholeNumber = Field(description="a whole number")

    @model_validator(mode="after")
    def _countable(self) -> "IntUniform":
        if self.max - self.min >= 2**63 - 1:
            raise ValueError("expected less than 2**63 whole numbers")
        return self

    def quantile(self, u: float) -> int:
        return self.support()[int(u * len(self.support()))]

    def support(self) -> Sequence:
        return range(self.min, self.max + 1)


class Uniform(_Bounded):
    """Between min and max."""

    distribution: Literal["uniform"] = "uniform"

    def quantile(self, u: float) -> float:
        return self._between(u)


class LogUniform(_Bounded):
    """X with log X uniform between min and max: the bounds are exponents of e."""

    distribution: Literal["log_uniform"]

    def quantile(self, u: float) -> float:
        return _exp(self._between(u))


class InvLogUniform(_Bounded):
    """X with log(1/X) uniform between min and max."""

    distribution: Literal["inv_log_uniform"]

    def quantile(self, u: float) -> float:
        return _exp(-self._between(1 - u))


class LogUniformValues(_Bounded):
    """X between min and max with log X uniform.

    The inverse form, log(1/X) uniform between log(1/max) and log(1/min), is the same law.
    """

    distribution: Literal["log_uniform_values", "inv_log_uniform_values"]
    min: Positive = Field(description="a number > 0")
    max: Positive = Field(description="a number > 0")

    def quantile(self, u: float) -> float:
        value = math.exp(math.log(self.min) + u * math.log(self.max / self.min))
        return min(max(value, self.min), self.max)  # rounding may leave the bounds


class Normal(Law):
    """Mean mu, standard deviation sigma."""

    least: ClassVar[float] = 1e-3  # there is no least value: one that draws do fall below
    distribution: Literal["normal"]
    mu: Number = 0.0
    sigma: NonNegative = 1.0

    def quantile(self, u: float) -> float:
        return self.mu + self.sigma * NormalDist().inv_cdf(u)


class LogNormal(Normal):
    """X with log X normal."""

    distribution: Literal["log_normal"]

    def quantile(self, u: float) -> float:
        return _exp(super().quantile(u))


class Beta(Law):
    """Between 0 and 1, of density proportional to x^(a-1) (1-x)^(b-1)."""

    distribution: Literal["beta"]
    a: Positive = 1.0
    b: Positive = 1.0

    def quantile(self, u: float) -> float:
        from scipy.special import betaincinv  # here, since scipy is slow to import and beta rare

        return float(betaincinv(self.a, self.b, u))


class _Quantized(Law):
    """round(X / q) * q for X of another law; a whole number if q is one."""

    q: Step = 1

    def quantile(self, u: float) -> float:
        steps = super().quantile(u) / self.q
        return round(steps) * self.q if math.isfinite(steps) else steps


class QUniform(_Quantized, Uniform):
    """Uniform, rounded to multiples of q."""

    distribution: Literal["q_uniform"]

    def support(self) -> Sequence:
        first, last = (round(bound / self.q) for bound in (self.min, self.max))
        return [step * self.q for step in range(first, last + 1)]


class QLogUniform(_Quantized, LogUniform):
    """Log-uniform with exponents as bounds, rounded to multiples of q."""

    distribution: Literal["q_log_uniform"]


class QLogUniformValues(_Quantized, LogUniformValues):
    """Log-uniform between values, rounded to multiples of q."""

    distribution: Literal["q_log_uniform_values"]


class QNormal(_Quantized, Normal):
    """Normal, rounded to multiples of q."""

    distribution: Literal["q_normal"]


class QLogNormal(_Quantized, LogNormal):
    """Log-normal, rounded to multiples of q."""

    distribution: Literal["q_log_normal"]


class QBeta(_Quantized, Beta):
    """Beta, rounded to multiples of q."""

    distribution: Literal["q_beta"]


_ALL = (Constant, Categorical, IntUniform, Uniform, LogUniform, InvLogUniform, LogUniformValues)
_ALL += (Normal, LogNormal, Beta, QUniform, QLogUniform, QLogUniformValues)
_ALL += (QNormal, QLogNormal, QBeta)

LAWS: dict[str, type[Law]] = {
    name: law for law in _ALL for name in get_args(law.model_fields["distribution"].annotation)
}
"""Every law by the names that a file may call it by."""
