"""Ways to an equation: from a table of numbers to candidate formulas, each way on its own.

What may live here: functions from inputs x (n, d), a target y (n,) and a deadline to sympy
expressions of x0, x1, ...; a candidate's constants are refined on the rows and made readable. What
the candidates are worth, on rows they have not seen, is judged in `srnet.discover`.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import sympy
import torch
from jaxtyping import Float64
from numpy import ndarray

from sdnet.library import SDData
from srnet.decomposition import decompose
from srnet.readout.bank import make_bank
from srnet.readout.constants import refined, snapped
from srnet.readout.generic import generic_shapes, wave_shapes
from srnet.readout.outer import composites
from srnet.readout.selection import Search
from srnet.readout.shapes import Shape, library_shapes
from srnet.readout.terms import Sum, Term

MOST_TERMS = 8  # of a library's sum
SHOWN = 4  # sums of a search that become candidates
ROWS = 2000  # that a search looks at; constants are refined on all


@dataclass(frozen=True)
class Table:
    """What a way works on: rows x (n, d), y (n,) and a time.monotonic() to be done by."""

    x: Float64[ndarray, "n d"]
    y: Float64[ndarray, " n"]
    deadline: float

    def search(self, shapes: Sequence[Shape], share: float, **options: object) -> Search:
        """A search among the shapes' products, which may take a share of the time left."""
        x, y = self.x[:ROWS], self.y[:ROWS]
        now = time.monotonic()
        limit = now + share * max(self.deadline - now, 0.0)
        return Search(x, y, make_bank(shapes, x, **options), deadline=limit)

    def finished(self, expression: sympy.Expr) -> sympy.Expr:
        """The formula with its constants refined on all rows and written as one would."""
        return snapped(refined(expression, self.x, self.y), self.x, self.y)

    def finished_sums(self, sums: Sequence[Sum], search: Search) -> Iterator[sympy.Expr]:
        for found in sorted(sums, key=search.score)[:SHOWN]:
            yield self.finished(found.expression)


def library_sums(table: Table, library: SDData) -> Iterator[sympy.Expr]:
    """Sums of a library's own shapes: by `srnet.decomposition`, then by a search.

    >>> library = SDData.from_lines(["N0*sin(3*U0*x0)", "x0**2"], "X07")
    >>> x = np.linspace(-3, 3, 60)[:, None]
    >>> y = 2 * x[:, 0] ** 2 - np.sin(1.5 * x[:, 0])
    >>> next(library_sums(Table(x, y, time.monotonic() + 60), library))
    2*x0**2 - sin(1.5*x0)
    """
    x, y = (torch.from_numpy(values[:ROWS]) for values in (table.x, table.y))
    every = torch.ones(MOST_TERMS, x.shape[1])  # as many terms at most, of whatever inputs
    yield table.finished(decompose(library, x, y[:, None], every).expression)
    search = table.search(library_shapes(library.templates), 0.5)
    yield from table.finished_sums(search.run(), search)


def wave_sums(table: Table) -> Iterator[sympy.Expr]:
    """A polynomial of each variable, and sums of generic shapes and functions of quadratics."""
    generic = generic_shapes(table.x)
    search = table.search([*generic, *wave_shapes(table.x)], 0.1)
    powers = [s for s in generic if s.expression.is_Pow or s.expression.is_Symbol]
    start = [Term((s,), (np.zeros(0),)) for s in powers if not s.size and s.cost == 1]
    yield from table.finished_sums(search.run(start), search)


def generic_sums(table: Table) -> Iterator[sympy.Expr]:
    """Sums of generic shapes and of their products with powers."""
    search = table.search(generic_shapes(table.x), 0.1, order=2)
    yield from table.finished_sums(search.run(), search)


def product_sums(table: Table) -> Iterator[sympy.Expr]:
    """Sums of products of any two generic shapes."""
    search = table.search(generic_shapes(table.x), 0.4, order=3)
    yield from table.finished_sums(search.run(), search)


def composed(
    table: Table, between: tuple[float, float], library: SDData | None = None
) -> Iterator[sympy.Expr]:
    """F(s), see `srnet.readout.outer`, with s a sum of a library's shapes, or of generic ones.

    Of generic ones also of products of two.
    """
    if library is None:
        search = table.search(generic_shapes(table.x), 0.3, order=3)
    else:
        search = table.search(library_shapes(library.templates), 0.3)
    for expression in composites(search, between):
        yield table.finished(expression)


def threefold_sums(table: Table, triples: Sequence[tuple[int, ...]]) -> Iterator[sympy.Expr]:
    """Sums in which products of three generic shapes of these variables may stand too."""
    search = table.search(generic_shapes(table.x), 0.6, order=3, triples=triples)
    yield from table.finished_sums(search.run(), search)
