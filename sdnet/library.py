"""Libraries of formulas: .lib files, and draws from them.

What may live here: `SDData`, which reads the lines of a library, deals its templates and samples
their coefficients. What a single line is and how it is computed is in `sdnet.template`.
"""

import math
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from sdnet.errors import InputError, nearest
from sdnet.template import Template, read_template

TRIAL_DRAWS = 16  # of each template, by which `check` finds what isn't finite
# The draws in the order of their templates, and the part of that order that each template has.
Deal = tuple[Tensor, list[tuple[Template, slice]]]


class SDData:
    """A library of formula templates, from which curves are drawn.

    A line of the file is a template, as `sdnet.syntax` reads it, in x0, x1, ... with coefficients
    N0, N1, ... ~ N(0,1) and U0, U1, ... ~ U(0,1), which are drawn anew for every curve; after ``;``
    its partial derivatives may follow. Blank lines and lines that begin with ``#`` are passed over.

    Args:
        fun_path: the .lib file.
        in_var: the input table's name, such as "X10" (or "X10[:,0]"): ``X10[:,0]`` is x0.
        shuffle: templates are dealt like a shuffled deck, anew in each iteration; otherwise in the
            order of the file, and again from the first in each iteration.
        iter_sample: kept for the training loop: one draw for each iteration, not one for all.
        generator: the source of randomness where a call gives none; torch's default one if None.

    Attributes:
        lines: of the file, all of them; `from_lines` makes the same library of them.
        templates: one `sdnet.template.Template` for each line that isn't a comment.
        variables: how many columns the points must have at least.

    Raises:
        InputError: the file is missing or isn't text, has no template, or has a line that can't be
            read (named as file:line:column).

    >>> library = SDData.from_lines(["x0**2", "x0*x1"], "X00", shuffle=False)
    >>> library.get(2, torch.tensor([[3.0, 5.0]]))  # each curve: value, d/dx0, d/dx1
    tensor([[[[ 9.,  6.,  0.]],
             [[15.,  5.,  3.]]]])
    """

    def __init__(
        self,
        fun_path: str | Path,
        in_var: str,
        shuffle: bool = True,
        iter_sample: bool = False,
        *,
        generator: torch.Generator | None = None,
    ) -> None:
        self._set(_read_lines(Path(fun_path)), in_var, shuffle, iter_sample, generator, fun_path)

    @classmethod
    def from_lines(
        cls,
        lines: Sequence[str],
        in_var: str,
        shuffle: bool = True,
        iter_sample: bool = False,
        *,
        generator: torch.Generator | None = None,
        name: str | Path = "library",
    ) -> "SDData":
        """The library of the lines given; `name` stands for the file's in messages."""
        library = cls.__new__(cls)
        library._set(lines, in_var, shuffle, iter_sample, generator, name)
        return library

    def _set(
        self,
        lines: Sequence[str],
        in_var: str,
        shuffle: bool,
        iter_sample: bool,
        generator: torch.Generator | None,
        name: str | Path,
    ) -> None:
        table = re.fullmatch(r"([A-Za-z_]\w*)(\[.*\])?", in_var)
        if table is None:
            raise InputError(f"in_var is {in_var!r}, but a table's name such as 'X10' is expected")
        self.lines = [line.rstrip("\r\n") for line in lines]
        self.in_var, self.name = in_var, str(name)
        self.shuffle, self.iter_sample, self.generator = shuffle, iter_sample, generator
        if table[2] and not _keeps_order(table[2]):
            for number, line in enumerate(self.lines, 1):
                if f"{table[1]}[" in line:
                    raise InputError(
                        f"{name}:{number}: columns of {table[1]!r} are meant by their place in the "
                        f"table, but {in_var!r} picks others; write x0, x1, ... for those picked"
                    )
        self.templates = [
            read_template(line, table[1], f"{name}:{number}")
            for number, line in enumerate(self.lines, 1)
            if line.strip() and not line.lstrip().startswith("#")
        ]
        if not self.templates:
            raise InputError(f"{name}: no template found, at least one line of formula is expected")
        self.variables = max(template.variables for template in self.templates)
        self._normals = max(template.normals for template in self.templates)
        self._uniforms = max(template.uniforms for template in self.templates)

    def __getstate__(self) -> tuple[object, ...]:
        # Compiled templates can't be pickled, but are made again from the lines.
        return self.lines, self.in_var, self.shuffle, self.iter_sample, self.generator, self.name

    def __setstate__(self, state: tuple) -> None:
        self._set(*state)

    def __len__(self) -> int:
        return len(self.templates)

    def __repr__(self) -> str:
        return (
            f"SDData({self.name!r}, {self.in_var!r}, shuffle={self.shuffle}, "
            f"iter_sample={self.iter_sample}; templates: {len(self)}, variables: {self.variables})"
        )

    @cached_property
    def funs(self) -> list[list[str]]:
        """For each template its text, then its partial derivatives by x0, x1, ... as text.

        There is one derivative for each variable that the library uses (at least x0):
        hand-written where the file has it, else the derived one.
        """
        variables = max(self.variables, 1)
        return [[t.text, *t.partial_texts(variables)] for t in self.templates]

    def get(
        self,
        count: int,
        x: Tensor,
        iters: int | None = None,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "iters count n channels"]:
        """Draws at the points: for each curve its value and its derivative by every variable.

        The numbers come from the generator given, else the library's, else torch's default one;
        they are drawn on the CPU in x's dtype, so that they are the same on every device.

        Args:
            count: how many curves in each iteration.
            x: the points (n, d), floats.
            iters: how many iterations (1 if None).

        Returns:
            (iters, count, n, 1 + d); a view, whose channels are contiguous curves in memory.

        Raises:
            InputError: the points have fewer columns than a template needs, or a template isn't a
                finite real number somewhere on them.
        """
        return self._draw(count, x, iters, generator, True).movedim(0, -1)

    def values(
        self,
        count: int,
        x: Tensor,
        iters: int | None = None,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "iters count n"]:
        """The values alone: from the same state of the generator, the same as get(...)[..., 0]."""
        return self._draw(count, x, iters, generator, False)[0]

    def check(self, x: Tensor, with_partials: bool = True) -> None:
        """Try every template on the points with a few draws, the same ones each time.

        Args:
            x: the points (n, d), floats.
            with_partials: whether the derivatives have to be finite too.

        Raises:
            InputError: as `get` does, and also for a template that is rarely dealt.
        """
        self._check_points(x)
        generator = torch.Generator().manual_seed(0)
        for template in self.templates:
            deal = torch.arange(TRIAL_DRAWS), [(template, slice(None))]
            self._curves(deal, x, generator, with_partials)

    def _draw(
        self,
        count: int,
        x: Tensor,
        iters: int | None,
        generator: torch.Generator | None,
        with_partials: bool,
    ) -> Tensor:
        """(1 + d, iters, count, n): the values, then the derivatives if asked for."""
        iters = 1 if iters is None else iters
        if count < 1 or iters < 1:
            raise InputError(f"{count} curves in {iters} iterations asked for, at least 1 expected")
        self._check_points(x)
        generator = generator or self.generator
        deal = self._deal(count, iters, generator)
        curves = self._curves(deal, x, generator, with_partials)
        return curves.unflatten(1, (iters, count))

    def _deal(self, count: int, iters: int, generator: torch.Generator | None) -> Deal:
        size = len(self.templates)
        if size == 1:
            return torch.arange(iters * count), [(self.templates[0], slice(None))]
        if self.shuffle:
            decks = torch.rand(iters, math.ceil(count / size), size, generator=generator).argsort()
            dealt = decks.flatten(1)[:, :count].flatten()
        else:
            dealt = torch.arange(count).remainder(size).repeat(iters)
        ends = dealt.bincount(minlength=size).cumsum(0).tolist()
        groups = zip(self.templates, [0, *ends], ends, strict=False)
        held = [(template, slice(start, end)) for template, start, end in groups if start < end]
        return dealt.argsort(stable=True), held

    def _curves(
        self, deal: Deal, x: Tensor, generator: torch.Generator | None, with_partials: bool
    ) -> Tensor:
        """(1 + d, draws, n) or (1, draws, n): each template at once for all of its draws.

        Every draw has a row of as many coefficients as the widest template needs.
        """
        order, groups = deal
        normals = torch.randn(self._normals, len(order), 1, generator=generator, dtype=x.dtype)
        uniforms = torch.rand(self._uniforms, len(order), 1, generator=generator, dtype=x.dtype)
        if len(groups) > 1:
            normals, uniforms = normals[:, order], uniforms[:, order]
        normals, uniforms, columns = normals.to(x.device), uniforms.to(x.device), x.T.contiguous()
        curves = x.new_zeros(1 + len(columns) if with_partials else 1, len(order), len(x))
        for template, rows in groups:
            own = template.curves(normals[:, rows], uniforms[:, rows], columns, with_partials)
            for channel, curve in enumerate(own):
                curves[channel, rows] = curve
        if not math.isfinite(curves.detach().sum()):  # a finite sum has finite terms, and is quick
            _check_finite(groups, curves, x)
        if len(groups) > 1:
            curves = curves.index_select(1, order.argsort().to(x.device))
        return curves

    def _check_points(self, x: Tensor) -> None:
        if x.ndim != 2 or not len(x) or not x.is_floating_point():
            raise InputError(
                f"{self.name}: the points are {tuple(x.shape)} of {x.dtype}, but a table of floats "
                "with a row for each point and a column for each variable is expected"
            )
        if x.shape[1] < self.variables:
            wide = next(t for t in self.templates if t.variables > x.shape[1])
            raise InputError(
                f"{wide.where}: {wide.text!r} uses x{wide.variables - 1}, but the points have "
                f"{x.shape[1]} columns (x0 is the first)"
            )


