"""Log entries written by msgspec have exactly the bytes that RFC 8785 gives them, and are read back strictly."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import UTC, datetime

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from mooring.errors import RecordError
from mooring.records import canonical
from mooring.records.digest import Digest, sha256
from mooring.records.instant import check_time
from mooring.records.receipt import Receipt
from mooring.workflows.serve import (
    ReceiptLine,
    Recovery,
    RecoveryLine,
    Refusal,
    RefusalLine,
    encode_line,
    parse_entry,
    time_text,
)

DIGEST = str(sha256(b"x"))
HEX = sha256(b"y").hex
TIME = "2026-11-23T10:00:00.123456Z"
ORIGIN = "mooring.test/demo/receipts"

text = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)
label = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True)
index = st.integers(0, 2**53 - 1)
digests = st.binary(min_size=32, max_size=32).map(lambda value: str(Digest("sha256", value)))
hexes = st.binary(min_size=32, max_size=32).map(bytes.hex)
times = st.integers(0, 250_000_000_000_000_000_000 // 1000).map(time_text)

receipts = st.builds(
    ReceiptLine,
    st.integers(1, 1000),
    text,
    index,
    hexes,
    digests,
    label,
    st.just(ORIGIN),
    hexes,
    digests,
    text,
    times,
    label,
)
refusals = st.builds(
    RefusalLine,
    text,
    st.integers(1, 2**53 - 1),
    index,
    st.just("refusal"),
    label,
    st.just(ORIGIN),
    digests,
    text,
    text.filter(bool),
    times,
    label,
)
recoveries = st.builds(RecoveryLine, index, st.just("recovery"), st.just(ORIGIN), index, times, times)


@given(receipts)
def test_a_receipt_line_has_the_bytes_of_the_receipt_and_of_rfc_8785(line: ReceiptLine) -> None:
    values = {name: getattr(line, name) for name in line.__struct_fields__}
    written = encode_line(line)
    assert written == rfc8785.dumps(values)
    receipt = Receipt(**{**values, "manifest": Digest.parse(line.manifest), "policy": Digest.parse(line.policy)})
    assert written == receipt.to_bytes()
    assert parse_entry(written) == receipt


@given(refusals | recoveries)
def test_the_other_lines_have_the_bytes_of_rfc_8785_and_are_read_back(line: RefusalLine | RecoveryLine) -> None:
    values = {name: getattr(line, name) for name in line.__struct_fields__}
    written = encode_line(line)
    assert written == rfc8785.dumps(values)
    entry = parse_entry(written)
    assert {f.name: str(getattr(entry, f.name)) for f in fields(entry)} == {k: str(v) for k, v in values.items()}


@pytest.mark.parametrize("line", [ReceiptLine, RefusalLine, RecoveryLine])
def test_fields_are_declared_in_canonical_order(line: type) -> None:
    names = list(line.__struct_fields__)  # type: ignore[attr-defined]
    assert names == sorted(names)


def test_a_receipt_line_has_the_fields_of_the_receipt() -> None:
    assert list(ReceiptLine.__struct_fields__) == [f.name for f in fields(Receipt)]
    assert list(RefusalLine.__struct_fields__) == [f.name for f in fields(Refusal)]
    assert list(RecoveryLine.__struct_fields__) == [f.name for f in fields(Recovery)]


GOOD_REFUSAL = RefusalLine("lab", 1, 3, "refusal", "triage", ORIGIN, DIGEST, "audit", "a-rule", TIME, "v1")
GOOD_RECOVERY = RecoveryLine(4, "recovery", ORIGIN, 7, TIME, TIME)


def changed(line: RefusalLine | RecoveryLine, **changes: object) -> bytes:
    values = {name: getattr(line, name) for name in line.__struct_fields__}
    return canonical.encode({**values, **changes})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "receipt"},
        {"kind": 1},
        {"index": -1},
        {"index": "3"},
        {"origin": "two words"},
        {"time": "yesterday"},
        {"time": "2026-02-30T00:00:00Z"},
        {"model": "Triage"},
        {"version": ""},
        {"count": 0},
        {"rule": ""},
        {"rule": "r" * 513},
        {"caller": "c" * 257},
        {"purpose": "p" * 65},
        {"policy": "sha256:00"},
        {"more": 1},
    ],
)
def test_a_refusal_that_says_anything_else_is_not_read(changes: dict[str, object]) -> None:
    assert isinstance(parse_entry(changed(GOOD_REFUSAL)), Refusal)
    with pytest.raises(RecordError):
        parse_entry(changed(GOOD_REFUSAL, **changes))


@pytest.mark.parametrize("changes", [{"refused": -1}, {"since": "now"}, {"kind": "refusal"}, {"time": "now"}])
def test_a_recovery_that_says_anything_else_is_not_read(changes: dict[str, object]) -> None:
    assert isinstance(parse_entry(changed(GOOD_RECOVERY)), Recovery)
    with pytest.raises(RecordError):
        parse_entry(changed(GOOD_RECOVERY, **changes))


def test_a_record_cannot_be_made_under_another_kind() -> None:
    with pytest.raises(RecordError, match="kind"):
        Recovery(1, "refusal", ORIGIN, 0, TIME, TIME)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"kind":"other"}',
        json.dumps(json.loads(encode_line(GOOD_REFUSAL))).encode(),
        encode_line(GOOD_REFUSAL) + b"\n",
        b" " * 5000,
    ],
)
def test_other_bytes_are_no_entry(data: bytes) -> None:
    with pytest.raises(RecordError):
        parse_entry(data)


@given(st.integers(0, 2**62))
def test_time_text_is_rfc_3339_in_utc_with_microseconds(now_ns: int) -> None:
    written = time_text(now_ns)
    check_time("time", written)
    seconds, rest = divmod(now_ns, 10**9)
    assert written == f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 1000:06d}Z"
