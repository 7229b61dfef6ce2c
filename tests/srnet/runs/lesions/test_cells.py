"""One cell: the way it is retrained, and what is measured."""

import itertools

import pytest
import torch

from sdnet.errors import InputError
from srnet.reading import PMSP, ToyOP, fit, shrink_layer
from srnet.runs.curves import random_stream
from srnet.runs.lesions.cells import Cell, measure, run_cell, train_parent
from srnet.runs.lesions.damages import UNDAMAGED, Damage
from srnet.runs.lesions.protocol import Protocol

PROTOCOL = Protocol(h_units=6, c_units=3, ticks=6, epochs=20, batch_size=7, retrain=7, every=3)
CORPUS = ToyOP(6)


@pytest.fixture(scope="module")
def parent():
    return train_parent(PROTOCOL, 3)


def says(outputs, noise=None):
    """A network that gives these outputs in turn, each for the 20 words."""
    model = PMSP(0.1, h_units=2, p_units=9, c_units=2, seed=0)
    turns = itertools.cycle(outputs)

    def forward(x, generator):
        return {"phonology": torch.cat([next(turns) for _ in range(len(x) // 20)])}

    model.forward = forward
    model.noise = noise or {}
    return model


@pytest.mark.parametrize("optimizer", ["carried", "fresh"])
def test_retraining_in_stretches_is_retraining_in_one_go(parent, optimizer):
    """The control of seed 3 against a twin that is trained by `fit` without any stops."""
    before = parent.w_hp.detach().clone()
    rows = run_cell(parent, Cell(Damage(UNDAMAGED, None), optimizer, 3), PROTOCOL)
    assert torch.equal(parent.w_hp, before)
    assert [row["epoch"] for row in rows] == [0, 3, 6, 7]
    twin = parent.with_state(parent.to_state())
    order = random_stream(3, "retraining")
    settings = {"batch_size": 7, "lr": 0.05, "optimizer": optimizer, "generator": order}
    fit(twin, CORPUS.x, CORPUS.y, epochs=7, **settings)
    after = measure(twin, CORPUS, torch.Generator())
    assert {key: rows[-1][key] for key in after} == after
    assert rows[0]["tick_accuracy"] == measure(parent, CORPUS, torch.Generator())["tick_accuracy"]


def test_a_cell_is_the_same_again_and_the_damage_is_in_its_first_row(parent):
    cell = Cell(Damage("zero_out:pp", 0.8), "fresh", 3)
    rows = run_cell(parent, cell, PROTOCOL)
    assert rows == run_cell(parent, cell, PROTOCOL)
    damaged = cell.damage.inflict(parent, random_stream(3, "damage"))
    expected = measure(damaged, CORPUS, torch.Generator())
    assert {key: rows[0][key] for key in expected} == expected
    carried = run_cell(parent, Cell(cell.damage, "carried", 3), PROTOCOL)
    assert carried[0] == {**rows[0], "optimizer": "carried"}


def test_no_retraining_is_one_row(parent):
    protocol = PROTOCOL.model_copy(update={"retrain": 0})
    assert len(run_cell(parent, Cell(Damage("cut:hp", None), "fresh", 3), protocol)) == 1


def test_shares_of_ticks_and_words_that_are_right():
    """All right; then cat is read as cab, which is wrong in the last third of its ticks."""
    right, confused = CORPUS.y, CORPUS.y.clone()
    confused[0] = CORPUS.y[1]
    assert measure(says([right]), CORPUS, torch.Generator()) == {
        "tick_accuracy": 1.0,
        "word_accuracy": 1.0,
        "wrong": "",
    }
    found = measure(says([confused]), CORPUS, torch.Generator())
    assert found["tick_accuracy"] == pytest.approx(1 - 1 / 60)
    assert (found["word_accuracy"], found["wrong"]) == (pytest.approx(0.95), "cat")


def test_with_noise_passes_are_averaged_and_a_word_is_wrong_by_half_of_them():
    right, confused = CORPUS.y, CORPUS.y.clone()
    confused[0] = CORPUS.y[1]
    noise = {"phonology": 1.0}
    half = measure(says([right, confused], noise), CORPUS, torch.Generator())
    assert half["word_accuracy"] == pytest.approx(0.975)
    assert half["wrong"] == "cat"
    seldom = measure(says([right, right, confused], noise), CORPUS, torch.Generator())
    assert seldom["wrong"] == ""


def test_words_are_wrong_whose_letters_have_no_unit_any_more(parent):
    """A network right in all its units: without that of s, only words with an s are wrong."""
    kept = [unit for unit in range(9) if CORPUS.letters[unit] != "s"]
    model = shrink_layer(says([]), "phonology", [CORPUS.letters.index("s")])
    model.forward = lambda x, generator: {"phonology": CORPUS.y[..., kept]}
    found = measure(model, CORPUS, torch.Generator())
    assert found["wrong"].split() == ["sat", "sot", "sob", "son", "sun"]
    assert found["word_accuracy"] == pytest.approx(15 / 20)
    rows = run_cell(parent, Cell(Damage("shrink:phonology", 0.4), "carried", 3), PROTOCOL)
    assert len(rows) == 4  # retrained on the targets that are left


def test_activations_that_are_not_finite_are_told():
    """The largest of NaNs is the first, so that words with a c would count as half right."""
    with pytest.raises(InputError, match="activations aren't finite"):
        measure(says([torch.full_like(CORPUS.y, torch.nan)]), CORPUS, torch.Generator())
