"""The network of a discovery: trained on the table, asked what acts together, and read out.

What may live here: the two networks that a pursuit trains. A plain one is asked which inputs
interact; from that, or from a formula that predicts better, follow the latents of a generator, one
for each part, which are then named.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import sympy
import torch
from jaxtyping import Float64
from numpy import ndarray

from sdnet.training import stretches
from srnet.interactions import Function, Interactions, interactions
from srnet.network import SRNet
from srnet.parts import Parts
from srnet.projection import Projection, TermGuide
from srnet.readout.engines import Engine
from srnet.readout.heads import read_function, read_sum
from srnet.readout.latents import LatentReading, read_latents
from srnet.readout.leastsq import linear_fit
from srnet.readout.shapes import Shape
from srnet.readout.terms import Term
from srnet.training import Block, JointTraining, Recipe

RATE = 3e-3
HIDDEN = (3, 64)  # layers and units of the network that is asked
CELL = (3, 32)  # of each latent's network
HEAD = (2, 32)  # of what is made of latents that aren't only added up


@dataclass(frozen=True, eq=False)
class Fitted:
    """A trained generator with the scaling of its table: inputs and target have deviation 1.

    arch: what the model is built from, see `srnet.network.SRNet`. members: validation errors of all
    that were trained, as shares of the target's variance; the model is the one of the least.
    """

    model: SRNet
    arch: Mapping
    center: Float64[ndarray, " d"]
    spread: Float64[ndarray, " d"]
    mean: float
    scale: float
    members: tuple[float, ...]

    def __call__(self, x: Float64[ndarray, "n d"]) -> Float64[ndarray, " n"]:
        """The network's prediction for raw inputs."""
        with torch.no_grad():
            y = self.model(self._scaled(x))[:, 0].double().numpy()
        return self.mean + self.scale * y

    def latents(self, x: Float64[ndarray, "n d"]) -> Float64[ndarray, "k n"]:
        """What the latents draw at raw inputs."""
        with torch.no_grad():
            return self.model.latents(self._scaled(x)).mT.double().numpy()

    @property
    def linear(self) -> bool:
        """Whether its output is a weighted sum of the latents."""
        return not self.arch["hid_num"][1]

    @property
    def error(self) -> float:
        return min(self.members)

    def _scaled(self, x: ndarray) -> torch.Tensor:
        return torch.from_numpy((x - self.center) / self.spread).float()


def train_network(
    x: Float64[ndarray, "n d"],
    y: Float64[ndarray, " n"],
    held: tuple[ndarray, ndarray],
    seeds: Sequence[int],
    epochs: int,
    masks: Float64[ndarray, "k d"] | None = None,
    parts: Parts | None = None,
) -> Fitted:
    """A generator for each seed, trained in one stack; the one of least error on the held rows.

    With masks, a latent for each row of them, which sees those inputs alone, and a linear head;
    without, one network. With the parts of a formula, a latent for each, which is guided to draw it
    (see `srnet.projection`), and a head that is linear if the formula is a sum of them.
    """
    center, spread = x.mean(0), np.where(x.std(0) > 0, x.std(0), 1.0)
    mean, scale = float(y.mean()), float(y.std()) or 1.0
    arch: dict = {"in_size": x.shape[1]}
    if parts is not None:
        masks = parts.masks(x.shape[1])
    if masks is None:
        arch |= {"hid_num": (HIDDEN[0], 0), "hid_size": HIDDEN[1], "lat_size": HIDDEN[1]}
    else:
        head = (0, CELL[1]) if parts is None or parts.linear else HEAD
        arch |= {"hid_num": (CELL[0], head[0]), "hid_size": (CELL[1], head[1])}
        arch |= {"lat_size": len(masks)}
        arch |= {"hid_type": ("DSN", "MLP"), "hid_kwargs": {"alpha": masks.tolist()}}
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    options: dict = {"hid_num": (HIDDEN[0], 0), "hid_size": HIDDEN[1], "lat_size": HIDDEN[1]}
    if masks is not None:
        kwargs = {"alpha": masks.tolist()}
        options = {"hid_num": (CELL[0], 0), "hid_size": CELL[1], "lat_size": len(masks)}
        options |= {"hid_type": ("DSN", "MLP"), "hid_kwargs": kwargs}
    model = SRNet(**arch, stack=(len(seeds),), generator=generators)
    fitted = Fitted(model, arch, center, spread, mean, scale, ())
    rows = fitted._scaled(x)
    target = torch.from_numpy((y - mean) / scale).float()[:, None]
    recipe = Recipe(epochs, lr=RATE, schedule="cosine", iters=0)
    guide = None if parts is None else _guide(parts, fitted, rows, target)
    training = JointTraining(model, None, rows, target, recipe, guide)
    for _ in stretches(training, lambda block: Block(), epochs):
        pass
    with torch.no_grad():
        found = model(fitted._scaled(held[0]))[..., 0].double().numpy()
    wanted = (held[1] - mean) / scale
    members = np.mean((found - wanted) ** 2, axis=-1)
    members = np.where(np.isfinite(members), members, np.inf)
    single = SRNet(**arch, generator=torch.Generator())
    best = int(members.argmin())
    single.load_state_dict({name: value[best] for name, value in model.state_dict().items()})
    return Fitted(single, arch, center, spread, mean, scale, tuple(members.tolist()))


