"""Products into given tensors: right ones, and of a stack the bits of each member's own."""

from functools import partial

import pytest
import torch
from torch import Tensor

from sdnet import products
from sdnet.products import product

SHAPES = [(9, 700, 64), (6, 64, 1), (2, 3, 2), (40, 1, 5), (1, 1, 1), (30, 20, 8)]


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("stack", [(), (1,), (3,)])
@pytest.mark.parametrize("biased", [False, True])
def test_products_are_matrix_products(shape, stack, biased):
    n, m, k = shape
    a, b, out = random(*stack, n, m), random(*stack, m, k, seed=1), torch.empty(*stack, n, k)
    bias = random(*stack, 1, k, seed=2) if biased else None
    multiply = product(a, b, out, bias)
    expected = a.double() @ b.double() + (bias.double() if biased else 0)
    for factor in (1, 2):  # the operands are read anew at each call
        a *= factor
        multiply()
        products_of = factor * (expected - (bias if biased else 0)) + (bias if biased else 0)
        assert torch.allclose(out.double(), products_of, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("biased", [False, True])
def test_a_member_has_the_bits_of_the_product_alone(shape, transposed, biased):
    n, m, k = shape
    a = random(4, m, n).mT if transposed else random(4, n, m)
    b = random(4, k, m, seed=1).mT if transposed else random(4, m, k, seed=1)
    bias = random(4, 1, k, seed=2) if biased else None
    out, alone = torch.empty(4, n, k), torch.empty(n, k)
    product(a, b, out, bias)()
    for e in range(4):
        product(a[e], b[e], alone, bias[e] if biased else None)()
        assert torch.equal(out[e], alone)


def test_where_a_batch_rounds_otherwise_members_are_multiplied_in_turn(monkeypatch):
    a, b = random(3, 5, 4), random(3, 4, 6, seed=1)
    found = []
    for alike in (True, False):
        monkeypatch.setattr(products, "_rounds_alike", lambda *_, answer=alike: answer)
        out = torch.empty(3, 5, 6)
        multiply = product(a, b, out)
        multiply()
        found.append((multiply.func, out))
    assert found[0][0] is torch.bmm
    assert found[1][0] is products._in_turn
    assert torch.allclose(found[0][1], found[1][1], atol=1e-6)


def test_the_trial_tells_other_bits_from_the_same(monkeypatch):
    layouts = [((3, 5, 4), (20, 4, 1)), ((3, 4, 6), (24, 6, 1)), ((3, 5, 6), (30, 6, 1)), None]
    trial = products._rounds_alike.__wrapped__
    batched = torch.bmm

    def one_by_one(a, b, out):
        for parts in zip(a, b, out, strict=True):
            torch.mm(*parts[:2], out=parts[2])

    def one_ulp_off(a, b, out):
        one_by_one(a, b, out)
        out[2, 4, 5] = out[2, 4, 5].nextafter(torch.tensor(9e9))

    for replaced, expected in ((one_by_one, True), (one_ulp_off, False)):
        monkeypatch.setattr(torch, "bmm", replaced)
        assert trial(*layouts, torch.float32) is expected
    monkeypatch.setattr(torch, "bmm", batched)


def test_a_trial_leaves_torchs_random_numbers_alone():
    before = torch.get_rng_state()
    partial(products._rounds_alike.__wrapped__, ((2, 3, 3), (9, 3, 1)))(
        ((2, 3, 3), (9, 3, 1)), ((2, 3, 3), (9, 3, 1)), None, torch.float32
    )
    assert torch.equal(torch.get_rng_state(), before)
