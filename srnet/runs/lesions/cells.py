"""One cell of the study: a trained network damaged once, retrained, and measured on the way.

What may live here: training the network that is damaged, the cell, and what is measured.
"""

from dataclasses import dataclass

import torch

from sdnet.errors import InputError
from srnet.reading import PMSP, ToyOP, fit, in_full
from srnet.reading.network import Network
from srnet.runs.curves import random_stream
from srnet.runs.lesions.damages import Damage
from srnet.runs.lesions.protocol import Protocol

NOISY_PASSES = 10
"""A network with noise is measured as the mean of so many passes."""


@dataclass(frozen=True)
class Cell:
    """One damage to the network of one seed, retrained with one treatment of the optimiser."""

    damage: Damage
    optimizer: str
    seed: int

    @property
    def name(self) -> str:
        """What its file is called."""
        return f"{self.damage.label.replace(':', '-')}-{self.optimizer}-seed{self.seed}"


def train_parent(protocol: Protocol, seed: int) -> PMSP:
    """The undamaged network of a seed, trained on the toy corpus."""
    corpus = ToyOP(protocol.ticks)
    letters = len(corpus.letters)
    model = PMSP(protocol.tau, protocol.h_units, letters, protocol.c_units, seed=seed)
    _fit(model, corpus, protocol, protocol.epochs, "fresh", random_stream(seed, "training"))
    return model


def run_cell(parent: Network, cell: Cell, protocol: Protocol) -> list[dict]:
    """A row for each epoch of retraining that is measured: 0, `every`, 2 `every`, ..., the last.

    What is random follows from the seed alone: the order of examples while retraining is that of
    the control, and of one kind of damage the more severe holds the less severe.

    Args:
        parent: the trained network of the cell's seed; it stays as it is.
    """
    corpus = ToyOP(protocol.ticks)
    model = cell.damage.inflict(parent, random_stream(cell.seed, "damage"))
    order, noise = random_stream(cell.seed, "retraining"), random_stream(cell.seed, "noise")
    rows, epoch, optimizer = [], 0, cell.optimizer
    while True:
        rows.append(
            {
                "damage": cell.damage.name,
                "severity": cell.damage.severity,
                "optimizer": cell.optimizer,
                "seed": cell.seed,
                "epoch": epoch,
                **measure(model, corpus, noise),
            }
        )
        epochs = min(protocol.every, protocol.retrain - epoch)
        if epochs == 0:
            return rows
        _fit(model, corpus, protocol, epochs, optimizer, order)
        epoch, optimizer = epoch + epochs, "carried"  # from one stretch to the next


@torch.no_grad()
def measure(model: Network, corpus: ToyOP, generator: torch.Generator) -> dict[str, float | str]:
    """The shares of ticks and of words that are right, and the words that are wrong.

    With noise they are means over passes, and a word is wrong that is so in half of them or more.

    Raises:
        InputError: activations that aren't finite, which say nothing.
    """
    passes = NOISY_PASSES if any(model.noise.values()) else 1
    phonology = model(corpus.x.repeat(passes, 1, 1), generator=generator)["phonology"]
    if not phonology.isfinite().all():
        raise InputError("activations aren't finite; expected a smaller lr or severity")
    outputs = in_full(model, "phonology", phonology).chunk(passes)
    right = torch.tensor([corpus.right(output) for output in outputs], dtype=torch.float64).mean(0)
    wrong = [word for word, share in zip(corpus.words, right, strict=True) if share <= 0.5]
    return {
        "tick_accuracy": sum(map(corpus.tick_accuracy, outputs)) / passes,
        "word_accuracy": right.mean().item(),
        "wrong": " ".join(wrong),
    }


def _fit(
    model: Network,
    corpus: ToyOP,
    protocol: Protocol,
    epochs: int,
    optimizer: str,
    order: torch.Generator,
) -> None:
    fit(
        model,
        corpus.x,
        model.targets_left(corpus.y),
        epochs=epochs,
        batch_size=protocol.batch_size,
        lr=protocol.lr,
        optimizer=optimizer,
        generator=order,
    )
