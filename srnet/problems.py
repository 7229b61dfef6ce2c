"""The benchmark problems F00 to F12 and C01 to C04 as data, and the writing of their tables.

A problem is a target y = f(g(x)) of hidden latent functions g of the inputs x; a composed law
(C01 to C04) is a target of the inputs alone. What may live here: the problems and how their files
come about. Reading any problem's tables is the subject of tables.py.
"""

import gzip
import io
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import joblib
import mpmath
import numpy as np
import sympy
from jaxtyping import Float64, Int64

from sdnet.errors import InputError, nearest
from sdnet.formula import parse

DEFAULT_SEED = 0
DIGITS = 30  # of the arithmetic that evaluates formulas


def normal_points(
    random: np.random.Generator, rows: int, inputs: int
) -> Float64[np.ndarray, "n d"]:
    """Independent standard normal rows."""
    return random.standard_normal((rows, inputs))


def grid_points(random: np.random.Generator, rows: int, inputs: int) -> Float64[np.ndarray, "n d"]:
    """The even grid of n points on [-3, 3), -3 + 6*i/n, for one input."""
    return -3 + 6 * np.arange(rows).reshape(rows, inputs) / rows


@dataclass(frozen=True)
class Problem:
    """A benchmark problem: latents are formulas of x0, x1, ..., the target is one of x and g0, ...

    A problem without a target is a table of inputs only, one without latents has no G table.
    `noise` is what the problem itself has, as a fraction of its target's standard deviation.
    """

    name: str
    inputs: int
    latents: tuple[str, ...] = ()
    target: str | None = None
    rows: int = 1000
    points: Callable[[np.random.Generator, int, int], np.ndarray] = normal_points
    noise: float = 0.0

    @property
    def suffix(self) -> str:
        """What follows X, G and F in the names of its tables: 07 of F07, C01 of C01."""
        return self.name.removeprefix("F")

    @property
    def stream(self) -> int:
        """What its random numbers follow from, beside the seed."""
        return int(self.name[1:]) + (100 if self.name.startswith("C") else 0)


_F00_LATENTS = ("x0**2", "cos(x1)", "x0*x1")
PROBLEMS: dict[str, Problem] = {
    problem.name: problem
    for problem in (
        Problem("F00", 2, _F00_LATENTS, "g0 + g1 + g2"),
        Problem("F01", 2, ("x0**2 + cos(x1) + x0*x1",), "g0**2 + g0"),
        Problem("F02", 2, _F00_LATENTS, "(g0 + g1 + g2)**2 + g0 + g1 + g2"),
        Problem("F03", 3, ("sin(x0)*cos(x1) + x2**3 + exp(x2)",), "g0**2 + 2.745*g0"),
        Problem("F04", 3, ("sin(x0)*cos(x1)", "x2**3", "exp(x2)"), "g0**2 + g1*g2"),
        Problem("F05", 5, ("x0", "x1*x3**2", "log(abs(2*x3))"), "(g0 + g1)*exp(0.31*g2)"),
        Problem("F06", 8, ("x0**2", "cos(x3)", "x5*x7"), "g0 + g1 + g2"),
        Problem("F07", 2, ("2.7*x0**2", "5*cos(3*x1)", "4.5*x0*x1"), "g0 + g1 + g2"),
        # acos(cos) folds the phase 2*pi*x0/3 to [0, pi]: a triangle wave, 0 at x0 = 0.
        Problem("F08", 1, ("0.75 - 0.75*cos(pi*x0/1.5)",), "1.5/pi*acos(1 - g0/0.75)"),
        Problem(
            "F09",
            2,
            (
                "1.5*x0**2",
                "3.5*sin(2.5*x1)",
                "3*x0*cos(0.5*x0)",
                "x0*x1",
                "0.5*x1*exp(x0)",
            ),
            "g0 + g1 + g2 + g3 + g4",
        ),
        Problem("F10", 2),
        Problem(
            "F11",
            1,
            (
                "-0.08*(x0 + 0.165)**2 - 0.21",
                "0.0785*(x0 - 0.63)**2 - 0.252",
                "0.0895*(x0 + 0.21)**2 - 0.0375",
            ),
            "g0*g1 + sin(g2)",
            rows=700,
            points=grid_points,
        ),
        Problem(
            "F12",
            2,
            (
                "4.34*x0",
                "1.46*exp(x0)",
                "4.36*x0*cos(3*x0)",
                "2.90*x0**3*x1",
                "1.08*x0*x1**4",
            ),
            "g0 + g1 + g2 + g3 + g4",
        ),
        Problem(
            "C01",
            8,
            target="1.2*x0*x1 + 2*sin(2*x2) + 0.7*x3**2 - 1.5*cos(2.5*x4)"
            " + 0.4*x5*exp(0.5*x6) + x7",
        ),
        Problem(  # x8 and x9 do nothing
            "C02",
            10,
            target="3*cos(1.5*x0) + x1*x2 - 0.8*x3**3 + sin(2*x4)*x5 + 0.5*x6 + exp(0.3*x7)",
            noise=0.01,
        ),
        Problem("C03", 6, target="(x0*x1 + cos(2*x2))**2 + (x3**2 - sin(1.5*x4))**2 - x5"),
        Problem("C04", 4, target="sin(x0 - 2*x1)*cos(x2) + 0.3*(x2 + x3)**2 + exp(-x3**2)"),
    )
}


