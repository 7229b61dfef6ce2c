"""Figures of states: the curves and scores they show are those of the state."""

import copy
import io
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from sdnet.errors import InputError
from sdnet.library import SDData
from sdnet.objective import evaluate
from srnet.runs import figures
from srnet.runs.assembly import critic_of
from srnet.runs.cli import main
from srnet.runs.critic import score, train_critic
from srnet.runs.states import load_state, save_state
from srnet.tables import SRData

N = 20
KINDS = {
    "plain": {},
    "stacked": {"ext": ["input", "grad"], "ext_type": "stack"},
    "embedded": {"ext": "grad", "ext_type": "embed"},
}


def trained(seed=0, **changes):
    hyperparams = {"epochs": 5, "arch.lat_size": 3, "disc.hid_size": 8, **changes}
    points = SRData.from_arrays(torch.linspace(-2, 2, N)[:, None])
    library = SDData.from_lines(["N0*x0**2"], "X00")
    return train_critic(hyperparams, points, library, seed, progress=False)


@pytest.fixture(scope="module", params=KINDS)
def state(request):
    return trained(**KINDS[request.param])


def lines(axes):
    return np.stack([line.get_ydata() for line in axes.lines])


def png(figure):
    content = io.BytesIO()
    figure.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()


def test_samples(state):
    real, fake = figures.samples(state, count=7).axes
    squares = np.linspace(-2, 2, N) ** 2
    for curve in lines(real):  # N0 x0^2
        np.testing.assert_allclose(curve, curve[0] / squares[0] * squares, atol=1e-5)
    assert lines(real).shape == lines(fake).shape == (7, N)
    for curve in lines(fake):
        assert not np.allclose(curve, curve[0] / squares[0] * squares, atol=1e-3)
    np.testing.assert_allclose(real.lines[0].get_xdata(), np.linspace(-2, 2, N), atol=1e-6)


def test_another_seed_gives_other_curves(state):
    one, again, other = (figures.samples(state, 3, seed) for seed in (None, 0, 1))
    assert np.array_equal(lines(one.axes[0]), lines(again.axes[0]))
    assert not np.isin(lines(one.axes[0])[:, 0], lines(other.axes[0])[:, 0]).any()
    assert not np.isin(lines(one.axes[1])[:, 0], lines(other.axes[1])[:, 0]).any()


def shares(figure):
    """The percentages in the titles: real judged real and fake, fake judged fake and real."""
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    return [int(re.search(r"\((\d+) %\)", title)[1]) for title in titles]


def test_verdicts(state):
    """Shares are those of the critic's scores on the curves drawn for it."""
    count = 40
    found = shares(figures.verdicts(state, count))
    source, critic = figures.source_of(state), critic_of(state)
    real, fake = (critic(side).detach() > 0 for side in source.evaluation("verdicts", count))
    for share, judged in zip(found, (real, ~real, ~fake, fake), strict=True):
        assert share == pytest.approx(100 * float(judged.float().mean()), abs=0.51)
    assert found[0] + found[1] == pytest.approx(100, abs=1)


def test_verdicts_of_a_critic_that_calls_everything_real(state):
    certain = copy.deepcopy(state)
    last = max(name for name in certain["critic"] if name.startswith("critic.biases"))
    certain["critic"][last] += 1e6
    assert shares(figures.verdicts(certain, 10)) == [100, 0, 0, 100]


def test_fresh_figures_are_those_of_two_draws_of_2000_curves_a_side(state):
    source, critic = figures.source_of(state), critic_of(state)
    judged, chosen_on = (
        [score(critic, side) for side in source.evaluation(name, 2000)]
        for name in ("fresh", "held out")
    )
    assert state["fresh"] == evaluate(*judged, held_out=tuple(chosen_on))


def test_learning():
    states = {"one": trained(), "two": [trained(seed=1), trained(seed=2)]}
    for figure in ("acc", "loss"):
        (axes,) = figures.learning(states, smooth=1, figure=figure).axes
        shown = {line.get_label(): line.get_ydata() for line in axes.lines}
        np.testing.assert_allclose(shown["one"], states["one"]["history"][figure])
        rows = [state["history"][figure] for state in states["two"]]
        np.testing.assert_allclose(shown["two"], np.mean(rows, axis=0))
    with pytest.raises(InputError, match="did you mean 'loss'"):
        figures.learning(states, figure="los")


