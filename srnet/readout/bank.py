"""The bank: shapes at their starts, and which of their products explains a residual best.

Orthogonal least squares (Chen, Billings and Luo, 1989): the gain of a candidate is the share of the
residual that it explains once the part of it that the chosen terms explain already is taken away.
For products of two shapes all gains come from a few matrix products.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from srnet.readout.shapes import Shape
from srnet.readout.terms import Term

PARALLEL = 1e-6  # of a candidate's square that must be new beside the chosen terms
SHORT = np.float32  # of the scores, which only rank


@dataclass(frozen=True)
class Bank:
    """Shapes with starting coefficients, their values at the points, of mean square 1.

    pairs: which products of two entries may be tried, (m, m) upper triangle.
    triples: groups of variables of which products of three shapes may be tried.
    """

    entries: tuple[tuple[Shape, ndarray], ...]
    values: Float32[ndarray, "m n"]
    pairs: ndarray
    triples: tuple[tuple[int, int, int], ...] = ()

    def candidates(self, q: ndarray, residual: ndarray, count: int) -> list[Term]:
        """The terms of the largest gains, best first: `count` of each order, from all kinds."""
        q, residual = q.astype(SHORT), residual.astype(SHORT)
        scored = [*self._singles(q, residual, count)]
        if self.pairs.any():
            scored += self._products(q, residual, count)
        for triple in self.triples:
            scored += self._threefold(q, residual, triple)
        scored.sort(key=lambda pair: -pair[0])
        return [term for _, term in scored]

    def alone(self, variables: Iterable[int]) -> "Bank":
        """The bank of the shapes of these variables only, without products."""
        wanted = set(variables)
        rows = [i for i, (s, _) in enumerate(self.entries) if wanted.issuperset(s.variables)]
        none = np.zeros((len(rows), len(rows)), dtype=bool)
        return Bank(tuple(self.entries[i] for i in rows), self.values[rows], none)

    def _singles(self, q, residual, count) -> Iterable[tuple[float, Term]]:
        gains = _gain(self.values @ residual, self._norms, ((self.values @ q) ** 2).sum(1))
        return [(float(gains[i]), self._term(i)) for i in _largest(gains, count)]

    def _products(self, q, residual, count) -> Iterable[tuple[float, Term]]:
        projected = sum(((self.values * column) @ self.values.T) ** 2 for column in q.T)
        gains = _gain((self.values * residual) @ self.values.T, self._squares, projected)
        gains = gains * self.pairs
        places = np.unravel_index(_largest(gains.ravel(), 4 * count), gains.shape)
        return [(float(gains[i, j]), self._term(i, j)) for i, j in zip(*places, strict=True)]

    def _threefold(self, q, residual, triple) -> Iterable[tuple[float, Term]]:
        rows = [self._of_variable[v] for v in triple]
        second, third = self.values[rows[1]], self.values[rows[2]]
        scored = []
        for first in rows[0]:
            left = second * self.values[first]
            projected = sum(((left * column) @ third.T) ** 2 for column in q.T)
            gains = _gain((left * residual) @ third.T, (left**2) @ (third**2).T, projected)
            for place in _largest(gains.ravel(), 2):
                i, j = np.unravel_index(place, gains.shape)
                scored.append((float(gains[i, j]), self._term(first, rows[1][i], rows[2][j])))
        return scored

    @cached_property
    def _norms(self):
        return (self.values**2).sum(1)

    @cached_property
    def _squares(self):
        return (self.values**2) @ (self.values**2).T

    @cached_property
    def _of_variable(self) -> dict[int, ndarray]:
        variables = np.array(
            [s.variables[0] if len(s.variables) == 1 else -1 for s, _ in self.entries]
        )
        return {v: np.flatnonzero(variables == v) for v in set(variables.tolist())}

    def _term(self, *places: int | np.integer) -> Term:
        chosen = [self.entries[place] for place in places]
        return Term(tuple(shape for shape, _ in chosen), tuple(c for _, c in chosen))


def make_bank(
    shapes: Sequence[Shape],
    x: ndarray,
    *,
    order: int = 1,
    groups: Sequence[Iterable[int]] | None = None,
) -> Bank:
    """The bank of shapes at the points.

    Args:
        order: of the products that are tried. 1: shapes alone; 2: products with a power, which
            has no coefficient; 3: all products of two; 4: of three variables too, within a group.
        groups: sets of variables that act together; a product's variables must lie in one of
            them. None admits all pairs, and no triples.
    """
    entries, rows = [], []
    for shape in shapes:
        with np.errstate(all="ignore"):
            starts = np.zeros((1, 0)) if shape.starts is None else shape.starts
            values = shape.values(x, starts)
        for c, curve in zip(starts, values, strict=True):
            size = np.sqrt(np.mean(curve**2))
            if np.isfinite(curve).all() and curve.std() > 1e-9 * size:
                entries.append((shape, c))
                rows.append(curve / size)
    sets = None if groups is None else [frozenset(group) for group in groups]
    triples: tuple = ()
    if order >= 4 and sets is not None:
        found = {t for group in sets for t in combinations(sorted(group), 3)}
        triples = tuple(sorted(found))
    values = np.array(rows, dtype=SHORT).reshape(len(rows), len(x))
    return Bank(tuple(entries), values, _allowed([s for s, _ in entries], order, sets), triples)


def _allowed(shapes: list[Shape], order: int, sets: list[frozenset[int]] | None) -> ndarray:
    if order == 1:
        return np.zeros((len(shapes), len(shapes)), dtype=bool)
    allowed = np.triu(np.ones((len(shapes), len(shapes)), dtype=bool))
    if order == 2:
        power = np.array([not shape.size and shape.cost == 1 for shape in shapes], dtype=bool)
        allowed &= power[:, None] | power[None, :]
    if sets is not None:
        for i, j in combinations({shape.variables for shape in shapes}, 2):
            if not any(set(i) | set(j) <= group for group in sets):
                first = np.array([shape.variables == i for shape in shapes])
                second = np.array([shape.variables == j for shape in shapes])
                allowed &= ~(first[:, None] & second) & ~(second[:, None] & first)
    return allowed


def _gain(explained: ndarray, norm: ndarray, projected: ndarray) -> ndarray:
    new = norm - projected
    # Where a candidate is all but spanned by the chosen terms, its gain is rounding.
    return np.where(new > 1e-4 * norm, explained**2 / np.maximum(new, 1e-30), 0)


def _largest(values: ndarray, count: int) -> ndarray:
    count = min(count, values.size)
    places = np.argpartition(-values, count - 1)[:count]
    return places[np.argsort(-values[places], kind="stable")]
