"""SRNet, the generator: from inputs to a few latent units, and from those to the target."""

from collections.abc import Mapping, Sequence

from jaxtyping import Float
from torch import Tensor, nn

from sdnet.mlp import Random, check_whole, pair
from srnet.cells import make_cell


class SRNet(nn.Module):
    """z = latents(x), y = head(z): two cells, with the latent units z between them.

    Args:
        in_size, out_size: variables of the input and of the target.
        hid_num, hid_size, hid_type: a value for both cells, or a pair (input to latent, latent
            to output). 0 hidden layers is one linear layer; the types are "MLP" and "DSN".
        hid_kwargs: `alpha`, `norm` and `prune` of `srnet.cells.DSN`, for the cell from the
            input; a DSN at the output has masks of ones. An MLP has none.
        lat_size: latent units.
        stack, generator: as for `sdnet.mlp.MLP`: E generators in one.

    Raises:
        InputError: a size, type or mask that can't be used.

    >>> import torch
    >>> model = SRNet(in_size=2, hid_num=(2, 0), hid_size=8, hid_type=("DSN", "MLP"), lat_size=3)
    >>> pred, acts = model(torch.zeros(10, 2), get_lat=True)
    >>> pred.shape, acts.shape, model.jacobian(torch.zeros(10, 2), get_lat=True).shape
    (torch.Size([10, 1]), torch.Size([10, 3]), torch.Size([10, 3, 2]))
    """

    def __init__(
        self,
        in_size: int = 1,
        out_size: int = 1,
        hid_num: int | Sequence[int] = (2, 0),
        hid_size: int | Sequence[int] = 32,
        hid_type: str | Sequence[str] = ("MLP", "MLP"),
        hid_kwargs: Mapping | None = None,
        lat_size: int = 5,
        *,
        stack: tuple[int, ...] = (),
        generator: Random = None,
    ):
        super().__init__()
        check_whole("lat_size", lat_size, 1)
        types = pair("hid_type", hid_type)
        nums, sizes = pair("hid_num", hid_num), pair("hid_size", hid_size)
        options = {"stack": stack, "generator": generator}
        self.latents = make_cell(
            types[0], in_size, lat_size, nums[0], sizes[0], hid_kwargs, **options
        )
        self.head = make_cell(
            types[1], lat_size, out_size, nums[1], sizes[1], {"alpha": "ones"}, **options
        )

    def forward(
        self, x: Float[Tensor, "*rows d"], get_lat: bool = False
    ) -> Tensor | tuple[Tensor, Tensor]:
        """x (n, d) -> y (n, out); with `get_lat`, y and z (n, k). Stacks come first."""
        z = self.latents(x)
        y = self.head(z)
        return (y, z) if get_lat else y

    def jacobian(self, x: Float[Tensor, "*rows d"], get_lat: bool = False) -> Tensor:
        """The exact derivative of the outputs by the inputs, (n, out, d): J_head(z) J_latents(x).

        With `get_lat`, that of the latents, (n, k, d). Differentiable by the weights.
        """
        inner = self.latents.jacobian(x)
        return inner if get_lat else self.head.jacobian(self.latents(x)) @ inner
