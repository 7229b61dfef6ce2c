"""The bank: shapes at their starts, and which of their products explains a residual best.

Orthogonal least squares (Chen, Billings and Luo, 1989): the gain of a candidate is the share of the
residual that it explains once the part of it that the chosen terms explain already is taken away.
Of products, which are many, it is computed for a shortlist: those that explain most by themselves,
which two matrix products tell.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from srnet.readout.shapes import Shape
from srnet.readout.terms import Term

NEW = 1e-4  # share of a candidate's square beside the chosen terms: of less, the gain is rounding
CONSTANT = 1e-9  # a curve's deviation, as a share of its size, below which it is one
SHORTLIST = 2000  # products whose gains are computed: those that explain most by themselves
THREEFOLD = 200  # products of three that are candidates, of each triple
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
        size = np.abs(residual).max()  # only ranks matter, and a square must not overflow
        q, residual = q.astype(SHORT), (residual / size if size else residual).astype(SHORT)
        scored = [*self._singles(q, residual, count)]
        if self.pairs.any():
            scored += self._products(q, residual, count)
        for triple in self.triples:
            scored += self._threefold(q, residual, triple)
        scored.sort(key=lambda pair: -pair[0])
        return [term for _, term in scored]

    def gain(self, q: ndarray, residual: ndarray) -> float:
        """The largest share of the residual that one entry, or an admitted product, explains."""
        size = np.linalg.norm(residual)
        q, residual = q.astype(SHORT), (residual / size if size else residual).astype(SHORT)
        gains = [self._single_gains(q, residual)]
        if self.pairs.any():
            gains.append(self._product_gains(q, residual)[0])
        return float(max((g.max() for g in gains if g.size), default=0.0))

    def alone(self, variables: Iterable[int]) -> "Bank":
        """The bank of the shapes of these variables only, without products."""
        wanted = set(variables)
        rows = [i for i, (s, _) in enumerate(self.entries) if wanted.issuperset(s.variables)]
        none = np.zeros((len(rows), len(rows)), dtype=bool)
        return Bank(tuple(self.entries[i] for i in rows), self.values[rows], none)

    def _singles(self, q, residual, count) -> Iterable[tuple[float, Term]]:
        gains = self._single_gains(q, residual)
        return [(float(gains[i]), self._term(i)) for i in _largest(gains, count)]

    def _products(self, q, residual, count) -> Iterable[tuple[float, Term]]:
        gains, firsts, seconds = self._product_gains(q, residual)
        best = _largest(gains, 4 * count)
        return [(float(gains[p]), self._term(firsts[p], seconds[p])) for p in best if gains[p] > 0]

    def _single_gains(self, q, residual) -> ndarray:
        return _gain(self.values @ residual, self._norms, ((self.values @ q) ** 2).sum(1))

    def _product_gains(self, q, residual) -> tuple[ndarray, ndarray, ndarray]:
        """Of the products on the shortlist their gains, first and second entries."""
        explained = (self.values * residual) @ self.values.T
        shares = np.where(self.pairs, explained**2 / self._squares, 0)
        firsts, seconds = np.unravel_index(_largest(shares.ravel(), SHORTLIST), shares.shape)
        products = self.values[firsts] * self.values[seconds]
        gains = _gain(
            explained[firsts, seconds],
            self._squares[firsts, seconds],
            ((products @ q) ** 2).sum(1),
        )
        return gains * self.pairs[firsts, seconds], firsts, seconds

    def _threefold(self, q, residual, triple) -> Iterable[tuple[float, Term]]:
        first, second, third = (self._of_variable[v] for v in triple)
        left, right = self._left(triple), self.values[third]
        explained = (left * residual) @ right.T
        shares = explained**2 / self._cubes[triple]
        lefts, rights = np.unravel_index(_largest(shares.ravel(), SHORTLIST), shares.shape)
        gains = _gain(
            explained[lefts, rights],
            self._cubes[triple][lefts, rights],
            ((left[lefts] * right[rights] @ q) ** 2).sum(1),
        )
        scored = []
        for place in _largest(gains, THREEFOLD):
            i, j = divmod(lefts[place], len(second))
            entries = first[i], second[j], third[rights[place]]
            scored.append((float(gains[place]), self._term(*entries)))
        return scored

    def _left(self, triple) -> ndarray:
        """All products of an entry of the first variable and one of the second, (m1 * m2, n)."""
        first, second = (self.values[self._of_variable[v]] for v in triple[:2])
        return (first[:, None] * second).reshape(-1, self.values.shape[1])

    @cached_property
    def _cubes(self) -> dict[tuple[int, int, int], ndarray]:
        """The squared lengths of the products of three, by their triple."""
        rows = {triple: self.values[self._of_variable[triple[2]]] for triple in self.triples}
        return {triple: (self._left(triple) ** 2) @ (row**2).T for triple, row in rows.items()}

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
    triples: Iterable[Iterable[int]] = (),
) -> Bank:
    """The bank of shapes at the points. Shapes that are constant or not finite there are left out.

    Args:
        order: of the products that are tried. 1: shapes alone; 2: products with a power, which
            has no coefficient; 3: all products of two.
        triples: sets of three variables of which products of three shapes are tried too.
    """
    entries, rows = [], []
    for shape in shapes:
        with np.errstate(all="ignore"):
            starts = np.zeros((1, 0)) if shape.starts is None else shape.starts
            values = shape.values(x, starts)
            sizes = np.sqrt(np.mean(values**2, axis=1))
        for c, curve, size in zip(starts, values, sizes, strict=True):
            if np.isfinite(size) and curve.std() > CONSTANT * size:
                entries.append((shape, c))
                rows.append(curve / size)
    pairs = np.zeros((len(rows), len(rows)), dtype=bool)
    if order >= 2:
        pairs = np.triu(~pairs)
    if order == 2:
        power = np.array([not shape.size and shape.cost == 1 for shape, _ in entries], dtype=bool)
        pairs &= power[:, None] | power[None, :]
    values = np.array(rows, dtype=SHORT).reshape(len(rows), len(x))
    known = {v for shape, _ in entries for v in shape.variables if len(shape.variables) == 1}
    sets = sorted(tuple(sorted(triple)) for triple in triples)
    return Bank(tuple(entries), values, pairs, tuple(s for s in sets if known.issuperset(s)))


def _gain(explained: ndarray, norm: ndarray, projected: ndarray) -> ndarray:
    new = norm - projected
    return np.where(new > NEW * norm, explained**2 / np.maximum(new, 1e-30), 0)


def _largest(values: ndarray, count: int) -> ndarray:
    count = min(count, values.size)
    places = np.argpartition(-values, count - 1)[:count]
    return places[np.argsort(-values[places], kind="stable")]
