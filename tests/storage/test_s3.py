"""Blobs in a bucket: conditions, large objects, and what the other side can do."""

from __future__ import annotations

import dataclasses
import io
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from typing import Any

import boto3
import httpx
import pytest

from mooring.errors import CorruptError, StorageError
from mooring.records.digest import sha256
from mooring.storage.s3 import Bucket, S3Blobs

MIB = 1 << 20


@pytest.fixture
def store(bucket: Bucket) -> S3Blobs:
    return S3Blobs(bucket)


@pytest.fixture
def client(bucket: Bucket) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=bucket.endpoint,
        region_name=bucket.region,
        aws_access_key_id=bucket.access_key_id,
        aws_secret_access_key=bucket.secret_access_key,
    )


def key_of(bucket: Bucket, data: bytes) -> str:
    return f"{bucket.prefix}/sha256/{sha256(data).hex}"


def test_another_client_finds_the_blob_under_its_digest(store: S3Blobs, bucket: Bucket, client: Any) -> None:
    store.put(b"weights")
    assert client.get_object(Bucket="artifacts", Key=key_of(bucket, b"weights"))["Body"].read() == b"weights"


def test_a_small_blob_is_not_written_twice(store: S3Blobs, bucket: Bucket, client: Any) -> None:
    store.put(b"weights")
    before = client.head_object(Bucket="artifacts", Key=key_of(bucket, b"weights"))["ResponseMetadata"]
    client.put_object(Bucket="artifacts", Key=key_of(bucket, b"weights"), Body=b"weightS")  # the same size
    store.put(b"weights")
    assert before["HTTPStatusCode"] == 200
    with pytest.raises(CorruptError):  # so the second put left the object alone
        store.read_all(sha256(b"weights"))


