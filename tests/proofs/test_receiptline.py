"""Receipts read at speed: the fast pattern and the general reader accept the same bytes and read the same."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.proofs.scene import MODEL_MANIFEST, POLICY, answer

from mooring.errors import RecordError
from mooring.proofs import receiptline
from mooring.proofs.receiptline import ReceiptLine, read_receipt
from mooring.records.digest import Digest
from mooring.records.receipt import Receipt

DATA = answer(7)

texts = st.text(max_size=70) | st.sampled_from(['"', "\\", "\x7f", "\x1f", "é", "ward 3", "x" * 300, "x" * 65])
numbers = st.integers(-1, 3) | st.sampled_from([10**15 - 1, 10**15, 2**53 - 1, 2**53, True])
days = ["2026-02-28T23:59:59Z", "2026-02-29T00:00:00Z", "2024-02-29T00:00:00.5Z", "2026-04-31T10:00:00Z"]
ends = ["2026-01-31T10:00:00.123456789Z", "2026-01-31T10:00:00.1234567890Z", "2026-01-31T24:00:00Z", "2026-1-1T1:1:1Z"]
times = st.sampled_from([*days, *ends, "2026-13-01T00:00:00Z", "now"])
labels = st.sampled_from(["tumour", "1", "", "Tumour", "x" * 64, "x" * 65, "é", "a+b", ".a"])
hexes = st.sampled_from(["ab" * 32, "AB" * 32, "ab" * 31, "00" * 32])
digests = st.sampled_from([POLICY, Digest("blake3", bytes(32)), Digest("commitment-sha256", bytes(32))])
origins = st.sampled_from(["mooring.test/ward/receipts", "a b", "a+b", 'a"b', "a\\b", "x" * 256, "x" * 257, "", "é"])


FIELDS = (*ReceiptLine._fields[:2], "index", *ReceiptLine._fields[3:])


def slowly(data: bytes) -> tuple[object, ...] | str:
    """What the general reader reads, or the code of its refusal."""
    try:
        receipt = Receipt.from_bytes(data)
    except RecordError as error:
        return error.code
    values = (getattr(receipt, name) for name in FIELDS)
    return tuple(str(value) if isinstance(value, Digest) else value for value in values)


def quickly(data: bytes) -> tuple[object, ...] | str:
    try:
        return read_receipt(data)
    except RecordError as error:
        return error.code


def test_a_receipt_of_the_gateway_takes_the_fast_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiptline, "_read_any", None)  # to call it would be an error
    line = read_receipt(DATA)
    assert (line.place, line.caller, line.manifest) == (7, "ward-3", str(MODEL_MANIFEST.digest))


def test_the_last_days_of_a_month_are_looked_up_in_the_calendar() -> None:
    assert read_receipt(DATA.replace(b"2026-05-28T", b"2026-05-31T")).time.startswith("2026-05-31T")
    assert quickly(DATA.replace(b"2026-05-28T", b"2026-06-31T")) == "time"


def test_the_pattern_names_its_fields_in_their_order() -> None:
    assert tuple(Receipt.__dataclass_fields__) == FIELDS


@given(
    st.fixed_dictionaries(
        {},
        optional={"batch": numbers, "index": numbers, "caller": texts, "purpose": texts, "model": labels}
        | {"version": labels, "time": times, "input": hexes, "output": hexes, "manifest": digests, "policy": digests}
        | {"origin": origins},
    )
)
@example({"caller": "\x7f"})
@example({"time": "2026-02-29T00:00:00Z"})
@example({"policy": Digest("blake3", bytes(32))})
def test_both_readers_agree_on_whatever_can_be_written(changes: dict[str, Any]) -> None:
    try:
        data = answer(**({"index": 7} | changes))
    except (RecordError, ValueError):
        return  # no writer can make it
    assert quickly(data) == slowly(data)


@given(st.integers(0, len(DATA) - 1), st.binary(max_size=3), st.integers(0, 3))
def test_both_readers_agree_on_damaged_bytes(place: int, put: bytes, cut: int) -> None:
    data = DATA[:place] + put + DATA[place + cut :]
    assert quickly(data) == slowly(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        DATA + b"\n",
        b" " + DATA,
        DATA.replace(b'"batch":1', b'"batch":01'),
        DATA.replace(b'"batch":1', b'"batch":1.0'),
        DATA.replace(b'"batch":1', b'"batch":0'),
        DATA.replace(b'"index":7', b'"index":-7'),
        DATA.replace(b"ward-3", b"ward\\u002d3"),
        DATA.replace(b"sha256:", b"sha512:"),
        DATA.replace(b'"version":"1"', b'"version":"1","version":"1"'),
        DATA.replace(b"T20:", b"t20:"),
        DATA.replace(b"ward-3", b"\xff"),
        DATA.replace(b"2026-05-28T", b"2026-02-29T"),
    ],
    ids=range(14),
)
def test_both_readers_refuse_the_same_nearly_right_bytes(data: bytes) -> None:
    assert isinstance(quickly(data), str)
    assert quickly(data) == slowly(data)
    assert quickly(DATA) == slowly(DATA)
    assert not isinstance(quickly(DATA), str)
