"""People and their keys."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from mooring.errors import ErasedError, MooringError, PrivacyError
from mooring.privacy.identities import Person, enrol, erase, find
from mooring.storage.datakeys import DataKeys


def test_a_person_keeps_name_and_key(secrets: DataKeys) -> None:
    first = enrol(["anna", "ben", "anna"], secrets=secrets, entropy=os.urandom)
    assert list(first) == ["anna", "ben"]
    assert first["anna"] != first["ben"]
    later = enrol(["ben", "carla"], secrets=secrets, entropy=os.urandom)
    assert later["ben"] == first["ben"]
    assert find("anna", secrets=secrets) == first["anna"]


def test_a_name_says_nothing_of_the_person(secrets: DataKeys, tmp_path: Path) -> None:
    person = enrol(["anna"], secrets=secrets, entropy=lambda size: b"\xab" * size)["anna"]
    assert person.name == "person/" + "ab" * 16
    assert b"anna" not in b"".join(path.read_bytes() for path in (tmp_path / "keys").iterdir())
    assert person.key.hex() not in repr(person)


def test_nobody_is_found_under_an_unknown_identifier(secrets: DataKeys) -> None:
    enrol(["anna"], secrets=secrets, entropy=os.urandom)
    for identifier in ("Anna", "anna ", "ann\u0430"):
        with pytest.raises(PrivacyError) as caught:
            find(identifier, secrets=secrets)
        assert caught.value.code == "person-unknown"
        assert "ann" not in caught.value.message


@pytest.mark.parametrize("identifier", ["", "x" * 1025, "é" * 513])
def test_an_identifier_out_of_bounds_is_refused(secrets: DataKeys, identifier: str) -> None:
    assert find_after_enrolling("x" * 1024, secrets)
    with pytest.raises(PrivacyError) as caught:
        enrol(["anna", identifier], secrets=secrets, entropy=os.urandom)
    assert caught.value.code == "identifier"


def find_after_enrolling(identifier: str, secrets: DataKeys) -> Person:
    enrol([identifier], secrets=secrets, entropy=os.urandom)
    return find(identifier, secrets=secrets)


def test_an_erased_person_is_unknown_and_their_name_stays_in_a_tombstone(secrets: DataKeys) -> None:
    people = enrol(["anna", "ben"], secrets=secrets, entropy=os.urandom)
    gone = erase("anna", secrets=secrets)
    assert gone.name == people["anna"].name
    assert [stone.name for stone in secrets.tombstones()] == [gone.name]
    with pytest.raises(PrivacyError) as caught:
        find("anna", secrets=secrets)
    assert caught.value.code == "person-unknown"
    with pytest.raises(PrivacyError):
        erase("anna", secrets=secrets)
    with pytest.raises(ErasedError):
        secrets.get(gone.name)
    assert find("ben", secrets=secrets) == people["ben"]


def test_an_erased_person_who_comes_back_is_somebody_new(secrets: DataKeys) -> None:
    before = enrol(["anna"], secrets=secrets, entropy=os.urandom)["anna"]
    erase("anna", secrets=secrets)
    after = enrol(["anna"], secrets=secrets, entropy=os.urandom)["anna"]
    assert after.name != before.name
    assert after.key != before.key


def test_many_writers_who_enrol_the_same_people_agree(secrets: DataKeys, tmp_path: Path) -> None:
    names = [f"person {number}" for number in range(40)]
    found: list[dict[str, Person]] = []
    failed: list[MooringError] = []

    def work(offset: int) -> None:
        store = DataKeys(tmp_path / "keys" / "people.sqlite", bytes(range(32)))
        try:
            for start in range(0, 40, 10):
                some = [names[(start + offset + step) % 40] for step in range(10)]
                found.append(dict(enrol(some, secrets=store, entropy=os.urandom)))
        except MooringError as error:
            failed.append(error)
        finally:
            store.close()

    threads = [threading.Thread(target=work, args=(offset,)) for offset in (0, 3, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    for people in found:
        for identifier, person in people.items():
            assert find(identifier, secrets=secrets) == person
