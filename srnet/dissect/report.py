"""What every study of a network gives: rows that print as a table and become a DataFrame."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from srnet.texttable import as_table

if TYPE_CHECKING:
    import pandas


class Report(ABC):
    """A result: `print(report)` shows its rows, `report.to_frame()` gives them to pandas."""

    @abstractmethod
    def rows(self) -> list[dict]:
        """One dict a row, of equal keys; the values are text, numbers or None."""

    def __str__(self) -> str:
        return as_table(self.rows())

    def to_frame(self) -> "pandas.DataFrame":
        """The rows as a `pandas.DataFrame`."""
        import pandas  # not needed by those who only print

        return pandas.DataFrame(self.rows())
