"""Templates drawn at random from a small grammar, for libraries of any size.

What may live here: the grammar, its bounds, and which drawn templates are kept. How the lines are
read and sampled is the matter of `sdnet.library`.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from sdnet.errors import InputError

DEPTH = 3
"""Rules within each other, at most, unless told otherwise."""

RULES = ("square", "cube", "sin", "cos", "exp", "product", "sum")
DRAWS = 16  # of the coefficients, by which a template is judged
PEAK = 10.0  # largest value over root mean square: beyond it a curve is one spike
FAR = 5.0  # normal coefficients that a long training meets
LARGEST = 1e6  # with coefficients as far as that, of any part, and of the whole in sizes of its own
FRUITLESS = 5000  # templates drawn in a row without a new one, until the grammar counts as empty


@dataclass(frozen=True)
class _Node:
    """A part of a template: its text, and its values for (draws, points)."""

    text: str
    values: np.ndarray


def random_templates(
    count: int,
    x: np.ndarray,
    seed: int = 0,
    depth: int = DEPTH,
    size: float = 1.0,
) -> list[str]:
    """Different lines of a library, in x0, x1, ..., as `SDData.from_lines` reads them.

    A line is N0*c*S, where c is a number such that the root mean square of c*S over points and
    draws is `size`, and S is drawn from the grammar (each rule writes one pair of parentheses)::

        S = xi | (S)**2 | (S)**3 | (S*S) | (S + Nk*S) | exp(w*S)
          | sin(w*S) | sin(w*S + Nk) | cos(w*S)
        w = 1, 2, 3 or 3*Uk in sin and cos; 1, -1 or -2*Uk in exp

    with at most `depth` rules within each other. A template is passed over if it isn't finite on
    the points, is constant, has a value beyond ten times its root mean square (one spike), or, for
    coefficients of magnitude 5, one beyond 1e6 * `size`, or a part beyond 1e6; or if it equals, up
    to a factor, an earlier one there for the same coefficients. The first templates of a longer
    list are the shorter one.

    Args:
        x: points (n, d) at which templates are judged. seed: what all follows from.

    Raises:
        InputError: count, depth, size or the points can't be used; more templates are asked for
            than are found at this depth.

    >>> random_templates(1, np.array([[-2.0], [2.0]]), depth=0)
    ['N0*0.5*x0']
    """
    x = np.asarray(x, dtype=np.float64)
    for name, value, least in (("count", count, 1), ("depth", depth, 0)):
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
            raise InputError(f"{name} is {value!r}, but a whole number >= {least} is expected")
    if x.ndim != 2 or not x.size or not np.isfinite(x).all():
        raise InputError(f"the points are {x.shape}, but a finite table (n, d) is expected")
    if not 0 < size < np.inf:
        raise InputError(f"size is {size!r}, but a number > 0 is expected")
    random, lines, known, missed = np.random.default_rng(seed), [], set(), 0
    while len(lines) < count:
        drawn = _Drawing(random, x).shape(depth)
        scale = _scale(drawn.values)
        key = None if scale is None else _key(drawn.values * scale)
        if key is None or key in known:
            missed += 1
            if missed == FRUITLESS:
                kinds = f"{x.shape[1]} variable" + "s" * (x.shape[1] > 1)
                raise InputError(
                    f"{count} templates of depth {depth} in {kinds} asked for, but only "
                    f"{len(lines)} were found; ask for fewer or a larger depth"
                )
            continue
        missed = 0
        known.add(key)
        lines.append(f"N0*{scale * size:.6g}*{drawn.text}")
    return lines


class _Drawing:
    """One template as it is drawn: its coefficients are numbered in the order of their coming."""

    def __init__(self, random: np.random.Generator, x: np.ndarray) -> None:
        self.random, self.x = random, x
        self.normals, self.uniforms = 1, 0  # N0 is the factor before the whole

    def shape(self, depth: int) -> _Node:
        """S: a variable, or a rule about shapes of one depth less."""
        if not depth or self.random.random() < 1 / (1 + len(RULES)):
            column = int(self.random.integers(self.x.shape[1]))
            return _Node(f"x{column}", self.x[:, column] + np.zeros((DRAWS + 2, 1)))
        rule = RULES[self.random.integers(len(RULES))]
        first = self.shape(depth - 1)
        with np.errstate(all="ignore"):  # what isn't finite is passed over
            part = self._rule(rule, first, depth)
        # A sine would hide how large its angle is, and that of float32 would have no sine.
        part.values[np.abs(part.values) > LARGEST] = np.nan
        return part

    def _rule(self, rule: str, first: _Node, depth: int) -> _Node:
        if rule in ("square", "cube"):
            power = 2 if rule == "square" else 3
            return _Node(f"({first.text})**{power}", first.values**power)
        if rule == "product":
            second = self.shape(depth - 1)
            return _Node(f"({first.text}*{second.text})", first.values * second.values)
        if rule == "sum":
            weight, second = self.normal(), self.shape(depth - 1)
            text = f"({first.text} + {weight.text}*{second.text})"
            return _Node(text, first.values + weight.values * second.values)
        factor = self.factor((1, -1) if rule == "exp" else (1, 2, 3), -2 if rule == "exp" else 3)
        text, values = f"{factor.text}*{first.text}", factor.values * first.values
        if rule == "sin" and self.random.random() < 0.5:
            phase = self.normal()
            text, values = f"{text} + {phase.text}", values + phase.values
        return _Node(f"{rule}({text})", {"sin": np.sin, "cos": np.cos, "exp": np.exp}[rule](values))

    def factor(self, numbers: tuple[int, ...], widest: int) -> _Node:
        """w: one of the numbers, or a uniform coefficient times the widest."""
        choice = int(self.random.integers(len(numbers) + 1))
        if choice < len(numbers):
            return _Node(str(numbers[choice]), np.full((1, 1), float(numbers[choice])))
        self.uniforms += 1
        number = self.uniforms - 1
        values = widest * np.append(_coefficients("U", number), [1.0, 1.0])
        return _Node(f"{widest}*U{number}", values[:, None])

    def normal(self) -> _Node:
        self.normals += 1
        number = self.normals - 1
        values = np.append(_coefficients("N", number), [FAR, -FAR])
        return _Node(f"N{number}", values[:, None])


@lru_cache
def _coefficients(kind: str, number: int) -> np.ndarray:
    """The draws of a coefficient, the same ones in every template: so equal templates agree."""
    random = np.random.default_rng([ord(kind), number])
    return random.standard_normal(DRAWS) if kind == "N" else random.random(DRAWS)


def _scale(values: np.ndarray) -> float | None:
    """1 / root mean square of the draws; None where a template is to be passed over."""
    if not np.isfinite(values).all() or np.ptp(values[:DRAWS], axis=1).max() < 1e-6:
        return None
    peak = np.abs(values[:DRAWS]).max()
    if peak > LARGEST:
        return None
    typical = float(np.sqrt(np.mean(values[:DRAWS] ** 2)))
    # A constant beside which the rest is nothing counts as constant too.
    if np.ptp(values[:DRAWS], axis=1).max() < 1e-3 * typical or peak > PEAK * typical:
        return None
    return None if np.abs(values).max() > LARGEST * typical else 1 / typical


def _key(values: np.ndarray) -> bytes:
    """Some of the values of a template of size 1, without its sign, to five digits."""
    some = values[: DRAWS : DRAWS // 4, :: max(1, values.shape[1] // 16)]
    largest = some.flat[np.abs(some).argmax()]
    return (np.round(some * np.sign(largest), 5) + 0.0).tobytes()  # + 0.0: no zero is negative
