"""CSV files: hand-made ones give their numbers, faulty ones one sentence with its place."""

import pytest

from sdnet.errors import InputError
from srnet.csvfiles import read_csv


@pytest.fixture
def written(tmp_path):
    def write(content):
        path = tmp_path / "t.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize(
    "text",
    [
        "a,y,b\n1,2,3\n4,5,6e1\n",
        "a,y,b\r\n1,2,3\r\n4,5,60",
        "\n a , y ,b\n\n 1,2 ,3\n,,\n4,5,60\n\n",
        '\ufeff"a","y","b"\n"1",2,3\n4,"5",60\n',
    ],
)
def test_the_target_and_all_other_columns(written, text):
    found = read_csv(written(text), "y")
    assert found.names == ("a", "b")
    assert found.x.tolist() == [[1, 3], [4, 60]]
    assert found.y.tolist() == [2, 5]


def test_a_quoted_name_may_hold_anything(written):
    found = read_csv(written('"length, in m","y ""up""\nhere"\n1,2\n'), 'y "up"\nhere')
    assert (found.names, found.y.tolist()) == (("length, in m",), [2])


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("height,time\n1,2\n", ":1: there is no column 'hight' for the target; did you mean 'hei"),
        ("height;time\n1;2\n", "commas separate columns"),
        ("hight\n1\n", ":1: 'hight' is the only column"),
        ("a,hight,a\n1,2,3\n", ":1:3: 'a' is the name of columns 1 and 3"),
        ("\na,,hight\n1,2,3\n", ":2:2: column 2 has no name"),
        ("1.5,2\n3,4\n", ":1: the first line is numbers"),
        ("a,hight\n", ":1: no row below the header"),
        ("a,hight\n1,2\n\n1,2,3\n", ":4: the row has 3 fields, expected 2"),
        ('a,hight\n"1",2\n1\n', ":3: the row has 1 fields, expected 2"),
        ("a,hight\nred,2\n", ":2:1: 'red' in column 'a' isn't a number"),
        ("a,hight\n1,2\n1_000,2\n", ":3:1: '1_000' in column 'a' isn't a number"),
        ("a,hight\n1,\n", ":2:2: the cell of column 'hight' is empty"),
        ("a,hight\n1,NaN\n", ":2:2: NaN in column 'hight', expected a finite number"),
        ("a,hight\n-inf,1\n", ":2:1: -inf in column 'a', expected a finite"),
        ("a,hight\n1e999,1\n", ":2:1: 1e999 in column 'a', expected a finite"),
        ('a,hight\n"1,2\n3,4\n', ":2: unexpected end of data"),
        (b"a,hight\n\xff,2\n", "isn't a CSV file of UTF-8 text"),
        (b"PK\x03\x04\x00\x00", "t.csv"),
        ("", "is empty, expected a header line"),
        (" \n\n", "is empty, expected a header line"),
    ],
)
def test_one_sentence_for_each_fault(written, content, told):
    path = written(content)
    with pytest.raises(InputError) as caught:
        read_csv(path, "hight")
    message = str(caught.value)
    assert message.startswith(str(path))
    assert told in message
    assert "\n" not in message


def test_the_line_of_a_row_after_a_name_of_two_lines(written):
    with pytest.raises(InputError, match=r"t\.csv:4:1: 'red'"):
        read_csv(written('"a\nb",y\n1,2\nred,2\n'), "y")


def test_not_a_file(tmp_path, written):
    path = written("a,y\n1,2\n")
    with pytest.raises(InputError, match=r"no file .*tt\.csv: the nearest name there is 't\.csv'"):
        read_csv(path.with_name("tt.csv"), "y")
    with pytest.raises(InputError, match="can't read"):
        read_csv(tmp_path, "y")
