"""The estimator: laws from algebra, scikit-learn's checks, forms of the equation."""

import pickle
import time

import numpy as np
import pandas as pd
import pytest
import sympy
import torch
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from sdnet.formula import parse
from srnet import equations as tables
from srnet.discover import SymbolicRegressor, open_library
from srnet.rows import LEAST_ROWS, split

X = np.random.default_rng(0).standard_normal((200, 2))
A, B = X.T
Y = 2.7 * A**2 + 5 * np.cos(3 * B) + 4.5 * A * B  # F07
LAW = "2.7*x0**2 + 4.5*x0*x1 + 5*cos(3*x1)"
QUICK = {"network": False, "search_engine": None, "epochs": 1, "restarts": 1, "max_seconds": 60}
F07 = "funs/F07_v2.lib"


def regressor(library=F07, **settings):
    return SymbolicRegressor(library, **QUICK | settings)


@pytest.fixture(scope="module")
def fitted():
    return regressor().fit(X, Y)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A library of x0 alone: all tables of scikit-learn's checks have a first column."""
    path = tmp_path_factory.mktemp("library") / "plain.lib"
    path.write_text("x0\n")
    return str(path)


@pytest.fixture
def no_network(monkeypatch):
    """The way of the network leads nowhere, at once."""
    monkeypatch.setattr("srnet.pursuit.Pursuit._by_network", lambda self, table: iter(()))


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.lib"
    path.write_text("N0*x0**2\nN0*x1\nN0*cos(3*x1)\nN0*x0*x1\n")
    return str(path)


def relative_error(law, x, y):
    return np.sqrt(np.mean((law.predict(x) - y) ** 2)) / y.std()


def unfit(estimator):
    """The checks that can't apply, with the reason."""
    reason = "the tests' type checker looks at every argument; the constructor only assigns"
    return {"check_do_not_raise_errors_in_init_or_set_params": reason}


# The first column of scikit-learn's tables is all that the library has: each check takes a moment.
# One check asks for a good score, which needs generic shapes.
@pytest.mark.filterwarnings("ignore:.*(constant in X|target is constant|does not express)")
@pytest.mark.filterwarnings("ignore:far from 0")
@parametrize_with_checks([SymbolicRegressor("x0.lib", **QUICK)], expected_failed_checks=unfit)
def test_scikit_learn(estimator, check, plain):
    generic = "check_regressors_train" in repr(check)
    settings = {"max_seconds": 6} if generic else {"library": plain, "max_seconds": 2}
    check(estimator.set_params(**{"library": None} | settings))


@pytest.mark.parametrize(
    ("y", "law"),
    [
        (2 * A * B - 1, "2*x0*x1 - 1"),
        (np.sin(1.37 * A), "sin(1.37*x0)"),
        (np.abs(A) ** 0.31, "abs(x0)**0.31"),
        (A**2 / 3 - np.exp(-0.7 * B), "x0**2/3 - exp(-0.7*x1)"),
        (B, "x1"),
    ],
)
def test_small_laws_are_found_without_a_library(y, law):
    found = regressor(None).fit(X, y)
    assert found.text() == law
    assert found.equation_.way == "sparse"
    assert relative_error(found, X, y) < 1e-12


def test_a_law_is_found_with_its_library(fitted):
    assert fitted.text() == LAW
    assert fitted.equation_ in fitted.equations_
    assert fitted.score(X, Y) == pytest.approx(1, abs=1e-12)


def test_columns_of_all_scales():
    x = np.random.default_rng(0).standard_normal((100, 3)) * [1e-8, 1.0, 1e8]
    y = 3e8 * x[:, 0] + 2e-8 * x[:, 1] * x[:, 2]
    found = regressor(None).fit(x, y)
    assert found.sympy().as_coefficients_dict().keys() == {
        sympy.Symbol("x0", real=True),
        sympy.Symbol("x1", real=True) * sympy.Symbol("x2", real=True),
    }
    assert relative_error(found, x, y) < 1e-12


