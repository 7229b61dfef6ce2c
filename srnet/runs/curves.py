"""The two sides of a critic run: library draws and the curves of untrained generators.

Everything random follows from the run's seed and the place it is used at (a stream's name, a
block's number), never from what was drawn before: a resumed run draws what an undisturbed one
would have drawn.
"""

import zlib

import numpy as np
import torch
from torch import Tensor

from sdnet.extension import extend
from sdnet.library import SDData
from sdnet.mlp import pair
from sdnet.training import BLOCK, Curves
from srnet.cells import latent_curves, make_cell
from srnet.runs.config import CriticConfig

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
        library: what is real.
        seed: of the run.
    """

    def __init__(self, config: CriticConfig, points: Tensor, library: SDData, seed: int):
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
        channels = {"input": self.points, "grad": slopes}
        if not self.config.ext:
            return values
        return extend(
            values, *[channels[name] for name in self.config.ext], ext_type=self.config.ext_type
        )
