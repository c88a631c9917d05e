"""Hashing an artifact into a manifest, at the speed of the machine, and checking an artifact against one.

Algorithms of a file's digest:

    sha256          SHA-256 of its bytes (FIPS 180-4)
    sha256-sharded  SHA-256("mooring/sha256-sharded/v1" || 0x00 || shard size || file size || SHA-256 of each shard in
                    order), sizes in 8 bytes, big-endian: shards are hashed in parallel
    blake3          BLAKE3 of its bytes: a tree by itself, hashed in parallel
"""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from blake3 import blake3

from mooring.errors import CorruptError, StorageError
from mooring.records.digest import Digest
from mooring.records.manifest import Manifest, Resource
from mooring.storage.tree import OpenFile, Tree

__all__ = ["SHARD", "Algorithm", "Progress", "hash_file", "hash_tree", "verify_tree"]

Algorithm = Literal["sha256", "sha256-sharded", "blake3"]
Progress = Callable[[int, int], None]
"""Called with bytes done and bytes in all; from any thread, but never twice at once."""

SHARD = 1 << 24
"""Bytes in a shard, unless the caller sets another size between 10^6 and 10^9."""

_SHARD_DOMAIN = b"mooring/sha256-sharded/v1\0"
_BLOCK = 1 << 20
_WIDE_BLOCK = 4 << 20
_LARGE = 8 << 20
_WINDOW = 1 << 30
_BATCH_FILES = 256
_UNKNOWN = Digest("sha256", bytes(32))


def hash_tree(
    path: Path,
    *,
    algorithm: Algorithm = "sha256",
    threads: int | None = None,
    shard_size: int = SHARD,
    progress: Progress | None = None,
) -> Manifest:
    """Return the manifest of a file or of every file in a folder.

    `threads` is at most how many cores are used (None: all). Raises NotFoundError `artifact-not-found`; StorageError
    `artifact-empty`, `artifact-link`, `artifact-kind`, `artifact-name`, `artifact-changing`, or what the system says of
    a file that cannot be read, by its name; RecordError for names that collide where case is ignored.
    """
    with Tree(path) as tree:
        plan = _plan(tree)
        with _Work(tree, threads, shard_size, _Meter(progress, plan)) as work:
            digests = work.digests([(resource, algorithm) for resource in plan.resources])
    return Manifest(tuple(Resource(r.name, digests[r.name], r.size) for r in plan.resources))


def hash_file(path: Path, *, algorithm: Algorithm = "sha256", threads: int | None = None) -> Resource:
    """Return the resource of one file; raises like `hash_tree`, and `artifact-kind` for a folder."""
    if path.is_dir():
        raise StorageError(f"{path} is a folder", code="artifact-kind", hint="name a file")
    (resource,) = hash_tree(path, algorithm=algorithm, threads=threads).resources
    return resource


def verify_tree(
    manifest: Manifest,
    path: Path,
    *,
    threads: int | None = None,
    shard_size: int = SHARD,
    progress: Progress | None = None,
) -> None:
    """Return if the artifact at `path` has exactly the manifest's files, each with its digest.

    Commitments are not files and are passed over. An artifact that is one file may have any name. Raises CorruptError
    that names the first file, in the order of names: `artifact-missing`, `artifact-extra`, `artifact-differs`.
    """
    files = [resource for resource in manifest.resources if resource.digest.algorithm != "commitment-sha256"]
    with Tree(path) as tree:
        found = _plan(tree)
        if tree.is_file and len(files) == 1:
            files = [Resource(found.resources[0].name, files[0].digest, files[0].size)]
        _compare_names(path, files, found)
        with _Work(tree, threads, shard_size, _Meter(progress, found)) as work:
            digests = work.digests([(resource, resource.digest.algorithm) for resource in files])
    for resource in files:
        if digests[resource.name] != resource.digest:
            raise _differs(path, resource, f"has {digests[resource.name]}")


def _plan(tree: Tree) -> Manifest:
    """Return the manifest with no digest filled in yet: names are checked before time is spent on hashing."""
    files = tree.files()
    if not any(size for _, size in files):
        raise StorageError(
            f"{tree.path} holds no bytes", code="artifact-empty", hint="name the file or folder that holds the artifact"
        )
    return Manifest.of(Resource(name, _UNKNOWN, size) for name, size in files)


def _compare_names(path: Path, files: Sequence[Resource], found: Manifest) -> None:
    expected = {resource.name: resource for resource in files}
    present = {resource.name: resource for resource in found.resources}
    for name in sorted(expected.keys() | present.keys()):
        if name not in present:
            raise CorruptError(f"{name} of {path} is missing", code="artifact-missing", hint="fetch the artifact again")
        if name not in expected:
            raise CorruptError(
                f"{name} of {path} is not in the manifest", code="artifact-extra", hint="remove it, if it is not yours"
            )
        if present[name].size != expected[name].size:
            raise _differs(path, expected[name], f"has {present[name].size} bytes instead of {expected[name].size}")


def _differs(path: Path, resource: Resource, how: str) -> CorruptError:
    return CorruptError(
        f"{resource.name} of {path} is not the file that was registered: it {how}",
        code="artifact-differs",
        hint="fetch the artifact again; if it was changed on purpose, register it as a new version",
    )


class _Meter:
    """Adds up what all threads have done."""

    def __init__(self, progress: Progress | None, plan: Manifest) -> None:
        self._progress = progress
        self._total = sum(resource.size for resource in plan.resources)
        self._done = 0
        self._lock = threading.Lock()

    def add(self, count: int) -> None:
        """Report that so many more bytes are hashed."""
        if self._progress:
            with self._lock:
                self._done += count
                self._progress(self._done, self._total)