def _keeps_order(pick: str) -> bool:
    """Whether "[:,0]", "[:,:2]" or "[:,[0,1]]" leaves column i of the table as column i."""
    inside = pick.replace(" ", "").removeprefix("[:,").removesuffix("]")
    if ":" in inside:
        return inside.partition(":")[0] in ("", "0")
    places = inside.strip("[]").split(",")
    return places == [str(place) for place in range(len(places))]


def _check_finite(groups: list[tuple[Template, slice]], curves: Tensor, x: Tensor) -> None:
    if not x.isfinite().all():
        raise InputError("the points have NaN or infinite entries, finite numbers are expected")
    for template, rows in groups:
        bad = ~curves[:, rows].isfinite()
        for channel, counts in enumerate(bad.sum(-1)):
            if counts.any():
                what = f"the derivative by x{channel - 1} of " if channel else ""
                raise InputError(
                    f"{template.where}: {what}{template.text!r} isn't a finite real number at "
                    f"{int(counts.max())} of the {len(x)} points (the worst of {len(counts)} draws)"
                )


def _read_lines(path: Path) -> list[str]:
    try:
        return path.read_bytes().decode("utf-8-sig").removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text file in UTF-8, a library of formulas is") from error
    except FileNotFoundError as error:
        others = sorted(other.name for other in path.parent.glob("*.lib"))
        hint = nearest(path.name, others) if others else f"no .lib file is in {path.parent}"
        raise InputError(f"{path}: no such file; {hint}") from error
    except OSError as error:
        raise InputError(f"{path}: can't be read: {error.strerror}") from error
