"""What every study gives: rows as text and as a DataFrame."""

import pandas

from srnet.dissect.report import Report


class Two(Report):
    def rows(self):
        return [{"unit": 0, "kl": 0.5}, {"unit": 1, "kl": None}]


def test_rows_print_and_become_a_frame():
    assert str(Two()).splitlines() == ["unit  kl", "0     0.5", "1     -"]
    frame = Two().to_frame()
    assert list(frame.columns) == ["unit", "kl"]
    assert frame["unit"].tolist() == [0, 1]
    assert pandas.isna(frame["kl"][1])
