"""Rows as text: the one way in which tables are printed."""

from collections.abc import Mapping, Sequence


def as_table(rows: Sequence[Mapping]) -> str:
    """Rows of equal keys as aligned text; numbers to four digits, None as a dash.

    >>> print(as_table([{"name": "a", "acc": 0.5}, {"name": "bb", "acc": None}]))
    name  acc
    a     0.5
    bb    -
    """
    if not rows:
        return ""
    cells = [list(rows[0])] + [[_text(value) for value in row.values()] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)) for row in cells)
    return "\n".join(line.rstrip() for line in lines)


def _text(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
