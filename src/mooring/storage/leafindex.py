"""Which entry has this leaf hash: an index in memory, built from the tree when it is first asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mooring.proofs.merkle import HASH_SIZE

__all__ = ["LeafIndex"]

_KEY = 8
_RECENT = 1 << 16
_CHUNK = 1 << 16


class LeafIndex:
    """Leaf hashes to indexes in 16 bytes each: sorted by their first 8 bytes, and the most recent in a dictionary."""

    def __init__(self) -> None:
        import numpy  # here, because most logs are never asked and need not pay for loading it

        self._numpy: Any = numpy
        self._keys: Any = numpy.empty(0, dtype="<u8")
        self._indexes: Any = numpy.empty(0, dtype="<u8")
        self._recent: dict[bytes, int] = {}
        self.size = 0

    def extend(self, leaves: Callable[[int, int], bytes], stop: int) -> None:
        """Take in the leaves up to, not including, `stop`; `leaves(start, stop)` are their hashes in a row."""
        if stop - self.size > _RECENT:
            self._merge()
            self._sort(leaves, stop)
        elif stop > self.size:
            row = leaves(self.size, stop)
            for position in range(stop - self.size):
                leaf = row[position * HASH_SIZE : (position + 1) * HASH_SIZE]
                self._recent.setdefault(leaf, self.size + position)
        self.size = max(self.size, stop)
        if len(self._recent) > max(_RECENT, len(self._keys) // 4):
            self._merge()

    def find(self, leaf: bytes, leaf_at: Callable[[int], bytes]) -> int | None:
        """The first index with this leaf hash; `leaf_at(index)` confirms it."""
        numpy = self._numpy
        key = numpy.frombuffer(leaf[:_KEY], dtype="<u8")[0]
        begin, end = numpy.searchsorted(self._keys, key, "left"), numpy.searchsorted(self._keys, key, "right")
        for index in self._indexes[begin:end].tolist():
            if leaf_at(index) == leaf:
                return int(index)
        return self._recent.get(leaf)

    def _sort(self, leaves: Callable[[int, int], bytes], stop: int) -> None:
        starts = range(self.size, stop, _CHUNK)
        keys = [self._numpy.array(self._column(leaves(start, min(start + _CHUNK, stop)))) for start in starts]
        self._add(self._numpy.concatenate(keys), self._numpy.arange(self.size, stop, dtype="<u8"))

    def _merge(self) -> None:
        if not self._recent:
            return
        indexes = self._numpy.array(list(self._recent.values()), dtype="<u8")
        self._add(self._column(b"".join(self._recent)), indexes)
        self._recent = {}

    def _column(self, row: bytes) -> Any:
        return self._numpy.frombuffer(row, dtype="<u8")[:: HASH_SIZE // _KEY]

    def _add(self, keys: Any, indexes: Any) -> None:
        # A stable sort keeps equal keys in the order of their indexes, so that the first entry is found first.
        keys = self._numpy.concatenate([self._keys, keys])
        indexes = self._numpy.concatenate([self._indexes, indexes])
        order = self._numpy.argsort(keys, kind="stable")
        self._keys, self._indexes = keys[order], indexes[order]
