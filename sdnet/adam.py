"""Adam over the parameters of a critic, with as little around the arithmetic as there can be."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn


class Adam:
    """Adam with L2 weight decay (Kingma and Ba 2015), as `torch.optim.Adam` computes it.

    It is torch's own fused kernel, called directly: for a small critic, what `torch.optim` does
    around that kernel takes longer than the kernel itself (`benchmarks/adam.py`).

    >>> weight = nn.Parameter(torch.tensor([1.0]))
    >>> weight.grad = torch.tensor([2.0])
    >>> Adam([weight], lr=0.1).step()           # the first step is lr, whatever the gradient
    >>> weight
    Parameter containing:
    tensor([0.9000], requires_grad=True)
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        weight_decay: float = 0.0,
        eps: float = 1e-8,
    ):
        self.parameters = list(parameters)
        self.lr, self.betas, self.weight_decay, self.eps = lr, betas, weight_decay, eps
        self.steps = torch.zeros((), device=self.parameters[0].device)
        self.first = [torch.zeros_like(p, requires_grad=False) for p in self.parameters]
        self.second = [torch.zeros_like(p, requires_grad=False) for p in self.parameters]

    def follow(self) -> None:
        """Bring the moments to where the parameters have been moved (device, dtype)."""
        self.steps = self.steps.to(self.parameters[0].device)
        for moments in (self.first, self.second):
            moments[:] = [m.to(p) for m, p in zip(moments, self.parameters, strict=True)]

    def step(self) -> None:
        """One update from every parameter's `.grad`."""
        with torch.no_grad():
            self.update()

    def update(self) -> None:
        """The same, where gradients are not being recorded already."""
        self.steps += 1
        torch._fused_adam_(
            self.parameters,
            [p.grad for p in self.parameters],
            self.first,
            self.second,
            [],
            [self.steps] * len(self.parameters),
            lr=self.lr,
            beta1=self.betas[0],
            beta2=self.betas[1],
            weight_decay=self.weight_decay,
            eps=self.eps,
            amsgrad=False,
            maximize=False,
        )

    def state_dict(self) -> dict[str, Tensor | list[Tensor]]:
        """The number of steps and the two moments of each parameter (not copied)."""
        return {"steps": self.steps, "first": self.first, "second": self.second}

    @torch.no_grad()
    def load_state_dict(self, state: Mapping) -> None:
        """Take over a `state_dict` of as many parameters of the same shapes."""
        self.steps.copy_(state["steps"])
        for name in ("first", "second"):
            for mine, other in zip(getattr(self, name), state[name], strict=True):
                mine.copy_(other)
