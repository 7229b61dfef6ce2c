"""Pursuit: the ways of `srnet.ways` one after another, until a formula is exact or time is over.

What may live here: the order of the ways, and the networks that some of them ask. How candidates
are judged is the matter of `srnet.equations`; what a user gives is checked in `srnet.discover`.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import sympy
from jaxtyping import Float64
from numpy import ndarray

from sdnet.library import SDData
from srnet import inspection, ways
from srnet.equations import Equation, best, complexity, evaluate, scored
from srnet.inspection import Fitted
from srnet.interactions import Interactions, partial_dependence
from srnet.parts import Parts, parts_of
from srnet.readout.bank import make_bank
from srnet.readout.compact import compact
from srnet.readout.engines import Engine
from srnet.readout.generic import generic_shapes
from srnet.readout.latents import LatentReading
from srnet.readout.noise import is_noise
from srnet.readout.shapes import Shape, library_shapes
from srnet.search import in_table, search

EXACT = 1e-7  # relative RMS error on the held rows at which a formula needs no rival
EXPRESSED = 0.1  # relative RMS error above which a library is said not to express the target
FEW = 3  # variables up to which functions of quadratics are tried
SHORT = 60  # nodes: an exact formula that is longer has rivals that may be as exact
LIKELY = 0.07  # share of its roughness that an outer function must leave to be tried first
MOST_TRIPLES = 6  # groups of three inputs whose products are tried
MOST_LATENTS = 12  # of a generator that is guided to a formula's terms
PATIENCE = 1.0  # times the seconds spent so far, for others to beat what leaves only noise
LEAST = 10.0  # seconds that they have in any case
ROUNDING = 1e-9  # relative RMS error by which writing a formula otherwise may change it
SURE = 1e-4  # share of the variance: a formula that leaves less is better than any network here

Candidates = Callable[[ways.Table], Iterable[sympy.Expr]]


@dataclass
class Pursuit:
    """A search for the law of a table, and what came of it.

    Attributes:
        x, y: the rows that formulas are fitted to, (n, d) and (n,).
        held: rows that they are judged on.
        library: whose shapes the terms are; None: generic ones.
        masks: which inputs each latent sees; None until a network has been asked.
        linear_head: whether y is known to be a sum, so that no outer function is tried.
        equations: found so far. tried: names of the ways that were gone.
        fitted, readings: the generator and what its latents are, once it was trained.
        late: ways that time did not suffice for. interrupted: whether Ctrl-C ended the last run.
    """

    x: Float64[ndarray, "n d"]
    y: Float64[ndarray, " n"]
    held: tuple[Float64[ndarray, "m d"], Float64[ndarray, " m"]]
    library: SDData | None
    seeds: list[int]
    epochs: int
    engine: str | None
    masks: Float64[ndarray, "k d"] | None = None
    linear_head: bool = False
    equations: list[Equation] = field(default_factory=list)
    tried: set[str] = field(default_factory=set)
    fitted: Fitted | None = None
    readings: list[LatentReading] | None = None
    plain: Fitted | None = None
    asked: Interactions | None = None
    late: list[str] = field(default_factory=list)
    interrupted: bool = False

    def run(self, seconds: float, network: bool) -> None:
        """Go the ways not yet gone; the network's also after an exact formula if `network`.

        Ctrl-C ends it with the formulas found so far.
        """
        self.interrupted = False
        try:
            self._run(seconds, network)
        except KeyboardInterrupt:
            self.interrupted = True
        self._write_short()

    def _run(self, seconds: float, network: bool) -> None:
        began = time.monotonic()
        end = began + seconds
        table = ways.Table(self.x, self.y, end)
        if not self.equations:
            self.equations = scored([sympy.Float(float(self.y.mean()))], *self.held, "mean")
        judged, self.late = None, []
        for name, way, candidates in self._ways():
            kept = name == "network" and network  # whatever the formulas are
            late = time.monotonic() > (end if kept else table.deadline)
            if name in self.tried or (self.exact and not kept):
                continue
            if late:
                self.late += [name] if time.monotonic() > end else []
                continue
            self.tried.add(name)
            for expression in candidates(table):
                self.equations += scored([expression], *self.held, way)
                if self.exact and name != "network":
                    break
            leader = best(self.equations, self.held[1])
            if not self.exact and leader is not judged and self._leaves_noise(leader):
                now = time.monotonic()
                spared = max(PATIENCE * (now - began), LEAST)
                table = replace(table, deadline=min(end, now + spared))
            judged = leader

    def _leaves_noise(self, equation: Equation) -> bool:
        """Whether what the formula leaves has no structure, so that others are unlikely better."""
        x, y = self.x[: ways.ROWS], self.y[: ways.ROWS]
        with np.errstate(all="ignore"):
            residual = y - evaluate(equation.expression, x)
        if not np.isfinite(residual).all():
            return False
        bank = make_bank(generic_shapes(x), x, order=3)
        return is_noise(residual, bank, np.random.default_rng(self.seeds[0]))

    def _write_short(self) -> None:
        """Put the shortest way of writing it in the place of the best formula.

        Of a square or a sum of angles, numbers may be short that weren't in what it was before.
        """
        leader = best(self.equations, self.held[1])
        short = compact(leader.expression)
        if short is leader.expression:
            return
        found = scored([short], *self.held, leader.way)
        rounding = ROUNDING * float(self.held[1].std())
        if found and abs(found[0].loss ** 0.5 - leader.loss**0.5) <= rounding:
            self.equations[self.equations.index(leader)] = found[0]
            finished = ways.Table(self.x, self.y, np.inf).finished(short)
            self.equations += scored([finished], *self.held, leader.way)

    @property
    def exact(self) -> bool:
        """Whether some short formula is as good as numbers can be."""
        short = (e for e in self.equations if e.complexity <= SHORT)
        return any(self.relative(equation) < EXACT for equation in short)

    @property
    def expressed(self) -> bool:
        """Whether what is left of the target may be noise."""
        return min(map(self.relative, self.equations)) < EXPRESSED

    def relative(self, equation: Equation) -> float:
        """The RMS error on the held rows, as a share of the target's deviation there."""
        return float(np.sqrt(equation.loss) / max(self.held[1].std(), 1e-300))

    def _ways(self) -> Iterator[tuple[str, str, Candidates]]:
        """Each way's name, what its equations are marked with, and its candidates."""
        if self.library is not None:
            library = self.library
            yield "library", "sparse", lambda table: ways.library_sums(table, library)
            if not self.linear_head:
                yield "composed", "composed", lambda table: ways.composed(table, (0, 1), library)
        else:
            simple = [("simple", "sparse", ways.generic_sums), ("waves", "sparse", ways.wave_sums)]
            inputs = self.x.shape[1]
            if not self.linear_head:
                yield "outer", "composed", lambda table: ways.composed(table, (0.0, LIKELY))
            # On one variable, sums of products come close to anything: the stricter kind is first.
            yield from simple[::-1] if inputs == 1 else simple[: 2 if inputs <= FEW else 1]
            if inputs > 2:  # products of two are among these
                yield (
                    "threefold",
                    "pieces",
                    lambda table: ways.threefold_sums(table, self._triples()),
                )
            else:
                yield "products", "sparse", ways.product_sums
            if not self.linear_head:
                yield "composed", "composed", lambda table: ways.composed(table, (LIKELY, 1.0))
        yield "network", "network", self._by_network
        if self.engine is not None and not (self.library is not None and self.expressed):
            yield "groups", "pieces", self._by_groups
            yield "search", "search", lambda table: self._by_search(table, self.y, 1.0)

    def _by_network(self, table: ways.Table) -> Iterator[sympy.Expr]:
        """The formula that a generator's latents and its head make.

        Its latents see what the masks say that were given; else they are the parts of a good
        formula, which they are guided to draw; else there is one for each set of inputs that acts
        together.
        """
        parts = self._good_parts() if self.masks is None else None
        shapes, engine = self._shapes(), None
        if parts is not None:
            self.masks = parts.masks(self.x.shape[1])
            shapes += [Shape(part, cost=complexity(part)) for part in parts.latents]
        elif self.masks is None:
            self.masks = inspection.found_masks(self._interactions(), self.x.shape[1])
        if self.engine is not None and parts is None:
            engine = Engine(self.engine, seed=self.seeds[0])
        self.fitted = self._trained(self.masks, parts)
        self.readings, read = inspection.read_network(
            *(self.fitted, self.x, self.y, self.masks, shapes),
            products=self.library is None,
            engine=engine,
        )
        yield ways.Table(self.x, self.y, np.inf).finished(read)

    def _shapes(self) -> list[Shape]:
        if self.library is None:
            return generic_shapes(self.x)
        return library_shapes(self.library.templates)

    def _trained(self, masks: ndarray | None = None, parts: Parts | None = None) -> Fitted:
        table = self.x, self.y, self.held
        return inspection.train_network(*table, self.seeds, self.epochs, masks, parts)

    def _good_parts(self) -> Parts | None:
        """The parts of the best formula, if they are few and it predicts better than a network."""
        equation = best(self.equations, self.held[1])
        parts = parts_of(compact(equation.expression))
        if not 0 < len(parts.latents) <= MOST_LATENTS:
            return None
        good = self.relative(equation) ** 2
        if good > SURE:
            self._interactions()
        return parts if good <= SURE or good < self.plain.error else None

    def _interactions(self) -> Interactions:
        """What acts together in a plain network, which is trained once."""
        if self.asked is None:
            self.plain = self._trained()
            self.asked = inspection.ask(self.plain, self.plain.error, self.x)
        return self.asked

    def _triples(self) -> list[tuple[int, ...]]:
        return self._interactions().ranked(3)[:MOST_TRIPLES]

    def _by_groups(self, table: ways.Table) -> Iterator[sympy.Expr]:
        """A formula for each group of inputs, searched for on the network's part of it."""
        groups = self._interactions().pieces()
        if len(groups) < 2:
            return
        total: sympy.Expr = sympy.Float(float(self.y.mean()))
        for group in groups:
            part = partial_dependence(self.plain, self.x, group)
            part -= part.mean()
            found = list(self._by_search(table, part, 0.5 / len(groups), group))
            found = scored(found, self.x, part, "pieces")
            if not found:
                return
            total = total + min(found, key=lambda equation: equation.loss).expression
        yield table.finished(total)

    def _by_search(
        self, table: ways.Table, y: ndarray, share: float, columns: tuple[int, ...] | None = None
    ) -> Iterator[sympy.Expr]:
        """The engine's formulas of these columns, finished."""
        seconds = share * (table.deadline - time.monotonic())
        if seconds < 1:
            return
        columns = columns or tuple(range(self.x.shape[1]))
        found = search(
            self.x[:, columns], y, engine=self.engine, seconds=seconds, seed=self.seeds[0]
        )
        for formula in found:
            yield ways.Table(self.x, y, np.inf).finished(in_table(formula, columns))
