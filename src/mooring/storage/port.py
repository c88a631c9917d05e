"""The storage ports: blobs, signing keys, data keys, index. The log's port is in `mooring.storage.log`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from mooring.proofs.keys import Kind, PublicKey
from mooring.records.digest import Digest

__all__ = [
    "BlobStat",
    "BlobStore",
    "KeyManagement",
    "KeyStore",
    "RetiredKey",
    "SecretStore",
    "Tombstone",
    "WrappingKeys",
]


@dataclass(frozen=True, slots=True)
class BlobStat:
    """A blob's name and its size in bytes."""

    digest: Digest
    size: int


class BlobStore(Protocol):
    """Bytes under their SHA-256; a blob never changes, so every call can be repeated.

    All methods raise StorageError (disk-full, permission-denied, path-vanished, …) and leave nothing half-done.
    """

    def put(self, source: bytes | Iterable[bytes], *, limit: int = ...) -> BlobStat:
        """Keep the source's bytes durably and return their name; the same bytes again change nothing.

        Raises StorageError `blob-size` beyond `limit` bytes.
        """
        ...

    def resume(self, digest: Digest, source: BinaryIO, *, limit: int = ...) -> BlobStat:
        """Keep the bytes of a seekable source, going on where a broken upload of the same digest stopped.

        Raises CorruptError `blob-upload` if the bytes do not have that digest: the partial upload is then dropped.
        Raises BusyError if another upload of it runs.
        """
        ...

    def uploaded(self, digest: Digest) -> int:
        """Return how many bytes of an unfinished upload are kept."""
        ...

    def read(self, digest: Digest) -> Iterator[bytes]:
        """Yield the bytes; the last chunk comes only if all of them matched the digest, else CorruptError."""
        ...

    def read_all(self, digest: Digest, *, limit: int = ...) -> bytes:
        """Return the bytes, checked; raises StorageError `blob-size` beyond `limit` bytes."""
        ...

    def get_range(self, digest: Digest, start: int, length: int) -> bytes:
        """Return up to `length` bytes from `start`, **unchecked**: for a reader that resumes and checks the whole."""
        ...

    def stat(self, digest: Digest) -> BlobStat:
        """Return the blob's size; raises NotFoundError."""
        ...

    def delete(self, digest: Digest) -> bool:
        """Stop keeping the blob and any unfinished upload of it; return whether the blob was there."""
        ...

    def list(self) -> Iterator[BlobStat]:
        """Yield every blob in the order of their digests."""
        ...


@dataclass(frozen=True, slots=True)
class RetiredKey:
    """The public part of a signing key that was replaced, and when, in Unix nanoseconds."""

    public: PublicKey
    created_ns: int
    retired_ns: int


class KeyManagement(Protocol):
    """Signing keys by name, of which only public parts and signatures leave: the port for a KMS or HSM.

    An adapter for such a service must keep these promises, and never hold a private key in this process:

    - `public(n).verify(sign(n, m), m)` holds: 64 bytes for ed25519, ASN.1 DER for p256, r || s || v over Keccak-256
      with v 27 or 28 for secp256k1. Services answer ECDSA in DER: bring s into the lower half (EIP-2) and find v by
      recovery.
    - A key whose name stays the same may be rotated by the service; `public` then returns the newest, and `retired` the
      others.
    - A time-out raises StorageError; signing again is harmless.
    - Names are 1 to 64 of a-z, 0-9 and '-', starting with a letter or digit. An unknown one raises NotFoundError.
    """

    def names(self) -> tuple[str, ...]:
        """Return the names of all keys, sorted."""
        ...

    def public(self, name: str) -> PublicKey:
        """Return the public part; needs no passphrase."""
        ...

    def retired(self, name: str) -> tuple[RetiredKey, ...]:
        """Return the public parts of earlier keys of that name, oldest first."""
        ...

    def sign(self, name: str, message: bytes) -> bytes:
        """Return a signature that `public(name).verify` accepts (formats: `mooring.proofs.keys`)."""
        ...

    def sign_digest(self, account: str, digest: bytes) -> bytes:
        """Return r || s || v over a 32-byte digest (65 bytes, v 0 or 1, low s) by a secp256k1 key."""
        ...

    def address(self, account: str) -> str:
        """Return the EIP-55 address of a secp256k1 key."""
        ...


class KeyStore(KeyManagement, Protocol):
    """Signing keys that we keep ourselves."""

    def create(self, name: str, kind: Kind) -> PublicKey:
        """Make a key; raises StorageError `key-exists` if the name is taken."""
        ...

    def import_(self, name: str, pem: bytes) -> PublicKey:
        """Keep an existing private key (PKCS #8 or SEC 1 PEM without passphrase); refuses a taken name."""
        ...

    def rotate(self, name: str) -> PublicKey:
        """Replace the key by a new one of its kind; of the old one only the public part stays."""
        ...


class WrappingKeys(Protocol):
    """Keys that wrap data keys: both adapters of `KeyManagement` have them too."""

    def wrapping_key(self, name: str) -> bytes:
        """Return the 256-bit key of that name; a store that we keep ourselves makes it at its first use."""
        ...


@dataclass(frozen=True, slots=True)
class Tombstone:
    """What stays of a destroyed data key: its name, and when it went, in Unix nanoseconds."""

    name: str
    destroyed_ns: int


class SecretStore(Protocol):
    """256-bit data keys that can be destroyed for good.

    Names are opaque: they outlive the key in a tombstone, so they must not say whose it is. A `handle` (32 bytes, or
    none) finds a name again and is destroyed with the key.
    """

    def create(self, names: Sequence[str], handles: Sequence[bytes] = ()) -> tuple[bytes, ...]:
        """Make and keep one key per name, all or none, and return them in order.

        `handles`, if given, are as many as names. Raises StorageError `secret-exists` for a name or handle in use, and
        ErasedError for a name that was destroyed.
        """
        ...

    def get(self, name: str) -> bytes:
        """Return the key; raises ErasedError if it was destroyed, NotFoundError if it never was."""
        ...

    def get_many(self, names: Sequence[str]) -> Mapping[str, bytes]:
        """Return the keys of those names that have one, leaving out the destroyed; raises NotFoundError for others."""
        ...

    def find(self, handles: Sequence[bytes]) -> Mapping[bytes, str]:
        """Return the names of those handles that are known."""
        ...

    def destroy(self, name: str) -> Tombstone:
        """Remove the key's bytes and its handle for good; once it is done, doing it again changes nothing."""
        ...

    def tombstones(self) -> tuple[Tombstone, ...]:
        """Return what was destroyed, in the order of the names."""
        ...


class NoteStore(Protocol):
    """Signed checkpoints by origin and size."""

    def keep(self, note: bytes) -> None:
        """Keep a signed checkpoint durably; one of the same origin and size is replaced."""
        ...

    def find(self, origin: str, size: int) -> bytes:
        """Return the checkpoint of that size; raises NotFoundError, or CorruptError if it is another."""
        ...
