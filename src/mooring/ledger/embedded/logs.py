"""Events by address, topic and block, from an index that is written with each block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mooring.ledger.embedded.database import ChainDatabase

__all__ = ["COLUMNS", "LogFilter", "LogRow", "insert_statement", "select"]

LogRow = tuple[Any, ...]
"""One event: the columns below, in their order; hashes, addresses, topics and data are bytes."""

COLUMNS = ("block", "position", "tx_index", "tx_hash", "address", "topic0", "topic1", "topic2", "topic3", "data")


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which events are wanted: an empty set of addresses, or of topics at a place, means any (EIP-1474)."""

    first: int
    last: int
    addresses: tuple[bytes, ...] = ()
    topics: tuple[tuple[bytes, ...], ...] = ()


def insert_statement() -> str:
    """The SQL that keeps one row."""
    return f"INSERT INTO log VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608  # constants only


def select(database: ChainDatabase, wanted: LogFilter, limit: int) -> list[LogRow]:
    """The events that match, in the chain's order; at most `limit` of them."""
    terms, parameters = ["block BETWEEN ? AND ?"], [wanted.first, wanted.last]
    places = [("address", wanted.addresses)]
    places += [(f"topic{place}", choice) for place, choice in enumerate(wanted.topics)]
    for column, choice in places:
        if choice:
            terms.append(f"{column} IN ({', '.join('?' * len(choice))})")
            parameters.extend(choice)  # type: ignore[arg-type]  # SQLite takes bytes and integers alike
    if len(wanted.topics) > 0:
        terms.append(f"topic{len(wanted.topics) - 1} IS NOT NULL")  # a log with fewer topics does not match
    query = f"SELECT * FROM log WHERE {' AND '.join(terms)} ORDER BY block, position LIMIT ?"  # noqa: S608
    return database.rows(query, (*parameters, limit))
