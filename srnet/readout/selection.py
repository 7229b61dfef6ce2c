"""Selection: which sum of terms a target is, by a forward search with exchanges.

Terms are added one by one to a few sums at once (a beam over misfit and length), their
coefficients fitted as they come and again all together; each step may exchange a term for
another; at the end, terms that are not needed go.
"""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from srnet.readout.bank import Bank
from srnet.readout.leastsq import basis, fit_added, fit_all, linear_fit
from srnet.readout.terms import Sum, Term

EXACT = 1e-9  # of the target's deviation: an error below it is rounding
PATIENCE = 2  # further terms without a better criterion, after which the search ends
COST = 2.0  # of a node of a formula, in the units of the criterion


def criterion(found: Sum, y: Float64[ndarray, " n"], precision: float = EXACT) -> float:
    """BIC with a price on length, n log(misfit / var y) + size log n + COST * cost; less is better.

    Source: Schwarz (1978). Misfits below precision^2 are taken as equal.
    """
    relative = max(found.misfit / max(float(y.var()), 1e-300), precision**2)
    return len(y) * math.log(relative) + found.size * math.log(len(y)) + COST * found.cost


@dataclass(frozen=True)
class Search:
    """A search for sums: its points, its target, its candidates and its limits."""

    x: Float64[ndarray, "n d"]
    y: Float64[ndarray, " n"]
    bank: Bank
    beam: int = 4
    kinds: int = 12
    max_terms: int = 14
    deadline: float = math.inf  # of time.monotonic()
    precision: float = EXACT  # of the target, relative to its deviation

    def run(self, start: Sequence[Term] = ()) -> list[Sum]:
        """The sums found, the best of each number of terms; the last step's exchanges included."""
        first = linear_fit(start, self.x, self.y) or linear_fit([], self.x, self.y)
        best: dict[int, Sum] = {}
        states, record, stale = [first], math.inf, 0
        for _ in range(self.max_terms - len(start)):
            states = self._step(states)
            if not states:
                break
            for state in states:
                self._keep(best, state)
            lead = min(map(self.score, states))
            record, stale = (lead, 0) if lead < record else (record, stale + 1)
            if stale > PATIENCE or self._exact(states[0]) or time.monotonic() > self.deadline:
                break
        if best:
            for state in self._pruned(min(best.values(), key=self.score)):
                self._keep(best, state)
        return [best[count] for count in sorted(best)]

    def score(self, state: Sum) -> float:
        return criterion(state, self.y, self.precision)

    def _keep(self, best: dict[int, Sum], state: Sum) -> None:
        count = len(state.terms)
        if count not in best or self.score(state) < self.score(best[count]):
            best[count] = state

    def _exact(self, state: Sum) -> bool:
        return bool(state.misfit <= self.precision**2 * self.y.var())

    def _step(self, states: Sequence[Sum]) -> list[Sum]:
        """The beam with one more term, its leader improved by exchanges."""
        grown: dict[object, tuple[float, list[Term]]] = {}
        for state in (s for s in states if len(s.terms) < self.max_terms):
            for misfit, terms in self._grown(state.terms, self.kinds):
                key = _signature(terms)
                if key not in grown or misfit < grown[key][0]:
                    grown[key] = misfit, terms
        rough = self._front(list(grown.values()), 2 * self.beam)
        polished = [found for _, terms in rough if (found := self._polished(terms))]
        fitted = _distinct(sorted(polished, key=self.score))[: self.beam]
        if fitted and len(fitted[0].terms) > 1 and not self._exact(fitted[0]):
            fitted[0] = self._repieced(self._exchanged(fitted[0]))
        return fitted

    def _front(
        self, states: list[tuple[float, list[Term]]], count: int
    ) -> list[tuple[float, list[Term]]]:
        """Half of them such that no shorter one fits better, half by the criterion."""

        def score(state: tuple[float, list[Term]]) -> float:
            cost = sum(COST * term.cost + term.size * math.log(len(self.y)) for term in state[1])
            return len(self.y) * math.log(max(state[0], 1e-300)) + cost

        front, shortest = [], math.inf
        for state in sorted(states, key=lambda state: state[0]):
            cost = sum(term.cost for term in state[1])
            if cost < shortest:
                front.append(state)
                shortest = cost
        chosen = front[: count // 2]
        held = {id(state) for state in chosen}
        others = [state for state in sorted(states, key=score) if id(state) not in held]
        return chosen + others[: count - len(chosen)]

    def _grown(self, terms: Sequence[Term], kinds: int) -> Iterator[tuple[float, list[Term]]]:
        """The terms and one more, in up to `kinds` kinds, with the misfit each leaves."""
        q = basis(terms, self.x)
        residual = self.y - q @ (q.T @ self.y)
        seen: dict[tuple[str, ...], int] = {}
        for term in self.bank.candidates(q, residual, 3 * kinds):
            seen[term.kind] = seen.get(term.kind, 0) + 1
            if seen[term.kind] > 2:  # two starts of a kind
                continue
            if len(seen) > kinds:
                return
            fitted, misfit = fit_added(q, residual, term, self.x)
            tidy = fitted.tidied()
            if tidy is not None and math.isfinite(misfit):
                yield misfit, [*terms, tidy]

    def _polished(self, terms: Sequence[Term]) -> Sum | None:
        """All coefficients fitted together, and shapes that became simpler ones replaced."""
        found = fit_all(terms, self.x, self.y)
        if found is None:
            return None
        tidy = {_signature([t]): t for term in found.terms if (t := term.tidied())}
        if len(tidy) < len(found.terms) or any(
            t.kind != term.kind for t, term in zip(tidy.values(), found.terms, strict=True)
        ):
            found = fit_all(list(tidy.values()), self.x, self.y)
        if found is None or not all(term.within for term in found.terms):
            return None
        return found

    def _exchanged(self, state: Sum) -> Sum:
        """The sum after exchanges of one term for one or two, as long as they improve it."""
        place = 0
        while place < len(state.terms) and time.monotonic() < self.deadline:
            rest = [term for i, term in enumerate(state.terms) if i != place]
            ones = self._regrown(rest, 3)
            room = len(state.terms) < self.max_terms
            twos = [two for one in ones if room for two in self._regrown(one.terms, 2)]
            better = min([*ones, *twos], key=self.score, default=state)
            if self.score(better) < self.score(state) - COST:
                state, place = better, 0
                if self._exact(state):
                    break
            else:
                place += 1
        return state

    def _repieced(self, state: Sum) -> Sum:
        """The sum with the terms of the same variables replaced by simpler ones, if that is better.

        What those terms add up to is a function of few variables, known well where the sum fits
        well; it is searched anew, with shapes alone.
        """
        pieces: dict[frozenset[int], list[int]] = {}
        if not self.bank.pairs.any():  # shapes alone were tried already
            return state
        for i, term in enumerate(state.terms):
            pieces.setdefault(term.variables, []).append(i)
        for variables, places in pieces.items():
            if len(places) < 2 or max(state.terms[i].cost for i in places) < 3:
                continue
            target = sum(state.weights[i] * state.terms[i].values(self.x) for i in places)
            inner = Search(
                self.x,
                target,
                self.bank.alone(variables),
                beam=2,
                max_terms=len(places),
                deadline=self.deadline,
                precision=self.precision,
            )
            rest = [term for i, term in enumerate(state.terms) if i not in places]
            for found in inner.run():
                whole = self._polished([*rest, *found.terms])
                if whole is not None and self.score(whole) < self.score(state):
                    return self._repieced(whole)
        return state

    def _regrown(self, terms: Sequence[Term], count: int) -> list[Sum]:
        rough = self._front(list(self._grown(terms, 6)), count)
        return [found for _, longer in rough if (found := self._polished(longer))]

    def _pruned(self, state: Sum) -> Iterator[Sum]:
        """The sum fitted well, then without the terms that the criterion can do without."""
        state = fit_all(state.terms, self.x, self.y, 200) or state
        yield state
        while len(state.terms) > 1:
            shorter = [
                fit_all([t for j, t in enumerate(state.terms) if j != i], self.x, self.y, 50)
                for i in range(len(state.terms))
            ]
            best = min(filter(None, shorter), key=self.score, default=None)
            if best is None or self.score(best) > self.score(state):
                break
            state = fit_all(best.terms, self.x, self.y, 200) or best
            yield state


def _signature(terms: Sequence[Term]) -> object:
    return frozenset((term.kind, tuple(np.round(term.vector, 3))) for term in terms)


def _distinct(states: Sequence[Sum]) -> list[Sum]:
    return list({_signature(state.terms): state for state in reversed(states)}.values())[::-1]
