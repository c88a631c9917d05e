"""Tables about people: sealed, opened, disclosed, erased."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mooring.errors import CorruptError, MooringError, NotFoundError, PrivacyError
from mooring.privacy import commitment
from mooring.privacy.container import Container
from mooring.privacy.subjects import (
    Disclosure,
    OpenTable,
    SealedTable,
    check_disclosure,
    erase,
    open_table,
    seal_table,
    subject_rows,
)
from mooring.records.digest import sha256
from mooring.records.manifest import Manifest, Resource
from mooring.storage.datakeys import DataKeys

CSV = b"patient,size,diagnosis\nanna,1.5,benign\nben,2.25,malignant\nanna,1.6,benign\ncarla,9,malignant\n"
ROWS = {("anna", "1.5", "benign"), ("ben", "2.25", "malignant"), ("anna", "1.6", "benign"), ("carla", "9", "malignant")}


@pytest.fixture
def sealed(secrets: DataKeys) -> SealedTable:
    return seal(CSV, secrets)


def seal(csv: bytes, secrets: DataKeys, column: str = "patient") -> SealedTable:
    return seal_table(csv, column, name="t", secrets=secrets, entropy=os.urandom)


def manifest_of(sealed: SealedTable) -> Manifest:
    return Manifest.of(sealed.resources)


def opened(sealed: SealedTable, secrets: DataKeys) -> OpenTable:
    return open_table(sealed.container, name="t", manifest=manifest_of(sealed), secrets=secrets)


def rows_of(who: str, sealed: SealedTable, secrets: DataKeys) -> tuple[Disclosure, ...]:
    return subject_rows(sealed.container, who, name="t", manifest=manifest_of(sealed), secrets=secrets)


def test_a_sealed_table_opens_to_its_rows(sealed: SealedTable, secrets: DataKeys) -> None:
    table = opened(sealed, secrets)
    assert (sealed.rows, sealed.people) == (4, 3)
    assert table.columns == ("patient", "size", "diagnosis")
    assert set(table.rows) == ROWS
    assert len(table.rows) == 4
    assert table.erased == 0
    assert table.to_csv().startswith(b"patient,size,diagnosis\n")


def test_opening_twice_gives_the_same_bytes(sealed: SealedTable, secrets: DataKeys) -> None:
    assert opened(sealed, secrets).to_csv() == opened(sealed, secrets).to_csv()


@given(
    rows=st.lists(st.tuples(st.sampled_from(["a", "b", "ç", "d,e"]), st.text(max_size=30)), min_size=1, max_size=12),
    gone=st.sets(st.sampled_from(["a", "b", "ç", "d,e"])),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_exactly_the_rows_of_the_erased_are_gone(
    secrets: DataKeys, rows: list[tuple[str, str]], gone: set[str]
) -> None:
    from mooring.privacy.rows import Table

    rows = [(who, text.encode(errors="ignore").decode()) for who, text in rows]
    sealed = seal(Table(("patient", "text"), tuple(rows)).to_csv(), secrets)
    present = {who for who, _ in rows}
    for who in gone & present:
        erase(who, secrets=secrets)
    table = opened(sealed, secrets)
    left = [row for row in rows if row[0] not in gone]
    assert sorted(table.rows) == sorted(left)
    assert table.erased == len(rows) - len(left)


def test_the_manifest_has_the_file_and_a_commitment_per_row_all_of_one_size(sealed: SealedTable) -> None:
    manifest = manifest_of(sealed)
    names = [resource.name for resource in manifest.resources]
    assert names == ["t.rows/000000", "t.rows/000001", "t.rows/000002", "t.rows/000003", "t.sealed"]
    assert {resource.digest.algorithm for resource in manifest.resources[:4]} == {"commitment-sha256"}
    assert len({resource.size for resource in manifest.resources[:4]}) == 1
    whole = manifest.find("t.sealed")
    assert whole is not None
    assert whole.digest == sha256(sealed.container)
    assert whole.size == len(sealed.container)


def test_records_are_all_of_one_length(secrets: DataKeys) -> None:
    csv = b"patient,text\na,x\nb," + b"y" * 500 + b"\n"
    container = Container.from_bytes(seal(csv, secrets).container)
    assert len({len(record) for record in container.records}) == 1


def test_nothing_of_a_row_and_no_column_lies_in_the_clear(
    sealed: SealedTable, secrets: DataKeys, tmp_path: Path
) -> None:
    disk = sealed.container + manifest_of(sealed).to_bytes() + all_bytes(tmp_path)
    for word in (b"anna", b"malignant", b"2.25", b"diagnosis", b"patient"):
        assert word not in disk


def test_order_says_nothing_of_who_is_who(secrets: DataKeys) -> None:
    """Where a row lies is random in every sealing: over 200 sealings each of 4 people comes first about 50 times."""
    first = dict.fromkeys("abcd", 0)
    for _ in range(200):
        sealed = seal(b"patient\na\nb\nc\nd\n", secrets)
        first[opened(sealed, secrets).rows[0][0]] += 1
    assert all(20 < times < 90 for times in first.values())  # 50 ± 6 standard deviations


def test_the_same_table_sealed_twice_shares_nothing(secrets: DataKeys) -> None:
    one, other = seal(CSV, secrets), seal(CSV, secrets)
    digests = {resource.digest for resource in one.resources} & {resource.digest for resource in other.resources}
    assert digests == set()
    a, b = Container.from_bytes(one.container), Container.from_bytes(other.container)
    assert not {record[:16] for record in a.records} & {record[:16] for record in b.records}


def test_a_person_gets_their_rows_and_what_proves_them(sealed: SealedTable, secrets: DataKeys) -> None:
    disclosures = rows_of("anna", sealed, secrets)
    assert {disclosure.cells for disclosure in disclosures} == {row for row in ROWS if row[0] == "anna"}
    for disclosure in disclosures:
        check_disclosure(disclosure, manifest_of(sealed))
        assert "benign" not in repr(disclosure)


def test_a_disclosure_that_was_changed_is_refused(sealed: SealedTable, secrets: DataKeys) -> None:
    one, other = rows_of("anna", sealed, secrets)
    changed = (
        replace(one, line=one.line.replace(b"benign", b"malignant")),
        replace(one, salt=other.salt),
        replace(one, resource=other.resource),
        replace(one, resource="t.rows/000009"),
        replace(one, resource="t.sealed"),
    )
    for disclosure in changed:
        with pytest.raises(PrivacyError) as caught:
            check_disclosure(disclosure, manifest_of(sealed))
        assert caught.value.code == "commitment"


def test_a_person_without_rows_in_the_table_gets_none(sealed: SealedTable, secrets: DataKeys) -> None:
    seal(b"patient\nzoe\n", secrets)
    assert rows_of("zoe", sealed, secrets) == ()
    with pytest.raises(PrivacyError) as caught:
        rows_of("nobody", sealed, secrets)
    assert caught.value.code == "person-unknown"


def test_erasing_reaches_every_table_of_the_person(sealed: SealedTable, secrets: DataKeys) -> None:
    other = seal(b"patient,visits\nanna,3\nzoe,4\n", secrets)
    erase("anna", secrets=secrets)
    assert {row[0] for row in opened(sealed, secrets).rows} == {"ben", "carla"}
    assert opened(sealed, secrets).erased == 2
    assert opened(other, secrets).rows == (("zoe", "4"),)
    with pytest.raises(PrivacyError) as caught:
        rows_of("anna", sealed, secrets)
    assert caught.value.code == "person-unknown"


def test_the_manifest_and_the_rows_of_others_are_the_same_after_an_erasure(
    sealed: SealedTable, secrets: DataKeys
) -> None:
    before = {disclosure.cells: disclosure for disclosure in rows_of("ben", sealed, secrets)}
    erase("anna", secrets=secrets)
    after = {disclosure.cells: disclosure for disclosure in rows_of("ben", sealed, secrets)}
    assert after == before
    for disclosure in after.values():
        check_disclosure(disclosure, manifest_of(sealed))


def test_a_table_whose_every_person_was_erased_is_empty(secrets: DataKeys) -> None:
    sealed = seal(b"patient\na\nb\n", secrets)
    erase("a", secrets=secrets)
    erase("b", secrets=secrets)
    assert (opened(sealed, secrets).rows, opened(sealed, secrets).erased) == ((), 2)


def test_an_erased_person_who_comes_back_does_not_bring_the_old_rows_back(
    sealed: SealedTable, secrets: DataKeys
) -> None:
    erase("ben", secrets=secrets)
    again = seal(b"patient,size\nben,3\n", secrets)
    assert opened(again, secrets).rows == (("ben", "3"),)
    assert opened(sealed, secrets).erased == 1
    assert rows_of("ben", sealed, secrets) == ()


def test_lost_keys_are_not_taken_for_erasure(sealed: SealedTable, secrets: DataKeys, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "keys" / "people.sqlite") as db:
        db.execute("DELETE FROM secret WHERE name = (SELECT max(name) FROM secret WHERE name LIKE 'person/%')")
    with pytest.raises(NotFoundError):
        opened(sealed, secrets)


def test_another_deployments_keys_open_nothing(sealed: SealedTable, tmp_path: Path) -> None:
    other = DataKeys(tmp_path / "other.sqlite", bytes(32))
    with pytest.raises(NotFoundError):
        opened(sealed, other)
    other.close()


def test_a_container_that_is_not_the_registered_one_is_refused(sealed: SealedTable, secrets: DataKeys) -> None:
    with pytest.raises(PrivacyError) as caught:
        open_table(sealed.container + b"x", name="t", manifest=manifest_of(sealed), secrets=secrets)
    assert caught.value.code == "table-corrupt"
    with pytest.raises(PrivacyError):
        open_table(sealed.container, name="other", manifest=manifest_of(sealed), secrets=secrets)


Change = Callable[[Container], Container]
CHANGED: dict[str, Change] = {
    "a record is missing": lambda c: replace(c, records=c.records[1:]),
    "a record's bytes are flipped": lambda c: replace(c, records=(flip(c.records[0]), *c.records[1:])),
    "records have swapped their places": lambda c: replace(
        c, records=(c.records[0][:16] + c.records[1][16:], c.records[1][:16] + c.records[0][16:], *c.records[2:])
    ),
    "the head is flipped": lambda c: replace(c, head=flip(c.head)),
    "another table's id": lambda c: replace(c, table=flip(c.table)),
}


def flip(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize("change", CHANGED.values(), ids=CHANGED.keys())
def test_a_liar_who_registers_a_changed_container_is_caught_when_it_is_opened(
    sealed: SealedTable, secrets: DataKeys, change: Change
) -> None:
    container = change(Container.from_bytes(sealed.container)).to_bytes()
    rows = [resource for resource in sealed.resources if resource.name != "t.sealed"]
    forged = Manifest.of([*rows, Resource("t.sealed", sha256(container), len(container))])
    with pytest.raises((PrivacyError, NotFoundError)):
        open_table(container, name="t", manifest=forged, secrets=secrets)


def without(who: str, sealed: SealedTable, secrets: DataKeys) -> tuple[bytes, Manifest]:
    """A liar's file and manifest without the last row of a person."""
    place = int(rows_of(who, sealed, secrets)[-1].resource[-6:])
    container = Container.from_bytes(sealed.container)
    left = replace(container, records=container.records[:place] + container.records[place + 1 :]).to_bytes()
    rows = [resource for resource in sealed.resources if resource.name != "t.sealed"]
    digests = [row.digest for number, row in enumerate(rows) if number != place]
    names = [row.name for row in rows[:-1]]
    moved = [Resource(name, digest, rows[0].size) for name, digest in zip(names, digests, strict=True)]
    return left, Manifest.of([*moved, Resource("t.sealed", sha256(left), len(left))])


