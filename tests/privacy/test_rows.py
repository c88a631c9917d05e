"""CSV, read strictly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.errors import PrivacyError
from mooring.privacy.rows import Table, lines_of, parse_lines

cells = st.text(st.characters(codec="utf-8"), max_size=20)


def test_a_table_has_columns_and_rows() -> None:
    table = Table.from_csv(b"id,size\r\n7,1.5\r\n8,2\r\n")
    assert table == Table(("id", "size"), (("7", "1.5"), ("8", "2")))
    assert list(table.column("size")) == ["1.5", "2"]
    assert table.to_csv() == b"id,size\n7,1.5\n8,2\n"


def test_a_byte_order_mark_and_empty_lines_are_no_cells() -> None:
    assert Table.from_csv(b"\xef\xbb\xbfid\n\n7\n\n").rows == (("7",),)


@given(rows=st.lists(st.lists(cells, min_size=1, max_size=5), max_size=4))
def test_rows_survive_their_lines(rows: list[list[str]]) -> None:
    expected = tuple(map(tuple, rows))
    lines = lines_of(expected)
    assert len(lines) == len(rows)
    assert parse_lines(lines) == expected


@given(rows=st.lists(st.tuples(cells, cells), min_size=1, max_size=5))
def test_a_table_survives_csv(rows: list[tuple[str, str]]) -> None:
    table = Table(("a", "b"), tuple(rows))
    assert Table.from_csv(table.to_csv()) == table


REFUSED = {
    "nothing": b"",
    "no row": b"id,size\n",
    "a row that is too short": b"id,size\nJane\n",
    "a row that is too long": b"id,size\nJane,1,2\n",
    "two columns of one name": b"id,id\nJane,1\n",
    "a column without a name": b"id,\nJane,1\n",
    "not UTF-8": b"id,size\nJane\xff,1\n",
    "a quote that does not end": b'id,size\n"Jane,1\n',
    "a quote inside": b'id,size\n"Ja"ne,1\n',
    "an endless cell": b"id\n" + b"Jane" * 50_000,
}


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_table_is_refused_without_quoting_a_cell(data: bytes) -> None:
    with pytest.raises(PrivacyError) as caught:
        Table.from_csv(data)
    assert caught.value.code == "table-csv"
    assert "Jane" not in caught.value.message + caught.value.hint


def test_an_unknown_column_is_refused_with_the_known_ones() -> None:
    with pytest.raises(PrivacyError) as caught:
        Table.from_csv(b"id,size\n1,2\n").column("Id")
    assert caught.value.code == "table-column"
    assert "id, size" in caught.value.hint


def test_a_table_beyond_the_limit_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mooring.privacy.rows._MAX_BYTES", 8)
    assert Table.from_csv(b"id\n1234\n").rows == (("1234",),)
    with pytest.raises(PrivacyError, match="larger than 8 bytes"):
        Table.from_csv(b"id\n12345\n")