def test_of_a_file_and_deterministic(state, tmp_path):
    save_state(tmp_path / "state.pt", state)
    loaded = load_state(tmp_path / "state.pt")
    for draw in (figures.samples, figures.verdicts):
        assert png(draw(state)) == png(draw(loaded))


def test_nothing_is_drawn_from_the_global_generator(state):
    before, kept = torch.get_rng_state(), copy.deepcopy(state["critic"])
    figures.samples(state)
    figures.verdicts(state)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(kept[name], state["critic"][name]) for name in kept)


def test_states_that_cannot_be_drawn(state):
    older = {key: value for key, value in state.items() if key != "points"} | {"history": {}}
    for draw in (figures.samples, figures.verdicts):
        with pytest.raises(InputError, match="older form holds no points and library"):
            draw(older)
    with pytest.raises(InputError, match="'old' has no history"):
        figures.learning({"old": older})
    other = {**state, "critic": {"critic.weights.0": torch.zeros(2, 2)}}
    with pytest.raises(InputError, match="not the state of a critic"):
        figures.verdicts(other)


# -- the command ----------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two folders with a state each, of the same name."""
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("one", "two")):
        save_state(f"{name}/run.pt", trained(seed=seed))


def plot(capsys, *words):
    status, told = main(["plot", *words]), capsys.readouterr()
    assert (status, told.err) == (0, "")
    return told.out


@pytest.mark.usefixtures("folder")
def test_the_command(capsys):
    said = plot(capsys, "learning", "one/run.pt", "two/run.pt", "--smooth", "2", "--figure=loss")
    assert said == "figure: figures/learning.png\n"
    plot(capsys, "verdicts", "one/run.pt", "--out=new/verdicts.png")
    for path in ("figures/learning.png", "new/verdicts.png"):
        assert Path(path).read_bytes().startswith(b"\x89PNG")
    for name, seed in {"a": [], "b": ["--seed=0"], "c": ["--seed=1"]}.items():
        plot(capsys, "samples", "one/run.pt", f"--out={name}.svg", *seed)
    a, b, c = (Path(f"{name}.svg").read_text() for name in "abc")
    assert "<svg" in a
    assert a == b != c


@pytest.mark.usefixtures("folder")
def test_states_of_one_name_are_told_apart(capsys, monkeypatch):
    drawn, learning = [], figures.learning
    monkeypatch.setattr(figures, "learning", lambda s, *a: drawn.extend(s) or learning(s, *a))
    plot(capsys, "learning", "one/run.pt", "two/run.pt")
    plot(capsys, "learning", "one/run.pt")
    assert drawn == ["one/run.pt", "two/run.pt", "run"]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "symdisc plot: got nothing; choose from learning, samples, verdicts"),
        (["sample", "one/run.pt"], "symdisc plot: got sample; did you mean 'samples'?"),
        (["learning"], "got 0 states, expected at least one state"),
        (["samples", "one/run.pt", "two/run.pt"], "got 2 states, expected one state"),
        (["samples", "one/rum.pt"], "one/rum.pt: no such state; did you mean 'run.pt'?"),
        (["samples", "one/run.pt", "--out=a.pdf"], "a.pdf: the suffix is '.pdf'; expected .png or"),
        (["samples", "one/run.pt", "--out=one/run.pt/a.png"], "can't be written"),
        (["learning", "one/run.pt", "--smooth=0"], "smooth: got '0', expected a whole number"),
        (["learning", "one/run.pt", "--figure=los"], "figure is 'los'; did you mean 'loss'?"),
    ],
)
def test_mistakes(capsys, words, sentence):
    assert main(["plot", *words]) == 2
    told = capsys.readouterr()
    assert told.err.startswith("symdisc: ")
    assert sentence in told.err
    assert told.err.count("\n") == 1
    assert sorted(path.name for path in Path().rglob("*")) == ["one", "run.pt", "run.pt", "two"]