def test_a_row_left_out_by_a_liar_is_not_taken_for_erased(sealed: SealedTable, secrets: DataKeys) -> None:
    container, manifest = without("ben", sealed, secrets)
    with pytest.raises(PrivacyError) as caught:
        open_table(container, name="t", manifest=manifest, secrets=secrets)
    assert caught.value.code in ("table-corrupt", "commitment")


def test_rows_and_people_that_do_not_add_up_are_refused(sealed: SealedTable, secrets: DataKeys) -> None:
    """The last row of the file is left out, so that no other row moves; its only person has been erased since."""
    for _ in range(50):
        last = {rows_of(who, sealed, secrets)[-1].resource[-6:]: who for who in ("ben", "carla")}.get("000003")
        if last:
            break
        sealed = seal(CSV, secrets)
    assert last
    container, manifest = without(last, sealed, secrets)
    with pytest.raises(PrivacyError, match="has no row"):
        open_table(container, name="t", manifest=manifest, secrets=secrets)
    erase(last, secrets=secrets)
    with pytest.raises(PrivacyError, match="0 rows cannot be read, and 1 people were erased"):
        open_table(container, name="t", manifest=manifest, secrets=secrets)


def test_a_row_that_is_not_the_committed_one_is_refused(sealed: SealedTable, secrets: DataKeys) -> None:
    wrong = commitment.commit(bytes(32), b"t.rows/000002", b"another row")
    forged = [
        replace(resource, digest=wrong) if resource.name == "t.rows/000002" else resource
        for resource in sealed.resources
    ]
    with pytest.raises(PrivacyError) as caught:
        open_table(sealed.container, name="t", manifest=Manifest.of(forged), secrets=secrets)
    assert caught.value.code == "commitment"
    fewer = [resource for resource in sealed.resources if resource.name != "t.rows/000002"]
    with pytest.raises(PrivacyError) as caught:
        open_table(sealed.container, name="t", manifest=Manifest.of(fewer), secrets=secrets)
    assert caught.value.code == "table-corrupt"


