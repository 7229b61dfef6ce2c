"""A stack of critics: E dense ones of one shape, whose steps are taken together.

Rates, decays, betas, penalties and steps an epoch are each member's own. Each gets what it would
get alone: on the CPU to the bit (see `sdnet.gradients`), on a GPU to rounding. Who is in a stack
for how long is the business of `sdnet.together`.
"""

import time
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from sdnet.critic import Critic, SDNet, scores
from sdnet.errors import InputError
from sdnet.gradients import DenseGradients
from sdnet.mlp import joined, stacked
from sdnet.training import BLOCK, Curves


class CriticStack:
    """E dense critics of one shape, whose steps are taken together.

    The critics keep their weights in the stack's tensors from now on, and stay critics: they may be
    saved, or trained alone, at any time. Their own optimisers make the updates: one kernel for all
    takes one rate for all, and saves 5 of 45 µs (`benchmarks/adam.py`).

    Args:
        critics: those with more `iters` first, so that who still has steps to take in an epoch is
            always the first few of the stack. One may be a stack (E_i,) itself, with one optimiser
            for all its members: then all are, and E is the sum.
        real, fake: curves a side; as many fake ones as real ones if not given.

    Raises:
        InputError: critics that don't fit one stack.

    >>> critics = [SDNet(4, hid_num=1, hid_size=8, iters=iters, gp=0) for iters in (3, 2)]
    >>> stack = CriticStack(critics, 5)
    >>> margins, norms = stack.step(2, *torch.rand(2, 2, 5, 4), None)       # the third step
    >>> margins.shape, norms
    (torch.Size([1, 10]), None)
    """

    def __init__(self, critics: Sequence[Critic], real: int, fake: int | None = None):
        forms = {form(critic) for critic in critics}
        iters = [critic.iters for critic in critics]
        if len(forms) != 1 or None in forms or iters != sorted(iters, reverse=True):
            raise InputError(
                f"critics of {len(forms)} form(s) and of iters {iters} were given; expected dense "
                "ones of one form (see sdnet.stack.form), those with more iters first"
            )
        first = critics[0]
        self.critics, self.embedded = list(critics), first.embedding is not None
        of_stacks = bool(first.stack)
        join = joined if of_stacks else stacked
        self.networks = [join(nets) for nets in zip(*(c.networks for c in critics), strict=True)]
        ends = list(accumulate(critic.stack[0] if of_stacks else 1 for critic in critics))
        self.size, point = ends[-1], [first.in_size, *[first.emb_size] * self.embedded]
        places = [slice(*place) for place in pairwise([0, *ends])]
        penalties = torch.zeros(self.size, dtype=torch.float64)
        for critic, place in zip(critics, places, strict=True):
            penalties[place] = critic.gp
        sides = [(self.size, count, *point) for count in (real, real if fake is None else fake)]
        whole = DenseGradients(self.networks, *sides, first.objective, penalties)
        for critic, place in zip(critics, places, strict=True):
            critic.live_in(whole.member(place if of_stacks else place.start))
        stepping = [sum(number > step for number in iters) for step in range(iters[0])]
        self.stepping = [self.critics[:count] for count in stepping]
        self.active = [ends[count - 1] for count in stepping]
        ends = sorted(set(iters))  # the spans of steps that as many take part in
        self.spans = [
            (self.active[begin], slice(begin, end)) for begin, end in pairwise([0, *ends])
        ]
        self.gradients = {k: whole.first(k) for k in set(self.active)} | {self.size: whole}

    def scores(self, curves: Float[Tensor, "e *curves"]) -> Float[Tensor, "e b"]:
        """What each thinks of its curves, (E, b, n[, c])."""
        return scores(self.networks, curves)

    @torch.no_grad()
    def step(
        self, number: int, real: Tensor, fake: Tensor, epsilon: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Step `number` of an epoch, from 0, of those members that have as many.

        Args:
            real, fake: (E, b, n[, c]). epsilon: (E, b, 1).

        Returns:
            margins (active, b + b) and norms (active, b) before it, as of `sdnet.critic.Critic`.
        """
        active = self.active[number]
        if epsilon is not None and self.embedded:
            epsilon = epsilon.unsqueeze(-1)
        if active < self.size:
            real, fake = real[:active], fake[:active]
            epsilon = None if epsilon is None else epsilon[:active]
        figures = self.gradients[active](real, fake, epsilon)
        for critic in self.stepping[number]:
            critic.optimizer.update()
        return figures

    def stretch(
        self, curves: Curves, first: int, rates: Sequence[Sequence[float]], stop: Callable[[], bool]
    ) -> tuple[Tensor, Tensor, list[float]]:
        """Epochs of a block from place `first` on, one for each rate, or until `stop` says so.

        Args:
            curves: of all members, see `side_by_side`. rates: of each member, one an epoch.

        Returns:
            margins (E, BLOCK, iters, b + b) and norms (E, BLOCK, iters, b) of the steps that were
            taken, each in its place, and the seconds of each epoch.
        """
        size, steps, count = len(self.critics), len(self.active), curves.fake.shape[2]
        margins = curves.fake.new_zeros(size, BLOCK, steps, 2 * count)
        norms = curves.fake.new_ones(size, BLOCK, steps, count)  # 1: no penalty
        times = []
        for place, row in enumerate(zip(*rates, strict=True), start=first):
            began = time.perf_counter()
            for critic, rate in zip(self.critics, row, strict=True):
                critic.optimizer.lr = rate
            real, fake, epsilon = curves.real[place], curves.fake[place], curves.epsilon[place]
            reals = real.unbind() if len(real) > 1 else [real[0]] * steps
            taken = [
                self.step(step, real, fake, epsilon)
                for step, (real, epsilon) in enumerate(zip(reals, epsilon, strict=True))
            ]
            for active, span in self.spans:
                found, lengths = zip(*taken[span], strict=True)
                margins[:active, place, span] = torch.stack(found, 1)
                if lengths[0] is not None:
                    norms[:active, place, span] = torch.stack(lengths, 1)
            times.append(time.perf_counter() - began)
            if stop():
                break
        return margins, norms, times


def form(critic: Critic) -> tuple | None:
    """What critics of one stack have in common; None for one that is trained alone.

    Besides shapes it is whether there is a penalty: one of weight 0 would cost, and round sums
    otherwise.
    """
    if not isinstance(critic, SDNet):
        return None
    axes = len(critic.stack)
    shapes = axes, *(tuple(parameter.shape[axes:]) for parameter in critic.parameters())
    device = critic.critic.weights[0].device
    return critic.in_size, critic.emb_size, critic.objective, bool(critic.gp), shapes, device


def side_by_side(blocks: Sequence[Curves]) -> Curves:
    """The blocks of E members as one: real (BLOCK, 1 or iters, E, b, n[, c]), fake (BLOCK, E, ...),
    epsilon (BLOCK, iters, E, b, 1). What is one for all steps of a member is repeated; members of
    fewer steps than others have zeros for the rest.
    """
    return Curves(
        _filled([block.real for block in blocks]),
        torch.stack([block.fake for block in blocks], 1),
        _filled([block.epsilon for block in blocks]),
    )


def _filled(parts: Sequence[Tensor]) -> Tensor:
    """(BLOCK, steps, ...) of each member -> (BLOCK, most steps, E, ...)."""
    most = max(part.shape[1] for part in parts)
    whole = parts[0].new_zeros(len(parts[0]), most, len(parts), *parts[0].shape[2:])
    for number, part in enumerate(parts):
        steps = part.shape[1] if part.shape[1] > 1 else most
        whole[:, :steps, number] = part
    return whole
