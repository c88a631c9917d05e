"""From events to rows: each argument must be there and of the contract's type."""

from __future__ import annotations

import pytest

from mooring.errors import StorageError
from mooring.storage.index import AnchorRow, AssetRow, EventRow, LineageRow, OriginRow, Value, VersionRow
from mooring.storage.index_projection import rows_of

WORD = b"\xab" * 32
PROPOSED: dict[str, Value] = {
    "version": WORD,
    "asset": 2**256 - 1,
    "proposer": "0xP",
    "manifest": WORD,
    "attestation": WORD,
    "label": "1",
    "parents": (WORD, bytes(32)),
}
ANCHORED: dict[str, Value] = {"originId": WORD, "size": 2**64 - 1, "root": WORD}


def event(name: str, args: dict[str, Value], contract: str = "AssetRegistry") -> EventRow:
    return EventRow(contract, name, args, 7, "0xhash", 3, "0xtx", 1000)


def test_a_proposal_is_a_version_and_an_edge_to_each_parent() -> None:
    word = WORD.hex()
    assert rows_of(event("Proposed", PROPOSED)) == (
        VersionRow(7, 3, word, "f" * 64, "1", word, word, "0xP"),
        LineageRow(7, 3, 0, word, word),
        LineageRow(7, 3, 1, word, "0" * 64),
    )


def test_rows_have_their_events_place_and_words_in_hex() -> None:
    created: dict[str, Value] = {"asset": 9, "kind": 2, "owner": "0xO", "name": "tumour"}
    assert rows_of(event("AssetCreated", created)) == (AssetRow(7, 3, f"{9:064x}", 2, "0xO", "tumour"),)
    assert rows_of(event("Anchored", ANCHORED, "CheckpointAnchor")) == (
        AnchorRow(7, 3, WORD.hex(), 2**64 - 1, WORD.hex()),
    )
    handed: dict[str, Value] = {"originId": WORD, "from": "0xW", "to": "0xX"}
    assert rows_of(event("HandedOver", handed, "CheckpointAnchor")) == (OriginRow(7, 3, WORD.hex(), "", "0xX"),)


@pytest.mark.parametrize(
    ("name", "contract"), [("Voted", "AssetRegistry"), ("Proposed", "Other"), ("Anchored", "AssetRegistry")]
)
def test_an_event_that_brings_about_no_row_brings_none(name: str, contract: str) -> None:
    assert rows_of(event(name, {}, contract)) == ()


BAD: list[tuple[str, Value]] = [
    ("version", "ab" * 32),
    ("version", bytes(31)),
    ("asset", -1),
    ("asset", 2**256),
    ("asset", True),
    ("asset", "9"),
    ("label", b"1"),
    ("parents", WORD),
    ("parents", (WORD, b"")),
    ("parents", (WORD, 1)),
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_an_argument_of_another_type_is_refused_and_named(name: str, value: Value) -> None:
    with pytest.raises(StorageError, match=f"'{name}'") as caught:
        rows_of(event("Proposed", PROPOSED | {name: value}))
    assert caught.value.code == "index-event"
    assert "(7, 3)" in caught.value.message


@pytest.mark.parametrize("value", [-1, 2**64, True, "10", b"\x01"])
def test_a_number_beyond_64_bits_is_refused(value: Value) -> None:
    with pytest.raises(StorageError, match="'size'"):
        rows_of(event("Anchored", ANCHORED | {"size": value}, "CheckpointAnchor"))


@pytest.mark.parametrize("name", PROPOSED)
def test_a_missing_argument_is_refused_and_named(name: str) -> None:
    args = {key: value for key, value in PROPOSED.items() if key != name}
    with pytest.raises(StorageError, match=f"'{name}'"):
        rows_of(event("Proposed", args))
