"""The receipts log of a serving process: one writer, sealed beside it, proved from its newest checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mooring.errors import BusyError, NotFoundError, ProofError
from mooring.proofs.checkpoint import read_checkpoint
from mooring.wiring import receipts as room
from mooring.wiring.home import Home
from mooring.wiring.receipts import Receipts, open_receipts
from mooring.wiring.session import Session, open_session


@pytest.fixture
def session(home: Path) -> Iterator[Session]:
    with open_session(Home(home)) as opened:
        yield opened


@pytest.fixture
def receipts(session: Session) -> Iterator[Receipts]:
    with open_receipts(session.home, session.deployment) as opened:
        yield opened


def test_an_empty_log_has_no_checkpoint_and_is_not_sealed(receipts: Receipts) -> None:
    assert receipts.seal() is None
    for ask in (receipts.checkpoint, lambda: receipts.proof(0)):
        with pytest.raises(NotFoundError) as caught:
            ask()
        assert caught.value.code == "unknown-checkpoint"


def test_what_is_sealed_is_proved_and_what_came_after_is_not_yet(receipts: Receipts) -> None:
    receipts.log.append([b"one", b"two"])
    note = receipts.seal()
    assert note is not None
    assert receipts.seal() == note == receipts.checkpoint()
    receipts.log.append([b"three"])
    assert (receipts.proof(1).size, read_checkpoint(note)[0].size) == (2, 2)
    with pytest.raises(NotFoundError):
        receipts.proof(2)
    assert len(read_checkpoint(note)[1].signatures) == 4


def test_tiles_are_read_by_their_c2sp_paths(receipts: Receipts) -> None:
    receipts.log.append([b"one", b"two"])
    receipts.seal()
    assert len(receipts.tile("tile/0/000.p/2")) == 64
    with pytest.raises(NotFoundError) as caught:
        receipts.tile("tile/0/001")
    assert caught.value.code == "unknown-tile"
    for path in ("../../passphrase", "tile/0/../../x", "tile/9/000", "", "tile/0/000.p/0"):
        with pytest.raises((ProofError, NotFoundError)):
            receipts.tile(path)


def test_how_long_entries_wait_for_an_anchor_is_told(receipts: Receipts) -> None:
    assert (receipts.anchor_lag_s(), receipts.waiting) == (0.0, 0)
    receipts.log.append([b"one"])
    assert (receipts.anchor_lag_s(), receipts.waiting) == (None, 1)
    receipts.note_anchor(1)
    assert (receipts.anchor_lag_s(), receipts.waiting) == (0.0, 0)
    receipts.log.append([b"two"])
    receipts.note_anchor(1)
    lag = receipts.anchor_lag_s()
    assert lag is not None
    assert 0 <= lag < 60
    assert receipts.waiting == 1


def test_a_second_writer_is_refused_and_told_whom_to_stop(
    session: Session, receipts: Receipts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_LOCK_WAIT_S", 0.1)
    with pytest.raises(BusyError, match=r"process \d+ is writing"):
        Receipts(session.home, session.deployment)


def test_a_log_that_failed_is_opened_anew_with_what_is_durable(receipts: Receipts) -> None:
    receipts.log.append([b"one"])
    before = receipts.log
    assert receipts.reopen() is receipts.log is not before
    assert receipts.log.size == 1
    receipts.log.append([b"two"])
    receipts.seal()
    assert receipts.proof(1).index == 1
