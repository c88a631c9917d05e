"""Rows about people: sealed under each person's own key, committed to in the manifest, erased by destroying a key.

A sealed table is one file (its form: `mooring.privacy.container`) and, in the manifest, one resource for that file,
`<name>.sealed`, and one salted commitment per row, `<name>.rows/<place in the file>`, whose context is that very name.
The salt lies encrypted with its row: whoever may read a row can show that it is the registered one, and without the
person's key nobody can test a guess against its commitment.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mooring.errors import PrivacyError
from mooring.privacy import commitment, envelope
from mooring.privacy.container import ID, NONCE, SALT, Container, Plain, RowKey, corrupt, width_for
from mooring.privacy.identities import Entropy, Gone, Person, Secrets, enrol, erase, find
from mooring.privacy.rows import Row, Table, lines_of, parse_lines
from mooring.records import canonical
from mooring.records.digest import Digest, sha256
from mooring.records.manifest import Manifest, Resource

__all__ = [
    "Disclosure",
    "Entropy",
    "Gone",
    "OpenTable",
    "SealedTable",
    "Secrets",
    "check_disclosure",
    "erase",
    "open_table",
    "seal_table",
    "subject_rows",
]


@dataclass(frozen=True, slots=True)
class SealedTable:
    """What to keep of a table: the file as a blob, the resources in a manifest. `people` is how many it is about."""

    container: bytes = field(repr=False)
    resources: tuple[Resource, ...] = field(repr=False)
    rows: int
    people: int


@dataclass(frozen=True, slots=True)
class OpenTable:
    """The rows that can still be read, in an order that means nothing, and how many cannot because of erasure."""

    columns: Row
    rows: tuple[Row, ...] = field(repr=False)
    erased: int

    def to_csv(self) -> bytes:
        """Return the readable rows as CSV with a header."""
        return Table(self.columns, self.rows).to_csv()


@dataclass(frozen=True, slots=True)
class Disclosure:
    """One row in the clear, with what shows that it is the one registered as `resource`."""

    resource: str
    salt: bytes
    line: bytes = field(repr=False)

    @property
    def cells(self) -> Row:
        """The row's cells, in the order of the columns."""
        (cells,) = parse_lines([self.line])
        return cells


def seal_table(csv: bytes, subject_column: str, *, name: str, secrets: Secrets, entropy: Entropy) -> SealedTable:
    """Encrypt each row under the key of the person that its `subject_column` names; people without a key get one.

    `csv` is UTF-8 with a header line; `name` becomes part of the resources' names. Raises PrivacyError `table-csv`,
    `table-column`, `table-subject`, `table-size`, none of which quotes a cell.
    """
    table = Table.from_csv(csv)
    identifiers = tuple(table.column(subject_column))
    _check_identifiers(identifiers, subject_column)
    people = enrol(identifiers, secrets=secrets, entropy=entropy)
    table_id = entropy(ID)
    keys = {identifier: RowKey(person.key, table_id) for identifier, person in people.items()}
    rows = list(zip((keys[identifier] for identifier in identifiers), lines_of(table.rows), strict=True))
    width = width_for(line for _, line in rows)
    records, commitments = _seal_rows(rows, name, width, entropy)
    (table_key,) = secrets.create([_table_key(table_id)])
    head = _seal_head(table.columns, people.values(), table_key, table_id, entropy)
    container = Container(table_id, width, head, records).to_bytes()
    whole = Resource(f"{name}.sealed", sha256(container), len(container))
    return SealedTable(container, (whole, *commitments), len(rows), len(people))


def open_table(container: bytes, *, name: str, manifest: Manifest, secrets: Secrets) -> OpenTable:
    """Decrypt every row whose person was not erased, each checked against its commitment in the manifest.

    Raises PrivacyError `table-corrupt` if anything but erasure is why a row cannot be read, NotFoundError if a data key
    is missing that was never destroyed.
    """
    parsed, resources = _registered(container, name, manifest)
    columns, people = _open_head(parsed, secrets)
    keys = secrets.get_many(people)
    places = parsed.places()
    found: dict[int, bytes] = {}
    for key in keys.values():
        before = len(found)
        for place, plain in parsed.open(RowKey(key, parsed.table), places):
            found[place] = _disclose(name, place, plain, resources).line
        if len(found) == before:
            raise corrupt("a person whose key is kept has no row in it")
    erased = len(parsed.records) - len(found)
    if (erased == 0) != (len(keys) == len(people)):
        raise corrupt(f"{erased} rows cannot be read, and {len(people) - len(keys)} people were erased")
    return OpenTable(columns, parse_lines(found[place] for place in sorted(found)), erased)


