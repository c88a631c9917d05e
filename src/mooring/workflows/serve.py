"""Serve: what the gateway writes into the receipts log, entry by entry.

An entry is canonical JSON of one of three kinds: a receipt (no `kind`), a refusal (`kind` "refusal": the policy said
no), or a recovery (`kind` "recovery": the log could not be written for a while). The bytes come from msgspec, which is
fifty times quicker than a general RFC 8785 writer and gives the same bytes for flat objects of strings and small
integers whose fields are declared in the order of their names; the tests hold both to that.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from mooring.errors import RecordError
from mooring.records import canonical
from mooring.records.digest import Digest
from mooring.records.instant import check_time
from mooring.records.predicates import check_label, check_origin
from mooring.records.receipt import Receipt
from mooring.records.shape import from_json, to_json

__all__ = [
    "ENTRY_LIMIT",
    "Entry",
    "ReceiptLine",
    "Recovery",
    "RecoveryLine",
    "Refusal",
    "RefusalLine",
    "encode_line",
    "parse_entry",
    "time_text",
]

ENTRY_LIMIT = 4096
"""Bytes an entry of the receipts log may have."""

_SECOND_NS = 1_000_000_000


class ReceiptLine(msgspec.Struct, gc=False):
    """A receipt on its way into the log; the fields of `mooring.records.receipt.Receipt`, digests as text."""

    batch: int
    caller: str
    index: int
    input: str
    manifest: str
    model: str
    origin: str
    output: str
    policy: str
    purpose: str
    time: str
    version: str


class RefusalLine(msgspec.Struct, gc=False):
    """A refusal on its way into the log; the fields of `Refusal`, digests as text."""

    caller: str
    count: int
    index: int
    kind: str
    model: str
    origin: str
    policy: str
    purpose: str
    rule: str
    time: str
    version: str


class RecoveryLine(msgspec.Struct, gc=False):
    """A recovery on its way into the log; the fields of `Recovery`."""

    index: int
    kind: str
    origin: str
    refused: int
    since: str
    time: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """The policy refused: who asked which version for what purpose, and which rule said no.

    `count` is how many refusals of this kind (caller, model, version, rule) came since the entry before; the purpose is
    that of the last of them. Nothing of a request's body is kept, not even a commitment: nothing was computed from it.
    """

    caller: str
    count: int
    index: int
    kind: str
    model: str
    origin: str
    policy: Digest
    purpose: str
    rule: str
    time: str
    version: str

    def __post_init__(self) -> None:
        _check_kind("refusal", self.kind)
        _check_place(self.index, self.origin, self.time)
        check_label("model", self.model)
        check_label("version", self.version)
        if not 0 < self.count < 2**53:
            raise RecordError(f"refusal of {self.count} requests", code="refusal", hint="at least one was refused")
        if len(self.caller) > 256 or len(self.purpose) > 64 or not 0 < len(self.rule) <= 512:
            raise RecordError(
                f"refusal caller {self.caller!r:.80}, purpose {self.purpose!r:.80} or rule {self.rule!r:.80}",
                code="refusal",
                hint="caller ≤ 256, purpose ≤ 64, rule 1 to 512 characters",
            )


@dataclass(frozen=True, slots=True)
class Recovery:
    """The log took entries again at `time`; from `since` on it had not, and `refused` requests were answered 503."""

    index: int
    kind: str
    origin: str
    refused: int
    since: str
    time: str

    def __post_init__(self) -> None:
        _check_kind("recovery", self.kind)
        _check_place(self.index, self.origin, self.time)
        check_time("since", self.since)
        if not 0 <= self.refused < 2**53:
            raise RecordError(f"recovery after {self.refused} refusals", code="recovery", hint="give a count")


Entry: TypeAlias = Receipt | Refusal | Recovery
"""What an entry of the receipts log may be."""

_KINDS: dict[object, type[Refusal] | type[Recovery]] = {"refusal": Refusal, "recovery": Recovery}
_ENCODER = msgspec.json.Encoder()


def encode_line(line: ReceiptLine | RefusalLine | RecoveryLine) -> bytes:
    """Return a line's canonical bytes (RFC 8785): the log entry."""
    return _ENCODER.encode(line)


def parse_entry(data: bytes) -> Entry:
    """Read an entry of the receipts log; raises RecordError if it is of no known kind or not exactly canonical."""
    value = canonical.decode(data, limit=ENTRY_LIMIT)
    kind = value.get("kind") if isinstance(value, dict) else None
    if kind is None:
        return Receipt.from_bytes(data)
    if kind not in _KINDS:
        raise RecordError(
            f"entry of kind {kind!r:.40}", code="entry-kind", hint=f"known: receipt, {', '.join(map(str, _KINDS))}"
        )
    entry = from_json(_KINDS[kind], value)
    if canonical.encode(to_json(entry)) != data:
        raise RecordError("entry bytes are not canonical", code="not-canonical", hint="write them by RFC 8785")
    return entry


def time_text(now_ns: int) -> str:
    """Return Unix nanoseconds as RFC 3339 in UTC with microseconds."""
    seconds, rest = divmod(now_ns, _SECOND_NS)
    moment = time.gmtime(seconds)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', moment)}.{rest // 1000:06d}Z"


def _check_kind(expected: str, kind: str) -> None:
    if kind != expected:
        raise RecordError(f"entry of kind {kind!r:.40}", code="entry-kind", hint=f"expected {expected!r}")


def _check_place(index: int, origin: str, moment: str) -> None:
    check_origin("origin", origin)
    check_time("time", moment)
    if not 0 <= index < 2**53:
        raise RecordError(f"entry index {index:#x} is out of bounds", code="entry-index", hint="0 to 2^53 - 1")
