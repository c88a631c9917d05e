"""The index in SQLite or PostgreSQL, through SQLAlchemy Core."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Engine, Select

from mooring.errors import BusyError, StorageError
from mooring.storage.index import (
    AnchorRow,
    ApprovalRow,
    AssetRow,
    AttestationRow,
    CurrentRow,
    DerivedRow,
    EventRow,
    IndexStep,
    KeyRow,
    LineageRow,
    OriginRow,
    Standing,
    StatusRow,
    VersionRow,
)
from mooring.storage.index_engine import FAILURES, Whereabouts, discard, make_engine, translate
from mooring.storage.index_projection import rows_of
from mooring.storage.index_tables import (
    ATTESTATIONS,
    DERIVED,
    EVENTS,
    FORMAT,
    METADATA,
    STANDING,
    TABLES,
    R,
    columns_of,
    corrupt,
    order_of,
    row_of,
)

__all__ = ["SqlIndex"]

_BATCH = 1000
_NO_WORD = "0" * 64
_ID = 0x6D6F6F72  # "moor": marks the SQLite file as ours, and names the lock in PostgreSQL


class SqlIndex:
    """An `Index` in one database; any number of processes may use it at once."""

    def __init__(self, url: str) -> None:
        """Open `sqlite:///path` or `postgresql://user:password@host/database`, making the tables if there are none.

        Raises ConfigError `index-url`, `extra-missing`; CorruptError `index-corrupt`, or StorageError `index-format`
        for one of another version of Mooring: for both, use `rebuilt`.
        """
        self._engine: Engine = make_engine(url)
        self._whereabouts = Whereabouts(self._engine)
        if not self._exists():
            self._make()
        with self._begin() as connection:
            _check_format(connection)

    @classmethod
    def rebuilt(cls, url: str) -> SqlIndex:
        """Drop whatever is there, even if it is corrupt, and return an empty index to fill again."""
        discard(url)
        return cls(url)

    def close(self) -> None:
        """Release all connections."""
        self._engine.dispose()

    def __repr__(self) -> str:
        return f"SqlIndex({self._engine.url.render_as_string(hide_password=True)!r})"

    # attestations

    def add_attestations(self, rows: Sequence[AttestationRow]) -> None:
        """Keep rows of logged attestations (see `Index.add_attestations`)."""
        by_origin: dict[str, dict[int, AttestationRow]] = defaultdict(dict)
        for row in rows:
            if by_origin[row.origin].setdefault(row.index, row) != row:
                raise corrupt(f"two attestations claim place {row.index} of {row.origin}")
        with self._begin() as connection:
            _lock(connection)
            for origin, placed in by_origin.items():
                _add(connection, [placed[index] for index in _new(connection, origin, placed)])

    def attested(self, origin: str) -> int:
        """Return how many entries of a log are indexed without a gap from its first."""
        index = ATTESTATIONS.c["index"]
        mine = ATTESTATIONS.c.origin == origin
        with self._begin() as connection:
            count, last = connection.execute(sa.select(sa.func.count(), sa.func.max(index)).where(mine)).one()
            if last is None or count == last + 1:
                return int(count)
            present = connection.execute(sa.select(index).where(mine).order_by(index)).scalars()
            return next(expected for expected, found in enumerate(present) if found != expected)

    def attestation(self, payload_digest: str) -> AttestationRow | None:
        """Return the first attestation of a statement, by the SHA-256 of its bytes in hex."""
        found = self._attestations({"payload_digest": payload_digest}, 1)
        return found[0] if found else None

    def attestations(
        self,
        *,
        origin: str | None = None,
        subject: str | None = None,
        digest: str | None = None,
        predicate_type: str | None = None,
        keyid: str | None = None,
    ) -> tuple[AttestationRow, ...]:
        """Return the attestations that have every given property, in the order of origin and place."""
        wanted = {
            "origin": origin,
            "subject": subject,
            "digest": digest,
            "predicate_type": predicate_type,
            "keyid": keyid,
        }
        return self._attestations({name: value for name, value in wanted.items() if value is not None}, None)

    # the ledger

    def apply(self, step: IndexStep) -> None:
        """Take one step, all of it or nothing (see `Index.apply`)."""
        with self._begin() as connection:
            _lock(connection)
            wanted = _still_wanted(connection, step)
            if wanted is None:
                return
            if wanted.unwound_to is not None:
                _unwind(connection, wanted.unwound_to)
            rows: dict[type[Any], list[Any]] = defaultdict(list)
            for event in wanted.events:
                rows[EventRow].append(event)
                for row in rows_of(event):
                    rows[type(row)].append(row)
            for some in rows.values():
                _add(connection, some)
            _keep_standing(connection, wanted.standing)

    def standing(self) -> Standing:
        """Return how far the ledger was followed."""
        with self._begin() as connection:
            return _standing(connection)

    def events(self, name: str | None = None) -> tuple[EventRow, ...]:
        """Return the ledger's events in order, or those of one name."""
        return self._all(EventRow, *([] if name is None else [EVENTS.c.name == name]))

    def assets(self) -> tuple[AssetRow, ...]:
        """Return every asset, in the order of creation."""
        return self._all(AssetRow)

    def versions(self, asset: str) -> tuple[VersionRow, ...]:
        """Return an asset's versions, in the order in which they were proposed."""
        return self._all(VersionRow, DERIVED[VersionRow].c.asset == asset)

    def version(self, version: str) -> VersionRow | None:
        """Return a version by its id."""
        found = self._all(VersionRow, DERIVED[VersionRow].c.version == version)
        return found[0] if found else None

    def current(self, asset: str) -> str | None:
        """Return the id of the version that is served by default."""
        found = self._all(CurrentRow, DERIVED[CurrentRow].c.asset == asset)
        return found[-1].after if found and found[-1].after != _NO_WORD else None

    def history(self, version: str) -> tuple[DerivedRow, ...]:
        """Return what happened to a version, in order: proposed, approved, its status changed, it became current."""
        current = DERIVED[CurrentRow].c
        rows: list[DerivedRow] = [
            *self._all(VersionRow, DERIVED[VersionRow].c.version == version),
            *self._all(ApprovalRow, DERIVED[ApprovalRow].c.version == version),
            *self._all(StatusRow, DERIVED[StatusRow].c.version == version),
            *self._all(CurrentRow, sa.or_(current.before == version, current.after == version)),
        ]
        return tuple(sorted(rows, key=lambda row: (row.block, row.position)))

    def ancestors(self, version: str) -> tuple[LineageRow, ...]:
        """Return the edges from a version to all that it was made from, however far."""
        return self._edges(version, "version", "parent")

    def descendants(self, version: str) -> tuple[LineageRow, ...]:
        """Return the edges to a version from all that was made from it, however far."""
        return self._edges(version, "parent", "version")

    def keys(self, keyid: str | None = None) -> tuple[KeyRow, ...]:
        """Return what was registered and revoked, in order, of all keys or of one."""
        return self._all(KeyRow, *([] if keyid is None else [DERIVED[KeyRow].c.keyid == keyid]))

    def origins(self, origin: str) -> tuple[OriginRow, ...]:
        """Return who opened a log of that name, in order."""
        return self._all(OriginRow, DERIVED[OriginRow].c.origin == origin)

    def anchors(self, origin_id: str) -> tuple[AnchorRow, ...]:
        """Return the anchors of a log, in order."""
        return self._all(AnchorRow, DERIVED[AnchorRow].c.origin_id == origin_id)

    # the whole

    def digest(self) -> str:
        """Return the SHA-256, in hex, of all rows in order (see `Index.digest`)."""
        hasher = hashlib.sha256()
        with self._begin() as connection:
            for kind in TABLES:
                hasher.update(f"{kind.__name__}\n".encode())
                for row in _stream(connection, kind):
                    hasher.update(json.dumps(list(columns_of(row).values())).encode() + b"\n")
        return hasher.hexdigest()

    def check(self) -> None:
        """Read everything and return if it is sound, else raise CorruptError."""
        with self._begin() as connection:
            if connection.dialect.name == "sqlite":
                problem = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar()
                if problem != "ok":
                    raise corrupt(str(problem))
            expected: dict[type[DerivedRow], list[DerivedRow]] = {kind: [] for kind in DERIVED}
            for event in _stream(connection, EventRow):
                for row in rows_of(event):
                    expected[type(row)].append(row)
            for kind, rows in expected.items():
                if rows != list(_stream(connection, kind)):
                    raise corrupt(f"table {TABLES[kind].name} is not what the events say")
            for _ in _stream(connection, AttestationRow):
                pass

    def clear(self) -> None:
        """Drop every row, to fill the index again."""
        with self._begin() as connection:
            _lock(connection)
            for table in TABLES.values():
                connection.execute(table.delete())
            _keep_standing(connection, Standing())

    # how

    def _exists(self) -> bool:
        with self._begin() as connection:
            return sa.inspect(connection).has_table(STANDING.name)

    def _make(self) -> None:
        with self._begin() as connection:
            # Of several who find no tables one makes them, and the others wait here until it has.
            if connection.dialect.name == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ID)))
            else:
                connection.exec_driver_sql(f"PRAGMA application_id = {_ID}")
            if not sa.inspect(connection).has_table(STANDING.name):
                METADATA.create_all(connection)
                connection.execute(STANDING.insert().values(id=1, format=FORMAT, **_fields(Standing())))

    def _attestations(self, wanted: dict[str, str], limit: int | None) -> tuple[AttestationRow, ...]:
        conditions = [ATTESTATIONS.c[name] == value for name, value in wanted.items()]
        return self._read(AttestationRow, _select(AttestationRow).where(*conditions).limit(limit))

    def _all(self, kind: type[R], *conditions: sa.ColumnElement[bool]) -> tuple[R, ...]:
        return self._read(kind, _select(kind).where(*conditions))

    def _read(self, kind: type[R], query: Select[Any]) -> tuple[R, ...]:
        with self._begin() as connection:
            return tuple(row_of(kind, found) for found in connection.execute(query))

    def _edges(self, version: str, start: str, end: str) -> tuple[LineageRow, ...]:
        """Return the edges that are reached from a version, going from column `start` to column `end`."""
        lineage = DERIVED[LineageRow]
        own = sa.select(lineage.c[start].label("version")).where(lineage.c[start] == version)
        reached = own.cte("reached", recursive=True)
        # UNION and not UNION ALL: a version reached on two ways is followed once.
        reached = reached.union(sa.select(lineage.c[end]).join(reached, lineage.c[start] == reached.c.version))
        return self._all(LineageRow, lineage.c[start].in_(sa.select(reached.c.version)))

    @contextmanager
    def _begin(self) -> Iterator[Connection]:
        self._whereabouts.check()
        try:
            with self._engine.begin() as connection:
                yield connection
        except FAILURES as error:
            raise translate(error, self._engine.url) from error


