"""Bad tables and settings given to the estimator: one sentence each."""

import math

import numpy as np
import pandas as pd
import pytest
import sympy

from sdnet.errors import InputError
from srnet.discover import SymbolicRegressor

X = np.random.default_rng(0).standard_normal((200, 2))
A, B = X.T
Y = 2.7 * A**2 + 5 * np.cos(3 * B) + 4.5 * A * B  # F07
BAD = np.where(np.arange(200) == 7, np.nan, Y)
QUICK = {"network": False, "search_engine": None, "epochs": 1, "restarts": 1, "max_seconds": 60}


def regressor(library="funs/F07_v2.lib", **settings):
    return SymbolicRegressor(library, **QUICK | settings)


@pytest.mark.parametrize(
    ("x", "y", "told"),
    [
        (X[:7], Y[:7], r"X has 7 samples \(rows\), 7 of them distinct; expected at least 8"),
        (np.tile(X[:5], (9, 1)), np.tile(Y[:5], 9), r"45 samples \(rows\), 5 of them distinct"),
        (X, BAD, "Input y contains NaN: .*nan.* in y, row 7; expected finite numbers"),
        (np.c_[A, BAD], Y, "Input X contains NaN: .*nan.* in X, row 7, column 1;"),
        (np.c_[A, BAD], -Y / 0.5, "Input X contains NaN"),
        (X, np.where(np.isnan(BAD), np.inf, Y), "Input y contains infinity.*: .*inf.*row 7"),
        ([["1", 2], ["b", 3]] * 20, Y[:40], "to float: 'b': 'b' in X, row 1, column 0"),
        (pd.DataFrame({"a": A, "b": ["t"] * 200}), Y, "'t' in X, row 0, column 1"),
        (X + 1j, Y, "Complex data not supported; expected"),
        (X[:0], Y[:0], r"Found array with 0 sample\(s\).*expected X \(n, d\)"),
        (X, Y[1:], "inconsistent numbers of samples"),
        (A, Y, "Expected 2D array, got 1D array instead; expected"),
        (X, None, "requires y to be passed"),
    ],
)
def test_bad_tables_are_told_in_one_sentence(x, y, told):
    with pytest.raises(InputError, match=told) as caught:
        regressor(None).fit(x, y)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"library": "funs/F07_v22.lib"}, "no such file; did you mean 'F07_v2.lib'"),
        ({"library": "funs"}, "funs"),
        ({"masks": [[1, 0, 1]]}, "entry for each of the 2 columns of X"),
        ({"masks": [1, 0]}, "expected rows of 0 and 1"),
        ({"masks": [[1, 0], [1]]}, "expected rows of 0 and 1"),
        ({"masks": [[1, 0.5]]}, "expected rows of 0 and 1"),
        ({"masks": []}, "expected rows of 0 and 1"),
        ({"masks": [[1, 0], [0, 0]]}, "row 1 of masks is all 0; expected each latent to see an"),
        ({"n_latents": 0}, "n_latents is 0; expected a whole number >= 1"),
        ({"n_latents": 3, "masks": [[1, 1]]}, "n_latents is 3, but masks has 1 rows"),
        ({"search_engine": "opreon"}, "search_engine is 'opreon'; did you mean 'operon'?"),
        ({"search_engine": "pysr"}, "'pysr' isn't installed: pip install pysr"),
        ({"max_seconds": 0}, "max_seconds is 0; expected a number > 0"),
        ({"max_seconds": math.nan}, "max_seconds is nan"),
        ({"max_seconds": "9"}, "max_seconds is '9'"),
        ({"epochs": 0}, "epochs is 0; expected a whole number >= 1"),
        ({"epochs": True}, "epochs is True"),
        ({"restarts": 1.5}, r"restarts is 1\.5"),
        ({"random_state": -1}, "random_state is -1; expected a whole number >= 0"),
        ({"random_state": None}, "random_state is None"),
        ({"random_state": 2**31}, r"random_state is 2147483648; expected less than 2\*\*31"),
        ({"network": "no"}, "network is 'no'; expected True or False"),
        ({"library": ["x0"]}, "library is a list; expected the path of a .lib file, or None"),
    ],
)
def test_settings_that_cannot_be_used_are_told(settings, told, monkeypatch):
    monkeypatch.setattr("srnet.discover.installed", lambda engine: engine == "operon")
    with pytest.raises(InputError, match=told) as caught:
        regressor().set_params(**settings).fit(X, Y)
    assert "\n" not in str(caught.value)


def test_a_library_of_more_variables_than_columns_is_told():
    with pytest.raises(InputError, match=r"F07_v2\.lib uses x1, but X has 1 columns"):
        regressor().fit(X[:, :1], Y)


def test_operon_is_passed_over_where_it_is_missing(monkeypatch):
    monkeypatch.setattr("srnet.discover.installed", lambda engine: False)
    assert regressor(search_engine="operon").fit(X, Y).pursuit_.engine is None


@pytest.mark.parametrize(
    ("validation", "told"),
    [
        ((X, Y[1:]), r"X \(200, 2\) and y \(199,\)"),
        ((X[:, :1], Y), r"X \(200, 1\)"),
        ((X, BAD), "validation: Input contains NaN"),
        ((X, ["a"] * 200), "validation: could not convert"),
        ((X,), "validation is a tuple of 1"),
        (X, "validation is a ndarray"),
        (3, r"validation is a int; expected \(X, y\)"),
    ],
)
def test_bad_validation_rows_are_told(validation, told):
    with pytest.raises(InputError, match=told):
        regressor().fit(X, Y, validation=validation)


def test_a_prediction_that_is_no_number_is_told():
    law = regressor(None).fit(np.exp(X), B)  # log(x1)
    assert law.text() == "log(x1)" or law.sympy().has(sympy.log)
    with pytest.raises(InputError, match=r"is not a finite number at row 1 of X \(1 of 2 rows\)"):
        law.predict([[1.0, 1.0], [1.0, 0.0]])


def test_a_warm_start_on_another_table_is_told():
    law = regressor(None, warm_start=True).fit(X, 2 * A)
    with pytest.raises(InputError, match="X has 1 columns, but warm_start goes on with a law of 2"):
        law.fit(X[:, :1], 2 * A)


def test_columns_far_from_zero_are_told_of():
    with pytest.warns(UserWarning, match=r"far from 0 as to how they vary: x1 \(1000 with deviat"):
        regressor(None).fit(X + np.array([0.0, 1000.0]), 2 * A)
