"""Which entry has this leaf hash: an index in memory, built from the tree when it is first asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mooring.proofs.merkle import HASH_SIZE

__all__ = ["LeafIndex"]

_KEY = 8
_STRIDE = HASH_SIZE // _KEY
_RECENT = 1 << 16


class LeafIndex:
    """Leaf hashes to indexes: the recent ones in a dictionary, the rest sorted by their first 8 bytes, in 16 each."""

    def __init__(self) -> None:
        self._recent: dict[bytes, int] = {}
        self._keys: Any = None
        self._indexes: Any = None
        self.size = 0

    def extend(self, leaves: Callable[[int, int], bytes], stop: int) -> None:
        """Take in the leaves up to, not including, `stop`; `leaves(start, stop)` are their hashes in a row."""
        while self.size < stop:
            start, end = self.size, min(self.size + _RECENT, stop)
            row = leaves(start, end)
            for position in range(end - start):
                self._recent.setdefault(row[position * HASH_SIZE : (position + 1) * HASH_SIZE], start + position)
            self.size = end
            if len(self._recent) > max(_RECENT // 2, 0 if self._keys is None else len(self._keys) // 4):
                self._merge()

    def find(self, leaf: bytes, leaf_at: Callable[[int], bytes]) -> int | None:
        """The first index with this leaf hash; `leaf_at(index)` confirms it."""
        if len(leaf) != HASH_SIZE:
            return None
        recent = [self._recent[leaf]] if leaf in self._recent else []
        return next((index for index in self._sorted(leaf) + recent if leaf_at(index) == leaf), None)

    def _sorted(self, leaf: bytes) -> list[int]:
        """The sorted indexes whose leaf hash begins like this one."""
        if self._keys is None:
            return []
        import numpy

        key = numpy.frombuffer(leaf[:_KEY], dtype="<u8")[0]
        begin, end = (int(numpy.searchsorted(self._keys, key, side)) for side in ("left", "right"))
        return [int(index) for index in self._indexes[begin:end]]

    def _merge(self) -> None:
        import numpy  # here, because most logs are small or never asked, and need not pay for loading it

        keys = numpy.frombuffer(b"".join(self._recent), dtype="<u8")[::_STRIDE]
        indexes = numpy.fromiter(self._recent.values(), dtype="<u8", count=len(self._recent))
        if self._keys is not None:
            keys, indexes = numpy.concatenate([self._keys, keys]), numpy.concatenate([self._indexes, indexes])
        # A stable sort keeps equal keys in the order of their indexes, so that the first entry is found first.
        order = numpy.argsort(keys, kind="stable")
        self._keys, self._indexes = keys[order], indexes[order]
        self._recent = {}
