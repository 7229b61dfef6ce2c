"""A problem by its path: the right tables, the right rows, and nothing of the truth."""

import shutil
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch

from sdnet.errors import InputError
from srnet.problem_tables import problem_tables

DATA = Path(__file__).parents[2] / "data"
X = np.arange(8.0).reshape(4, 2)
Y = X.sum(axis=1)


def write(folder, suffix, splits=None, ending=".gz"):
    np.savetxt(folder / f"X{suffix}{ending}", X)
    np.savetxt(folder / f"F{suffix}{ending}", Y)
    if splits is not None:
        joblib.dump(splits, folder / f"X{suffix}.mask")


@pytest.mark.parametrize("name", ["F07", "07", "F07.gz", "F07.txt"])
@pytest.mark.parametrize("ending", [".gz", ".txt", ""])
def test_splits_are_rows_of_both_tables(tmp_path, name, ending):
    write(tmp_path, "07", {"train": [0, 3], "val": [2], "test": [1]}, ending)
    data = problem_tables(tmp_path / name)
    assert list(data) == ["train", "val", "test"]
    for split, rows in {"train": [0, 3], "val": [2], "test": [1]}.items():
        assert torch.equal(data[split].in_data, torch.tensor(X[rows]))
        assert torch.equal(data[split].target_data[:, 0], torch.tensor(Y[rows]))


def test_a_name_without_f_and_no_mask(tmp_path):
    write(tmp_path, "C01")
    for name in ("C01", "FC01"):
        data = problem_tables(f"{tmp_path}/{name}", dtype=torch.float32)
        assert list(data) == ["all"]
        assert torch.equal(data["all"].in_data, torch.tensor(X).float())


def test_a_mask_of_two_splits(tmp_path):
    write(tmp_path, "07", {"train": [0, 3], "val": [2]})
    assert list(problem_tables(tmp_path / "F07")) == ["train", "val"]


@pytest.mark.parametrize("name", ["F07", "C02"])
def test_the_truth_is_not_read(tmp_path, name):
    suffix = name.removeprefix("F")
    for file in (f"X{suffix}.gz", f"F{suffix}.gz", f"X{suffix}.mask"):
        shutil.copy(DATA / file, tmp_path)
    here, there = problem_tables(tmp_path / name), problem_tables(DATA / name)
    assert [len(part) for part in here.values()] == [700, 200, 100]
    for split in here:
        assert torch.equal(here[split].in_data, there[split].in_data)
        assert torch.equal(here[split].target_data, there[split].target_data)


def test_faults_are_told(tmp_path):
    with pytest.raises(InputError, match=r"no problem .*F07: .*its folder holds no files"):
        problem_tables(tmp_path / "F07")
    with pytest.raises(InputError, match="there is no folder"):
        problem_tables(tmp_path / "nowhere" / "F07")
    write(tmp_path, "07", {"valid": [0]})
    with pytest.raises(InputError, match="no split 'train'"):
        problem_tables(tmp_path / "F07")
    joblib.dump([1, 2], tmp_path / "X07.mask")
    with pytest.raises(InputError, match="expected a dict of the rows"):
        problem_tables(tmp_path / "F07")
    with pytest.raises(InputError, match=r"no problem .*F08: .*nearest name there is 'F07.gz'"):
        problem_tables(tmp_path / "F08")
    (tmp_path / "X07.mask").unlink()
    np.savetxt(tmp_path / "F07.gz", X)
    with pytest.raises(InputError, match="F07 has 2 columns, expected one target"):
        problem_tables(tmp_path / "F07")
    (tmp_path / "X07.gz").unlink()
    with pytest.raises(InputError, match=r"there is no table .*X07.gz"):
        problem_tables(tmp_path / "F07")
