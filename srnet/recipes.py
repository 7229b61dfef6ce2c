"""What generators are trained by: the recipe, what a block of epochs trains on, figures, a guide.

Plain containers and a protocol, without the training itself (`srnet.epochs`, `srnet.training`).
"""

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from jaxtyping import Float, Int64
from torch import Tensor

from srnet.network import SRNet
from srnet.penalties import Weights


@dataclass(frozen=True)
class Recipe:
    """How generators are trained.

    weights: of the penalties. lr, wd, betas: of the generators' Adam; the critics have their own.
    schedule, critic_schedule: of the two learning rates over all `epochs`, see
    `sdnet.training.learning_rate`. iters: the critics' steps an epoch, 0 for critics that stay as
    they are. batch_size: rows of a step, None for all of them. points: a curve is what a latent
    draws at the first so many rows, None for all of them. ext, ext_type: what the critics see
    beside the values. average: decay of the running average of the generators' weights, 0 for none.
    """

    epochs: int
    weights: Weights = field(default_factory=Weights)
    lr: float = 1e-3
    wd: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    schedule: str = "constant"
    critic_schedule: str = "constant"
    iters: int = 5
    batch_size: int | None = None
    points: int | None = None
    ext: tuple[str, ...] = ()
    ext_type: str = "stack"
    average: float = 0.0


@dataclass(frozen=True, eq=False)
class Block:
    """What a block of epochs trains on besides the table; None what its recipe doesn't need.

    real: (BLOCK, 1 or iters, E, b, n[, c]), library draws as the critics see them.
    epsilon: (BLOCK, iters, E, b, 1), where the critics' gradient penalty is taken.
    draws: (E, m, n), the library curves that e3 compares latents with.
    order: (BLOCK, E, rows), in which order each epoch goes through the rows; None: as they stand.
    """

    real: Tensor | None = None
    epsilon: Tensor | None = None
    draws: Float[Tensor, "e m n"] | None = None
    order: Int64[Tensor, "block e rows"] | None = None


@dataclass
class Figures:
    """A row for each epoch, with a number for each member: `rows` are (epochs, E) by their names.

    "loss" (squared error) and "penalty" (weighted) are means over the epoch's steps, "acc" is
    the critics' accuracy before their steps, where critics are trained; all are NaN from the epoch
    on in which a member is lost. `times` are seconds.
    """

    rows: dict[str, Tensor]
    times: list[float]
    non_finite: int | None = None  # the epoch of this stretch in which the last member was lost


@runtime_checkable
class Guide(Protocol):
    """What may lead the latents besides the critics.

    every: epochs between two updates. points: where the guide looks at the latents, (m, d); they
    need not be rows of the table.
    """

    every: int
    points: Tensor

    def update(self, model: SRNet, epoch: int) -> None:
        """Called without gradients, before the epoch; may change weights in place."""

    def penalty(self, curves: Tensor, progress: float) -> Tensor:
        """(E, k, m), latents at the points -> (E,), added to the loss of each step.

        progress is the share of epochs done, in [0, 1).
        """

    def state_dict(self) -> dict:
        """Tensors and plain containers from which `load_state_dict` brings everything back."""

    def load_state_dict(self, state: dict) -> None:
        """Put the guide back to a `state_dict`."""
