"""A witnessed log as the ledger: the same life, enforced by nobody, and the same refusals."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from tests.workflows.acts import activate, agree, dataset, model, versions

from mooring.errors import LedgerRefused, MooringError
from mooring.proofs.report import Outcome
from mooring.proofs.verify import verify_bytes
from mooring.wiring.founding import found, local_config
from mooring.wiring.home import Home
from mooring.wiring.session import Session, open_session
from mooring.workflows import deploy
from mooring.workflows.export import export_version


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    made = found(Home(home), local_config("mooring.local/log", "tlog:///ledger"), local=True, say=lambda _: None)
    assert (made.contracts, made.chain.startswith("tlog:"), made.funded_by) == ({}, True, "")
    return home


def life(session: Session, tmp_path: Path) -> None:
    data = dataset(session, tmp_path / "d", "cells@1")
    model(session, tmp_path / "m", "tumour@1", [data])
    agree(session, "tumour@1")
    activate(session, "tumour@1")


def test_a_version_lives_its_life_on_a_log_and_is_proved_from_its_witnesses(folder: Path, tmp_path: Path) -> None:
    with open_session(Home(folder)) as session:
        life(session, tmp_path)
        assert versions(session)["tumour@1"] == "active"
        session.anchor()
        bundle = export_version(session.deployment, "tumour@1").to_bytes()
        report = verify_bytes(bundle, session.trust(), now_s=int(time.time()) + 2)
    assert report.outcome == Outcome.PROVED, report
    assert any("a log: it catches" in limit for limit in report.limits)


def test_the_rules_refuse_on_a_log_what_the_contracts_refuse(folder: Path, tmp_path: Path) -> None:
    with open_session(Home(folder)) as session:
        life(session, tmp_path)
        for act, code in (
            (lambda: agree(session, "tumour@1", by=("bob",)), "wrong-status"),
            (lambda: dataset(session, tmp_path / "e", "images@1", by="bob"), "missing-role"),
            (
                lambda: deploy.suspend(session.deployment, session.deployment.actor("alice"), "tumour@1", "x"),
                "missing-role",
            ),
        ):
            with pytest.raises(LedgerRefused) as caught:
                act()
            assert caught.value.code == code


def test_two_sessions_share_the_log(folder: Path, tmp_path: Path) -> None:
    with open_session(Home(folder)) as first, open_session(Home(folder)) as second:
        assert first.url == second.url == ""
        dataset(first, tmp_path / "d", "cells@1")
        dataset(second, tmp_path / "e", "images@1", data=b"3\n")
        assert set(versions(first)) == set(versions(second)) == {"cells@1", "images@1"}


def test_a_log_that_was_lost_is_not_made_anew_in_silence(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder / "ledger")
    with pytest.raises(MooringError), open_session(Home(folder)) as session:
        session.deployment.follow()
    assert not (folder / "ledger").exists()


def test_founding_a_log_again_changes_nothing(folder: Path) -> None:
    found(Home(folder), local_config("mooring.local/log", "tlog:///ledger"), local=True, say=lambda _: None)
    with open_session(Home(folder)) as session:
        events = session.deployment.events()
        assert len([event for event in events if event.name == "KeyRegistered"]) == 3
