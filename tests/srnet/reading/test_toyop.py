"""The toy corpus, and what counts as read right."""

import pytest
import torch

from sdnet.errors import InputError
from srnet.reading import ToyOP, decode
from srnet.reading.toyop import LETTERS, WORDS


@pytest.mark.parametrize("ticks", [3, 30])
def test_each_word_has_its_unit_at_all_ticks_and_each_letter_a_third(ticks):
    corpus = ToyOP(ticks)
    third = ticks // 3
    for row, word in enumerate(WORDS):
        assert torch.equal(corpus.x[row], torch.eye(20)[row].expand(ticks, 20))
        for tick in range(ticks):
            letter = word[tick // third]
            assert corpus.y[row, tick].nonzero().tolist() == [[LETTERS.index(letter)]]
    assert len(set(WORDS)) == 20
    assert corpus.decode(corpus.y) == list(WORDS)
    assert corpus.tick_accuracy(corpus.y) == corpus.word_accuracy(corpus.y) == 1


def spell(*ticks):
    """Activations whose largest at each tick is that of a letter."""
    places = torch.tensor([LETTERS.index(letter) for letter in ticks])
    return 0.2 + 0.6 * torch.eye(len(LETTERS))[places][None]


@pytest.mark.parametrize(
    ("ticks", "word"),
    [
        ("ccccaaaatttt", "cat"),
        ("rcccsaaauttt", "cat"),  # three of four
        ("rcscauaosttb", "cat"),  # two of four, the others once
        ("cccccccccccc", "ccc"),
    ],
)
def test_the_letter_that_wins_most_ticks_of_a_third_is_read(ticks, word):
    assert decode(spell(*ticks), LETTERS) == [word]


def test_letters_that_win_as_many_ticks_go_by_their_activation():
    acts = spell(*"ccrraaaatttt")
    assert decode(acts, LETTERS) == ["cat"]
    acts[0, 2:4, LETTERS.index("r")] += 0.1
    assert decode(acts, LETTERS) == ["rat"]
    acts[0, 0, LETTERS.index("b")] = 0.79  # large, but it wins no tick
    acts[0, 1:4, LETTERS.index("b")] = 0.78
    assert decode(acts, LETTERS) == ["rat"]


def test_accuracy_of_ticks_is_of_the_most_active_letter_and_not_of_units():
    corpus = ToyOP(3)
    read = corpus.y * 0.1  # all units far below 0.5, all letters right
    read[:5, 0] = spell("b")[0]  # no word begins with b
    assert corpus.tick_accuracy(read) == pytest.approx(55 / 60)
    assert corpus.word_accuracy(read) == 0.75
    assert corpus.right(read) == [False] * 5 + [True] * 15


@pytest.mark.parametrize("ticks", [0, -3, 31, 2, True])
def test_ticks_that_are_not_divisible_by_3(ticks):
    with pytest.raises(InputError, match=r"ticks is .*; expected a multiple of 3"):
        ToyOP(ticks)


@pytest.mark.parametrize(
    ("shape", "message"),
    [((20, 30, 8), r"\(20, 30, 8\); expected"), ((19, 30, 9), r"\(19, 30, 9\); expected")],
)
def test_activations_of_another_corpus(shape, message):
    for figure in (ToyOP().tick_accuracy, ToyOP().word_accuracy):
        with pytest.raises(InputError, match=message):
            figure(torch.zeros(shape))


def test_activations_that_are_not_numbers():
    read = ToyOP().y.clone()
    read[3, 4, 5] = float("nan")
    for figure in (ToyOP().tick_accuracy, ToyOP().word_accuracy):
        with pytest.raises(InputError, match="an activation is nan"):
            figure(read)


def test_words_of_ticks_that_are_not_divisible_by_3():
    with pytest.raises(InputError, match="10 ticks; expected a multiple of 3"):
        decode(torch.zeros(1, 10, 9), LETTERS)
