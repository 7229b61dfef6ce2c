"""The libraries in funs/ against the table of PROBLEMS.md, and draws from each of them."""

import math
from math import cos, exp, sin
from pathlib import Path

import pytest
import torch

from sdnet.library import SDData

FUNS = Path(__file__).parents[2] / "funs"
LIBRARIES = sorted(path.name for path in FUNS.glob("*.lib"))


def both(*functions):
    """For each f(xi, ...) the functions of x0 and of x1, as f(x0, x1, N, U)."""
    pairs = [
        (lambda a, b, N, U, f=f: f(a, N, U), lambda a, b, N, U, f=f: f(b, N, U)) for f in functions
    ]
    return [function for pair in pairs for function in pair]


# The table of PROBLEMS.md in Python floats; N and U are the lists of coefficients.
SQUARE = [lambda a, b, N, U: N[0] * 0.05 * (a + 0.5 * N[1]) ** 2 + 0.15 * N[2]]
F00_V2 = [
    *both(lambda x, N, U: x * x, lambda x, N, U: cos(x)),
    lambda a, b, N, U: a * b,
]
F07_V6 = [
    *both(*[lambda x, N, U, p=p: N[0] * x**p for p in (1, 2, 3, 4)]),
    *both(lambda x, N, U: N[0] * sin(3 * x), lambda x, N, U: N[0] * cos(3 * x)),
    *both(lambda x, N, U: N[0] * exp(x)),
    lambda a, b, N, U: N[0] * a * b,
]
F07_V8 = [
    *F07_V6,
    *both(lambda x, N, U: N[0] * x * sin(3 * x), lambda x, N, U: N[0] * x * cos(3 * x)),
    *both(lambda x, N, U: N[0] * x * exp(x)),
    *[
        lambda a, b, N, U, p=p, q=q: N[0] * a**p * b**q
        for p, q in [(2, 1), (3, 1), (2, 2), (1, 2), (1, 4)]
    ],
]
TABLE = {
    "F10_v1.lib": SQUARE,
    "F11_v1.lib": SQUARE,
    "F00_v1.lib": [
        lambda a, b, N, U: a * a,
        lambda a, b, N, U: cos(b),
        lambda a, b, N, U: a * b,
    ],
    "F00_v2.lib": F00_V2,
    "F00_v3.lib": F00_V2 + both(lambda x, N, U: x**3, lambda x, N, U: sin(x)),
    "F07_v2.lib": [
        *both(lambda x, N, U: 2.7 * N[0] * x**2, lambda x, N, U: 0.45 * N[0] * x**3),
        *both(
            lambda x, N, U: 5 * N[0] * sin(3 * U[0] * x),
            lambda x, N, U: 5 * N[0] * cos(6 * U[0] * x),
        ),
        lambda a, b, N, U: 4.5 * N[0] * a * b,
    ],
    "F07_v6.lib": F07_V6,
    "F07_v8.lib": F07_V8,
    "F12_v1.lib": F07_V8,
    "F09_v1.lib": [
        *both(lambda x, N, U: N[0] * 1.5 * x**2, lambda x, N, U: N[0] * 0.25 * x**3),
        *both(
            lambda x, N, U: N[0] * 3.5 * sin(5 * U[0] * x),
            lambda x, N, U: N[0] * 3.5 * cos(5 * U[0] * x),
            lambda x, N, U: N[0] * 3 * x * sin(U[0] * x),
            lambda x, N, U: N[0] * 3 * x * cos(U[0] * x),
        ),
        lambda a, b, N, U: N[0] * a * b,
        lambda a, b, N, U: N[0] * 0.5 * a * exp(U[0] * b),
        lambda a, b, N, U: N[0] * 0.5 * b * exp(U[0] * a),
    ],
}


def load(name, **options):
    return SDData(FUNS / name, f"X{name[1:3]}", **options)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def points(n=20, d=2, dtype=torch.float64):
    return torch.randn(n, d, generator=seeded(9), dtype=dtype)


