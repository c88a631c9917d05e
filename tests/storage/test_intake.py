"""Many files at once."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from mooring.errors import CorruptError, StorageError
from mooring.records.digest import Digest, sha256
from mooring.storage.blobs import LocalBlobs
from mooring.storage.intake import keep_files
from mooring.storage.port import BlobStore


def write(folder: Path, count: int) -> list[tuple[Digest, Path]]:
    files = []
    for number in range(count):
        path = folder / f"{number:04}"
        path.write_bytes(b"%d" % number * 100)
        files.append((sha256(path.read_bytes()), path))
    return files


def test_all_files_are_kept_under_their_digests(blobs: BlobStore, tmp_path: Path) -> None:
    files = write(tmp_path, 30)
    seen: list[int] = []
    keep_files(blobs, [*files, files[3]], progress=seen.append)
    assert {stat.digest for stat in blobs.list()} == {digest for digest, _ in files}
    assert seen[-1] == sum(path.stat().st_size for _, path in [*files, files[3]])
    assert seen == sorted(seen)
    for digest, path in files:
        assert blobs.read_all(digest) == path.read_bytes()


def test_many_copies_of_the_same_bytes_do_not_get_in_each_others_way(blobs: BlobStore, tmp_path: Path) -> None:
    files = []
    for number in range(20):
        (tmp_path / f"{number}").write_bytes(b"the same")
        files.append((sha256(b"the same"), tmp_path / f"{number}"))
    seen: list[int] = []
    keep_files(blobs, files, progress=seen.append)
    assert seen == [20 * 8]
    assert len(list(blobs.list())) == 1


def test_nothing_to_keep_is_no_error(blobs: BlobStore) -> None:
    keep_files(blobs, [])
    assert list(blobs.list()) == []


def test_a_file_that_changed_since_it_was_hashed_is_refused_and_the_others_stay_whole(
    blobs: BlobStore, tmp_path: Path
) -> None:
    files = write(tmp_path, 30)
    files[7][1].write_bytes(b"changed")
    with pytest.raises(CorruptError) as caught:
        keep_files(blobs, files)
    assert caught.value.code == "blob-upload"
    assert str(files[7][0]) in caught.value.message
    kept = {stat.digest for stat in blobs.list()}
    assert kept >= {digest for digest, _ in files[:7]}
    assert files[7][0] not in kept
    keep_files(blobs, [*files[:7], *files[8:]])


def test_a_file_that_is_gone_is_named(blobs: BlobStore, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="nowhere"):
        keep_files(blobs, [(sha256(b""), tmp_path / "nowhere")])


def test_a_thousand_small_files_do_not_wait_for_one_another(tmp_path: Path) -> None:
    files = write(tmp_path, 1000)
    store = LocalBlobs.create(tmp_path / "blobs")
    start = time.perf_counter()
    keep_files(store, files)
    taken = time.perf_counter() - start
    print(f"1,000 small files kept in {taken:.2f} s on {os.cpu_count()} cores")
    assert len(list(store.list())) == 1000
    assert taken < 30  # some 0.3 s on an idle disk
