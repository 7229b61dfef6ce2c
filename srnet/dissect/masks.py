"""Masks over the units of a layer: how they multiply activations, and how they are learnt.

What may live here: masks themselves. How a network is run under them is the subject of
frozen.py, how they are trained that of modules.py.
"""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from sdnet.errors import InputError


def apply_masks(acts: Tensor, masks: Tensor) -> Tensor:
    """acts[i, ..., j] * masks[i mod s, j]: a new tensor; the activations stay as they are.

    Args:
        acts: (b examples, ..., units), b of any size.
        masks: (s masks, units), numbers or bools; one for all examples is (1, units).

    Raises:
        InputError: activations of another number of units.

    >>> acts = torch.tensor([[3.0, 4.0], [5.0, 6.0], [7.0, 8.0]])
    >>> apply_masks(acts, torch.tensor([[True, False], [True, True]]))
    tensor([[3., 0.],
            [5., 6.],
            [7., 0.]])
    """
    count, units = masks.shape
    if acts.dim() < 2 or acts.shape[-1] != units:
        raise InputError(
            f"activations have shape {tuple(acts.shape)}; expected (examples, ..., {units})"
        )
    masks = masks.to(acts.dtype).reshape(count, *(1,) * (acts.dim() - 2), units)
    runs = len(acts) // count
    whole = runs * count
    # Masks are broadcast over runs of s examples: written out for each, they'd be as large as acts.
    masked = (acts[:whole].unflatten(0, (runs, count)) * masks).flatten(0, 1)
    if whole == len(acts):
        return masked
    return torch.cat([masked, acts[whole:] * masks[: len(acts) - whole]])


class GumbelSigmoidMask(nn.Module):
    """A learnt mask: each unit is kept with probability sigmoid(logit), independently.

    With u uniform in (0, 1), a sample of the mask m and its straight-through gradient are

        m = 1 if l + log(u / (1 - u)) > 0, else 0       P(m = 1) = sigmoid(l), exactly
        dm/dl = ds/dl,  s = sigmoid((l + log(u / (1 - u))) / temperature)

    so that the temperature shapes the gradient and leaves the distribution alone. In evaluation
    mode the mask is m = [l > 0], the likelier value of each unit: nothing is drawn.

    After Csordas, van Steenkiste and Schmidhuber (2021), "Are neural nets modular?", who mask
    weights; the distribution is that of Maddison, Mnih and Teh (2017) and Jang et al. (2017).

    Args:
        units: how many.
        initial_keep_prob: with which probability each is kept at first, in (0, 1).
        temperature: above 0; near 0 only units whose draw was close have a gradient.
        num_mask_samples: masks drawn for a batch, of any size: example i has mask
            i mod num_mask_samples.
        generator: what the draws follow from.

    Raises:
        InputError: a setting outside its range.

    >>> mask = GumbelSigmoidMask(3, initial_keep_prob=0.5).eval()
    >>> with torch.no_grad():
    ...     _ = mask.logits.copy_(torch.tensor([2.0, -1.0, 0.5]))
    >>> mask(torch.ones(2, 3))
    tensor([[1., 0., 1.],
            [1., 0., 1.]])
    """

    def __init__(
        self,
        units: int,
        *,
        initial_keep_prob: float = 0.9,
        temperature: float = 0.5,
        num_mask_samples: int = 8,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if units < 1 or num_mask_samples < 1:
            raise InputError(
                f"units is {units} and num_mask_samples {num_mask_samples}; expected at least 1"
            )
        if not 0 < initial_keep_prob < 1:
            raise InputError(
                f"initial_keep_prob is {initial_keep_prob}; expected a number inside (0, 1), "
                "since at 0 or 1 a unit's logit would be infinite"
            )
        if not 0 < temperature < math.inf:
            raise InputError(f"temperature is {temperature}; expected a number above 0")
        logit = math.log(initial_keep_prob / (1 - initial_keep_prob))
        self.logits = nn.Parameter(torch.full((units,), logit))
        self.temperature = temperature
        self.num_mask_samples = num_mask_samples
        self.generator = generator

    def forward(self, acts: Tensor) -> Tensor:
        """Activations (b, ..., units) times the mask: sampled in training, fixed in evaluation.

        Raises:
            InputError: activations of another number of units.
        """
        return apply_masks(acts, self.sample() if self.training else self.kept[None])

    def sample(self) -> Float[Tensor, "num_mask_samples units"]:
        """Masks of 0 and 1, with the straight-through gradient."""
        device = self.generator.device if self.generator else None
        shape = (self.num_mask_samples, len(self.logits))
        uniform = torch.rand(shape, generator=self.generator, device=device).to(self.logits)
        noise = uniform.clamp_(1e-7, 1 - 1e-7).logit_()  # at 0 and 1 it would be infinite
        shifted = self.logits + noise
        soft = torch.sigmoid(shifted / self.temperature)
        # The brackets make the sum exactly 0 or 1: (hard + soft) - soft would be rounded.
        return (shifted > 0).to(soft.dtype) + (soft - soft.detach())

    @property
    def kept(self) -> Bool[Tensor, " units"]:
        """Which units the mask keeps in evaluation."""
        return self.logits > 0

    def expected_kept(self) -> Float[Tensor, ""]:
        """The expected number of units that a sample keeps: sum of sigmoid(logits), 0 to units.

        As a penalty it is bounded: a unit that isn't kept has nothing more to gain.
        """
        return self.logits.sigmoid().sum()
