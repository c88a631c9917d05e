"""Receipts, read at speed: a verifier meets them by the million.

A canonical receipt has one spelling, so one pattern recognises nearly all of them; the rest (letters beyond ASCII,
escapes, digests of other algorithms) go through the general reader. Both accept the same bytes with the same meaning.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from mooring.records.instant import check_time
from mooring.records.receipt import Receipt

__all__ = ["ReceiptLine", "read_receipt"]

_LABEL = r'"([a-z0-9][a-z0-9._-]{0,63})"'
_HEX = r'"([0-9a-f]{64})"'
_DIGEST = r'"(sha256:[0-9a-f]{64})"'
_NUMBER = r"[0-9]{0,14}"  # whole numbers below 10^15, which doubles hold exactly
_PLAIN = r"[ !#-\[\]-~]"  # what JSON writes as itself
_DAY = r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:[.][0-9]{1,9})?Z"
_LINE = re.compile(
    rf'{{"batch":([1-9]{_NUMBER}),"caller":"({_PLAIN}{{0,256}})","index":(0|[1-9]{_NUMBER}),"input":{_HEX},'
    rf'"manifest":{_DIGEST},"model":{_LABEL},"origin":"([!#-*,-\[\]-~]{{1,256}})","output":{_HEX},"policy":{_DIGEST},'
    rf'"purpose":"({_PLAIN}{{0,64}})","time":"({_DAY}T{_CLOCK})","version":{_LABEL}}}'
)


class ReceiptLine(NamedTuple):
    """A receipt's fields as `mooring.records.receipt.Receipt` has them; digests are text, `place` is its `index`."""

    batch: int
    caller: str
    place: int
    input: str
    manifest: str
    model: str
    origin: str
    output: str
    policy: str
    purpose: str
    time: str
    version: str


def read_receipt(data: bytes) -> ReceiptLine:
    """Return what a log entry says; raises RecordError exactly where `Receipt.from_bytes` does."""
    match = _LINE.fullmatch(data.decode("latin-1"))  # which decodes everything; the pattern takes ASCII alone
    if match is None:
        return _read_any(data)
    batch, caller, index, *rest = match.groups()
    line = ReceiptLine(int(batch), caller, int(index), *rest)
    if line.time[8:10] > "28":
        check_time("time", line.time)
    return line


def _read_any(data: bytes) -> ReceiptLine:
    receipt = Receipt.from_bytes(data)
    return ReceiptLine(
        receipt.batch,
        receipt.caller,
        receipt.index,
        receipt.input,
        str(receipt.manifest),
        receipt.model,
        receipt.origin,
        receipt.output,
        str(receipt.policy),
        receipt.purpose,
        receipt.time,
        receipt.version,
    )
