"""Information between units: how long it takes, and how near it is to what is known.

python benchmarks/dissect_information.py [--mnist FILE]

One thread. Times are the least of several repetitions, of the process and by the clock, with a
plain loop kept beside them.
"""

import argparse
import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import mutual_info_score

from srnet.dissect.binning import discretise
from srnet.dissect.classifiers import accuracy, dense, train_classifier
from srnet.dissect.data import load_dataset
from srnet.dissect.estimators import mutual_information
from srnet.dissect.groups import class_modules
from srnet.dissect.information import pair_information
from srnet.dissect.initial import untrained
from srnet.dissect.modularity import MEASURES, modularity_measures
from srnet.dissect.recording import activations
from srnet.texttable import as_table

MNIST = Path(__file__).resolve().parents[2] / "shared" / "mnist.npz"
EXAMPLES, UNITS = 640, 128
RHOS = (0.0, 0.3, 0.6, 0.9, 0.95)


def least(function: Callable, times: int = 5) -> tuple[float, float]:
    """The least seconds of the process, and by the clock, of several calls."""
    found = []
    for _ in range(times):
        process, clock = time.process_time(), time.perf_counter()
        function()
        found.append((time.process_time() - process, time.perf_counter() - clock))
    return min(one for one, _ in found), min(one for _, one in found)


def plain_loop(a: torch.Tensor, b: torch.Tensor) -> np.ndarray:
    """Plug-in information of all pairs, one pair after another, by scikit-learn."""
    codes_a, codes_b = (discretise("a", side).numpy() for side in (a, b))
    return np.array([[mutual_info_score(x, y) for y in codes_b.T] for x in codes_a.T])


