"""The judge: equal formulas in other guises are exact, near misses and spurious terms are not."""

import doctest
from pathlib import Path

import exact as judge
import numpy as np
import pytest

from sdnet.errors import InputError
from sdnet.formula import parse, to_text
from srnet.equations import evaluate
from srnet.problem_tables import problem_tables
from srnet.problems import PROBLEMS, truth

ROOT = Path(__file__).parents[2]
JUDGED = [name for name, problem in PROBLEMS.items() if problem.target and name != "F08"]


def verdict(name, text, noise=None):
    problem = PROBLEMS[name]
    x = problem_tables(ROOT / "data" / name)["val"].in_data.numpy()
    return judge.exact(parse(text, {"x": problem.inputs}), problem, x, noise)


@pytest.mark.parametrize("name", JUDGED)
def test_the_truth_is_exact(name):
    found = verdict(name, to_text(truth(PROBLEMS[name])))
    assert found.exact, found
    assert found.rms < 1e-14


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("F00", "(x0 + x1/2)**2 - x1**2/4 + sin(x1 + pi/2)"),
        ("F00", "x0*(x0 + x1) + 1 - 2*sin(x1/2)**2"),
        ("F00", "x0**2.0 + cos(x1) + x0*x1*1.0000001"),
        ("F00", "x0**2 + cos(1.0000002*x1) + x0*x1 + 4.9e-7"),  # constants in float32
        ("F01", "(x0**2 + x0*x1 + cos(x1) + 0.5)**2 - 0.25"),
        ("F01", "(x0*(x0 + x1) + cos(x1))*(x0**2 + x0*x1 + cos(x1) + 1)"),
        ("F02", "(x0**2 + x0*x1 + cos(x1) + 0.5000000001)**2 - 0.25"),
        ("F03", "(sin(x0+x1)/2 + sin(x0-x1)/2 + x2**3 + exp(x2) + 1.3725)**2 - 1.3725**2"),
        ("F04", "(1 - cos(2*x0))*(1 + cos(2*x1))/4 + exp(x2 + 3*log(abs(x2)))*sign(x2)"),
        ("F05", "(x0 + x1*x3**2)*exp(0.31*log(2*abs(x3)))"),
        ("F05", "2**0.31*(x0*abs(x3)**0.31 + x1*abs(x3)**2.31)"),
        ("F05", "(x0 + x1*x3**2)*sqrt(4*x3**2)**0.31"),
        ("F07", "2.7*x0**2 + 5*cos(x1)*(4*cos(x1)**2 - 3) + 4.5*x0*x1"),
        ("F09", "x0*(1.5*x0 + x1 + 3*cos(-x0/2)) + 3.5*cos(2.5*x1 - pi/2) + x1*sqrt(exp(2*x0))/2"),
        ("F12", "x0*(4.34 + 4.36*cos(3*x0) + 1.08*x1**4 + 2.9*x0**2*x1) + exp(x0 + log(1.46))"),
        ("C01", "1.2*x0*x1+4*sin(x2)*cos(x2)+0.7*x3**2-1.5*cos(2.5*x4)+0.4*x5*exp(x6)**0.5+x7"),
        ("C03", "(x0*x1 + 1 - 2*sin(x2)**2)**2 + (sin(1.5*x4) - x3**2)**2 - x5"),
        (
            "C04",
            "sin(x0 - 2*x1 + x2)/2 + sin(x0 - 2*x1 - x2)/2"
            " + 0.3*x2**2 + 0.6*x2*x3 + 0.3*x3**2 + 1/exp(x3**2)",
        ),
    ],
)
def test_other_guises_are_exact(name, text):
    found = verdict(name, text)
    assert found.exact, found


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("F00", "x0**2 + cos(x1) - x0*x1", "no fit"),
        ("F00", "x0**2 + x0*x1", "no fit"),
        ("F00", "x0**2 + x0*x1 + 1 - x1**2/2 + x1**4/24", "no fit"),
        ("F00", "x0**2 + cos(x1) + x0*x1 + 1e-5*x0", "extra 1.0e-5*x0"),
        ("F00", "x0**2 + cos(x1) + x0*x1 + 1e-5", "extra 1.000e-5"),
        # the right values by the wrong terms: the series of a cosine
        ("F00", "x0**2+x0*x1 + " + "+".join(
            f"{(-1) ** k / np.prod(np.arange(1.0, 2 * k + 1)):.17e}*x1**{2 * k}" for k in range(11)
        ), "missing cos(x1); extra "),
        ("F07", "2.7*x0**2 + 5*cos(3*x1) + 4.5*log(exp(x0))*x1 + 2e-5*x1", "extra 2.0e-5*x1"),
        ("F00", "log(x0) + x1", "no fit: RMS error nan"),
        ("F00", "x0**2 + cos(x1) + x0*x1 + 1e-9*(x0 + x1 + sin(x0))**40", "no fit"),
        ("F00", "x0**2 + cos(x1) + x0*x1 + 1e-60*(x0 + x1 + sin(x0))**80", "too many terms"),
    ],
)  # fmt: skip
def test_near_misses_are_not(name, text, told):
    found = verdict(name, text)
    assert not found.exact
    assert found.terms.startswith(told), found


