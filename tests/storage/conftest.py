"""The stores under test, over the real thing: a folder, and moto's S3 server on loopback."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from mooring.storage.blobs import LocalBlobs
from mooring.storage.port import BlobStore
from mooring.storage.s3 import Bucket, S3Blobs

_PREFIX = itertools.count()


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """The address of an S3 server with an empty bucket named `artifacts`."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    client = boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="id", aws_secret_access_key="secret"
    )
    client.create_bucket(Bucket="artifacts")
    client.close()
    yield endpoint
    server.stop()


@pytest.fixture
def bucket(s3_endpoint: str) -> Bucket:
    """A prefix of the bucket that no other test uses."""
    return Bucket("artifacts", f"test-{next(_PREFIX)}", s3_endpoint, "us-east-1", "id", "secret", timeout_s=10)


@pytest.fixture(params=["local", "s3"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    """Each adapter of the blob port in turn, empty."""
    if request.param == "local":
        return LocalBlobs.create(tmp_path / "blobs")
    return S3Blobs(request.getfixturevalue("bucket"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 2 MiB; needs the right to mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"SKIPPED ALOUD: no right to mount a small disk ({mounted.stderr.strip()})")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)
