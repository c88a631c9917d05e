"""The attack after an erasure: everything that is left, the right guess in hand, and nothing may match.

The attacker has every remaining file, the wrapping key and the key store's passphrase (they may be the operator), hence
every data key that was not destroyed, the pepper and the table keys; and a dictionary of identifiers and of whole rows
with the erased person's among them. Each attack is first shown to work on a person who was *not* erased, or on a
careless variant of the scheme, so that its failure means something.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mooring.errors import PrivacyError
from mooring.privacy import commitment
from mooring.privacy.container import Container, RowKey
from mooring.privacy.rows import Table, lines_of
from mooring.privacy.subjects import erase, open_table, seal_table, subject_rows
from mooring.records.digest import sha256
from mooring.records.manifest import Manifest
from mooring.storage.blobs import LocalBlobs
from mooring.storage.datakeys import DataKeys
from mooring.storage.keyfiles import KeyFiles
from mooring.storage.passphrase import Cost

PEOPLE = [f"patient-{number:04}" for number in range(60)]
ERASED, LIVING = PEOPLE[17], PEOPLE[23]
HASHES = ("md5", "sha1", "sha256", "sha512", "sha3_256", "blake2b", "blake2s")


def row_of(person: str) -> tuple[str, str, str]:
    number = PEOPLE.index(person)
    return person, f"{number * 37 % 100}.{number}", ("benign", "malignant")[number % 2]


@dataclass(frozen=True)
class Deployment:
    """A deployment on disk, with what an operator can open of it."""

    folder: Path
    secrets: DataKeys
    container: bytes
    manifest: Manifest

    def disk(self) -> bytes:
        return b"".join(path.read_bytes() for path in sorted(self.folder.rglob("*")) if path.is_file())

    def line(self, person: str) -> bytes:
        return lines_of([row_of(person)])[0]


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    keys = KeyFiles(tmp_path / "keys", lambda: "known to the attacker", cost=Cost(1 << 14))
    secrets = DataKeys(tmp_path / "people.sqlite", keys.wrapping_key("people"))
    csv = Table(("patient", "radius", "diagnosis"), tuple(map(row_of, PEOPLE))).to_csv()
    sealed = seal_table(csv, "patient", name="t", secrets=secrets, entropy=os.urandom)
    blobs = LocalBlobs.create(tmp_path / "blobs")
    blobs.put(sealed.container)
    manifest = Manifest.of(sealed.resources)
    blobs.put(manifest.to_bytes())
    (tmp_path / "notes.txt").write_text("the attacker's files are searched too")
    yield Deployment(tmp_path, secrets, sealed.container, manifest)
    secrets.close()


@pytest.fixture
def after(deployment: Deployment) -> Deployment:
    erase(ERASED, secrets=deployment.secrets)
    return deployment


def guesses(person: str, line: bytes) -> set[bytes]:
    """Return what a careless deployment might have kept of a person: identifier, row, cells, and their hashes."""
    texts = {person.encode(), line, b",".join(line.split(b",")[1:])}
    hashed = {hashlib.new(name, text).digest() for name in HASHES for text in texts}
    encoded = {encode(data) for data in texts | hashed for encode in (bytes.hex, lambda d: b64encode(d).decode())}
    return texts | hashed | {text.encode() for text in encoded}


def handle_of(person: str, secrets: DataKeys) -> bytes:
    """Compute a person's handle as the operator can: from the pepper and the identifier."""
    pepper = secrets.get("pepper/people")
    return hmac.digest(pepper, b"mooring/person/v1\0" + person.encode(), "sha256")


def living_salts(deployment: Deployment) -> list[bytes]:
    """Return every salt that can still be read."""
    found = []
    for person in PEOPLE:
        try:
            rows = subject_rows(
                deployment.container, person, name="t", manifest=deployment.manifest, secrets=deployment.secrets
            )
        except PrivacyError:
            continue
        found += [row.salt for row in rows]
    return found


def test_the_search_finds_a_careless_copy(after: Deployment) -> None:
    careless = hashlib.sha256(ERASED.encode()).hexdigest()
    (after.folder / "careless.log").write_text(f"erased person {careless}")
    assert [guess for guess in guesses(ERASED, after.line(ERASED)) if guess in after.disk()] != []


@pytest.mark.parametrize("person", [ERASED, LIVING])
def test_no_identifier_row_or_hash_of_one_is_on_the_disk(after: Deployment, person: str) -> None:
    disk = after.disk()
    assert [guess for guess in guesses(person, after.line(person)) if guess in disk] == []