def _still_wanted(connection: Connection, step: IndexStep) -> IndexStep | None:
    """Return what of a step is not taken yet, None if all is; raises BusyError if the index is on another fork."""
    kept = _standing(connection)
    if kept.tip == step.after:
        return step
    here, base, end = _number(kept.tip), _number(step.after), _number(step.standing.tip)
    base = base if step.unwound_to is None else step.unwound_to
    both = [event for event in step.events if event.block <= here]
    if base <= here and both == _between(connection, base, min(here, end)):
        if end <= here:
            return None
        # What is final there is on the one chain that everybody has; above that, only the trail can tell.
        if here <= step.standing.final or kept.tip in step.standing.trail:
            return replace(step, unwound_to=None, events=step.events[len(both) :])
    raise BusyError(
        f"the index stands at block {kept.tip}, and this step goes on from {step.after}",
        code="index-moved",
        hint="another follower was here: load where the index stands, and follow from there",
    )


def _number(tip: tuple[int, str] | None) -> int:
    return tip[0] if tip else -1


def _between(connection: Connection, base: int, end: int) -> list[EventRow]:
    """Return the kept events above block `base`, up to `end`."""
    query = _select(EventRow).where(EVENTS.c.block > base, EVENTS.c.block <= end)
    return [row_of(EventRow, found) for found in connection.execute(query)]


