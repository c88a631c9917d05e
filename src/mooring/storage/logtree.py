"""The hashes of a log's tree: its right edge in memory, the rest in published tiles, the tiles used last in a cache."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from mooring.errors import CorruptError, NotFoundError
from mooring.proofs.merkle import HASH_SIZE, consistency_path, inclusion_path, node_hash, root_of
from mooring.proofs.tiles import TILE_HEIGHT, TILE_WIDTH, Tile
from mooring.storage.edge import Edge, expand, node_in
from mooring.storage.tilefiles import REBUILD, TileFiles

__all__ = ["CACHED_TILES", "Tree"]

CACHED_TILES = 4096
"""16 kB each: enough to hold every tile of a log of 10**6 entries."""


class Tree:
    """Hashes, roots and proofs of one log; one thread may extend it while others read.

    A tile read from a file is checked against the node above it, up to the edge, whose root the checkpoint holds.
    """

    def __init__(self, files: TileFiles, cached: int = CACHED_TILES) -> None:
        self._files = files
        self._lock = Lock()
        self._edge = Edge()
        self._cache: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self._cached = cached

    @property
    def size(self) -> int:
        """The number of leaves."""
        return self._edge.size

    def load(self, size: int, root: bytes) -> None:
        """Start from the published tiles of a tree of this size and root; CorruptError `tile` if they differ."""
        edge = Edge.load(size, self._files.read)
        if edge.root() != root:
            raise CorruptError(
                f"the partial tiles at size {size} do not have the root of the checkpoint", code="tile", hint=REBUILD
            )
        with self._lock:
            self._edge = edge

    def extend(self, leaves: bytes) -> None:
        """Append leaf hashes, one behind the other."""
        with self._lock:
            self._edge.extend(leaves)

    def settle(self, size: int) -> None:
        """Let go of tiles that are now published."""
        with self._lock:
            self._cache.update(self._edge.settle(size))
            self._trim()

    def contents(self, tile: Tile) -> bytes:
        """The hashes of a hash tile, at its width."""
        row = self._held(tile)
        return self._expanded(tile.level, tile.index)[: tile.width * HASH_SIZE] if row is None else row

    def node(self, level: int, index: int) -> bytes:
        """The hash of a complete node."""
        with self._lock:
            found = self._edge.node(level, index)
        if found is not None:
            return found
        row, height = divmod(level, TILE_HEIGHT)
        number = index >> (TILE_HEIGHT - height)
        return node_in(self._expanded(row, number), height, index - (number << (TILE_HEIGHT - height)))

    def leaves(self, start: int, stop: int, *, checked: bool = True) -> bytes:
        """The leaf hashes from `start` up to `stop`, one behind the other; `checked` against the node above them."""
        parts = []
        for number in range(start // TILE_WIDTH, -(-stop // TILE_WIDTH)):
            begin = number * TILE_WIDTH
            tile = Tile(0, number, min(TILE_WIDTH, stop - begin))
            row = self._held(tile)
            if row is None:  # read past the cache, which a walk over the whole log would only empty
                row = self._read(tile.level, tile.index) if checked else self._files.read(tile)
                row = row[: tile.width * HASH_SIZE]
            parts.append(row[max(start - begin, 0) * HASH_SIZE :])
        return b"".join(parts)

    def root(self, size: int) -> bytes:
        """The root of the first `size` leaves."""
        self._check(size)
        return root_of(size, self.node)

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """The inclusion proof of leaf `index` in the tree of the first `size` leaves."""
        self._check(size)
        return inclusion_path(index, size, self.node)

    def consistency(self, old_size: int, new_size: int) -> list[bytes]:
        """The consistency proof between two sizes."""
        self._check(new_size)
        return consistency_path(old_size, new_size, self.node)

    def _check(self, size: int) -> None:
        if not 0 <= size <= self.size:
            raise NotFoundError(
                f"the log has {self.size} entries, not {size}",
                code="log-size",
                hint="ask for a size up to the log's own",
            )

    def _held(self, tile: Tile) -> bytes | None:
        """The hashes of a tile if they are in memory."""
        with self._lock:
            expanded = self._cache.get((tile.level, tile.index))
            return self._edge.contents(tile) if expanded is None else expanded[: tile.width * HASH_SIZE]

    def _expanded(self, row: int, number: int) -> bytes:
        with self._lock:
            expanded = self._cache.get((row, number))
            if expanded is not None:
                self._cache.move_to_end((row, number))
                return expanded
        expanded = self._read(row, number)
        with self._lock:
            self._cache[row, number] = expanded
            self._trim()
        return expanded

    def _read(self, row: int, number: int) -> bytes:
        tile = Tile(row, number)
        expanded = expand(self._files.read(tile))
        if node_hash(expanded[-2 * HASH_SIZE : -HASH_SIZE], expanded[-HASH_SIZE:]) == self._parent(tile):
            return expanded
        raise CorruptError(f"{tile.path} does not hash to the node above it", code="tile", hint=REBUILD)

    def _parent(self, tile: Tile) -> bytes:
        return self.node(TILE_HEIGHT * (tile.level + 1), tile.index)

    def _trim(self) -> None:
        while len(self._cache) > self._cached:
            self._cache.popitem(last=False)
