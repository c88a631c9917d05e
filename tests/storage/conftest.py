"""The stores under test, over the real thing: a folder, and moto's S3 server on loopback."""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from glob import glob
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from mooring.storage.blobs import LocalBlobs
from mooring.storage.index_engine import discard
from mooring.storage.port import BlobStore
from mooring.storage.s3 import Bucket, S3Blobs

_PREFIX = itertools.count()
_NOBODY = 65534


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


@pytest.fixture(scope="session")
def postgres() -> Iterator[int]:
    """The port of a PostgreSQL server of our own on loopback; its superuser is `mooring`, with a password."""
    programs = Path((glob("/usr/lib/postgresql/*/bin/initdb") or [shutil.which("initdb") or ""])[-1]).parent
    folder = Path(tempfile.mkdtemp(prefix="mooring-postgres-"))
    user = _NOBODY if os.getuid() == 0 else None  # the server refuses to run as root
    if user is not None:
        os.chown(folder, user, user)
    (folder / "password").write_text("correct-horse")
    (folder / "password").chmod(0o644)
    data = folder / "data"
    initdb = [programs / "initdb", "-D", data, "-U", "mooring", "-A", "scram-sha-256", "--no-sync", "-E", "UTF8"]
    port = _free_port()
    options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories='' -c fsync=off"
    control = [programs / "pg_ctl", "-D", data, "-w", "-l", folder / "log"]

    def run(command: list[str | Path]) -> None:
        subprocess.run(command, check=True, capture_output=True, user=user, cwd=folder, env={"LC_ALL": "C.UTF-8"})

    try:
        run([*initdb, f"--pwfile={folder / 'password'}", "--locale=C.UTF-8"])
        run([*control, "-o", options, "start"])
        try:
            yield port
        finally:
            run([*control, "-m", "immediate", "stop"])
    finally:
        shutil.rmtree(folder)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def index_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'index.sqlite'}"
    url = f"postgresql://mooring:correct-horse@127.0.0.1:{request.getfixturevalue('postgres')}/postgres"
    discard(url)  # emptying is quicker than a database for each test
    return url
