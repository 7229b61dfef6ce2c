"""`symdisc dissect train`: a dense classifier to dissect."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from sdnet.errors import InputError
from srnet.runs.arguments import parse_args
from srnet.runs.commands.dissecting.given import SOURCES
from srnet.runs.config import Count, Counts, FilePath, Positive, Seed, Settings, Text


class TrainSettings(Settings):
    """The data, the network, its training, and where its state goes."""

    data: Text = Field("digits", description=SOURCES)
    hidden: Counts = Field((128, 128), description="units of each hidden layer")
    epochs: Count = Field(10, description="passes over the training examples")
    batch_size: Count = Field(64, description="examples of a step")
    lr: Positive = Field(1e-3, description="learning rate")
    optimizer: Literal["adam", "sgd"] = Field("adam", description="adam, or sgd without momentum")
    seed: Seed = Field(0, description="what weights and the order of examples follow from")
    out: FilePath = Field(Path("models/classifier.pt"), description="file of the state")


def command(words: Sequence[str]) -> None:
    """`symdisc dissect train [--KEY VALUE ...]`"""
    settings = parse_args(
        TrainSettings, words, "symdisc dissect train", "Train a dense classifier, to dissect it."
    )
    import torch

    from srnet.dissect.classifiers import accuracy, dense, train_classifier
    from srnet.dissect.data import load_dataset
    from srnet.runs.networks import save_network
    from srnet.runs.states import check_writable, contents, load_state

    if settings.out.is_file():
        there = load_state(settings.out)
        if "widths" not in there:
            raise InputError(f"{settings.out}: holds {contents(there)}; choose another --out")
    check_writable(settings.out)
    data = load_dataset(settings.data)
    generator = torch.Generator().manual_seed(settings.seed)
    model = dense([data.x_train.shape[1], *settings.hidden, data.classes], generator)
    losses = train_classifier(
        model,
        data.x_train,
        data.y_train,
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        lr=settings.lr,
        optimizer=settings.optimizer,
        generator=generator,
    )
    if not math.isfinite(losses[-1]):
        raise InputError(f"training became non-finite with lr {settings.lr:g}; choose a lower --lr")
    found = accuracy(model, data.x_test, data.y_test)
    save_network(
        settings.out,
        model,
        data=settings.data,
        seed=settings.seed,
        losses=losses,
        accuracy=found,
    )
    print(f"accuracy on {len(data.y_test)} test examples: {found:.4f}")
    print(f"state: {settings.out}")
