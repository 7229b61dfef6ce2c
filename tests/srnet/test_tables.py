"""SRData and its parts: hand-made tables give hand-checked tensors, faulty ones one clear error."""

import gzip

import joblib
import numpy as np
import pytest
import torch

from sdnet.errors import InputError
from srnet.tables import SRData
from srnet.textfiles import read_info, read_table, read_variable

X = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0], [10.0, 11.0, 12.0]])
G = np.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0], [4.0, 40.0]])
F = np.array([11.0, 22.0, 33.0, 44.0])


@pytest.fixture
def folder(tmp_path):
    np.savetxt(tmp_path / "X07.gz", X)
    np.savetxt(tmp_path / "G07.txt", G)
    np.savetxt(tmp_path / "F07", F)
    splits = {
        "train": np.array([3, 0]),
        "val": np.array([False, True, False, False]),
        "test": [2],
    }
    joblib.dump(splits, tmp_path / "X07.mask")
    return tmp_path


def equal(tensor, expected):
    return torch.equal(tensor, torch.tensor(np.asarray(expected), dtype=tensor.dtype))


# What is read


def test_tables_of_the_three_endings(folder):
    data = SRData(folder, "X07", "G07", "F07")
    assert data.in_data.dtype == torch.float32
    assert equal(data.in_data, X)
    assert equal(data.lat_data, G)
    assert equal(data.target_data, F[:, None])
    assert len(data) == 4
    assert (data.in_var, data.lat_var, data.target_var) == ("X07", "G07", "F07")


def test_variables_may_be_none_and_inputs_assigned(folder):
    data = SRData(str(folder), "X07", dtype=torch.float64)
    assert data.lat_data is None
    assert data.target_data is None
    assert data.in_data.dtype == torch.float64
    data.in_data = data.in_data[:, :1]
    assert equal(data.in_data, X[:, :1])
    only_target = SRData(folder, None, None, "F07")
    assert only_target.in_data is None
    assert len(only_target) == 4


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ("0", [0]),
        ("2", [2]),
        (":2", [0, 1]),
        ("1:", [1, 2]),
        ("1:2", [1]),
        (":", [0, 1, 2]),
        ("[0,2]", [0, 2]),
        ("[2, 0]", [2, 0]),
    ],
)
def test_columns_come_in_the_order_picked(folder, columns, expected):
    assert equal(SRData(folder, f"X07[:,{columns}]").in_data, X[:, expected])
    assert equal(SRData(folder, f"X07[:, {columns}]").in_data, X[:, expected])


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (None, [0, 1, 2, 3]),
        ("train", [3, 0]),
        ("val", [1]),
        ("test", [2]),
        ([2, 0, 2], [2, 0, 2]),
        (range(1, 3), [1, 2]),
        (np.array([1], dtype=np.uint8), [1]),
        (torch.tensor([3, 1]), [3, 1]),
        ([True, False, False, True], [0, 3]),
        (np.array([False, False, True, False]), [2]),
        (torch.tensor([False, True, True, False]), [1, 2]),
    ],
)
def test_rows_of_every_kind(folder, rows, expected):
    data = SRData(folder, "X07[:,1]", "G07", "F07", rows)
    assert equal(data.in_data, X[expected, 1:2])
    assert equal(data.lat_data, G[expected])
    assert equal(data.target_data, F[expected, None])


def test_formulas_use_the_columns_and_rows_picked(folder):
    data = SRData(folder, "X07[:,[2,0]]", ["x0 - x1", "3", "x1**2"], ["g0*g1 + x0"], [1, 0])
    assert equal(data.lat_data, [[2.0, 3.0, 16.0], [2.0, 3.0, 1.0]])
    assert equal(data.target_data, [[12.0], [9.0]])


def test_target_formulas_of_a_latent_table(folder):
    data = SRData(folder, None, "G07[:,[1,0]]", ("g0 + g1",))
    assert equal(data.target_data, F[:, None])


def test_formulas_are_evaluated_in_float64(tmp_path):
    np.savetxt(tmp_path / "X00.gz", [[1e-9]])
    data = SRData(tmp_path, "X00", ["(1 + x0) - 1"])
    # In float32, 1 + 1e-9 is 1 and the difference would be 0.
    assert data.lat_data.item() == pytest.approx(1e-9, rel=1e-6)


def test_one_row_stays_a_row_and_comments_are_skipped(tmp_path):
    (tmp_path / "X00").write_text("# head\n\n1 2 3  # the only row\n")
    assert equal(SRData(tmp_path, "X00").in_data, [[1.0, 2.0, 3.0]])


