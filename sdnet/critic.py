"""Critics: networks that score curves, positive for real, and learn to tell real from fake."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sdnet.adam import Adam
from sdnet.errors import InputError
from sdnet.gradients import DenseGradients
from sdnet.mlp import MLP, Random, check_whole, pair
from sdnet.objective import (
    critic_loss,
    gradient_norms,
    gradient_penalty,
    margin_accuracy,
    objective_named,
)


class Critic(nn.Module):
    """What every critic has: an objective, an optimiser, and steps of training.

    A subclass builds its networks, calls `_prepare`, and defines `forward`; it may replace
    `gradients` by a faster way to the same numbers.
    """

    stack: tuple[int, ...] = ()

    def _prepare(
        self, lr: float, wd: float, betas: Sequence[float], iters: int, gp: float, loss_fun: str
    ) -> None:
        check_whole("iters", iters, 1)
        for name, value in (("lr", lr), ("wd", wd), ("gp", gp)):
            if not 0 <= value < math.inf:
                raise InputError(f"{name} is {value!r}; expected a finite number of at least 0")
        if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
            raise InputError(f"betas is {betas!r}; expected two numbers in [0, 1)")
        self.objective = objective_named(loss_fun)
        self.lr, self.iters, self.gp = lr, iters, gp
        self.optimizer = Adam(self.parameters(), lr, tuple(betas), wd)

    def _apply(self, fn, recurse=True):
        super()._apply(fn, recurse)  # .to(), .double(), ...
        self.optimizer.follow()
        return self

    def gradients(
        self, real: Tensor, fake: Tensor, epsilon: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Put the gradient of loss + gp penalty into `.grad`; margins (b + b,), norms |g| (b,).

        epsilon (b, 1) in [0, 1]: where between fake and real the penalty is taken; it is only
        used when `gp` is not 0.
        """
        self.check_sides(real, fake)
        scores = self(real), self(fake)
        loss, norms = critic_loss(*scores, self.objective), None
        if self.gp:
            norms = gradient_norms(self, real, fake, epsilon)
            loss = loss + self.gp * gradient_penalty(norms)
        self.zero_grad()
        loss.backward()
        margins = torch.cat([scores[0], -scores[1]]).detach()
        return margins, None if norms is None else norms.detach()

    def step(
        self, real: Tensor, fake: Tensor, epsilon: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """One step of the optimiser. Margins and norms are those before the step."""
        if self.gp and epsilon is None:
            raise InputError("gp is not 0, so a step needs an epsilon (b, 1) for the penalty")
        figures = self.gradients(real, fake, epsilon)
        self.optimizer.step()
        return figures

    def fit(
        self, real: Tensor, fake: Tensor, generator: torch.Generator | None = None
    ) -> list[float]:
        """`iters` steps on the same fake curves; the accuracy (at 0) before each step.

        Args:
            real: (1, b, n) or (iters, b, n), with channels (..., c): one draw for all steps,
                or one a step.
            fake: (b, n) or (b, n, c).
            generator: of the penalty's epsilon; None is torch's default generator.

        Raises:
            InputError: curves of another size than the critic's, or as many draws as fit neither.

        >>> critic = SDNet(in_size=4, hid_num=1, hid_size=8, iters=3)
        >>> len(critic.fit(torch.rand(1, 6, 4), torch.rand(6, 4)))
        3
        """
        if self.stack:
            raise InputError(f"fit trains one critic, and this is a stack {self.stack}: use step")
        if real.dim() != fake.dim() + 1 or len(real) not in (1, self.iters):
            raise InputError(
                f"real has shape {tuple(real.shape)} and fake {tuple(fake.shape)}; expected real "
                f"(1 or {self.iters}, b, n[, c]) and fake (b, n[, c])"
            )
        self.check_sides(real[0], fake)
        epsilon = torch.rand(self.iters, len(fake), 1, generator=generator).to(fake)
        margins = [self.step(real[i % len(real)], fake, epsilon[i])[0] for i in range(self.iters)]
        return margin_accuracy(torch.stack(margins), real.shape[1]).tolist()

    def check(self, curves: Tensor) -> None:
        """Raise an InputError that says what was expected, unless this critic can score curves."""
        sizes = (self.in_size,) if self.emb_size is None else (self.in_size, self.emb_size)
        shape, axis = tuple(curves.shape), len(self.stack)
        if shape[:axis] != self.stack or shape[axis + 1 :] != sizes:
            channels = "" if self.emb_size is None else f" of {self.emb_size} channels"
            expected = ", ".join(str(size) for size in (*self.stack, "b", *sizes))
            raise InputError(
                f"curves of shape {shape} were given to a critic of {self.in_size} "
                f"points{channels}; expected ({expected})"
            )

    def check_sides(self, real: Tensor, fake: Tensor) -> None:
        """Raise an InputError unless this critic can be trained on these curves."""
        self.check(real)
        self.check(fake)
        counts = [side.shape[len(self.stack)] for side in (real, fake)]
        if not all(counts) or (self.gp and counts[0] != counts[1]):
            raise InputError(
                f"{counts[0]} real and {counts[1]} fake curves were given; expected at least one "
                "of each and, as the gradient penalty pairs them, as many of each (or gp=0)"
            )


class SDNet(Critic):
    """The symbolic discriminator: a dense critic, or a stack of them.

    score = critic(curve), or critic(embedding(point) for each point of the curve): with
    `emb_size` channels a point, a small network first maps each point's channels to one number.

    Args:
        in_size: points of a curve; with `ext_type="stack"`, points times channels.
        hid_num, hid_size: hidden layers and their units; a pair is (embedding, critic), of
            which a critic without embedding uses the second.
        emb_size: channels of a point, for an embedding; None for plain curves.
        lr, wd, betas: of Adam. iters: steps in each `fit`. gp: weight of the gradient penalty.
        loss_fun: "bce" or "wasserstein".
        stack: (E,) for E critics trained at once; `fit` is for one, `step` for either.
        generator: where the weights come from, see `sdnet.mlp.Random`.

    Raises:
        InputError: a size, rate or name that can't be used.

    >>> SDNet(in_size=100, hid_num=2, hid_size=16)(torch.zeros(7, 100)).shape
    torch.Size([7])
    >>> SDNet(in_size=100, hid_num=(1, 2), hid_size=16, emb_size=2)(torch.zeros(7, 100, 2)).shape
    torch.Size([7])
    """

    def __init__(
        self,
        in_size: int,
        hid_num: int | Sequence[int] = 6,
        hid_size: int | Sequence[int] = 128,
        emb_size: int | None = None,
        lr: float = 1e-4,
        wd: float = 1e-4,
        betas: Sequence[float] = (0.9, 0.999),
        iters: int = 5,
        gp: float = 1e-5,
        loss_fun: str = "bce",
        *,
        stack: tuple[int, ...] = (),
        generator: Random = None,
    ):
        super().__init__()
        nums, sizes = pair("hid_num", hid_num), pair("hid_size", hid_size)
        if len(stack) > 1:
            raise InputError(f"stack is {stack}; expected () or (E,) critics")
        options = {"stack": stack, "generator": generator}
        self.in_size, self.emb_size, self.stack = in_size, emb_size, tuple(stack)
        self.embedding = None
        if emb_size is not None:
            check_whole("emb_size", emb_size, 1)
            self.embedding = MLP(emb_size, 1, nums[0], sizes[0], **options)
        self.critic = MLP(in_size, 1, nums[1], sizes[1], **options)
        self._dense: DenseGradients | None = None
        self._prepare(lr, wd, betas, iters, gp, loss_fun)

    def forward(self, curves: Float[Tensor, "*curves"]) -> Float[Tensor, "*scores"]:
        """(*stack, b, n) or, with an embedding, (*stack, b, n, c) -> scores (*stack, b)."""
        self.check(curves)
        return scores(self.networks, curves)

    def gradients(
        self, real: Tensor, fake: Tensor, epsilon: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        settings = (real.shape, fake.shape, self.objective, self.gp)
        if self._dense is None or self._settings != settings:
            self.check_sides(real, fake)
            self._dense = DenseGradients(
                self.networks, real.shape, fake.shape, objective=self.objective, gp=self.gp
            )
            self._settings = settings
        if self.gp and epsilon is not None:
            expected = (*real.shape[: len(self.stack) + 1], 1)
            if epsilon.shape != expected:
                raise InputError(f"epsilon has shape {tuple(epsilon.shape)}; expected {expected}")
        if epsilon is not None and self.embedding is not None:
            epsilon = epsilon.unsqueeze(-1)
        return self._dense(real, fake, epsilon)

    @property
    def networks(self) -> list[MLP]:
        """Embedding, if there is one, and critic: in the order in which curves go through them."""
        return [net for net in (self.embedding, self.critic) if net is not None]

    def live_in(self, layers: Sequence[tuple[Tensor, Tensor, Tensor, Tensor]]) -> None:
        """Keep the parameters in tensors of a stack: the weights become what these hold.

        Args:
            layers: weight, bias and their gradients, of each layer from the input on.
        """
        self._dense = None  # as below
        own = (layer for network in self.networks for layer in network.layers())
        for (weight, bias), tensors in zip(own, layers, strict=True):
            weight.data, bias.data, weight.grad, bias.grad = tensors

    def _apply(self, fn, recurse=True):
        self._dense = None  # its views are of the weights where they were
        return super()._apply(fn, recurse)

    def __getstate__(self):
        return {**self.__dict__, "_dense": None}  # a copy has weights, so views, of its own


def scores(networks: Sequence[MLP], curves: Float[Tensor, "*curves"]) -> Float[Tensor, "*scores"]:
    """What embedding, if there is one, and critic make of curves, see `SDNet.forward`."""
    *embedding, critic = networks
    for network in embedding:
        points = curves.flatten(-3, -2)
        curves = network(points).unflatten(-2, (-1, critic.in_size)).squeeze(-1)
    return critic(curves).squeeze(-1)


class CSDNet(Critic):
    """A convolutional critic, for curves on a grid.

    Convolutions with relu over neighbouring points, "M" for a maximum over pairs of points,
    then a dense network of what is left. A point's channels are the first layer's inputs.

    Args:
        in_size: points of a curve, on an evenly spaced grid.
        conv_arch: the layers: a number is a convolution of so many channels, "M" a pooling by 2.
        kernel_size: points that a convolution spans, odd; edges are padded with zeros.
        hid_num, hid_size: of the dense network; of a pair, the second.
        emb_size: channels of a point.
        Others: as for `SDNet`.

    >>> conv = CSDNet(in_size=100, conv_arch=[8, "M", 16, "M"], kernel_size=3, hid_num=1)
    >>> conv(torch.zeros(7, 100)).shape
    torch.Size([7])
    """

    def __init__(
        self,
        in_size: int,
        conv_arch: Sequence[int | str] = (8, "M", 16, "M"),
        kernel_size: int = 3,
        hid_num: int | Sequence[int] = 1,
        hid_size: int | Sequence[int] = 100,
        emb_size: int | None = 1,
        lr: float = 1e-4,
        wd: float = 1e-4,
        betas: Sequence[float] = (0.9, 0.999),
        iters: int = 5,
        gp: float = 1e-5,
        loss_fun: str = "bce",
        *,
        generator: torch.Generator | None = None,
    ):
        super().__init__()
        check_whole("in_size", in_size, 1)
        check_whole("kernel_size", kernel_size, 1)
        if kernel_size % 2 == 0:
            raise InputError(f"kernel_size is {kernel_size!r}; expected an odd number")
        if emb_size is not None:
            check_whole("emb_size", emb_size, 1)
        self.in_size = in_size
        self.emb_size = emb_size if emb_size and emb_size > 1 else None
        layers, channels, points = [], emb_size or 1, in_size
        for step in conv_arch:
            if step == "M":
                layers.append(nn.MaxPool1d(2))
                points //= 2
            elif isinstance(step, int) and not isinstance(step, bool) and step > 0:
                layers += [_convolution(channels, step, kernel_size, generator), nn.ReLU()]
                channels = step
            else:
                raise InputError(
                    f"conv_arch has {step!r}; expected numbers of channels and 'M' for a pooling"
                )
        if points < 1:
            raise InputError(
                f"conv_arch {list(conv_arch)} pools the {in_size} points of a curve to none"
            )
        self.convolutions = nn.Sequential(*layers)
        size = pair("hid_size", hid_size)[1]
        self.critic = MLP(
            channels * points, 1, pair("hid_num", hid_num)[1], size, generator=generator
        )
        self._prepare(lr, wd, betas, iters, gp, loss_fun)

    def forward(self, curves: Float[Tensor, "*curves"]) -> Float[Tensor, "b"]:
        """(b, n), or (b, n, c) where there are channels -> scores (b,)."""
        self.check(curves)
        channels_first = curves.unsqueeze(1) if self.emb_size is None else curves.mT
        return self.critic(self.convolutions(channels_first).flatten(1)).squeeze(-1)


def _convolution(
    channels: int, out: int, size: int, generator: torch.Generator | None
) -> nn.Conv1d:
    layer = nn.utils.skip_init(nn.Conv1d, channels, out, size, padding=size // 2)
    bound = 1 / math.sqrt(channels * size)  # as torch.nn.Conv1d draws
    with torch.no_grad():
        layer.weight.uniform_(-bound, bound, generator=generator)
        layer.bias.uniform_(-bound, bound, generator=generator)
    return layer
