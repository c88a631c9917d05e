"""Checkpoints: a log's size and root, signed by the log and cosigned by witnesses.

Source: C2SP tlog-checkpoint and tlog-cosignature (Ed25519, cosignature/v1).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mooring.errors import ProofError
from mooring.proofs import merkle
from mooring.proofs.note import (
    COSIGNATURE,
    ED25519,
    Note,
    OpenNote,
    Signature,
    VerifierKey,
    decode_base64,
    encode_base64,
    open_note,
    parse_note,
    sign,
)

__all__ = [
    "MAX_ORIGIN",
    "MAX_SKEW_S",
    "Checkpoint",
    "Cosignature",
    "SignedCheckpoint",
    "cosign",
    "open_checkpoint",
    "parse_checkpoint",
    "read_checkpoint",
    "sign_checkpoint",
]

MAX_ORIGIN = 255
"""Bytes in an origin: the limit that C2SP tlog-cosignature sets for ML-DSA, kept so that logs can move there."""
MAX_SKEW_S = 300
"""How far in the future a cosignature may be dated, for clocks that disagree."""

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_LINE = re.compile(r"[^\x00-\x1f]+")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a log: its origin, its size in entries and its root; `text` is what is signed."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _LINE.fullmatch(self.origin) or len(self.origin.encode()) > MAX_ORIGIN:
            raise _error(f"the origin {self.origin[:80]!r} is not a line of 1 to {MAX_ORIGIN} bytes")
        if not 0 <= self.size <= merkle.MAX_SIZE:
            raise _error(f"the size {self.size} does not lie between 0 and {merkle.MAX_SIZE}")
        if len(self.root) != merkle.HASH_SIZE:
            raise _error(f"the root has {len(self.root)} bytes, not {merkle.HASH_SIZE}")
        if self.size == 0 and self.root != merkle.EMPTY_ROOT:
            raise _error("an empty log has the hash of nothing as its root, and this one has not")
        if not all(_LINE.fullmatch(line) for line in self.extensions):
            raise _error("an extension is not one non-empty line")

    @property
    def text(self) -> str:
        """The note text: origin, size, root in base64, extensions, each on a line."""
        return "\n".join((self.origin, str(self.size), encode_base64(self.root), *self.extensions)) + "\n"


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A witness's verified statement that at `timestamp_s` this was the largest consistent tree it had seen."""

    witness: VerifierKey
    timestamp_s: int


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint with what was verified: the log's key, each witness once, and the signatures of strangers."""

    checkpoint: Checkpoint
    log_key: VerifierKey
    cosignatures: tuple[Cosignature, ...]
    unknown: tuple[Signature, ...]


def parse_checkpoint(text: str) -> Checkpoint:
    """The checkpoint in a note's text; only canonical spellings are taken."""
    if not text.endswith("\n"):
        raise _error("the text does not end in a newline")
    origin, *rest = text[:-1].split("\n")
    if len(rest) < 2:
        raise _error("the text has fewer than three lines")
    size, root, *extensions = rest
    if not _SIZE.fullmatch(size):
        raise _error(f"the size {size[:40]!r} is not a decimal number without leading zeroes")
    return Checkpoint(origin, int(size), decode_base64(root, "checkpoint"), tuple(extensions))


def read_checkpoint(data: bytes) -> tuple[Checkpoint, Note]:
    """The checkpoint in a signed note with NOTHING verified: for the log's own files and for showing."""
    note = parse_note(data)
    return parse_checkpoint(note.text), note


def open_checkpoint(
    data: bytes,
    log_key: VerifierKey,
    witness_keys: Sequence[VerifierKey] = (),
    required: int = 0,
    now_s: int | None = None,
    *,
    origin: str | None = None,
) -> SignedCheckpoint:
    """Return the checkpoint only if the log signed it and at least `required` of the witnesses cosigned it.

    `origin` is expected to be the log key's name unless given. With `now_s` (POSIX seconds), a cosignature dated more
    than MAX_SKEW_S later is refused. Raises ProofError: those of `open_note`, `checkpoint`, `checkpoint-origin`,
    `checkpoint-signature`, `cosignature-quorum`, `cosignature-future`, `cosignature-keys`.
    """
    _check_keys(log_key, witness_keys, required)
    opened = open_note(data, [log_key, *witness_keys])
    if not any(key == log_key for key, _ in opened.verified):
        raise ProofError(
            f"the log {log_key.name} did not sign this checkpoint",
            code="checkpoint-signature",
            hint="witnesses alone do not make a checkpoint; fetch it from the log",
        )
    checkpoint = parse_checkpoint(opened.text)
    expected = log_key.name if origin is None else origin
    if checkpoint.origin != expected:
        raise ProofError(
            f"the checkpoint is of {checkpoint.origin!r}, not of {expected!r}",
            code="checkpoint-origin",
            hint="it belongs to another log that has the same key",
        )
    cosignatures = _cosignatures(opened, now_s)
    if len(cosignatures) < required:
        raise ProofError(
            f"{len(cosignatures)} of the known witnesses cosigned, and {required} are required",
            code="cosignature-quorum",
            hint="wait for more witnesses, then fetch the checkpoint again",
        )
    return SignedCheckpoint(checkpoint, log_key, cosignatures, opened.unknown)


def sign_checkpoint(checkpoint: Checkpoint, key: VerifierKey, private: Callable[[bytes], bytes]) -> bytes:
    """The checkpoint as a note signed by the log; `private` makes the Ed25519 signature of the bytes it is given."""
    return str(Note(checkpoint.text, (sign(checkpoint.text, key, private),))).encode()


def cosign(data: bytes, key: VerifierKey, private: Callable[[bytes], bytes], timestamp_s: int) -> Signature:
    """A witness's signature on the checkpoint in this note; the caller has verified log and consistency."""
    checkpoint, _ = read_checkpoint(data)
    return sign(checkpoint.text, key, private, timestamp_s=timestamp_s)


def _check_keys(log_key: VerifierKey, witness_keys: Sequence[VerifierKey], required: int) -> None:
    if log_key.type != ED25519 or any(key.type != COSIGNATURE for key in witness_keys):
        raise _keys_error("the log needs a key of type 0x01 and each witness one of type 0x04")
    # The cosigned message does not name the witness, so one key under two names would count twice.
    if len({key.public_key for key in witness_keys}) != len(witness_keys):
        raise _keys_error("two witnesses have the same public key")
    if not 0 <= required <= len(witness_keys):
        raise _keys_error(f"{required} of {len(witness_keys)} witnesses cannot be required")


def _cosignatures(opened: OpenNote, now_s: int | None) -> tuple[Cosignature, ...]:
    """Each witness once, with its newest time."""
    newest: dict[VerifierKey, int] = {}
    for key, signature in opened.verified:
        if key.type != COSIGNATURE:
            continue
        stamp = signature.timestamp_s
        if now_s is not None and stamp > now_s + MAX_SKEW_S:
            raise ProofError(
                f"the cosignature of {key.name} is dated {stamp - now_s} s in the future",
                code="cosignature-future",
                hint=f"compare the clocks; up to {MAX_SKEW_S} s are allowed",
            )
        newest[key] = max(stamp, newest.get(key, 0))
    return tuple(Cosignature(key, stamp) for key, stamp in newest.items())


def _error(message: str) -> ProofError:
    return ProofError(message, code="checkpoint", hint="it is not a C2SP tlog-checkpoint, or was damaged on the way")


def _keys_error(message: str) -> ProofError:
    return ProofError(message, code="cosignature-keys", hint="correct the keys and the quorum in the trust root")