def _check_format(connection: Connection) -> None:
    found = connection.execute(sa.select(STANDING.c.format)).scalar()
    if found != FORMAT:
        raise StorageError(
            f"the index has format {found}, this version of Mooring uses {FORMAT}",
            code="index-format",
            hint="run 'mooring log rebuild-index': it is filled again from the log and the ledger",
        )


def _lock(connection: Connection) -> None:
    """Hold off other writers until the transaction ends: before anything is read that the writing depends on."""
    if connection.execute(STANDING.update().values(id=1)).rowcount != 1:
        raise corrupt("it does not say how far the ledger was followed")


def _standing(connection: Connection) -> Standing:
    found = connection.execute(sa.select(STANDING)).one_or_none()
    if found is None:
        raise corrupt("it does not say how far the ledger was followed")
    try:
        trail = tuple((int(number), str(name)) for number, name in json.loads(found.trail))
    except (ValueError, TypeError) as error:
        raise corrupt(f"its trail of blocks cannot be read: {error}") from error
    return Standing(trail, found.head, found.final, found.head_time)


def _keep_standing(connection: Connection, standing: Standing) -> None:
    connection.execute(STANDING.update().values(**_fields(standing)))


def _fields(standing: Standing) -> dict[str, Any]:
    trail = json.dumps(standing.trail, separators=(",", ":"))
    return {"trail": trail, "head": standing.head, "final": standing.final, "head_time": standing.head_time}


def _unwind(connection: Connection, block: int) -> None:
    for table in (EVENTS, *DERIVED.values()):
        connection.execute(table.delete().where(table.c.block > block))


def _new(connection: Connection, origin: str, placed: dict[int, AttestationRow]) -> list[int]:
    """Return the places of rows that are not kept yet; raises CorruptError if another row is in the place of one."""
    index = ATTESTATIONS.c["index"]
    between = index.between(min(placed), max(placed))
    query = _select(AttestationRow).where(ATTESTATIONS.c.origin == origin, between)
    kept = {row.index: row for row in (row_of(AttestationRow, found) for found in connection.execute(query))}
    for place in kept.keys() & placed.keys():
        if kept[place] != placed[place]:
            raise corrupt(f"place {place} of {origin} holds another attestation than the log")
    return sorted(placed.keys() - kept.keys())


def _add(connection: Connection, rows: Sequence[Any]) -> None:
    for start in range(0, len(rows), _BATCH):
        some = rows[start : start + _BATCH]
        table = TABLES[type(some[0])]
        # RETURNING makes SQLAlchemy send many rows in one statement, which pg8000 by itself does not.
        insert = table.insert().returning(next(iter(table.primary_key)))
        connection.execute(insert, [columns_of(row) for row in some])


def _select(kind: type[R]) -> Select[Any]:
    return sa.select(TABLES[kind]).order_by(*order_of(kind))


def _stream(connection: Connection, kind: type[R]) -> Iterator[R]:
    found = connection.execution_options(yield_per=_BATCH).execute(_select(kind))
    return (row_of(kind, row) for row in found)
