"""The tiles in which a log is published: paths, hash tiles, entry bundles, and reading hashes back out of them.

Source: C2SP tlog-tiles. A hash tile holds up to 256 consecutive hashes of one row of the tree: at tile level `l`, the
roots of perfect subtrees of `256**l` leaves. An entry bundle holds the entries under one level-0 tile, each behind its
length as a big-endian uint16, which is why an entry has at most 65,535 bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from mooring.errors import ProofError
from mooring.proofs import merkle

__all__ = [
    "ENTRIES",
    "MAX_ENTRY",
    "MAX_LEVEL",
    "TILE_HEIGHT",
    "TILE_WIDTH",
    "Tile",
    "encode_bundle",
    "hash_getter",
    "node_in_tile",
    "parse_bundle",
    "parse_hash_tile",
    "parse_path",
    "tile_of",
    "tiles_between",
]

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
MAX_ENTRY = 0xFFFF
MAX_LEVEL = 63
ENTRIES = -1
"""The `level` of an entry bundle."""

_PATH = re.compile(
    r"tile/(?P<level>entries|0|[1-9][0-9]?)/(?P<index>(?:x[0-9]{3}/)*[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Tile:
    """The name of one tile: `level` (ENTRIES for an entry bundle), `index` in its row, `width` in hashes or entries."""

    level: int
    index: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        if not ENTRIES <= self.level <= MAX_LEVEL:
            raise _error(f"tile level {self.level} does not exist", f"levels are {ENTRIES} to {MAX_LEVEL}")
        if not 0 <= self.index <= merkle.MAX_SIZE:
            raise _error(f"tile index {self.index} does not exist", f"indexes are 0 to {merkle.MAX_SIZE}")
        if not 1 <= self.width <= TILE_WIDTH:
            raise _error(f"tile width {self.width} does not exist", f"widths are 1 to {TILE_WIDTH}")

    @property
    def partial(self) -> bool:
        """Whether the tile can still grow."""
        return self.width < TILE_WIDTH

    @property
    def path(self) -> str:
        """Where the tile is served, below the log's prefix: `tile/0/x001/x234/067.p/5`."""
        row = "entries" if self.level == ENTRIES else str(self.level)
        suffix = f".p/{self.width}" if self.partial else ""
        return f"tile/{row}/{_index_path(self.index)}{suffix}"


def parse_path(path: str) -> Tile:
    """The tile served at this path; only the one canonical spelling of each tile is taken."""
    found = _PATH.fullmatch(path) if len(path) <= 64 else None
    if found is None:
        raise _error(f"{path[:80]!r} is not a tile path", "write it like tile/0/x001/234 or tile/entries/007.p/12")
    level = ENTRIES if found["level"] == "entries" else int(found["level"])
    width = int(found["width"]) if found["width"] else TILE_WIDTH
    if found["width"] and width == TILE_WIDTH:
        raise _error(f"{path!r} gives a full tile a width", "leave the suffix out")
    tile = Tile(level, int(found["index"].replace("x", "").replace("/", "")), width)
    if tile.path != path:
        raise _error(f"{path!r} pads the tile index", f"write {tile.path}")
    return tile


def tile_of(level: int, index: int, size: int) -> Tile:
    """The tile, in a tree of `size` leaves, from which the node `(level, index)` of the tree can be computed."""
    row, height = divmod(level, TILE_HEIGHT)
    last = ((index + 1) << height) - 1
    available = size >> (TILE_HEIGHT * row) if level >= 0 else 0
    if index < 0 or last >= available:
        raise _error(f"node {index} of level {level} is not complete at size {size}", "ask for a larger tree")
    number = last >> TILE_HEIGHT
    return Tile(row, number, min(TILE_WIDTH, available - (number << TILE_HEIGHT)))


