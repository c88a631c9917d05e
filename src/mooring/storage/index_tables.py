"""The index's tables, and how rows lie in them: each with a mark, so that a flipped byte is noticed when it is read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from sqlalchemy import (
    BigInteger,
    Column,
    Dialect,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Row,
    SmallInteger,
    String,
    Table,
    Text,
    TypeDecorator,
)

from mooring.errors import CorruptError
from mooring.storage.index import (
    AnchorRow,
    ApprovalRow,
    AssetRow,
    AttestationRow,
    CurrentRow,
    DerivedRow,
    EventRow,
    KeyRow,
    LineageRow,
    OriginRow,
    StatusRow,
    Value,
    VersionRow,
)

__all__ = [
    "ATTESTATIONS",
    "DERIVED",
    "EVENTS",
    "FORMAT",
    "METADATA",
    "STANDING",
    "TABLES",
    "columns_of",
    "corrupt",
    "order_of",
    "row_of",
]

FORMAT = 1
"""Raised whenever the tables change: an index of another format is rebuilt, never migrated."""

METADATA = MetaData()

R = TypeVar("R")

_MARK = 16
# Text is compared by its bytes on every server, so that one order means one digest.
_TEXT = Text().with_variant(Text(collation="C"), "postgresql")


class _Unsigned64(TypeDecorator[int]):
    """An unsigned 64-bit number in a signed column, shifted so that the order stays."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> int | None:
        return None if value is None else value - (1 << 63)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> int | None:
        if value is not None and not isinstance(value, int):
            raise corrupt(f"{value!r:.40} stands where a number belongs")
        return None if value is None else value + (1 << 63)


def _table(name: str, *columns: Column[Any], order: tuple[str, ...], find: tuple[str, ...] = ()) -> Table:
    """Return a table whose primary key is its order, with an index for each column to find rows by."""
    return Table(
        name,
        METADATA,
        *columns,
        Column("mark", String(_MARK), nullable=False),
        PrimaryKeyConstraint(*order),
        *(Index(f"{name}_{column}", column) for column in find),
    )


def _placed(name: str, *columns: Column[Any], find: tuple[str, ...] = (), more: tuple[str, ...] = ()) -> Table:
    """Return a table of rows that events brought about, in the order of the events."""
    place = (Column("block", BigInteger, nullable=False), Column("position", BigInteger, nullable=False))
    return _table(name, *place, *columns, order=("block", "position", *more), find=find)


def _text(name: str) -> Column[Any]:
    return Column(name, _TEXT, nullable=False)


def _number(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, _Unsigned64, nullable=nullable)


ATTESTATIONS = _table(
    "attestation",
    _text("origin"),
    Column("index", BigInteger, nullable=False),
    *map(_text, ("leaf", "predicate_type", "subject", "digest", "keyid", "time", "payload_digest")),
    order=("origin", "index"),
    find=("predicate_type", "subject", "digest", "keyid", "payload_digest"),
)
EVENTS = _placed(
    "event",
    *map(_text, ("contract", "name", "args", "block_hash", "reference")),
    Column("time", BigInteger, nullable=False),
    find=("name",),
)
_ASSETS = _placed("asset", _text("asset"), Column("kind", SmallInteger, nullable=False), _text("owner"), _text("name"))
_VERSIONS = _placed(
    "version",
    *map(_text, ("version", "asset", "label", "manifest", "attestation", "proposer")),
    find=("version", "asset", "manifest"),
)
_LINEAGE = _placed(
    "lineage",
    Column("ordinal", Integer, nullable=False),
    _text("version"),
    _text("parent"),
    find=("version", "parent"),
    more=("ordinal",),
)
_APPROVALS = _placed(
    "approval", *map(_text, ("version", "org", "approver", "evidence")), _number("approvals"), find=("version",)
)
_STATUSES = _placed(
    "status",
    _text("version"),
    Column("before", SmallInteger, nullable=False),
    Column("after", SmallInteger, nullable=False),
    _text("actor"),
    _text("reason"),
    find=("version",),
)
_CURRENT = _placed("current", *map(_text, ("asset", "before", "after")), find=("asset", "before", "after"))
_KEYS = _placed(
    "signer",
    _text("keyid"),
    _text("org"),
    *(_number(name, nullable=True) for name in ("not_before", "not_after", "revoked_from")),
    find=("keyid",),
)
_ORIGINS = _placed("origin", *map(_text, ("origin_id", "origin", "writer")), find=("origin_id", "origin"))
_ANCHORS = _placed("anchor", _text("origin_id"), _number("size"), _text("root"), find=("origin_id",))