def found_masks(found: Interactions, inputs: int) -> Float64[ndarray, "k d"]:
    """A latent for each input that is used, and one for each set that acts together.

    Of interacting sets only the largest count: a triple stands for its pairs. Where nothing stands
    out of the noise, one latent sees everything.

    >>> found = Interactions({(0,): 1.0, (1,): 1.0, (0, 1): 0.5, (2,): 0.0}, 0.1)
    >>> found_masks(found, 3)
    array([[1., 0., 0.],
           [0., 1., 0.],
           [1., 1., 0.]])
    """
    sets: list[tuple[int, ...]] = []
    for size in (3, 2):
        sets += [s for s in found.seen(size) if not any(set(s) < set(other) for other in sets)]
    rows = [*sorted(found.seen(1)), *sorted(sets, key=lambda s: (len(s), s))]
    if not rows:
        return np.ones((1, inputs))
    masks = np.zeros((len(rows), inputs))
    for mask, chosen in zip(masks, rows, strict=True):
        mask[list(chosen)] = 1.0
    return masks


def _guide(parts: Parts, fitted: Fitted, rows: torch.Tensor, target: torch.Tensor) -> TermGuide:
    """The guide to a formula's parts, as functions of the scaled inputs."""
    symbols = [sympy.Symbol(f"x{i}", real=True) for i in range(rows.shape[1])]
    scaled = {
        x: float(center) + float(spread) * x
        for x, center, spread in zip(symbols, fitted.center, fitted.spread, strict=True)
    }
    terms = [Term((Shape(part.subs(scaled)),), (np.zeros(0),)) for part in parts.latents]
    masks = torch.from_numpy(parts.masks(rows.shape[1])).float()
    found = linear_fit(terms, rows.double().numpy(), target[:, 0].double().numpy())
    if found is None or not parts.linear:
        return TermGuide(terms, rows, target, masks)
    return Projection(found, rows, target, masks)


def ask(function: Function, error: float, x: Float64[ndarray, "n d"]) -> Interactions:
    """The interactions, on the rows, of a function with this error; always of the same pairs."""
    return interactions(function, x, error, np.random.default_rng(0))


def read_network(
    fitted: Fitted,
    x: Float64[ndarray, "n d"],
    y: Float64[ndarray, " n"],
    masks: ndarray,
    shapes: Sequence[Shape],
    *,
    products: bool = False,
    engine: Engine | None = None,
) -> tuple[list[LatentReading], sympy.Expr]:
    """The readings of a generator's latents, and the formula that they and the head make.

    Args:
        y: of the rows x, to which a head that isn't linear is fitted.
        products, engine: for what no shape expresses, see `srnet.readout.latents.read_latents`.
    """
    readings = read_latents(fitted.latents(x), x, shapes, masks, products=products, engine=engine)
    if not fitted.linear:
        return readings, read_function(readings, x, y, engine=engine)[0].expression
    head = dict(fitted.model.head.named_parameters())
    weight, bias = (value.detach().double().flatten().numpy() for value in head.values())
    offset = fitted.mean + fitted.scale * float(bias[0])
    return readings, read_sum(readings, fitted.scale * weight, offset)
