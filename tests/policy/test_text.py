"""Statements are found where they stand, whatever comments and strings hold."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mooring.policy.text import Statement, canonical_text, line_of, statements


def test_semicolons_in_comments_and_strings_end_nothing() -> None:
    text = '// a; b\n@id("x;\\"y;") permit (a);\n// c;\n\nforbid\n(b);'
    assert statements(text) == (Statement('@id("x;\\"y;") permit (a);', 2), Statement("forbid\n(b);", 5))


def test_what_follows_the_last_semicolon_is_a_statement_unless_it_is_blank() -> None:
    assert [part.text for part in statements("a; b")] == ["a;", "b"]
    assert [part.text for part in statements("a; // b\n")] == ["a;"]
    assert [part.text for part in statements('a "open; // b')] == ['a "open; // b']


def test_a_reason_that_quotes_nothing_of_the_statement_gives_its_first_line() -> None:
    part = Statement("permit (a,\n b,\n c);", 7)
    assert line_of(part, "unexpected token `c`") == 9
    assert line_of(part, "attribute `zz` of `b` not found") == 8
    assert line_of(part, "unexpected end of input") == 7


@given(st.text(max_size=200).filter(lambda text: text.strip() != ""))
def test_canonical_text_is_a_fixed_point(text: str) -> None:
    once = canonical_text(text)
    assert canonical_text(once) == once


@given(st.lists(st.sampled_from(["permit (a);", 'x "s;" ;', "// c;\n", "\n", "y;"]), max_size=8))
def test_statements_are_found_in_order_on_their_lines(pieces: list[str]) -> None:
    text = "".join(pieces)
    found = statements(text)
    assert [part.text for part in found] == [piece for piece in pieces if piece.endswith(";")]
    assert all(text.split("\n")[part.line - 1].find(part.text) >= 0 for part in found)
