"""A discovery: from the command line's settings to a table, a law, and the state that keeps it."""

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64
from numpy import ndarray

from sdnet.errors import InputError
from sdnet.formula import to_text
from sdnet.library import SDData
from srnet.csvfiles import read_csv
from srnet.discover import SymbolicRegressor
from srnet.inspection import Fitted
from srnet.problem_tables import problem_tables
from srnet.readout import latents
from srnet.readout.engines import Engine
from srnet.runs.discovery_config import DiscoveryRun
from srnet.runs.generator_readout import generator_law
from srnet.runs.laws import Law, law_of
from srnet.runs.states import check_writable, contents, load_state, save_state
from srnet.runs.values import to_plain
from srnet.search import ENGINES, installed


@dataclass(frozen=True, eq=False)
class Given:
    """What a law is to be found of: rows (n, d) and (n,), and others to judge by, or None."""

    x: Float64[ndarray, "n d"]
    y: Float64[ndarray, " n"]
    validation: tuple[Float64[ndarray, "m d"], Float64[ndarray, " m"]] | None
    names: tuple[str, ...]
    target: str


def load_given(settings: DiscoveryRun) -> Given:
    """The table that the settings name: of a problem, without its truth, or of a CSV file.

    Raises:
        InputError: not one of the two, or a faulty file.
    """
    if (settings.data is None) == (settings.csv is None):
        both = "nothing" if settings.data is None else f"{settings.data} and --csv {settings.csv}"
        raise InputError(f"got {both}; expected one table: a problem such as data/F07, or --csv")
    if (settings.csv is None) != (settings.target is None):
        missing = "--target, the column that the law is of" if settings.csv else "--csv beside it"
        given = "--csv" if settings.csv else "--target"
        raise InputError(f"got {given} without the other; expected also {missing}")
    if settings.csv is not None:
        columns = read_csv(settings.csv, settings.target)
        return Given(columns.x, columns.y, None, columns.names, settings.target)
    tables = {
        name: (table.in_data.numpy(), table.target_data[:, 0].numpy())
        for name, table in problem_tables(settings.data).items()
    }
    if not tables.keys() & {"train", "all"}:
        raise InputError(f"{settings.data}: its mask has {', '.join(tables)}; expected train rows")
    x, y = tables.get("train") or tables["all"]
    names = tuple(f"x{i}" for i in range(x.shape[1]))
    return Given(x, y, tables.get("val"), names, _problem(settings.data))


def run_discovery(settings: DiscoveryRun, given: Given) -> Path:
    """Find the law of a table as `symdisc discover` does; the path of its state.

    An earlier law of that name is replaced, a state of another kind is not.

    Raises:
        InputError: settings and tables that can't be used, or a place that can't be written to.
    """
    path = settings.out / f"{settings.name or discovery_name(settings)}.pt"
    if path.is_file() and not str(load_state(path)["format"]).startswith("law"):
        raise InputError(f"{path}: is there already, and no law; choose another --name")
    check_writable(path)
    if settings.engine == "pysr" and not installed("pysr"):
        raise InputError(f"--engine pysr isn't installed: pip install {ENGINES['pysr']}")
    regressor = SymbolicRegressor(
        settings.library,
        max_seconds=settings.seconds,
        network=settings.network,
        epochs=settings.epochs,
        restarts=settings.restarts,
        search_engine=settings.engine,
        random_state=settings.seed,
    )
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", UserWarning)
        regressor.fit(given.x, given.y, given.validation)
    remarks = [str(warning.message) for warning in told if warning.category is UserWarning]
    remarks += _unfinished(regressor)
    save_state(path, law_state(regressor, given, settings, remarks))
    return path