def subject_rows(
    container: bytes, identifier: str, *, name: str, manifest: Manifest, secrets: Secrets
) -> tuple[Disclosure, ...]:
    """Return one person's rows, each with what shows that it is the registered one; () if there is none of theirs.

    Raises PrivacyError `person-unknown` if nobody, or nobody any more, is kept under the identifier.
    """
    parsed, resources = _registered(container, name, manifest)
    key = RowKey(find(identifier, secrets=secrets).key, parsed.table)
    opened = sorted(parsed.open(key, parsed.places()), key=lambda pair: pair[0])
    return tuple(_disclose(name, place, plain, resources) for place, plain in opened)


def check_disclosure(disclosure: Disclosure, manifest: Manifest) -> None:
    """Return if the row is the one that the manifest commits to, else raise PrivacyError `commitment`."""
    resource = manifest.find(disclosure.resource)
    if resource is None:
        raise PrivacyError(
            f"the manifest has no resource {disclosure.resource!r}", code="commitment", hint="give the row's manifest"
        )
    commitment.verify(resource.digest, disclosure.salt, disclosure.resource.encode(), disclosure.line)


def _seal_rows(
    rows: Sequence[tuple[RowKey, bytes]], name: str, width: int, entropy: Entropy
) -> tuple[tuple[bytes, ...], tuple[Resource, ...]]:
    """Return the records in the order of their locators, and a commitment for each."""
    locators = {id(key): key.locators() for key, _ in rows}
    placed = sorted(((next(locators[id(key)]), key, line) for key, line in rows), key=lambda row: row[0])
    salts, nonces = _pieces(entropy, len(rows), SALT), _pieces(entropy, len(rows), NONCE)
    records, commitments = [], []
    for place, ((locator, key, line), salt, nonce) in enumerate(zip(placed, salts, nonces, strict=True)):
        resource = _row_name(name, place)
        records.append(key.seal(locator, nonce, Plain(salt, line), width))
        # The size is that of the padded row: the true one would tell short rows from long ones.
        commitments.append(Resource(resource, commitment.commit(salt, resource.encode(), line), width))
    return tuple(records), tuple(commitments)


def _seal_head(columns: Row, people: Iterable[Person], key: bytes, table_id: bytes, entropy: Entropy) -> bytes:
    """The head names columns and people (sorted, so in no order); both stay off the plain part of the file."""
    text = canonical.encode({"columns": columns, "people": sorted(person.name for person in people)})
    salt = entropy(envelope.SALT)
    return b"".join(envelope.seal([text], key=key, context=_head_context(table_id), salt=salt))


def _open_head(container: Container, secrets: Secrets) -> tuple[Row, tuple[str, ...]]:
    key = secrets.get(_table_key(container.table))
    text = b"".join(envelope.unseal([container.head], key=key, context=_head_context(container.table)))
    head = canonical.decode(text)
    assert isinstance(head, dict)  # authentic, so as `_seal_head` wrote it
    return tuple(head["columns"]), tuple(head["people"])


def _registered(container: bytes, name: str, manifest: Manifest) -> tuple[Container, Mapping[str, Digest]]:
    """Parse a container that is the one the manifest names; return with it the digests of the table's resources."""
    digests = {resource.name: resource.digest for resource in manifest.resources}
    if digests.get(f"{name}.sealed") != sha256(container):
        raise corrupt(f"it is not the file {name}.sealed of its manifest")
    return Container.from_bytes(container), digests


def _disclose(name: str, place: int, plain: Plain, digests: Mapping[str, Digest]) -> Disclosure:
    resource = _row_name(name, place)
    registered = digests.get(resource)
    if registered is None:
        raise corrupt(f"its manifest has no commitment {resource!r}")
    commitment.verify(registered, plain.salt, resource.encode(), plain.row)
    return Disclosure(resource, plain.salt, plain.row)


def _check_identifiers(identifiers: Sequence[str], column: str) -> None:
    for number, identifier in enumerate(identifiers, 1):
        if not identifier.strip():
            raise PrivacyError(
                f"row {number} names nobody in column {column!r}",
                code="table-subject",
                hint="every row must name the person that it is about",
            )


def _pieces(entropy: Entropy, count: int, size: int) -> Iterator[bytes]:
    pool = entropy(count * size)
    return (pool[start : start + size] for start in range(0, count * size, size))


def _row_name(name: str, place: int) -> str:
    return f"{name}.rows/{place:06}"


def _table_key(table_id: bytes) -> str:
    return f"table/{table_id.hex()}"


def _head_context(table_id: bytes) -> bytes:
    return b"mooring/table/v1/head\0" + table_id
