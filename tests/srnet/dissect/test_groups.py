"""Groups of units as one variable: principal components, quantiles, ties; classes' modules."""

import pytest
import torch
from sklearn.decomposition import PCA

from sdnet.errors import InputError
from srnet.dissect.binning import equal_frequency
from srnet.dissect.estimators import mutual_information
from srnet.dissect.groups import class_modules, group_variables, units_of

G = torch.Generator


def same_partition(a, b):
    pairs = {tuple(pair) for pair in torch.stack([a, b], dim=1).tolist()}
    return len(pairs) == len(a.unique()) == len(b.unique())


def test_variables_are_quantiles_of_scikit_learns_components():
    values = torch.randn(101, 6, generator=G().manual_seed(0)) * torch.arange(1.0, 7)
    groups = torch.tensor([[0, 2, 5], [1, 3, 4]])
    found = group_variables(values, groups, components=2, levels=3)
    for units, states in zip(groups, found.T, strict=True):
        scores = PCA(2).fit_transform(values[:, units].double().numpy())
        codes = equal_frequency(torch.from_numpy(scores), 3)
        assert same_partition(states, codes[:, 0] + 3 * codes[:, 1])
        assert states.max() <= 8


def test_one_unit_has_its_own_bins_and_no_unit_a_constant():
    values = torch.randn(20, 3, generator=G().manual_seed(0))
    found = group_variables(values, torch.tensor([[1]]), components=2, levels=4)
    assert same_partition(found[:, 0], equal_frequency(values[:, 1:2], 4)[:, 0])
    assert not group_variables(values, torch.zeros(2, 0, dtype=torch.int64)).any()


def test_constant_units_are_a_constant_and_equal_examples_have_equal_states():
    """Scores differ by rounding where units don't: they must not become bins."""
    values = torch.full((700, 40), 0.1)
    assert group_variables(values, torch.arange(40)[None], 2, 2).unique().numel() == 1
    pattern = torch.randn(5, 40, generator=G().manual_seed(0)).relu()
    kinds = torch.randint(5, (700,), generator=G().manual_seed(1))
    states = group_variables(pattern[kinds], torch.arange(40)[None], 2, 8)[:, 0]
    assert all(len(states[kinds == kind].unique()) == 1 for kind in range(5))


def test_a_component_without_variance_makes_no_states():
    """A mistake in circulation: its scores are rounding errors, whose bins are noise."""
    x = torch.randn(300, 1, generator=G().manual_seed(0)) + 5
    copies = torch.cat([x, 2 * x, -3 * x], dim=1)
    states = group_variables(copies, torch.tensor([[0, 1, 2]]), components=2, levels=2)
    assert same_partition(states[:, 0], equal_frequency(x, 2)[:, 0])


@pytest.mark.parametrize("options", [{"components": 0}, {"levels": 1}, {"components": 7}], ids=str)
def test_sizes_of_variables_are_checked(options):
    with pytest.raises(InputError, match="and 64 states"):
        group_variables(torch.ones(3, 2), torch.tensor([[0]]), **options)


def test_modules_of_classes_are_the_units_that_tell_most_of_them():
    y = torch.arange(300) % 3
    noise = torch.randn(300, 10, generator=G().manual_seed(0))
    noise[:, 4] += 4 * (y == 2)
    noise[:, 7] -= 3 * (y == 2)
    acts = {"fc1": noise, "fc2": noise[:, [4, 0, 1]]}
    found = class_modules(acts, y, share=0.2)
    assert list(found) == ["0", "1", "2"]
    assert found["2"]["fc1"].tolist() == [4, 7]
    assert found["2"]["fc2"].tolist() == [0]  # at least one
    told = mutual_information(noise, (y == 0).long()[:, None])[:, 0]
    assert set(found["0"]["fc1"].tolist()) == set(told.topk(2).indices.tolist())


@pytest.mark.parametrize(
    ("y", "share", "words"),
    [
        (torch.arange(4), 0.0, "share is 0.0; expected a number between 0 and 1"),
        (torch.arange(4), 1.0, "share is 1.0"),
        (torch.arange(3), 0.5, r"y is torch.int64 of the shape \(3,\)"),
    ],
)
def test_classes_that_do_not_fit_are_refused(y, share, words):
    with pytest.raises(InputError, match=words):
        class_modules({"fc1": torch.ones(4, 2)}, y, share)


def test_layers_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match=r"the layers have .*'b': 3.* expected the same number"):
        class_modules({"a": torch.ones(4, 2), "b": torch.ones(3, 2)}, torch.arange(4))
    with pytest.raises(InputError, match="no layers were given"):
        class_modules({}, torch.arange(4))
    with pytest.raises(InputError, match="layer 'conv' has the shape"):
        class_modules({"conv": torch.ones(4, 2, 3)}, torch.arange(4))


@pytest.mark.parametrize(
    ("group", "words"),
    [
        ([0, 4], "module 'left', layer 'fc1': there is no unit 4; expected 0 to 3"),
        ([-1], "there is no unit -1"),
        ([1, 1], r"\[1, 1\] names a unit twice"),
        ([0.5], r"\[0.5\] isn't a list of whole numbers"),
        ([[0, 1]], r"isn't a list of whole numbers"),
        ("01", "'01' isn't a list of whole numbers"),
        (None, "None isn't a list of whole numbers"),
        (torch.ones(3, dtype=torch.bool), r"a mask of the shape \(3,\); expected \(4,\)"),
    ],
    ids=str,
)
def test_groups_that_are_none_are_refused(group, words):
    with pytest.raises(InputError, match=words):
        units_of("left", {"fc1": group}, "fc1", 4)


def test_a_module_must_speak_of_the_layer_and_may_have_no_units_there():
    with pytest.raises(InputError, match="layer 'fc2': no units are named; did you mean 'fc1'"):
        units_of("left", {"fc1": [0]}, "fc2", 4)
    assert units_of("left", {"fc1": []}, "fc1", 4).tolist() == []
    assert units_of("left", {"fc1": torch.zeros(4, dtype=torch.bool)}, "fc1", 4).tolist() == []
