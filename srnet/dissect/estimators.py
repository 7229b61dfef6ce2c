"""Entropy, conditional entropy and mutual information of units, by the estimator asked for.

What may live here: checks of what a user gives, and the choice between `discrete` and
`neighbours`. Every function takes activations (n examples, units): real numbers, which are binned
(`binning`), or whole numbers, which are states as they are.

Estimators:

- "plug-in": the entropies of the relative frequencies. Entropies are too small and information is
  too large, by about (states of a - 1)(states of b - 1) / 2n for independent units.
- "miller-madow": plug-in entropies, each with its bias to first order taken off (Miller, 1955).
  For independent units about 0 on average, and a unit's information on itself is its entropy.
- "shuffle": the plug-in information less the mean of its values over all orders of the examples of
  one unit (Vinh, Epps and Bailey, 2010). For independent units exactly 0 on average; for dependent
  ones too small by as much as was taken off too much, at most (states - 1)^2 / 2n. Entropies of
  single units are Miller and Madow's.
- "ksg": mutual information by nearest neighbours (Kraskov, Stögbauer and Grassberger, 2004), of
  real numbers without binning.

Binned information is of the bins: at most that of the values, and at most ln(bins). Corrected
information may be below 0; it isn't cut off there, since that would put a bias back.
"""

import math

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from sdnet.errors import InputError, nearest
from srnet.dissect.binning import check_units, discretise
from srnet.dissect.discrete import chance_information, entropies, joint_entropies
from srnet.dissect.neighbours import ksg

BINNED = ("plug-in", "miller-madow", "shuffle")
ESTIMATORS = (*BINNED, "ksg")
BASES = {"nats": 1.0, "bits": math.log(2)}
"""The bases of logarithms, each by its size in nats."""


def entropy(
    a: Tensor,
    *,
    estimator: str = "miller-madow",
    bins: int = 6,
    binning: str = "equal-frequency",
    base: str = "nats",
) -> Float64[Tensor, " u"]:
    """H(A) = -sum p ln p of each unit's bins: (u,), from 0 to about ln(bins).

    Of equal-frequency bins it is near ln(bins) for every unit without ties, so it tells how many
    examples have equal values; with equal-width bins it tells how evenly they spread.

    Args:
        a: (n examples, u units).
        estimator: "plug-in", "miller-madow" or "shuffle", which is Miller and Madow's here.
        bins: of each unit, 2 or more.
        binning: "equal-frequency" or "equal-width"; see `srnet.dissect.binning`.
        base: "nats" or "bits".

    Raises:
        InputError: no examples or units, values that aren't finite, an unknown choice.

    >>> entropy(torch.tensor([[0, 5], [1, 5]]), estimator="plug-in", base="bits")
    tensor([1., 0.], dtype=torch.float64)
    """
    check_choice("estimator", estimator, BINNED)
    return _entropy(discretise("a", a, bins, binning), estimator) / in_nats(base)


def conditional_entropy(
    a: Tensor,
    b: Tensor,
    *,
    estimator: str = "miller-madow",
    bins: int = 6,
    binning: str = "equal-frequency",
    base: str = "nats",
) -> Float64[Tensor, "u v"]:
    """H(A | B) = H(A) - I(A; B) of each unit of a, given each unit of b: (u, v).

    Args and errors as for `mutual_information`, but the estimator can't be "ksg".

    >>> a, b = torch.tensor([[0], [1]]), torch.tensor([[0, 3], [1, 3]])
    >>> conditional_entropy(a, b, estimator="plug-in", base="bits")
    tensor([[0., 1.]], dtype=torch.float64)
    """
    codes_a, codes_b = _both(a, b, estimator, bins, binning)
    of_a = _entropy(codes_a, estimator)[:, None]
    return (of_a - _information(codes_a, codes_b, estimator)) / in_nats(base)


