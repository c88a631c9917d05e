"""Blobs in an S3-compatible bucket, through obstore (the optional extra `s3`).

    <prefix>/sha256/<hex>                the blob
    <prefix>/partial/<hex>/<start>       a piece of an unfinished upload, named by the place of its first byte (hex)

A blob is written with `If-None-Match: *`, or in several parts when it is large, so it appears whole or not at all.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, BinaryIO

from mooring.errors import ConfigError, StorageError
from mooring.records.digest import Digest
from mooring.storage import content
from mooring.storage.atomic import storage_error
from mooring.storage.port import BlobStat

__all__ = ["Bucket", "S3Blobs"]

_HEX = re.compile(r"[0-9a-f]{64}")
_READ_ALL = 64 << 20
_SINGLE = 32 << 20
_PART = 8 << 20
_MAX_PARTS = 9_000
_SPOOL = 8 << 20


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where the blobs lie. What is empty is taken from the environment (AWS_REGION, AWS_ACCESS_KEY_ID, …).

    `endpoint` is needed for anything that is not AWS; plain http is accepted there.
    """

    name: str
    prefix: str = "mooring"
    endpoint: str = ""
    region: str = ""
    access_key_id: str = ""
    secret_access_key: str = field(default="", repr=False)
    timeout_s: int = 30


