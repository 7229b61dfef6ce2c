"""Normal and log-normal fits: moments written out, known shapes, and a test of the right size."""

import pytest
import torch
from scipy import stats

from sdnet.errors import InputError
from srnet.dissect.normality import normal_fits


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_moments_and_distance_are_those_of_scipy():
    losses = torch.rand(500, generator=seeded()).double() + 0.1
    fits = normal_fits(losses, seeded())
    for fit, values in ((fits.loss, losses.numpy()), (fits.log_loss, losses.log().numpy())):
        assert fit.mean == pytest.approx(values.mean())
        assert fit.std == pytest.approx(values.std())
        assert fit.skewness == pytest.approx(stats.skew(values), abs=1e-12)
        assert fit.kurtosis == pytest.approx(stats.kurtosis(values))
        distance = stats.kstest(values, "norm", args=(values.mean(), values.std())).statistic
        assert fit.distance == pytest.approx(distance)


def test_probabilities_are_as_copies():
    losses = torch.tensor([1.0, 2.0, 2.0, 5.0, 5.0, 5.0])
    few = normal_fits(losses[[0, 1, 3]], seeded(), probabilities=torch.tensor([1.0, 2.0, 3.0]))
    many = normal_fits(losses, seeded())
    for name in ("mean", "std", "skewness", "kurtosis", "distance"):
        assert getattr(few.log_loss, name) == pytest.approx(getattr(many.log_loss, name))


def test_known_shapes():
    """Of exp(s z): skewness (e^s2 + 2) sqrt(e^s2 - 1); of the logarithm none."""
    levels = (torch.arange(200_000).double() + 0.5) / 200_000
    s = 0.4
    fits = normal_fits((s * torch.special.ndtri(levels)).exp(), seeded())
    e = torch.tensor(s * s).double().exp()
    assert fits.loss.skewness == pytest.approx(((e + 2) * (e - 1).sqrt()).item(), rel=1e-2)
    assert fits.log_loss.skewness == pytest.approx(0, abs=1e-6)
    assert fits.log_loss.kurtosis == pytest.approx(0, abs=2e-3)
    assert fits.log_loss.distance < 1e-4
    assert fits.log_loss.p_value > 0.001 > 1e-9 > fits.loss.p_value


def test_the_test_turns_down_a_true_model_as_often_as_it_says():
    """On all of a table it would be sure of anything; on draws it is of the level it has."""
    levels = (torch.arange(5000).double() + 0.5) / 5000
    losses = torch.special.ndtri(levels).exp()
    p = [normal_fits(losses, seeded(seed), draws=300).log_loss.p_value for seed in range(100)]
    assert 1 <= sum(value < 0.05 for value in p) <= 13  # 5 expected, sqrt(100 .05 .95) is 2.2


def test_draws_follow_from_the_generator():
    losses = torch.rand(100, generator=seeded())
    one, two, other = (normal_fits(losses, seeded(seed)) for seed in (0, 0, 1))
    assert one == two
    assert one.loss.p_value != other.loss.p_value
    assert [row["of"] for row in one.rows()] == ["loss", "log loss"]
    assert "skewness" in str(one)


def test_what_is_refused():
    for told, losses in {
        "1 of 3 losses are not above 0": torch.tensor([1.0, 0.0, 2.0]),
        "not a finite number": torch.tensor([1.0, torch.nan]),
        "empty": torch.zeros(0),
        "all losses are equal": torch.full((9,), 0.7),
    }.items():
        with pytest.raises(InputError, match=told):
            normal_fits(losses, seeded())
    losses = torch.rand(9) + 1
    with pytest.raises(InputError, match="draws is 19"):
        normal_fits(losses, seeded(), draws=19)
    for p in (-torch.ones(9), torch.zeros(9)):
        with pytest.raises(InputError, match=r"probabilities are \(9,\)"):
            normal_fits(losses, seeded(), probabilities=p)