def truth(problem: Problem) -> sympy.Expr:
    """The target as one expression of x0, x1, ...: f(g(x)), for the judge of what was found.

    Raises InputError for a problem without a target.

    >>> truth(PROBLEMS["F04"])
    x2**3*exp(x2) + sin(x0)**2*cos(x1)**2
    """
    if problem.target is None:
        raise InputError(f"{problem.name} has no target, only inputs")
    latents = {
        sympy.Symbol(f"g{i}", real=True): parse(formula, {"x": problem.inputs})
        for i, formula in enumerate(problem.latents)
    }
    target = parse(problem.target, {"x": problem.inputs, "g": len(latents)})
    return target.xreplace(latents)


def write_tables(
    folder: str | Path,
    names: Sequence[str] | None = None,
    seed: int = DEFAULT_SEED,
    *,
    noise: float = 0.0,
) -> list[Path]:
    """Writes the files of the named problems (None: all of them) into a folder, made if need be.

    `noise` is for the targets, see `write_problem`. The same seed gives the same files, whichever
    problems are written together. Returns the paths written. Raises InputError for an unknown
    problem, before anything is written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in write_tables(folder, ["F10"])]
    ['X10.gz', 'X10.mask']
    """
    chosen = list(PROBLEMS) if names is None else list(dict.fromkeys(names))
    for name in chosen:
        if name not in PROBLEMS:
            raise InputError(f"there is no problem {name!r}: {nearest(name, PROBLEMS)}")
    return [
        path
        for problem in map(PROBLEMS.get, chosen)
        for path in write_problem(
            problem, folder, seed, noise=noise if problem.target or names else 0.0
        )
    ]


def write_problem(
    problem: Problem, folder: str | Path, seed: int = DEFAULT_SEED, *, noise: float = 0.0
) -> list[Path]:
    """Writes one problem: X07.gz, X07.mask, G07.gz, G07.info, F07.gz, F07.info for F07.

    C01 has XC01.gz, XC01.mask, FC01.gz and FC01.info. With noise, the target is
    y + noise*std(y)*N(0, 1) and F07.info records the level; inputs, latents and splits stay the
    same. A level of 0 stands for the problem's own, which is 0.01 for C02 and 0 for all others.
    Returns the paths written, each complete or not at all.
    """
    files = problem_files(problem, seed, noise)
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            _write_whole(folder / name, content)
    except OSError as error:
        raise InputError(f"can't write {problem.name} to {folder}: {error.strerror}") from error
    return [folder / name for name in files]


