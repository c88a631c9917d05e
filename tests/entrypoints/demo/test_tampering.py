"""One changed byte is noticed wherever it lies, with a reason, and the drill leaves everything as it was."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.entrypoints.demo.conftest import Served

from mooring.entrypoints.demo import tampering
from mooring.entrypoints.demo.training import Rows
from mooring.proofs.report import Outcome
from mooring.proofs.verify import verify_bytes
from mooring.workflows.export import export_version

CODES = {
    "weights": {"blob-corrupt"},
    "tile": {"tile"},
    "index": {"index-corrupt", "index-differs"},
    "attestation": {"inclusion-proof"},
    "receipt": {"inclusion-proof"},
    "bundle": {"inclusion-proof"},
}


def test_every_change_is_noticed_for_its_own_reason_and_undone(served: Served, patients: Rows) -> None:
    session = served.session
    answer = served.client.ask("breast", patients.features[0])
    until = time.monotonic() + 30
    while session.logs()[1].sealed <= answer.receipt.index and time.monotonic() < until:
        time.sleep(0.05)
    session.anchor()
    bundle = export_version(session.deployment, "breast@1", receipts=[answer.receipt.index]).to_bytes()
    trust, now_s = session.trust(), int(time.time()) + 2
    drills: dict[str, Callable[[], str]] = {
        "weights": lambda: tampering.in_weights(session, "breast@1"),
        "tile": lambda: tampering.in_tile(session),
        "index": lambda: tampering.in_index(session),
        "attestation": lambda: tampering.in_attestation(bundle, trust, now_s),
        "receipt": lambda: tampering.in_receipt(bundle, trust, now_s),
        "bundle": lambda: tampering.in_bundle(bundle, trust, now_s),
    }
    for name, drill in drills.items():
        assert drill() in CODES[name], name
    session.check_index()
    session.scrub_receipts()
    assert session.models().load("breast", "1")
    assert verify_bytes(bundle, trust, now_s=now_s).outcome == Outcome.PROVED


def test_what_is_not_noticed_has_no_reason(served: Served) -> None:
    assert tampering._reason(lambda: None) == ""
    session = served.session
    session.deployment.follow()
    bundle = export_version(session.deployment, "cells@1").to_bytes()
    assert tampering._verified(bundle, session.trust(), int(time.time()) + 2) == ""


@pytest.mark.parametrize("at", [0, 3, -1])
def test_a_flip_changes_one_bit_and_flipping_again_undoes_it(at: int) -> None:
    data = b"some bytes"
    at %= len(data)
    flipped = tampering.flip(data, at)
    assert sum(bin(a ^ b).count("1") for a, b in zip(data, flipped, strict=True)) == 1
    assert tampering.flip(flipped, at) == data


def test_a_file_is_as_it_was_even_if_the_drill_fails(tmp_path: Path) -> None:
    path = tmp_path / "blob"
    path.write_bytes(b"weights")
    path.chmod(0o444)
    with pytest.raises(KeyError, match="weightr"), tampering._changed(path, -1):
        dict[bytes, bytes]()[path.read_bytes()]
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"weights", 0o444)
