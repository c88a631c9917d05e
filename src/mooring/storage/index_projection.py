"""From a ledger's events to rows: what `AssetRegistry` and `CheckpointAnchor` say, in the words of the index."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mooring.errors import StorageError
from mooring.storage.index import (
    AnchorRow,
    ApprovalRow,
    AssetRow,
    CurrentRow,
    DerivedRow,
    EventRow,
    KeyRow,
    LineageRow,
    OriginRow,
    StatusRow,
    VersionRow,
)

__all__ = ["rows_of"]

_Rows = tuple[DerivedRow, ...]


def rows_of(event: EventRow) -> _Rows:
    """Return the rows that an event brings about, () for one that only stands in the list of events.

    Raises StorageError `index-event` if an argument is missing or of another type than the contract's.
    """
    project = _PROJECTIONS.get((event.contract, event.name))
    return project(_Args(event)) if project else ()


class _Args:
    """An event's arguments by name, checked for their types."""

    def __init__(self, event: EventRow) -> None:
        self._event = event
        self.at = (event.block, event.position)

    def word(self, name: str) -> str:
        """Return a 32-byte word in hex."""
        value = self._event.args.get(name)
        if not isinstance(value, bytes) or len(value) != 32:
            raise self._refuse(name, "32 bytes")
        return value.hex()

    def words(self, name: str) -> tuple[str, ...]:
        """Return 32-byte words in hex."""
        value = self._event.args.get(name)
        if not isinstance(value, tuple) or not all(isinstance(item, bytes) and len(item) == 32 for item in value):
            raise self._refuse(name, "a list of 32-byte words")
        return tuple(item.hex() for item in value if isinstance(item, bytes))

    def text(self, name: str) -> str:
        """Return a string or an account."""
        value = self._event.args.get(name)
        if not isinstance(value, str):
            raise self._refuse(name, "text")
        return value

    def number(self, name: str) -> int:
        """Return an unsigned number of up to 64 bits."""
        value = self._event.args.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 64:
            raise self._refuse(name, "an unsigned 64-bit number")
        return value

    def asset(self) -> str:
        """Return an asset's id, a number of 256 bits, in hex."""
        value = self._event.args.get("asset")
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 256:
            raise self._refuse("asset", "an unsigned 256-bit number")
        return f"{value:064x}"

    def _refuse(self, name: str, wanted: str) -> StorageError:
        return StorageError(
            f"event {self._event.name} at {self.at}: argument {name!r} is not {wanted}",
            code="index-event",
            hint="is the ledger's contract one that this version of Mooring knows?",
        )


def _asset_created(args: _Args) -> _Rows:
    return (AssetRow(*args.at, args.asset(), args.number("kind"), args.text("owner"), args.text("name")),)


def _proposed(args: _Args) -> _Rows:
    version = args.word("version")
    label, manifest, attestation = args.text("label"), args.word("manifest"), args.word("attestation")
    row = VersionRow(*args.at, version, args.asset(), label, manifest, attestation, args.text("proposer"))
    parents = (LineageRow(*args.at, number, version, parent) for number, parent in enumerate(args.words("parents")))
    return row, *parents


def _approved(args: _Args) -> _Rows:
    org, approver, evidence = args.word("org"), args.text("approver"), args.word("evidence")
    return (ApprovalRow(*args.at, args.word("version"), org, approver, evidence, args.number("approvals")),)


def _status_changed(args: _Args) -> _Rows:
    before, after = args.number("from"), args.number("to")
    return (StatusRow(*args.at, args.word("version"), before, after, args.text("actor"), args.word("reason")),)


def _current_changed(args: _Args) -> _Rows:
    return (CurrentRow(*args.at, args.asset(), args.word("from"), args.word("to")),)


def _key_registered(args: _Args) -> _Rows:
    times = args.number("notBefore"), args.number("notAfter")
    return (KeyRow(*args.at, args.word("keyid"), args.word("org"), *times, None),)


def _key_revoked(args: _Args) -> _Rows:
    return (KeyRow(*args.at, args.word("keyid"), args.word("org"), None, None, args.number("from")),)


def _origin_opened(args: _Args) -> _Rows:
    return (OriginRow(*args.at, args.word("originId"), args.text("origin"), args.text("writer")),)


def _handed_over(args: _Args) -> _Rows:
    return (OriginRow(*args.at, args.word("originId"), "", args.text("to")),)


def _anchored(args: _Args) -> _Rows:
    return (AnchorRow(*args.at, args.word("originId"), args.number("size"), args.word("root")),)


_PROJECTIONS: Mapping[tuple[str, str], Callable[[_Args], _Rows]] = {
    ("AssetRegistry", "AssetCreated"): _asset_created,
    ("AssetRegistry", "Proposed"): _proposed,
    ("AssetRegistry", "Approved"): _approved,
    ("AssetRegistry", "StatusChanged"): _status_changed,
    ("AssetRegistry", "CurrentChanged"): _current_changed,
    ("AssetRegistry", "KeyRegistered"): _key_registered,
    ("AssetRegistry", "KeyRevoked"): _key_revoked,
    ("CheckpointAnchor", "OriginOpened"): _origin_opened,
    ("CheckpointAnchor", "Anchored"): _anchored,
    ("CheckpointAnchor", "HandedOver"): _handed_over,
}
