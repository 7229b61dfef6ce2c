"""Layers whose net input or activation is averaged over time.

A layer here stands alone; networks of several layers that drive one another are built on
`srnet.reading.network`.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sdnet.errors import InputError, nearest
from sdnet.mlp import check_whole
from srnet.reading.starts import check_tau, glorot
from srnet.reading.ticks import settle


def running_average(values: Float[Tensor, "b ticks u"], tau: float) -> Float[Tensor, "b ticks u"]:
    """y_t = tau v_t + (1 - tau) y_{t-1}, with 0 before the first tick, as one matrix product.

    y_t is the sum over s <= t of tau (1 - tau)^(t - s) v_s.

    >>> running_average(torch.ones(1, 3, 1), 0.5).flatten()
    tensor([0.5000, 0.7500, 0.8750])
    """
    ticks = torch.arange(values.shape[1]).to(values)
    past = ticks[:, None] - ticks
    return (tau * (1 - tau) ** past.clamp(min=0)).tril() @ values


class TimeAveragedDense(nn.Module):
    """Sigmoid units whose net input, or activation, is averaged over time.

    net_t = x_t W + b. Averaging before the activation: state_t = tau net_t + (1 - tau) state_{t-1},
    y_t = sigmoid(state_t) (Plaut et al. 1996). After it: y_t = tau sigmoid(net_t) + (1 - tau)
    y_{t-1}. State and y are 0 before the first tick.

    Args:
        in_units, units: in and out.
        tau: in (0, 1]; 1 averages nothing.
        average: "before" or "after" the activation.
        generator: of the weights (Glorot uniform; biases are 0); None is torch's default.

    Raises:
        InputError: sizes below 1, tau outside (0, 1], another `average`.

    >>> layer = TimeAveragedDense(3, 5, tau=0.1)
    >>> layer(torch.zeros(2, 30, 3)).shape
    torch.Size([2, 30, 5])
    """

    def __init__(
        self,
        in_units: int,
        units: int,
        tau: float,
        average: str = "before",
        generator: torch.Generator | None = None,
    ):
        super().__init__()
        check_whole("in_units", in_units, 1)
        check_whole("units", units, 1)
        check_tau(tau)
        if average not in ("before", "after"):
            raise InputError(f"average is {average!r}; {nearest(average, ['before', 'after'])}")
        self.tau, self.average = tau, average
        self.weight = nn.Parameter(glorot(in_units, units, generator))
        self.bias = nn.Parameter(torch.zeros(units))

    def forward(self, x: Float[Tensor, "*b d"]) -> Float[Tensor, "b ticks u"]:
        """The activations at every tick."""
        net = self.net(x)
        if self.average == "before":
            return running_average(net, self.tau).sigmoid()
        return running_average(net.sigmoid(), self.tau)

    def net(self, x: Float[Tensor, "*b d"]) -> Float[Tensor, "b ticks u"]:
        """x W + b.

        Raises:
            InputError: x of another shape than (b, ticks, in_units), or without ticks.
        """
        units = len(self.weight)
        if x.dim() != 3 or x.shape[2] != units or x.shape[1] == 0:
            raise InputError(f"x has shape {tuple(x.shape)}; expected (examples, ticks, {units})")
        return x @ self.weight + self.bias


class TimeAveragedRNN(TimeAveragedDense):
    """The same units, which also read their own y_{t-1}: net_t = x_t W + y_{t-1} R + b.

    >>> layer = TimeAveragedRNN(3, 5, tau=0.1, average="after")
    >>> layer(torch.zeros(2, 30, 3)).shape, layer.recurrent.shape
    (torch.Size([2, 30, 5]), torch.Size([5, 5]))
    """

    def __init__(
        self,
        in_units: int,
        units: int,
        tau: float,
        average: str = "before",
        generator: torch.Generator | None = None,
    ):
        super().__init__(in_units, units, tau, average, generator)
        self.recurrent = nn.Parameter(glorot(units, units, generator))

    def forward(self, x: Float[Tensor, "*b d"]) -> Float[Tensor, "b ticks u"]:
        """The activations at every tick."""
        drive = self.net(x).transpose(0, 1)
        if self.average == "before":
            return settle(drive, self.recurrent, self.tau).sigmoid().transpose(0, 1)
        outputs = [self.tau * drive[0].sigmoid()]
        for given in drive[1:]:
            active = torch.addmm(given, outputs[-1], self.recurrent).sigmoid()
            outputs.append(torch.lerp(outputs[-1], active, self.tau))
        return torch.stack(outputs, 1)
