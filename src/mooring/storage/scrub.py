"""Read a whole log again: every segment, bundle, tile and the checkpoint, against one another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from mooring.errors import CorruptError, ProofError
from mooring.proofs.checkpoint import Checkpoint
from mooring.proofs.merkle import HASH_SIZE, CompactRange, leaf_hash, root_of_leaves
from mooring.proofs.tiles import ENTRIES, TILE_HEIGHT, TILE_WIDTH, Tile, encode_bundle, parse_path
from mooring.storage.log import ScrubReport
from mooring.storage.segments import Segments
from mooring.storage.tilefiles import TileFiles

__all__ = ["Scrub"]


class Scrub:
    """One pass over a log of `size` durable entries; nothing may be sealed while it runs.

    `alone` says that no other process writes: then whatever lies there that does not belong is an error too.
    """

    def __init__(self, files: TileFiles, checkpoint: Checkpoint | None, size: int, *, alone: bool) -> None:
        self._files = files
        self._checkpoint = checkpoint
        self._size = size
        self._sealed = checkpoint.size if checkpoint else 0
        self._alone = alone
        self._rows: dict[int, bytes] = defaultdict(bytes)
        self._numbers: dict[int, int] = defaultdict(int)
        self._published: dict[tuple[int, int], set[int]] = defaultdict(set)
        self._counts = {"segments": 0, "bundles": 0, "tiles": 0}

    def run(self, segments: Segments, guard: AbstractContextManager[object]) -> ScrubReport:
        """Return what was found whole; CorruptError names the first bad segment, bundle, tile or checkpoint.

        `guard` is held while the last segment is read, to keep the writer out of it.
        """
        self._list()
        edge, bundle, checked = CompactRange(), list[bytes](), False
        for entry in self._entries(segments, guard):
            checked = checked or self._check_root(edge)
            edge.append(leaf_hash(entry))
            bundle.append(entry)
            if len(bundle) == TILE_WIDTH:
                self._take(bundle)
                bundle = []
        if edge.size < self._size:
            raise _bad("segment-missing", f"the segments hold {edge.size} entries where {self._size} are durable")
        if not (checked or self._check_root(edge)):
            raise AssertionError("the checkpoint's size lies within the log's")
        if bundle:
            self._take(bundle)
        self._finish()
        return ScrubReport(self._size, self._sealed, **self._counts)

    def _list(self) -> None:
        for path in self._files.paths():
            try:
                tile = parse_path(path)
            except ProofError as error:
                raise _bad("tile-stray", f"{path} is no tile and does not belong there") from error
            self._published[tile.level, tile.index].add(tile.width)

    def _entries(self, segments: Segments, guard: AbstractContextManager[object]) -> Iterator[bytes]:
        index = 0
        for name, data, found in segments.scans(guard):
            self._counts["segments"] += 1
            if self._alone and (found.marked < len(found.frames) or found.dirty > found.stop):
                raise _bad("segment-frame", f"segment {name} is broken at byte {found.stop}, entry {found.end}")
            for frame in found.frames:
                for entry in frame.entries(found.header, data[frame.offset : frame.mark]):
                    if index == self._size:
                        return
                    yield entry
                    index += 1

    def _check_root(self, edge: CompactRange) -> bool:
        if edge.size != self._sealed:
            return False
        if self._checkpoint is not None and edge.root() != self._checkpoint.root:
            raise _bad("checkpoint-inconsistent", f"the entries below {edge.size} do not have the checkpoint's root")
        return True

    def _take(self, bundle: list[bytes]) -> None:
        """Check one bundle, and the tiles that its leaves are in or fill."""
        self._check(ENTRIES, self._numbers[0], len(bundle), lambda width: encode_bundle(bundle[:width]))
        hashes, level = b"".join(map(leaf_hash, bundle)), 0
        while hashes:
            self._rows[level] += hashes
            hashes = b""
            if len(self._rows[level]) == TILE_WIDTH * HASH_SIZE:
                hashes = self._close(level)
            level += 1

    def _close(self, level: int) -> bytes:
        """Check a row of hashes that fills a tile, or the last one; return its root."""
        row, self._rows[level] = self._rows[level], b""
        self._check(level, self._numbers[level], len(row) // HASH_SIZE, lambda width: row[: width * HASH_SIZE])
        self._numbers[level] += 1
        return root_of_leaves([row])

    def _finish(self) -> None:
        for level in sorted(self._rows):
            if self._rows[level]:
                self._close(level)
        if self._alone and self._published:
            level, index = min(self._published)
            stray = Tile(level, index, min(self._published[level, index]))
            raise _bad("tile-stray", f"{stray.path} lies beyond the log's {self._size} entries")

    def _check(self, level: int, number: int, available: int, contents: Callable[[int], bytes]) -> None:
        widths = self._published.pop((level, number), set())
        row = self._sealed >> (TILE_HEIGHT * max(level, 0))
        needed = min(TILE_WIDTH, row - number * TILE_WIDTH)
        if needed > 0 and not widths & {needed, TILE_WIDTH}:
            raise _bad("tile", f"{Tile(level, number, needed).path} is missing")
        for width in sorted(widths):
            tile = Tile(level, number, width)
            if width > available and not self._alone:
                continue
            if width > available or self._files.read(tile) != contents(width):
                raise _bad("bundle" if level == ENTRIES else "tile", f"{tile.path} does not hold the log's entries")
            self._counts["bundles" if level == ENTRIES else "tiles"] += 1


def _bad(code: str, message: str) -> CorruptError:
    return CorruptError(message, code=code, hint="restore it from a copy; tiles and bundles also by a rebuild")
