"""Reports of layers: whose numbers they are, how they print and export."""

import pytest
import torch

from sdnet.errors import InputError
from srnet.dissect.estimators import entropy, mutual_information
from srnet.dissect.groups import group_variables
from srnet.dissect.information import group_information, pair_information, unit_information

G = torch.Generator


@pytest.fixture(scope="module")
def acts():
    x = torch.randn(80, 3, generator=G().manual_seed(0))
    y = torch.cat([x, torch.randn(80, 2, generator=G().manual_seed(1))], dim=1).relu()
    return {"fc1": x, "relu1": torch.cat([y, torch.full((80, 1), 2.0)], dim=1)}


def test_units_have_their_entropy_and_their_information_on_the_class(acts):
    y = (acts["fc1"][:, 1] > 0).long() + 3
    found = unit_information(acts, y, bins=4, base="bits")
    rows = found.rows()
    assert [(row["layer"], row["unit"]) for row in rows[:4]] == [
        ("fc1", 0),
        ("fc1", 1),
        ("fc1", 2),
        ("relu1", 0),
    ]
    expected = entropy(acts["relu1"], bins=4, base="bits")
    assert [row["entropy"] for row in rows[3:]] == expected.tolist()
    told = mutual_information(acts["fc1"], y[:, None], bins=4, base="bits")[:, 0]
    assert [row["class information"] for row in rows[:3]] == told.tolist()
    assert told[1] > 0.8 > told[[0, 2]].max() + 0.5
    assert rows[-1]["bins"] == 1
    first, second = found.summary()
    assert (first["units"], first["constant"], second["constant"]) == (3, 0, 1)
    assert first["mean class information"] == pytest.approx(told.mean().item())
    assert first["largest"] == told.max().item()


def test_units_without_labels(acts):
    found = unit_information(acts)
    assert {row["class information"] for row in found.rows()} == {None}
    assert found.summary()[0]["largest"] is None
    assert str(found).splitlines()[1].endswith("-")


def test_pairs_are_of_all_units_of_both_layers(acts):
    found = pair_information(acts, "fc1", "relu1", estimator="shuffle", bins=3)
    expected = mutual_information(acts["fc1"], acts["relu1"], estimator="shuffle", bins=3)
    assert torch.equal(found.values, expected)
    rows = found.rows()
    assert len(rows) == 3 * 6
    assert rows[7] == {"fc1": 1, "relu1": 1, "information, nats": expected[1, 1].item()}
    summary = found.summary()
    assert summary["pairs"] == 18
    assert summary["largest"] == expected.max().item()
    assert list(found.to_frame().columns) == ["fc1", "relu1", "information, nats"]


def test_printed_are_the_ten_of_most_information(acts):
    found = pair_information(acts, "fc1", "relu1")
    lines = str(found).splitlines()
    assert len(lines) == 12
    assert lines[-1] == "... and 8 pairs of less"
    values = sorted(found.values.flatten().tolist(), reverse=True)
    assert [float(line.split()[-1]) for line in lines[1:4]] == pytest.approx(values[:3], rel=1e-3)


def test_pairs_within_a_layer_are_once_each_and_of_no_unit_with_itself(acts):
    found = pair_information(acts, "fc1", "fc1")
    places = [(row["fc1 a"], row["fc1 b"]) for row in found.rows()]
    assert places == [(0, 1), (0, 2), (1, 2)]
    off = found.values[0, 1], found.values[0, 2], found.values[1, 2]
    assert found.summary()["mean"] == pytest.approx(float(sum(off)) / 3)
    alone = pair_information({"one": acts["fc1"][:, :1]}, "one", "one")
    assert alone.summary() == {"pairs": 0, "mean": None, "median": None, "largest": None}
    assert str(alone) == ""


def test_groups_are_the_information_of_their_variables(acts):
    modules = {"left": {"fc1": [0, 1], "relu1": [0]}, "right": {"fc1": [2], "relu1": [4, 5]}}
    found = group_information(acts, modules, "fc1", "relu1", components=1, levels=3)
    a = group_variables(acts["fc1"], torch.tensor([[0, 1]]), 1, 3)
    b = group_variables(acts["relu1"], torch.tensor([[4, 5]]), 1, 3)
    assert found.values[0, 1].item() == mutual_information(a, b).item()
    assert [(row["fc1"], row["relu1"]) for row in found.rows()][:2] == [
        ("left", "left"),
        ("left", "right"),
    ]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda a: pair_information(a, "fc1", "fc2"), "layer 'fc2' has no activations; did you"),
        (lambda a: pair_information(a, "fc1", "fc1", estimator="x"), "estimator is 'x'"),
        (lambda a: group_information(a, {}, "fc1", "relu1"), "no modules were given"),
        (
            lambda a: group_information(a, {"m": {}}, "fc1", "relu1", estimator="ksg"),
            "'ksg' is of single units only",
        ),
        (lambda a: group_information(a, {"m": {}}, "fc1", "relu1"), "no units are named"),
        (lambda a: unit_information({}), "no layers were given"),
        (lambda a: unit_information(a, torch.arange(9)), r"y is torch.int64 of the shape \(9,\)"),
        (lambda a: unit_information({"c": torch.ones(2, 3, 4, 4)}), r"flatten\(1\)"),
    ],
)
def test_what_cannot_be_used_is_refused(acts, call, words):
    with pytest.raises(InputError, match=words):
        call(acts)
