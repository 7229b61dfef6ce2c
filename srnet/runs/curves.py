"""Where the curves of a run come from: library draws, and untrained generators as the fakes.

Everything random follows from the run's seed and the place it is used at (a stream's name, a
block's number), never from what was drawn before: a resumed run draws what an undisturbed one
would have drawn.
"""

import zlib
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from sdnet.extension import seen
from sdnet.library import SDData
from sdnet.mlp import pair
from sdnet.training import BLOCK, Curves
from srnet.cells import latent_curves, make_cell
from srnet.runs.config import CriticConfig
from srnet.runs.generator_config import GeneratorConfig
from srnet.training import Block

LIKENESS = 64
"""Library curves that the penalty e3 compares each latent with."""

GENERATORS_AT_ONCE = 50
"""How many untrained generators of an evaluation are drawn together, to bound memory."""


def random_stream(seed: int, name: str, number: int = 0) -> torch.Generator:
    """A generator of its own for each seed, stream and place in it.

    >>> first, again = (random_stream(0, "fakes", 3) for _ in range(2))
    >>> torch.equal(torch.rand(5, generator=first), torch.rand(5, generator=again))
    True
    """
    entropy = np.random.SeedSequence([seed, zlib.crc32(name.encode()), number])
    return torch.Generator().manual_seed(int(entropy.generate_state(1, np.uint64)[0] >> 1))


class CurveSource:
    """Real and fake curves for the critic of a run, with the channels it is to see.

    Args:
        config: `arch` of the generators, `ext`, `ext_type`, and `disc.iters`.
        points: x (n, d), on the device to train on.
        library: what is real; None where no real curves are asked for.
        seed: of the run.
    """

    def __init__(
        self,
        config: CriticConfig | GeneratorConfig,
        points: Tensor,
        library: SDData | None,
        seed: int,
    ):
        self.config, self.points, self.library, self.seed = config, points, library, seed

    def block(self, index: int) -> Curves:
        """What epochs BLOCK * index to BLOCK * (index + 1) train on.

        A fresh generator an epoch gives its `lat_size` latents as fakes; the library gives as
        many draws, one for all steps of the epoch or, with its `iter_sample`, one a step.
        """
        count, iters = self.config.arch.lat_size, self.config.disc.iters
        draws = iters if self.library.iter_sample else 1
        real = self.real(count, BLOCK * draws, random_stream(self.seed, "library", index))
        fake = self.fake(BLOCK, random_stream(self.seed, "generators", index))
        epsilon = torch.rand(
            BLOCK, iters, count, 1, generator=random_stream(self.seed, "epsilon", index)
        )
        return Curves(real.unflatten(0, (BLOCK, draws)), fake, epsilon.to(self.points))

    def evaluation(self, name: str, count: int) -> tuple[Tensor, Tensor]:
        """`count` real and `count` fake curves that no block holds, (count, n[, c]) each."""
        real = self.real(count, 1, random_stream(self.seed, f"{name}: library"))[0]
        stream = random_stream(self.seed, f"{name}: generators")
        fakes, missing = [], count
        while missing > 0:
            fakes.append(self.fake(GENERATORS_AT_ONCE, stream).flatten(0, 1)[:missing])
            missing -= len(fakes[-1])
        return real, torch.cat(fakes)

    def real(self, count: int, iters: int, generator: torch.Generator) -> Tensor:
        """(iters, count, n[, c]) library draws."""
        if "grad" not in self.config.ext:
            values = self.library.values(count, self.points, iters, generator=generator)
            return self._extended(values, None)
        draws = self.library.get(count, self.points, iters, generator=generator)
        return self._extended(draws[..., 0], draws[..., 1:])

    def fake(self, count: int, generator: torch.Generator) -> Tensor:
        """(count, k, n[, c]): the latents of `count` untrained generators."""
        arch = self.config.arch
        cell = make_cell(
            pair("hid_type", arch.hid_type)[0],
            self.points.shape[1],
            arch.lat_size,
            pair("hid_num", arch.hid_num)[0],
            pair("hid_size", arch.hid_size)[0],
            arch.hid_kwargs.model_dump(),
            stack=(count,),
            generator=generator,
        ).to(self.points.device)
        return self._extended(
            *latent_curves(cell, self.points, gradients="grad" in self.config.ext)
        )

    def _extended(self, values: Tensor, slopes: Tensor | None) -> Tensor:
        return seen(values, self.points, slopes, self.config.ext, self.config.ext_type)


class MemberSource:
    """What each block trains E generators on besides their table, each by a seed of its own.

    Args:
        config: of the run. points: of the curves, (n, d). rows: of the table. seed: of member 0.
        library: what is real; None where nothing needs it.
    """

    def __init__(
        self,
        config: GeneratorConfig,
        points: Tensor,
        rows: int,
        library: SDData | None,
        seed: int,
    ):
        self.config, self.rows = config, rows
        seeds = range(seed, seed + config.restarts)
        self.members = [CurveSource(config, points, library, seed) for seed in seeds]

    def block(self, index: int) -> Block:
        """What epochs BLOCK * index to BLOCK * (index + 1) train on."""
        config, iters = self.config, self.config.disc.iters
        count = config.disc.batch or config.arch.lat_size  # alike with a gradient penalty
        parts = {}
        if config.sd and iters:
            draws = iters if self.members[0].library.iter_sample else 1
            parts["real"] = self._stacked(
                lambda one, stream: one.real(count, BLOCK * draws, stream), "library", index, dim=1
            ).unflatten(0, (BLOCK, draws))
        if config.sd and iters and config.disc.gp:
            parts["epsilon"] = self._stacked(
                lambda one, stream: torch.rand(BLOCK, iters, count, 1, generator=stream),
                *("epsilon", index),
                dim=2,
            )
        if config.e3:
            parts["draws"] = self._stacked(
                lambda one, stream: one.library.values(LIKENESS, one.points, generator=stream)[0],
                *("likeness", index),
                dim=0,
            )
        if config.batch_size is not None and config.shuffle_rows:
            parts["order"] = self._stacked(
                lambda one, stream: torch.rand(BLOCK, self.rows, generator=stream).argsort(-1),
                *("rows", index),
                dim=1,
            )
        return Block(**parts)

    def _stacked(
        self,
        draw: Callable[[CurveSource, torch.Generator], Tensor],
        name: str,
        index: int,
        dim: int,
    ) -> Tensor:
        """The draws of all members, each from its own stream, on the points' device."""
        drawn = [draw(one, random_stream(one.seed, name, index)) for one in self.members]
        return torch.stack(drawn, dim).to(self.members[0].points.device)
