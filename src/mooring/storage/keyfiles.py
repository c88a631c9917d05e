"""Signing keys in encrypted files: one per key, mode 0600, in one folder, under one passphrase.

A file is canonical JSON. Everything in it but `sealed` is bound to the encrypted key as associated data:

    {"check", "createdNs", "format": "mooring-key-v1", "kind", "name", "public", "retired": [{"createdNs", "public",
     "retiredNs"}], "salt", "scrypt": {"n", "p", "r"}, "sealed"}

Kinds are those of signing keys (PKCS #8 DER is encrypted) and `aes256` (32 bytes: wraps data keys).
"""

from __future__ import annotations

import fcntl
import os
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mooring.errors import CorruptError, MooringError, StorageError
from mooring.proofs.keys import Kind, PublicKey
from mooring.records import canonical
from mooring.records.canonical import Json
from mooring.storage import atomic
from mooring.storage.keys import SigningKey, check_key_name, is_key_name, key_not_found
from mooring.storage.passphrase import Cost, Frame, Passphrase
from mooring.storage.port import RetiredKey

__all__ = ["KeyFiles"]

_FORMAT = "mooring-key-v1"
_MAX_FILE = 1 << 20
_SIGNING = ".key.json"
_WRAPPING = ".wrap.json"
_Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class _File:
    """What one file says; `public` is None for a key that wraps."""

    name: str
    kind: str
    public: PublicKey | None
    created_ns: int
    retired: tuple[RetiredKey, ...]
    frame: Frame
    sealed: bytes = field(default=b"", repr=False)


