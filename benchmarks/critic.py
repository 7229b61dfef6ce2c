"""How fast a critic run is, against the plain loop of `reference.py`, and that both agree.

    python benchmarks/critic.py [--rounds 7] [--json FILE]

One thread. The two run in turn in one process, a stretch of epochs each; the figure is the median
over the rounds of the ratio of their times. First, from the same weights and curves, losses,
penalties and gradients are compared. `of peak` is how much of the rate of a large matrix product
(1024 x 1024 x 1024, measured here) the critic's products reach, everything else counted as time.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import reference
import torch

from sdnet.critic import Critic
from sdnet.library import SDData
from sdnet.objective import critic_loss, gradient_penalty
from sdnet.training import BLOCK, train
from srnet.runs.assembly import critic_args, fitted, make_critic
from srnet.runs.config import CriticConfig
from srnet.runs.curves import CurveSource, random_stream
from srnet.runs.values import build
from srnet.tables import SRData

ROOT = Path(__file__).resolve().parents[1]

SETTINGS = {
    "a": ({"hid_num": 2, "hid_size": 64, "gp": 1e-5}, 3, None, 4.0),
    "b": ({"hid_num": 6, "hid_size": 128, "gp": 1e-5}, 5, None, 3.0),
    "c": ({"hid_num": [2, 4], "hid_size": [64, 512], "gp": 1e-5}, 5, "embed", 2.0),
    "d": ({"hid_num": 4, "hid_size": 256, "gp": 0}, 5, "stack", 3.0),
    "d, gp 1e-5": ({"hid_num": 4, "hid_size": 256, "gp": 1e-5}, 5, "stack", 3.0),
}
"""disc settings, lat_size, ext_type of the gradient (None: values alone), ratio to reach."""


class Pair:
    """The plain run and ours, with one setting."""

    def __init__(self, name: str, x: torch.Tensor):
        disc, lat_size, ext_type, _ = SETTINGS[name]
        ext = {"ext": "grad", "ext_type": ext_type} if ext_type else {}
        config = build(
            CriticConfig, {"disc": disc, "arch.lat_size": lat_size, "epochs": 10**9, **ext}, name
        )
        config = fitted(config, x)
        library = SDData(ROOT / "funs" / "F10_v1.lib", "X10")
        self.critic = make_critic(critic_args(config, *x.shape), random_stream(0, "critic"))
        self.source = CurveSource(config, x, library, seed=0)
        pairs = [value if isinstance(value, list) else [value] * 2 for value in disc.values()]
        self.lat_size = lat_size
        self.plain = reference.Run(x, *pairs[:2], lat_size, disc["gp"], ext_type)
        self.done = 0

    def time_plain(self, epochs: int) -> float:
        began = time.perf_counter()
        for _ in range(epochs):
            self.plain.epoch()
        return time.perf_counter() - began

    def time_ours(self, epochs: int) -> float:
        began = time.perf_counter()
        for _ in train(self.critic, self.source.block, self.done + epochs, start=self.done):
            pass
        self.done += epochs
        return time.perf_counter() - began

    def disagreement(self) -> float:
        """Largest difference of loss, of penalty, and of the gradient of all weights, each
        relative to the largest number in it."""
        curves = self.source.block(0)
        real, fake, epsilon = curves.real[0, 0], curves.fake[0], curves.epsilon[0, 0]
        copy_weights(self.critic, self.plain.critic)
        margins, norms = self.critic.gradients(real, fake, epsilon)
        loss, penalty, _ = reference.loss_and_penalty(
            self.plain.critic, real, fake, self.critic.gp, epsilon
        )
        self.plain.optimizer.zero_grad()
        (loss + self.critic.gp * penalty).backward()
        count = len(real)
        ours = [critic_loss(margins[:count], -margins[count:])]
        plain = [loss.detach()]
        if norms is not None:
            ours.append(gradient_penalty(norms))
            plain.append(penalty.detach())
        both = list(zip(layers(self.critic), linears(self.plain.critic), strict=True))
        ours.append(flat([p.grad for (weight, bias), _ in both for p in (weight, bias)]))
        plain.append(flat([g for _, layer in both for g in (layer.weight.grad.T, layer.bias.grad)]))
        return max(
            float((a - b).abs().max() / b.abs().max()) for a, b in zip(ours, plain, strict=True)
        )


def operations(critic: Critic, count: int) -> float:
    """Floating point operations in the products of an epoch, as `sdnet.gradients` does them."""
    scored, mixed = 2 * count, count * bool(critic.gp)
    total = 0
    shapes = [weight.shape for weight, _ in layers(critic)]
    embedding = len(critic.embedding.weights) if critic.embedding else 0
    for i, (fan_in, fan_out) in enumerate(shapes):
        passes = scored * (2 + (i > 0)) + mixed * (3 + (i + 1 < len(shapes)))
        total += 2 * fan_in * fan_out * passes * (critic.in_size if i < embedding else 1)
    return total * critic.iters


def flat(tensors: list) -> torch.Tensor:
    return torch.cat([tensor.flatten() for tensor in tensors])


def peak(size: int = 1024) -> float:
    """Operations a second of a large product on one thread."""
    a, b = torch.randn(2, size, size)
    torch.mm(a, b)
    times = []
    for _ in range(10):
        began = time.perf_counter()
        torch.mm(a, b)
        times.append(time.perf_counter() - began)
    return 2 * size**3 / statistics.median(times)


def layers(critic: Critic) -> list:
    networks = [critic.embedding, critic.critic] if critic.embedding else [critic.critic]
    return [layer for network in networks for layer in network.layers()]


def linears(critic: torch.nn.Module) -> list[torch.nn.Linear]:
    return [module for module in critic.modules() if isinstance(module, torch.nn.Linear)]


def copy_weights(ours: Critic, plain: torch.nn.Module) -> None:
    with torch.no_grad():
        for (weight, bias), layer in zip(layers(ours), linears(plain), strict=True):
            layer.weight.copy_(weight.T)
            layer.bias.copy_(bias)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=7, help="stretches of each, in turn")
    parser.add_argument("--settings", nargs="*", default=list(SETTINGS), choices=list(SETTINGS))
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    options = parser.parse_args()
    torch.set_num_threads(1)
    x = SRData(ROOT / "data", "X10[:,0]", rows="train").in_data
    print("setting       ratio  least  plain ms  ours ms  of peak   differ")
    print("                            an epoch an epoch                by")
    rows = {}
    for name, (_, _, ext_type, least) in SETTINGS.items():
        if name not in options.settings:
            continue
        pair = Pair(name, x)
        differ = pair.disagreement()
        epochs = BLOCK if ext_type == "embed" else 4 * BLOCK
        pair.time_plain(BLOCK), pair.time_ours(BLOCK)  # warm up
        times = [(pair.time_plain(epochs), pair.time_ours(epochs)) for _ in range(options.rounds)]
        ratio = statistics.median(plain / ours for plain, ours in times)
        plain, ours = (statistics.median(side) / epochs * 1e3 for side in zip(*times, strict=True))
        share = operations(pair.critic, pair.lat_size) / (ours / 1e3) / peak()
        print(f"{name:12} {ratio:6.2f} {least:6.1f} {plain:9.3f}", end="")
        print(f" {ours:8.3f} {share:8.0%} {differ:8.1e}", flush=True)
        rows[name] = {
            "ratio": ratio,
            "plain_ms": plain,
            "ours_ms": ours,
            "of_peak": share,
            "differ": differ,
        }
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
