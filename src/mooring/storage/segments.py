"""The segment files of a log: appending durably, recovering after a crash, and reading entries back.

The files stand in one folder, each named by the index of its first entry. They are filled with zeroes beforehand, so
that making an append durable (fdatasync) writes data and no metadata; the next one is prepared in the background.
"""

from __future__ import annotations

import os
import secrets
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from mooring.errors import CorruptError, StorageError
from mooring.storage import frames
from mooring.storage.atomic import storage_error, sync_directory, translating
from mooring.storage.frames import Frame, Header, Scan

__all__ = ["FIRST_SEGMENT", "SEGMENT", "Segments", "segment_names"]

FIRST_SEGMENT = 1 << 20
"""Bytes in a log's first segment; each later one is twice as large, up to the limit given."""
SEGMENT = 16 << 20

_ZEROES = bytes(1 << 18)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where entries that are not in bundles yet lie: for each frame its first index, its segment and its offset."""

    firsts: array[int]
    segments: array[int]
    offsets: array[int]


class Segments:
    """The journal of one log, from one index on; only `append` and `close` need the writer's lock."""

    def __init__(self, folder: Path, staging: Path, origin: bytes, *, writable: bool, limit: int = SEGMENT) -> None:
        self._folder = folder
        self._staging = staging
        self._origin = origin
        self._writable = writable
        self._limit = limit
        self._place = _Place(array("Q"), array("Q"), array("Q"))
        self._headers: dict[int, Header] = {}
        self._size = 0
        self._fd = -1
        self._header: Header | None = None
        self._offset = self._begun = 0
        self._capacity = 0
        self._next: Thread | None = None
        self._prepared: tuple[int, int] | None = None
        self._broken = ""

    @property
    def size(self) -> int:
        """The index after the last durable entry."""
        return self._size

    def recover(self, start: int) -> None:
        """Read the segments from the one that holds entry `start` on, and cut a tail that was never acknowledged.

        A reader, which may not cut, takes the marked frames alone. Raises CorruptError.
        """
        names = segment_names(self._folder)
        begin = max(bisect_right(names, start) - 1, 0)
        if names and names[begin] > start:
            raise _gap(start, names[begin])
        for position, first in enumerate(names[begin:], begin):
            self._take(first, start, last=position == len(names) - 1)
        if self._size < start:
            raise _gap(self._size, start)

    def append(self, entries: Sequence[bytes]) -> range:
        """Make these entries durable as one frame; they must fit one (`frames.MAX_BODY`)."""
        if self._broken:
            raise StorageError(self._broken, code="log-broken", hint="close the log and open it again")
        header = self._room(frames.FRAME_SIZE + 2 * len(entries) + sum(map(len, entries)))
        first, offset = self._size, self._offset
        blob = frames.encode_frame(header, first, entries)
        # Cleared once it is known what the file holds: an exception from outside (Ctrl-C) must not leave us guessing.
        self._broken = "an append was interrupted"
        self._write(blob, offset)
        self._commit(offset + len(blob), frames.encode_mark(header, first + len(entries)))
        self._broken = ""
        place = self._place
        place.segments.append(header.first)
        place.offsets.append(offset)
        place.firsts.append(first)
        self._offset = offset + len(blob) + frames.MARK_SIZE
        self._size = first + len(entries)
        # Only for a writer that is busy: one that opens the log for a few entries would throw the next segment away.
        if self._next is None and self._offset - self._begun > self._capacity // 8:
            self._prepare(self._following())
        return range(first, self._size)

    def entries(self, start: int, stop: int) -> Iterator[tuple[int, list[bytes]]]:
        """Yield `(first index, entries)` frame by frame, from the frame that holds `start` on; checksums verified."""
        place = self._place
        position = max(bisect_right(place.firsts, start) - 1, 0)
        while position < len(place.firsts) and place.firsts[position] < stop:
            segment = place.segments[position]
            with translating(f"read segment {_name(segment)}"), (self._folder / _name(segment)).open("rb") as file:
                while position < len(place.firsts) and place.segments[position] == segment:
                    if place.firsts[position] >= stop:
                        return
                    yield self._read(file.fileno(), place.firsts[position], segment, place.offsets[position])
                    position += 1

    def forget(self, index: int) -> None:
        """Drop what is remembered of frames that end before `index`: they are read from bundles from now on."""
        place = self._place
        keep = max(bisect_right(place.firsts, index) - 1, 0)
        self._place = _Place(place.firsts[keep:], place.segments[keep:], place.offsets[keep:])

    def scans(self, guard: AbstractContextManager[object]) -> Iterator[tuple[str, bytes, Scan]]:
        """Read every segment from the first on: its name, its bytes, what they hold. Raises CorruptError.

        The last one, in which the writer is at work, is read under `guard`.
        """
        end = 0
        names = segment_names(self._folder)
        for first in names:
            with guard if first == names[-1] else nullcontext():
                name, data = _name(first), self._load(first)
            found = self._scan(data, first)
            if first != end:
                raise _gap(end, first)
            end = found.end
            yield name, data, found

    def close(self) -> None:
        """Give up the files; repeatable."""
        self._drop_prepared()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self._broken = self._broken or "the log is closed"

    def _take(self, first: int, start: int, *, last: bool) -> None:
        """Take one segment over: remember its frames, and if it is the last, go on writing there."""
        found = self._scan(self._load(first), first)
        good = found.frames if last and self._writable else found.frames[: found.marked]
        if not last and (found.marked < len(found.frames) or found.dirty > found.stop):
            raise CorruptError(
                f"segment {_name(first)} is broken at byte {found.stop} and others follow it",
                code="segment-frame",
                hint="restore the log's folder from a copy; nothing was cut",
            )
        if first > start and first != self._size:
            raise _gap(self._size, first)
        for frame in good:
            if frame.end > start:
                self._remember(frame, first)
        self._headers[first] = found.header
        self._size = good[-1].end if good else first
        if last and self._writable:
            self._continue(found)

    def _remember(self, frame: Frame, segment: int) -> None:
        self._place.segments.append(segment)
        self._place.offsets.append(frame.offset)
        self._place.firsts.append(frame.first)

    def _continue(self, found: Scan) -> None:
        """Cut what was never acknowledged, acknowledge what is whole, and go on behind it."""
        path = self._folder / _name(found.header.first)
        with translating(f"recover {path}"):
            self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            self._header = found.header
            self._capacity = os.fstat(self._fd).st_size
            self._offset = found.stop
            if found.dirty > found.stop:
                _overwrite(self._fd, bytes(found.dirty - found.stop), found.stop)
            os.fdatasync(self._fd)
            if found.marked < len(found.frames):
                _overwrite(self._fd, frames.encode_mark(found.header, found.end), found.stop)
                self._offset += frames.MARK_SIZE
            self._begun = self._offset

    def _room(self, need: int) -> Header:
        """The header of the segment that has room for a frame of this many bytes and its mark."""
        need += 2 * frames.MARK_SIZE
        if self._header is None or self._offset + need > self._capacity:
            self._roll(max(need + frames.HEADER_SIZE, self._following()))
        if self._header is None:
            raise AssertionError("a segment is open after rolling")
        return self._header

    def _following(self) -> int:
        return min(self._limit, max(2 * self._capacity, FIRST_SEGMENT))

    def _roll(self, size: int) -> None:
        """Close the segment at its last mark, and go on in a new one."""
        path, fd, capacity = self._segment_of(size)
        header = Header(self._size, secrets.token_bytes(8), self._origin)
        try:
            with translating(f"start a segment in {self._folder}"):
                _overwrite(fd, header.encode(), 0)
                os.fsync(fd)
                self._finish()
                path.rename(self._folder / _name(header.first))
        except StorageError:
            os.close(fd)
            path.unlink(missing_ok=True)
            raise
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._header, self._capacity = fd, header, capacity
        self._offset = self._begun = frames.HEADER_SIZE
        self._headers[header.first] = header
        sync_directory(self._folder)

    def _finish(self) -> None:
        """Make the last mark of the full segment durable, and give back the zeroes behind it."""
        if self._fd >= 0:
            os.ftruncate(self._fd, self._offset)
            self._capacity = self._offset
            os.fsync(self._fd)

    def _segment_of(self, size: int) -> tuple[Path, int, int]:
        """A file of at least this size, filled with zeroes: the one that was prepared, or a new one."""
        path = self._staging / "segment"
        if self._next is not None:
            self._next.join()
            self._next = None
        prepared, self._prepared = self._prepared, None
        if prepared is not None and prepared[1] >= size:
            return path, *prepared
        if prepared is not None:
            os.close(prepared[0])
        with translating(f"prepare a segment of {size} bytes in {self._folder}"):
            return path, _zero_filled(path, size), size

    def _prepare(self, size: int) -> None:
        """Fill the next segment in the background; if that fails, `_roll` tries again and reports it."""

        def work() -> None:
            try:
                self._prepared = _zero_filled(self._staging / "segment", size), size
            except OSError:
                self._prepared = None

        self._next = Thread(target=work, name="mooring-segment", daemon=True)
        self._next.start()

    def _drop_prepared(self) -> None:
        if self._next is not None:
            self._next.join()
            self._next = None
        if self._prepared is not None:
            os.close(self._prepared[0])
            (self._staging / "segment").unlink(missing_ok=True)
            self._prepared = None

    def _write(self, blob: bytes, offset: int) -> None:
        try:
            _overwrite(self._fd, blob, offset)
        except OSError as error:
            self._erase(len(blob), offset)
            raise storage_error(error, f"append to the log in {self._folder}") from error

    def _erase(self, length: int, offset: int) -> None:
        """Take back a write that failed, so that the log goes on as if it had not begun."""
        try:
            _overwrite(self._fd, bytes(length), offset)
        except OSError as error:
            self._broken = f"a failed append could not be taken back: {error.strerror}"
        else:
            self._broken = ""

    def _commit(self, offset: int, mark: bytes) -> None:
        try:
            os.fdatasync(self._fd)
            _overwrite(self._fd, mark, offset)
        except OSError as error:
            # After a failed fdatasync the kernel may have dropped the pages: only reading the disk again can tell.
            self._broken = f"an append could not be made durable: {error.strerror}"
            raise storage_error(error, f"make an append to {self._folder} durable", definite=False) from error

    def _scan(self, data: bytes, first: int) -> Scan:
        found = frames.scan(data, _name(first))
        if found.header.origin != self._origin or found.header.first != first:
            raise CorruptError(
                f"segment {_name(first)} belongs to another log or another place",
                code="segment-header",
                hint="open the log under the origin it was created with, and do not rename segments",
            )
        return found

    def _load(self, first: int) -> bytes:
        with translating(f"read segment {_name(first)}"):
            return (self._folder / _name(first)).read_bytes()

    def _read(self, fd: int, first: int, segment: int, offset: int) -> tuple[int, list[bytes]]:
        data = os.pread(fd, 1 << 16, offset)
        frame = Frame.parse(data, 0)
        if frame is not None and frame.size > len(data):
            data += os.pread(fd, frame.size - len(data), offset + len(data))
        if frame is None or frame.first != first:
            raise CorruptError(
                f"segment {_name(segment)} holds no frame of entry {first} at byte {offset}",
                code="segment-frame",
                hint="restore the log's folder from a copy",
            )
        return first, frame.entries(self._headers[segment], data)


def segment_names(folder: Path) -> list[int]:
    """The first indexes of the segments in a folder, in order; CorruptError `segment-name` for any other file."""
    names = []
    with translating(f"list {folder}"):
        found = sorted(os.listdir(folder))
    for name in found:
        if not (len(name) == 20 and name.isascii() and name.isdigit()):
            raise CorruptError(
                f"{name!r} in {folder} is not a segment", code="segment-name", hint="move it out of the log's folder"
            )
        names.append(int(name))
    return names


def _name(first: int) -> str:
    return f"{first:020d}"


def _gap(expected: int, found: int) -> CorruptError:
    return CorruptError(
        f"the segments end at entry {expected} where they should reach entry {found}",
        code="segment-missing",
        hint="restore the log's folder from a copy; nothing was changed",
    )


def _zero_filled(path: Path, size: int) -> int:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        for offset in range(0, size, len(_ZEROES)):
            _overwrite(fd, _ZEROES[: size - offset], offset)
            os.fdatasync(fd)  # piece by piece, so that an append meanwhile does not wait for all of them
        os.fsync(fd)
    except OSError:
        os.close(fd)
        path.unlink(missing_ok=True)
        raise
    return fd


def _overwrite(fd: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        view, offset = view[written:], offset + written