def layers(rectify: bool, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Two independent layers of 128 units on 640 examples."""
    generator = torch.Generator().manual_seed(seed)
    a, b = (torch.randn(EXAMPLES, UNITS, generator=generator) for _ in range(2))
    return (a.relu(), b.relu()) if rectify else (a, b)


def all_pairs() -> list[dict]:
    """The 16,384 pairs of two layers: seconds, and what independent units show."""
    a, b = layers(rectify=True)
    part = 8  # of the plain loop's rows, so that it takes seconds only
    loop = least(lambda: plain_loop(a[:, :part], b), 2)[0] * UNITS / part
    rows = []
    for estimator in ("plug-in", "miller-madow", "shuffle"):
        process, clock = least(lambda name=estimator: mutual_information(a, b, estimator=name))
        rows.append(
            {
                "what": f"all pairs of 128 and 128 ReLUs, 640 examples, {estimator}, s",
                "required": "<= 0.5",
                "measured": process,
                "by the clock": clock,
                "ratio to a plain loop": loop / process,
            }
        )
    for estimator in ("plug-in", "miller-madow", "shuffle"):
        for rectify in (False, True):
            found = mutual_information(*layers(rectify), estimator=estimator)
            kind = "ReLUs" if rectify else "Gaussians"
            required = None if estimator == "plug-in" else "< 0.005"
            rows.append(
                _row(f"independent {kind}, {estimator}: mean |I|, nats", required, found.abs())
            )
            rows.append(_row(f"independent {kind}, {estimator}: mean I, nats", required, found))
    return rows


def neighbours() -> list[dict]:
    """KSG on Gaussian pairs of known correlation, 2,000 samples, 20 draws each."""
    generator = torch.Generator().manual_seed(0)
    rows = []
    for rho in RHOS:
        exact, draws = 0.5 * math.log(1 / (1 - rho**2)), []
        for _ in range(20):
            z = torch.randn(2000, 2, generator=generator, dtype=torch.float64)
            x, y = z[:, :1], rho * z[:, :1] + math.sqrt(1 - rho**2) * z[:, 1:]
            draws.append(mutual_information(x, y, estimator="ksg").item() - exact)
        errors = torch.tensor(draws)
        name = f"KSG, rho {rho}: {exact:.4f} nats"
        rows.append(_row(f"{name}, error of the mean of 20 draws", "|.| <= 0.02", errors))
        rows.append(_row(f"{name}, mean |error| of a draw", "<= 0.05", errors.abs()))
        rows.append(
            _row(f"{name}, share of draws within 0.05", None, (errors.abs() < 0.05).double())
        )
    a, b = (side[:, :10] for side in layers(rectify=True))
    process, clock = least(lambda: mutual_information(a, b, estimator="ksg"), 3)
    rows.append(
        _row("KSG of one pair, 640 examples, ms", None, torch.tensor(10 * process))
        | {"by the clock": 10 * clock}
    )
    return rows


def halves() -> list[dict]:
    """Two networks side by side, each reading a digit of its own: the first is a module."""
    data, half = load_dataset(), 32
    parts: dict[str, list[torch.Tensor]] = {"relu1": [], "relu2": []}
    for seed in (0, 1):
        generator = torch.Generator().manual_seed(seed)
        model = dense([data.x_train.shape[1], half, half, data.classes], generator)
        train_classifier(model, data.x_train, data.y_train, generator=generator)
        x = data.x_train[torch.randperm(len(data.x_train), generator=generator)[:EXAMPLES]]
        for name, values in activations(model, x, list(parts)).items():
            parts[name].append(values)
    acts = {name: torch.cat(values, dim=1) for name, values in parts.items()}
    first, last = torch.arange(half), torch.arange(half, 2 * half)
    mixed = torch.cat([first[: half // 2], last[: half // 2]])
    modules = {
        "one half": {"relu1": first, "relu2": first},
        "crossed": {"relu1": first, "relu2": last},
        "half of each": {"relu1": mixed, "relu2": mixed},
    }
    report = modularity_measures(acts, modules)
    return [
        _row(f"{entry.module}: {name}, nats (p = {p:.3f})", None, value)
        for entry in report.entries
        for name, value, p in zip(MEASURES, entry.measures, entry.p_values(), strict=True)
    ]


def trained(path: Path) -> list[dict]:
    """MNIST: what a trained network's units tell of each other, modules of the classes."""
    data, generator = load_dataset(path), torch.Generator().manual_seed(0)
    model = dense([data.x_train.shape[1], UNITS, UNITS, data.classes], generator)
    train_classifier(model, data.x_train, data.y_train, epochs=3, generator=generator)
    right = accuracy(model, data.x_test, data.y_test)
    rows = [_row(f"{path.stem}, 3 epochs of Adam: accuracy", None, torch.tensor(right))]
    names = ["relu1", "relu2"]
    for kind, network in (("trained", model), ("untrained", untrained(model, generator))):
        acts = activations(network, data.x_test[:EXAMPLES], names)
        values = pair_information(acts, *names).values
        rows.append(_row(f"{kind}, relu1 and relu2: mean I, nats", None, values))
    acts = activations(model, data.x_test, names)
    process, clock = least(lambda: pair_information(acts, *names), 2)
    count = len(data.x_test)
    seconds = _row(f"all pairs, {count} examples, s", None, torch.tensor(process))
    rows.append(seconds | {"by the clock": clock})
    acts = {name: values[:EXAMPLES] for name, values in acts.items()}
    modules = class_modules(acts, data.y_test[:EXAMPLES])
    process, clock = least(lambda: modularity_measures(acts, modules), 2)
    seconds = _row("10 modules against 199 random ones, s", None, torch.tensor(process))
    return [*rows, seconds | {"by the clock": clock}]


def _row(what: str, required: str | None, values: torch.Tensor) -> dict:
    return {
        "what": what,
        "required": required,
        "measured": float(values.double().mean()),
        "by the clock": None,
        "ratio to a plain loop": None,
    }


def measure(mnist: Path = MNIST) -> list[dict]:
    """All rows; those of MNIST where the file is there."""
    torch.set_num_threads(1)
    return all_pairs() + neighbours() + halves() + (trained(mnist) if mnist.exists() else [])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mnist", type=Path, default=MNIST, help="an .npz of MNIST")
    print(as_table(measure(parser.parse_args().mnist)))
