"""A witnessed log as the ledger: `tlog:///folder`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from mooring.ledger.tlog import TlogLedger, TlogSettings
from mooring.proofs.note import Signature, VerifierKey, sign
from mooring.storage.filelog import FileLog
from mooring.storage.port import KeyManagement
from mooring.wiring import stores
from mooring.wiring.config import ANCHORER, Config
from mooring.wiring.home import Home
from mooring.workflows.deployment import Witness
from mooring.workflows.witness import cosignature, raw_key, witness_key

__all__ = ["found_log", "is_log", "log_ledger"]

_KEY = "log-ledger"
_LOCK_WAIT_S = 30.0


def is_log(config: Config) -> bool:
    """Return whether the configured ledger is a log."""
    return urlsplit(config.ledger.url).scheme == "tlog"


def found_log(home: Home, config: Config, keys: stores.Keys, members: Sequence[tuple[str, bytes, int]]) -> None:
    """Write the ledger's first entry, once: its members and their threshold."""
    FileLog(_folder(home, config), _origin(config), wait_s=_LOCK_WAIT_S).close()
    with log_ledger(home, config, keys) as ledger:
        ledger.found(ANCHORER, config.deployment, members, config.threshold)


@contextmanager
def log_ledger(home: Home, config: Config, keys: stores.Keys) -> Iterator[TlogLedger]:
    """Open the log that serves as the ledger; it is held for writing only while something is submitted."""
    reader = FileLog(_folder(home, config), _origin(config), read_only=True)
    try:
        yield TlogLedger(reader, _settings(home, config, keys), keys, write=lambda: _writing(home, config))
    finally:
        reader.close()


def _settings(home: Home, config: Config, keys: stores.Keys) -> TlogSettings:
    key = VerifierKey(_origin(config), raw_key(keys.public(_KEY)))
    held = stores.witnesses(home, config, keys)
    return TlogSettings(
        log_key=key,
        seal=lambda text: [sign(text, key, lambda message: keys.sign(_KEY, message))],
        witness_keys=tuple(witness_key(config.deployment, keys, witness) for witness in held),
        witnesses=tuple(_asks(config, keys, witness) for witness in held),
        witnesses_required=config.witnesses_required,
        operators=config.ledger.operators,
    )


def _asks(
    config: Config, keys: KeyManagement, witness: Witness
) -> Callable[[bytes, Callable[[int, int], Sequence[bytes]]], Sequence[Signature]]:
    def ask(note: bytes, consistency: Callable[[int, int], Sequence[bytes]]) -> Sequence[Signature]:
        return [cosignature(config.deployment, keys, witness, note, consistency, int(time.time()))]

    return ask


@contextmanager
def _writing(home: Home, config: Config) -> Iterator[FileLog]:
    log = FileLog(_folder(home, config), _origin(config), wait_s=_LOCK_WAIT_S)
    try:
        yield log
    finally:
        log.close()


def _origin(config: Config) -> str:
    return f"{config.deployment}/ledger"


def _folder(home: Home, config: Config) -> Path:
    return home.resolve(urlsplit(config.ledger.url).path.lstrip("/") or "ledger")
