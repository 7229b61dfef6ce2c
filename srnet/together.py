"""Runs of generators that train at once, as trainees of `sdnet.together.train_together`.

Each ends as it would alone, as `srnet.epochs` has it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from srnet.epochs import Epochs
from srnet.recipes import Block, Figures
from srnet.training import JointTraining


@dataclass(eq=False)
class Member:
    """Generators of a run, what block i gives them, for how long; see `sdnet.together.Trainee`."""

    learner: JointTraining
    draw: Callable[[int], Block]
    epochs: int
    pauses: tuple[int, ...] = ()
    present: bool = True

    @property
    def steps(self) -> int:
        return self.learner.recipe.iters


class GeneratorTeam:
    """Runs of generators whose epochs are trained together, see `srnet.epochs.Epochs`.

    >>> import torch
    >>> from sdnet.together import train_together
    >>> from srnet.network import SRNet
    >>> from srnet.recipes import Recipe
    >>> x, members = torch.rand(20, 1), []
    >>> for lr, count in [(1e-3, 4), (1e-2, 2)]:
    ...     model = SRNet(in_size=1, lat_size=2, hid_size=8, stack=(count,))
    ...     training = JointTraining(model, None, x, x**2, Recipe(epochs=20, iters=0, lr=lr))
    ...     members.append(Member(training, lambda block: Block(), 20))
    >>> for stretch in train_together(members, team_of=GeneratorTeam):
    ...     [tuple(part.figures.rows["loss"].shape) for part in stretch]
    [(16, 4), (16, 2)]
    [(4, 4), (4, 2)]
    """

    def __init__(self, members: Sequence[Member]):
        self.epochs = Epochs([member.learner for member in members])

    def stretch(
        self, blocks: Sequence[Block], epochs: range, stop: Callable[[], bool]
    ) -> list[Figures]:
        return self.epochs.stretch(blocks, epochs, stop)[0]