def node_in_tile(data: bytes, level: int, index: int) -> bytes:
    """The hash of the tree's node `(level, index)`, computed from the contents of its tile."""
    height = level % TILE_HEIGHT
    begin = (index << height) % TILE_WIDTH * merkle.HASH_SIZE
    row = data[begin : begin + (merkle.HASH_SIZE << height)]
    for _ in range(height):
        row = merkle.fold(row)
    return row


def hash_getter(size: int, read: Callable[[Tile], bytes]) -> merkle.HashGetter:
    """A getter for the proofs of a tree of `size` leaves that fetches tiles by `read` and checks their length."""

    def get(level: int, index: int) -> bytes:
        tile = tile_of(level, index, size)
        data = read(tile)
        _check_length(data, tile)
        return node_in_tile(data, level, index)

    return get


def tiles_between(old_size: int, new_size: int) -> Iterator[Tile]:
    """Every tile and bundle that a log growing from `old_size` to `new_size` has to write, lowest row first."""
    if not 0 <= old_size <= new_size <= merkle.MAX_SIZE:
        raise _error(f"a log cannot grow from {old_size} to {new_size}", "sizes only grow")
    if old_size == new_size:
        return
    yield from _row_between(ENTRIES, old_size, new_size)
    level = 0
    while new_size:
        yield from _row_between(level, old_size, new_size)
        old_size, new_size, level = old_size >> TILE_HEIGHT, new_size >> TILE_HEIGHT, level + 1


def parse_hash_tile(data: bytes, tile: Tile) -> list[bytes]:
    """The hashes of a tile, checked to be exactly as many as its width says."""
    _check_length(data, tile)
    return [data[at : at + merkle.HASH_SIZE] for at in range(0, len(data), merkle.HASH_SIZE)]


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """The bundle of 1 to 256 entries of at most 65,535 bytes."""
    if not 1 <= len(entries) <= TILE_WIDTH:
        raise _error(f"a bundle cannot hold {len(entries)} entries", f"put 1 to {TILE_WIDTH} into each")
    parts: list[bytes] = []
    for entry in entries:
        if len(entry) > MAX_ENTRY:
            raise _error(f"an entry of {len(entry)} bytes does not fit a bundle", f"the limit is {MAX_ENTRY} bytes")
        parts += (len(entry).to_bytes(2, "big"), entry)
    return b"".join(parts)


def parse_bundle(data: bytes, width: int) -> list[bytes]:
    """The entries of a bundle, checked to be exactly `width` and to fill it to the last byte."""
    entries: list[bytes] = []
    at = 0
    while at < len(data):
        begin = at + 2
        at = begin + int.from_bytes(data[at:begin], "big")
        if begin > len(data) or at > len(data):
            raise _error(f"the bundle ends inside entry {len(entries)}", "fetch it again; it was cut short")
        entries.append(data[begin:at])
    if len(entries) != width:
        raise _error(f"the bundle holds {len(entries)} entries where {width} belong", "fetch the one of this width")
    return entries


def _row_between(level: int, old_width: int, new_width: int) -> Iterator[Tile]:
    if old_width == new_width:
        return
    for index in range(old_width >> TILE_HEIGHT, (new_width - 1 >> TILE_HEIGHT) + 1):
        yield Tile(level, index, min(TILE_WIDTH, new_width - (index << TILE_HEIGHT)))


def _index_path(index: int) -> str:
    path = f"{index % 1000:03d}"
    while index >= 1000:
        index //= 1000
        path = f"x{index % 1000:03d}/{path}"
    return path


def _check_length(data: bytes, tile: Tile) -> None:
    if len(data) != tile.width * merkle.HASH_SIZE:
        raise _error(
            f"{tile.path} has {len(data)} bytes where {tile.width * merkle.HASH_SIZE} belong",
            "fetch it again; if it stays so, the log serves a damaged tile",
        )


def _error(message: str, hint: str) -> ProofError:
    return ProofError(message, code="tile", hint=hint)
