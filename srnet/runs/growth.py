"""Until classification fails: critics against libraries of more and more templates of one table."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from sdnet.errors import InputError, nearest
from sdnet.grammar import DEPTH, random_templates
from sdnet.library import SDData
from srnet.runs.compare import SMALL
from srnet.runs.compare import summary as summary_of_settings
from srnet.runs.critics import train_critics
from srnet.runs.states import load_state
from srnet.tables import SRData

NESTED = (
    ("N0*0.05*(x0 + 0.5*N1)**2 + 0.15*N2",),  # F10_v1
    ("x0**2", "cos(x0)"),  # and what F00_v2 has in x0
    (  # and F09_v1
        *("N0*1.5*x0**2", "N0*0.25*x0**3", "N0*3.5*sin(5*U0*x0)", "N0*3.5*cos(5*U0*x0)"),
        *("N0*3*x0*sin(U0*x0)", "N0*3*x0*cos(U0*x0)"),
    ),
    (  # and F07_v8, F07_v2, F00_v3, and the latent of F08
        *("N0*x0", "N0*x0**2", "N0*x0**3", "N0*x0**4", "N0*sin(3*x0)", "N0*cos(3*x0)"),
        *("N0*exp(x0)", "N0*x0*sin(3*x0)", "N0*x0*cos(3*x0)", "N0*x0*exp(x0)"),
        *("2.7*N0*x0**2", "0.45*N0*x0**3", "5*N0*sin(3*U0*x0)", "5*N0*cos(6*U0*x0)"),
        *("x0**3", "sin(x0)", "0.75 - 0.75*cos(pi*x0/1.5)"),
    ),
)
"""Lines of the benchmark's libraries in x0 alone: each part is added to those before it."""

SIZES = (1, 3, 9, 26, 100, 1000, 10000)
KINDS: dict[str, dict] = {
    "plain": SMALL,
    "gradients-stacked": {**SMALL, "ext": "grad", "ext_type": "stack"},
}
TYPICAL = 0.18
"""Root mean square of a drawn template at the points of F10: F10_v1 has 0.18, the fakes 0.17."""


def library_lines(size: int, train: SRData, *, seed: int = 0, depth: int = DEPTH) -> list[str]:
    """The templates of one size: those of `NESTED` for 1, 3, 9, 26, else drawn by the grammar.

    Raises:
        InputError: the size isn't a whole number >= 1, or the grammar hasn't as many.

    >>> library_lines(3, SRData.from_arrays([[0.0], [1.0]]))[1:]
    ['x0**2', 'cos(x0)']
    """
    if not isinstance(size, int) or isinstance(size, bool) or size < 1:
        raise InputError(f"a library's size is {size!r}, but a whole number >= 1 is expected")
    lines: list[str] = []
    for part in NESTED:
        lines += part
        if len(lines) == size:
            return lines
    return random_templates(size, np.asarray(train.in_data[:, :1]), seed, depth, TYPICAL)


def growth_study(
    train: SRData,
    out: str | Path,
    *,
    sizes: Sequence[int] = SIZES,
    kinds: Sequence[str] = tuple(KINDS),
    seeds: Sequence[int] = (0, 1, 2),
    epochs: int = 2000,
    grammar_seed: int = 0,
    depth: int = DEPTH,
    iter_sample: bool = True,
    checkpoint_every: int = 500,
) -> dict[tuple[int, str], list[dict]]:
    """Train critics of each kind and seed for each size of library; states by (size, kind).

    Each state is kept as `out`/SIZE-KIND-seedN.pt. One that is there already is gone on from, if
    it is of the same run. All of one size and kind train as stacks.

    Args:
        train: its first variable is x0. kinds: of `KINDS`, what the critics see.
        grammar_seed, depth: of the templates that are drawn, see `sdnet.grammar`.

    Raises:
        InputError: a size, a kind or a setting that can't be used; a state is of another run; a
            draw that isn't finite ended a run.
        KeyboardInterrupt: a run was interrupted, and with it the study.
    """
    for name, values in (("sizes", sizes), ("kinds", kinds), ("seeds", seeds)):
        if not values:
            raise InputError(f"no {name} are given, at least one is expected")
    for kind in kinds:
        if kind not in KINDS:
            raise InputError(f"unknown kind {kind!r}; {nearest(str(kind), KINDS)}")
    results = {}
    libraries = {}  # all of them first: a size that can't be had should be told before any training
    for size in dict.fromkeys(sizes):
        libraries[size] = library_lines(size, train, seed=grammar_seed, depth=depth)
    for size, lines in libraries.items():
        lib = SDData.from_lines(lines, "x", iter_sample=iter_sample, name=f"{size} templates")
        for kind in dict.fromkeys(kinds):
            paths = [Path(out) / f"{size}-{kind}-seed{seed}.pt" for seed in seeds]
            states = _train(
                {**KINDS[kind], "epochs": epochs}, train, lib, seeds, paths, checkpoint_every
            )
            if any(state["ended"] == "interrupted" for state in states):
                raise KeyboardInterrupt
            for seed, state in zip(seeds, states, strict=True):
                if "fresh" not in state:
                    raise InputError(f"{lib.name}: seed {seed} of {kind} ended {state['ended']}")
            results[size, kind] = states
    return results


def _train(
    settings: Mapping,
    train: SRData,
    lib: SDData,
    seeds: Sequence[int],
    paths: Sequence[Path],
    checkpoint_every: int,
) -> list[dict]:
    states = [load_state(path) if path.exists() else None for path in paths]
    try:
        return train_critics(
            [settings] * len(seeds),
            train,
            lib,
            list(seeds),
            states=states,
            paths=paths,
            checkpoint_every=checkpoint_every,
            progress=False,
        )
    except InputError as error:
        advice = "; other settings need another folder (--out)" if any(states) else ""
        raise InputError(f"{paths[0].parent}: {lib.name}: {error}{advice}") from None


def summary(results: Mapping[tuple[int, str], Sequence[Mapping]]) -> list[dict]:
    """A row for each size and kind: as `srnet.runs.compare.summary`'s.

    >>> state = {"fresh": {"acc": 0.5, "acc_calibrated": 0.5, "auroc": 0.5}, "times": [1.0, 2.0]}
    >>> row = summary({(3, "plain"): [state]})[0]
    >>> row["size"], row["kind"], row["acc"], row["seconds"]
    (3, 'plain', 0.5, 3.0)
    """
    rows = []
    for (size, kind), states in results.items():
        row = summary_of_settings({kind: states})[0]
        rows.append({"size": size, "kind": row.pop("critic"), **row})
    return rows


def accuracies(
    results: Mapping[tuple[int, str], Sequence[Mapping]],
) -> dict[str, dict[int, list[float]]]:
    """For each kind and size the fresh accuracies of its seeds, as `srnet.plots.growth` draws.

    >>> accuracies({(3, "plain"): [{"fresh": {"acc": 0.5}}]})
    {'plain': {3: [0.5]}}
    """
    drawn: dict[str, dict[int, list[float]]] = {}
    for (size, kind), states in results.items():
        drawn.setdefault(kind, {})[size] = [state["fresh"]["acc"] for state in states]
    return drawn
