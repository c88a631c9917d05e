"""The file that holds a sealed table: a head that only the table's key opens, and records that only people's keys open.

    "mooring-table-v1\\n" || table id (16) || rows (4) || width (4) || length of head (4) || head || record…
    record = locator (16) || nonce (12) || AES-256-GCM(salt (32) || length (4) || row || zeros to `width`) || tag (16)

Numbers are big-endian. All records are of one length, so that lengths say nothing. They lie in the order of their
locators: BLAKE2b (RFC 7693) keyed with the person's key, over table id and 0, 1, … for that person's rows. To who lacks
the key they are random: order says nothing either, nor does anything show which rows belong together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import count, pairwise, takewhile

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mooring.errors import PrivacyError

__all__ = ["ID", "NONCE", "SALT", "Container", "Plain", "RowKey", "corrupt", "width_for"]

ID = 16
NONCE = 12
SALT = 32
_MAGIC = b"mooring-table-v1\n"
_LOCATOR = 16
_TAG = 16
_NUMBER = 4
_FIXED = len(_MAGIC) + ID + 3 * _NUMBER
_STEP = 64
_MAX_BYTES = 1 << 31


@dataclass(frozen=True, slots=True)
class Plain:
    """A row in the clear, with the salt of its commitment."""

    salt: bytes = field(repr=False)
    row: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Container:
    """A sealed table, as far as it can be parsed without a key."""

    table: bytes
    width: int
    head: bytes
    records: tuple[bytes, ...] = field(repr=False)

    def to_bytes(self) -> bytes:
        """Return the file's bytes."""
        numbers = (len(self.records), self.width, len(self.head))
        fixed = b"".join(number.to_bytes(_NUMBER, "big") for number in numbers)
        return b"".join((_MAGIC, self.table, fixed, self.head, *self.records))

    @classmethod
    def from_bytes(cls, data: bytes) -> Container:
        """Parse the file; raises PrivacyError `table-format` for anything but what `to_bytes` writes."""
        if len(data) < _FIXED or not data.startswith(_MAGIC):
            raise _refuse("does not start like one")
        table = data[len(_MAGIC) : len(_MAGIC) + ID]
        numbers = data[len(_MAGIC) + ID : _FIXED]
        rows, width, head = (int.from_bytes(numbers[at : at + _NUMBER], "big") for at in range(0, 12, _NUMBER))
        size = _LOCATOR + NONCE + width + _TAG
        start = _FIXED + head
        if len(data) != start + rows * size:
            raise _refuse(f"has {len(data)} bytes, and {start + rows * size} were announced")
        records = tuple(data[at : at + size] for at in range(start, len(data), size))
        if any(a[:_LOCATOR] >= b[:_LOCATOR] for a, b in pairwise(records)):
            raise _refuse("has records out of order")
        return cls(table, width, data[_FIXED:start], records)

    def places(self) -> Mapping[bytes, int]:
        """Return each record's number by its locator."""
        return {record[:_LOCATOR]: number for number, record in enumerate(self.records)}

    def open(self, key: RowKey, places: Mapping[bytes, int]) -> Iterator[tuple[int, Plain]]:
        """Yield the numbers and rows of the person whose key this is, in no order that means anything."""
        for locator in takewhile(places.__contains__, key.locators()):
            number = places[locator]
            yield number, key.open(self.records[number])


class RowKey:
    """A person's key, narrowed to one table."""

    def __init__(self, key: bytes, table: bytes) -> None:
        """`key` is the person's data key of 32 bytes, `table` the table's id of 16."""
        self._table = table
        self._key = key
        self._cipher = AESGCM(blake2b(b"mooring/rows/v1/encrypt" + table, key=key, digest_size=32).digest())

    def locators(self) -> Iterator[bytes]:
        """Return where this person's first, second, … row of the table lies, without end."""
        prefix = b"mooring/rows/v1/locate" + self._table
        places = (prefix + number.to_bytes(_NUMBER, "big") for number in count())
        return (blake2b(place, key=self._key, digest_size=_LOCATOR).digest() for place in places)

    def seal(self, locator: bytes, nonce: bytes, plain: Plain, width: int) -> bytes:
        """Return the record of a row; a nonce is used once."""
        framed = plain.salt + len(plain.row).to_bytes(_NUMBER, "big") + plain.row
        padded = framed.ljust(width, b"\0")
        return locator + nonce + self._cipher.encrypt(nonce, padded, self._table + locator)

    def open(self, record: bytes) -> Plain:
        """Return the row of a record; raises PrivacyError `table-corrupt` if it was changed or moved."""
        locator, nonce = record[:_LOCATOR], record[_LOCATOR : _LOCATOR + NONCE]
        try:
            padded = self._cipher.decrypt(nonce, record[_LOCATOR + NONCE :], self._table + locator)
        except InvalidTag:
            raise corrupt("a record was changed or moved") from None
        start = SALT + _NUMBER
        length = int.from_bytes(padded[SALT:start], "big")
        return Plain(padded[:SALT], padded[start : start + length])


def width_for(rows: Iterable[bytes]) -> int:
    """Return the one width that holds every row; raises PrivacyError `table-size` if the file would pass 2 GiB."""
    lengths = [len(row) for row in rows]
    needed = SALT + _NUMBER + max(lengths)
    width = -(-needed // _STEP) * _STEP
    if len(lengths) * (_LOCATOR + NONCE + width + _TAG) > _MAX_BYTES:
        raise PrivacyError(
            f"{len(lengths)} rows as long as the longest, {max(lengths)} bytes, pass 2 GiB",
            code="table-size",
            hint="split the table, or keep long columns out of it",
        )
    return width


def corrupt(problem: str) -> PrivacyError:
    """Return the error for a sealed table that does not hold what it must."""
    return PrivacyError(
        f"the sealed table is corrupt: {problem}", code="table-corrupt", hint="fetch it again by its digest"
    )


def _refuse(problem: str) -> PrivacyError:
    return PrivacyError(
        f"these bytes are no sealed table: the file {problem}",
        code="table-format",
        hint="fetch it again by its digest",
    )
