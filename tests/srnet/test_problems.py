"""The tables of F00 to F12 and C01 to C04 against formulas written down a second time."""

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
import sympy
import torch

from sdnet.errors import InputError
from sdnet.formula import to_torch
from srnet.pickles import load_joblib
from srnet.problems import PROBLEMS, truth, write_problem, write_tables
from srnet.tables import SRData
from srnet.textfiles import read_info, read_table

DATA = Path(__file__).parents[2] / "data"
cos, sin, exp = np.cos, np.sin, np.exp


def triangle(x):
    """Slope 1, period 3, range 0 to 1.5, 0 at 0: the distance to the nearest multiple of 3."""
    return np.abs(x[:, None] - 3 * np.arange(-4, 5)).min(axis=1)


# PROBLEMS.md once more, in numpy: the latents of the inputs' columns, the target of the latents.
LATENTS = {
    "F00": lambda x, y: [x * x, cos(y), x * y],
    "F01": lambda x, y: [x * x + cos(y) + x * y],
    "F02": lambda x, y: [x * x, cos(y), x * y],
    "F03": lambda x, y, z: [sin(x) * cos(y) + z * z * z + exp(z)],
    "F04": lambda x, y, z: [sin(x) * cos(y), z * z * z, exp(z)],
    "F05": lambda a, b, c, d, e: [a, b * d * d, np.log(np.abs(2 * d))],
    "F06": lambda a, b, c, d, e, f, g, h: [a * a, cos(d), f * h],
    "F07": lambda x, y: [2.7 * x * x, 5 * cos(3 * y), 4.5 * x * y],
    "F08": lambda x: [0.75 - 0.75 * cos(np.pi * x / 1.5)],
    "F09": lambda x, y: [
        1.5 * x * x,
        3.5 * sin(2.5 * y),
        3 * x * cos(x / 2),
        x * y,
        y * exp(x) / 2,
    ],
    "F11": lambda x: [
        -0.08 * (x + 0.165) ** 2 - 0.21,
        0.0785 * (x - 0.63) ** 2 - 0.252,
        0.0895 * (x + 0.21) ** 2 - 0.0375,
    ],
    "F12": lambda x, y: [
        4.34 * x,
        1.46 * exp(x),
        4.36 * x * cos(3 * x),
        2.9 * x * x * x * y,
        1.08 * x * y * y * y * y,
    ],
}
TARGETS = {
    "F00": lambda a, b, c: a + b + c,
    "F01": lambda a: a * (a + 1),
    "F02": lambda a, b, c: (a + b + c) * (a + b + c + 1),
    "F03": lambda a: a * a + 2.745 * a,
    "F04": lambda a, b, c: a * a + b * c,
    "F05": lambda a, b, c: (a + b) * exp(0.31 * c),
    "F06": lambda a, b, c: a + b + c,
    "F07": lambda a, b, c: a + b + c,
    "F09": lambda a, b, c, d, e: a + b + c + d + e,
    "F11": lambda a, b, c: a * b + sin(c),
    "F12": lambda a, b, c, d, e: a + b + c + d + e,
}
COMPOSED = {  # PROBLEMS.md once more: the laws without latents, of the inputs' columns
    "C01": lambda a, b, c, d, e, f, g, h: (
        1.2 * a * b + 2 * sin(2 * c) + 0.7 * d * d - 1.5 * cos(2.5 * e) + 0.4 * f * exp(g / 2) + h
    ),
    "C02": lambda a, b, c, d, e, f, g, h, i, j: (
        3 * cos(1.5 * a) + b * c - 0.8 * d * d * d + sin(2 * e) * f + g / 2 + exp(0.3 * h)
    ),
    "C03": lambda a, b, c, d, e, f: (a * b + cos(2 * c)) ** 2 + (d * d - sin(1.5 * e)) ** 2 - f,
    "C04": lambda a, b, c, d: sin(a - 2 * b) * cos(c) + 0.3 * (c + d) ** 2 + exp(-d * d),
}
INPUTS = dict(zip(PROBLEMS, [2, 2, 2, 3, 3, 5, 8, 2, 1, 2, 2, 1, 2, 8, 10, 6, 4], strict=True))


def columns(letter, name):
    return read_table(DATA / f"{letter}{name.removeprefix('F')}.gz").T