class S3Blobs:
    """A `BlobStore` in a bucket; any number of processes may use it at once."""

    def __init__(self, bucket: Bucket) -> None:
        """Use an existing bucket; raises ConfigError `extra-missing` without obstore, StorageError if out of reach."""
        self._bucket = bucket
        self._obs = _obstore()
        self._store = self._obs.store.S3Store(
            bucket.name,
            prefix=bucket.prefix or None,
            client_options={"timeout": f"{bucket.timeout_s}s", "allow_http": bucket.endpoint.startswith("http://")},
            retry_config={"max_retries": 4},
            **_settings(bucket),
        )
        with self._talking("look into it"):
            next(iter(self._obs.list(self._store, "sha256", chunk_size=1)), None)

    def put(self, source: bytes | Iterable[bytes], *, limit: int = content.MAX_BLOB) -> BlobStat:
        """Keep the source's bytes durably and return their name (see `BlobStore.put`)."""
        counted = content.Counted(limit)
        with tempfile.SpooledTemporaryFile(_SPOOL) as spool:  # the name is known only after the last byte
            for piece in content.chunks(source):
                counted.add(piece)
                try:
                    spool.write(piece)
                except OSError as error:
                    raise storage_error(error, f"spool a blob in {tempfile.gettempdir()}") from error
            spool.seek(0)
            stat = BlobStat(counted.digest, counted.size)
            if self._size(_key(stat.digest)) != stat.size:
                self._write(stat, content.file_chunks(spool))
        return stat

    def resume(self, digest: Digest, source: BinaryIO, *, limit: int = content.MAX_BLOB) -> BlobStat:
        """Keep a seekable source, going on where a broken upload stopped (see `BlobStore.resume`)."""
        kept = self._size(_key(digest))
        if kept is not None:
            return BlobStat(digest, kept)
        size = self.uploaded(digest)
        source.seek(size)
        for piece in iter(lambda: source.read(_PART), b""):
            if size + len(piece) > limit:
                raise StorageError(
                    f"blob {digest} is larger than the limit of {limit} bytes", code="blob-size", hint="raise the limit"
                )
            with self._talking(f"upload blob {digest}"):
                self._obs.put(self._store, _piece_key(digest, size), piece)
            size += len(piece)
        self._assemble(BlobStat(digest, size))
        return BlobStat(digest, size)

    def uploaded(self, digest: Digest) -> int:
        """Return how many bytes of an unfinished upload are kept."""
        return sum(size for _, size in self._pieces(digest))

    def read(self, digest: Digest) -> Iterator[bytes]:
        """Yield the bytes, the last chunk only if all of them matched (see `BlobStore.read`)."""
        return content.checked(self._stream(_key(digest), digest), digest)

    def read_all(self, digest: Digest, *, limit: int = _READ_ALL) -> bytes:
        """Return the bytes, checked; raises StorageError `blob-size` beyond `limit` bytes."""
        return content.read_limited(self.read(digest), digest, limit)

    def get_range(self, digest: Digest, start: int, length: int) -> bytes:
        """Return up to `length` bytes from `start`, unchecked."""
        size = self.stat(digest).size
        end = min(start + length, size)
        if start >= end:
            return b""
        with self._talking(f"read blob {digest}"):
            return bytes(self._obs.get_range(self._store, _key(digest), start=start, end=end))

    def stat(self, digest: Digest) -> BlobStat:
        """Return the blob's size; raises NotFoundError."""
        size = self._size(_key(digest))
        if size is None:
            raise content.not_found(digest)
        return BlobStat(digest, size)

    def delete(self, digest: Digest) -> bool:
        """Stop keeping the blob and any unfinished upload of it; return whether the blob was there."""
        present = self._size(_key(digest)) is not None
        with self._talking(f"delete blob {digest}"):
            if present:
                self._obs.delete(self._store, _key(digest))
            self._obs.delete(self._store, [key for key, _ in self._pieces(digest)])
        return present

    def list(self) -> Iterator[BlobStat]:
        """Yield every blob in the order of their digests."""
        with self._talking("list it"):
            for page in self._obs.list(self._store, "sha256"):
                for item in page:
                    name = item["path"].rpartition("/")[2]
                    if _HEX.fullmatch(name):
                        yield BlobStat(Digest("sha256", bytes.fromhex(name)), item["size"])

    def _size(self, key: str) -> int | None:
        with self._talking(f"look at {key}"):
            try:
                size: int = self._obs.head(self._store, key)["size"]
            except FileNotFoundError:
                return None
            return size

    def _stream(self, key: str, digest: Digest) -> Iterator[bytes]:
        with self._talking(f"read blob {digest}"):
            try:
                answer = self._obs.get(self._store, key)
            except FileNotFoundError:
                raise content.not_found(digest) from None
        return self._pieces_of(answer, digest)

    def _pieces_of(self, answer: Any, digest: Digest) -> Iterator[bytes]:
        with self._talking(f"read blob {digest}"):
            for piece in answer.stream(min_chunk_size=content.CHUNK):
                yield bytes(piece)

    def _write(self, stat: BlobStat, pieces: Iterator[bytes]) -> None:
        if stat.size > _SINGLE:
            self._write_large(stat, pieces)
        else:
            self._write_small(stat, b"".join(pieces))

    def _write_small(self, stat: BlobStat, data: bytes) -> None:
        key = _key(stat.digest)
        with self._talking(f"write blob {stat.digest}", definite=False):
            try:
                self._obs.put(self._store, key, data, mode="create", use_multipart=False)
            except self._obs.exceptions.AlreadyExistsError:
                if self._size(key) != stat.size:  # a blob that something else cut short
                    self._obs.put(self._store, key, data, use_multipart=False)

    def _write_large(self, stat: BlobStat, pieces: Iterator[bytes]) -> None:
        """Write in parts; S3 knows no condition for these, but the same name means the same bytes."""
        part = max(_PART, -(-stat.size // _MAX_PARTS))
        with self._talking(f"write blob {stat.digest}", definite=False):
            self._obs.put(
                self._store, _key(stat.digest), pieces, use_multipart=True, chunk_size=part, max_concurrency=4
            )

    def _pieces(self, digest: Digest) -> Iterable[tuple[str, int]]:
        """Return the pieces of an unfinished upload that join without a gap, in order."""
        with self._talking(f"look for an unfinished upload of {digest}"):
            found = {i["path"]: i["size"] for page in self._obs.list(self._store, _partial_key(digest)) for i in page}
        joined, start = [], 0
        while (size := found.get(_piece_key(digest, start), 0)) > 0:
            joined.append((_piece_key(digest, start), size))
            start += size
        return joined

    def _assemble(self, stat: BlobStat) -> None:
        """Join the pieces into the blob; `checked` breaks the write off before its end if they do not match."""
        keys = [key for key, _ in self._pieces(stat.digest)]
        # Verified in a pass of its own: an object must not appear under a digest that it does not have.
        counted = content.Counted(stat.size)
        for piece in self._joined(keys, stat.digest):
            counted.add(piece)
        if counted.digest != stat.digest:
            self._drop(keys, stat.digest)
            raise content.upload_refused(stat.digest, counted.digest)
        self._write(stat, content.checked(self._joined(keys, stat.digest), stat.digest))
        self._drop(keys, stat.digest)

    def _joined(self, keys: Iterable[str], digest: Digest) -> Iterator[bytes]:
        for key in keys:
            yield from self._stream(key, digest)

    def _drop(self, keys: Iterable[str], digest: Digest) -> None:
        with self._talking(f"remove the pieces of {digest}"):
            self._obs.delete(self._store, tuple(keys))

    @contextmanager
    def _talking(self, doing: str, *, definite: bool = True) -> Iterator[None]:
        """Turn what obstore raises into a StorageError that names the bucket."""
        try:
            yield
        except (self._obs.exceptions.BaseError, OSError) as error:
            reason = _reason(error)
            # obstore gives a refused listing no class of its own.
            denied = any(word in reason for word in ("403 Forbidden", "401 Unauthorized"))
            raise StorageError(
                f"bucket {self._bucket.name}: could not {doing}: {reason}",
                code="permission-denied" if denied else "bucket",
                hint="check the access key, its secret and the bucket's policy"
                if denied
                else "check the bucket's name, endpoint and region, then run it again: it can be repeated",
                definite=definite or denied,
            ) from error


def _reason(error: Exception) -> str:
    """Return the first paragraph of what obstore says; the rest is its internal state."""
    return str(error).partition("\n\n")[0][:500]


def _key(digest: Digest) -> str:
    return f"sha256/{content.sha256_name(digest)}"


def _partial_key(digest: Digest) -> str:
    return f"partial/{content.sha256_name(digest)}"


def _piece_key(digest: Digest, start: int) -> str:
    return f"{_partial_key(digest)}/{start:016x}"


def _settings(bucket: Bucket) -> dict[str, Any]:
    named = {
        "endpoint": bucket.endpoint,
        "region": bucket.region,
        "access_key_id": bucket.access_key_id,
        "secret_access_key": bucket.secret_access_key,
    }
    return {name: value for name, value in named.items() if value}


def _obstore() -> ModuleType:
    try:
        import obstore
        import obstore.exceptions
        import obstore.store
    except ImportError as error:
        raise ConfigError(
            "blobs in a bucket need obstore", code="extra-missing", hint="pip install 'mooring[s3]'"
        ) from error
    return obstore
