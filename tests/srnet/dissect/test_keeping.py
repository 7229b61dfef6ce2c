"""Units kept by chance: sums over all subsets written out, and samples against them."""

from math import sqrt

import pytest
import torch

from sdnet.errors import InputError
from srnet.dissect.classifiers import dense
from srnet.dissect.games import banzhaf_values
from srnet.dissect.keeping import (
    expected_value,
    keep_curve,
    sample_losses,
    subset_probabilities,
)
from srnet.dissect.subset_numbers import members
from srnet.dissect.subsets import subset_table

GENERATOR = torch.Generator().manual_seed(0)
TABLE = torch.randn(64, generator=GENERATOR).double()
P = torch.tensor([0.1, 0.9, 0.5, 0.0, 1.0, 0.3]).double()


def plain_probability(number, p):
    found = 1.0
    for unit, kept in enumerate(p.tolist()):
        found *= kept if number >> unit & 1 else 1 - kept
    return found


def test_probabilities():
    found = subset_probabilities(P)
    expected = [plain_probability(number, P) for number in range(64)]
    torch.testing.assert_close(
        found, torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=0
    )
    assert found.sum().item() == pytest.approx(1)


@pytest.mark.parametrize("p", [P, torch.full((6,), 0.3).double()])
def test_the_mean(p):
    expected = sum(plain_probability(number, p) * TABLE[number].item() for number in range(64))
    assert expected_value(TABLE, p).item() == pytest.approx(expected, rel=1e-12)
    if p[0] == p[1]:
        assert expected_value(TABLE, 0.3).item() == pytest.approx(expected, rel=1e-12)


def test_its_slope_is_what_a_unit_adds_on_average():
    p = torch.full((6,), 0.5, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(expected_value(TABLE, p), p)
    torch.testing.assert_close(slope, banzhaf_values(TABLE))


def test_ends():
    assert expected_value(TABLE, 0.0) == TABLE[0]
    assert expected_value(TABLE, 1.0) == TABLE[-1]
    first, last = keep_curve(TABLE, [0.0, 1.0]).rows()
    assert first == {"keep": 0.0, "mean": TABLE[0], "std": 0} | dict.fromkeys(
        list(first)[3:], TABLE[0]
    )
    assert last["5 %"] == last["95 %"] == TABLE[-1]


def test_the_curve():
    weights = subset_probabilities(P.clone().fill_(0.3))
    row = keep_curve(TABLE, [0.3]).rows()[0]
    mean = (weights * TABLE).sum().item()
    assert row["mean"] == pytest.approx(mean)
    assert row["std"] == pytest.approx(sqrt((weights * (TABLE - mean) ** 2).sum().item()))
    for q in (5, 25, 50, 75, 95):  # the least number with that much probability up to it
        up_to = {v: weights[v >= TABLE].sum().item() for v in TABLE}
        assert row[f"{q} %"] == min(v for v, share in up_to.items() if share >= q / 100)


def test_quantiles_of_a_fair_coin_are_those_of_sizes():
    """The number of units on, of four: 1, 5, 11, 15, 16 of 16 subsets have at most 0, 1, 2, ..."""
    sizes = torch.tensor([float(n.bit_count()) for n in range(16)])
    row = keep_curve(sizes, [0.5]).rows()[0]
    assert [row["mean"], row["std"]] == pytest.approx([2, 1])
    assert [row["5 %"], row["25 %"], row["50 %"], row["75 %"], row["95 %"]] == [0, 1, 2, 3, 4]


def test_samples_agree_with_the_table():
    model = dense([2, 6, 2], GENERATOR)
    x = torch.randn(30, 2, generator=GENERATOR)
    y = (x[:, 0] > 0).long()
    table = subset_table(model, "relu1", x, y)
    drawn = sample_losses(model, "relu1", x, y, P, 4000, torch.Generator().manual_seed(1))
    numbers = (drawn.on * 2 ** torch.arange(6)).sum(1)
    torch.testing.assert_close(drawn.losses, table.losses[numbers])
    torch.testing.assert_close(drawn.accuracies, table.accuracies[numbers])
    for row, exact in zip(drawn.rows(), (table.losses, table.accuracies), strict=True):
        assert abs(row["mean"] - expected_value(exact, P).item()) < 5 * row["error"]
        assert row["error"] == pytest.approx(row["std"] / sqrt(4000))
    assert (drawn.on.double().mean(0) - P).abs().max() < 0.05
    assert not drawn.on[:, 3].any()
    assert drawn.on[:, 4].all()
    again = sample_losses(model, "relu1", x, y, P, 4000, torch.Generator().manual_seed(1))
    assert torch.equal(again.losses, drawn.losses)


def test_a_layer_of_any_size_and_suffix():
    model = dense([2, 100, 30, 3], GENERATOR)
    x, y = torch.rand(9, 2, generator=GENERATOR), torch.arange(9) % 3
    drawn = sample_losses(model, "relu1", x, y, 0.5, 3, GENERATOR)
    for on, loss in zip(drawn.on, drawn.losses, strict=True):
        z = model[2:](model[:2](x) * on)
        expected = torch.nn.functional.cross_entropy(z, y)
        assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert members(torch.tensor([0]), 2).dtype == drawn.on.dtype


def test_what_is_refused():
    for told, keep in {
        r"are \(2,\); expected one, or one for each of 6": torch.tensor([0.5, 0.5]),
        r"are \[1.5, .* expected numbers in \[0, 1\]": torch.full((6,), 1.5),
        r"nan.* expected numbers in \[0, 1\]": torch.full((6,), torch.nan),
        r"are -0.1": -0.1,
    }.items():
        with pytest.raises(InputError, match=told):
            expected_value(TABLE, keep)
    with pytest.raises(InputError, match="no keep-probabilities"):
        keep_curve(TABLE, [])
    model = dense([2, 6, 2], GENERATOR)
    with pytest.raises(InputError, match="samples is 1"):
        sample_losses(model, "relu1", torch.rand(3, 2), torch.arange(3) % 2, 0.5, 1, GENERATOR)
