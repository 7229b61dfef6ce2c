"""Estimators: identities, known distributions, no bias on independent data, bad input."""

import math

import pytest
import torch
from sklearn.metrics import mutual_info_score

from sdnet.errors import InputError
from srnet.dissect.binning import discretise
from srnet.dissect.estimators import (
    BINNED,
    conditional_entropy,
    entropy,
    joint_entropy,
    mutual_information,
)

G = torch.Generator
CORRECTED = ("miller-madow", "shuffle")


def independent(n=640, units=128, seed=0):
    generator = G().manual_seed(seed)
    return (torch.randn(n, units, generator=generator) for _ in range(2))


def joint(table):
    """Columns a and b in which each pair of states occurs as often as the table says."""
    pairs = [(i, j) for i, row in enumerate(table) for j, c in enumerate(row) for _ in range(c)]
    a, b = torch.tensor(pairs).T[:, :, None]
    return a, b


def test_known_joint_distributions_in_bits():
    """Cover and Thomas (2006), example 2.2.1: H(X) = 7/4, H(Y) = 2, H(X|Y) = 11/8, I = 3/8."""
    x_of_y = [[4, 2, 1, 1], [2, 4, 1, 1], [2, 2, 2, 2], [8, 0, 0, 0]]  # of 32, rows are Y
    y, x = joint(x_of_y)
    how = {"estimator": "plug-in", "base": "bits"}
    assert entropy(x, **how).item() == pytest.approx(7 / 4)
    assert entropy(y, **how).item() == pytest.approx(2)
    assert conditional_entropy(x, y, **how).item() == pytest.approx(11 / 8)
    assert conditional_entropy(y, x, **how).item() == pytest.approx(13 / 8)
    assert joint_entropy(x, y, **how).item() == pytest.approx(27 / 8)
    assert mutual_information(x, y, **how).item() == pytest.approx(3 / 8)
    nats = mutual_information(x, y, estimator="plug-in").item()
    assert nats == pytest.approx(3 / 8 * math.log(2))


@pytest.mark.parametrize("binning", ["equal-frequency", "equal-width"])
def test_all_pairs_are_scikit_learns(binning):
    a, b = independent(300, 6)
    b = (b[:, :4] + a[:, :4]).relu()
    found = mutual_information(a, b, estimator="plug-in", bins=5, binning=binning)
    codes_a, codes_b = (discretise("a", side, 5, binning) for side in (a, b))
    for i in range(6):
        for j in range(4):
            expected = mutual_info_score(codes_a[:, i], codes_b[:, j])
            assert found[i, j].item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("estimator", CORRECTED)
@pytest.mark.parametrize("rectify", [False, True])
def test_independent_units_have_no_information(estimator, rectify):
    """Mean |I| below 0.005 nats, of 16,384 pairs; the mean of the shuffle-corrected is 0.

    Miller and Madow's is to first order: small bins, as ReLUs have beside their zeros, leave 0.001.
    A mistake in circulation: plug-in estimates of ten bins show 0.03 to 0.07 here.
    """
    a, b = (side.relu() if rectify else side for side in independent())
    found = mutual_information(a, b, estimator=estimator)
    assert found.abs().mean() < 0.005
    error = found.std() / 128  # of a mean of so many
    assert abs(found.mean()) < (4 * error if estimator == "shuffle" else 0.0015)
    assert (found < 0).float().mean() > 0.3  # nothing is cut off
    assert mutual_information(a, b, estimator="plug-in", bins=10).mean() > 0.02


def test_shuffling_one_layer_destroys_the_information():
    """A mistake in circulation: histograms whose information is the same of shuffled examples."""
    a, _ = independent(640, 20)
    b = a + 0.3 * torch.randn(640, 20, generator=G().manual_seed(1))
    assert mutual_information(a, b).diagonal().mean() > 0.7
    shuffled = b[torch.randperm(640, generator=G().manual_seed(2))]
    assert mutual_information(a, shuffled).diagonal().abs().mean() < 0.01


