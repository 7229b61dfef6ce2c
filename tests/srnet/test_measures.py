"""Measures by hand-made networks, recording by counting, and the choice of a member."""

import math

import pytest
import torch

from sdnet.errors import InputError
from srnet.measures import RECORDS, Criterion, choose, inside, measure, min_corr, spacing
from srnet.network import SRNet

X = torch.linspace(-1, 1, 30)[:, None]


def two_lines() -> SRNet:
    """Two members of linear latents z = (x, 0) and (3x, -x), and y = z0 + z1 + (0, 1)."""
    model = SRNet(1, 1, hid_num=0, lat_size=2, stack=(2,)).requires_grad_(False)
    model.latents.weights[0].copy_(torch.tensor([[[1.0, 0.0]], [[3.0, -1.0]]]))
    model.latents.biases[0].zero_()
    model.head.weights[0].fill_(1.0)
    model.head.biases[0].copy_(torch.tensor([[0.0], [1.0]]))
    return model


def test_measures():
    found = measure(two_lines(), X, 2 * X, truth=torch.cat([X, X**2], 1))
    mean = float((X**2).mean())
    assert found["loss"].tolist() == pytest.approx([mean, 1.0])  # (x - 2x)^2; 1
    torch.testing.assert_close(found["latents"][1], torch.cat([3 * X, -X], 1).T)
    expected = torch.tensor([[[1.0, 0.0], [0.0, 0.0]], [[1.0, 0.0], [1.0, 0.0]]])
    torch.testing.assert_close(found["correlation"], expected, atol=1e-6, rtol=0)
    assert found["min_corr"].abs().max() < 1e-6  # nothing is like the square


def test_the_rows_inside_are_measured_alone_too():
    """One row far out, where target and truth are bent, spoils the figures of all rows only."""
    far = torch.tensor([[50.0]])
    x, y, truth = (torch.cat([X, row]) for row in (far, far - 1, -far))
    found = measure(two_lines(), x, y, truth, inside(x, X))
    mean = float((X**2).mean())  # members 0 and 1 give x and 2x + 1
    assert found["loss_inside"].tolist() == pytest.approx([0.0, mean + 1])
    assert found["loss"].tolist() == pytest.approx([1 / 31, (30 * (mean + 1) + 52**2) / 31])
    torch.testing.assert_close(found["min_corr_inside"], torch.ones(2))
    expected = abs(float(torch.corrcoef(torch.stack([x[:, 0], truth[:, 0]]))[0, 1]))
    assert found["min_corr"].tolist() == pytest.approx([expected] * 2)


def test_without_the_truth_there_is_less():
    assert measure(two_lines(), X, X).keys() == {"loss", "latents"}
    kept = torch.ones(len(X), dtype=torch.bool)
    found = measure(two_lines(), X, X, kept=kept)
    assert found.keys() == {"loss", "loss_inside", "latents"}
    torch.testing.assert_close(found["loss_inside"], found["loss"])


def test_min_corr_is_over_true_latents():
    """Three learned, two true: one learned latent may serve for both, one may serve for none."""
    correlation = torch.tensor([[0.9, 0.8], [0.1, 0.2], [0.0, 0.7]])
    assert float(min_corr(correlation)) == pytest.approx(0.8)
    assert min_corr(torch.stack([correlation, correlation.flip(0) / 2])).tolist() == pytest.approx(
        [0.8, 0.4]
    )


def test_inside_is_column_by_column():
    trained = torch.tensor([[0.0, 5.0], [1.0, 3.0]])
    x = torch.tensor([[0.5, 4.0], [0.0, 5.0], [1.5, 4.0], [0.5, 2.0], [9.0, 9.0]])
    assert inside(x, trained).tolist() == [True, True, False, False, False]


def test_spacing_bounds_the_records_and_only_grows():
    before = 1
    for count in range(1, 20 * RECORDS):
        every = spacing(count)
        assert count // every <= RECORDS
        assert every == 1 or count // (every // 2) > RECORDS
        assert every in (before, 2 * before)
        before = every


def test_choice_narrows_criterion_by_criterion():
    loss = Criterion("loss", [0.3, 0.1, 0.15, 0.2], slack=0.1)
    score = Criterion("score", [9.0, 1.0, 3.0, 3.0], highest=True)
    best, reasons = choose([loss, score])
    assert best == 2
    assert reasons == [
        "loss 0.3, another has 0.1",
        "score 1, another has 3",
        "chosen",
        "no better than member 2",
    ]
    assert choose([loss, score, Criterion("misfit", [0.0, 0.0, 2.0, 1.0])])[0] == 3
    assert choose([score, loss])[0] == 0


def test_a_share_is_of_the_best_that_is_left():
    loss = Criterion("loss", [0.1, 0.2, 0.21], share=1.0)
    rest = Criterion("rest", [4.0, 2.0, 0.1], share=0.5, slack=1.0)
    assert choose([loss, rest])[1] == [  # 4 is within 2 + 1 + 1; of 0.1 it would not be
        "chosen",
        "no better than member 0",
        "loss 0.21, another has 0.1",
    ]
    score = Criterion("score", [-4.0, -2.0, -2.5], highest=True, share=0.5)
    assert choose([score])[1][0] == "score -4, another has -2"
    assert choose([Criterion("loss", [math.inf, math.inf], share=1.0)])[0] == 0


def test_what_is_no_number_is_worst():
    nan, inf = math.nan, math.inf
    assert choose([Criterion("loss", [nan, 2.0, inf])])[0] == 1
    assert choose([Criterion("score", [nan, -inf, -3.0], highest=True)])[0] == 2
    assert choose([Criterion("loss", [nan, nan]), Criterion("score", [1.0, 0.0])])[0] == 1
    assert choose([Criterion("loss", [nan])]) == (0, ["chosen"])


@pytest.mark.parametrize(
    "criteria", [[], [Criterion("a", [])], [Criterion("a", [1.0]), Criterion("b", [1.0, 2.0])]]
)
def test_criteria_that_do_not_fit(criteria):
    with pytest.raises(InputError, match="a value for each member in each"):
        choose(criteria)
