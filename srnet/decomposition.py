"""Decomposition: which sum of library shapes a target is, with a shape for each latent at most.

What may live here: the search for that sum, and what a latent's mask lets it be. What the sum is
used for is the subject of `srnet.projection`; sums without latents are that of `srnet.readout`.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations, islice

import numpy as np
import sympy
import torch
from jaxtyping import Bool, Float, Int64
from numpy import ndarray
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from sdnet.errors import InputError
from sdnet.library import SDData
from srnet.readout.bank import Bank, make_bank
from srnet.readout.leastsq import basis, fit_all, linear_fit
from srnet.readout.selection import EXACT, criterion
from srnet.readout.shapes import Shape, library_shapes
from srnet.readout.terms import Sum, Term

BETTER = 0.99  # of the misfit: an exchange that leaves more is not worth a further round
TOGETHER = 2  # terms exchanged at once, at most
KINDS = 4  # of the first term that comes in
ROUGH = 6  # steps of a fit that only compares
FINE = 200  # steps of the last fit
STARTS = 2  # from which a shape's coefficients are fitted, if the first leads nowhere


def decompose(
    library: SDData,
    x: Float[Tensor, "n d"],
    y: Float[Tensor, "rows 1"],
    masks: Float[Tensor, "k inputs"],
) -> Sum:
    """y = b + sum_j a_j s_j(x; c_j) + rest, with at most as many shapes s_j as there are latents.

    Orthogonal least squares adds the shape that explains most of the rest; then one shape or two
    at once are taken out and found anew, as long as that leaves less. All coefficients are fitted
    together after every change. Shapes that the BIC can do without go.

    Args:
        x, y: the rows to fit.
        masks: which inputs each latent sees (those whose entry isn't 0). Each shape must have a
            latent of its own that sees all of its inputs.

    Raises:
        InputError: no latent sees all the inputs of any shape; shapes or sizes that don't fit.

    >>> library = SDData.from_lines(["N0*x0**2", "N0*x1", "N0*x1**3"], "X00")
    >>> x = torch.arange(12.0).sin().reshape(6, 2)
    >>> y = 3 * x[:, :1] ** 2 - 2 * x[:, 1:]
    >>> found = decompose(library, x, y, torch.eye(2))
    >>> [str(term.expression) for term in found.terms], found.weights.round(4)
    (['x0**2', 'x1'], array([ 3., -2.]))
    """
    _check(library, x, y, masks)
    shapes = library_shapes(library.templates)
    seen = [shape for shape in shapes if (masks[:, list(shape.variables)] != 0).all(-1).any()]
    if not seen:
        raise InputError(
            f"{library.name}: no latent sees all the inputs of any of the {len(shapes)} shapes; "
            "expected masks that let some latent be some shape"
        )
    search = _Search(x.double().cpu().numpy(), y[:, 0].double().cpu().numpy(), seen, masks.cpu())
    return search.run()


def allot(terms: Sequence[Term], masks: Float[Tensor, "k d"]) -> Int64[ndarray, " terms"] | None:
    """The latent for each term, all of them different and seeing all its inputs; None: no way.

    A term goes to a latent that sees little besides, as far as all terms can.

    >>> x0, x1 = (Shape(sympy.Symbol(f"x{i}", real=True)) for i in range(2))
    >>> terms = [Term((shape,), (np.zeros(0),)) for shape in (x0, x1)]
    >>> allot(terms, torch.tensor([[1.0, 1.0], [1.0, 0.0]]))
    array([1, 0])
    """
    fits = admits(terms, masks).numpy()
    width = (masks != 0).sum(1).numpy()
    cost = np.where(fits, width[None], len(terms) * (masks.shape[1] + 1))
    rows, latents = linear_sum_assignment(cost)
    if len(rows) < len(terms) or not fits[rows, latents].all():
        return None
    return latents


def admits(terms: Sequence[Term], masks: Float[Tensor, "k d"]) -> Bool[Tensor, "terms k"]:
    """Whether a latent sees all the inputs of a term."""
    rows = [(masks[:, sorted(term.variables)] != 0).all(-1) for term in terms]
    return torch.stack(rows) if rows else torch.ones(0, len(masks), dtype=torch.bool)


class _Search:
    """The search of `decompose`: its rows, its candidates, and the masks."""

    def __init__(self, x: ndarray, y: ndarray, shapes: list[Shape], masks: Tensor):
        self.x, self.y, self.masks = x, y, masks
        self.bank: Bank = make_bank(shapes, x)

    def run(self) -> Sum:
        found = self._grown(linear_fit([], self.x, self.y))
        together = 1
        while together <= TOGETHER and not self._exact(found):
            better = self._exchanged(found, together)
            found, together = (better, 1) if better else (found, together + 1)
        return self._pruned(fit_all(found.terms, self.x, self.y, FINE) or found)

    def _exact(self, found: Sum) -> bool:
        return found.misfit <= EXACT**2 * float(self.y.var())

    def _grown(self, found: Sum) -> Sum:
        """With terms added one by one, up to one for each latent."""
        while len(found.terms) < len(self.masks) and not self._exact(found):
            longer = next(self._with_one_more(found), None)
            if longer is None:
                break
            found = longer
        return found

    def _with_one_more(self, found: Sum) -> Iterator[Sum]:
        """With a term that some latent can be: what explains most of the rest, then other kinds."""
        q = basis(found.terms, self.x)
        residual = self.y - q @ (q.T @ self.y)
        tries: dict[sympy.Expr, int] = {}  # left for each shape
        for term in self.bank.candidates(q, residual, len(self.bank.entries)):
            shape, terms = term.shapes[0].expression, [*found.terms, term]
            if shape not in tries:
                tries[shape] = 0 if allot(terms, self.masks) is None else STARTS
            if not tries[shape]:
                continue
            tries[shape] -= 1
            fitted = fit_all(terms, self.x, self.y, ROUGH)
            if fitted is not None:  # else its coefficients led to where terms all but cancel
                tries[shape] = 0
                yield fitted

    def _exchanged(self, found: Sum, together: int) -> Sum | None:
        """With so many terms taken out and found anew; None where that leaves no less."""
        for out in combinations(range(len(found.terms)), together):
            rest = linear_fit(
                [term for i, term in enumerate(found.terms) if i not in out], self.x, self.y
            )
            for start in islice(self._with_one_more(rest), KINDS) if rest else ():
                better = self._grown(start)
                if better.misfit < BETTER * found.misfit:
                    return better
        return None

    def _pruned(self, found: Sum) -> Sum:
        while len(found.terms) > 1:
            fits = [
                fit_all([t for j, t in enumerate(found.terms) if j != i], self.x, self.y)
                for i in range(len(found.terms))
            ]
            best = min(filter(None, fits), key=lambda fit: criterion(fit, self.y), default=None)
            if best is None or criterion(best, self.y) > criterion(found, self.y):
                break
            found = best
        return found


def _check(library: SDData, x: Tensor, y: Tensor, masks: Tensor) -> None:
    if x.shape[1] < library.variables or masks.shape[1] != x.shape[1] or len(y) != len(x):
        raise InputError(
            f"x is {tuple(x.shape)}, y {tuple(y.shape)} and masks {tuple(masks.shape)}; expected "
            f"(n, d), (n, 1) and (latents, d) with d at least {library.variables}, as "
            f"{library.name} needs"
        )
    if not (x.isfinite().all() and y.isfinite().all()):
        raise InputError("x or y has NaN or infinite entries, finite numbers are expected")
    if (y == y[:1]).all():  # also of no rows
        raise InputError("y is constant or empty, so that no sum of shapes can explain it")
