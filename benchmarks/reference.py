"""A plain implementation of the critic run, to measure against and to check against.

It does what a first version in torch would do: a fresh `nn.Module` generator each epoch, each
draw evaluated by itself, each latent's gradient by a call of autograd, the penalty by double
backward, and Adam as torch gives it. Nothing in it is slow on purpose.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn


def network(in_size: int, out_size: int, hid_num: int, hid_size: int) -> nn.Sequential:
    sizes = [in_size] + [hid_size] * hid_num + [out_size]
    layers = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class Critic(nn.Module):
    """Dense, with an embedding of each point's channels where there is one."""

    def __init__(self, in_size, hid_num, hid_size, emb_size=None):
        super().__init__()
        embedding, critic = zip(hid_num, hid_size, strict=True)
        self.embedding = None if emb_size is None else network(emb_size, 1, *embedding)
        self.critic = network(in_size, 1, *critic)

    def forward(self, curves: Tensor) -> Tensor:
        if self.embedding is not None:
            curves = self.embedding(curves).squeeze(-1)
        return self.critic(curves).squeeze(-1)


def loss_and_penalty(
    critic: nn.Module, real: Tensor, fake: Tensor, gp: float, epsilon: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Binary cross-entropy of both sides, the gradient penalty (0 without one), the accuracy."""
    bce = nn.functional.binary_cross_entropy_with_logits
    real_scores, fake_scores = critic(real), critic(fake)
    loss = bce(real_scores, torch.ones_like(real_scores))
    loss = loss + bce(fake_scores, torch.zeros_like(fake_scores))
    right = (real_scores > 0).float().mean() + (fake_scores <= 0).float().mean()
    if not gp:
        return loss, torch.zeros(()), right / 2
    epsilon = epsilon.reshape(-1, *[1] * (real.dim() - 1))
    mixed = (epsilon * real + (1 - epsilon) * fake).requires_grad_()
    scores = critic(mixed)
    (slopes,) = torch.autograd.grad(
        scores, mixed, grad_outputs=torch.ones_like(scores), create_graph=True
    )
    return loss, ((slopes.flatten(1).norm(2, dim=1) - 1) ** 2).mean(), right / 2


def library_draw(x: Tensor) -> tuple[Tensor, Tensor]:
    """One curve of F10_v1, N0*0.05*(x0 + 0.5*N1)**2 + 0.15*N2, and its derivative."""
    n0, n1, n2 = torch.randn(3)
    value = n0 * 0.05 * (x[:, 0] + 0.5 * n1) ** 2 + 0.15 * n2
    return value, n0 * 0.1 * (x[:, 0] + 0.5 * n1)


def real_curves(x: Tensor, count: int, ext_type: str | None) -> Tensor:
    curves = []
    for _ in range(count):
        value, slope = library_draw(x)
        curves.append(extended(value, slope, ext_type))
    return torch.stack(curves)


def fake_curves(x: Tensor, count: int, ext_type: str | None) -> Tensor:
    """The latents of a fresh generator of 2 hidden layers of 32, with their derivatives."""
    generator = network(x.shape[1], count, 2, 32)
    if ext_type is None:
        with torch.no_grad():
            return generator(x).T
    x = x.clone().requires_grad_()
    latents = generator(x)
    curves = []
    for i in range(count):
        (slope,) = torch.autograd.grad(latents[:, i].sum(), x, retain_graph=True)
        curves.append(extended(latents[:, i].detach(), slope[:, 0], ext_type))
    return torch.stack(curves)


def extended(value: Tensor, slope: Tensor, ext_type: str | None) -> Tensor:
    if ext_type is None:
        return value
    return torch.cat([value, slope]) if ext_type == "stack" else torch.stack([value, slope], -1)


class Run:
    """Epochs of the plain run, to be timed."""

    def __init__(self, x, hid_num, hid_size, lat_size, gp, ext_type, iters=5, lr=1e-4, wd=1e-4):
        size = x.shape[0] * (2 if ext_type == "stack" else 1)
        self.x, self.lat_size, self.gp, self.ext_type = x, lat_size, gp, ext_type
        self.critic = Critic(size, hid_num, hid_size, 2 if ext_type == "embed" else None)
        self.optimizer = torch.optim.Adam(self.critic.parameters(), lr=lr, weight_decay=wd)
        self.iters = iters

    def epoch(self) -> float:
        """One epoch; the accuracy before its last step."""
        fake = fake_curves(self.x, self.lat_size, self.ext_type)
        real = real_curves(self.x, self.lat_size, self.ext_type)
        for _ in range(self.iters):
            epsilon = torch.rand(self.lat_size, 1)
            self.optimizer.zero_grad()
            loss, penalty, acc = loss_and_penalty(self.critic, real, fake, self.gp, epsilon)
            (loss + self.gp * penalty).backward()
            self.optimizer.step()
        return acc.item()