def test_both_tolerances_are_as_defined():
    """One coefficient of F00 is off by a relative step, so the error is known beforehand."""
    x = problem_tables(ROOT / "data" / "F00")["val"].in_data.numpy()
    y = evaluate(truth(PROBLEMS["F00"]), x)
    term = np.sqrt(np.mean((x[:, 0] * x[:, 1]) ** 2))
    step = 1e-4 * y.std() / term
    for share, fits in ((0.999, True), (1.001, False)):
        found = verdict("F00", f"x0**2 + cos(x1) + {1 + share * float(step)!r}*x0*x1")
        assert found.rms == pytest.approx(share * 1e-4, rel=1e-6)
        assert found.exact is fits
    # A term that is a hundredth of another may be off by a hundredth itself, and no more.
    wanted = [(None, y), (None, 1e-3 * x[:, 0])]
    for error, missing in ((0.009, 0), (0.011, 1)):
        given = [(None, 1e-3 * (1 + error) * x[:, 0]), (None, y)]
        assert [len(side) for side in judge._unmatched(wanted, given, 0.0)] == [missing] * 2


def test_pairs_are_one_to_one():
    a, b = np.random.default_rng(0).standard_normal((2, 50))
    near = a + 0.005 * b
    assert judge._unmatched([(1, a), (2, b)], [(3, near), (4, a)], 0.0) == ([2], [3]) or (
        judge._unmatched([(1, a), (2, b)], [(3, near), (4, a)], 0.0) == ([2], [4])
    )
    # 3 is near both true terms, 4 only near the first: a greedy pairing could leave one over
    both = [(1, a), (2, 1.012 * a)]
    assert judge._unmatched(both, [(3, 1.006 * a), (4, 0.993 * a)], 0.0) == ([], [])


def test_noise_leaves_constants_their_standard_errors_and_terms_their_places():
    text = "3*cos({}*x0) + x1*x2 - 0.8*x3**3 + sin(2*x4)*x5 + {}*x6 + exp(0.3*x7)"
    assert verdict("C02", text.format(1.5, 0.5)).exact
    assert verdict("C02", text.format(1.5005, 0.503)).exact
    assert verdict("C02", text.format(1.5, 0.53)).terms == "missing 0.5*x6; extra 0.53*x6"
    assert not verdict("C02", text.format(1.5005, 0.503), noise=0.0).exact
    assert verdict("C02", text.format(1.5, 0.5) + " + 0.01*x8").terms == "extra 0.01*x8"
    assert verdict("C02", text.format(1.6, 0.5)).terms.startswith("no fit")


def test_noise_of_another_level_than_the_problems_own():
    text = "2.72*x0**2 + 5.02*cos(3*x1) + 4.49*x0*x1"
    assert not verdict("F07", text).exact
    assert verdict("F07", text, noise=0.05).exact
    assert verdict("F07", text + " + 0.01*x0", noise=0.05).terms == "extra 0.01*x0"


def test_the_examples_of_the_judge():
    assert doctest.testmod(judge) == (0, 7)


def test_expressions_of_other_symbols_are_refused():
    x = np.zeros((10, 2)) + np.arange(10)[:, None]
    with pytest.raises(InputError, match="uses x7"):
        judge.exact(parse("x7", {"x": 8}), PROBLEMS["F00"], x)
