"""Signed notes: a text, and signature lines by named Ed25519 keys.

Source: C2SP signed-note. Two types of signature are known: 0x01, Ed25519 over the text, and 0x04, a witness's
timestamped Ed25519 cosignature (C2SP tlog-cosignature). Private keys never come here: signing takes a callable.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from mooring.errors import ProofError

__all__ = [
    "COSIGNATURE",
    "ED25519",
    "MAX_NOTE",
    "MAX_SIGNATURES",
    "Note",
    "OpenNote",
    "Signature",
    "VerifierKey",
    "cosigned_message",
    "decode_base64",
    "encode_base64",
    "open_note",
    "parse_note",
    "parse_signature",
    "parse_vkey",
    "sign",
]

ED25519 = 0x01
COSIGNATURE = 0x04
MAX_NOTE = 1_000_000
"""Bytes in a note, signatures included: the limit of golang.org/x/mod/sumdb/note."""
MAX_SIGNATURES = 100
"""C2SP asks verifiers to take at least 16; golang.org/x/mod/sumdb/note takes 100."""

_KEY_SIZE = 32
_ID_SIZE = 4
_TIME_SIZE = 8
_SIGNATURE_SIZE = 64
_MAX_TIME = 2**63 - 1
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_DASH = "\N{EM DASH} "


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A named Ed25519 public key for one type of signature; `str` gives its vkey, `name+id+base64(type || key)`."""

    name: str
    public_key: bytes
    type: int = ED25519

    def __post_init__(self) -> None:
        _check_name(self.name, "note-key")
        if self.type not in (ED25519, COSIGNATURE):
            raise _key_error(f"signature type {self.type:#04x} is not supported", "use Ed25519: 0x01 or 0x04")
        if len(self.public_key) != _KEY_SIZE:
            raise _key_error(f"the key {self.name} has {len(self.public_key)} bytes", "an Ed25519 key has 32")

    @property
    def id(self) -> bytes:
        """Four bytes that, with the name, pick this key; an identifier, not a commitment."""
        return sha256(self.name.encode() + b"\n" + self._typed()).digest()[:_ID_SIZE]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{encode_base64(self._typed())}"

    def _typed(self) -> bytes:
        return bytes([self.type]) + self.public_key


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: who claims to have signed, and the signature, for type 0x04 behind its 8-byte time."""

    name: str
    id: bytes
    value: bytes

    def __post_init__(self) -> None:
        _check_name(self.name, "note-format")
        if len(self.id) != _ID_SIZE or not self.value:
            raise _format_error("a signature line needs a key id of 4 bytes and a signature")

    def __str__(self) -> str:
        return f"{_DASH}{self.name} {encode_base64(self.id + self.value)}\n"

    @property
    def timestamp_s(self) -> int:
        """When a witness signed, in POSIX seconds; only for a signature of type 0x04."""
        stamp = int.from_bytes(self.value[:_TIME_SIZE], "big")
        if len(self.value) != _TIME_SIZE + _SIGNATURE_SIZE or stamp > _MAX_TIME:
            raise ProofError(
                f"the signature of {self.name} carries no time",
                code="cosignature",
                hint="only Ed25519 cosignatures (type 0x04) carry one",
            )
        return stamp


@dataclass(frozen=True, slots=True)
class Note:
    """A text that ends in a newline, and its signatures; nothing is verified. `str` gives the note."""

    text: str
    signatures: tuple[Signature, ...]

    def __post_init__(self) -> None:
        if not self.text.endswith("\n") or _CONTROL.search(self.text):
            raise _format_error("a note's text ends in a newline and holds no other control character")
        if not 1 <= len(self.signatures) <= MAX_SIGNATURES:
            raise _format_error(f"a note has 1 to {MAX_SIGNATURES} signatures, not {len(self.signatures)}")

    def __str__(self) -> str:
        return self.text + "\n" + "".join(map(str, self.signatures))


@dataclass(frozen=True, slots=True)
class OpenNote:
    """A verified note: each of `verified` stands with the key that verified it; `unknown` proves nothing."""

    text: str
    verified: tuple[tuple[VerifierKey, Signature], ...]
    unknown: tuple[Signature, ...]


def parse_vkey(vkey: str) -> VerifierKey:
    """The key in a vkey string; its id must be the one that C2SP recommends."""
    name, _, rest = vkey.partition("+")
    key_id, _, encoded = rest.partition("+")
    typed = decode_base64(encoded, "note-key") if len(vkey) <= MAX_NOTE else b""
    if not typed:
        raise _key_error("a verifier key reads name+id+key", "copy the whole line, with both plus signs")
    key = VerifierKey(name, typed[1:], typed[0])
    if key_id != key.id.hex():
        raise _key_error(f"the id {key_id[:16]!r} does not belong to the key {name}", f"its id is {key.id.hex()}")
    return key


def parse_note(data: bytes) -> Note:
    """The note in these bytes, strictly, verifying nothing."""
    if len(data) > MAX_NOTE:
        raise _format_error(f"the note has {len(data)} bytes, more than {MAX_NOTE}")
    try:
        note = data.decode()
    except UnicodeDecodeError as error:
        raise _format_error(f"the note is not UTF-8 at byte {error.start}") from error
    text, blank, lines = note.rpartition("\n\n")
    if not blank or not lines.endswith("\n"):
        raise _format_error("the note lacks the blank line before its signatures, or its last newline")
    # Split at newlines only: str.splitlines would also split at U+0085 and U+2028, which names may not hold anyway.
    rows = lines[:-1].split("\n")
    if len(rows) > MAX_SIGNATURES:
        raise _format_error(f"a note has 1 to {MAX_SIGNATURES} signatures, not {len(rows)}")
    return Note(text + "\n", tuple(parse_signature(row + "\n") for row in rows))


def parse_signature(line: str) -> Signature:
    """The signature in one line, newline included."""
    name, space, encoded = line[len(_DASH) : -1].partition(" ")
    if not line.startswith(_DASH) or not line.endswith("\n") or not space or "\n" in encoded:
        raise _format_error(f"{line[:80]!r} is not a signature line")
    value = decode_base64(encoded, "note-format")
    return Signature(name, value[:_ID_SIZE], value[_ID_SIZE:])


def open_note(data: bytes, keys: Sequence[VerifierKey]) -> OpenNote:
    """Return the note only if a known key signed it and no signature by a known key is wrong.

    Signatures by unknown keys are kept and ignored. Raises ProofError `note-format`, `note-key` (two keys that cannot
    be told apart), `note-signature`, `note-unsigned`.
    """
    note = parse_note(data)
    known = _by_identity(keys)
    verified, unknown = [], []
    for signature in note.signatures:
        key = known.get((signature.name, signature.id))
        if key is None:
            unknown.append(signature)
            continue
        _verify(key, note.text, signature)
        verified.append((key, signature))
    if not verified:
        raise ProofError(
            "no known key signed this note", code="note-unsigned", hint="check that the trust root names the right keys"
        )
    return OpenNote(note.text, tuple(verified), tuple(unknown))


def sign(
    text: str, key: VerifierKey, private: Callable[[bytes], bytes], *, timestamp_s: int | None = None
) -> Signature:
    """A signature on `text` by `key`; `private` makes the Ed25519 signature of the bytes it is given.

    A cosignature (type 0x04) needs `timestamp_s`, POSIX seconds; a plain signature must not have it. The result is
    verified before it is returned, so a wrong private key is found here and not by the readers.
    """
    if (key.type == COSIGNATURE) != (timestamp_s is not None):
        raise _key_error(f"the key {key.name} has type {key.type:#04x}", "give a time to cosignatures, and to no other")
    if timestamp_s is None:
        value = private(text.encode())
    else:
        value = timestamp_s.to_bytes(_TIME_SIZE, "big") + private(cosigned_message(text, timestamp_s))
    signature = Signature(key.name, key.id, value)
    _verify(key, text, signature)
    return signature


def cosigned_message(text: str, timestamp_s: int) -> bytes:
    """What a witness signs (C2SP tlog-cosignature, "Ed25519 signed message")."""
    return f"cosignature/v1\ntime {timestamp_s}\n{text}".encode()


def encode_base64(data: bytes) -> str:
    """Standard base64 (RFC 4648 section 4)."""
    return base64.b64encode(data).decode()


def decode_base64(text: str, code: str) -> bytes:
    """The bytes in this base64, which must be the one canonical spelling of them; else ProofError with `code`."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = None
    if data is None or encode_base64(data) != text:
        raise ProofError(f"{text[:80]!r} is not base64", code=code, hint="it was damaged on the way; fetch it again")
    return data


