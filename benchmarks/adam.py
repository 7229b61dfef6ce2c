"""What a step of Adam costs on a small critic: torch.optim's, its fused one, and sdnet.adam; and of
a stack of 4 and 8 such critics the ways to step members of settings of their own.

    python benchmarks/adam.py

One thread; all in turn, median and least of the rounds.
"""

import statistics
import time
from collections.abc import Callable

import torch

from sdnet.adam import Adam
from sdnet.mlp import MLP

ROUNDS, STEPS = 9, 400


def critic(stack: tuple[int, ...] = ()) -> MLP:
    network = MLP(700, 1, hid_num=2, hid_size=64, stack=stack)
    for parameter in network.parameters():
        parameter.grad = torch.randn_like(parameter)
    return network


def member(network: MLP, number: int) -> list[torch.nn.Parameter]:
    """Parameters that are parts of a stack's."""
    parts = []
    for parameter in network.parameters():
        part = torch.nn.Parameter(parameter.detach()[number])
        part.grad = parameter.grad[number]
        parts.append(part)
    return parts


def one_call(adams: list[Adam]) -> Callable[[], None]:
    """All members in one list: of equal settings only."""
    whole = adams[0]
    whole.parameters, whole.first, whole.second = (
        [tensor for adam in adams for tensor in getattr(adam, name)]
        for name in ("parameters", "first", "second")
    )
    return whole.step


def broadcast(network: MLP, size: int) -> Callable[[], None]:
    """The formula in plain torch, rates and decays (E, 1, ..)."""
    lr, decay, b1, b2 = (torch.full((size,), x) for x in (1e-3, 1e-4, 0.1, 1e-3))
    parameters = [p.detach() for p in network.parameters()]
    gradients = [p.grad for p in network.parameters()]
    first, second = ([torch.zeros_like(p) for p in parameters] for _ in range(2))
    steps = torch.zeros(size)

    def step() -> None:
        steps.add_(1)
        root = (1 - (1 - b2) ** steps).sqrt()
        rate, eps = -lr * root / (1 - (1 - b1) ** steps), 1e-8 * root
        for p, grad, m, v in zip(parameters, gradients, first, second, strict=True):
            shape = (size,) + (1,) * (p.dim() - 1)
            grad = torch.addcmul(grad, p, decay.view(shape))
            m.lerp_(grad, b1.view(shape))
            v.lerp_(grad * grad, b2.view(shape))
            p.addcdiv_(m * rate.view(shape), v.sqrt().add_(eps.view(shape)))

    return step


def ways(size: int) -> dict[str, Callable[[], None]]:
    """Ways to step a stack."""
    network = critic((size,))
    adams = [Adam(member(network, e), lr=1e-3, weight_decay=1e-4) for e in range(size)]

    def each() -> None:
        for adam in adams:
            adam.step()

    listed = [Adam(member(network, e), lr=1e-3, weight_decay=1e-4) for e in range(size)]
    return {
        "a call for each member": each,
        "one call, equal settings": one_call(listed),
        "one call, whole tensors": Adam(network.parameters(), 1e-3, weight_decay=1e-4).step,
        "plain torch, broadcast": broadcast(network, size),
    }


def measured(steps: dict[str, Callable[[], None]], number: int, members: int = 1) -> None:
    times = {name: [] for name in steps}
    for _ in range(ROUNDS):
        for name, step in steps.items():
            step()
            began = time.perf_counter()
            for _ in range(number):
                step()
            times[name].append((time.perf_counter() - began) / number / members * 1e6)
    for name, taken in times.items():
        print(f"{name:26} {statistics.median(taken):6.1f} {min(taken):6.1f}", flush=True)


def main() -> None:
    torch.set_num_threads(1)
    print("a critic of 700 points, 2 x 64: microseconds a step, median and least")
    single = {}
    for name, make in {
        "torch.optim.Adam": torch.optim.Adam,
        "torch.optim.Adam, fused": lambda p, lr: torch.optim.Adam(p, lr, fused=True),
        "sdnet.adam.Adam": Adam,
    }.items():
        single[name] = make(list(critic().parameters()), lr=1e-3).step
    measured(single, STEPS)
    for size in (4, 8):
        print(f"{size} of them in a stack: microseconds a member's step")
        measured(ways(size), STEPS // size, size)


if __name__ == "__main__":
    main()