def test_repr_names_tables_shapes_and_split(folder):
    data = SRData(folder, "X07[:,0]", "G07", ["g0"], rows="train")
    assert repr(data) == (
        "SRData(in X07[:,0] (2, 1), lat G07 (2, 2), target ['g0'] (2, 1), rows 'train')"
    )


def test_info_files(tmp_path):
    (tmp_path / "G07.info").write_text("x0**2\ncos(x1)\n0.01\n")
    assert read_info(tmp_path / "G07.info") == (["x0**2", "cos(x1)"], 0.01)


# What is refused


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2\n3 nan\n", r"X00.gz:2: nan in row 1, column 1 .* has 1 such"),
        ("# c\n\n1 2\n-inf inf\n", r"X00.gz:4: -inf in row 1, column 0 .* has 2 such"),
        ("1 1e999\n", r"X00.gz:1: inf in row 0, column 1"),
        ("1 2\n\n3 4 5\n", r"X00.gz:3: the row has 3 columns, expected 2 as in line 1"),
        ("# c\n1 2\n3\n", r"X00.gz:3: the row has 1 columns, expected 2 as in line 2"),
        ("1 2\n3 x\n", r"X00.gz:2: 'x' in column 1"),
        ("a b\n1 2\n", r"X00.gz:1: 'a' in column 0"),
        ("1,2\n3,4\n", r"X00.gz:1: '1,2' in column 0"),
        ("1_0\n", r"X00.gz can't be read as a table"),
        ("# nothing\n", r"X00.gz holds no numbers"),
        ("", r"X00.gz holds no numbers"),
    ],
)
def test_faulty_tables_name_the_place(tmp_path, text, message):
    (tmp_path / "X00.gz").write_bytes(gzip.compress(text.encode()))
    with pytest.raises(InputError, match=message) as caught:
        SRData(tmp_path, "X00")
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("X00.gz", b"1 2\n", "isn't a whole gzip file"),
        ("X00.gz", gzip.compress(b"1 2\n" * 99, mtime=0)[:-9], "isn't a whole gzip file"),
        ("X00.gz", b"\x1f\x8b\x08\x00" + bytes(30), "isn't a whole gzip file"),
        ("X00.gz", gzip.compress(b"\xff\xfe1", mtime=0), "isn't a text file"),
        ("X00.txt", b"\x80\x04", "isn't a text file"),
    ],
)
def test_files_of_another_kind(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_table(tmp_path / name)


def test_missing_tables_name_the_nearest(folder):
    with pytest.raises(InputError, match=r"no table .*X7\.gz.*nearest name there is 'X07\.gz'"):
        SRData(folder, "X7")
    with pytest.raises(InputError, match="there is no folder"):
        SRData(folder / "nowhere", "X07")


@pytest.mark.parametrize("columns", ["3", ":4", "[0,3]", "2:2", "3:", ":0", ":999999999"])
def test_columns_out_of_range(folder, columns):
    with pytest.raises(InputError, match=r"X07.*has columns 0 to 2"):
        SRData(folder, f"X07[:,{columns}]")


@pytest.mark.parametrize(
    "variable",
    [
        "X07[0]",
        "X07[:,-1]",
        "X07[:,::2]",
        "X07[:,[]]",
        "X07[:,0",
        "X07[:,0][:,0]",
        f"X07[:,{'9' * 5000}]",
        "X07[:,٣]",
        "X07[:,__import__('os')]",
        "x0**2 + 1",
        "../X07",
        "",
    ],
)
def test_names_that_are_not_tables(folder, variable):
    with pytest.raises(InputError, match="isn't a table: expected a name such as 'X07'"):
        read_variable(folder, variable)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([0, 4], r"rows has row 4, expected rows from 0 to 3"),
        ([-1], r"rows has row -1, expected rows from 0 to 3"),
        ([True, False], r"rows is a mask of 2 rows, but the table has 4"),
        ([], "rows selects no rows"),
        ([False] * 4, "rows selects no rows"),
        ([0.0, 1.0], "type float64, expected row numbers or a mask"),
        ([[0, 1]], r"shape \(1, 2\)"),
        ([[0], [1, 2]], "expected row numbers or a mask"),
        (2, r"shape \(\)"),
        ({1, 2}, r"shape \(\) and type object"),
        (torch.tensor([1.0], dtype=torch.bfloat16), "expected row numbers or a mask"),
        ("trian", r"X07.mask has no split 'trian': did you mean 'train'"),
    ],
)
def test_wrong_rows(folder, rows, message):
    with pytest.raises(InputError, match=message):
        SRData(folder, "X07", rows=rows)


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ({"train": [0, 9]}, r"X07.mask: train has row 9"),
        ({"train": np.array([True, False])}, r"X07.mask: train is a mask of 2 rows"),
        ({"train": np.array([])}, r"X07.mask: train selects no rows"),
        ({"train": None}, r"X07.mask: train is of shape \(\) and type object"),
        ({"train": "all"}, r"X07.mask: train is of shape \(\)"),
        ([0, 1], r"X07.mask holds a list of another kind, expected a dict"),
        ({}, r"X07.mask holds a dict of another kind"),
        ({1: [0]}, r"X07.mask holds a dict of another kind"),
    ],
)
def test_wrong_masks(folder, splits, message):
    joblib.dump(splits, folder / "X07.mask")
    with pytest.raises(InputError, match=message) as caught:
        SRData(folder, "X07", rows="train")
    assert str(folder) in str(caught.value)


