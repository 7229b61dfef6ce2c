"""Plain classifiers: how they begin, that they train, and what is refused."""

import pytest
import torch

from sdnet.errors import InputError
from srnet.dissect.classifiers import accuracy, dense, train_classifier

X = torch.tensor([[1.0, 0], [0, 1], [1, 0], [0, 1]])
Y = torch.tensor([0, 1, 0, 1])


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_same_seed_gives_the_same_bits():
    pair = []
    for _ in range(2):
        generator = seeded(3)
        model = dense([2, 5, 2], generator)
        losses = train_classifier(model, X, Y, epochs=3, batch_size=2, generator=generator)
        pair.append((losses, model.fc1.weight))
    assert pair[0][0] == pair[1][0]
    assert torch.equal(pair[0][1], pair[1][1])
    assert not torch.equal(pair[0][1], dense([2, 5, 2], seeded(4)).fc1.weight)


def test_initial_weights_are_within_one_over_root_of_inputs():
    model = dense([400, 300, 10], seeded())
    weight, bias = model.fc1.weight.detach(), model.fc1.bias.detach()
    assert 0.99 / 20 < weight.abs().max() <= 1 / 20
    assert abs(float(weight.mean())) < 1e-3
    assert 0.9 / 20 < bias.abs().max() <= 1 / 20


def test_one_step_of_sgd_is_that_of_the_formula():
    """Cross-entropy's gradient of the logits is (softmax - one-hot) / n."""
    model = dense([2, 2], seeded())
    weight, bias = model.fc1.weight.detach().clone(), model.fc1.bias.detach().clone()
    error = (X @ weight.T + bias).softmax(-1) - torch.eye(2)[Y]
    losses = train_classifier(model, X, Y, epochs=1, batch_size=4, lr=0.5, optimizer="sgd")
    assert torch.allclose(model.fc1.weight, weight - 0.5 * error.T @ X / 4, atol=1e-6)
    assert torch.allclose(model.fc1.bias, bias - 0.5 * error.mean(0), atol=1e-6)
    own = -(X @ weight.T + bias).log_softmax(-1)[range(4), Y].mean()
    assert losses == pytest.approx([float(own)])
    assert not model.training


def test_it_learns_and_accuracy_counts():
    model = dense([2, 8, 2], seeded())
    train_classifier(model, X, Y, epochs=200, lr=0.05, generator=seeded())
    assert accuracy(model, X, Y) == 1
    assert accuracy(model, X, torch.tensor([0, 1, 1, 0])) == 0.5


def test_the_check_of_labels_leaves_running_means_as_they_are():
    model = torch.nn.Sequential(torch.nn.BatchNorm1d(2), torch.nn.Linear(2, 2))
    train_classifier(model, X, Y, epochs=0)
    assert model[0].running_mean.tolist() == [0, 0]
    with pytest.raises(InputError, match="layer '0' is a BatchNorm1d in training mode"):
        accuracy(model.train(), X, Y)


def test_what_is_refused():
    model = dense([2, 2], seeded())
    for study in (train_classifier, accuracy):
        with pytest.raises(InputError, match="y has class 2; expected 0 to 1"):
            study(model, X, torch.tensor([0, 1, 0, 2]))
    with pytest.raises(InputError, match=r"widths is \[3\]; expected inputs"):
        dense([3])
    with pytest.raises(InputError, match="a width is 0"):
        dense([3, 0, 2])
    with pytest.raises(InputError, match="no examples"):
        accuracy(model, X[:0], Y[:0])


def test_examples_that_are_not_finite_are_refused_and_the_network_is_left_as_it_was():
    model = dense([2, 3, 2], seeded())
    before = [weight.clone() for weight in model.parameters()]
    gap = X.clone()
    gap[2, 1] = torch.nan
    with pytest.raises(InputError, match="isn't finite in example 2"):
        train_classifier(model, gap, Y, epochs=1, generator=seeded())
    assert all(map(torch.equal, model.parameters(), before))