def _unfinished(regressor: SymbolicRegressor) -> Iterator[str]:
    """What is to be known of a search that ended before it had gone all ways, or in vain."""
    pursuit = regressor.pursuit_
    if regressor.equation_.way == "mean" and len(regressor.equations_) > 1:
        yield (
            "no formula predicts the held rows so much better than the mean that it is worth its "
            "length (BIC): the others of the table may be right all the same"
        )
    if pursuit.interrupted:
        yield "interrupted: this is the best so far"
    if pursuit.late and not pursuit.exact:
        left = pursuit.relative(regressor.equation_)
        yield (
            f"not exact: {left:.2g} of the target's deviation is left, and time was over before "
            f"these ways were begun: {', '.join(pursuit.late)}; more --seconds may find the law"
        )


def load_law(path: str | Path, engine: Engine | None = None) -> Law:
    """What a state of `symdisc discover`, or of `symdisc fit`, found.

    The engine is for generators alone, see `generator_law`: their latents are read only now.

    Raises:
        InputError: not such a state, or not a whole one.
    """
    state = load_state(path)
    form = str(state["format"])
    if form.startswith("law"):
        return law_of(state, str(path))
    if form.startswith("generator"):
        return generator_law(state, str(path), engine)
    raise InputError(
        f"{path}: holds {contents(state)}; expected the state of a discovery, or of generators"
    )


def law_state(
    regressor: SymbolicRegressor, given: Given, settings: DiscoveryRun, remarks: list[str]
) -> dict:
    """What is kept of a fitted regressor: `srnet.runs.laws.law_of` makes a law of it.

    Equations and latents are text that `sdnet.formula.parse` reads; the rows are kept, so that
    every loss can be computed again.
    """
    pursued = regressor.pursuit_  # which knows the rows that the regressor held by itself
    library = settings.library
    return {
        "format": "law 1",
        "settings": to_plain(settings),
        "seed": settings.seed,
        "version": version("symdisc"),
        "library": None if library is None else list(SDData(library, "X").lines),
        "names": list(given.names),
        "target": given.target,
        "equations": [
            {
                "equation": to_text(equation.expression),
                "loss": equation.loss,
                "complexity": equation.complexity,
                "way": equation.way,
            }
            for equation in regressor.equations_
        ],
        "chosen": regressor.equations_.index(regressor.equation_),
        "train": _rows(pursued.x, pursued.y),
        "validation": _rows(*pursued.held),
        "network": _network(regressor.network_, regressor.masks_),
        "latents": _latents(regressor.readings_),
        "remarks": remarks,
    }


def discovery_name(settings: DiscoveryRun) -> str:
    """Problem, or CSV file and column; library; and seed.

    >>> discovery_name(DiscoveryRun(csv="falls.csv", target="height (m)", seed=3))
    'law-falls-height_m_-generic-seed3'
    """
    if settings.csv is None:
        source = _problem(settings.data)
    else:
        source = f"{Path(settings.csv).stem}-{settings.target}"
    library = "generic" if settings.library is None else Path(settings.library).stem
    return re.sub(r"[^\w.-]+", "_", f"law-{source}-{library}-seed{settings.seed}")


def _problem(path: str) -> str:
    return Path(path).name.removesuffix(".gz").removesuffix(".txt")


def _rows(x: ndarray, y: ndarray) -> dict[str, torch.Tensor]:
    return {"x": torch.from_numpy(np.array(x)), "y": torch.from_numpy(np.array(y))}


def _network(fitted: Fitted | None, masks: ndarray | None) -> dict | None:
    """A network as tensors and plain values, and what `srnet.network.SRNet` is built from."""
    if fitted is None:
        return None
    return {
        "arch": dict(fitted.arch),
        "weights": dict(fitted.model.state_dict()),
        "center": torch.from_numpy(np.array(fitted.center)),
        "spread": torch.from_numpy(np.array(fitted.spread)),
        "mean": fitted.mean,
        "scale": fitted.scale,
        "members": list(fitted.members),
    }


def _latents(readings: list[latents.LatentReading] | None) -> dict | None:
    if readings is None:
        return None
    formulas = [to_text(reading.expression) for reading in readings]
    return {"table": latents.as_text(readings), "formulas": formulas}
