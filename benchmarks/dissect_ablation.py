"""How fast ablation is, against a plain loop and captum, and what the best direction does.

    python benchmarks/dissect_ablation.py [--mnist FILE]

One thread. Times are in milliseconds, the least of several repetitions; "CPU" is the time of the
process, which other programs disturb less. The networks of the directions are 784-128-128-10,
trained here on MNIST for 5 epochs by SGD (lr 1e-3, batch 64), once for each way of scaling the
images: how far such a short training comes depends on it.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch
from captum.attr import LayerFeatureAblation
from torch import Tensor, nn

from srnet.dissect.ablation import Ablation, ablate_units
from srnet.dissect.classifiers import accuracy, dense, train_classifier
from srnet.dissect.data import Dataset, load_dataset
from srnet.dissect.informative import most_informative_direction
from srnet.texttable import as_table

MNIST = Path(__file__).resolve().parents[2] / "shared" / "mnist.npz"
WIDTHS = (784, 128, 128, 10)
SCALES = {
    "0 to 1": lambda x: x,
    "-1 to 1": lambda x: 2 * x - 1,
    "mean 0, deviation 1": lambda x: (x - 0.1307) / 0.3081,
}
LIMIT = 10.0  # milliseconds


def plain_loop(model: nn.Module, layer: str, x: Tensor, units: int) -> Tensor:
    """KL(original || ablated) for each unit and example, by one forward pass for each unit."""
    with torch.no_grad():
        p = model(x).log_softmax(1)
        divergences = []
        for unit in range(units):

            def remove(_: nn.Module, __: object, output: Tensor, unit: int = unit) -> Tensor:
                output = output.clone()
                output[:, unit] = 0
                return output

            handle = model.get_submodule(layer).register_forward_hook(remove)
            q = model(x).log_softmax(1)
            handle.remove()
            divergences.append((p.exp() * (p - q)).sum(1))
        return torch.stack(divergences)


def captums(model: nn.Sequential, layer: str, x: Tensor, figure: Callable) -> Tensor:
    """The change of a figure of the output, for each unit and example."""
    with torch.no_grad():
        method = LayerFeatureAblation(lambda x: figure(model(x)), model.get_submodule(layer))
        return -method.attribute(x).T


def least(run: Callable[[], object], times: int) -> tuple[float, float]:
    """Milliseconds by the clock and of the process, the least of so many runs."""
    walls, cpus = [], []
    for _ in range(times):
        wall, cpu = time.perf_counter(), time.process_time()
        run()
        walls.append(1e3 * (time.perf_counter() - wall))
        cpus.append(1e3 * (time.process_time() - cpu))
    return min(walls), min(cpus)


def speed(x: Tensor, y: Tensor, model: nn.Sequential) -> list[dict]:
    """All 128 units of the second layer on 640 images."""

    def loss(logits: Tensor) -> Tensor:
        return nn.functional.cross_entropy(logits, y, reduction="none")

    ours = least(lambda: ablate_units(model, "relu2", x), 40)
    labelled = least(lambda: ablate_units(model, "relu2", x, y), 40)
    plain = least(lambda: plain_loop(model, "relu2", x, WIDTHS[2]), 3)
    theirs = least(lambda: captums(model, "relu2", x, loss), 3)
    found = ablate_units(model, "relu2", x, y)
    apart = {
        "captum": found.loss_change - captums(model, "relu2", x, loss),
        "the loop": found.kl - plain_loop(model, "relu2", x, WIDTHS[2]),
    }
    rows = [
        _row("128 units, 640 images: ms", f"<= {LIMIT:g}", ours[0], plain[0]),
        _row("the same, CPU", f"<= {LIMIT:g}", ours[1], plain[1]),
        _row("with losses and accuracies: ms, CPU", None, labelled[1], plain[1]),
        _row("captum's LayerFeatureAblation: ms, CPU", None, theirs[1], plain[1]),
    ]
    for name, difference in apart.items():
        largest = float(difference.abs().max())
        rows.append(_row(f"largest difference from {name}", "<= 1e-5", largest, None))
    return rows


def _row(
    figure: str,
    required: str | None,
    measured: float,
    other: float | None,
    what: str | None = "a plain loop",
) -> dict:
    larger = None if other is None else max(other, measured) / min(other, measured)
    return {
        "figure": figure,
        "required": required,
        "measured": measured,
        "beside it": None if other is None else what,
        "has": other,
        "ratio": larger,
    }


def trained(data: Dataset, scale: Callable[[Tensor], Tensor]) -> nn.Sequential:
    """The network whose directions are sought."""
    generator = torch.Generator().manual_seed(0)
    model = dense(WIDTHS, generator)
    options = {"epochs": 5, "batch_size": 64, "lr": 1e-3, "optimizer": "sgd"}
    train_classifier(model, scale(data.x_train), data.y_train, generator=generator, **options)
    return model


def directions(data: Dataset) -> list[dict]:
    """Sums of KL over 64 test images: the best direction, the best unit, random ones."""
    rows = []
    for name, scale in SCALES.items():
        model = trained(data, scale)
        reached = accuracy(model, scale(data.x_test), data.y_test)
        for layer in ("fc2", "relu2"):
            for measure in ("kl", "kl_reverse"):
                generator = torch.Generator().manual_seed(0)
                began = time.process_time()
                found = most_informative_direction(
                    model, layer, scale(data.x_test[:64]), generator=generator, measure=measure
                )
                seconds = time.process_time() - began
                rows.append(
                    {
                        "images": name,
                        "test accuracy": reached,
                        "layer": layer,
                        "measure": measure,
                        "best (required > 100)": float(found.starts.max()),
                        "median start": float(found.starts.median()),
                        "best unit (about 1.4)": largest(found.units, measure),
                        "random (about 0.12)": average(found.random, measure),
                        "CPU s": seconds,
                    }
                )
    return rows


def largest(found: Ablation, measure: str) -> float:
    """Of all ablations the largest sum over the examples."""
    return float(getattr(found, measure).sum(1).max())


def average(found: Ablation, measure: str) -> float:
    """The mean over the ablations of the sum over the examples."""
    return float(getattr(found, measure).sum(1).mean())


def measure(mnist: Path = MNIST) -> list[dict]:
    """The figures of speed, and the required ones of the directions (see `directions`)."""
    data = load_dataset(mnist)
    rows = speed(data.x_test[:640], data.y_test[:640], trained(data, SCALES["-1 to 1"]))
    table = directions(data)
    print(as_table(table), end="\n\n")
    for row in table:
        if row["measure"] == "kl":
            figure = f"KL without the best direction, {row['layer']}, images {row['images']}"
            required = "> 100" if row["images"] == "-1 to 1" else None
            best, unit = row["best (required > 100)"], row["best unit (about 1.4)"]
            rows.append(_row(figure, required, best, unit, "the best unit"))
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mnist", type=Path, default=MNIST, help="an .npz of MNIST")
    torch.set_num_threads(1)
    print(as_table(measure(parser.parse_args().mnist)))