def test_no_handle_leads_to_the_erased_person(deployment: Deployment) -> None:
    handles = {person: handle_of(person, deployment.secrets) for person in PEOPLE}
    assert all(handle in deployment.disk() for handle in handles.values())  # the attack works before
    erase(ERASED, secrets=deployment.secrets)
    disk = deployment.disk()
    assert [person for person, handle in handles.items() if handle not in disk] == [ERASED]  # a hole, and nothing in it
    name_left = {stone.name for stone in deployment.secrets.tombstones()}
    assert len(name_left) == 1
    assert not any(guess in name.encode() for name in name_left for guess in guesses(ERASED, deployment.line(ERASED)))


def test_no_commitment_opens_to_a_guessed_row(after: Deployment) -> None:
    registered = {resource.digest: resource.name for resource in after.manifest.resources}
    salts = [*living_salts(after), bytes(32), *(hashlib.sha256(person.encode()).digest() for person in PEOPLE)]

    def opening(line: bytes) -> list[str]:
        names = [name for name in registered.values() if name != "t.sealed"]
        attempts = (commitment.commit(salt, name.encode(), line) for salt in salts for name in names)
        return [registered[attempt] for attempt in attempts if attempt in registered]

    assert len(opening(after.line(LIVING))) == 1  # the attack works on a row whose salt is known
    assert opening(after.line(ERASED)) == []
    assert sha256(after.line(ERASED)) not in registered


def test_unsalted_commitments_would_have_been_opened(after: Deployment) -> None:
    """The careless variant: without salt, a dictionary of rows finds every one of them."""
    unsalted = {sha256(after.line(person)): person for person in PEOPLE}
    assert unsalted[sha256(after.line(ERASED))] == ERASED


def test_no_key_that_is_left_finds_or_opens_the_erased_row(deployment: Deployment) -> None:
    container = Container.from_bytes(deployment.container)
    names = deployment.secrets.find([handle_of(person, deployment.secrets) for person in PEOPLE])
    key_of_erased = deployment.secrets.get(names[handle_of(ERASED, deployment.secrets)])
    erased_places = {place for place, _ in container.open(RowKey(key_of_erased, container.table), container.places())}
    assert len(erased_places) == 1  # the attack works before
    erase(ERASED, secrets=deployment.secrets)
    left = [*deployment.secrets.get_many(list(names.values())).values(), deployment.secrets.get("pepper/people")]
    left += [deployment.secrets.get(f"table/{container.table.hex()}"), bytes(32)]
    opened = {place for key in left for place, _ in container.open(RowKey(key, container.table), container.places())}
    assert opened == set(range(60)) - erased_places
    assert key_of_erased not in deployment.disk()


def test_lengths_and_order_do_not_tell_the_erased_row(after: Deployment) -> None:
    container = Container.from_bytes(after.container)
    table = open_table(after.container, name="t", manifest=after.manifest, secrets=after.secrets)
    assert table.erased == 1
    assert len({len(record) for record in container.records}) == 1
    assert len({resource.size for resource in after.manifest.resources if resource.name != "t.sealed"}) == 1
    order = [PEOPLE.index(row[0]) for row in table.rows]
    assert order != sorted(order)


def test_the_erased_row_looks_like_noise_beside_the_others(after: Deployment) -> None:
    """No 8 bytes of the erased person's record occur twice, here or in anything derived from their row."""
    container = Container.from_bytes(after.container)
    known = set()
    for person in PEOPLE:
        if person != ERASED:
            rows = subject_rows(after.container, person, name="t", manifest=after.manifest, secrets=after.secrets)
            known.update(int(row.resource[-6:]) for row in rows)
    (place,) = set(range(60)) - known
    record = container.records[place]
    rest = after.disk().replace(record, b"")
    windows = {record[at : at + 8] for at in range(len(record) - 7)}
    assert len(windows) == len(record) - 7
    assert not [window for window in windows if window in rest]


def test_after_coming_back_the_person_is_not_linked_to_the_erased_one(after: Deployment) -> None:
    csv = Table(("patient", "radius", "diagnosis"), (row_of(ERASED),)).to_csv()
    again = seal_table(csv, "patient", name="t", secrets=after.secrets, entropy=os.urandom)
    stones = {stone.name for stone in after.secrets.tombstones()}
    name = after.secrets.find([handle_of(ERASED, after.secrets)])[handle_of(ERASED, after.secrets)]
    assert name not in stones
    key = after.secrets.get(name)
    old, new = Container.from_bytes(after.container), Container.from_bytes(again.container)
    assert len(list(new.open(RowKey(key, new.table), new.places()))) == 1
    assert list(old.open(RowKey(key, old.table), old.places())) == []
