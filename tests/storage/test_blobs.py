"""Blobs in a folder: durability, corruption, and what a disk can do to them."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mooring.errors import BusyError, CorruptError, StorageError
from mooring.records.digest import sha256
from mooring.storage.blobs import LocalBlobs

MIB = 1 << 20


@pytest.fixture
def store(tmp_path: Path) -> LocalBlobs:
    return LocalBlobs.create(tmp_path / "blobs")


def path_of(tmp_path: Path, data: bytes) -> Path:
    name = sha256(data).hex
    return tmp_path / "blobs" / "sha256" / name[:2] / name


def overwrite(path: Path, data: bytes) -> None:
    path.chmod(0o600)
    path.write_bytes(data)


def test_a_blob_lies_under_its_digest_and_is_read_only(store: LocalBlobs, tmp_path: Path) -> None:
    store.put(b"weights")
    path = path_of(tmp_path, b"weights")
    assert path.read_bytes() == b"weights"
    assert path.stat().st_mode & 0o777 == 0o444


def test_a_second_store_on_the_folder_sees_the_blobs(store: LocalBlobs, tmp_path: Path) -> None:
    store.put(b"weights")
    assert LocalBlobs(tmp_path / "blobs").read_all(sha256(b"weights")) == b"weights"


def test_a_folder_that_is_no_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError) as caught:
        LocalBlobs(tmp_path)
    assert caught.value.code == "blob-store-missing"


@pytest.mark.parametrize("where", [0, 3 * MIB // 2, 3 * MIB - 1])
def test_a_flipped_byte_is_found_before_the_last_chunk_is_handed_over(
    store: LocalBlobs, tmp_path: Path, where: int
) -> None:
    data = os.urandom(3 * MIB)
    digest = store.put(data).digest
    wrong = bytearray(data)
    wrong[where] ^= 1
    overwrite(path_of(tmp_path, data), bytes(wrong))
    handed: list[bytes] = []
    with pytest.raises(CorruptError) as caught:
        handed.extend(store.read(digest))
    assert caught.value.code == "blob-corrupt"
    assert str(digest) in caught.value.message
    assert len(b"".join(handed)) < len(data)
    with pytest.raises(CorruptError):
        store.read_all(digest)


@pytest.mark.parametrize("size", [0, 1, MIB, 2 * MIB - 1, 2 * MIB + 1])
def test_a_truncated_or_longer_blob_is_refused(store: LocalBlobs, tmp_path: Path, size: int) -> None:
    data = os.urandom(2 * MIB)
    store.put(data)
    overwrite(path_of(tmp_path, data), (data + b"+")[:size])
    with pytest.raises(CorruptError):
        list(store.read(sha256(data)))


def test_putting_the_bytes_again_heals_a_truncated_blob(store: LocalBlobs, tmp_path: Path) -> None:
    store.put(b"weights")
    overwrite(path_of(tmp_path, b"weights"), b"wei")
    store.put(b"weights")
    assert store.read_all(sha256(b"weights")) == b"weights"


def test_putting_the_same_bytes_leaves_the_file_alone(store: LocalBlobs, tmp_path: Path) -> None:
    store.put(b"weights")
    before = path_of(tmp_path, b"weights").stat()
    store.put(b"weights")
    after = path_of(tmp_path, b"weights").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_a_resumed_upload_with_a_damaged_beginning_is_refused_and_the_next_one_succeeds(
    store: LocalBlobs, tmp_path: Path
) -> None:
    data = os.urandom(MIB)
    (tmp_path / "blobs" / "partial" / sha256(data).hex).write_bytes(bytes(1000))
    with pytest.raises(CorruptError, match="from the start"):
        _raise_with_hint(store, data)
    assert store.resume(sha256(data), io.BytesIO(data)).size == MIB


def _raise_with_hint(store: LocalBlobs, data: bytes) -> None:
    try:
        store.resume(sha256(data), io.BytesIO(data))
    except CorruptError as error:
        raise CorruptError(error.hint, code=error.code) from error


def test_a_resumed_upload_goes_on_after_the_writer_was_killed(store: LocalBlobs, tmp_path: Path) -> None:
    data = os.urandom(4 * MIB)
    script = f"""
        import io, os, signal
        from pathlib import Path
        from mooring.records.digest import Digest
        from mooring.storage.blobs import LocalBlobs

        class Source(io.BytesIO):
            def read(self, size=-1):
                if self.tell() >= {2 * MIB}:
                    os.kill(os.getpid(), signal.SIGKILL)
                return super().read(size)

        data = Path({str(tmp_path / "data")!r}).read_bytes()
        LocalBlobs(Path({str(tmp_path / "blobs")!r})).resume(Digest.parse("{sha256(data)}"), Source(data))
    """
    (tmp_path / "data").write_bytes(data)
    assert subprocess.run([sys.executable, "-c", textwrap.dedent(script)]).returncode == -9
    assert store.uploaded(sha256(data)) == 2 * MIB
    assert store.resume(sha256(data), io.BytesIO(data)).size == len(data)
    assert store.read_all(sha256(data)) == data


def test_two_uploads_of_one_blob_do_not_mix(store: LocalBlobs) -> None:
    started, go = threading.Event(), threading.Event()
    data = b"x" * 100

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            started.set()
            assert go.wait(10)
            return super().read(size)

    first = threading.Thread(target=store.resume, args=(sha256(data), Slow(data)))
    first.start()
    assert started.wait(10)
    with pytest.raises(BusyError) as caught:
        store.resume(sha256(data), io.BytesIO(data))
    go.set()
    first.join()
    assert caught.value.code == "blob-upload-busy"
    assert store.read_all(sha256(data)) == data


def test_many_writers_of_the_same_and_other_blobs_agree(store: LocalBlobs) -> None:
    def write(offset: int) -> None:
        for n in range(30):
            store.put(str((n + offset) % 30).encode() * 100)

    threads = [threading.Thread(target=write, args=(n * 7,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {stat.digest for stat in store.list()} == {sha256(str(n).encode() * 100) for n in range(30)}


def test_what_a_dead_writer_left_is_swept_and_a_living_writer_is_left_alone(store: LocalBlobs, tmp_path: Path) -> None:
    incoming = tmp_path / "blobs" / "incoming"
    old = time.time() - 7200
    (incoming / "dead").write_bytes(b"half")
    (incoming / "fresh").write_bytes(b"half")
    os.utime(incoming / "dead", (old, old))

    def source() -> Iterator[bytes]:
        yield b"ha"
        mine = next(path for path in incoming.iterdir() if path.name not in ("dead", "fresh"))
        os.utime(mine, (old, old))
        LocalBlobs(tmp_path / "blobs")
        yield b"lf"

    digest = store.put(source()).digest
    assert store.read_all(digest) == b"half"
    assert [path.name for path in incoming.iterdir()] == ["fresh"]


def test_files_that_are_no_blobs_are_not_listed(store: LocalBlobs, tmp_path: Path) -> None:
    stat = store.put(b"weights")
    (path_of(tmp_path, b"weights").parent / "README").write_text("not a blob")
    assert list(store.list()) == [stat]


def test_a_store_whose_folder_vanished_says_so_and_does_not_make_a_new_one(store: LocalBlobs, tmp_path: Path) -> None:
    digest = store.put(b"weights").digest
    shutil.rmtree(tmp_path / "blobs")
    for attempt in (
        lambda: store.put(b"other"),
        lambda: store.read(digest),
        lambda: store.stat(digest),
        lambda: list(store.list()),
        lambda: store.resume(digest, io.BytesIO(b"weights")),
    ):
        with pytest.raises(StorageError) as caught:
            attempt()
        assert caught.value.code == "path-vanished"
        assert str(tmp_path) in caught.value.message
    assert not (tmp_path / "blobs").exists()


def test_a_folder_that_may_not_be_written_is_named(store: LocalBlobs, tmp_path: Path) -> None:
    """In a process without root's privileges, which would pass over the modes."""
    digest = store.put(b"weights").digest
    script = f"""
        import os
        from pathlib import Path
        from mooring.errors import StorageError
        from mooring.records.digest import Digest
        from mooring.storage.blobs import LocalBlobs

        store = LocalBlobs(Path("blobs"))
        if os.getuid() == 0:
            os.setuid(65534)
        assert store.read_all(Digest.parse("{digest}")) == b"weights"
        try:
            store.put(b"other")
        except StorageError as error:
            print(error.code, error.definite, error.message)
    """
    folders = [tmp_path / "blobs" / name for name in ("incoming", "partial", "sha256")]
    tmp_path.chmod(0o755)
    for folder in folders:
        folder.chmod(0o555)
    try:
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(script)], cwd=tmp_path, capture_output=True, text=True, check=True
        )
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert done.stdout.startswith("permission-denied True could not write a blob to blobs")
    assert [stat.digest for stat in store.list()] == [digest]


@pytest.mark.parametrize("how", ["put", "resume"])
def test_a_full_disk_is_named_and_leaves_no_half_blob(small_disk: Path, how: str) -> None:
    store = LocalBlobs.create(small_disk / "blobs")
    kept = store.put(b"k" * 1000)
    data = os.urandom(4 * MIB)
    with pytest.raises(StorageError) as caught:
        store.put(data) if how == "put" else store.resume(sha256(data), io.BytesIO(data))
    assert (caught.value.code, caught.value.definite) == ("disk-full", True)
    assert list(store.list()) == [kept]
    assert list((small_disk / "blobs" / "incoming").iterdir()) == []
    store.delete(sha256(data))
    assert store.put(os.urandom(MIB)).size == MIB
