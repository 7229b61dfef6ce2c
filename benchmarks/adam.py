"""What a step of Adam costs on a small critic: torch.optim's, its fused one, and sdnet.adam.

    python benchmarks/adam.py

One thread; the three in turn, median of the rounds.
"""

import statistics
import time

import torch

from sdnet.adam import Adam
from sdnet.mlp import MLP

ROUNDS, STEPS = 9, 1000


def main() -> None:
    torch.set_num_threads(1)
    steps = {}
    for name, make in {
        "torch.optim.Adam": torch.optim.Adam,
        "torch.optim.Adam, fused": lambda p, lr: torch.optim.Adam(p, lr, fused=True),
        "sdnet.adam.Adam": Adam,
    }.items():
        network = MLP(700, 1, hid_num=2, hid_size=64)
        for parameter in network.parameters():
            parameter.grad = torch.randn_like(parameter)
        steps[name] = make(list(network.parameters()), lr=1e-3).step
    times = {name: [] for name in steps}
    for _ in range(ROUNDS):
        for name, step in steps.items():
            began = time.perf_counter()
            for _ in range(STEPS):
                step()
            times[name].append((time.perf_counter() - began) / STEPS * 1e6)
    print("a critic of 700 points, 2 x 64: microseconds a step")
    for name, taken in times.items():
        print(f"{name:24} {statistics.median(taken):6.1f}")


if __name__ == "__main__":
    main()
