"""Sub-tasks: which group an example belongs to, logits of groups, and scores."""

import pytest
import torch
from sklearn.metrics import accuracy_score, balanced_accuracy_score
from torch.utils.data import DataLoader, TensorDataset

from sdnet.errors import InputError
from srnet.dissect.tasks import Task, group_weights, labelled_rows, one_against_rest, score


def test_group_logits_are_the_log_of_summed_probabilities():
    logits = torch.randn(7, 4, generator=torch.Generator().manual_seed(0))
    task = Task("a", (0, 1, None, 0))
    found = task.group_logits(logits).softmax(1)
    shares = logits.exp()
    expected = shares[:, [0, 3]].sum(1) / shares[:, [0, 1, 3]].sum(1)
    torch.testing.assert_close(found[:, 0], expected)


def test_group_logits_of_large_numbers():
    task = one_against_rest(0, classes=3)
    assert task.group_logits(torch.tensor([[1e4, -1e4, 1e4]])).tolist() == [[1e4, 1e4]]


def test_scores_are_those_of_scikit_learn():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(200, 3, generator=generator)
    labels = torch.multinomial(torch.tensor([0.8, 0.15, 0.05]), 200, True, generator=generator)
    found = score(logits, labels)
    guessed = logits.argmax(1)
    assert found.accuracy == pytest.approx(accuracy_score(labels, guessed))
    assert found.balanced_accuracy == pytest.approx(balanced_accuracy_score(labels, guessed))
    losses = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    of_groups = [losses[labels == group].mean().item() for group in range(3)]
    assert found.loss == pytest.approx(sum(of_groups) / 3, rel=1e-5)


def test_every_group_weighs_the_same():
    labels = torch.tensor([0] * 90 + [1] * 10)
    weights = group_weights(labels, 2)[labels]
    assert weights[:90].sum().item() == pytest.approx(50)
    assert weights[90:].sum().item() == pytest.approx(50)


def test_a_loader_gives_what_the_pair_gives():
    x, y = torch.rand(10, 3), torch.arange(10) % 3
    found = labelled_rows(DataLoader(TensorDataset(x, y), batch_size=4))
    assert torch.equal(found[0], x)
    assert torch.equal(found[1], y)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((torch.zeros(2, 3), torch.zeros(2)), "y is torch.float32"),
        ((torch.zeros(2, 3), torch.tensor([0])), r"shape \(1,\)"),
        ((torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64)), "one example or more"),
        ((torch.tensor([[torch.nan, 1.0]]), torch.tensor([0])), "1 values of x aren't finite"),
        ([], "can't be read"),
    ],
)
def test_examples_that_cannot_be_used(data, message):
    with pytest.raises(InputError, match=message):
        labelled_rows(data)


def test_large_numbers_whose_sum_overflows_are_finite():
    x = torch.full((3, 2), 3e38)
    assert labelled_rows((x, torch.tensor([0, 1, 2])))[0] is x


@pytest.mark.parametrize("groups", [(0, 0), (1, 2), (0, 2), (), (None, 0)])
def test_groups_that_cannot_be(groups):
    with pytest.raises(InputError, match="numbered 0, 1"):
        Task("odd", groups)


def test_labels_that_cannot_be():
    task = one_against_rest(1, classes=3)
    with pytest.raises(InputError, match="classes 0 to 5"):
        task.labels(torch.tensor([0, 5]))
    with pytest.raises(InputError, match="no example of group 1 among 2"):
        task.labels(torch.tensor([0, 2]))
    with pytest.raises(InputError, match="class 3 is none of the 3"):
        one_against_rest(3, classes=3)
    with pytest.raises(InputError, match="2 classes and task '1' 3"):
        task.group_logits(torch.zeros(1, 2))
