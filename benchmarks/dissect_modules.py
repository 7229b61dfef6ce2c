"""Which units of an MNIST network "is it a 0?" needs: how few, how well, how steadily, how fast.

    python benchmarks/dissect_modules.py [MNIST.npz]

The network is 784-300-100-10, trained for 10 epochs by Adam, for each of three seeds; masks are
trained for 10 and for 30 epochs of batches of 512. Scores are of the test images, which nothing is
chosen by. The plain twin runs the whole network for each step, from the pixels, with a mask for
each example written out. One thread; seconds are of the CPU.
"""

import math
import sys
import time
from pathlib import Path
from statistics import fmean

import torch
from torch import nn

from srnet.dissect import Search, dense, discover_module, load_dataset, one_against_rest
from srnet.dissect.classifiers import train_classifier
from srnet.dissect.data import Dataset
from srnet.texttable import as_table

MNIST = Path(__file__).parents[2] / "shared/mnist.npz"
SEEDS, BATCH, ALPHA, TWIN_STEPS = range(3), 512, 0.004, 30


def measure(path: str | Path = MNIST) -> list[dict]:
    """Rows of what was required and what was measured."""
    data = load_dataset(path)
    epoch = math.ceil(len(data.x_train) / BATCH)
    sizes: dict[int, list[int]] = {10: [], 30: []}
    scores, seconds, twins = [], [], []
    for seed in SEEDS:
        model = _network(data, seed)
        for epochs, found in sizes.items():
            began = time.process_time()
            module = discover_module(
                model,
                ["relu1", "relu2"],
                (data.x_train, data.y_train),
                one_against_rest(0, classes=10),
                ALPHA,
                search=Search(steps=epochs * epoch, batch_size=BATCH),
                generator=torch.Generator().manual_seed(seed),
            )
            found.append(module.size)
            if epochs == 10:
                seconds.append(time.process_time() - began)
                scores.append(module.score((data.x_test, data.y_test)))
        twins.append(_plain_step(model, data) * 10 * epoch)
    mean = {epochs: fmean(found) for epochs, found in sizes.items()}
    change = max(abs(b - a) / a for a, b in zip(sizes[10], sizes[30], strict=True))
    return [
        _row("units kept of 400", "<= 20", mean[10]),
        _row("accuracy", ">= 0.98", fmean(one.accuracy for one in scores)),
        _row("balanced accuracy", ">= 0.98", fmean(one.balanced_accuracy for one in scores)),
        _row("units kept after 30 epochs", "within 20 %", mean[30]),
        _row("largest change of a seed", "< 0.2", change),
        _row("seconds of a module", "< 60", min(seconds), min(twins) / min(seconds)),
    ]


def _row(what: str, required: str, measured: float, ratio: float | None = None) -> dict:
    return {"what": what, "required": required, "measured": measured, "plain loop / ours": ratio}


def _network(data: Dataset, seed: int) -> nn.Sequential:
    generator = torch.Generator().manual_seed(seed)
    model = dense([784, 300, 100, 10], generator)
    train_classifier(
        model, data.x_train, data.y_train, epochs=10, batch_size=128, generator=generator
    )
    return model


def _plain_step(model: nn.Sequential, data: Dataset) -> float:
    """Seconds of a step of the plain twin."""
    logits = [torch.zeros(units, requires_grad=True) for units in (300, 100)]
    head = nn.Linear(100, 2)
    optimizer = torch.optim.Adam([*logits, *head.parameters()], lr=0.1)
    steps = []
    for _ in range(TWIN_STEPS):
        began = time.process_time()
        rows = torch.randint(len(data.x_train), (BATCH,))
        masks = []
        for of_layer in logits:
            uniform = torch.rand(BATCH, len(of_layer)).clamp(1e-7, 1 - 1e-7)
            soft = torch.sigmoid((of_layer + uniform.logit()) / 0.5)
            masks.append((soft > 0.5).float() + (soft - soft.detach()))
        acts = model.relu1(model.fc1(data.x_train[rows])) * masks[0]
        acts = model.relu2(model.fc2(acts)) * masks[1]
        loss = nn.functional.cross_entropy(head(acts), (data.y_train[rows] == 0).long())
        optimizer.zero_grad()
        (loss + ALPHA * sum(of_layer.sigmoid().sum() for of_layer in logits)).backward()
        optimizer.step()
        steps.append(time.process_time() - began)
    return min(steps)


def main() -> None:
    torch.set_num_threads(1)
    print(as_table(measure(*sys.argv[1:2])))


if __name__ == "__main__":
    main()
