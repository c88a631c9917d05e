"""Receipts: what the gateway says of one inference, as one log entry.

Inputs and outputs stand as salted commitments SHA-256(label || salt || bytes): the client is handed the salt, the log
never has it, so the log alone cannot be searched for a person's features (a 32-byte salt; Pedersen-style hiding is not
needed because the salt is secret).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from mooring.errors import RecordError
from mooring.records import canonical
from mooring.records.digest import Digest
from mooring.records.instant import check_time
from mooring.records.predicates import check_label, check_origin
from mooring.records.shape import from_json, to_json

__all__ = ["SALT_BYTES", "Receipt", "commit_input", "commit_output"]

SALT_BYTES = 32
_LIMIT = 4096
_HEX32 = re.compile("[0-9a-f]{64}")


def commit_input(salt: bytes, request: bytes) -> bytes:
    """Return the commitment to a request body: SHA-256("mooring/input" || 0 || salt || body)."""
    return hashlib.sha256(b"mooring/input\x00" + _salt(salt) + request).digest()


def commit_output(salt: bytes, response: bytes) -> bytes:
    """Return the commitment to a response body: SHA-256("mooring/output" || 0 || salt || body)."""
    return hashlib.sha256(b"mooring/output\x00" + _salt(salt) + response).digest()


@dataclass(frozen=True, slots=True)
class Receipt:
    """One inference: who asked which model version for what purpose, what went in and out, and by which policy.

    `index` is the receipt's own place in its log: two answers can never share one, and a gap shows. `batch` is how many
    requests shared the run (micro-batching can change the last bits of a float). `policy` is the digest of the policy
    that allowed it, `manifest` that of the model's manifest. A receipt proves what was logged, not that the computation
    was right.
    """

    batch: int
    caller: str
    index: int
    input: str
    manifest: Digest
    model: str
    origin: str
    output: str
    policy: Digest
    purpose: str
    time: str
    version: str

    def __post_init__(self) -> None:
        check_label("model", self.model)
        check_label("version", self.version)
        check_origin("origin", self.origin)
        check_time("time", self.time)
        if _HEX32.fullmatch(self.input) is None or _HEX32.fullmatch(self.output) is None:
            raise RecordError("receipt commitments are not 64 hex digits", code="receipt", hint="see commit_input")
        if not 0 < _whole(self.batch) < 2**53 or not 0 <= _whole(self.index) < 2**53:
            raise RecordError(
                f"receipt batch {self.batch:#x} or index {self.index:#x} is out of bounds",
                code="receipt",
                hint="batch ≥ 1, index ≥ 0, both below 2^53",
            )
        if len(self.caller) > 256 or len(self.purpose) > 64:
            raise RecordError(
                f"receipt caller {self.caller[:80]!r} or purpose {self.purpose[:80]!r} is too long",
                code="receipt",
                hint="caller ≤ 256 and purpose ≤ 64 characters",
            )

    def to_bytes(self) -> bytes:
        """Return the canonical bytes: the log entry."""
        return canonical.encode(to_json(self))

    @classmethod
    def from_bytes(cls, data: bytes) -> Receipt:
        """Parse a log entry; raises RecordError if it is not exactly canonical."""
        receipt = from_json(cls, canonical.decode(data, limit=_LIMIT))
        if receipt.to_bytes() != data:
            raise RecordError("receipt bytes are not canonical", code="not-canonical", hint="write them by RFC 8785")
        return receipt


def _whole(number: int) -> int:
    """Return `number`, or -1 for what only passes for an int (`True` would be written as `true`)."""
    return number if type(number) is int else -1


def _salt(salt: bytes) -> bytes:
    # Of one length only: a longer "salt" could claim the first bytes of the body for itself and open another body.
    if len(salt) != SALT_BYTES:
        raise RecordError(f"a salt of {len(salt)} bytes", code="salt", hint=f"give the {SALT_BYTES} bytes handed out")
    return salt
