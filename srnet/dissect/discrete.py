"""Entropies of discrete variables, from counts: of each, of all pairs, and what chance gives.

Variables are columns of whole numbers from 0, the examples are rows. Everything is in nats.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from sdnet.errors import InputError

CELLS = 2**23  # counts held at once: 64 MB as float64
EXAMPLES = 2**24  # float32 counts exactly up to here


class Entropies(NamedTuple):
    """Plug-in entropies, and how many states occur."""

    plugin: Float64[Tensor, "*variables"]
    occupied: Float64[Tensor, "*variables"]

    def miller_madow(self, examples: int) -> Float64[Tensor, "*variables"]:
        """The plug-in entropy plus (occupied - 1) / 2n, its bias to first order (Miller, 1955)."""
        return self.plugin + (self.occupied - 1) / (2 * examples)


def entropies(codes: Int64[Tensor, "n u"]) -> Entropies:
    """H(A) = ln n - (1/n) sum c ln c over the counts c of each column's states.

    >>> entropies(torch.tensor([[0, 0], [1, 0]])).plugin
    tensor([0.6931, 0.0000], dtype=torch.float64)
    """
    return entropies_of_counts(_counts(codes), len(codes), (1,))


def joint_entropies(a: Int64[Tensor, "n u"], b: Int64[Tensor, "n v"]) -> Entropies:
    """H(A, B) of each column of a with each of b: (u, v).

    The counts of all pairs are one matrix product of one-hot columns, (u s, n) by (n, v t), which
    takes a twentieth of the time of counting them one by one (`torch.bincount` of all pairs).

    >>> joint_entropies(torch.tensor([[0], [1]]), torch.tensor([[0, 0], [1, 0]])).plugin
    tensor([[0.6931, 0.6931]], dtype=torch.float64)
    """
    if len(a) > EXAMPLES:
        raise InputError(f"{len(a)} examples were given; expected {EXAMPLES} at most")
    s, t = (int(codes.max()) + 1 for codes in (a, b))
    some_b = max(1, min(b.shape[1], CELLS // (s * t)))  # units at once
    some_a = max(1, CELLS // (s * t * some_b))
    rows = [
        [_block(units_a, units_b, s, t) for units_b in b.split(some_b, dim=1)]
        for units_a in a.split(some_a, dim=1)
    ]
    return Entropies(*(torch.cat([torch.cat(part, 1) for part in parts]) for parts in _both(rows)))


def _both(rows: list[list[Entropies]]) -> Iterator[list[list[Tensor]]]:
    """The blocks of plug-in entropies, then those of occupied states."""
    for field in Entropies._fields:
        yield [[getattr(block, field) for block in row] for row in rows]


def _block(a: Int64[Tensor, "n u"], b: Int64[Tensor, "n v"], s: int, t: int) -> Entropies:
    rows = max(1, CELLS // (s * a.shape[1] + t * b.shape[1]))  # examples at once
    counts = torch.zeros(s * a.shape[1], t * b.shape[1], device=a.device)
    for some_a, some_b in zip(a.split(rows), b.split(rows), strict=True):
        counts.addmm_(_one_hot(some_a, s).T, _one_hot(some_b, t))
    return entropies_of_counts(counts.view(a.shape[1], s, b.shape[1], t), len(a), (1, 3))


def _one_hot(codes: Int64[Tensor, "n u"], states: int) -> Float[Tensor, "n us"]:
    return (codes[:, :, None] == torch.arange(states, device=codes.device)).flatten(1).float()


def _counts(codes: Int64[Tensor, "n u"]) -> Float64[Tensor, "u s"]:
    """How often each state of each column occurs."""
    u, states = codes.shape[1], int(codes.max()) + 1
    places = codes + states * torch.arange(u, device=codes.device)
    return places.flatten().bincount(minlength=u * states).view(u, states).double()


def entropies_of_counts(counts: Tensor, examples: int, axes: tuple[int, ...]) -> Entropies:
    """Of counts that add up to the examples over these axes; the other axes are variables."""
    counts = counts.double()
    total = torch.special.xlogy(counts, counts).sum(axes)
    plugin = torch.log(counts.new_tensor(examples)) - total / examples
    # never below 0 but by rounding
    return Entropies(plugin.clamp(min=0), counts.count_nonzero(axes).double())


def chance_information(a: Int64[Tensor, "n u"], b: Int64[Tensor, "n v"]) -> Float64[Tensor, "u v"]:
    """The mean plug-in mutual information over all n! orders of b's examples: (u, v).

    It is what shuffled data give, without drawing any: in a random order the counts of a cell
    follow the hypergeometric distribution of its margins (Vinh, Epps and Bailey, 2010),
    E[I] = ln n + (1/n) (sum over cells of E[x ln x] - sum c ln c of a's states - of b's).

    >>> a, b = torch.tensor([[0], [0], [1], [1]]), torch.tensor([[0], [1], [0], [1]])
    >>> chance_information(a, b)  # of 6 orders 2 give ln 2, the others nothing
    tensor([[0.2310]], dtype=torch.float64)
    """
    n = len(a)
    margins = [_counts(codes) for codes in (a, b)]
    distinct = [counts.unique() for counts in margins]
    # how many states of each variable have each of the distinct counts
    times_a, times_b = (
        torch.stack([(counts == value).sum(1) for value in values], dim=1).double()
        for counts, values in zip(margins, distinct, strict=True)
    )
    cells = times_a @ _mean_xlogx(*distinct, n) @ times_b.T
    of_a, of_b = (entropies_of_counts(counts, n, (1,)).plugin for counts in margins)
    return of_a[:, None] + of_b - torch.log(cells.new_tensor(n)) + cells / n


def _mean_xlogx(
    a: Float64[Tensor, " p"], b: Float64[Tensor, " q"], n: int
) -> Float64[Tensor, "p q"]:
    """E[x ln x] for x of a's examples among b of n, hypergeometric, for all pairs.

    The probabilities follow from one another as x grows, from far below the mean (where they are
    too small to matter, or x has its least value) to far above; their sum norms them.
    """
    a, b = a[:, None], b[None]
    mean = a * b / n
    spread = (mean * (1 - a / n) * (n - b) / max(n - 1, 1)).sqrt()
    reach = 10 * spread + 20
    x = torch.maximum((mean - reach).floor(), (a + b - n).clamp(min=0)).clamp(min=0)
    last = torch.minimum((mean + reach).ceil(), torch.minimum(a, b))
    weight = torch.ones_like(x)
    total, result = torch.zeros_like(x), torch.zeros_like(x)
    for _ in range(int((last - x).max()) + 1):
        total += weight
        result += weight * torch.special.xlogy(x, x)
        weight = weight * (a - x) * (b - x) / ((x + 1) * (n - a - b + x + 1))
        x += 1
        weight[x > last] = 0
    return result / total