def test_a_split_needs_a_mask_file_and_inputs(folder):
    (folder / "X07.mask").unlink()
    with pytest.raises(InputError, match=r"no .*X07\.mask .* give rows=None"):
        SRData(folder, "X07[:,0]", rows="train")
    with pytest.raises(InputError, match="expected in_var"):
        SRData(folder, None, "G07", rows="train")


def test_a_damaged_mask(folder):
    (folder / "X07.mask").write_bytes((folder / "X07.mask").read_bytes()[:50])
    with pytest.raises(InputError, match="truncated"):
        SRData(folder, "X07", rows="train")


def test_tables_of_different_lengths(folder):
    np.savetxt(folder / "G07.txt", G[:3])
    with pytest.raises(InputError, match="X07 has 4, G07 has 3"):
        SRData(folder, "X07", "G07")


@pytest.mark.parametrize(
    ("lat_var", "target_var", "message"),
    [
        (["log(x0 - 4)"], None, r"lat_var: 'log\(x0 - 4\)' has no finite value on 2 of the 4 rows"),
        (["x0"], ["1/(g0 - 7)"], r"target_var: '1/\(g0 - 7\)' has no finite value on 1 of the 4"),
        (["x3"], None, r"lat_var\[0\]:1: variable x3 is beyond"),
        (["x0", "sine(x0)"], None, r"lat_var\[1\]:1: unknown function 'sine'"),
        (["g0"], None, "unknown name 'g0'"),
        (["x0"], ["g1"], r"target_var\[0\]:1: variable g1 is beyond"),
        (["__import__('os')"], None, r"lat_var\[0\]:1"),
        ([], None, "expected a table's name or a list of formulas"),
        ([1], None, "expected a table's name or a list of formulas"),
        (7, None, "expected a table's name or a list of formulas"),
    ],
)
def test_wrong_formulas(folder, lat_var, target_var, message):
    with pytest.raises(InputError, match=message):
        SRData(folder, "X07", lat_var, target_var)


def test_formulas_without_a_table(folder):
    with pytest.raises(InputError, match="no table is named"):
        SRData(folder, None, ["1"])
    with pytest.raises(InputError, match="lat_var has formulas, expected also in_var"):
        SRData(folder, None, ["1"], "F07")


def test_inputs_are_a_table(folder):
    with pytest.raises(InputError, match="expected the name of a table"):
        SRData(folder, ["x0"])


def test_numbers_beyond_the_type(tmp_path):
    np.savetxt(tmp_path / "X00.gz", [[1e300]])
    with pytest.raises(InputError, match=r"in_var reaches 1e\+300.* give dtype=torch\.float64"):
        SRData(tmp_path, "X00")
    assert SRData(tmp_path, "X00", dtype=torch.float64).in_data.item() == 1e300
    with pytest.raises(InputError, match=r"dtype is torch\.int64"):
        SRData(tmp_path, "X00", dtype=torch.int64)


@pytest.mark.parametrize("text", ["", "x0\n", "0\n", "x0\n-1\n", "x0\nnan\n", "x0\ninf\n"])
def test_wrong_info_files(tmp_path, text):
    (tmp_path / "G07.info").write_text(text)
    with pytest.raises(InputError, match=r"G07\.info ends in .*expected one formula a line"):
        read_info(tmp_path / "G07.info")
