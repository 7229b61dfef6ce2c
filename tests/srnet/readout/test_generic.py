"""The generic shapes: which there are, and that units don't matter to them."""

import numpy as np

from srnet.readout.generic import generic_shapes

X = np.random.default_rng(0).standard_normal((50, 2))


def named(x):
    return {shape.name: shape for shape in generic_shapes(x)}


def test_each_variable_has_its_shapes():
    found = named(X)
    for i in range(2):
        assert {f"x{i}", f"x{i}**2", f"x{i}**3", f"x{i}**4", f"1/x{i}"} <= found.keys()
        assert {f"sin(c0*x{i})", f"cos(c0*x{i})", f"exp(c0*x{i})"} <= found.keys()
        assert {f"exp(-c0*x{i}**2)", f"Abs(x{i})**c0", f"log(Abs(x{i}))"} <= found.keys()
    assert all(len(shape.variables) == 1 for shape in found.values())


def test_a_zero_rules_out_what_has_no_value_there():
    x = X.copy()
    x[3, 0] = 0
    names = named(x).keys()
    assert not {"1/x0", "log(Abs(x0))", "Abs(x0)**c0"} & names
    assert {"1/x1", "log(Abs(x1))", "Abs(x1)**c0", "x0**2"} <= names


def test_a_constant_column_has_no_shapes():
    x = X.copy()
    x[:, 0] = 4.0
    assert {shape.variables for shape in generic_shapes(x)} == {(1,)}


def test_starts_follow_the_units():
    large, small = named(X), named(X * 1e-6)
    for name in ("sin(c0*x0)", "exp(c0*x1)", "exp(-c0*x0**2)"):
        scale = 1e12 if "**2" in name else 1e6
        np.testing.assert_allclose(small[name].starts, large[name].starts * scale)
        np.testing.assert_allclose(small[name].bounds, np.multiply(large[name].bounds, scale))
    np.testing.assert_array_equal(small["Abs(x0)**c0"].starts, large["Abs(x0)**c0"].starts)


def test_every_start_is_within_its_bounds_and_has_numbers():
    for shape in named(X).values():
        starts = np.zeros((1, 0)) if shape.starts is None else shape.starts
        assert np.isfinite(shape.values(X, starts)).all()
        if shape.bounds is not None:
            low, high = shape.bounds
            assert ((np.abs(starts) >= low) & (np.abs(starts) <= high)).all()


def test_sine_becomes_its_variable():
    assert named(X)["sin(c0*x1)"].limit.name == "x1"
