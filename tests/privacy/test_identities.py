"""People and their keys."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from mooring.errors import ErasedError, MooringError, PrivacyError, StorageError
from mooring.privacy.identities import Person, enrol, erase, find
from mooring.storage.datakeys import DataKeys

WRAPPING = bytes(range(32))


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


class Raced(DataKeys):
    """The real store, with another writer who enrols or erases at the worst moment."""

    meanwhile: list[Callable[[], object]]

    def find(self, handles: Sequence[bytes]) -> Mapping[bytes, str]:
        found = super().find(handles)
        if self.meanwhile:
            self.meanwhile.pop(0)()
        return found

    def get(self, name: str) -> bytes:
        try:
            return super().get(name)
        finally:
            if name == "pepper/people" and self.meanwhile:
                self.meanwhile.pop(0)()


@pytest.fixture
def raced(secrets: DataKeys, tmp_path: Path) -> Iterator[Raced]:
    store = Raced(tmp_path / "keys" / "people.sqlite", WRAPPING)
    store.meanwhile = []
    yield store
    store.close()


def test_who_loses_the_race_to_make_the_pepper_uses_the_winners(secrets: DataKeys, raced: Raced) -> None:
    raced.meanwhile = [lambda: enrol(["anna"], secrets=secrets, entropy=os.urandom)]
    assert enrol(["anna"], secrets=raced, entropy=os.urandom) == {"anna": find("anna", secrets=secrets)}


def test_who_loses_the_race_to_enrol_a_person_gets_the_winners_key(secrets: DataKeys, raced: Raced) -> None:
    enrol(["ben"], secrets=secrets, entropy=os.urandom)
    raced.meanwhile = [lambda: None, lambda: enrol(["anna"], secrets=secrets, entropy=os.urandom)]
    people = enrol(["anna", "ben"], secrets=raced, entropy=os.urandom)
    assert people == {who: find(who, secrets=secrets) for who in ("anna", "ben")}


def test_a_person_erased_while_being_enrolled_again_is_enrolled_anew(secrets: DataKeys, raced: Raced) -> None:
    before = enrol(["anna"], secrets=secrets, entropy=os.urandom)["anna"]
    raced.meanwhile = [lambda: None, lambda: erase("anna", secrets=secrets)]
    assert enrol(["anna"], secrets=raced, entropy=os.urandom)["anna"] != before


def test_a_race_that_does_not_end_is_an_error(secrets: DataKeys, raced: Raced) -> None:
    def again() -> None:
        erase("anna", secrets=secrets)
        enrol(["anna"], secrets=secrets, entropy=os.urandom)

    enrol(["anna"], secrets=secrets, entropy=os.urandom)
    raced.meanwhile = [lambda: None, *[again] * 5]
    with pytest.raises(PrivacyError) as caught:
        enrol(["anna"], secrets=raced, entropy=os.urandom)
    assert caught.value.code == "people-busy"


def test_a_store_that_cannot_be_written_is_not_taken_for_a_race(secrets: DataKeys, tmp_path: Path) -> None:
    enrol(["anna"], secrets=secrets, entropy=os.urandom)
    secrets._db.execute("PRAGMA query_only = ON")
    with pytest.raises(StorageError) as caught:
        enrol(["ben"], secrets=secrets, entropy=os.urandom)
    assert caught.value.code != "secret-exists"
    fresh = DataKeys(tmp_path / "fresh.sqlite", WRAPPING)
    fresh._db.execute("PRAGMA query_only = ON")
    with pytest.raises(StorageError):
        enrol(["ben"], secrets=fresh, entropy=os.urandom)
    fresh.close()


def test_many_writers_who_enrol_the_same_people_agree(secrets: DataKeys, tmp_path: Path) -> None:
    names = [f"person {number}" for number in range(40)]
    found: list[dict[str, Person]] = []
    failed: list[MooringError] = []

    def work(offset: int) -> None:
        store = DataKeys(tmp_path / "keys" / "people.sqlite", WRAPPING)
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