class KeyFiles:
    """A `KeyStore` in a folder. A key is decrypted at its first use and stays so until `lock`."""

    def __init__(
        self,
        folder: Path,
        passphrase: Callable[[], str],
        *,
        cost: Cost | None = None,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """Use `folder`, made at the first key; `passphrase` is called when a private key is first needed."""
        self._folder = folder
        self._passphrase = Passphrase(passphrase)
        self._cost = cost or Cost()
        self._now_ns = now_ns
        self._unlocked: dict[Path, tuple[_Stamp, SigningKey]] = {}

    def names(self) -> tuple[str, ...]:
        """Return the names of all signing keys, sorted."""
        if not self._folder.exists():
            return ()
        with atomic.translating(f"list {self._folder}"):
            found = [path.name.removesuffix(_SIGNING) for path in self._folder.glob("*" + _SIGNING)]
        return tuple(sorted(name for name in found if is_key_name(name)))

    def public(self, name: str) -> PublicKey:
        """Return the public part; needs no passphrase."""
        return _public(self._load(self._path(name)))

    def retired(self, name: str) -> tuple[RetiredKey, ...]:
        """Return the public parts of earlier keys of that name, oldest first."""
        return self._load(self._path(name)).retired

    def address(self, account: str) -> str:
        """Return the EIP-55 address of a secp256k1 key; needs no passphrase."""
        return self.public(account).address

    def sign(self, name: str, message: bytes) -> bytes:
        """Return a signature that `public(name).verify` accepts (formats: `mooring.proofs.keys`)."""
        return self._key(name).sign(message)

    def sign_digest(self, account: str, digest: bytes) -> bytes:
        """Return r || s || v (65 bytes, v 0 or 1, low s) over a 32-byte digest."""
        return self._key(account).sign_digest(digest)

    def create(self, name: str, kind: Kind) -> PublicKey:
        """Make a key; raises StorageError `key-exists` if the name is taken."""
        return self._add(name, SigningKey.generate(kind))

    def import_(self, name: str, pem: bytes) -> PublicKey:
        """Keep an existing private key given as PEM without passphrase; refuses a taken name."""
        return self._add(name, SigningKey.from_pem(pem))

    def rotate(self, name: str) -> PublicKey:
        """Replace the key by a new one of its kind; of the old one only the public part stays."""
        path = self._path(name)
        with self._writing():
            old = self._load(path)
            self._open(old)  # who cannot use the old key may not replace it
            before, now = _public(old), self._now_ns()
            key = SigningKey.generate(before.kind)
            retired = (*old.retired, RetiredKey(before, old.created_ns, now))
            file = _File(name, before.kind, key.public, now, retired, self._frame())
            atomic.replace(path, self._seal(file, key.to_der()))
        return key.public

    def wrapping_key(self, name: str) -> bytes:
        """Return the 256-bit key of that name, which wraps data keys; it is made at its first use."""
        path = self._path(name, _WRAPPING)
        if not path.exists():
            with self._writing():
                file = _File(name, "aes256", None, self._now_ns(), (), self._frame())
                atomic.create(path, self._seal(file, os.urandom(32)))
        return self._open(self._load(path))

    def lock(self) -> None:
        """Forget every decrypted key; the next signature asks for the passphrase again."""
        self._unlocked.clear()
        self._passphrase.forget()

    def __repr__(self) -> str:
        return f"KeyFiles({str(self._folder)!r})"

    def _path(self, name: str, suffix: str = _SIGNING) -> Path:
        return self._folder / (check_key_name(name) + suffix)

    def _add(self, name: str, key: SigningKey) -> PublicKey:
        path = self._path(name)
        with self._writing():
            file = _File(name, key.public.kind, key.public, self._now_ns(), (), self._frame())
            if path.exists() or not atomic.create(path, self._seal(file, key.to_der())):
                raise StorageError(
                    f"key {name!r} exists already in {self._folder}",
                    code="key-exists",
                    hint="choose another name, or replace it with 'mooring key rotate'",
                )
        return key.public

    def _key(self, name: str) -> SigningKey:
        path = self._path(name)
        stamp = _stamp(path)
        kept = self._unlocked.get(path)
        if kept and kept[0] == stamp:
            return kept[1]
        file = self._load(path)
        key = SigningKey.from_der(self._open(file))
        if key.public != file.public:
            raise _damaged(path, "its public part belongs to another key")
        if stamp:
            self._unlocked[path] = (stamp, key)
        return key

    def _open(self, file: _File) -> bytes:
        return self._passphrase.open(file.frame, file.sealed, _context(file))

    def _seal(self, file: _File, secret: bytes) -> bytes:
        sealed = self._passphrase.seal(file.frame, secret, _context(file))
        return canonical.encode(_to_json(replace(file, sealed=sealed)))

    def _frame(self) -> Frame:
        """Return the frame for a new file. All files of a folder have one passphrase, and one frame for each cost, so
        that it is stretched once for all of them."""
        paths = (path for suffix in (_SIGNING, _WRAPPING) for path in sorted(self._folder.glob("*" + suffix)))
        frames = {frame.cost: frame for frame in (self._load(path).frame for path in paths)}
        if not frames:
            return self._passphrase.frame(self._cost)
        known = frames.get(self._cost) or next(iter(frames.values()))
        self._passphrase.verify(known)
        return known if known.cost == self._cost else self._passphrase.frame(self._cost)

    def _load(self, path: Path) -> _File:
        name = path.name.partition(".")[0]
        try:
            with atomic.translating(f"read {path}"), path.open("rb") as stream:
                data = stream.read(_MAX_FILE + 1)
        except StorageError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise key_not_found(name, str(self._folder)) from None
            raise
        file = _parse(path, data)
        if file.name != name:
            raise _damaged(path, f"it is the file of key {file.name!r}")
        return file

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One writer of the folder at a time, in any process."""
        with atomic.translating(f"write keys to {self._folder}"):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(self._folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)


def _public(file: _File) -> PublicKey:
    assert file.public is not None  # `_parse` gives every signing key one
    return file.public


def _stamp(path: Path) -> _Stamp | None:
    """Return what changes when a file is replaced, None if it is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _context(file: _File) -> bytes:
    """Return everything that the encrypted key is bound to."""
    fields = dict(_to_json(file))
    del fields["sealed"]
    return canonical.encode(fields)


def _to_json(file: _File) -> Mapping[str, Json]:
    cost = file.frame.cost
    return {
        "format": _FORMAT,
        "name": file.name,
        "kind": file.kind,
        "public": file.public.to_text() if file.public else "",
        "createdNs": str(file.created_ns),
        "retired": [
            {"public": key.public.to_text(), "createdNs": str(key.created_ns), "retiredNs": str(key.retired_ns)}
            for key in file.retired
        ],
        "scrypt": {"n": cost.n, "r": cost.r, "p": cost.p},
        "salt": _text(file.frame.salt),
        "check": _text(file.frame.check),
        "sealed": _text(file.sealed),
    }


def _parse(path: Path, data: bytes) -> _File:
    if len(data) > _MAX_FILE:
        raise _damaged(path, f"it is larger than {_MAX_FILE} bytes")
    try:
        file = _from_json(canonical.decode(data))
        if canonical.encode(_to_json(file)) != data:
            raise ValueError("it is not what Mooring writes")
    except MooringError as error:
        raise _damaged(path, error.message) from error
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(path, f"{type(error).__name__}: {error}") from error
    return file


def _from_json(value: Any) -> _File:
    if value["format"] != _FORMAT:
        raise ValueError(f"it is not of format {_FORMAT}")
    public = PublicKey.from_text(value["public"]) if value["kind"] != "aes256" else None
    if public and public.kind != value["kind"]:
        raise ValueError(f"its kind is not that of its public part, {public.kind}")
    salt, check, sealed = (b64decode(value[name], validate=True) for name in ("salt", "check", "sealed"))
    retired = tuple(
        RetiredKey(PublicKey.from_text(key["public"]), int(key["createdNs"]), int(key["retiredNs"]))
        for key in value["retired"]
    )
    frame = Frame(Cost(**value["scrypt"]), salt, check)
    return _File(value["name"], value["kind"], public, int(value["createdNs"]), retired, frame, sealed)


def _text(data: bytes) -> str:
    return b64encode(data).decode()


def _damaged(path: Path, problem: str) -> CorruptError:
    return CorruptError(
        f"{path} cannot be used as a key file: {problem}", code="key-file", hint="restore the file from a backup"
    )