@pytest.mark.parametrize("where", [0, 16, 17, 33, 36, 40, 44])
def test_a_container_with_a_changed_beginning_is_refused(sealed: SealedTable, secrets: DataKeys, where: int) -> None:
    data = bytearray(sealed.container)
    data[where] ^= 0x40
    forged = [resource for resource in sealed.resources if resource.name != "t.sealed"]
    forged.append(Resource("t.sealed", sha256(bytes(data)), len(data)))
    with pytest.raises(MooringError):
        open_table(bytes(data), name="t", manifest=Manifest.of(forged), secrets=secrets)


@pytest.mark.parametrize("data", [b"", b"mooring-table-v1\n", b"x" * 100])
def test_what_is_no_container_is_refused(data: bytes) -> None:
    with pytest.raises(PrivacyError) as caught:
        Container.from_bytes(data)
    assert caught.value.code == "table-format"


def test_records_out_of_order_are_refused(sealed: SealedTable) -> None:
    container = Container.from_bytes(sealed.container)
    assert container.to_bytes() == sealed.container
    with pytest.raises(PrivacyError, match="order"):
        Container.from_bytes(replace(container, records=container.records[::-1]).to_bytes())


@pytest.mark.parametrize("who", ["", " "])
def test_a_row_that_names_nobody_is_refused_before_any_key_is_made(secrets: DataKeys, who: str) -> None:
    with pytest.raises(PrivacyError, match="row 2") as caught:
        seal(f"patient,size\nanna,1\n{who},2\n".encode(), secrets)
    assert caught.value.code == "table-subject"
    with pytest.raises(PrivacyError):
        rows_of("anna", seal(b"patient\nben\n", secrets), secrets)


