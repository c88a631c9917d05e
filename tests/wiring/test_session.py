"""A session: keys are rotated without a gap, files are kept as they were hashed, logs are sealed by who holds them."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.workflows.acts import dataset, logged
from tests.workflows.stage import Stages

from mooring.errors import CorruptError, MooringError, NotFoundError
from mooring.proofs.note import sign
from mooring.storage.filelog import FileLog
from mooring.wiring import session as sessions
from mooring.wiring.home import Home
from mooring.wiring.session import Session, open_session
from mooring.workflows.anchor import cosigned, log_key, seal
from mooring.workflows.govern import revoke_key


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(MooringError) as caught:
        act()
    return caught.value.code


@pytest.fixture
def session(home: Path):  # type: ignore[no-untyped-def]
    with open_session(Home(home)) as opened:
        yield opened


def attest_keys(session: Session) -> dict[str, int | None]:
    state = session.deployment.follow()
    keys = session.deployment.keys
    held = [*(item.public for item in keys.retired("hospital-attest")), keys.public("hospital-attest")]
    found = {key.keyid: state.keys.get(bytes.fromhex(key.keyid)) for key in held}
    return {keyid: None if key is None else key.revoked_from or 0 for keyid, key in found.items()}


def test_a_rotation_leaves_one_valid_key_and_what_the_old_one_signed_counts(session: Session, tmp_path: Path) -> None:
    alice = session.deployment.actor("alice")
    old = session.deployment.keys.public("hospital-attest").keyid
    dataset(session, tmp_path / "d", "cells@1")
    made = session.rotate_key(alice)
    dataset(session, tmp_path / "e", "images@1", data=b"3\n")
    keys = attest_keys(session)
    assert keys.keys() == {old, made.keyid}
    assert keys[made.keyid] == 0
    ends = keys[old]
    assert ends is not None
    assert abs(ends - time.time()) < 10
    signed = [row.keyid for row in session.deployment.index.attestations()]
    assert signed == [old, made.keyid]


@pytest.mark.parametrize("broken", ["rotate", "register_key", "revoke_key"])
def test_a_rotation_that_broke_off_is_finished_and_makes_no_further_key(
    session: Session, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    owner = type(session.deployment.keys) if broken == "rotate" else sessions
    whole = getattr(owner, broken)

    def crash(*args: object, **kwargs: object) -> None:
        whole(*args, **kwargs)
        raise KeyboardInterrupt

    alice = session.deployment.actor("alice")
    with monkeypatch.context() as patched:
        patched.setattr(owner, broken, crash)
        with pytest.raises(KeyboardInterrupt):
            session.rotate_key(alice)
    if broken == "rotate":
        made = session.rotate_key(alice)
        assert list(attest_keys(session)).index(made.keyid) == 1
        assert len(attest_keys(session)) == 2
    else:
        session.rotate_key(alice)
    keys = attest_keys(session)
    assert [ends == 0 for ends in keys.values()] == [False] * (len(keys) - 1) + [True]


def test_a_log_that_nobody_else_holds_is_sealed_and_one_that_is_held_is_taken_as_it_stands(
    session: Session, tmp_path: Path
) -> None:
    dataset(session, tmp_path / "d", "cells@1")
    origin = session.deployment.receipts_origin
    held = FileLog(session.home.log(origin), origin)
    held.append([b"a receipt"])
    (made,) = session.anchor()
    assert made.origin == session.deployment.records_origin
    held.close()
    assert [item.size for item in session.anchor()] == [1, 2]


def test_nothing_is_anchored_where_nothing_was_said(session: Session) -> None:
    assert session.anchor() == []


def test_an_expired_key_does_not_keep_the_logs_from_being_anchored(session: Session, tmp_path: Path) -> None:
    dataset(session, tmp_path / "d", "cells@1")
    origin = session.deployment.receipts_origin
    log = FileLog(session.home.log(origin), origin)
    log.append([b"a receipt"])
    log.close()
    keyid = session.deployment.keys.public("hospital-attest").keyid
    revoke_key(session.deployment, session.deployment.actor("alice"), keyid, from_s=int(time.time()) - 5)
    assert [item.new for item in session.anchor()] == [True, True]
    batch = session.deployment.index.attestations(predicate_type="urn:mooring:receipt-batch:v1")
    assert [row.keyid for row in batch] != [keyid]
    assert len(batch) == 1


def test_logs_are_named_records_and_receipts(session: Session) -> None:
    assert [line.sequenced for line in session.logs()] == [0, 0]
    assert refusal(lambda: session.checkpoint("letters")) == "unknown-log"
    assert refusal(lambda: session.checkpoint("records")) == "unknown-checkpoint"


def test_an_artifact_that_changes_while_it_is_kept_is_refused(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"weights")
    whole = sessions.hash_tree

    def swapped(*args, **kwargs):  # type: ignore[no-untyped-def]
        manifest = whole(*args, **kwargs)
        path.write_bytes(b"WEIGHTS")
        return manifest

    with monkeypatch.context() as patched:
        patched.setattr(sessions, "hash_tree", swapped)
        with pytest.raises(CorruptError):
            session.keep(path, lambda _: None)
    before = len(list(session.deployment.blobs.list()))
    session.keep(path, lambda _: None)
    assert len(list(session.deployment.blobs.list())) == before + 1


def test_an_artifact_that_vanishes_while_it_is_kept_is_an_error_of_ours(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"weights")
    whole = sessions.hash_tree

    def removed(*args, **kwargs):  # type: ignore[no-untyped-def]
        manifest = whole(*args, **kwargs)
        path.unlink()
        return manifest

    monkeypatch.setattr(sessions, "hash_tree", removed)
    assert refusal(lambda: session.keep(path, lambda _: None)) == "path-vanished"


def test_progress_is_told_in_bytes_that_add_up(session: Session, tmp_path: Path) -> None:
    folder = tmp_path / "artifact"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.bin").write_bytes(os.urandom(3_000_000))
    told: list[int] = []
    session.keep(folder, told.append)
    assert sum(told) == 9_000_000


def test_the_trust_root_in_the_folder_reads_back_and_its_loss_is_said(session: Session) -> None:
    assert session.kept_trust() == session.trust()
    session.home.trust.unlink()
    with pytest.raises(NotFoundError) as caught:
        session.kept_trust()
    assert caught.value.code == "unknown-trust"
    assert session.update_trust() == []
    assert session.kept_trust() == session.trust()


def test_a_key_of_an_unknown_kind_is_not_made(session: Session) -> None:
    assert refusal(lambda: session.create_key("spare", "rsa")) == "key-kind"
    assert session.create_key("spare", "p256").kind == "p256"
    assert refusal(lambda: session.create_key("spare", "p256")) == "key-exists"


def test_a_session_opens_without_anybody_being_asked_twice(stages: Stages, tmp_path: Path) -> None:
    home = Home(stages.copy("active", tmp_path / "h"))
    with open_session(home) as session:
        count = len(logged(session))
        assert session.attestations() == count
        assert session.code_commit()
        assert session.founding_gas()["AssetRegistry"] > 1_000_000


def test_a_log_that_another_process_seals_is_anchored_once_its_witnesses_have_signed(
    session: Session, tmp_path: Path
) -> None:
    deployment, origin = session.deployment, session.deployment.receipts_origin
    key = log_key(deployment, origin)
    held = FileLog(session.home.log(origin), origin)
    held.append([b"a receipt"])
    held.seal(lambda text: [sign(text, key, lambda message: deployment.keys.sign("log-receipts", message))])
    witnesses = threading.Timer(0.3, lambda: seal(deployment, held))
    witnesses.start()
    (made, _) = session.anchor()
    witnesses.join()
    held.close()
    assert (made.origin, made.size) == (origin, 1)
    assert cosigned(deployment, deployment.notes.find(origin, 1))


def test_a_log_that_no_witness_signs_is_not_anchored(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "_COSIGNING_S", 0.1)
    deployment, origin = session.deployment, session.deployment.receipts_origin
    key = log_key(deployment, origin)
    held = FileLog(session.home.log(origin), origin)
    held.append([b"a receipt"])
    held.seal(lambda text: [sign(text, key, lambda message: deployment.keys.sign("log-receipts", message))])
    assert refusal(session.anchor) == "not-cosigned"
    held.close()
