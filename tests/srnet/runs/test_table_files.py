"""Tables of results: what is read back is what was written."""

import pyarrow.parquet
import pytest

from sdnet.errors import InputError
from srnet.runs.table_files import write_table

ROWS = [{"name": "a", "share": 0.1}, {"name": "b", "share": None}]


def test_csv(tmp_path):
    write_table(tmp_path / "t.csv", ROWS)
    assert (tmp_path / "t.csv").read_text().splitlines() == ["name,share", "a,0.1", "b,"]
    write_table(tmp_path / "t.csv", [], ["name"])
    assert (tmp_path / "t.csv").read_text().splitlines() == ["name"]


def test_parquet(tmp_path):
    write_table(tmp_path / "t.parquet", ROWS)
    assert pyarrow.parquet.read_table(tmp_path / "t.parquet").to_pylist() == ROWS
    write_table(tmp_path / "t.parquet", [{"x": 1}, {"x": "one"}])  # of one kind, as columns are
    assert pyarrow.parquet.read_table(tmp_path / "t.parquet").to_pylist() == [
        {"x": "1"},
        {"x": "one"},
    ]


def test_another_suffix(tmp_path):
    with pytest.raises(InputError, match=r"ends in .csv or .parquet"):
        write_table(tmp_path / "t.txt", ROWS)
