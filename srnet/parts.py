"""Parts: what the latents of a network would draw, if a formula is the law.

What may live here: which parts of a formula are latents, and what each of them sees.
"""

from dataclasses import dataclass

import numpy as np
import sympy
from jaxtyping import Float64
from numpy import ndarray


@dataclass(frozen=True)
class Parts:
    """y = f(latents), each of the latents a formula of the inputs.

    linear: whether f is a sum of multiples of them.
    """

    latents: tuple[sympy.Expr, ...]
    linear: bool

    def masks(self, inputs: int) -> Float64[ndarray, "k d"]:
        """Which of the inputs each latent sees: 1, else 0."""
        masks = np.zeros((len(self.latents), inputs))
        for mask, latent in zip(masks, self.latents, strict=True):
            mask[list(_variables(latent))] = 1.0
        return masks


def parts_of(formula: sympy.Expr) -> Parts:
    """The terms of a sum; or, of a single term, the terms of the sums that it is a function of.

    Factors and offsets are left out, since a latent is known up to these. A term that has no sum of
    several parts inside is a latent as a whole. Those that see least come first.

    >>> x0, x1 = sympy.symbols("x0 x1", real=True)
    >>> parts_of(2 * x0 * x1 + sympy.cos(x1) + 3)
    Parts(latents=(cos(x1), x0*x1), linear=True)
    >>> parts_of((x0**2 + sympy.cos(x1)) ** 2 - 1)
    Parts(latents=(x0**2, cos(x1)), linear=False)
    """
    terms = _terms(formula)
    linear = len(terms) != 1 or not _sums_inside(terms[0])
    latents = terms if linear else _inside(terms[0])
    distinct = dict.fromkeys(latents)
    return Parts(tuple(sorted(distinct, key=lambda p: (len(_variables(p)), _variables(p)))), linear)


def _terms(formula: sympy.Expr) -> list[sympy.Expr]:
    """The terms that aren't constant, without their numbers."""
    return [_bare(part) for part in sympy.Add.make_args(_bare(formula)) if part.free_symbols]


def _bare(formula: sympy.Expr) -> sympy.Expr:
    """Without the number that it is multiplied by."""
    if not formula.is_Mul:
        return formula
    return formula.as_independent(*formula.free_symbols, as_Add=False)[1]


def _sums_inside(term: sympy.Expr) -> bool:
    return any(len(_terms(total)) > 1 for total in term.atoms(sympy.Add))


def _inside(part: sympy.Expr) -> list[sympy.Expr]:
    """The parts of a term, down to those that have no sum inside."""
    if not part.free_symbols:
        return []
    if part.is_Add:
        return [inner for term in _terms(part) for inner in _inside(term)]
    if not _sums_inside(part):
        return [part]
    return [inner for argument in part.args for inner in _inside(argument)]


def _variables(part: sympy.Expr) -> tuple[int, ...]:
    return tuple(sorted(int(symbol.name[1:]) for symbol in part.free_symbols))
