"""Bytes under a passphrase: scrypt (RFC 7914) makes a key of it, AES-256-GCM encrypts and binds the context."""

from __future__ import annotations

import hmac
import os
import threading
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from mooring.errors import CorruptError, StorageError

__all__ = ["Cost", "Frame", "Passphrase"]

_SALT = 32
_NONCE = 12
_MAX_MEMORY = 1 << 30
_MAX_PASSPHRASE = 1024


@dataclass(frozen=True, slots=True)
class Cost:
    """What one guess costs: 128·n·r bytes of memory, and time in proportion to n·r·p.

    The default needs 128 MiB and about 0.4 s. Bounded on both sides, so that a forged file can neither weaken a key nor
    exhaust the machine that opens it. Raises StorageError `kdf-cost`.
    """

    n: int = 1 << 17
    r: int = 8
    p: int = 1

    def __post_init__(self) -> None:
        power = self.n > 0 and self.n & (self.n - 1) == 0
        if not (power and self.n >= 1 << 14 and 8 <= self.r <= 32 and 1 <= self.p <= 16):
            self._refuse()
        if 128 * self.n * self.r > _MAX_MEMORY:
            self._refuse()

    def _refuse(self) -> None:
        raise StorageError(
            f"scrypt cost n={self.n} r={self.r} p={self.p} is out of bounds",
            code="kdf-cost",
            hint="n a power of two from 2^14, r 8 to 32, p 1 to 16, at most 1 GiB of memory (128·n·r)",
        )


@dataclass(frozen=True, slots=True)
class Frame:
    """What was chosen when a passphrase was stretched; `check` tells a wrong passphrase from damage."""

    cost: Cost
    salt: bytes
    check: bytes


class Passphrase:
    """One passphrase, asked for once and only when needed; what was derived from it is kept for this process."""

    def __init__(self, ask: Callable[[], str]) -> None:
        """`ask` returns the passphrase: from a prompt, a file, the environment."""
        self._ask = ask
        self._roots: dict[tuple[Cost, bytes], bytes] = {}
        self._lock = threading.Lock()

    def frame(self, cost: Cost) -> Frame:
        """Return a new frame with a salt of its own."""
        salt = os.urandom(_SALT)
        return Frame(cost, salt, _derive(self._root(cost, salt), b"check"))

    def verify(self, frame: Frame) -> None:
        """Return if this is the passphrase of `frame`, else raise StorageError `passphrase`; takes constant time."""
        root = self._root(frame.cost, frame.salt)
        if not hmac.compare_digest(_derive(root, b"check"), frame.check):
            self.forget()
            raise StorageError(
                "the passphrase is wrong",
                code="passphrase",
                hint="give the passphrase that this key store was made with",
            )

    def seal(self, frame: Frame, secret: bytes, context: bytes) -> bytes:
        """Encrypt `secret`, bound to `context`; returns nonce and ciphertext."""
        self.verify(frame)
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher(frame).encrypt(nonce, secret, context)

    def open(self, frame: Frame, sealed: bytes, context: bytes) -> bytes:
        """Decrypt; raises StorageError `passphrase` if it is the wrong one, CorruptError `key-file` after damage."""
        self.verify(frame)
        try:
            return self._cipher(frame).decrypt(sealed[:_NONCE], sealed[_NONCE:], context)
        except (InvalidTag, ValueError):
            raise CorruptError(
                "the encrypted key was changed since it was written",
                code="key-file",
                hint="restore the file from a backup",
            ) from None

    def forget(self) -> None:
        """Drop what was derived; the next use asks again."""
        with self._lock:
            self._roots.clear()

    def _root(self, cost: Cost, salt: bytes) -> bytes:
        with self._lock:  # also keeps two threads from asking at once
            if (cost, salt) not in self._roots:
                self._roots[cost, salt] = _stretch(self._ask(), cost, salt)
            return self._roots[cost, salt]

    def _cipher(self, frame: Frame) -> AESGCM:
        return AESGCM(_derive(self._root(frame.cost, frame.salt), b"encrypt"))

    def __repr__(self) -> str:
        return "Passphrase(…)"


def _stretch(passphrase: str, cost: Cost, salt: bytes) -> bytes:
    if not 0 < len(passphrase) <= _MAX_PASSPHRASE:
        raise StorageError(
            f"the passphrase is empty or longer than {_MAX_PASSPHRASE} characters",
            code="passphrase",
            hint="give the passphrase of this key store",
        )
    # NFC: the same letters typed on another keyboard are the same passphrase.
    text = unicodedata.normalize("NFC", passphrase).encode()
    return Scrypt(salt=salt, length=32, n=cost.n, r=cost.r, p=cost.p).derive(text)


def _derive(root: bytes, purpose: bytes) -> bytes:
    return hmac.digest(root, b"mooring/passphrase/v1/" + purpose, "sha256")
