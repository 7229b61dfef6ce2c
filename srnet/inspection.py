"""The network of a discovery: trained on the table, asked what acts together, and read out.

What may live here: the two networks that `srnet.discover` trains. A plain one is asked which
inputs interact; from that, or from a formula that predicts better, follow the masks of a generator
with a latent for each part, whose latents are then named.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import sympy
import torch
from jaxtyping import Float64
from numpy import ndarray

from sdnet.training import stretches
from srnet.interactions import Function, Interactions, interactions
from srnet.network import SRNet
from srnet.projection import Projection
from srnet.readout.engines import Engine
from srnet.readout.heads import read_sum
from srnet.readout.latents import LatentReading, read_latents
from srnet.readout.leastsq import linear_fit
from srnet.readout.shapes import Shape
from srnet.readout.terms import Term
from srnet.training import Block, JointTraining, Recipe

RATE = 3e-3
HIDDEN = (3, 64)  # layers and units of the network that is asked
CELL = (3, 32)  # of each latent's network


@dataclass(frozen=True, eq=False)
class Fitted:
    """A trained generator with the scaling of its table: inputs and target have deviation 1.

    members: validation errors of all that were trained, as shares of the target's variance; the
    model is the one of the least.
    """

    model: SRNet
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
    formula: sympy.Expr | None = None,
) -> Fitted:
    """A generator for each seed, trained in one stack; the one of least error on the held rows.

    With masks, a latent for each row of them, which sees those inputs alone, and a linear head;
    without, one network. With a formula too, whose terms have these masks (`term_masks`), each
    latent is guided to draw its term, see `srnet.projection`.
    """
    center, spread = x.mean(0), np.where(x.std(0) > 0, x.std(0), 1.0)
    mean, scale = float(y.mean()), float(y.std()) or 1.0
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    options: dict = {"hid_num": (HIDDEN[0], 0), "hid_size": HIDDEN[1], "lat_size": HIDDEN[1]}
    if masks is not None:
        kwargs = {"alpha": masks.tolist()}
        options = {"hid_num": (CELL[0], 0), "hid_size": CELL[1], "lat_size": len(masks)}
        options |= {"hid_type": ("DSN", "MLP"), "hid_kwargs": kwargs}
    model = SRNet(in_size=x.shape[1], stack=(len(seeds),), generator=generators, **options)
    fitted = Fitted(model, center, spread, mean, scale, ())
    rows = fitted._scaled(x)
    target = torch.from_numpy((y - mean) / scale).float()[:, None]
    recipe = Recipe(epochs, lr=RATE, schedule="cosine", iters=0)
    guide = None if formula is None else _guide(formula, fitted, rows, target, masks)
    training = JointTraining(model, None, rows, target, recipe, guide)
    for _ in stretches(training, lambda block: Block(), epochs):
        pass
    with torch.no_grad():
        found = model(fitted._scaled(held[0]))[..., 0].double().numpy()
    wanted = (held[1] - mean) / scale
    members = np.mean((found - wanted) ** 2, axis=-1)
    members = np.where(np.isfinite(members), members, np.inf)
    single = SRNet(in_size=x.shape[1], generator=torch.Generator(), **options)
    best = int(members.argmin())
    single.load_state_dict({name: value[best] for name, value in model.state_dict().items()})
    return Fitted(single, center, spread, mean, scale, tuple(members.tolist()))


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


def term_masks(formula: sympy.Expr, inputs: int) -> Float64[ndarray, "k d"]:
    """A latent for each term of a sum that is not constant; it sees the term's inputs.

    >>> x0, x1 = sympy.symbols("x0 x1", real=True)
    >>> term_masks(2 * x0 * x1 + sympy.cos(x1) + 3, 2)
    array([[0., 1.],
           [1., 1.]])
    """
    sets = [Shape(term).variables for term in _terms(formula)]
    masks = np.zeros((len(sets), inputs))
    for mask, chosen in zip(masks, sorted(sets, key=lambda s: (len(s), s)), strict=True):
        mask[list(chosen)] = 1.0
    return masks


def _terms(formula: sympy.Expr) -> list[sympy.Expr]:
    parts = sympy.Add.make_args(sympy.expand(formula))
    return [part.as_independent(*part.free_symbols)[1] for part in parts if part.free_symbols]


def _guide(
    formula: sympy.Expr, fitted: Fitted, rows: torch.Tensor, target: torch.Tensor, masks: ndarray
) -> Projection:
    """The guide to a formula's terms, as functions of the scaled inputs."""
    symbols = [sympy.Symbol(f"x{i}", real=True) for i in range(rows.shape[1])]
    scaled = {
        x: float(center) + float(spread) * x
        for x, center, spread in zip(symbols, fitted.center, fitted.spread, strict=True)
    }
    terms = [Term((Shape(t.subs(scaled)),), (np.zeros(0),)) for t in _terms(formula)]
    found = linear_fit(terms, rows.double().numpy(), target[:, 0].double().numpy())
    return Projection(found, rows, target, torch.from_numpy(masks).float())


def ask(function: Function, error: float, x: Float64[ndarray, "n d"]) -> Interactions:
    """The interactions, on the rows, of a function with this error; always of the same pairs."""
    return interactions(function, x, error, np.random.default_rng(0))


def read_network(
    fitted: Fitted,
    x: Float64[ndarray, "n d"],
    masks: ndarray,
    shapes: Sequence[Shape],
    *,
    products: bool = False,
    engine: Engine | None = None,
) -> tuple[list[LatentReading], sympy.Expr]:
    """The readings of a generator's latents, and the formula that they and the linear head make.

    Args:
        products, engine: for what no shape expresses, see `srnet.readout.latents.read_latents`.
    """
    readings = read_latents(fitted.latents(x), x, shapes, masks, products=products, engine=engine)
    head = dict(fitted.model.head.named_parameters())
    weight, bias = (value.detach().double().flatten().numpy() for value in head.values())
    offset = fitted.mean + fitted.scale * float(bias[0])
    return readings, read_sum(readings, fitted.scale * weight, offset)