def problem_files(problem: Problem, seed: int, noise: float) -> dict[str, bytes]:
    """The contents of a problem's files by their names."""
    if seed < 0:
        raise InputError(f"the seed is {seed}, expected a whole number of at least 0")
    if not 0 <= noise < math.inf:
        raise InputError(f"the noise level is {noise}, expected a number of at least 0")
    if noise and problem.target is None:
        raise InputError(f"{problem.name} has no target to add noise of level {noise} to")
    noise = noise or problem.noise
    suffix = problem.suffix
    random = np.random.default_rng([seed, problem.stream])
    points = problem.points(random, problem.rows, problem.inputs)
    files = {f"X{suffix}.gz": _table(points), f"X{suffix}.mask": _mask(random, problem.rows)}
    if problem.target is None:
        return files
    latents, target = exact_values(problem, points)
    target += noise * target.std() * random.standard_normal(target.shape)
    if problem.latents:
        files[f"G{suffix}.gz"] = _table(latents)
        files[f"G{suffix}.info"] = _info(problem.latents, 0.0)
    files[f"F{suffix}.gz"] = _table(target)
    files[f"F{suffix}.info"] = _info([problem.target], noise)
    return files


def exact_values(
    problem: Problem, points: Float64[np.ndarray, "n d"]
) -> tuple[Float64[np.ndarray, "n k"], Float64[np.ndarray, "n 1"]]:
    """g(x) and f(x, g(x)) of every row, evaluated with DIGITS digits and rounded once, at the end.

    So every machine writes the same numbers: the float64 functions of numpy and torch differ in
    the last bit between processors.
    """
    latent_function = _function(problem.latents, {"x": problem.inputs})
    target_function = _function([problem.target], {"x": problem.inputs, "g": len(problem.latents)})
    with mpmath.workdps(DIGITS):
        rows = [list(map(mpmath.mpf, row)) for row in points.tolist()]
        latents = [latent_function(*row) for row in rows]
        target = [target_function(*row, *g) for row, g in zip(rows, latents, strict=True)]
    return np.array(latents, dtype=np.float64), np.array(target, dtype=np.float64)


def _function(formulas: Sequence[str], variables: Mapping[str, int]) -> Callable[..., list]:
    symbols = [
        sympy.Symbol(f"{p}{i}", real=True) for p, size in variables.items() for i in range(size)
    ]
    return sympy.lambdify(symbols, [parse(f, variables) for f in formulas], modules="mpmath")


def split_rows(random: np.random.Generator, rows: int) -> dict[str, Int64[np.ndarray, " part"]]:
    """A random 70 % of the rows to train, 20 % to validate, 10 % to test, each in order."""
    parts = np.split(random.permutation(rows), [rows * 7 // 10, rows * 9 // 10])
    return {
        name: np.sort(part).astype(np.int64)
        for name, part in zip(("train", "val", "test"), parts, strict=True)
    }


def _mask(random: np.random.Generator, rows: int) -> bytes:
    buffer = io.BytesIO()
    joblib.dump(split_rows(random, rows), buffer, protocol=4)  # whatever Python's own default
    return buffer.getvalue()


def _table(values: Float64[np.ndarray, "n c"]) -> bytes:
    lines = (" ".join(f"{value:.17g}" for value in row) for row in values)  # 17 digits: exact
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, mtime=0) as file:
        file.write("".join(f"{line}\n" for line in lines).encode())
    return buffer.getvalue()


def _info(formulas: Sequence[str], noise: float) -> bytes:
    level = np.format_float_positional(noise, trim="-")
    return "".join(f"{line}\n" for line in (*formulas, level)).encode()


def _write_whole(path: Path, content: bytes) -> None:
    """Writes under another name first: no reader ever finds half a file."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
