"""Overlaps of modules: IoU, containment, and what chance would give."""

import pytest
import torch

from sdnet.errors import InputError
from srnet.dissect.controls import random_masks
from srnet.dissect.overlaps import containment, iou, overlap, shared_by_chance


def units(first, second=""):
    return {
        name: torch.tensor([sign == "x" for sign in signs])
        for name, signs in (("a", first), ("b", second))
        if signs
    }


def test_iou_of_a_module_with_itself_is_1():
    """|A| + |B| below the line would give 0.5."""
    for module in (units("x.x.", "x."), units("....", "..")):
        assert iou(module, module) == 1.0


def test_iou_and_containment_over_all_layers():
    a, b = units("xxx.", "x."), units(".xxx", "xx")
    assert iou(a, b) == 3 / 6  # shared: 2 and 1; in one of both: 4 and 2
    assert containment(a, b) == 3 / 4
    assert containment(b, a) == 3 / 5


def test_empty_modules():
    empty, some = units("...."), units("x...")
    assert (iou(empty, some), iou(some, empty)) == (0.0, 0.0)
    assert (containment(empty, some), containment(some, empty)) == (1.0, 0.0)
    assert shared_by_chance(empty, some) == 0


def test_chance_is_the_mean_over_random_modules():
    sizes, a, b = {"a": 10, "b": 4}, {"a": 3, "b": 2}, {"a": 5, "b": 1}
    generator = torch.Generator().manual_seed(0)
    shared = []
    for _ in range(2000):
        one, other = (random_masks(sizes, counts, generator) for counts in (a, b))
        shared.append(sum(int((one[name] & other[name]).sum()) for name in sizes))
    expected = shared_by_chance(random_masks(sizes, a), random_masks(sizes, b))
    assert expected == 3 * 5 / 10 + 2 * 1 / 4
    assert sum(shared) / len(shared) == pytest.approx(expected, abs=0.08)


def test_the_table_has_each_pair_once():
    found = overlap({"p": units("xx."), "q": units(".xx"), "r": units("...")})
    assert [(row["a"], row["b"], row["shared"]) for row in found.rows()] == [
        ("p", "q", 1),
        ("p", "r", 0),
        ("q", "r", 0),
    ]
    assert torch.equal(found.iou.diagonal(), torch.ones(3, dtype=torch.float64))
    assert torch.equal(found.iou, found.iou.T)
    assert found.containment[2].tolist() == [1.0, 1.0, 1.0]  # nothing is a part of each
    assert list(found.to_frame()["iou"]) == pytest.approx([1 / 3, 0, 0])


def test_modules_of_other_layers():
    with pytest.raises(InputError, match="expected the same layers"):
        iou(units("xx"), units("xxx"))
    with pytest.raises(InputError, match="expected the same layers"):
        iou({}, {})
    with pytest.raises(InputError, match="no modules"):
        overlap({})
