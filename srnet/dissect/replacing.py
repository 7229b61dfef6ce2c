"""What takes an activation's place in an ablation: 0, a mean, or its value for another example."""

from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sdnet.errors import InputError, nearest
from srnet.dissect.passes import Passes, passes_of

By = Literal["zero", "mean", "resample"]
"""0; its mean over the reference examples; its value for one of them, drawn at random."""


def instead_of(
    model: nn.Module,
    layer: str,
    passes: Passes,
    by: str,
    reference: Tensor | None,
    generator: torch.Generator | None,
    *,
    together: bool = False,
) -> Float[Tensor, "n *places units"]:
    """What each activation of a layer is replaced by, see `replacement`.

    Raises:
        InputError: a reference that gives other activations, and as `replacement`.
    """
    given = None if reference is None else acts_of(model, layer, reference, passes)
    return replacement(passes.acts, given, by, generator, together).expand_as(passes.acts)


def acts_of(model: nn.Module, layer: str, reference: Tensor, passes: Passes) -> Tensor:
    """The layer's activations for reference examples, units last.

    Raises:
        InputError: they differ in more than the number of examples from those of the passes.
    """
    acts = passes_of(model, layer, reference, axis=passes.axis, reading=passes.reading).acts
    if acts.shape[1:] != passes.acts.shape[1:]:
        raise InputError(
            f"reference gives activations {tuple(acts.shape)}, and x {tuple(passes.acts.shape)}; "
            "expected the same but for the number of examples"
        )
    return acts


def replacement(
    acts: Float[Tensor, "n *places units"],
    given: Float[Tensor, "m *places units"] | None,
    by: str,
    generator: torch.Generator | None,
    together: bool,
) -> Tensor:
    """Zeros, means or other examples' values, in a shape that expands to the activations'.

    Args:
        acts: what is replaced. given: what means and values are taken of; None: acts.
        generator: draws an example for each unit of each example, or `together` for all its units.

    Raises:
        InputError: another `by`; a mean or values of one example alone; no generator.

    >>> acts = torch.tensor([[1.0, 2.0], [3.0, 6.0]])
    >>> replacement(acts, None, "mean", None, False)
    tensor([2., 4.])
    """
    if by not in get_args(By):
        raise InputError(f"by is {by!r}; {nearest(str(by), get_args(By))}")
    if by == "zero":
        return acts.new_zeros(acts.shape[-1])
    if given is None and len(acts) < 2:
        raise InputError(f"by is {by!r}, of one example, which changes nothing; give a reference")
    reference = acts if given is None else given
    if by == "mean":
        return reference.flatten(0, -2).mean(0)
    if generator is None:
        raise InputError("by is 'resample', which draws; expected a generator")
    units = 1 if together else acts.shape[-1]
    shape, device = (len(acts), units), generator.device
    index = torch.randint(len(reference), shape, generator=generator, device=device)
    places = [1] * (acts.dim() - 2)
    index = index.to(acts.device).view(len(acts), *places, units)
    return reference.gather(0, index.expand_as(acts))
