"""Tables by partial sums against the network evaluated for one subset after another."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from srnet.dissect import partial_sums
from srnet.dissect.partial_sums import correct_counts, mean_gradients, mean_losses, subset_sums


def problem(n, classes, units, scale=1.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    effects = torch.randn(n, classes, units, generator=generator).double() * scale
    bias = torch.randn(classes, generator=generator).double() * scale
    return effects, bias, torch.randint(classes, (n,), generator=generator)


def switches(units):
    return ((torch.arange(2**units)[:, None] >> torch.arange(units)) & 1).double()


def plain(effects, bias, y, on):
    """Mean losses and numbers of right answers, one setting of the switches after another."""
    losses, counts = [], []
    for s in on:
        z = (effects * s).sum(-1) + bias
        own = z.gather(1, y[:, None])
        others = z.scatter(1, y[:, None], -torch.inf).amax(1, keepdim=True)
        losses.append(cross_entropy(z, y))
        counts.append(int((own > others).sum()))
    return torch.stack(losses), torch.tensor(counts)


def test_subset_sums():
    values = torch.tensor([[1.0, 10.0, 100.0]])
    expected = [0, 1, 10, 11, 100, 101, 110, 111]
    assert subset_sums(values).tolist() == [expected]


@pytest.mark.parametrize("units", [1, 2, 3, 8])
@pytest.mark.parametrize("classes", [2, 3, 5])
def test_tables(units, classes):
    given = problem(7, classes, units)
    losses, counts = plain(*given, switches(units))
    torch.testing.assert_close(mean_losses(*given), losses, rtol=1e-12, atol=1e-12)
    assert correct_counts(*given).tolist() == counts.tolist()


@pytest.mark.parametrize("scale", [0.01, 3.0, 20.0, 50.0, 150.0, 400.0, 1e4, 1e7])
@pytest.mark.parametrize("classes", [2, 3, 10])
def test_logits_of_any_size(scale, classes):
    """Of every size that groups of examples are chosen by, and beyond what exp can hold."""
    given = problem(11, classes, 8, scale)
    losses, counts = plain(*given, switches(8))
    found = mean_losses(*given)
    torch.testing.assert_close(found, losses, rtol=1e-11, atol=1e-14 * max(scale, 1))
    assert correct_counts(*given).tolist() == counts.tolist()


def test_examples_of_all_sizes_together():
    generator = torch.Generator().manual_seed(3)
    sizes = 10 ** (torch.rand(60, 1, 1, generator=generator).double() * 6 - 1)
    effects, bias, y = problem(60, 2, 8)
    given = effects * sizes, bias, y
    losses, counts = plain(*given, switches(8))
    torch.testing.assert_close(mean_losses(*given), losses, rtol=1e-11, atol=0)
    assert correct_counts(*given).tolist() == counts.tolist()


@pytest.mark.parametrize("size", [1.0, 40.0, 90.0, 200.0, 1e3, 1e4])
def test_cancelling_effects_keep_their_small_rest(size):
    """Each unit has its opposite in the other half of the table, so the logits are small."""
    effects, bias, y = problem(9, 2, 4, size)
    effects = torch.cat([effects, -effects * (1 + 1e-6)], -1)
    both = torch.tensor(
        [sum(1 << i | 1 << (i + 4) for i in range(4) if k >> i & 1) for k in range(16)]
    )
    expected, _ = plain(effects, bias * 0, y, switches(8)[both])
    torch.testing.assert_close(mean_losses(effects, bias * 0, y)[both], expected, rtol=1e-9, atol=0)


def test_more_than_one_block(monkeypatch):
    given = problem(300, 2, 8)
    losses, counts = plain(*given, switches(8))
    monkeypatch.setattr(partial_sums, "BLOCK", 2**5)
    monkeypatch.setattr(partial_sums, "SMALL_BLOCK", 2**5)
    torch.testing.assert_close(mean_losses(*given), losses, rtol=1e-12, atol=0)
    assert correct_counts(*given).tolist() == counts.tolist()  # and of more examples than a byte's
    big = (given[0] * 1e4, *given[1:])
    torch.testing.assert_close(mean_losses(*big), plain(*big, switches(8))[0], rtol=1e-12, atol=0)


def test_more_classes_than_are_done_at_once():
    given = problem(3, 1500, 3)
    losses, counts = plain(*given, switches(3))
    torch.testing.assert_close(mean_losses(*given), losses, rtol=1e-12, atol=0)
    assert correct_counts(*given).tolist() == counts.tolist()


def test_tables_of_a_few_examples_at_once(monkeypatch):
    given = problem(20, 3, 6)
    counts, gradients = correct_counts(*given), mean_gradients(*given, torch.float64)
    monkeypatch.setattr(partial_sums, "TABLES", 100)
    assert torch.equal(correct_counts(*given), counts)
    torch.testing.assert_close(mean_gradients(*given, torch.float64), gradients)


def test_a_tie_is_not_right():
    effects = torch.tensor([[[1.0, 2.0], [2.0, 1.0]]]).double()
    bias, y = torch.zeros(2).double(), torch.tensor([1])
    assert correct_counts(effects, bias, y).tolist() == [0, 1, 0, 0]


def test_a_loss_is_never_negative():
    effects = torch.zeros(5, 2, 6).double()
    effects[:, 0] = 1e5
    losses = mean_losses(effects, torch.tensor([3.0, -3.0]).double(), torch.zeros(5).long())
    assert losses.min() >= 0
    assert losses.max().item() == pytest.approx(torch.tensor(-6.0).exp().log1p().item())


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("scale", [1.0, 1e3])
def test_gradients_at_all_subsets(classes, scale):
    effects, bias, y = problem(40, classes, 6, scale)
    s = switches(6).requires_grad_()
    z = torch.einsum("nci,ki->knc", effects, s) + bias
    loss = cross_entropy(z.flatten(0, 1), y.repeat(64), reduction="sum") / 40
    (expected,) = torch.autograd.grad(loss, s)
    found = mean_gradients(effects, bias, y, torch.float64)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12 * scale)