@pytest.mark.parametrize("name", LATENTS)
def test_latents_and_targets_follow_the_table(name):
    x, g, (f,) = (columns(letter, name) for letter in "XGF")
    np.testing.assert_allclose(g, LATENTS[name](*x), rtol=1e-12, atol=1e-14)
    expected = triangle(x[0]) if name == "F08" else TARGETS[name](*g)
    # Where the terms of a sum cancel, float64 knows the result to the size of the terms only.
    np.testing.assert_allclose(f, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", LATENTS)
def test_the_formulas_of_the_info_files_give_the_tables(name):
    number = name[1:]
    latents, noise = read_info(DATA / f"G{number}.info")
    target, target_noise = read_info(DATA / f"F{number}.info")
    assert (noise, target_noise) == (0, 0)
    tables = SRData(DATA, f"X{number}", f"G{number}", f"F{number}", dtype=torch.float64)
    computed = SRData(DATA, f"X{number}", latents, target, dtype=torch.float64)
    torch.testing.assert_close(computed.lat_data, tables.lat_data, rtol=1e-12, atol=1e-14)
    # The arc cosine of F08 magnifies the last digit where its wave turns.
    atol = 1e-10 if name == "F08" else 1e-12
    torch.testing.assert_close(computed.target_data, tables.target_data, rtol=1e-12, atol=atol)


@pytest.mark.parametrize("name", COMPOSED)
def test_composed_laws_follow_the_table_up_to_their_noise(name):
    x, (f,) = (columns(letter, name) for letter in "XF")
    formulas, noise = read_info(DATA / f"F{name}.info")
    assert noise == (0.01 if name == "C02" else 0)
    clean = COMPOSED[name](*x)
    if noise:  # 5 standard errors of a standard deviation from 1000 rows
        assert (f - clean).std() / clean.std() == pytest.approx(noise, rel=5 / 2000**0.5)
    else:
        np.testing.assert_allclose(f, clean, rtol=1e-12, atol=1e-13)
    computed = SRData(DATA, f"X{name}", None, formulas, dtype=torch.float64)
    np.testing.assert_allclose(computed.target_data[:, 0], clean, rtol=1e-12, atol=1e-13)
    assert not (DATA / f"G{name}.gz").exists()


@pytest.mark.parametrize("name", [*TARGETS, *COMPOSED])
def test_the_truth_is_the_target_as_one_expression_of_the_inputs(name):
    x = columns("X", name)
    symbols = [sympy.Symbol(f"x{i}", real=True) for i in range(len(x))]
    (values,) = to_torch([truth(PROBLEMS[name])], symbols)(*torch.tensor(x))
    expected = COMPOSED[name](*x) if name in COMPOSED else TARGETS[name](*LATENTS[name](*x))
    np.testing.assert_allclose(values, expected, rtol=1e-12, atol=1e-11)


def test_inputs_alone_have_no_truth():
    with pytest.raises(InputError, match="F10 has no target"):
        truth(PROBLEMS["F10"])


@pytest.mark.parametrize("name", PROBLEMS)
def test_inputs(name):
    x = columns("X", name)
    if name == "F11":
        np.testing.assert_allclose(x, [[-3 + 6 * i / 700 for i in range(700)]], rtol=0, atol=1e-15)
        return
    assert x.shape == (INPUTS[name], 1000)
    # The bounds are 5 standard errors of a normal sample's mean, variance and covariance.
    assert np.abs(x.mean(axis=1)).max() < 5 / 1000**0.5
    assert np.abs(np.cov(x) - np.eye(len(x))).max() < 5 * (2 / 1000) ** 0.5


def test_inputs_differ_between_problems():
    firsts = {columns("X", name)[0, 0] for name in PROBLEMS}
    assert len(firsts) == 17


@pytest.mark.parametrize("name", PROBLEMS)
def test_splits(name):
    rows = 700 if name == "F11" else 1000
    suffix = name.removeprefix("F")
    splits = load_joblib(DATA / f"X{suffix}.mask")
    assert {key: len(part) for key, part in splits.items()} == {
        "train": rows * 7 // 10,
        "val": rows * 2 // 10,
        "test": rows // 10,
    }
    assert all((np.diff(part) > 0).all() for part in splits.values())
    assert sorted(np.concatenate(list(splits.values()))) == list(range(rows))
    assert not np.array_equal(splits["train"], np.arange(len(splits["train"])))
    data = SRData(DATA, f"X{suffix}[:,0]", rows="train")
    assert torch.equal(
        data.in_data[:, 0], torch.tensor(columns("X", name)[0, splits["train"]]).float()
    )


def test_f10_has_inputs_and_splits_only():
    assert sorted(path.name for path in DATA.glob("*10.*")) == ["X10.gz", "X10.mask"]


def test_all_problems_are_committed():
    expected = {f"{letter}{i:02d}.gz" for i in range(13) for letter in "XGF"} - {"G10.gz", "F10.gz"}
    expected |= {f"{letter}C{i:02d}.gz" for i in range(1, 5) for letter in "XF"}
    assert {path.name for path in DATA.glob("*.gz")} == expected


@pytest.mark.parametrize("name", ["F05", "F11", "C02"])
def test_writing_again_gives_the_committed_files(tmp_path, name):
    for path in write_tables(tmp_path, [name]):
        written, committed = path.read_bytes(), (DATA / path.name).read_bytes()
        if path.suffix == ".gz":  # the packing may differ between builds of zlib
            assert written[:10] == committed[:10]
            written, committed = gzip.decompress(written), gzip.decompress(committed)
        assert written == committed


def test_files_depend_on_the_seed_and_on_nothing_else(tmp_path):
    alone = write_tables(tmp_path / "a", ["F01"], seed=3)
    among = write_tables(tmp_path / "b", ["F10", "F01"], seed=3)
    other = write_tables(tmp_path / "c", ["F01"], seed=4)
    contents = [path.read_bytes() for path in alone]
    assert contents == [path.read_bytes() for path in among[-6:]]
    different = [a != path.read_bytes() for a, path in zip(contents, other, strict=True)]
    assert different == [True, True, True, False, True, False]  # the .info files stay


def test_tables_are_text_without_a_date_and_exact(tmp_path):
    write_tables(tmp_path, ["F11"])
    content = (tmp_path / "X11.gz").read_bytes()
    assert content[3] == 0  # no file name in the header
    assert content[4:8] == bytes(4)  # no time
    values = [float(line) for line in gzip.decompress(content).decode().splitlines()]
    np.testing.assert_array_equal(values, -3 + 6 * np.arange(700) / 700)
    assert sorted(os.listdir(tmp_path)) == sorted(
        ["X11.gz", "X11.mask", "G11.gz", "G11.info", "F11.gz", "F11.info"]
    )


def test_noise_is_a_fraction_of_the_targets_deviation(tmp_path):
    write_problem(PROBLEMS["F07"], tmp_path / "clean")
    write_problem(PROBLEMS["F07"], tmp_path / "noisy", noise=0.05)
    for name in ("X07.gz", "X07.mask", "G07.gz", "G07.info"):
        assert (tmp_path / "clean" / name).read_bytes() == (tmp_path / "noisy" / name).read_bytes()
    clean, noisy = (read_table(tmp_path / kind / "F07.gz") for kind in ("clean", "noisy"))
    # 5 standard errors of a standard deviation from 1000 rows.
    assert (noisy - clean).std() / clean.std() == pytest.approx(0.05, rel=5 / 2000**0.5)
    assert read_info(tmp_path / "noisy" / "F07.info") == (["g0 + g1 + g2"], 0.05)


def test_a_level_of_its_own_holds_unless_another_is_given(tmp_path):
    clean = COMPOSED["C02"](*columns("X", "C02"))
    write_tables(tmp_path, ["C02"], noise=0.2)
    assert read_info(tmp_path / "FC02.info")[1] == 0.2
    noisy = read_table(tmp_path / "FC02.gz")[:, 0]
    assert (noisy - clean).std() / clean.std() == pytest.approx(0.2, rel=5 / 2000**0.5)


def test_wrong_names_write_nothing(tmp_path):
    with pytest.raises(InputError, match="no problem 'F7': did you mean 'F0"):
        write_tables(tmp_path / "data", ["F00", "F7"])
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("noise", [-0.1, float("nan"), float("inf")])
def test_wrong_noise(tmp_path, noise):
    with pytest.raises(InputError, match="noise level is"):
        write_problem(PROBLEMS["F07"], tmp_path, noise=noise)
    assert not list(tmp_path.iterdir())


def test_noise_needs_a_target_and_seeds_are_not_negative(tmp_path):
    with pytest.raises(InputError, match="F10 has no target"):
        write_problem(PROBLEMS["F10"], tmp_path, noise=0.1)
    with pytest.raises(InputError, match="seed is -1"):
        write_tables(tmp_path, seed=-1)
    assert not list(tmp_path.iterdir())


def test_a_file_in_place_of_the_folder(tmp_path):
    (tmp_path / "data").write_text("kept")
    with pytest.raises(InputError, match="can't write F00 to"):
        write_tables(tmp_path / "data", ["F00"])
    assert (tmp_path / "data").read_text() == "kept"


def test_a_failed_write_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(InputError, match="No space left"):
        write_tables(tmp_path, ["F10"])
    assert not list(tmp_path.iterdir())