def test_every_library_of_the_table_is_there_and_no_other():
    assert set(LIBRARIES) == set(TABLE)


@pytest.mark.parametrize("name", LIBRARIES)
def test_each_library_has_the_templates_of_the_table(name):
    templates, expected = load(name).templates, TABLE[name]
    assert len(templates) == len(expected)
    hand = [(0.5, -1.25), (-2.0, 0.75), (1.5, 1.0)]
    columns = torch.tensor(hand, dtype=torch.float64).T
    normals, uniforms = [1.5, -0.8, 0.3], [0.7]
    for template, function in zip(templates, expected, strict=True):
        coefficients = [torch.tensor(c, dtype=torch.float64) for c in (normals, uniforms)]
        (curve,) = template.curves(*(c[:, None, None] for c in coefficients), columns, False)
        values = [function(a, b, normals, uniforms) for a, b in hand]
        assert curve.expand(1, 3)[0].tolist() == pytest.approx(values), template.text


@pytest.mark.parametrize("name", LIBRARIES)
@pytest.mark.parametrize("shuffle", [True, False])
def test_grouped_draws_equal_a_twin_that_evaluates_each_alone(name, shuffle):
    count, iters, functions = 7, 3, TABLE[name]
    x, size, twin = points(6), len(functions), seeded(4)
    dealt = [index % size for index in range(count)] * iters
    if shuffle and size > 1:
        decks = math.ceil(count / size)
        numbers = torch.rand(iters, decks, size, generator=twin).tolist()
        dealt = []
        for iteration in numbers:
            cards = [sorted(range(size), key=deck.__getitem__) for deck in iteration]
            dealt += [card for deck in cards for card in deck][:count]
    library = load(name, shuffle=shuffle)
    rows = [max(getattr(t, kind) for t in library.templates) for kind in ("normals", "uniforms")]
    normals = torch.randn(rows[0], iters * count, generator=twin, dtype=x.dtype).T.tolist()
    uniforms = torch.rand(rows[1], iters * count, generator=twin, dtype=x.dtype).T.tolist()
    expected = [
        [functions[card](a, b, N, U) for a, b in x.tolist()]
        for card, N, U in zip(dealt, normals, uniforms, strict=True)
    ]
    values = library.values(count, x, iters, seeded(4))
    assert values.shape == (iters, count, 6)
    torch.testing.assert_close(
        values.flatten(0, 1), torch.tensor(expected, dtype=x.dtype), rtol=1e-9, atol=1e-9
    )


@pytest.mark.parametrize("name", LIBRARIES)
def test_derivative_curves_equal_autograd(name):
    x = points().requires_grad_()
    draws = load(name).get(30, x, generator=seeded())
    for curve in draws[0]:
        (gradient,) = torch.autograd.grad(
            curve[:, 0].sum(), x, retain_graph=True, materialize_grads=True
        )
        torch.testing.assert_close(curve[:, 1:], gradient)


@pytest.mark.parametrize("name", LIBRARIES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_are_those_of_get_to_the_bit(name, dtype):
    library, x = load(name), points(dtype=dtype)
    draws = library.get(5, x, 4, seeded(1))
    assert draws.shape == (4, 5, 20, 3)
    assert draws.dtype == dtype
    assert torch.equal(draws[..., 0], library.values(5, x, 4, seeded(1)))


@pytest.mark.parametrize("name", LIBRARIES)
def test_texts_of_funs_are_read_back(name):
    library = load(name)
    again = SDData.from_lines(["; ".join(row) for row in library.funs], library.in_var)
    assert torch.equal(
        again.values(9, points(), 2, seeded()), library.values(9, points(), 2, seeded())
    )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_draws_on_a_gpu_are_those_on_the_cpu():
    for name in LIBRARIES:
        library, x = load(name), points()
        there = library.get(9, x.cuda(), 4, seeded())
        assert there.is_cuda
        torch.testing.assert_close(there.cpu(), library.get(9, x, 4, seeded()))
