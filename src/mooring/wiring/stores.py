"""The stores of a deployment: keys, data keys, blobs, logs, checkpoints."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

from mooring.errors import ConfigError
from mooring.storage.blobs import LocalBlobs
from mooring.storage.datakeys import DataKeys
from mooring.storage.filelog import FileLog
from mooring.storage.keyenv import EnvironmentKeys
from mooring.storage.keyfiles import KeyFiles
from mooring.storage.notes import SeenCheckpoints
from mooring.storage.passphrase import Cost
from mooring.storage.port import BlobStore
from mooring.wiring import passphrase
from mooring.wiring.config import Config
from mooring.wiring.home import Home
from mooring.workflows.deployment import Witness

__all__ = ["Keys", "make_blobs", "make_logs", "open_blobs", "open_keys", "open_log", "open_secrets", "witnesses"]

Keys = KeyFiles | EnvironmentKeys

_WRAPPING = "people"
_LOCK_WAIT_S = 30.0
_LOCAL_COST = Cost(n=1 << 14)  # a random 256-bit passphrase needs no stretching; the least the store takes


def open_keys(home: Home, config: Config) -> Keys:
    """Return the configured key store: encrypted files, or the environment (read only)."""
    if config.storage.keys == "env:":
        return EnvironmentKeys()
    cost = _LOCAL_COST if home.passphrase.exists() else None
    return KeyFiles(home.keys, passphrase.source(home), cost=cost)


def open_secrets(home: Home, keys: Keys) -> DataKeys:
    """Return the store of people's data keys, wrapped under a key of the key store."""
    return DataKeys(home.secrets, keys.wrapping_key(_WRAPPING))


def open_blobs(home: Home, config: Config) -> BlobStore:
    """Return the configured blob store: `file:<folder>` or `s3://bucket/prefix?endpoint=…&region=…`."""
    url = urlsplit(config.storage.blobs)
    if url.scheme == "file":
        return LocalBlobs(home.resolve(url.path))
    if url.scheme != "s3" or not url.netloc:
        raise ConfigError(
            f"storage.blobs {config.storage.blobs[:100]!r}",
            code="config",
            hint="expected file:folder or s3://bucket/prefix",
        )
    from mooring.storage.s3 import Bucket, S3Blobs

    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    return S3Blobs(
        Bucket(url.netloc, url.path.strip("/") or "mooring", query.get("endpoint", ""), query.get("region", ""))
    )


def make_blobs(home: Home, config: Config) -> None:
    """Make the local blob store if it is one and is not there."""
    url = urlsplit(config.storage.blobs)
    if url.scheme == "file":
        LocalBlobs.create(home.resolve(url.path))


def make_logs(home: Home, config: Config) -> None:
    """Make the empty logs if they are not there."""
    for name in ("records", "receipts"):
        origin = f"{config.deployment}/{name}"
        if not home.log(origin).exists():
            FileLog(home.log(origin), origin).close()


@contextmanager
def open_log(home: Home, origin: str, *, read_only: bool) -> Iterator[FileLog]:
    """Open a log for as long as it is needed; a writer waits for another one to finish."""
    log = FileLog(home.log(origin), origin, read_only=read_only, wait_s=_LOCK_WAIT_S)
    try:
        yield log
    finally:
        log.close()


def witnesses(home: Home, config: Config, keys: Keys) -> tuple[Witness, ...]:
    """Return the witnesses whose keys are in this key store."""
    held = set(keys.names())
    found = []
    for organisation in config.organisations:
        key = f"{organisation.name}-witness"
        if key in held:
            seen = SeenCheckpoints(home.witness(organisation.name))
            found.append(Witness(organisation.name, key, seen.last, seen.remember))
    return tuple(found)