def joint_entropy(
    a: Tensor,
    b: Tensor,
    *,
    estimator: str = "miller-madow",
    bins: int = 6,
    binning: str = "equal-frequency",
    base: str = "nats",
) -> Float64[Tensor, "u v"]:
    """H(A, B) = H(A) + H(B) - I(A; B) of each unit of a with each unit of b: (u, v).

    Args and errors as for `mutual_information`, but the estimator can't be "ksg".

    >>> a, b = torch.tensor([[0], [1]]), torch.tensor([[0, 3], [1, 3]])
    >>> joint_entropy(a, b, estimator="plug-in", base="bits")
    tensor([[1., 1.]], dtype=torch.float64)
    """
    codes_a, codes_b = _both(a, b, estimator, bins, binning)
    apart = _entropy(codes_a, estimator)[:, None] + _entropy(codes_b, estimator)
    return (apart - _information(codes_a, codes_b, estimator)) / in_nats(base)


def mutual_information(
    a: Tensor,
    b: Tensor,
    *,
    estimator: str = "miller-madow",
    bins: int = 6,
    binning: str = "equal-frequency",
    neighbours: int = 5,
    base: str = "nats",
    generator: torch.Generator | None = None,
) -> Float64[Tensor, "u v"]:
    """I(A; B) = H(A) + H(B) - H(A, B) of each unit of a with each unit of b: (u, v).

    Corrected estimates of independent units scatter about 0, with a standard deviation of about
    (bins - 1) / (n sqrt 2): of 6 bins and 640 examples 0.0055 nats.

    Args:
        a: (n examples, u units).
        b: (n examples, v units), of the same examples in the same order.
        estimator: "plug-in", "miller-madow", "shuffle" or "ksg"; see the top of this module.
        bins, binning: as for `entropy`; "ksg" needs none.
        neighbours: of "ksg".
        base: "nats" or "bits".
        generator: what "ksg" breaks ties by; None: of seed 0.

    Raises:
        InputError: other numbers of examples, none, values that aren't finite, an unknown choice,
            as many neighbours as examples or more.

    >>> a, b = torch.tensor([[0], [1], [0], [1]]), torch.tensor([[0, 3], [1, 3], [0, 4], [1, 4]])
    >>> mutual_information(a, b, estimator="plug-in", base="bits")
    tensor([[1., 0.]], dtype=torch.float64)
    """
    if estimator == "ksg":
        _check_examples(a, b)
        return ksg(a, b, neighbours, generator) / in_nats(base)
    codes_a, codes_b = _both(a, b, estimator, bins, binning)
    return _information(codes_a, codes_b, estimator) / in_nats(base)


def in_nats(base: str) -> float:
    """The size of one "nats" or "bits" in nats."""
    check_choice("base", base, BASES)
    return BASES[base]


def check_choice(name: str, value: object, choices) -> None:
    """Raise InputError for a value that isn't one of the choices."""
    if value not in choices:
        raise InputError(f"{name} is {value!r}; {nearest(str(value), choices)}")


def _both(a: Tensor, b: Tensor, estimator: str, bins: int, binning: str) -> tuple[Tensor, Tensor]:
    check_choice("estimator", estimator, ESTIMATORS)
    if estimator == "ksg":
        raise InputError("estimator 'ksg' is of mutual information only; expected another")
    _check_examples(a, b)
    return discretise("a", a, bins, binning), discretise("b", b, bins, binning)


def _check_examples(a: Tensor, b: Tensor) -> None:
    check_units("a", a)
    check_units("b", b)
    if len(a) != len(b) or a.device != b.device:
        raise InputError(
            f"a has {len(a)} examples on {a.device} and b {len(b)} on {b.device}; expected the "
            "same examples on one device"
        )


def _entropy(codes: Int64[Tensor, "n u"], estimator: str) -> Float64[Tensor, " u"]:
    found = entropies(codes)
    return found.plugin if estimator == "plug-in" else found.miller_madow(len(codes))


def _information(
    a: Int64[Tensor, "n u"], b: Int64[Tensor, "n v"], estimator: str
) -> Float64[Tensor, "u v"]:
    of_a, of_b, of_both = entropies(a), entropies(b), joint_entropies(a, b)
    if estimator == "miller-madow":
        n = len(a)
        return of_a.miller_madow(n)[:, None] + of_b.miller_madow(n) - of_both.miller_madow(n)
    plugin = of_a.plugin[:, None] + of_b.plugin - of_both.plugin
    return plugin - chance_information(a, b) if estimator == "shuffle" else plugin
