"""The published side of a log: a folder with the C2SP tlog-tiles layout that any static web server can serve.

checkpoint    tile/<level>/<index>[.p/<width>]    tile/entries/<index>[.p/<width>]
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from mooring.errors import CorruptError, NotFoundError
from mooring.proofs.merkle import HASH_SIZE
from mooring.proofs.tiles import ENTRIES, TILE_WIDTH, Tile, tiles_between
from mooring.storage.atomic import replace, sync_directory, translating, write_all

__all__ = ["REBUILD", "TileFiles"]

_BATCH = 512
REBUILD = "restore it from a copy, or open the log with rebuild to make tiles and bundles again from its segments"
"""What to do about a tile or bundle that is missing or damaged."""


class TileFiles:
    """Tiles, bundles and the checkpoint in files. A tile never changes; it is on the disk before a checkpoint is."""

    def __init__(self, folder: Path, staging: Path) -> None:
        self._folder = folder
        self._staging = staging

    def read(self, tile: Tile) -> bytes:
        """The contents of a tile; a partial one that was removed is cut from the full one.

        NotFoundError `tile`; CorruptError `tile` for a hash tile of the wrong length.
        """
        data = self._read(tile)
        if data is None and tile.partial:
            full = self._read(Tile(tile.level, tile.index))
            data = None if full is None else cut(full, tile)
        if data is None:
            raise NotFoundError(
                f"{tile.path} is missing in {self._folder}",
                code="tile",
                hint=REBUILD,
            )
        if tile.level != ENTRIES and len(data) != tile.width * HASH_SIZE:
            raise CorruptError(f"{tile.path} has {len(data)} bytes", code="tile", hint=REBUILD)
        return data

    def write(self, tiles: Iterable[tuple[Tile, bytes]]) -> None:
        """Write tiles durably, each whole or not at all."""
        remaining = iter(tiles)
        while batch := list(islice(remaining, _BATCH)):
            with translating(f"write tiles in {self._folder}"):
                self._write_batch(batch)

    def read_checkpoint(self) -> bytes | None:
        """The newest checkpoint."""
        with translating(f"read the checkpoint in {self._folder}"):
            try:
                return (self._folder / "checkpoint").read_bytes()
            except FileNotFoundError:
                return None

    def write_checkpoint(self, data: bytes) -> None:
        """Put a newer checkpoint in the place of the old one, durably."""
        replace(self._folder / "checkpoint", data, mode=0o644)

    def prune(self, old_size: int, new_size: int) -> None:
        """Remove the partial forms of the tiles that became full between two sizes, as C2SP tlog-tiles allows."""
        for tile in tiles_between(old_size, new_size):
            partial = self._folder / f"{tile.path}.p"
            if not tile.partial and partial.exists():
                with translating(f"remove {partial}"):
                    shutil.rmtree(partial)

    def paths(self) -> Iterator[str]:
        """Every file below `tile`, as a path below the log's prefix."""
        for parent, _, names in os.walk(self._folder / "tile"):
            for name in names:
                yield (Path(parent) / name).relative_to(self._folder).as_posix()

    def _read(self, tile: Tile) -> bytes | None:
        with translating(f"read {tile.path} in {self._folder}"):
            try:
                return (self._folder / tile.path).read_bytes()
            except FileNotFoundError:
                return None

    def _write_batch(self, batch: list[tuple[Tile, bytes]]) -> None:
        staged = [self._staging / f"tile-{number}" for number in range(len(batch))]
        try:
            # All are written before the first is synced: the disk then works on them together.
            for path, (_, data) in zip(staged, batch, strict=True):
                with path.open("wb", buffering=0) as file:
                    write_all(file.fileno(), data)
            folders: set[Path] = set()
            for path, (tile, _) in zip(staged, batch, strict=True):
                target = self._folder / tile.path
                folders.update(self._make(target.parent))
                _sync(path)
                path.replace(target)
        except OSError:
            for path in staged:
                path.unlink(missing_ok=True)
            raise
        for folder in folders:
            sync_directory(folder)

    def _make(self, folder: Path) -> Iterator[Path]:
        """Make a folder, and yield it and each one above whose names have changed."""
        yield folder
        while not folder.exists():
            missing = folder
            while not missing.parent.exists():
                missing = missing.parent
            missing.mkdir(mode=0o755)
            yield missing.parent


def cut(full: bytes, tile: Tile) -> bytes:
    """The contents of a partial tile, from those of the full one; CorruptError `tile` if that one is damaged."""
    if tile.level != ENTRIES:
        return full[: tile.width * HASH_SIZE]
    at = 0
    for _ in range(tile.width):
        at += 2 + int.from_bytes(full[at : at + 2], "big")
    if at > len(full):
        raise CorruptError(
            f"{Tile(ENTRIES, tile.index).path} ends before entry {tile.index * TILE_WIDTH + tile.width}",
            code="bundle",
            hint=REBUILD,
        )
    return full[:at]


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