def test_of_two_writers_at_once_both_succeed(store: S3Blobs) -> None:
    """Both see no object; the condition `If-None-Match: *` refuses one, which then has nothing left to do."""
    barrier = threading.Barrier(2)
    stats = []

    def write() -> None:
        def source() -> Any:
            yield b"weights"
            barrier.wait(10)

        stats.append(store.put(source()))

    threads = [threading.Thread(target=write) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stats[0] == stats[1]
    assert store.read_all(sha256(b"weights")) == b"weights"


@pytest.mark.parametrize("found", [b"", b"weigh"])
def test_putting_the_bytes_again_heals_an_object_that_was_cut_short(
    store: S3Blobs, bucket: Bucket, client: Any, found: bytes
) -> None:
    client.put_object(Bucket="artifacts", Key=key_of(bucket, b"weights"), Body=found)
    with pytest.raises(CorruptError):
        store.read_all(sha256(b"weights"))
    store.put(b"weights")
    assert store.read_all(sha256(b"weights")) == b"weights"


def test_a_large_blob_goes_up_in_parts(store: S3Blobs, bucket: Bucket, client: Any) -> None:
    data = os.urandom(40 * MIB)
    assert store.put(data).size == len(data)
    head = client.head_object(Bucket="artifacts", Key=key_of(bucket, data), PartNumber=1)
    assert head["PartsCount"] == 5
    assert store.read_all(sha256(data)) == data


def test_a_flipped_byte_in_the_bucket_is_found_before_the_last_chunk(
    store: S3Blobs, bucket: Bucket, client: Any
) -> None:
    data = os.urandom(3 * MIB)
    wrong = bytearray(data)
    wrong[10] ^= 1
    store.put(data)
    client.put_object(Bucket="artifacts", Key=key_of(bucket, data), Body=bytes(wrong))
    handed: list[bytes] = []
    with pytest.raises(CorruptError) as caught:
        handed.extend(store.read(sha256(data)))
    assert caught.value.code == "blob-corrupt"
    assert len(b"".join(handed)) < len(data)


def test_a_damaged_piece_of_an_unfinished_upload_is_refused(store: S3Blobs, bucket: Bucket, client: Any) -> None:
    data = os.urandom(9 * MIB)
    name = sha256(data).hex
    client.put_object(Bucket="artifacts", Key=f"{bucket.prefix}/partial/{name}/{0:016x}", Body=bytes(MIB))
    with pytest.raises(CorruptError) as caught:
        store.resume(sha256(data), io.BytesIO(data))
    assert caught.value.code == "blob-upload"
    assert list(store.list()) == []
    assert store.resume(sha256(data), io.BytesIO(data)).size == len(data)


def test_a_piece_after_a_gap_is_written_again(store: S3Blobs, bucket: Bucket, client: Any) -> None:
    data = os.urandom(9 * MIB)
    stray = f"{bucket.prefix}/partial/{sha256(data).hex}/{8 * MIB:016x}"
    client.put_object(Bucket="artifacts", Key=stray, Body=b"from an older upload")
    assert store.uploaded(sha256(data)) == 0
    assert store.resume(sha256(data), io.BytesIO(data)).size == len(data)


@pytest.fixture
def guarded(s3_endpoint: str) -> Iterator[None]:
    """The server checks who asks, and knows nobody, while the test runs."""
    httpx.post(f"{s3_endpoint}/moto-api/reset-auth", content=b"0").raise_for_status()
    yield
    httpx.post(f"{s3_endpoint}/moto-api/reset-auth", content=b"inf").raise_for_status()


def test_a_key_that_the_bucket_does_not_know_is_denied(
    store: S3Blobs, request: pytest.FixtureRequest, bucket: Bucket
) -> None:
    store.put(b"weights")
    request.getfixturevalue("guarded")
    for attempt in (lambda: S3Blobs(bucket), lambda: store.put(b"other"), lambda: store.stat(sha256(b"weights"))):
        with pytest.raises(StorageError) as caught:
            attempt()
        assert caught.value.code == "permission-denied"
        assert "secret" not in caught.value.message


def test_objects_that_are_no_blobs_are_not_listed(store: S3Blobs, bucket: Bucket, client: Any) -> None:
    stat = store.put(b"weights")
    client.put_object(Bucket="artifacts", Key=f"{bucket.prefix}/sha256/README", Body=b"not a blob")
    assert list(store.list()) == [stat]


def test_a_writer_that_is_overtaken_between_its_two_looks_succeeds(
    store: S3Blobs, bucket: Bucket, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It saw no object; when it writes, one is there: whole, or cut short by something else."""
    sizes = iter([None, 7, None, 3])
    monkeypatch.setattr(store, "_size", lambda key: next(sizes))
    client.put_object(Bucket="artifacts", Key=key_of(bucket, b"weights"), Body=b"weightS")
    store.put(b"weights")
    assert client.get_object(Bucket="artifacts", Key=key_of(bucket, b"weights"))["Body"].read() == b"weightS"
    store.put(b"weights")
    assert client.get_object(Bucket="artifacts", Key=key_of(bucket, b"weights"))["Body"].read() == b"weights"


def test_a_bucket_that_does_not_exist_is_named(bucket: Bucket) -> None:
    with pytest.raises(StorageError, match="bucket elsewhere") as caught:
        S3Blobs(dataclasses.replace(bucket, name="elsewhere"))
    assert caught.value.code == "bucket"
    assert "NoSuchBucket" in caught.value.message


def test_an_endpoint_where_nobody_listens_is_an_error_and_not_a_hang(bucket: Bucket) -> None:
    with pytest.raises(StorageError) as caught:
        S3Blobs(dataclasses.replace(bucket, endpoint="http://127.0.0.1:9", timeout_s=1))
    assert caught.value.code == "bucket"


def test_the_secret_is_not_in_what_the_bucket_says_of_itself(bucket: Bucket) -> None:
    assert "artifacts" in repr(bucket)
    assert "secret'" not in repr(bucket)


def test_without_obstore_the_error_names_the_extra() -> None:
    script = """
        import sys
        sys.modules["obstore"] = None
        from mooring.errors import ConfigError
        from mooring.storage.s3 import Bucket, S3Blobs
        try:
            S3Blobs(Bucket("artifacts"))
        except ConfigError as error:
            print(error.code, error.hint)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True)
    assert done.stdout == "extra-missing pip install 'mooring[s3]'\n"
