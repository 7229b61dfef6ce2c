"""Random flip paths: every start and every order, written out."""

from itertools import permutations

import pytest
import torch

from sdnet.errors import InputError
from srnet.dissect.paths import flip_paths, path_covariance

GENERATOR = torch.Generator().manual_seed(0)


def all_paths(table, units, start):
    starts = range(2**units) if start == "random" else [0]
    paths = []
    for first in starts:
        for order in permutations(range(units)):
            subset, path = first, [table[first]]
            for unit in order:
                subset ^= 1 << unit
                path.append(table[subset])
            paths.append(torch.stack(path))
    return torch.stack(paths)


@pytest.mark.parametrize("start", ["random", "off"])
@pytest.mark.parametrize("units", [1, 2, 5])
def test_mean_and_covariance_over_all_paths(start, units):
    table = torch.randn(2**units, generator=GENERATOR).double() + 3
    paths = all_paths(table, units, start)
    found = path_covariance(table, start)
    torch.testing.assert_close(found.mean, paths.mean(0))
    for matrix, end in ((found.from_start, 0), (found.from_end, -1)):
        since = paths - paths[:, [end]]
        expected = since.T.cov(correction=0) if len(paths) > 1 else torch.zeros(2, 2).double()
        torch.testing.assert_close(matrix, expected, rtol=1e-10, atol=1e-12)


def test_an_additive_table_is_a_walk_without_a_way_back():
    """u = sum of w_i: a flip changes u by +-w_i, signs independent, so cov = mean w^2 min(s, t)."""
    w = torch.tensor([1.0, 2.0, 4.0, 0.5]).double()
    bits = (torch.arange(16)[:, None] >> torch.arange(4)) & 1
    found = path_covariance(bits.double() @ w)
    t = torch.arange(5).double()
    scale = (w**2).mean()
    torch.testing.assert_close(found.from_start, scale * torch.minimum(t[:, None], t))
    torch.testing.assert_close(found.from_end, scale * (4 - torch.maximum(t[:, None], t)))


def test_drawn_paths():
    table = torch.arange(64).double()
    for start in ("random", "off"):
        paths, again = (
            flip_paths(table, 500, torch.Generator().manual_seed(1), start).long() for _ in range(2)
        )
        steps = paths[:, 1:] ^ paths[:, :-1]
        assert torch.equal(steps.sort(1).values, (2 ** torch.arange(6)).expand(500, -1))
        assert torch.equal(paths[:, 0] ^ paths[:, -1], torch.full((500,), 63))
        assert (len(paths[:, 0].unique()) > 40) == (start == "random")
        assert torch.equal(paths, again)
        assert torch.equal(
            paths, flip_paths(table, 500, torch.Generator().manual_seed(1), start).long()
        )
    assert paths[:, 0].abs().max() == 0


@pytest.mark.parametrize("start", ["random", "off"])
def test_drawn_paths_agree_with_the_exact_covariance(start):
    table = torch.randn(64, generator=GENERATOR).double()
    paths = flip_paths(table, 20_000, GENERATOR, start)
    exact = path_covariance(table, start).from_start
    assert ((paths - paths[:, :1]).T.cov() - exact).abs().max() < 0.1 * exact.max()


def test_rows():
    rows = path_covariance(torch.randn(8, generator=GENERATOR)).rows()
    assert [row["flips"] for row in rows] == [0, 1, 2, 3]
    assert rows[0]["std from start"] == rows[3]["std from end"] == 0
    assert rows[1]["std from start"] == pytest.approx(rows[2]["std from end"])


def test_what_is_refused():
    with pytest.raises(InputError, match=r"the table is \(3,\)"):
        path_covariance(torch.zeros(3))
    with pytest.raises(InputError, match="isn't finite at subset 0"):
        path_covariance(torch.tensor([0.0, 1.0]).log())
    with pytest.raises(InputError, match="paths is 0"):
        flip_paths(torch.zeros(4), 0, GENERATOR)
    with pytest.raises(InputError, match="start is 'of'; did you mean 'off'"):
        path_covariance.__wrapped__(torch.zeros(4), "of")