class _Work:
    """Threads that hash the files of one tree; use it in a `with` block."""

    def __init__(self, tree: Tree, threads: int | None, shard_size: int, meter: _Meter) -> None:
        if not 10**6 <= shard_size <= 10**9:
            raise StorageError(f"a shard of {shard_size} bytes", code="shard-size", hint="choose 10^6 to 10^9 bytes")
        self._tree = tree
        self._threads = threads or len(os.sched_getaffinity(0))
        self._shard_size = shard_size
        self._meter = meter
        self._pool = ThreadPoolExecutor(self._threads, "hashing")

    def __enter__(self) -> _Work:
        return self

    def __exit__(self, failed: object, *_: object) -> None:
        # After a failure threads may still read the tree, which is closed next; after success none has work left.
        self._pool.shutdown(wait=failed is not None, cancel_futures=failed is not None)

    def digests(self, wanted: Sequence[tuple[Resource, str]]) -> Mapping[str, Digest]:
        """Return the digests by name. A large file is hashed by all threads if its algorithm can, else each by one."""
        wide = [(file, kind) for file, kind in wanted if file.size >= _LARGE and kind != "sha256"]
        narrow = [(file, kind) for file, kind in wanted if file.size < _LARGE or kind == "sha256"]
        found: dict[str, Digest] = {}
        for some in self._pool.map(self._narrow, _batches(narrow)):
            found.update(some)
        for file, kind in wide:
            found[file.name] = self._wide(file, kind)
        return found

    def _narrow(self, batch: Sequence[tuple[Resource, str]]) -> dict[str, Digest]:
        return {resource.name: self._one(resource, kind) for resource, kind in batch}

    def _one(self, resource: Resource, kind: str) -> Digest:
        with self._tree.open(resource.name, resource.size) as file:
            if kind == "sha256-sharded":
                shards = [self._shard(file, start) for start in range(0, file.size, self._shard_size)]
                return self._join(file, shards)
            hasher = hashlib.sha256() if kind == "sha256" else blake3()
            for block in _blocks(file, 0, file.size):
                hasher.update(block)
                self._meter.add(len(block))
            return Digest(kind, hasher.digest())

    def _wide(self, resource: Resource, kind: str) -> Digest:
        with self._tree.open(resource.name, resource.size) as file:
            if kind == "sha256-sharded":
                starts = range(0, file.size, self._shard_size)
                return self._join(file, list(self._pool.map(lambda start: self._shard(file, start), starts)))
            hasher = blake3(max_threads=self._threads)
            for window in _windows(file, self._pool):
                hasher.update(window)
                self._meter.add(len(window))
            return Digest(kind, hasher.digest())

    def _shard(self, file: OpenFile, start: int) -> bytes:
        hasher = hashlib.sha256()
        end = min(start + self._shard_size, file.size)
        for block in _blocks(file, start, end):
            hasher.update(block)
        self._meter.add(end - start)
        return hasher.digest()

    def _join(self, file: OpenFile, shards: Iterable[bytes]) -> Digest:
        sizes = self._shard_size.to_bytes(8, "big") + file.size.to_bytes(8, "big")
        return Digest("sha256-sharded", hashlib.sha256(_SHARD_DOMAIN + sizes + b"".join(shards)).digest())


def _batches(files: Iterable[tuple[Resource, str]]) -> Iterator[list[tuple[Resource, str]]]:
    """Yield small files many at a time, since handing over one costs as much as hashing it, and large ones alone."""
    batch: list[tuple[Resource, str]] = []
    size = 0
    for file, kind in files:
        batch.append((file, kind))
        size += file.size
        if len(batch) == _BATCH_FILES or size >= _LARGE:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _blocks(file: OpenFile, start: int, end: int, block: int = _BLOCK) -> Iterator[memoryview]:
    """Yield the bytes from `start` to `end`; each block is valid until the next is taken."""
    view = memoryview(bytearray(min(block, end - start)))
    while start < end:
        count = os.preadv(file.fd, [view[: end - start]], start)
        if count == 0:
            raise file.changing()
        yield view[:count]
        start += count


def _windows(file: OpenFile, pool: ThreadPoolExecutor) -> Iterator[memoryview]:
    """Yield the file mapped into memory, or read into it where mapping is not safe."""
    with _lease(file) as leased:
        if not leased:
            yield from _blocks(file, 0, file.size, _WIDE_BLOCK)
            return
        for start in range(0, file.size, _WINDOW):
            if fcntl.fcntl(file.fd, fcntl.F_GETLEASE) != fcntl.F_RDLCK:
                raise file.changing()
            window = mmap.mmap(file.fd, min(_WINDOW, file.size - start), prot=mmap.PROT_READ, offset=start)
            with memoryview(window) as view:
                yield view
            pool.submit(window.close)  # unmapping takes 12 ms per GiB: nobody needs to wait for it


@contextmanager
def _lease(file: OpenFile) -> Iterator[bool]:
    """Hold off every writer (Linux, fcntl(2) "Leases"); false if that cannot be had.

    Without a lease a file that is truncated while it is mapped would kill the process (SIGBUS). With one, a writer's
    `open` waits, and we see that it does. A file that somebody has open for writing, or that is not ours, has none.
    """
    try:
        # The signal that tells of a waiting writer: one that is ignored unless asked for; the default would kill us.
        fcntl.fcntl(file.fd, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(file.fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError:
        yield False
        return
    try:
        yield True
    finally:
        fcntl.fcntl(file.fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
