"""People: their rows are sealed under their keys, read while they may be, and erased for good everywhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.workflows.acts import agree, dataset, logged
from tests.workflows.stage import CSV, DATA

from mooring.errors import ErasedError, MooringError, PrivacyError, WorkflowError
from mooring.records.predicates import Dataset, Erasure
from mooring.wiring.session import Session
from mooring.workflows import people
from mooring.workflows.people import Erased, erase_person, read_table, register_table
from mooring.workflows.register import Registered

WHO = "person-07"


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(MooringError) as caught:
        act()
    return caught.value.code


def table(session: Session, csv: bytes, name: str = DATA, column: str = "patient") -> Registered:
    deployment = session.deployment
    asset, _, label = name.partition("@")
    said = Dataset(asset, label, deployment.now(), "made up", "CC0-1.0")
    return register_table(deployment, deployment.actor("alice"), csv, column, said)


def erase(session: Session, who: str = WHO) -> Erased:
    return erase_person(session.deployment, session.deployment.actor("alice"), who, "asked for it")


def test_a_table_is_read_back_whole_and_says_how_many_people_it_is_about(registered: Session) -> None:
    opened = read_table(registered.deployment, DATA)
    assert (len(opened.rows), opened.erased) == (12, 0)
    assert sorted(opened.to_csv().splitlines()) == sorted(CSV.splitlines())
    said = logged(registered)[0].predicate
    assert isinstance(said, Dataset)
    assert (said.people, said.rows) == (12, 12)


def test_the_same_rows_in_another_order_are_the_same_record(registered: Session) -> None:
    head, *rows = CSV.splitlines(keepends=True)
    again = table(registered, head + b"".join(reversed(rows)))
    assert not again.new
    assert len(logged(registered)) == 2


def test_other_rows_under_one_version_are_refused(registered: Session) -> None:
    assert refusal(lambda: table(registered, CSV + b"person-99,1.5,0\n")) == "version-exists"
    assert refusal(lambda: table(registered, CSV.replace(b"1.5", b"9.5", 1))) == "version-exists"
    assert refusal(lambda: table(registered, CSV.replace(b"size", b"weight"))) == "version-exists"


@pytest.mark.parametrize(
    ("csv", "column"),
    [(CSV, "nobody"), (b"", "patient"), (b"patient,size\n", "patient"), (b"patient,size\n\xff,1\n", "patient")],
)
def test_what_is_no_table_about_people_is_refused(founded: Session, csv: bytes, column: str) -> None:
    with pytest.raises(PrivacyError):
        table(founded, csv, "cells@1", column)
    assert logged(founded) == []


def test_files_are_no_table(registered: Session, tmp_path: Path) -> None:
    dataset(registered, tmp_path / "d", "images@1")
    assert refusal(lambda: read_table(registered.deployment, "images@1")) == "not-a-table"


def test_an_erased_persons_rows_are_unreadable_and_all_others_stay(registered: Session) -> None:
    gone = erase(registered)
    opened = read_table(registered.deployment, DATA)
    assert (len(opened.rows), opened.erased) == (11, 1)
    assert WHO.encode() not in opened.to_csv()
    said = logged(registered)[gone.log_index].predicate
    assert isinstance(said, Erasure)
    assert (said.keys, said.reason) == (1, "asked for it")


def test_an_erased_person_is_unknown_as_one_who_never_was(registered: Session) -> None:
    erase(registered)
    assert refusal(lambda: erase(registered)) == "person-unknown"
    assert refusal(lambda: erase(registered, "person-77")) == "person-unknown"
    assert len(logged(registered)) == 3


def test_nothing_that_is_kept_names_the_people_before_or_after(registered: Session) -> None:
    agree(registered)
    erase(registered)
    registered.deployment.follow()
    kept = [path for path in registered.home.path.rglob("*") if path.is_file()]
    assert len(kept) > 20
    for path in kept:
        assert b"person-" not in path.read_bytes().replace(b"person/", b""), path


def test_no_row_is_kept_in_the_clear(registered: Session) -> None:
    for path in registered.home.path.rglob("*"):
        assert not path.is_file() or b"7.5" not in path.read_bytes(), path


def test_the_key_itself_is_gone_from_the_store_of_data_keys(registered: Session) -> None:
    assert registered.deployment.secrets.tombstones() == ()
    gone = erase(registered)
    assert gone.tombstone in [stone.name for stone in registered.deployment.secrets.tombstones()]
    with pytest.raises(ErasedError):
        registered.deployment.secrets.get(gone.tombstone)


def test_the_same_rows_again_after_an_erasure_bring_nobody_back(registered: Session) -> None:
    erase(registered)
    assert not table(registered, CSV).new
    assert read_table(registered.deployment, DATA).erased == 1
    assert refusal(lambda: table(registered, CSV + b"person-99,1.5,0\n")) == "version-exists"


def test_a_person_in_two_tables_is_erased_from_both(registered: Session) -> None:
    table(registered, CSV, "cells@2")
    erase(registered)
    assert [read_table(registered.deployment, name).erased for name in (DATA, "cells@2")] == [1, 1]


def test_an_erasure_that_broke_off_before_it_was_attested_is_counted_in_the_next(
    registered: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(people, "attest", crash)
        with pytest.raises(KeyboardInterrupt):
            erase(registered)
    assert read_table(registered.deployment, DATA).erased == 1
    made = erase(registered, "person-08")
    assert made.keys == 2
    assert erase(registered, "person-09").keys == 1
    assert read_table(registered.deployment, DATA).erased == 3
    with pytest.raises(WorkflowError):
        read_table(registered.deployment, "cells@9")


def test_an_erasure_that_broke_off_is_attested_when_it_is_asked_for_again(
    registered: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(people, "attest", crash)
        with pytest.raises(KeyboardInterrupt):
            erase(registered)
    with pytest.raises(PrivacyError, match="an erasure that had broken off is attested now, as log entry 2") as caught:
        erase(registered)
    assert caught.value.code == "person-unknown"
    said = logged(registered)[-1].predicate
    assert isinstance(said, Erasure)
    assert said.keys == 1
    assert refusal(lambda: erase(registered)) == "person-unknown"
    assert len(logged(registered)) == 3
