"""The log store on files: `segments/` keeps the entries, `public/` is what a web server may show.

    <folder>/lock                  the writer's
    <folder>/segments/<index>      entries as they were appended (`mooring.storage.segments`)
    <folder>/public/checkpoint     the newest signed checkpoint
    <folder>/public/tile/...       C2SP tlog-tiles (`mooring.storage.tilefiles`)
    <folder>/staging/              files that are not finished; emptied when a writer opens the log

One process writes, found by an flock; any number may read. In the writing process one thread appends, one seals, and
any number read, at the same time.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from hashlib import sha256
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

from mooring.errors import CorruptError, NotFoundError, ProofError, StorageError
from mooring.proofs.checkpoint import Checkpoint
from mooring.proofs.merkle import EMPTY_ROOT, HASH_SIZE, leaf_hash
from mooring.proofs.note import Note, Signature
from mooring.proofs.tiles import ENTRIES, MAX_ENTRY, TILE_WIDTH, Tile, encode_bundle, parse_bundle, tiles_between
from mooring.storage.atomic import sync_directory, translating
from mooring.storage.frames import MAX_BODY
from mooring.storage.leafindex import LeafIndex
from mooring.storage.log import ScrubReport, Signer
from mooring.storage.logtree import CACHED_TILES, Tree
from mooring.storage.scrub import Scrub
from mooring.storage.sealed import Sealed, read_sealed
from mooring.storage.segments import SEGMENT, Segments
from mooring.storage.tilefiles import REBUILD, TileFiles
from mooring.storage.writerlock import WriterLock

__all__ = ["FileLog"]

_READ_TRIES = 8
_READ_PAUSE_S = 0.01


class FileLog:
    """A log in a folder; implements `mooring.storage.log.LogStore`."""

    def __init__(
        self,
        folder: Path,
        origin: str,
        *,
        read_only: bool = False,
        rebuild: bool = False,
        wait_s: float = 0.0,
        segment_bytes: int = SEGMENT,
        cached_tiles: int = CACHED_TILES,
    ) -> None:
        """Open the log, or create it; a second writer waits up to `wait_s` seconds, then gets BusyError `log-busy`.

        With `rebuild`, tiles and bundles are made again from the segments, if these agree with the checkpoint. Raises
        CorruptError, and NotFoundError `log` for a reader of a log that does not exist.
        """
        self._folder = folder
        self._empty = Checkpoint(origin, 0, EMPTY_ROOT)
        self._writable = not read_only
        self._segment_bytes = segment_bytes
        self._cached_tiles = cached_tiles
        self._append_lock, self._seal_lock, self._index_lock = Lock(), Lock(), Lock()
        self._index: LeafIndex | None = None
        self._closed = False
        self._files = TileFiles(folder / "public", folder / "staging")
        self._tree, self._segments = Tree(self._files), self._journal()
        self._published, self._size, self._sealed = 0, 0, Sealed(None, None, self._empty)
        self._writer_lock = self._begin(wait_s)
        try:
            self._load_patiently(rebuild)
        except BaseException:
            self.close()
            raise

    @property
    def origin(self) -> str:
        """The name of the log."""
        return self._empty.origin

    @property
    def size(self) -> int:
        """How many entries are sequenced and durable; for a reader, when it was opened or refreshed."""
        return self._size

    @property
    def sealed(self) -> int:
        """How many entries the newest checkpoint covers."""
        return self._sealed.checkpoint.size

    def append(self, entries: Sequence[bytes]) -> range:
        """See LogStore; `entry-size` for an entry over 65,535 bytes, `log-batch` for more than 8 MiB at once."""
        _check_sizes(entries)
        leaves = b"".join(map(leaf_hash, entries))
        with self._append_lock:
            self._check_writer()
            if not entries:
                return range(self._size, self._size)
            if self._tree.size != self._segments.size:
                raise StorageError(
                    "an append was interrupted", code="log-broken", hint="close the log and open it again"
                )
            indexes = self._segments.append(entries)
            self._tree.extend(leaves)
            self._size = indexes.stop
        return indexes

    def entry(self, index: int) -> bytes:
        """See LogStore."""
        self._check_range(index, index + 1)
        entry = next(self._stored(index, index + 1))[0]
        if leaf_hash(entry) != self._tree.node(0, index):
            raise _altered(index)
        return entry

    def entries(self, start: int, stop: int) -> Iterator[bytes]:
        """See LogStore; reads up to 256 entries ahead."""
        self._check_range(start, stop)
        return self._checked(start, stop)

    def leaf(self, index: int) -> bytes:
        """See LogStore."""
        self._check_range(index, index + 1)
        return self._tree.node(0, index)

    def leaf_index(self, leaf: bytes) -> int | None:
        """See LogStore; the first call reads every leaf hash once, later ones only the new."""
        with self._index_lock:
            self._check_open()
            if self._index is None:
                self._index = LeafIndex()
            self._index.extend(lambda start, stop: self._tree.leaves(start, stop, checked=False), self._size)
            return self._index.find(leaf, lambda index: self._tree.node(0, index))

    def root(self, size: int) -> bytes:
        """See LogStore."""
        self._check_open()
        return self._tree.root(size)

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """See LogStore; ProofError `inclusion-proof` for an index that does not lie in the tree."""
        self._check_open()
        return self._tree.inclusion(index, size)

    def consistency(self, old_size: int, new_size: int) -> list[bytes]:
        """See LogStore."""
        self._check_open()
        return self._tree.consistency(old_size, new_size)

    def seal(self, sign: Signer) -> bytes:
        """See LogStore; `sign` is called only after tiles and bundles are on the disk."""
        with self._seal_lock:
            self._check_writer()
            size = self._size
            self._check_previous()
            previous = self._sealed
            if previous.note is not None and previous.checkpoint.size == size:
                return self._put(previous.signed(previous.lacking(sign(previous.note.text))))
            self._publish(self._published, size)
            checkpoint = Checkpoint(self.origin, size, self._tree.root(size))
            note = Note(checkpoint.text, tuple(sign(checkpoint.text)))
            return self._settle(Sealed(str(note).encode(), note, checkpoint))

    def checkpoint(self) -> bytes | None:
        """See LogStore; for a reader, when it was opened or refreshed."""
        return self._sealed.data

    def cosign(self, text: str, signatures: Sequence[Signature]) -> bytes:
        """See LogStore; a newer signature takes the place of an older one by the same key.

        Raises StorageError `checkpoint-moved` if the newest checkpoint has another text.
        """
        with self._seal_lock:
            self._check_writer()
            if self._sealed.note is None or self._sealed.note.text != text:
                raise StorageError(
                    "the checkpoint that was cosigned is not the newest any more",
                    code="checkpoint-moved",
                    hint="ask the witnesses to cosign the newest one",
                )
            return self._put(self._sealed.signed(signatures))

    def scrub(self) -> ScrubReport:
        """See LogStore; appends go on meanwhile, seals wait."""
        with self._seal_lock:
            self._check_open()
            if self._writable and self._files.read_checkpoint() != self._sealed.data:
                raise _inconsistent("the checkpoint file was changed by somebody else")
            size = self._size
            checkpoint = None if self._sealed.note is None else self._sealed.checkpoint
            work = Scrub(self._files, checkpoint, size, alone=self._writable)
            return work.run(self._segments, self._append_lock if self._writable else nullcontext())

    def refresh(self) -> int:
        """Let a reader see what was appended and sealed since; return the size."""
        with self._seal_lock:
            self._check_open()
            if not self._writable:
                self._load_patiently(rebuild=False)
            return self._size

    def close(self) -> None:
        """Give up the files and the writer's lock; repeatable."""
        if not self._closed:
            self._closed = True
            self._segments.close()
            if self._writer_lock is not None:
                self._writer_lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _begin(self, wait_s: float) -> WriterLock | None:
        """Take the writer's lock and make the folders, or see that they are there."""
        if not self._writable:
            if not (self._folder / "segments").is_dir():
                raise NotFoundError(
                    f"there is no log in {self._folder}", code="log", hint="check the path, or open it for writing"
                )
            return None
        new = [path for path in (self._folder, *self._folder.parents) if not path.exists()]
        with translating(f"create the log in {self._folder}"):
            for name in ("segments", "public", "staging"):
                (self._folder / name).mkdir(parents=True, exist_ok=True)
        for path in (self._folder / "segments", *new):
            sync_directory(path.parent)
        lock = WriterLock(self._folder / "lock", wait_s)
        with translating(f"empty {self._folder / 'staging'}"):
            for path in (self._folder / "staging").iterdir():
                path.unlink()
        return lock

    def _load_patiently(self, rebuild: bool) -> None:
        """Load; a reader tries again while the writer moves files under its hands."""
        for left in range(0 if self._writable else _READ_TRIES, -1, -1):
            try:
                return self._load(rebuild)
            except (NotFoundError, CorruptError):
                if not left:
                    raise
                time.sleep(_READ_PAUSE_S)
        raise AssertionError("the last try returns or raises")

    def _load(self, rebuild: bool) -> None:
        """Read checkpoint, edge and the segments behind the checkpoint; everything else is read when it is asked."""
        sealed = read_sealed(self._files, self._empty)
        start = 0 if rebuild else sealed.checkpoint.size
        tree = Tree(self._files, self._cached_tiles)
        if not rebuild:
            tree.load(sealed.checkpoint.size, sealed.checkpoint.root)
        segments = self._journal()
        try:
            segments.recover(start)
            for first, entries in segments.entries(start, segments.size):
                tree.extend(b"".join(map(leaf_hash, entries[max(start - first, 0) :])))
        except BaseException:
            segments.close()
            raise
        # Readers in other threads look at these in the opposite order, so what they see is there.
        self._tree, self._segments, self._published = tree, segments, start
        self._sealed, self._size = sealed, segments.size
        if rebuild:
            self._check_previous()
            self._publish(0, self.sealed)
            self._forget(self.sealed)

    def _journal(self) -> Segments:
        origin = sha256(self.origin.encode()).digest()
        folder, staging = self._folder / "segments", self._folder / "staging"
        return Segments(folder, staging, origin, writable=self._writable, limit=self._segment_bytes)

    def _check_previous(self) -> None:
        """Refuse to go on from a checkpoint that the entries do not bear out, or that somebody else has changed."""
        checkpoint = self._sealed.checkpoint
        if self._files.read_checkpoint() != self._sealed.data:
            raise _inconsistent("the checkpoint file was changed by somebody else")
        if checkpoint.size > self._size or self._tree.root(checkpoint.size) != checkpoint.root:
            raise _inconsistent(f"the log's {self._size} entries do not extend its checkpoint of {checkpoint.size}")

    def _publish(self, old_size: int, new_size: int) -> None:
        self._files.write((tile, self._contents(tile)) for tile in tiles_between(old_size, new_size))

    def _contents(self, tile: Tile) -> bytes:
        if tile.level != ENTRIES:
            return self._tree.contents(tile)
        begin = tile.index * TILE_WIDTH
        return encode_bundle(list(self._checked(begin, begin + tile.width)))

    def _put(self, sealed: Sealed) -> bytes:
        """Put this checkpoint in the place of the newest one."""
        if sealed.data is None:
            raise AssertionError("a checkpoint that was signed has bytes")
        if sealed != self._sealed:
            self._files.write_checkpoint(sealed.data)
            self._sealed = sealed
        return sealed.data

    def _settle(self, sealed: Sealed) -> bytes:
        """Put the new checkpoint in place, then let go of what is read from tiles and bundles from now on."""
        old_size, data = self._published, self._put(sealed)
        self._forget(sealed.checkpoint.size)
        self._files.prune(old_size, sealed.checkpoint.size)
        return data

    def _forget(self, size: int) -> None:
        self._published = size
        self._tree.settle(size)
        with self._append_lock:
            self._segments.forget(size)

    def _checked(self, start: int, stop: int) -> Iterator[bytes]:
        for group in self._stored(start, stop):
            leaves = self._tree.leaves(start, start + len(group))
            for position, entry in enumerate(group):
                if leaf_hash(entry) != leaves[position * HASH_SIZE : (position + 1) * HASH_SIZE]:
                    raise _altered(start + position)
            yield from group
            start += len(group)

    def _stored(self, start: int, stop: int) -> Iterator[list[bytes]]:
        """The entries as they lie in bundles or, behind the checkpoint, in segments; unchecked, in groups."""
        while start < stop:
            for group in self._bundled(start, stop) if start < self._published else self._journaled(start, stop):
                yield group
                start += len(group)

    def _bundled(self, start: int, stop: int) -> Iterator[list[bytes]]:
        """The rest of the bundle that holds `start`."""
        number, published = start // TILE_WIDTH, self._published
        begin = number * TILE_WIDTH
        tile = Tile(ENTRIES, number, min(TILE_WIDTH, published - begin))
        try:
            entries = parse_bundle(self._files.read(tile), tile.width)
        except ProofError as error:
            raise CorruptError(f"{tile.path}: {error.message}", code="bundle", hint=REBUILD) from error
        yield entries[start - begin : stop - begin]

    def _journaled(self, start: int, stop: int) -> Iterator[list[bytes]]:
        """What the segments hold from `start` on; less than all if a seal has just moved it into bundles."""
        at = start
        for first, entries in self._segments.entries(start, stop):
            if not first <= at < first + len(entries):
                break
            yield entries[at - first : stop - first]
            at = min(first + len(entries), stop)
        if at == start and start >= self._published:
            raise _altered(start)

    def _check_open(self) -> None:
        if self._closed:
            raise StorageError("the log is closed", code="log-closed", hint="open it again")

    def _check_writer(self) -> None:
        self._check_open()
        if not self._writable:
            raise StorageError("the log is open for reading only", code="read-only", hint="open it for writing")

    def _check_range(self, start: int, stop: int) -> None:
        self._check_open()
        if not 0 <= start <= stop <= self._size:
            raise NotFoundError(
                f"the log has {self._size} entries, and not those from {start} to {stop}",
                code="log-entry",
                hint="ask for indexes below the log's size",
            )


def _check_sizes(entries: Sequence[bytes]) -> None:
    longest = max(map(len, entries), default=0)
    if longest > MAX_ENTRY:
        raise StorageError(
            f"an entry of {longest} bytes is too long for a log: {MAX_ENTRY} is the limit of C2SP entry bundles",
            code="entry-size",
            hint="keep the bytes as a blob and log their digest",
        )
    total = sum(map(len, entries)) + 2 * len(entries)
    if total > MAX_BODY:
        raise StorageError(
            f"{len(entries)} entries of together {total} bytes are too much for one append",
            code="log-batch",
            hint=f"split them; {MAX_BODY} bytes fit, with 2 bytes more for each entry",
        )


def _altered(index: int) -> CorruptError:
    return CorruptError(f"entry {index} is not the one that was logged", code="entry", hint=REBUILD)


def _inconsistent(message: str) -> CorruptError:
    return CorruptError(
        message, code="checkpoint-inconsistent", hint="sign nothing more with this log; compare it with its last anchor"
    )
