"""Tables as text."""

from srnet.texttable import as_table


def test_a_table():
    rows = [
        {"name": "a", "acc": 0.123456, "seconds": 12345.6, "seed": 2},
        {"name": "long", "acc": None, "seconds": 0.5, "seed": 10**9},
    ]
    assert as_table(rows).split("\n") == [
        "name  acc     seconds    seed",
        "a     0.1235  1.235e+04  2",
        "long  -       0.5        1000000000",
    ]
    assert as_table([]) == ""
