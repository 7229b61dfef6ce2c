"""How fast all subsets of the circle network's 20 units are, against a plain loop.

    python benchmarks/dissect_subsets.py

One thread. Times are seconds, the least of several repetitions; "CPU" is the time of the process,
which other programs disturb less. The loop runs the layer after the units for one subset after
another: for some of them, its time then scaled to all 2^20. "One product" is one product of
matrices for a block of subsets and a softplus of its margins.
"""

import copy
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, softplus

from srnet.dissect.circle import circle_points, train_circle
from srnet.dissect.games import pair_interactions, shapley_values
from srnet.dissect.paths import path_covariance
from srnet.dissect.subset_numbers import members
from srnet.dissect.subsets import subset_losses, subset_table
from srnet.dissect.switches import subset_gradients, switch_gradients
from srnet.texttable import as_table

UNITS, POINTS = 20, 1000
SUBSETS = 2**UNITS
LOOPED = 4000  # subsets that the loop is timed on
PIECES = 2**16  # and "one product"
CHECKED = 2000  # subsets that accuracy is judged on
SATURATED = 1e4


def plain_loop(model: nn.Sequential, x: Tensor, y: Tensor, numbers: Tensor) -> Tensor:
    """The loss of one subset after another."""
    with torch.no_grad():
        acts = model[:-1](x)
        return torch.stack(
            [
                cross_entropy(model[-1](acts * on), y)
                for on in members(numbers, UNITS).to(acts.dtype)
            ]
        )


def one_product(model: nn.Sequential, x: Tensor, y: Tensor, numbers: Tensor) -> Tensor:
    """The losses of subsets by margins (subsets, points) of one product, and a softplus."""
    with torch.no_grad():
        sign = (1 - 2 * y).to(x.dtype)
        effects = (model[:-1](x) * (model[-1].weight[1] - model[-1].weight[0])) * sign[:, None]
        bias = (model[-1].bias[1] - model[-1].bias[0]) * sign
        parts = members(numbers, UNITS).to(x.dtype).split(2**7)
        return torch.cat([softplus(on @ effects.T + bias).mean(1) for on in parts])


def least(run: Callable[[], object], times: int) -> tuple[float, float]:
    """Seconds by the clock and of the process, the least of so many runs."""
    walls, cpus = [], []
    for _ in range(times):
        wall, cpu = time.perf_counter(), time.process_time()
        run()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return min(walls), min(cpus)


def largest_difference(model: nn.Sequential, x: Tensor, y: Tensor, table: Tensor) -> float:
    """From the plain loop in float64, relative where losses are above 1."""
    numbers = torch.randint(SUBSETS, (CHECKED,), generator=torch.Generator().manual_seed(1))
    exact = plain_loop(copy.deepcopy(model).double(), x.double(), y, numbers)
    return float(((table[numbers] - exact).abs() / exact.clamp(min=1)).max())


def saturated(model: nn.Sequential, x: Tensor) -> nn.Sequential:
    """The network with its largest logit at SATURATED."""
    larger = copy.deepcopy(model)
    with torch.no_grad():
        scale = SATURATED / larger(x).abs().max()
        larger[-1].weight *= scale
        larger[-1].bias *= scale
    return larger


def _row(
    figure: str, required: str | None, measured: float, beside: str | None, has: float | None
) -> dict:
    ratio = None if has is None else has / measured
    return {
        "figure": figure,
        "required": required,
        "measured": measured,
        "beside it": beside,
        "has": has,
        "ratio": ratio,
    }


def measure() -> list[dict]:
    """One row a figure: what is required, what was measured, and a plain way beside it."""
    generator = torch.Generator().manual_seed(0)
    wall, cpu = least(lambda: train_circle(torch.Generator().manual_seed(0)), 1)
    rows = [_row("training the circle network: s, CPU", "seconds", cpu, None, None)]
    model, layer = train_circle(generator), "relu1"
    x, y = circle_points(POINTS, generator)
    some = torch.arange(0, SUBSETS, SUBSETS // LOOPED)
    piece = torch.arange(PIECES)
    loop = least(lambda: plain_loop(model, x, y, some), 2)[1] * SUBSETS / len(some)
    product = least(lambda: one_product(model, x, y, piece), 3)[1] * SUBSETS / PIECES
    wall, cpu = least(lambda: subset_losses(model, layer, x, y), 7)
    rows += [
        _row("2^20 losses, 1,000 points: s", "<= 1", wall, "a plain loop", loop),
        _row("the same, CPU", "<= 1", cpu, "a plain loop", loop),
        _row("the same, CPU", None, cpu, "one product", product),
    ]
    wall, cpu = least(lambda: subset_table(model, layer, x, y), 5)
    rows.append(_row("with accuracies: s, CPU", "<= 1", cpu, "a plain loop", loop))
    table = subset_losses(model, layer, x, y)
    difference = largest_difference(model, x, y, table)
    rows.append(_row("float32, largest difference from float64", "<= 1e-5", difference, None, None))
    larger = saturated(model, x)
    wall, cpu = least(lambda: subset_losses(larger, layer, x, y), 1)
    rows.append(_row("losses, logits of 1e4: s, CPU", None, cpu, "a plain loop", loop))
    difference = largest_difference(larger, x, y, subset_losses(larger, layer, x, y))
    rows.append(_row("the same, largest difference", "<= 1e-5", difference, None, None))
    wall, cpu = least(lambda: (shapley_values(table), pair_interactions(table)), 5)
    rows += [
        _row("Shapley values and all pairs: s", "<= 0.3", wall, None, None),
        _row("the same, CPU", "<= 0.3", cpu, None, None),
    ]
    wall, cpu = least(lambda: subset_gradients(model, layer, x, y), 2)
    switches = members(some[:200], UNITS).float()
    plain = least(lambda: switch_gradients(model, layer, x, y, switches), 2)[1] * SUBSETS / 200
    rows.append(_row("20 derivatives at 2^20 subsets: s, CPU", None, cpu, "autograd", plain))
    wall, cpu = least(lambda: path_covariance(table.log()), 3)
    rows.append(_row("covariance along all flip paths: s, CPU", None, cpu, None, None))
    return rows


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(as_table(measure()))