@pytest.mark.parametrize("scale", [1e-8, 1e8])
def test_targets_of_all_scales(scale):
    found = regressor().fit(X, scale * Y)
    coefficients = sorted(found.sympy().as_coefficients_dict().values())
    assert [float(c) / scale for c in coefficients] == pytest.approx([2.7, 4.5, 5])


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(
    ("noise", "seed", "whole"),
    [(0.05, 0, True), *((noise, seed, False) for noise in (0.01, 0.05) for seed in range(2))],
)
def test_noise_keeps_the_right_terms(noise, seed, whole, small):
    """With the whole library, and with one of the law's own terms and another."""
    y = Y + noise * Y.std() * np.random.default_rng(seed).standard_normal(len(Y))
    found = regressor(F07 if whole else small, random_state=seed).fit(X, y)
    x0, x1 = sympy.symbols("x0 x1", real=True)
    terms = found.sympy().as_coefficients_dict()
    wave = next(term for term in terms if term.has(sympy.cos))
    assert set(terms) == {x0**2, x0 * x1, wave}
    assert float(wave.args[0].coeff(x1)) == pytest.approx(3, rel=0.01)
    assert [float(terms[t]) for t in (x0**2, x0 * x1, wave)] == pytest.approx(
        [2.7, 4.5, 5], rel=0.05
    )


def test_the_formula_is_the_model(fitted):
    x0, x1 = sympy.symbols("x0 x1", real=True)
    expected = [float(fitted.sympy().subs({x0: a, x1: b})) for a, b in X[:20]]
    np.testing.assert_allclose(fitted.predict(X[:20]), expected, rtol=1e-12)
    again = parse(fitted.text(), {"x": 2})
    assert again == fitted.sympy()
    np.testing.assert_array_equal(tables.evaluate(again, X), fitted.predict(X))
    printed = parse(str(fitted.sympy()), {"x": 2})
    np.testing.assert_allclose(tables.evaluate(printed, X), fitted.predict(X), rtol=1e-12)
    np.testing.assert_array_equal(fitted.to_torch()(torch.tensor(X)).numpy(), fitted.predict(X))


def test_the_stored_losses_are_those_of_the_printed_formulas(small):
    noisy = Y + 0.3 * np.random.default_rng(1).standard_normal(len(Y))
    law = regressor(small, random_state=3).fit(X, noisy)
    _, _, x, y = split(X, noisy, None, 3)
    assert len(law.equations_) > 2
    for row in tables.rows(law.equations_):
        values = tables.evaluate(parse(row["equation"], {"x": 2}), x)
        assert np.mean((values - y) ** 2) == pytest.approx(row["loss"], rel=1e-9)


def test_the_same_random_state_gives_the_same_bits(small):
    noisy = Y + 0.3 * np.random.default_rng(1).standard_normal(len(Y))
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    settings = {"random_state": 5, "linear_head": True}  # no way that ends by the clock
    one, other = (regressor(small, **settings).fit(X, noisy) for _ in range(2))
    assert [e.expression for e in one.equations_] == [e.expression for e in other.equations_]
    assert one.predict(X).tobytes() == other.predict(X).tobytes()
    assert torch.equal(torch.get_rng_state(), before[0])  # global seeds are left alone
    assert (np.random.get_state()[1] == before[1]).all()  # noqa: NPY002


def test_forms(fitted):
    assert fitted.latex() == sympy.latex(fitted.sympy())
    assert LAW in fitted.table()
    assert fitted.table().count(">") == 1
    assert LAW in fitted._repr_html_()
    assert "SymbolicRegressor" in regressor()._repr_html_()  # scikit-learn's, before a fit


def test_parameters_clone_and_pickle(fitted):
    settings = fitted.get_params()
    assert settings["library"] == F07
    assert clone(fitted).get_params() == settings
    assert not hasattr(clone(fitted), "equation_")
    again = pickle.loads(pickle.dumps(fitted))
    assert again.predict(X).tobytes() == fitted.predict(X).tobytes()
    assert again.set_params(warm_start=True).fit(X, Y).text() == LAW


def test_warm_start_goes_on(small):
    noisy = Y + 0.3 * np.random.default_rng(1).standard_normal(len(Y))
    law = regressor(small, warm_start=True).fit(X, noisy)
    first = law.pursuit_
    assert first.tried == {"library", "composed", "network"}
    began = time.monotonic()
    law.fit(X, noisy)
    assert time.monotonic() - began < 1  # no way is gone again
    assert law.pursuit_.equations == first.equations
    assert law.pursuit_.tried == first.tried
    assert law.network_ is first.fitted
    np.testing.assert_array_equal(law.masks_, first.masks)


def test_without_warm_start_a_fit_forgets(fitted):
    law = clone(fitted).fit(X, Y)
    law.fit(X, A * B)
    assert {e.way for e in law.equations_} <= {"mean", "sparse"}
    assert law.text() == "x0*x1"


