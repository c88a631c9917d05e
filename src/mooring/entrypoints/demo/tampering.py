"""One byte changed, in each place where evidence lies: what notices it, and with which reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from mooring.errors import MooringError
from mooring.proofs.bundle import Bundle, Entry
from mooring.proofs.trust import Trust
from mooring.proofs.verify import verify_bytes
from mooring.wiring.session import Session
from mooring.workflows.load import load_model, model_file
from mooring.workflows.register import manifest_at
from mooring.workflows.versions import find

__all__ = ["flip", "in_attestation", "in_bundle", "in_index", "in_receipt", "in_tile", "in_weights"]


def flip(data: bytes, at: int) -> bytes:
    """Return the bytes with the lowest bit of one of them changed."""
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def in_weights(session: Session, name: str) -> str:
    """Change a byte of the model's file in the blob store and load it as the gateway does."""
    deployment = session.deployment
    version = find(deployment.follow(), name)
    digest = model_file(manifest_at(deployment, version)).digest
    with _changed(session.blob_path(digest), -1):
        return _reason(lambda: load_model(deployment.blobs, version))


def in_tile(session: Session) -> str:
    """Change a byte of a published tile of the receipts log and check the log."""
    path = sorted(session.published("receipts").glob("tile/0/**/*"))
    tile = next(item for item in path if item.is_file())
    with _changed(tile, 7):
        return _reason(session.scrub_receipts)


def in_index(session: Session) -> str:
    """Change a byte of a row in the index's file and compare the index with log and ledger."""
    key = session.deployment.keys.public("hospital-attest").keyid.encode()
    path = next(item for item in session.index_files() if key in item.read_bytes())
    with _changed(path, path.read_bytes().rindex(key)):
        return _reason(session.check_index)


def in_attestation(bundle: bytes, trust: Trust, now_s: int) -> str:
    """Change a byte of the model's attestation inside the bundle."""
    return _in_entry(bundle, trust, now_s, "/records")


def in_receipt(bundle: bytes, trust: Trust, now_s: int) -> str:
    """Change a byte of a receipt inside the bundle."""
    return _in_entry(bundle, trust, now_s, "/receipts")


def in_bundle(bundle: bytes, trust: Trust, now_s: int) -> str:
    """Change a byte of the bundle's file, in an inclusion path."""
    return _verified(flip(bundle, bundle.index(b'"path":["') + 12), trust, now_s)


def _in_entry(bundle: bytes, trust: Trust, now_s: int, log: str) -> str:
    parsed = Bundle.from_bytes(bundle)
    place = next(i for i, entry in enumerate(parsed.entries) if entry.origin.endswith(log))
    entry = parsed.entries[place]
    changed = Entry(entry.origin, entry.index, flip(entry.data, len(entry.data) // 2), entry.path)
    entries = (*parsed.entries[:place], changed, *parsed.entries[place + 1 :])
    return _verified(replace(parsed, entries=entries).to_bytes(), trust, now_s)


def _verified(bundle: bytes, trust: Trust, now_s: int) -> str:
    refuted = verify_bytes(bundle, trust, now_s=now_s).refuted()
    return refuted[0].code if refuted else ""


def _reason(act: Callable[[], object]) -> str:
    try:
        act()
    except MooringError as error:
        return error.code
    return ""


@contextmanager
def _changed(path: Path, at: int) -> Iterator[None]:
    """Change one byte of a file for as long as the block lasts."""
    original, mode = path.read_bytes(), path.stat().st_mode
    path.chmod(mode | 0o200)
    path.write_bytes(flip(original, at % len(original)))
    try:
        yield
    finally:
        path.write_bytes(original)
        path.chmod(mode)
