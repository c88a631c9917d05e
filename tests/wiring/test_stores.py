"""Where bytes are kept, by the configuration."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import boto3
import msgspec
import pytest
from moto.server import ThreadedMotoServer

from mooring.errors import ConfigError, MooringError, StorageError
from mooring.storage.keyenv import EnvironmentKeys
from mooring.wiring import stores
from mooring.wiring.config import Config, Storage, load
from mooring.wiring.home import Home
from mooring.wiring.session import open_session


def with_storage(home: Path, **fields: str) -> Config:
    return msgspec.structs.replace(load(home / "mooring.toml"), storage=Storage(**fields))


def test_keys_are_files_here_or_the_environment(home: Path) -> None:
    assert "alice" in stores.open_keys(Home(home), load(home / "mooring.toml")).names()
    assert isinstance(stores.open_keys(Home(home), with_storage(home, keys="env:")), EnvironmentKeys)


def test_blobs_lie_in_a_folder_here_or_elsewhere(home: Path, tmp_path: Path) -> None:
    elsewhere = with_storage(home, blobs=f"file:{tmp_path}/blobs")
    stores.make_blobs(Home(home), elsewhere)
    kept = stores.open_blobs(Home(home), elsewhere).put(b"bytes")
    assert stores.open_blobs(Home(home), elsewhere).read_all(kept.digest) == b"bytes"
    assert list((tmp_path / "blobs").rglob("*"))


def test_a_folder_of_blobs_that_is_gone_is_not_made_anew_in_silence(home: Path, tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        stores.open_blobs(Home(home), with_storage(home, blobs=f"file:{tmp_path}/nowhere")).put(b"bytes")


def test_blobs_lie_in_a_bucket(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        _, port = server.get_host_and_port()
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "test")
        endpoint = f"http://127.0.0.1:{port}"
        boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1").create_bucket(Bucket="bucket")
        config = with_storage(home, blobs=f"s3://bucket/some/prefix?endpoint={endpoint}&region=us-east-1")
        stores.make_blobs(Home(home), config)
        kept = stores.open_blobs(Home(home), config).put(b"bytes")
        assert stores.open_blobs(Home(home), config).read_all(kept.digest) == b"bytes"
    finally:
        server.stop()
    with pytest.raises(StorageError):
        stores.open_blobs(Home(home), with_storage(home, blobs=f"s3://nowhere/x?endpoint={endpoint}&region=us-east-1"))


@pytest.mark.parametrize("url", ["ftp://x/y", "s3:///x", "blobs"])
def test_another_place_for_blobs_is_refused(home: Path, url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        stores.open_blobs(Home(home), with_storage(home, blobs=url))
    assert caught.value.code == "config"


def test_witnesses_are_those_whose_keys_are_here(home: Path) -> None:
    config = load(home / "mooring.toml")
    keys = stores.open_keys(Home(home), config)
    assert [witness.organisation for witness in stores.witnesses(Home(home), config, keys)] == [
        "hospital",
        "lab",
        "auditor",
    ]
    assert stores.witnesses(Home(home), config, EnvironmentKeys({})) == ()


def test_a_log_is_held_by_one_writer_and_read_by_any(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "_LOCK_WAIT_S", 0.1)
    origin = "mooring.local/demo/records"
    with stores.open_log(Home(home), origin, read_only=False) as writer:
        writer.append([b"x"])
        with stores.open_log(Home(home), origin, read_only=True) as reader:
            assert reader.size == 1
        with pytest.raises(MooringError) as caught, stores.open_log(Home(home), origin, read_only=False):
            pass
        assert caught.value.code == "log-busy"


def test_a_wrong_passphrase_opens_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOORING_PASSPHRASE", "wrong")
    with pytest.raises(StorageError) as caught, open_session(Home(home)):
        pass
    assert caught.value.code == "passphrase"
    monkeypatch.setenv("MOORING_PASSPHRASE", (home / "passphrase").read_text().strip())
    with open_session(Home(home)) as session:
        assert replace(session.deployment)