def test_independent_zeros_do_not_tell_of_each_other_by_their_order():
    """A mistake in circulation: argsort deals equal zeros out by place, and pairs agree."""
    zeros_first = torch.zeros(600, 2)
    zeros_first[:, 0][torch.randperm(600, generator=G().manual_seed(0))[:300]] = 1
    zeros_first[:, 1][torch.randperm(600, generator=G().manual_seed(1))[:300]] = 1
    a, b = zeros_first[:, :1], zeros_first[:, 1:]
    ranks = (side[:, 0].argsort(stable=True).argsort() * 6 // 600 for side in (a, b))
    assert mutual_info_score(*ranks) > 0.2
    assert mutual_information(a, b).abs().item() < 0.01


def test_a_unit_tells_its_entropy_of_itself():
    a, _ = independent(640, 5)
    a[:, 3:] = a[:, 3:].relu()
    for estimator in ("plug-in", "miller-madow"):
        own = mutual_information(a, a, estimator=estimator).diagonal()
        torch.testing.assert_close(own, entropy(a, estimator=estimator))
    expected = math.log(6) + 5 / 1280
    assert entropy(a)[0].item() == pytest.approx(expected, abs=1e-4)
    # the shuffled mean is too much off here, as said
    shuffle = mutual_information(a, a, estimator="shuffle").diagonal()
    assert (entropy(a, estimator="plug-in") - shuffle)[0].item() == pytest.approx(
        25 / 1280, abs=2e-3
    )


@pytest.mark.parametrize("estimator", [*BINNED, "ksg"])
def test_a_constant_unit_tells_nothing(estimator):
    a, b = torch.full((50, 1), 0.3), torch.randn(50, 1, generator=G().manual_seed(0))
    assert mutual_information(a, b, estimator=estimator).item() == pytest.approx(0, abs=1e-12)
    if estimator != "ksg":
        assert entropy(a, estimator=estimator).item() == 0


@pytest.mark.parametrize("estimator", BINNED)
def test_entropies_and_information_fit_each_other(estimator):
    a, b = independent(100, 4)
    b = b + a
    how = {"estimator": estimator, "bins": 4}
    info, of_a, of_b = mutual_information(a, b, **how), entropy(a, **how), entropy(b, **how)
    torch.testing.assert_close(conditional_entropy(a, b, **how), of_a[:, None] - info)
    torch.testing.assert_close(joint_entropy(a, b, **how), of_a[:, None] + of_b - info)
    torch.testing.assert_close(mutual_information(b, a, **how), info.T)


def test_binned_information_of_gaussians_is_below_the_closed_form():
    z = torch.randn(20_000, 2, generator=G().manual_seed(0))
    x, y = z[:, :1], 0.6 * z[:, :1] + 0.8 * z[:, 1:]
    exact = -0.5 * math.log(1 - 0.36)
    coarse, fine = (mutual_information(x, y, bins=bins).item() for bins in (4, 12))
    assert 0.7 * exact < coarse < fine < exact + 0.01
    assert fine == pytest.approx(exact, rel=0.1)


def test_other_precisions_gradients_and_one_example():
    a, b = independent(64, 3)
    torch.testing.assert_close(mutual_information(a, b), mutual_information(a.double(), b.double()))
    half = mutual_information(a.bfloat16(), b.bfloat16())
    torch.testing.assert_close(half, mutual_information(a.bfloat16().float(), b.bfloat16().float()))
    with_gradients = mutual_information(a.clone().requires_grad_(), b)
    assert torch.equal(with_gradients, mutual_information(a, b))
    one = mutual_information(a[:1], b[:1])
    torch.testing.assert_close(one, torch.zeros(3, 3, dtype=torch.float64))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"estimator": "miller"}, "did you mean 'miller-madow'"),
        ({"base": "nat"}, "did you mean 'nats'"),
        ({"bins": 1}, "bins is 1"),
        ({"binning": "widths"}, "binning is 'widths'"),
        ({"b": torch.ones(4, 2)}, "a has 5 examples on cpu and b 4 on cpu"),
        ({"b": torch.ones(5)}, r"b has the shape \(5,\)"),
        ({"b": torch.full((5, 1), math.nan)}, "b has 5 values that aren't finite"),
        ({"estimator": "ksg", "b": torch.ones(4, 2)}, "a has 5 examples"),
        ({"estimator": "ksg", "b": torch.full((5, 1), math.nan)}, "aren't finite"),
        ({"estimator": "ksg", "neighbours": 5}, "neighbours is 5 for 5 examples"),
    ],
    ids=str,
)
def test_what_cannot_be_used_is_refused(options, words):
    given = {"a": torch.ones(5, 3), "b": torch.arange(5.0)[:, None], **options}
    with pytest.raises(InputError, match=words):
        mutual_information(given.pop("a"), given.pop("b"), **given)


def test_entropies_are_not_of_neighbours():
    a = torch.ones(5, 1)
    with pytest.raises(InputError, match="estimator is 'ksg'; choose from plug-in"):
        entropy(a, estimator="ksg")
    for function in (conditional_entropy, joint_entropy):
        with pytest.raises(InputError, match="'ksg' is of mutual information only"):
            function(a, a, estimator="ksg")
