"""Tables in the clear: CSV (RFC 4180) read strictly, and one way to write a row. No error quotes a cell."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mooring.errors import PrivacyError

__all__ = ["Row", "Table", "lines_of", "parse_lines"]

_MAX_BYTES = 1 << 30
_MAX_ROWS = 999_999
_MAX_COLUMNS = 10_000
_LINE_END = "\r\n"  # the writer quotes cells that hold a character of it

Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Columns, each named once, and rows that have a cell for each."""

    columns: Row
    rows: tuple[Row, ...] = field(repr=False)

    @classmethod
    def from_csv(cls, data: bytes) -> Table:
        """Read UTF-8 CSV with a header; raises PrivacyError `table-csv` that names the line."""
        if len(data) > _MAX_BYTES:
            raise _refuse(f"is larger than {_MAX_BYTES} bytes")
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise _refuse(f"is not UTF-8 at byte {error.start}") from None
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        try:
            rows = [tuple(row) for row in reader if row]
        except csv.Error as error:
            raise _refuse(f"cannot be read at line {reader.line_num}: {error}") from None
        _check(rows)
        return cls(rows[0], tuple(rows[1:]))

    def to_csv(self) -> bytes:
        """Return the table as UTF-8 CSV with a header and LF line ends."""
        return b"".join(line + b"\n" for line in lines_of((self.columns, *self.rows)))

    def column(self, name: str) -> Iterable[str]:
        """Return the cells of a column, row by row; raises PrivacyError `table-column`."""
        if name not in self.columns:
            raise PrivacyError(
                f"there is no column {name!r}", code="table-column", hint=f"the columns are {', '.join(self.columns)}"
            )
        number = self.columns.index(name)
        return (row[number] for row in self.rows)


def lines_of(rows: Iterable[Row]) -> list[bytes]:
    """Return each row as one CSV line without a line end: the bytes that a row's commitment is over."""
    written: list[str] = []
    csv.writer(_Sink(written), lineterminator=_LINE_END).writerows(rows)
    return [line[: -len(_LINE_END)].encode() for line in written]


def parse_lines(lines: Iterable[bytes]) -> tuple[Row, ...]:
    """Read what `lines_of` wrote."""
    text = "".join(line.decode() + _LINE_END for line in lines)
    return tuple(tuple(row) for row in csv.reader(io.StringIO(text, newline=""), strict=True))


class _Sink:
    """Takes what `csv.writer` writes, which is one row at a time."""

    def __init__(self, written: list[str]) -> None:
        self.write = written.append


def _check(rows: Sequence[Row]) -> None:
    if not 1 < len(rows) <= _MAX_ROWS + 1:
        raise _refuse(f"has {max(len(rows) - 1, 0)} rows below its header; 1 to {_MAX_ROWS} are allowed")
    columns = rows[0]
    if len(columns) > _MAX_COLUMNS or len(set(columns)) != len(columns) or not all(columns):
        raise _refuse("has a column without a name, two of one name, or too many")
    for number, row in enumerate(rows[1:], 1):
        if len(row) != len(columns):
            raise _refuse(f"has {len(row)} cells in row {number}, and {len(columns)} columns")


def _refuse(problem: str) -> PrivacyError:
    return PrivacyError(f"the table {problem}", code="table-csv", hint="give UTF-8 CSV with a header line (RFC 4180)")
