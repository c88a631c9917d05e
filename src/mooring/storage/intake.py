"""Keeping many files as blobs at once: waiting for the disk or the network is done side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mooring.records.digest import Digest
from mooring.storage.atomic import translating
from mooring.storage.port import BlobStat, BlobStore

__all__ = ["keep_files"]

_THREADS = 8


def keep_files(
    store: BlobStore, files: Iterable[tuple[Digest, Path]], *, progress: Callable[[int], None] | None = None
) -> None:
    """Keep each file under the digest that it was hashed to; an upload that broke goes on where it stopped.

    `progress` is called from this thread with the bytes kept so far. Raises what `BlobStore.resume` raises, for the
    first file in order that fails: CorruptError `blob-upload` if it changed since it was hashed. Those before it are
    kept.
    """
    paths: dict[Digest, Path] = {}
    copies: Counter[Digest] = Counter()
    for digest, path in files:  # two uploads of the same bytes would get in each other's way
        paths.setdefault(digest, path)
        copies[digest] += 1
    done = 0
    with ThreadPoolExecutor(_THREADS, "intake") as pool:
        try:
            for stat in pool.map(lambda file: _keep(store, *file), paths.items()):
                done += stat.size * copies[stat.digest]
                if progress:
                    progress(done)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _keep(store: BlobStore, digest: Digest, path: Path) -> BlobStat:
    with translating(f"read {path}"), path.open("rb") as file:
        return store.resume(digest, file)
