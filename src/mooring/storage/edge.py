"""The right edge of a log's tree in memory: the tiles that still grow, and the full ones that are not published yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

from mooring.proofs.merkle import HASH_SIZE, fold, node_hash, root_of
from mooring.proofs.tiles import TILE_HEIGHT, TILE_WIDTH, Tile

__all__ = ["Edge", "expand", "node_in"]

_FULL = TILE_WIDTH * HASH_SIZE
_PAIR = 2 * HASH_SIZE


def expand(data: bytes) -> bytes:
    """A full tile with every row above it, up to the two hashes under its root: 510 hashes, lowest row first."""
    rows = [data]
    while len(rows[-1]) > _PAIR:
        rows.append(fold(rows[-1]))
    return b"".join(rows)


def node_in(expanded: bytes, height: int, position: int) -> bytes:
    """The hash at a height (0 to 7) and position of an expanded tile."""
    at = (2 * TILE_WIDTH - (2 * TILE_WIDTH >> height) + position) * HASH_SIZE
    return expanded[at : at + HASH_SIZE]


class _Growing:
    """One tile that is not full: its rows of hashes, lowest first, each as far as it goes."""

    __slots__ = ("index", "rows")

    def __init__(self, index: int) -> None:
        self.index = index
        self.rows = [bytearray() for _ in range(TILE_HEIGHT)]

    def extend(self, hashes: bytes) -> None:
        """Add hashes at the end, as many as fit, and whatever nodes they complete."""
        self.rows[0] += hashes
        for lower, upper in zip(self.rows, self.rows[1:], strict=False):
            upper += fold(bytes(lower[2 * len(upper) : len(lower) // _PAIR * _PAIR]))


class Edge:
    """The nodes along the right edge of a tree of `size` leaves; not safe for threads without a lock around it."""

    def __init__(self) -> None:
        self.size = 0
        self._growing = [_Growing(0)]
        self._fresh: dict[tuple[int, int], bytes] = {}

    @classmethod
    def load(cls, size: int, read: Callable[[Tile], bytes]) -> Edge:
        """The edge of a published tree, from the one partial tile of each row."""
        edge = cls()
        edge.size = size
        edge._growing = []
        for level in count():
            width = size >> (TILE_HEIGHT * level)
            growing = _Growing(width // TILE_WIDTH)
            edge._growing.append(growing)
            if width == 0:
                return edge
            if width % TILE_WIDTH:
                growing.extend(read(Tile(level, growing.index, width % TILE_WIDTH)))
        raise AssertionError("rows end")

    def extend(self, leaves: bytes) -> None:
        """Append leaf hashes, one behind the other."""
        self.size += len(leaves) // HASH_SIZE
        level = 0
        while leaves:
            leaves = self._extend_row(level, leaves)
            level += 1

    def node(self, level: int, index: int) -> bytes | None:
        """The hash of a complete node, or None if it lies in a published tile."""
        row, height = divmod(level, TILE_HEIGHT)
        number = index >> (TILE_HEIGHT - height)
        position = index - (number << (TILE_HEIGHT - height))
        expanded = self._fresh.get((row, number))
        if expanded is not None:
            return node_in(expanded, height, position)
        growing = self._growing[row]
        if growing.index != number:
            return None
        return bytes(growing.rows[height][position * HASH_SIZE : (position + 1) * HASH_SIZE])

    def contents(self, tile: Tile) -> bytes | None:
        """The hashes of a hash tile, or None if it is published already."""
        expanded = self._fresh.get((tile.level, tile.index))
        if expanded is not None:
            return expanded[: tile.width * HASH_SIZE]
        growing = self._growing[tile.level]
        return bytes(growing.rows[0][: tile.width * HASH_SIZE]) if growing.index == tile.index else None

    def root(self) -> bytes:
        """The root of the whole tree."""
        return root_of(self.size, self._own)

    def settle(self, size: int) -> Iterator[tuple[tuple[int, int], bytes]]:
        """Give up the full tiles of a tree of `size` leaves, now published: `(level, index)` and the expanded tile."""
        for row, number in list(self._fresh):
            if (number + 1) << (TILE_HEIGHT * (row + 1)) <= size:
                yield (row, number), self._fresh.pop((row, number))

    def _own(self, level: int, index: int) -> bytes:
        found = self.node(level, index)
        if found is None:
            raise AssertionError("the subtrees that make up a tree lie on its right edge")
        return found

    def _extend_row(self, level: int, hashes: bytes) -> bytes:
        """Append to one row of tiles; return the roots of the tiles that became full."""
        if level == len(self._growing):
            self._growing.append(_Growing(0))
        tops = []
        while hashes:
            growing = self._growing[level]
            space = _FULL - len(growing.rows[0])
            growing.extend(hashes[:space])
            hashes = hashes[space:]
            if len(growing.rows[0]) == _FULL:
                last = growing.rows[-1]
                tops.append(node_hash(bytes(last[:HASH_SIZE]), bytes(last[HASH_SIZE:])))
                self._fresh[level, growing.index] = b"".join(growing.rows)
                self._growing[level] = _Growing(growing.index + 1)
        return b"".join(tops)
