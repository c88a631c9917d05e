"""Content addressing: bytes are named by their SHA-256, and are checked against their name when read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import IO

from mooring.errors import CorruptError, NotFoundError, StorageError
from mooring.records.digest import Digest

__all__ = [
    "CHUNK",
    "MAX_BLOB",
    "Counted",
    "checked",
    "chunks",
    "corrupt",
    "file_chunks",
    "not_found",
    "read_limited",
    "sha256_name",
    "upload_refused",
]

CHUNK = 1 << 20
"""Bytes handed on at a time."""

MAX_BLOB = 1 << 40
"""The largest blob, in bytes, unless the caller sets another limit."""


def sha256_name(digest: Digest) -> str:
    """Return the hex name of a blob; raises StorageError `blob-name` for a digest that is not SHA-256."""
    if digest.algorithm != "sha256":
        raise StorageError(
            f"blobs are named by sha256, not by {digest.algorithm}",
            code="blob-name",
            hint="ask for the blob by the SHA-256 of its bytes",
        )
    return digest.hex


def chunks(source: bytes | Iterable[bytes]) -> Iterator[bytes]:
    """Yield the non-empty pieces of a source."""
    pieces = (source,) if isinstance(source, bytes) else source
    return (piece for piece in pieces if piece)


def file_chunks(file: IO[bytes]) -> Iterator[bytes]:
    """Yield what is left of a file, a chunk at a time."""
    return iter(lambda: file.read(CHUNK), b"")


class Counted:
    """The digest and size of the bytes that flow through, up to a limit in bytes."""

    def __init__(self, limit: int) -> None:
        self._hasher = hashlib.sha256()
        self._limit = limit
        self.size = 0

    def add(self, piece: bytes) -> None:
        """Count a piece; raises StorageError `blob-size` beyond the limit."""
        self.size += len(piece)
        if self.size > self._limit:
            raise StorageError(
                f"the source is larger than the limit of {self._limit} bytes",
                code="blob-size",
                hint="raise the limit if this artifact is meant to be so large; nothing was kept",
            )
        self._hasher.update(piece)

    @property
    def digest(self) -> Digest:
        """The SHA-256 of what was added so far."""
        return Digest("sha256", self._hasher.digest())


def checked(pieces: Iterable[bytes], digest: Digest) -> Iterator[bytes]:
    """Yield pieces, but the last one only after all of them have matched `digest`.

    Whoever reads to the end has read the right bytes; whoever stops early has read unchecked ones. Raises CorruptError
    `blob-corrupt` instead of handing over the last piece.
    """
    hasher = hashlib.sha256()
    held = b""
    for piece in pieces:
        if held:
            yield held
        hasher.update(piece)
        held = piece
    if hasher.digest() != digest.value:
        raise corrupt(digest, hasher.hexdigest())
    if held:
        yield held


def read_limited(pieces: Iterable[bytes], digest: Digest, limit: int) -> bytes:
    """Return all the bytes, checked, or raise StorageError `blob-size` beyond `limit` bytes."""
    whole = bytearray()
    for piece in pieces:
        whole += piece
        if len(whole) > limit:
            raise StorageError(
                f"blob {digest} is larger than the {limit} bytes asked for",
                code="blob-size",
                hint="read it as a stream, or raise the limit",
            )
    return bytes(whole)


def corrupt(digest: Digest, found: str) -> CorruptError:
    """Return the error for a blob whose bytes have another digest."""
    return CorruptError(
        f"blob {digest} is corrupt: its bytes now have the digest sha256:{found}",
        code="blob-corrupt",
        hint="delete it and put the original bytes again",
    )


def not_found(digest: Digest) -> NotFoundError:
    """Return the error for a blob that is not kept."""
    return NotFoundError(
        f"no blob {digest} is kept here", code="blob-not-found", hint="put it first, or look in another store"
    )


def upload_refused(digest: Digest, found: Digest) -> CorruptError:
    """Return the error for an upload whose bytes do not have the digest that was announced."""
    return CorruptError(
        f"the upload of {digest} has the digest {found}: nothing of it was kept",
        code="blob-upload",
        hint="upload it again from the start, from the right file",
    )