def test_an_unknown_column_is_refused(secrets: DataKeys) -> None:
    with pytest.raises(PrivacyError) as caught:
        seal(CSV, secrets, "Patient")
    assert caught.value.code == "table-column"


def test_rows_that_would_pad_to_gigabytes_are_refused(secrets: DataKeys) -> None:
    csv = b"patient,text\nanna," + b"x" * 100_000 + b"\n" + b"".join(b"p%d,x\n" % n for n in range(25_000))
    with pytest.raises(PrivacyError) as caught:
        seal(csv, secrets)
    assert caught.value.code == "table-size"


def test_a_damaged_secret_store_is_an_error_and_not_an_erasure(
    sealed: SealedTable, secrets: DataKeys, tmp_path: Path
) -> None:
    with sqlite3.connect(tmp_path / "keys" / "people.sqlite") as db:
        db.execute("UPDATE secret SET wrapped = x'00' WHERE name LIKE 'person/%'")
    with pytest.raises(CorruptError):
        opened(sealed, secrets)


def all_bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


@pytest.mark.parametrize(
    ("rows", "people", "limit_s"), [(569, 569, 2.0), pytest.param(100_000, 100_000, 60.0, marks=pytest.mark.slow)]
)
def test_many_rows_are_quick(secrets: DataKeys, rows: int, people: int, limit_s: float) -> None:
    csv = b"patient," + b",".join(b"f%d" % n for n in range(30)) + b"\n"
    csv += b"".join(b"p%d" % (n % people) + b",17.99" * 30 + b"\n" for n in range(rows))
    start = time.perf_counter()
    sealed = seal(csv, secrets)
    manifest = manifest_of(sealed)
    middle = time.perf_counter()
    table = open_table(sealed.container, name="t", manifest=manifest, secrets=secrets)
    end = time.perf_counter()
    print(f"{rows} rows: sealed in {middle - start:.2f} s, opened in {end - middle:.2f} s")
    assert len(table.rows) == rows
    assert middle - start < limit_s
    assert end - middle < limit_s
