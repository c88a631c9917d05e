"""What every blob store promises, over every adapter."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mooring.errors import CorruptError, NotFoundError, StorageError
from mooring.records.digest import Digest, sha256
from mooring.storage.port import BlobStore

ABSENT = sha256(b"never kept")
PART = 8 << 20


class Broken(io.BytesIO):
    """A source whose connection breaks after so many bytes."""

    def __init__(self, data: bytes, breaks_at: int) -> None:
        super().__init__(data)
        self._breaks_at = breaks_at

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() >= self._breaks_at:
            raise ConnectionError("the line is cut")
        return super().read(size)


class Watched(io.BytesIO):
    """A source that knows from where it was read first."""

    first: int | None = None

    def read(self, size: int | None = -1, /) -> bytes:
        if self.first is None:
            self.first = self.tell()
        return super().read(size)


@pytest.mark.parametrize("data", [b"", b"x", b"line\n" * 1000, bytes(range(256)) * 10_000])
def test_what_is_put_is_read_under_its_sha256(blobs: BlobStore, data: bytes) -> None:
    stat = blobs.put(data)
    assert stat.digest == Digest("sha256", hashlib.sha256(data).digest())
    assert stat.size == len(data)
    assert b"".join(blobs.read(stat.digest)) == data
    assert blobs.read_all(stat.digest) == data
    assert blobs.stat(stat.digest) == stat


@given(pieces=st.lists(st.binary(max_size=100), max_size=5))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_how_a_source_is_cut_into_pieces_does_not_matter(blobs: BlobStore, pieces: list[bytes]) -> None:
    assert blobs.put(iter(pieces)) == blobs.put(b"".join(pieces))


def test_the_same_bytes_again_change_nothing(blobs: BlobStore) -> None:
    first = blobs.put(b"weights")
    assert blobs.put(iter([b"wei", b"ghts"])) == first
    assert list(blobs.list()) == [first]


def test_a_blob_that_was_never_put_is_not_found(blobs: BlobStore) -> None:
    for ask in (blobs.read, blobs.read_all, blobs.stat, lambda digest: blobs.get_range(digest, 0, 1)):
        with pytest.raises(NotFoundError) as caught:
            ask(ABSENT)
        assert caught.value.code == "blob-not-found"
        assert str(ABSENT) in caught.value.message


def test_a_digest_other_than_sha256_names_no_blob(blobs: BlobStore) -> None:
    with pytest.raises(StorageError, match="not by blake3") as caught:
        blobs.read(Digest("blake3", bytes(32)))
    assert caught.value.code == "blob-name"


def test_a_source_over_the_limit_is_refused_and_not_kept(blobs: BlobStore) -> None:
    assert blobs.put(b"12345", limit=5).size == 5
    with pytest.raises(StorageError) as caught:
        blobs.put(iter([b"123", b"456"]), limit=5)
    assert caught.value.code == "blob-size"
    assert [stat.digest for stat in blobs.list()] == [sha256(b"12345")]


def test_read_all_refuses_more_than_was_asked_for(blobs: BlobStore) -> None:
    digest = blobs.put(b"12345").digest
    assert blobs.read_all(digest, limit=5) == b"12345"
    with pytest.raises(StorageError) as caught:
        blobs.read_all(digest, limit=4)
    assert caught.value.code == "blob-size"


def test_a_source_that_breaks_leaves_nothing(blobs: BlobStore) -> None:
    def source() -> Iterator[bytes]:
        yield b"half"
        raise ConnectionError("the line is cut")

    with pytest.raises(ConnectionError):
        blobs.put(source())
    assert list(blobs.list()) == []


def test_a_range_is_cut_where_the_blob_ends(blobs: BlobStore) -> None:
    digest = blobs.put(b"0123456789").digest
    assert blobs.get_range(digest, 2, 3) == b"234"
    assert blobs.get_range(digest, 8, 100) == b"89"
    assert blobs.get_range(digest, 10, 1) == b""
    assert blobs.get_range(digest, 99, 1) == b""


def test_list_is_in_the_order_of_digests_and_shrinks_by_what_is_deleted(blobs: BlobStore) -> None:
    stats = sorted((blobs.put(str(n).encode()) for n in range(20)), key=lambda stat: stat.digest)
    assert list(blobs.list()) == stats
    assert blobs.delete(stats[3].digest) is True
    assert blobs.delete(stats[3].digest) is False
    assert list(blobs.list()) == stats[:3] + stats[4:]
    with pytest.raises(NotFoundError):
        blobs.read(stats[3].digest)


def test_a_broken_upload_goes_on_where_it_stopped(blobs: BlobStore) -> None:
    data = bytes(range(256)) * 4096 * 20  # 20 MiB
    digest = sha256(data)
    with pytest.raises(ConnectionError):
        blobs.resume(digest, Broken(data, PART))
    kept = blobs.uploaded(digest)
    assert PART <= kept < len(data)
    with pytest.raises(NotFoundError):
        blobs.stat(digest)
    again = Watched(data)
    assert blobs.resume(digest, again).size == len(data)
    assert again.first == kept
    assert blobs.read_all(digest) == data
    assert blobs.uploaded(digest) == 0


def test_an_upload_of_other_bytes_than_announced_is_refused_and_dropped(blobs: BlobStore) -> None:
    digest = sha256(b"announced")
    with pytest.raises(CorruptError) as caught:
        blobs.resume(digest, io.BytesIO(b"something else"))
    assert caught.value.code == "blob-upload"
    assert blobs.uploaded(digest) == 0
    assert list(blobs.list()) == []
    assert blobs.resume(digest, io.BytesIO(b"announced")).size == 9


def test_resuming_what_is_kept_already_reads_nothing(blobs: BlobStore) -> None:
    stat = blobs.put(b"kept")
    source = Watched(b"kept")
    assert blobs.resume(stat.digest, source) == stat
    assert source.first is None


def test_a_resumed_upload_over_the_limit_is_refused(blobs: BlobStore) -> None:
    with pytest.raises(StorageError) as caught:
        blobs.resume(sha256(b"12345"), io.BytesIO(b"12345"), limit=4)
    assert caught.value.code == "blob-size"


def test_delete_also_drops_an_unfinished_upload(blobs: BlobStore) -> None:
    data = bytes(PART + 1)
    with pytest.raises(ConnectionError):
        blobs.resume(sha256(data), Broken(data, PART))
    assert blobs.delete(sha256(data)) is False
    assert blobs.uploaded(sha256(data)) == 0


def test_an_empty_blob_can_be_resumed_too(blobs: BlobStore) -> None:
    assert blobs.resume(sha256(b""), io.BytesIO()).size == 0
    assert blobs.read_all(sha256(b"")) == b""
