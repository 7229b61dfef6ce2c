"""A toy corpus of 20 words read letter by letter, and how well a network reads it."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from sdnet.errors import InputError

LETTERS = "crsaoutbn"
CORPUS = "cat cab can cot cob con cut cub rat ran rot rob rut rub run sat sot sob son sun"
WORDS = tuple(CORPUS.split())


class ToyOP:
    """Words as given units, their letters one after the other as targets.

    `x` (20, ticks, 20): one unit for each word, on at all ticks. `y` (20, ticks, 9): one unit for
    each of the letters c r s a o u t b n; that of the first letter is on in the first third of the
    ticks, and so on.

    Raises:
        InputError: ticks that are not divisible by 3.

    >>> corpus = ToyOP()
    >>> corpus.x.shape, corpus.y.shape, corpus.decode(corpus.y)[:3]
    (torch.Size([20, 30, 20]), torch.Size([20, 30, 9]), ['cat', 'cab', 'can'])
    """

    letters = LETTERS
    words = WORDS

    def __init__(self, ticks: int = 30):
        if not isinstance(ticks, int) or isinstance(ticks, bool) or ticks < 3 or ticks % 3:
            raise InputError(f"ticks is {ticks!r}; expected a multiple of 3, 3 or more")
        self.ticks = ticks
        self.x = torch.eye(len(WORDS))[:, None].repeat(1, ticks, 1)
        places = torch.tensor([[LETTERS.index(letter) for letter in word] for word in WORDS])
        self.y = torch.eye(len(LETTERS))[places].repeat_interleave(ticks // 3, 1)

    def decode(self, phonology: Float[Tensor, "b ticks letters"]) -> list[str]:
        """The word in each example's activations: see `decode`."""
        return decode(phonology, LETTERS)

    def tick_accuracy(self, phonology: Float[Tensor, "*b letters"]) -> float:
        """The share of ticks, of all words, at which the most active letter is the target's.

        Raises:
            InputError: activations of another shape than the targets'.
        """
        self._check(phonology)
        return (phonology.argmax(-1).cpu() == self.y.argmax(-1)).float().mean().item()

    def right(self, phonology: Float[Tensor, "*b letters"]) -> list[bool]:
        """Of each word, whether it is read right: see `decode`.

        Raises:
            InputError: activations of another shape than the targets'.
        """
        self._check(phonology)
        return [found == word for found, word in zip(self.decode(phonology), WORDS, strict=True)]

    def word_accuracy(self, phonology: Float[Tensor, "*b letters"]) -> float:
        """The share of words that are read right."""
        return sum(self.right(phonology)) / len(WORDS)

    def _check(self, phonology: Tensor) -> None:
        if phonology.shape != self.y.shape:
            raise InputError(
                f"the activations have shape {tuple(phonology.shape)}; expected "
                f"{tuple(self.y.shape)}, for each word, tick and letter"
            )
        if phonology.isnan().any():
            raise InputError("an activation is nan, so no letter is the most active")


def decode(phonology: Float[Tensor, "b ticks letters"], letters: Sequence[str]) -> list[str]:
    """Words of three letters: in each third of the ticks, the letter that wins the most ticks.

    A letter wins a tick by the largest activation. Of letters that win as many ticks, the one
    with the larger sum of activations over that third counts.

    Raises:
        InputError: ticks that are not divisible by 3.
    """
    examples, ticks, count = phonology.shape
    if ticks % 3:
        raise InputError(f"the activations have {ticks} ticks; expected a multiple of 3")
    thirds = phonology.reshape(examples, 3, ticks // 3, count)
    wins = torch.nn.functional.one_hot(thirds.argmax(-1), count).sum(2)
    means = thirds.mean(2)  # below 1, so that they only decide between equal numbers of wins
    places = (wins + 0.5 * means).argmax(-1)
    return ["".join(letters[place] for place in word) for word in places.tolist()]
