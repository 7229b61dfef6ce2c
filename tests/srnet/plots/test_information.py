"""Heat maps and modules: the numbers that are drawn, and where."""

import pytest
import torch

from sdnet.errors import InputError
from srnet import plots
from srnet.dissect.information import PairInformation
from srnet.dissect.modularity import Modularity, ModulePair


def pairs(values, a="fc1", b="fc2", names=None):
    values = torch.tensor(values, dtype=torch.float64)
    names_a, names_b = (names, names) if names else map(tuple, map(range, values.shape))
    return PairInformation(a, b, names_a, names_b, values, "plug-in", "nats")


def test_maps_stand_side_by_side_on_one_scale_the_most_telling_first():
    trained, fresh = pairs([[0.1, 0.2], [0.3, 0.9], [0.0, 0.0]]), pairs([[0.0, -0.1]] * 3)
    figure = plots.information_maps({"trained": [trained], "untrained": [fresh]})
    left, right, shares = figure.axes[:3]
    assert left.images[0].get_array().tolist() == [[0.9, 0.3], [0.2, 0.1], [0, 0]]
    assert left.images[0].get_clim() == right.images[0].get_clim() == (-0.1, 0.9)
    assert [ax.get_title(loc="left") for ax in (left, right)] == ["trained", "untrained"]
    assert [text.get_text() for text in left.get_yticklabels()] == ["1", "0", "2"]
    assert (left.get_ylabel(), left.get_xlabel()) == ("fc1", "units of fc2")
    drawn = [patch.get_data() for patch in shares.patches]
    assert [data.values.sum() for data in drawn] == pytest.approx([1, 1])
    assert drawn[1].values[0] == pytest.approx(1 / 2)  # the least, -0.1
    figure.draw_without_rendering()


def test_a_row_for_each_pair_of_layers_and_one_order_within_a_layer():
    within = pairs([[1.0, 0.1, 0.3], [0.1, 1.0, 0.4], [0.3, 0.4, 1.0]], "fc1", "fc1")
    figure = plots.information_maps({"net": [pairs([[0.1]]), within]})
    assert figure.axes[2].images[0].get_array().diagonal().tolist() == [1, 1, 1]
    shares = figure.axes[3].patches[0].get_data()
    assert shares.edges[-1] == pytest.approx(0.4)  # no unit with itself
    figure.draw_without_rendering()


def test_groups_stay_in_their_order_with_their_names():
    report = pairs([[0.1, 0.2], [0.3, 0.9]], names=("left", "right"))
    ax = plots.information_maps({"net": [report]}).axes[0]
    assert ax.images[0].get_array().tolist() == [[0.1, 0.2], [0.3, 0.9]]
    assert [text.get_text() for text in ax.get_xticklabels()] == ["left", "right"]
    assert ax.get_xlabel() == "groups of fc2"


def test_many_units_and_constant_information_can_be_drawn():
    figure = plots.information_maps({"net": [pairs([[0.0] * 30] * 30)]})
    assert len(figure.axes[0].get_xticks()) == 0
    figure.draw_without_rendering()


def test_maps_of_nothing_or_of_other_layers_are_refused():
    for reports in ({}, {"net": []}):
        with pytest.raises(InputError, match="no reports to draw"):
            plots.information_maps(reports)
    with pytest.raises(InputError, match="expected the same layers"):
        plots.information_maps({"a": [pairs([[0.1]])], "b": [pairs([[0.1]], b="fc3")]})


def module(name, measures, null):
    units = torch.tensor([0])
    values = (torch.tensor(part, dtype=torch.float64).view(-1, 3) for part in (measures, null))
    first, null = values
    return ModulePair(name, "fc1", "fc2", units, units, first[0], null)


def test_modules_stand_before_the_random_ones():
    null = [[-i / 20, -1.0, -i / 10] for i in range(1, 21)]
    entries = [module("good", [-0.01, -0.5, -3.0], null), module("bad", [-0.7, -2.0, 0.0], null)]
    entries.append(module("only", [-0.3, -0.3, -0.3], []))
    figure = plots.modularity_panels(Modularity(entries, "nats"))
    first, second, third = figure.axes
    filled, hollow = first.lines[1], first.lines[2]
    assert filled.get_xydata().tolist() == [[0, -0.01]]  # p = 1/21
    assert hollow.get_xydata().tolist() == [[1, -0.7], [2, -0.3]]
    assert second.lines[1].get_xydata().tolist() == [[0, -0.5]]
    assert third.lines[1].get_xydata().tolist() == [[0, -3.0]]
    assert len(first.patches) == 2  # none for the module that has no other of its sizes
    bar = first.patches[0]
    assert (bar.get_y(), bar.get_y() + bar.get_height()) == pytest.approx((-0.9525, -0.0975))
    assert first.lines[3].get_ydata() == pytest.approx([-0.525] * 2)
    assert [text.get_text() for text in first.get_xticklabels()] == ["good", "bad", "only"]
    assert first.get_ylabel() == "fc1 to fc2, nats"
    figure.draw_without_rendering()


def test_no_modules_are_refused():
    with pytest.raises(InputError, match="no modules to draw"):
        plots.modularity_panels(Modularity([], "nats"))


def test_titles_of_one_module_fit_the_figure():
    entries = [module("good", [-0.01, -0.5, -3.0], [[-0.1, -1.0, -0.2]])]
    figure = plots.modularity_panels(Modularity(entries, "nats"))
    figure.draw_without_rendering()
    for ax in figure.axes:
        assert ax._left_title.get_window_extent().x1 <= figure.bbox.x1
