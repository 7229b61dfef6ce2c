"""Matrix products into given tensors, of one network or of a stack to its members' bits."""

import math
from collections.abc import Callable
from functools import cache, partial

import torch
from torch import Tensor

Layout = tuple[tuple[int, ...], tuple[int, ...]]

TRIED = 3000
"""Numbers of a layout that have to be rounded alike."""


def product(a: Tensor, b: Tensor, out: Tensor, bias: Tensor | None = None) -> Callable[[], object]:
    """out = a b (+ bias) for a (*stack, n, m) and b (*stack, m, k), stack () or (E,): to be called.

    On the CPU a member's result is, to the bit, that of the same product without a stack. Libraries
    don't promise that of their batched products, and for narrow ones it does not hold; so it is
    tried once for each layout, and where it fails members are multiplied one after another.

    >>> a, b, out = torch.ones(3, 2, 4), torch.ones(3, 4, 5), torch.empty(3, 2, 5)
    >>> multiply = product(a, b, out)
    >>> multiply()
    >>> out.unique()
    tensor([4.])
    """
    if a.dim() > 2:
        layouts = [None if t is None else (tuple(t.shape), t.stride()) for t in (a, b, out, bias)]
        if a.device.type == "cpu" and not _rounds_alike(*layouts, a.dtype):
            return partial(_in_turn, _members(a, b, out, bias))
        multiply, add = torch.bmm, torch.baddbmm
    else:
        multiply, add = torch.mm, torch.addmm
    if bias is None:
        return partial(multiply, a, b, out=out)
    return partial(add, bias, a, b, out=out)


def _members(a: Tensor, b: Tensor, out: Tensor, bias: Tensor | None) -> list[Callable]:
    biases = [None] * len(a) if bias is None else bias
    return [product(*member) for member in zip(a, b, out, biases, strict=True)]


def _in_turn(products: list[Callable]) -> None:
    for multiply in products:
        multiply()


@cache
def _rounds_alike(
    a: Layout, b: Layout, out: Layout, bias: Layout | None, dtype: torch.dtype
) -> bool:
    """Whether batched products of numbers so laid out have the bits of single ones.

    Tried until `TRIED` numbers have come out alike: a few may do so by chance.
    """
    generator = torch.Generator().manual_seed(0)
    tries = math.ceil(TRIED / (math.prod(out[0]) or TRIED))
    return all(_one_rounds_alike(a, b, out, bias, dtype, generator) for _ in range(tries))


def _one_rounds_alike(
    a: Layout,
    b: Layout,
    out: Layout,
    bias: Layout | None,
    dtype: torch.dtype,
    generator: torch.Generator,
) -> bool:
    given = [
        None
        if layout is None
        else torch.empty_strided(*layout, dtype=dtype).normal_(generator=generator)
        for layout in (a, b, out, bias)
    ]
    left, right, found, added = given
    _in_turn(_members(left, right, found, added))
    batched = torch.empty_like(found)
    if added is None:
        torch.bmm(left, right, out=batched)
    else:
        torch.baddbmm(added, left, right, out=batched)
    return torch.equal(found, batched)
