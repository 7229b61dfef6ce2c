"""Figures: what is drawn is what was given, and files repeat."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from sdnet.errors import InputError
from srnet import plots

X = torch.tensor([[2.0], [0.0], [1.0]])
CURVES = torch.tensor([[4.0, 0.0, 1.0], [2.0, 0.0, 1.0], [8.0, 0.0, 1.0], [-2.0, 0.0, -1.0]])


def state(*acc: float) -> dict:
    return {"history": {"acc": list(acc), "loss": [-a for a in acc], "penalty": []}}


def test_learning_curves_draw_each_run_from_epoch_one():
    runs = {"plain": state(0.5, 0.6, 0.7), "none": state(0.5, 0.5), "grad": {"acc": [0.9]}}
    ax = plots.learning_curves(runs, horizon=1)
    plain, none, grad, chance = ax.lines
    assert plain.get_xydata().tolist() == [[1, 0.5], [2, 0.6], [3, 0.7]]
    assert none.get_xydata().tolist() == [[1, 0.5], [2, 0.5]]
    assert grad.get_xydata().tolist() == [[1, 0.9]]
    assert chance.get_ydata() == [0.5, 0.5]
    assert len({line.get_color() for line in ax.lines}) == 4
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "accuracy on unseen curves")
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == ["grad", "plain", "none", "chance"]  # as they end


def test_learning_curves_smooth_all_seeds_of_a_setting_together_to_the_shortest():
    ax = plots.learning_curves({"both": [state(0.0, 0.2, 1.0), state(0.4, 0.8)]}, horizon=1)
    np.testing.assert_allclose(ax.lines[0].get_xydata(), [[1, 0.2], [2, 0.5]])
    band = ax.collections[0].get_paths()[0].vertices
    for epoch, ends in [(1, [0.04, 0.36]), (2, [0.26, 0.74])]:  # 10 % inside of either value
        np.testing.assert_allclose(np.unique(band[band[:, 0] == epoch, 1].round(12)), ends)


def test_learning_curves_of_another_figure_on_axes_given():
    ax = Figure().subplots()
    assert plots.learning_curves({"a": state(1.0, 2.0)}, ax, horizon=1, figure="loss") is ax
    assert ax.lines[0].get_ydata().tolist() == [-1.0, -2.0]
    assert (len(ax.lines), ax.get_ylabel()) == (1, "critic loss")  # and no chance line


def test_many_runs_differ_in_colour_or_style_and_take_any_name():
    names = ["_hidden", "$5", r"$\broken$", *map(str, range(12))]
    ax = plots.learning_curves({name: state(0.5, 0.6) for name in names}, horizon=1)
    looks = {(line.get_color(), line.get_linestyle()) for line in ax.lines[:-1]}
    assert len(looks) == len(names) == len(ax.get_legend().get_texts()) - 1
    ax.figure.draw_without_rendering()


@pytest.mark.parametrize(
    "run",
    [state(), {"history": {}}, {"history": None}, {}, [], None, 3, "acc", [state(0.5), state()]],
    ids=repr,
)
def test_a_run_without_history_is_named(run):
    with pytest.raises(InputError, match=r"run 'deep' has no history of 'acc'.*history\.acc"):
        plots.learning_curves({"plain": state(0.5), "deep": run})


def test_a_history_that_is_not_finite_is_named():
    with pytest.raises(InputError, match=r"history\.acc of run 'deep' has 1 values that aren't"):
        plots.learning_curves({"deep": state(0.5, float("nan"))})


def test_learning_curves_refuse_no_runs_and_an_unknown_figure():
    with pytest.raises(InputError, match="no runs"):
        plots.learning_curves({})
    with pytest.raises(InputError, match="did you mean 'penalty'"):
        plots.learning_curves({"a": state(0.5)}, figure="penalti")


def test_curves_stand_side_by_side_sorted_and_on_one_scale():
    real, fake = plots.curves_side_by_side(X, CURVES[:1], -2 * CURVES[:2].numpy())
    assert real.lines[0].get_xydata().tolist() == [[0, 0], [1, 1], [2, 4]]
    assert [line.get_ydata().tolist() for line in fake.lines] == [[0, -2, -8], [0, -2, -4]]
    assert (real.get_title(loc="left"), fake.get_title(loc="left")) == ("real", "fake")
    assert real.get_xlabel() == fake.get_xlabel() == "x0"
    assert real.get_ylim() == fake.get_ylim()
    low, high = real.get_ylim()
    assert -9 < low < -8 < 4 < high < 5


def test_axes_given_are_drawn_on_and_get_one_scale():
    axes = Figure().subplots(1, 2)  # which share nothing
    drawn = plots.curves_side_by_side(X, CURVES[:1], 100 * CURVES[:1], list(axes))
    assert list(drawn) == list(axes)
    assert axes[0].get_ylim() == axes[1].get_ylim()
    with pytest.raises(InputError, match="1 axes were given; expected 2"):
        plots.curves_side_by_side(X, CURVES, CURVES, [axes[0]])


def test_curves_of_several_inputs_are_dots_against_the_column_asked_for():
    x = np.array([[0.0, 3.0], [0.0, 1.0]])
    axes = plots.curves_side_by_side(x, [[5.0, 6.0]], [[7.0, 8.0]], column=1)
    assert axes[0].lines[0].get_xydata().tolist() == [[1, 6], [3, 5]]
    assert (axes[0].lines[0].get_linestyle(), axes[0].lines[0].get_marker()) == ("None", ".")
    assert axes[0].get_xlabel() == "x1"


def test_constant_curves_can_be_drawn():
    axes = plots.curves_side_by_side(X, np.zeros((1, 3)), np.zeros((1, 3)))
    assert axes[0].get_ylim()[0] < 0 < axes[0].get_ylim()[1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"x": X[:, 0]}, r"x has the shape \(3,\); expected \(points, inputs\)"),
        ({"x": X[:2]}, "real has curves of 3 points; expected 2, as x"),
        ({"fake": CURVES[:, :2]}, "fake has curves of 2 points; expected 3, as x"),
        ({"real": CURVES[0]}, r"real has the shape \(3,\); expected \(curves, points\)"),
        ({"real": CURVES[:0]}, r"real has the shape \(0, 3\)"),
        ({"real": CURVES / 0}, "real has 12 values that aren't finite"),
        ({"real": CURVES.to(torch.complex64)}, "real isn't an array of numbers"),
        ({"real": None}, "real isn't an array of numbers"),
        ({"column": 1}, "column is 1; expected a column of x, 0 to 0"),
        ({"column": -1}, "column is -1"),
    ],
    ids=lambda value: "" if isinstance(value, dict) else value,
)
def test_curves_that_do_not_fit_are_refused(change, words):
    with pytest.raises(InputError, match=words):
        plots.curves_side_by_side(**{"x": X, "real": CURVES, "fake": CURVES, **change})


def test_verdicts_sort_the_curves_by_kind_and_certainty():
    curves = torch.arange(8.0)[:, None].expand(8, 3)  # curve i is the constant i
    scores = torch.tensor([1.0, 3.0, 2.0, -1.0, -5.0, 0.0, -6.0, 0.5], requires_grad=True)
    is_real = torch.arange(8) < 4
    axes = plots.verdicts(X, curves, scores, is_real, count=2)
    shown = [[line.get_ydata()[0] for line in ax.lines] for ax in axes.flat]
    assert shown == [[1, 2], [3], [6, 4], [7]]  # curve 5, of score 0, is judged fake
    assert [ax.get_title(loc="left") for ax in axes.flat] == [
        "real, judged real (75 %)",
        "real, judged fake (25 %)",
        "fake, judged fake (75 %)",
        "fake, judged real (25 %)",
    ]
    assert axes[0, 0].get_title(loc="right") == "2 most certain of 3"
    assert len({ax.get_ylim() for ax in axes.flat}) == 1


def test_a_verdict_without_curves_says_none_on_the_scale_of_the_others():
    axes = Figure().subplots(2, 2)
    plots.verdicts(X, CURVES[:1], [1.0], [True], axes)
    assert [[text.get_text() for text in ax.texts] for ax in axes.flat] == [[]] + 3 * [["none"]]
    assert axes[1, 1].get_title(loc="left") == "fake, judged real (0 %)"
    assert len({(ax.get_xlim(), ax.get_ylim()) for ax in axes.flat}) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"scores": torch.ones(3)},
        {"is_real": torch.ones(3, dtype=torch.bool)},
        {"is_real": torch.ones(4)},
        {"is_real": torch.ones(4, 1, dtype=torch.bool)},
        {"count": 0},
    ],
    ids=str,
)
def test_verdicts_refuse_scores_that_do_not_fit(change):
    given = {"scores": torch.ones(4), "is_real": torch.ones(4, dtype=torch.bool), **change}
    with pytest.raises(InputError, match="expected a score and a bool a curve"):
        plots.verdicts(X, CURVES, **given)


def test_histogram_shows_the_share_of_each_kind_in_common_bins():
    ax = plots.score_histogram([0.0, 39.5, 39.5, 40.0], torch.tensor([0.5, 10.5]), threshold=7.25)
    real, fake = (patch.get_data() for patch in ax.patches)
    np.testing.assert_allclose(real.edges, np.arange(41.0))
    np.testing.assert_array_equal(real.edges, fake.edges)
    np.testing.assert_array_equal(real.values[[0, 39]], [0.25, 0.75])
    np.testing.assert_array_equal(fake.values[[0, 10]], [0.5, 0.5])
    assert real.values.sum() == fake.values.sum() == 1
    assert ax.lines[0].get_xdata() == [7.25, 7.25]
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == ["real", "fake", "threshold 7.25"]


def test_histogram_of_equal_scores_and_no_threshold():
    ax = plots.score_histogram(np.ones(3), np.ones(2))
    assert [patch.get_data().values.max() for patch in ax.patches] == [1, 1]
    assert not ax.lines


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (([], [1.0]), "real_scores has the shape"),
        (([1.0], [[1.0]]), "fake_scores has the shape"),
        (([1.0], [np.inf]), "fake_scores has 1 values that aren't finite"),
        (([1.0], [1.0], None, np.nan), "threshold has 1 values that aren't finite"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_histogram_refuses_scores_it_cannot_count(given, words):
    with pytest.raises(InputError, match=words):
        plots.score_histogram(*given)