STANDING = Table(
    "standing",
    METADATA,
    Column("id", SmallInteger, primary_key=True),
    Column("format", Integer, nullable=False),
    Column("trail", _TEXT, nullable=False),
    Column("head", BigInteger, nullable=False),
    Column("final", BigInteger, nullable=False),
    Column("head_time", BigInteger, nullable=False),
)
"""One row: how far the ledger was followed, and the format of everything."""

DERIVED: Mapping[type[DerivedRow], Table] = {
    AssetRow: _ASSETS,
    VersionRow: _VERSIONS,
    LineageRow: _LINEAGE,
    ApprovalRow: _APPROVALS,
    StatusRow: _STATUSES,
    CurrentRow: _CURRENT,
    KeyRow: _KEYS,
    OriginRow: _ORIGINS,
    AnchorRow: _ANCHORS,
}
"""Where the rows lie that follow from events."""

TABLES: Mapping[type[Any], Table] = {AttestationRow: ATTESTATIONS, EventRow: EVENTS, **DERIVED}
"""Where each kind of row lies."""


def columns_of(row: object) -> dict[str, Any]:
    """Return a row as the values of its columns, with its mark."""
    kind = type(row)
    values = {field.name: getattr(row, field.name) for field in fields(kind)}  # type: ignore[arg-type]  # any row class
    if isinstance(row, EventRow):
        values["args"] = _encode(row.args)
    return values | {"mark": _mark(kind, values)}


def row_of(kind: type[R], found: Row[Any]) -> R:
    """Return a row that was read; raises CorruptError if it is not as it was written."""
    values = dict(found._mapping)
    mark = values.pop("mark")
    if any(isinstance(value, bytes) for value in values.values()) or mark != _mark(kind, values):
        place = ", ".join(f"{column.name} {values[column.name]}" for column in TABLES[kind].primary_key)
        raise corrupt(f"the row of table {TABLES[kind].name} at {place} was changed since it was written")
    if kind is EventRow:
        values["args"] = _decode(values["args"])
    return kind(**values)


def order_of(kind: type[Any]) -> tuple[Column[Any], ...]:
    """Return the columns that the rows of a kind are ordered by."""
    return tuple(TABLES[kind].primary_key)


def corrupt(problem: str) -> CorruptError:
    """Return the error for an index that does not hold what was written."""
    return CorruptError(
        f"the index is corrupt: {problem}",
        code="index-corrupt",
        hint="run 'mooring log rebuild-index': it is filled again from the log and the ledger",
    )


def _mark(kind: type[Any], values: Mapping[str, Any]) -> str:
    text = json.dumps([kind.__name__, *(values[field.name] for field in fields(kind))])
    return hashlib.sha256(text.encode()).hexdigest()[:_MARK]


def _encode(args: Mapping[str, Value]) -> str:
    """Return arguments as JSON that keeps their types: bytes as {"hex": …}, numbers as {"int": "…"}."""
    tagged = {name: _tag(value) for name, value in args.items()}
    return json.dumps(tagged, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _decode(text: str) -> dict[str, Value]:
    tagged: dict[str, Any] = json.loads(text)
    return {name: _untag(value) for name, value in tagged.items()}


def _tag(value: Value) -> Any:
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, int) and not isinstance(value, bool):
        return {"int": str(value)}
    return [_tag(item) for item in value] if isinstance(value, tuple) else value


def _untag(value: Any) -> Value:
    if isinstance(value, dict):
        return bytes.fromhex(value["hex"]) if "hex" in value else int(value["int"])
    if isinstance(value, list):
        return tuple(_untag(item) for item in value)
    plain: bool | str = value
    return plain