def _by_identity(keys: Sequence[VerifierKey]) -> dict[tuple[str, bytes], VerifierKey]:
    known = {(key.name, key.id): key for key in keys}
    if len(known) != len(keys):
        raise _key_error("two of the keys have the same name and id", "name each key once, and rename one of them")
    return known


def _verify(key: VerifierKey, text: str, signature: Signature) -> None:
    if key.type == COSIGNATURE:
        message, value = cosigned_message(text, signature.timestamp_s), signature.value[_TIME_SIZE:]
    else:
        message, value = text.encode(), signature.value
    try:
        Ed25519PublicKey.from_public_bytes(key.public_key).verify(value, message)
    except InvalidSignature as error:
        raise ProofError(
            f"the signature of {key.name} is wrong",
            code="note-signature",
            hint="the text or the signature was changed; do not use this note",
        ) from error


def _check_name(name: str, code: str) -> None:
    if not name or "+" in name or _CONTROL.search(name) or any(character.isspace() for character in name):
        raise ProofError(f"{name[:80]!r} is not a key name", code=code, hint="use a name without spaces and plus signs")


def _key_error(message: str, hint: str) -> ProofError:
    return ProofError(message, code="note-key", hint=hint)


def _format_error(message: str) -> ProofError:
    return ProofError(message, code="note-format", hint="it is not a C2SP signed note, or was damaged on the way")
