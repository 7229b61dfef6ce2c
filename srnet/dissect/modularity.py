"""Is a set of units a module? Information between a candidate and the rest, against chance.

For a candidate module P, with units in a layer A and in a later layer B, and the other units of A
called N ("not P"), on one variable for each group (`groups.group_variables`):

    C1 = H(B_P | A_N) - H(B_P)              = -I(B_P; A_N)
    C2 = H(B_P | A_P, A_N) - H(B_P | A_P)   = -I(B_P; A_N | A_P)
    C3 = H(B_P | A_P, A_N) - H(B_P | A_N)   = -I(B_P; A_P | A_N)

None is above 0, but by the scatter of a corrected estimate. Of a module, C1 and C2 are near 0 (the
other units tell nothing of it, or nothing that its own don't), and C3 is far below (without its own
units, nothing tells). C1 + C3 = -I(B_P; A_P, A_N). The layer A as a whole stands for itself by the
pair (A_P, A_N): by a coarser variable of its own, C2 and C3 could come out above 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from sdnet.errors import InputError, nearest
from srnet.dissect.discrete import entropies_of_counts
from srnet.dissect.estimators import check_choice, in_nats
from srnet.dissect.groups import Candidate, check_layers, group_variables, units_of
from srnet.dissect.report import Report

MEASURES = ("C1", "C2", "C3")
CELLS = 2**24  # numbers held at once, about
ROUNDING = 1e-12  # what is no more apart than this is equal


class ModulePair(NamedTuple):
    """A candidate module between two layers."""

    module: str
    layer_a: str
    layer_b: str
    units_a: Int64[Tensor, " s"]
    units_b: Int64[Tensor, " t"]
    measures: Float64[Tensor, "3"]
    """C1, C2 and C3"""
    null: Float64[Tensor, "r 3"]
    """those of random modules; none where there is no other of these sizes"""

    def p_values(self) -> list[float | None]:
        """How often a random module is as much of a module: (1 + as extreme) / (1 + r), each.

        As extreme are those with a C1 or C2 as large (as near 0), or a C3 as small.
        """
        if not len(self.null):
            return [None] * len(MEASURES)
        ahead = self.null - self.measures
        ahead[:, 2] *= -1
        extreme = (ahead >= -ROUNDING).sum(0).double()
        return ((1 + extreme) / (1 + len(self.null))).tolist()


@dataclass(frozen=True, eq=False)
class Modularity(Report):
    """C1, C2 and C3 of each module and pair of layers, with what random modules have."""

    entries: list[ModulePair] = field(repr=False)
    base: str

    def rows(self) -> list[dict]:
        return [
            {
                "module": entry.module,
                "from": entry.layer_a,
                "to": entry.layer_b,
                "units": f"{len(entry.units_a)}, {len(entry.units_b)}",
                **_columns(entry),
            }
            for entry in self.entries
        ]


def _columns(entry: ModulePair) -> dict:
    """For each measure its value, the mean of random modules, and its p-value."""
    columns: dict[str, float | None] = {}
    for i, (name, p) in enumerate(zip(MEASURES, entry.p_values(), strict=True)):
        columns[name] = float(entry.measures[i])
        columns[f"random {name}"] = float(entry.null[:, i].mean()) if len(entry.null) else None
        columns[f"p {name}"] = p
    return columns


def modularity_measures(
    acts: Mapping[str, Tensor],
    modules: Mapping[str, Candidate],
    *,
    pairs: Sequence[tuple[str, str]] | None = None,
    estimator: str = "miller-madow",
    components: int = 2,
    levels: int = 2,
    random_modules: int = 199,
    base: str = "nats",
    generator: torch.Generator | None = None,
) -> Modularity:
    """C1, C2 and C3 of candidate modules, with p-values against random ones.

    A random module has as many units in either layer as the candidate, drawn evenly; those equal
    to the candidate in both layers are left out. Candidates of equal sizes are held against the
    same random ones. The p-values are of each measure by itself, not corrected for their number.

    Args:
        acts: for each layer (n examples, units), as of `activations`, in the order of the layers.
        modules: for each name a module: for each layer its units, as places or as a mask.
        pairs: layers (A, B); None: each with the next.
        estimator: "miller-madow" or "plug-in".
        components, levels: what one variable for a group is made of; see `group_variables`. With
            more states than 4 each, some 1,000 examples are too few for three groups together.
        random_modules: at least 1; the least p-value is 1 / (1 + random_modules).
        base: "nats" or "bits".
        generator: what the random modules follow from; None: of seed 0.

    Raises:
        InputError: no modules, fewer than two layers, unknown layers or units, numbers out of
            range, activations that aren't finite (examples, units).

    >>> bit = torch.tensor([0.0, 0.0, 1.0, 1.0])
    >>> other = torch.tensor([0.0, 1.0, 0.0, 1.0])
    >>> both = torch.stack([bit, other], dim=1)
    >>> modules = {"own": {"a": [0], "b": [0]}, "crossed": {"a": [0], "b": [1]}}
    >>> found = modularity_measures({"a": both, "b": both}, modules, estimator="plug-in")
    >>> [[round(float(c), 3) + 0.0 for c in entry.measures] for entry in found.entries]
    [[0.0, 0.0, -0.693], [-0.693, -0.693, 0.0]]
    """
    check_choice("estimator", estimator, ("miller-madow", "plug-in"))
    in_nats(base)
    if not modules:
        raise InputError("no modules were given; expected one or more, by their names")
    if not isinstance(random_modules, int) or random_modules < 1:
        raise InputError(f"random_modules is {random_modules!r}; expected at least 1")
    check_layers(acts)
    generator = generator or torch.Generator().manual_seed(0)
    entries = []
    for a, b in _pairs(acts, pairs):
        places = {
            name: tuple(
                units_of(name, module, layer, acts[layer].shape[1]).to(acts[layer].device)
                for layer in (a, b)
            )
            for name, module in modules.items()
        }
        study = _Study(acts[a], acts[b], estimator, components, levels, in_nats(base))
        by_sizes: dict[tuple[int, int], _Random] = {}
        for name, (of_a, of_b) in places.items():
            sizes = len(of_a), len(of_b)
            if sizes not in by_sizes:
                by_sizes[sizes] = _random(study, sizes, random_modules, generator)
            measures = study.measures(of_a[None], of_b[None])[0]
            null = by_sizes[sizes].without(of_a, of_b)
            entries.append(ModulePair(name, a, b, of_a, of_b, measures, null))
    return Modularity(entries, base)


def _pairs(
    acts: Mapping[str, Tensor], pairs: Sequence[tuple[str, str]] | None
) -> list[tuple[str, str]]:
    if pairs is None:
        if len(acts) < 2:
            raise InputError(f"one layer was given, {next(iter(acts))!r}; expected two or more")
        return list(pairwise(acts))
    for layer in (layer for pair in pairs for layer in pair):
        if layer not in acts:
            raise InputError(f"pairs names layer {layer!r}; {nearest(layer, acts)}")
    return list(pairs)


class _Study(NamedTuple):
    """Two layers, and how groups of their units are measured."""

    a: Tensor
    b: Tensor
    estimator: str
    components: int
    levels: int
    in_nats: float

    def measures(
        self, units_a: Int64[Tensor, "m s"], units_b: Int64[Tensor, "m t"]
    ) -> Float64[Tensor, "m 3"]:
        """C1, C2 and C3 of m modules of one size."""
        # a module takes its covariances, and the scores of all examples
        some = max(1, CELLS // (self.a.shape[1] ** 2 + len(self.a) * self.components))
        parts = zip(units_a.split(some), units_b.split(some), strict=True)
        return torch.cat([self._of_some(*part) for part in parts]) / self.in_nats

    def _of_some(
        self, units_a: Int64[Tensor, "m s"], units_b: Int64[Tensor, "m t"]
    ) -> Float64[Tensor, "m 3"]:
        outside = torch.ones(len(units_a), self.a.shape[1], dtype=torch.bool, device=self.a.device)
        outside.scatter_(1, units_a, False)
        rest = outside.nonzero()[:, 1].view(len(units_a), -1)
        variables = (
            group_variables(values, units, self.components, self.levels)
            for values, units in ((self.a, units_a), (self.a, rest), (self.b, units_b))
        )
        return conditional_measures(*variables, self.estimator)


def conditional_measures(
    inside: Int64[Tensor, "n m"],
    outside: Int64[Tensor, "n m"],
    target: Int64[Tensor, "n m"],
    estimator: str = "miller-madow",
) -> Float64[Tensor, "m 3"]:
    """C1, C2 and C3 in nats of m triples of discrete variables A_P, A_N and B_P: (m, 3).

    Args:
        inside, outside, target: whole numbers from 0.
        estimator: "miller-madow" or "plug-in".

    >>> x, y = torch.tensor([[0], [0], [1], [1]]), torch.tensor([[0], [1], [0], [1]])
    >>> conditional_measures(x, y, x ^ y, "plug-in").round(decimals=3)  # each tells with the other
    tensor([[ 0.0000, -0.6930, -0.6930]], dtype=torch.float64)
    """
    s, t, q = (int(codes.max()) + 1 for codes in (inside, outside, target))
    cells = (inside * t + outside) * q + target
    n, m = cells.shape
    size = s * t * q
    places = cells + size * torch.arange(m, device=cells.device)
    counts = places.flatten().bincount(minlength=m * size).view(m, s, t, q)

    def entropy(*summed: int) -> Float64[Tensor, " m"]:
        """Of what is left when these axes (1: inside, 2: outside, 3: target) are summed over."""
        left = counts.sum(summed) if summed else counts
        found = entropies_of_counts(left.flatten(1), n, (1,))
        return found.plugin if estimator == "plug-in" else found.miller_madow(n)

    given_rest = entropy(1) - entropy(1, 3)
    given_own = entropy(2) - entropy(2, 3)
    given_both = entropy() - entropy(3)
    alone = entropy(1, 2)
    return torch.stack([given_rest - alone, given_both - given_own, given_both - given_rest], dim=1)


class _Random(NamedTuple):
    """Random modules of one size, and their measures."""

    units_a: Int64[Tensor, "r s"]
    units_b: Int64[Tensor, "r t"]
    measures: Float64[Tensor, "r 3"]

    def without(
        self, units_a: Int64[Tensor, " s"], units_b: Int64[Tensor, " t"]
    ) -> Float64[Tensor, "k 3"]:
        """The measures of those that aren't this one."""
        same = (self.units_a == units_a).all(1) & (self.units_b == units_b).all(1)
        return self.measures[~same]


def _random(
    study: _Study, sizes: tuple[int, int], count: int, generator: torch.Generator
) -> _Random:
    """Modules drawn evenly from all of these sizes."""
    units_a, units_b = (
        torch.rand(count, values.shape[1], generator=generator)
        .argsort(dim=1)[:, :size]
        .sort(dim=1)
        .values.to(values.device)
        for values, size in zip((study.a, study.b), sizes, strict=True)
    )
    return _Random(units_a, units_b, study.measures(units_a, units_b))
