"""The log ledger in tests: a log store in a folder, its key, and witnesses who remember what they saw."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.ledger.accounts import Accounts

from mooring.errors import LedgerError
from mooring.ledger.tlog import TlogLedger, TlogSettings
from mooring.proofs.checkpoint import cosign, open_checkpoint
from mooring.proofs.merkle import EMPTY_ROOT, verify_consistency
from mooring.proofs.note import COSIGNATURE, ED25519, Signature, VerifierKey, sign
from mooring.storage.filelog import FileLog

__all__ = ["ORIGIN", "LogKey", "Witness", "open_log", "tlog"]

ORIGIN = "ledger.example/test"


class LogKey:
    """An Ed25519 key with a name."""

    def __init__(self, name: str, kind: int = ED25519) -> None:
        self.private = Ed25519PrivateKey.from_private_bytes(sha256(f"{name}/{kind}".encode()).digest())
        self.public = VerifierKey(name, self.private.public_key().public_bytes_raw(), kind)

    def seal(self, text: str) -> list[Signature]:
        return [sign(text, self.public, self.private.sign)]


@dataclass
class Witness:
    """Cosigns what extends what it saw last; `down` makes it fail."""

    log: VerifierKey
    name: str
    now_s: int = 1_800_000_000
    down: bool = False
    size: int = 0
    root: bytes = EMPTY_ROOT
    key: LogKey = field(init=False)

    def __post_init__(self) -> None:
        self.key = LogKey(self.name, COSIGNATURE)

    def __call__(self, data: bytes, consistency: Callable[[int, int], Sequence[bytes]]) -> list[Signature]:
        if self.down:
            raise LedgerError(f"witness {self.name} does not answer", code="witness-down")
        seen = open_checkpoint(data, self.log).checkpoint
        verify_consistency(self.size, self.root, seen.size, seen.root, consistency(self.size, seen.size))
        self.size, self.root = seen.size, seen.root
        return [cosign(data, self.key.public, self.key.private.sign, self.now_s)]


@contextmanager
def open_log(folder: Path, *, read_only: bool = False) -> Iterator[FileLog]:
    log = FileLog(folder, ORIGIN, read_only=read_only, wait_s=5.0)
    try:
        yield log
    finally:
        log.close()


def tlog(
    log: FileLog, accounts: Accounts, witnesses: Sequence[Witness] = (), required: int = 0, **options: object
) -> TlogLedger:
    key = LogKey(ORIGIN)
    keys = tuple(witness.key.public for witness in witnesses)
    settings = TlogSettings(key.public, key.seal, keys, tuple(witnesses), required)
    return TlogLedger(log, settings, accounts, **({"clock": lambda: 1_800_000_000.0} | options))  # type: ignore[arg-type]