def test_a_data_frame_has_names():
    frame = pd.DataFrame(X, columns=["mass", "speed"])
    law = regressor().fit(frame, pd.Series(Y))
    assert law.feature_names_in_.tolist() == ["mass", "speed"]
    assert law.text() == LAW
    with pytest.raises(ValueError, match="feature names"):
        law.predict(frame.rename(columns={"mass": "weight"}))


def test_a_column_of_targets_is_told_of():
    with pytest.warns(match="column-vector y was passed"):
        law = regressor().fit(X, Y[:, None])
    assert law.predict(X).shape == (200,)


def test_one_column():
    assert regressor(None).fit(X[:, :1], A**2).text() == "x0**2"


def test_a_constant_target():
    with pytest.warns(match=r"the target is constant, 2\.5"):
        law = regressor().fit(X, np.full(200, 2.5))
    assert law.sympy() == 2.5
    np.testing.assert_array_equal(law.predict(X), 2.5)


def test_a_constant_column_is_told_of():
    with pytest.warns(match="^x1: constant in X"):
        law = regressor(None).fit(np.column_stack([A, np.ones(200)]), A**3)
    assert law.text() == "x0**3"


def test_a_library_without_the_laws_terms_is_told_of(plain):
    with pytest.warns(match=r"plain.lib does not express the target: its best equation leaves"):
        law = regressor(plain).fit(X, Y)
    left = law.pursuit_.relative(law.equation_)
    assert 0.1 < left <= 1.1
    assert np.isfinite(law.predict(X)).all()


@pytest.mark.parametrize("name", ["funs/F10_v1.lib", "funs/F11_v1.lib"])
def test_a_library_may_name_any_table(name):
    law = regressor(name).fit(X[:, :1], 0.5 * (A + 0.25) ** 2 + 3)
    assert sympy.expand(law.sympy() - parse("0.5*(x0 + 0.25)**2 + 3", {"x": 1})) == 0


def test_the_tables_name_is_the_librarys(tmp_path):
    path = tmp_path / "a.lib"
    path.write_text("# of X99[:,0]\nN0*np.sin(T3[:,0])\n")
    assert open_library(path).in_var == "T3"


def test_equal_rows_stay_on_one_side():
    x = np.repeat(X[:40], 5, axis=0)
    kept, _, held, _ = split(x, x[:, 0], None, 0)
    assert len(kept) + len(held) == 200
    assert not {tuple(row) for row in kept} & {tuple(row) for row in held}
    assert len(held) == 5 * 10  # a quarter of the distinct ones


def test_duplicate_rows_that_contradict_each_other_leave_their_difference(small):
    """Each row twice, 0.5 above and 0.5 below the law: its mean squared error is 0.25."""
    x, y = np.tile(X, (2, 1)), np.r_[Y + 0.5, Y - 0.5]
    law = regressor(small).fit(x, y)
    assert law.equation_.loss == pytest.approx(0.25, rel=0.02)
    np.testing.assert_allclose(law.predict(X), Y, atol=0.2)


def test_validation_rows_may_be_given():
    law = regressor().fit(X[:150], Y[:150], validation=(X[150:], Y[150:]))
    assert law.text() == LAW
    assert law.pursuit_.x.shape == (150, 2)
    np.testing.assert_array_equal(law.pursuit_.held[0], X[150:])


def test_fewer_rows_than_terms_might_have():
    law = regressor(None).fit(X[:LEAST_ROWS], 2 * A[:LEAST_ROWS])
    assert law.text() == "2*x0"


def test_many_rows_take_no_longer_than_said():
    x = np.random.default_rng(1).standard_normal((100_000, 2))
    began = time.monotonic()
    law = regressor().fit(x, 2.7 * x[:, 0] ** 2 + 5 * np.cos(3 * x[:, 1]))
    assert time.monotonic() - began < 15
    assert law.text() == "2.7*x0**2 + 5*cos(3*x1)"


def test_as_many_latents_as_asked_for_see_everything(small):
    law = regressor(small, n_latents=3, network=True).fit(X, Y)
    np.testing.assert_array_equal(law.masks_, np.ones((3, 2)))
    assert law.network_.latents(X).shape == (3, len(X))


def test_masks_that_are_given_are_those_of_the_network(small):
    law = regressor(small, masks=[[1, 0], [1, 1]], network=True).fit(X, Y)
    np.testing.assert_array_equal(law.masks_, [[1, 0], [1, 1]])
    before, after = (law.network_.latents(X + shift) for shift in ([0.0, 0.0], [0.0, 1.0]))
    np.testing.assert_array_equal(before[0], after[0])
