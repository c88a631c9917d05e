"""How entries lie in a segment file: a header, then frames, each followed by the mark that it was made durable.

    segment   magic 8 | first index 8 | salt 8 | SHA-256 of origin 32 | checksum 8, then frames, then zeroes
    frame     first index 8 | count 4 | body length 4 | tag 8 | checksum 8 | body, padded with zeroes to 16 bytes
    body      the entries' lengths, 2 bytes each | the entries
    mark      salt 8 | index after the frame 8

One append is one frame, kept or lost as a whole. The mark is written once the frame is on the disk, and reaches the
disk together with the next frame. So a broken frame with a mark behind it was acknowledged: that is corruption. A
broken frame with none was not: it may be cut. The salt is random and never leaves the file, so no entry can hold a
mark. Checksums are the first 8 bytes of a SHA-256 over salt, header and body. Numbers are big-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import accumulate

from mooring.errors import CorruptError

__all__ = [
    "FRAME_SIZE",
    "HEADER_SIZE",
    "MARK_SIZE",
    "MAX_BODY",
    "Frame",
    "Header",
    "Scan",
    "encode_frame",
    "encode_mark",
    "scan",
]

HEADER_SIZE = 64
FRAME_SIZE = 32
MARK_SIZE = 16
MAX_BODY = 8 << 20
"""Bytes in one frame's body: larger appends are split by the caller."""

_MAGIC = b"MOORLOG1"
_TAG = b"MOORFRM1"
_SALT = 8
_CHECK = 8
_HEADER = struct.Struct(">8sQ8s32s8s")
_FRAME = struct.Struct(">QII8s8s")


@dataclass(frozen=True, slots=True)
class Header:
    """The head of a segment: the index of its first entry, its salt, and the SHA-256 of the log's origin."""

    first: int
    salt: bytes
    origin: bytes

    def encode(self) -> bytes:
        """The 64 bytes at the head of the file."""
        fields = _HEADER.pack(_MAGIC, self.first, self.salt, self.origin, b"")[:-_CHECK]
        return fields + _checksum(fields)

    @classmethod
    def parse(cls, data: bytes, name: str) -> Header:
        """The header in these bytes; CorruptError `segment-header` names the segment."""
        if len(data) >= HEADER_SIZE:
            magic, first, salt, origin, check = _HEADER.unpack_from(data)
            if magic == _MAGIC and check == _checksum(data[: HEADER_SIZE - _CHECK]):
                return cls(first, salt, origin)
        raise CorruptError(
            f"segment {name} has no valid header", code="segment-header", hint="restore the log's folder from a copy"
        )


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: the index of its first entry, how many there are, and where it begins and how long its body is."""

    first: int
    count: int
    offset: int
    body: int

    @property
    def end(self) -> int:
        """The index after its last entry."""
        return self.first + self.count

    @property
    def mark(self) -> int:
        """Where its mark lies."""
        return self.offset + self.size

    @property
    def size(self) -> int:
        """Its bytes in the file, padding included, mark not."""
        return _padded(self.body)

    @classmethod
    def parse(cls, data: bytes, offset: int) -> Frame | None:
        """The frame whose head stands at this offset, or None; its body is not checked."""
        if len(data) - offset < FRAME_SIZE:
            return None
        first, count, body, tag, _ = _FRAME.unpack_from(data, offset)
        return cls(first, count, offset, body) if tag == _TAG and 0 < 2 * count <= body <= MAX_BODY else None

    def entries(self, header: Header, data: bytes) -> list[bytes]:
        """The entries of this frame, which begins at `data[0]`; CorruptError `segment-frame` if it is broken."""
        if _frame_at(data, 0, header, self.first) is None:
            raise CorruptError(
                f"the frame of entry {self.first} at byte {self.offset} of its segment is broken",
                code="segment-frame",
                hint="restore the log's folder from a copy",
            )
        lengths = struct.unpack_from(f">{self.count}H", data, FRAME_SIZE)
        stops = accumulate(lengths, initial=FRAME_SIZE + 2 * self.count)
        return [data[begin : begin + length] for begin, length in zip(stops, lengths, strict=False)]


@dataclass(frozen=True, slots=True)
class Scan:
    """What a segment holds: its good frames; how many of them are marked; where they end, and the last other byte."""

    header: Header
    frames: tuple[Frame, ...]
    marked: int
    stop: int
    dirty: int

    @property
    def end(self) -> int:
        """The index after the last good frame."""
        return self.frames[-1].end if self.frames else self.header.first


def encode_frame(header: Header, first: int, entries: Sequence[bytes]) -> bytes:
    """The frame of these entries, whose sizes and number the caller has checked."""
    body = struct.pack(f">{len(entries)}H", *map(len, entries)) + b"".join(entries)
    head = _FRAME.pack(first, len(entries), len(body), _TAG, b"")[:-_CHECK]
    padding = _padded(len(body)) - FRAME_SIZE - len(body)
    return b"".join((head, _checksum(header.salt, head, body), body, bytes(padding)))


def encode_mark(header: Header, end: int) -> bytes:
    """The mark behind a frame that ends before index `end`."""
    return header.salt + end.to_bytes(MARK_SIZE - _SALT, "big")


def scan(data: bytes, name: str) -> Scan:
    """Read a segment, every checksum included.

    Raises CorruptError `segment-header`, or `segment-frame` if a frame is broken that was certainly acknowledged.
    """
    header = Header.parse(data, name)
    frames: list[Frame] = []
    offset, index, marked = HEADER_SIZE, header.first, 0
    while (frame := _frame_at(data, offset, header, index)) is not None:
        frames.append(frame)
        offset, index = frame.mark, frame.end
        if data[offset : offset + MARK_SIZE] != encode_mark(header, index):
            break
        offset += MARK_SIZE
        marked += 1
    if data.find(header.salt, offset) >= 0:
        raise CorruptError(
            f"segment {name} is broken at byte {offset}, entry {index}, and acknowledged entries lie there or behind",
            code="segment-frame",
            hint="restore the log's folder from a copy; nothing was cut",
        )
    return Scan(header, tuple(frames), marked, offset, len(data.rstrip(b"\0")))


def _frame_at(data: bytes, offset: int, header: Header, index: int) -> Frame | None:
    frame = Frame.parse(data, offset)
    if frame is None or frame.first != index or frame.mark > len(data):
        return None
    begin = offset + FRAME_SIZE
    body = data[begin : begin + frame.body]
    head = data[offset : begin - _CHECK]
    if data[begin - _CHECK : begin] != _checksum(header.salt, head, body) or any(data[begin + frame.body : frame.mark]):
        return None
    return frame


def _padded(body: int) -> int:
    return -(-(FRAME_SIZE + body) // MARK_SIZE) * MARK_SIZE


def _checksum(*parts: bytes) -> bytes:
    return sha256(b"".join(parts)).digest()[:_CHECK]
