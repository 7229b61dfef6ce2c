"""Training the model of reading: 100 epochs of PMSP on ToyOP against a loop that autograd records;
and what damage does to its accuracy, over seeds.

    python benchmarks/reading.py             # time
    python benchmarks/reading.py figures     # accuracy at 100 and 500 epochs, of 24 seeds

One thread. Both ways in turn; the least of the rounds.
"""

import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy

from srnet.reading import PMSP, ToyOP
from srnet.reading.pmsp import LETTERS
from srnet.texttable import as_table

ROUNDS, EPOCHS = 5, 100
CORPUS = ToyOP()


def network(seed: int = 0) -> PMSP:
    return PMSP(tau=0.1, h_units=10, p_units=9, c_units=5, seed=seed)


def read_plainly(model: PMSP, x: Tensor) -> Tensor:
    """Phonology as its definition has it: one product for each connection and tick."""
    act = {layer: x.new_zeros(len(x), model.units[layer]) for layer in model.layers}
    state, outputs = dict(act), []
    for given in x.unbind(1):
        act["orthography"] = given
        net = {layer: getattr(model, f"bias_{layer}") for layer in model.layers}
        for name in model.connections:
            source, target = LETTERS[name[0]], LETTERS[name[1]]
            net[target] = net[target] + act[source] @ model.weight(name)
        state = {
            layer: model.tau * net[layer] + (1 - model.tau) * state[layer] for layer in model.layers
        }
        act = {layer: torch.sigmoid(state[layer]) for layer in model.layers}
        outputs.append(act["phonology"])
    return torch.stack(outputs, 1)


def fit_plainly(model: PMSP) -> None:
    """The same training, tick by tick."""
    optimiser = torch.optim.Adam(model.parameters(), lr=0.05, fused=True)
    for _ in range(EPOCHS):
        for batch in torch.randperm(20).split(20):
            loss = binary_cross_entropy(read_plainly(model, CORPUS.x[batch]), CORPUS.y[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()


def fit(model: PMSP) -> None:
    model.fit(CORPUS.x, CORPUS.y, EPOCHS, 20, 0.05)


def fit_damaged(model: PMSP) -> None:
    fit(model.zero_out({"pp": 0.2, "hp": 0.2}).add_noise("hidden", 0.1).apply_l2(1e-4))


def timed(way: Callable[[PMSP], None]) -> tuple[float, float]:
    """Seconds by the clock and of the processor."""
    model = network()
    clock, processor = time.perf_counter(), time.process_time()
    way(model)
    return time.perf_counter() - clock, time.process_time() - processor


def measure() -> list[dict]:
    """A row for the model, and one with masks, noise and penalty."""
    torch.set_num_threads(1)
    ways = {"undamaged": fit, "masked, noisy, penalised": fit_damaged, "plain loop": fit_plainly}
    times = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            times[name].append(timed(way))
    least = {
        name: tuple(min(column) for column in zip(*taken, strict=True))
        for name, taken in times.items()
    }
    plain = least.pop("plain loop")
    return [
        {
            "what": f"{EPOCHS} epochs, {name}",
            "required": "1 s",
            "measured": f"{clock:.2f} s",
            "of the processor": f"{processor:.2f} s",
            "plain loop": f"{plain[0]:.2f} s",
            "ratio to a plain loop": plain[1] / processor,
        }
        for name, (clock, processor) in least.items()
    ]


def figures(seeds: int = 24) -> list[dict]:
    """Accuracy of ticks at 100 epochs and of words at 500: means, sd and range over seeds."""
    rows = {}
    for seed in range(seeds):
        generator = torch.Generator().manual_seed(seed)
        model = network(seed)
        model.fit(CORPUS.x, CORPUS.y, 100, 20, 0.05, generator=generator)
        zeroed = [model.zero_out({"pp": 0.2}, generator=generator) for _ in range(5)]
        networks = {"undamaged": [model], "pp zeroed 20 %": zeroed}
        networks |= {f"cut {name}": [model.cut_connections([name])] for name in ("hp", "oh", "cp")}
        for name, group in networks.items():
            ticks = [CORPUS.tick_accuracy(one(CORPUS.x)["phonology"]) for one in group]
            rows.setdefault(f"ticks, {name}", []).append(sum(ticks) / len(ticks))
        rows.setdefault("words, undamaged", []).append(words(model))
        model.fit(CORPUS.x, CORPUS.y, 400, 20, 0.05, generator=generator)
        rows.setdefault("words, undamaged, 500 epochs", []).append(words(model))
    table = []
    for name, values in rows.items():
        values = torch.tensor(values)
        table.append(
            {
                "what": name,
                "seeds 0 to 2": values[:3].mean().item(),
                f"{seeds} seeds": values.mean().item(),
                "sd": values.std().item(),
                "least": values.min().item(),
                "most": values.max().item(),
            }
        )
    return table


def words(model: PMSP) -> float:
    return CORPUS.word_accuracy(model(CORPUS.x)["phonology"])


if __name__ == "__main__":
    print(as_table(figures() if sys.argv[1:] == ["figures"] else measure()))
