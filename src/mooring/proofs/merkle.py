"""The Merkle tree of a log: hashes, inclusion and consistency proofs, and their verification.

The tree is RFC 6962 section 2.1 (RFC 9162 section 2.1) with SHA-256. A node is named by `(level, index)`: the perfect
subtree over the leaves `index * 2**level` up to, not including, `(index + 1) * 2**level`. Proofs are lists of 32-byte
hashes from the bottom up. Sizes are leaf counts below 2**63.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

from mooring.errors import ProofError

__all__ = [
    "EMPTY_ROOT",
    "HASH_SIZE",
    "MAX_SIZE",
    "CompactRange",
    "HashGetter",
    "consistency_path",
    "fold",
    "inclusion_path",
    "leaf_hash",
    "node_hash",
    "root_from_inclusion",
    "root_of",
    "root_of_leaves",
    "verify_consistency",
    "verify_inclusion",
]

HASH_SIZE = 32
MAX_SIZE = 2**63 - 1
EMPTY_ROOT = sha256(b"").digest()

HashGetter = Callable[[int, int], bytes]
"""`get(level, index)` is the hash of that perfect subtree; it is asked only for subtrees that are complete."""


def leaf_hash(entry: bytes) -> bytes:
    """The hash of a log entry: SHA-256(0x00 || entry)."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node: SHA-256(0x01 || left || right)."""
    return sha256(b"\x01" + left + right).digest()


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Return only if `leaf` is the hash of entry `index` in the tree of `size` leaves with this `root`.

    Raises ProofError `inclusion-proof`: also for one hash too many, one too few, or one that is not 32 bytes.
    """
    if root_from_inclusion(leaf, index, size, proof) != root:
        raise _inclusion_error(f"the inclusion proof of leaf {index} leads to another root than that of size {size}")


def root_from_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """The root that this inclusion proof leads to; proves nothing until compared with a trusted root."""
    if not 0 <= index < size <= MAX_SIZE:
        raise _inclusion_error(f"leaf {index} does not lie in a tree of {size} leaves")
    inner, border = _path_shape(0, index, size)
    if len(proof) != inner + border:
        raise _inclusion_error(f"the inclusion proof has {len(proof)} hashes where {inner + border} are needed")
    if len(leaf) != HASH_SIZE or any(len(sibling) != HASH_SIZE for sibling in proof):
        raise _inclusion_error("the inclusion proof holds a hash that is not 32 bytes")
    return _climb(leaf, index, proof, inner)


def verify_consistency(old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Return only if the tree `new_root` of `new_size` leaves extends the tree `old_root` of `old_size` leaves.

    An empty old tree must have the empty root, and is extended by every tree. Raises ProofError `consistency-proof`.
    """
    if not 0 <= old_size <= new_size <= MAX_SIZE:
        raise _consistency_error(f"a tree of {new_size} leaves cannot extend one of {old_size}")
    if any(len(item) != HASH_SIZE for item in (old_root, new_root, *proof)):
        raise _consistency_error("the consistency proof holds a hash that is not 32 bytes")
    if old_size in (0, new_size):
        _verify_trivial(old_size, old_root, new_size, new_root, proof)
        return
    level = _trailing_zeros(old_size)
    index = (old_size >> level) - 1
    inner, border = _path_shape(level, index, new_size)
    # A perfect old tree is itself the node that the path starts from, so its root is not repeated in the proof.
    seed, path = (old_root, proof) if index == 0 else (proof[0] if proof else b"", proof[1:])
    if len(path) != inner + border or not seed:
        raise _consistency_error(f"the proof from {old_size} to {new_size} has {len(proof)} hashes, which cannot be")
    if _climb_left(seed, index, path, inner) != old_root:
        raise _consistency_error(f"the consistency proof does not lead to the old root, of size {old_size}")
    if _climb(seed, index, path, inner) != new_root:
        raise _consistency_error(f"the consistency proof does not lead to the new root, of size {new_size}")


def inclusion_path(index: int, size: int, get: HashGetter) -> list[bytes]:
    """The inclusion proof of leaf `index` in the tree of `size` leaves (RFC 9162 section 2.1.3.1)."""
    if not 0 <= index < size <= MAX_SIZE:
        raise _inclusion_error(f"leaf {index} does not lie in a tree of {size} leaves")
    return _path(0, index, size, get)


def consistency_path(old_size: int, new_size: int, get: HashGetter) -> list[bytes]:
    """The consistency proof from `old_size` to `new_size` leaves (RFC 9162 section 2.1.4.1); empty from size 0."""
    if not 0 <= old_size <= new_size <= MAX_SIZE:
        raise _consistency_error(f"a tree of {new_size} leaves cannot extend one of {old_size}")
    if old_size in (0, new_size):
        return []
    level = _trailing_zeros(old_size)
    index = (old_size >> level) - 1
    seed = [] if index == 0 else [get(level, index)]
    return seed + _path(level, index, new_size, get)


def root_of(size: int, get: HashGetter) -> bytes:
    """The root of the tree of `size` leaves."""
    if not 0 <= size <= MAX_SIZE:
        raise ProofError(f"size {size} is out of range", code="tree-size", hint=f"sizes lie between 0 and {MAX_SIZE}")
    return _range_root(0, size, get) if size else EMPTY_ROOT


def root_of_leaves(leaves: Iterable[bytes]) -> bytes:
    """The root over these leaf hashes: the fast way to check very many entries against one root.

    It costs one hash per leaf, where one inclusion proof each would cost about log2(size).
    """
    row = b"".join(leaves)
    if not row:
        return EMPTY_ROOT
    if len(row) % HASH_SIZE:
        raise ProofError("a leaf hash is not 32 bytes", code="leaf-hash", hint="pass leaf hashes, not entries")
    while len(row) > HASH_SIZE:
        row = fold(row)
    return row


def fold(row: bytes) -> bytes:
    """The next row up: each pair of 32-byte hashes becomes its parent, and an odd last one is carried up as it is."""
    paired = len(row) - len(row) % (2 * HASH_SIZE)
    parents = [sha256(b"\x01" + row[at : at + 2 * HASH_SIZE]).digest() for at in range(0, paired, 2 * HASH_SIZE)]
    return b"".join(parents) + row[paired:]


class CompactRange:
    """The right edge of a growing tree: enough to append leaves and name the root, in log2(size) hashes.

    `hashes` are the roots of the perfect subtrees that make up the tree, largest first.
    """

    __slots__ = ("_hashes", "_size")

    def __init__(self, size: int = 0, hashes: Iterable[bytes] = ()) -> None:
        self._size = size
        self._hashes = list(hashes)
        if not 0 <= size <= MAX_SIZE or len(self._hashes) != size.bit_count():
            raise ProofError(
                f"{len(self._hashes)} hashes cannot be the right edge of a tree of {size} leaves",
                code="compact-range",
                hint="pass one hash for each bit set in the size, largest subtree first",
            )

    @property
    def size(self) -> int:
        """The number of leaves."""
        return self._size

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """The roots of the perfect subtrees, largest first."""
        return tuple(self._hashes)

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash at the end."""
        carry, node, hashes = self._size, leaf, self._hashes
        while carry & 1:
            node = node_hash(hashes.pop(), node)
            carry >>= 1
        hashes.append(node)
        self._size += 1

    def root(self) -> bytes:
        """The root of the tree as it stands."""
        return _join(self._hashes) if self._hashes else EMPTY_ROOT


def _path_shape(level: int, index: int, size: int) -> tuple[int, int]:
    """How many hashes of the path lie below the fork from the last leaf's path, and how many on the left above it."""
    inner = (index ^ ((size - 1) >> level)).bit_length()
    return inner, (index >> inner).bit_count()


def _climb(node: bytes, index: int, path: Sequence[bytes], inner: int) -> bytes:
    for depth in range(inner):
        node = node_hash(path[depth], node) if index >> depth & 1 else node_hash(node, path[depth])
    for sibling in path[inner:]:
        node = node_hash(sibling, node)
    return node


def _climb_left(node: bytes, index: int, path: Sequence[bytes], inner: int) -> bytes:
    """Climb as the old tree did: what lies to the right of the node was not there yet."""
    for depth in range(inner):
        if index >> depth & 1:
            node = node_hash(path[depth], node)
    for sibling in path[inner:]:
        node = node_hash(sibling, node)
    return node


def _path(level: int, index: int, size: int, get: HashGetter) -> list[bytes]:
    inner, _ = _path_shape(level, index, size)
    path = []
    for depth in range(inner):
        sibling = (index >> depth) ^ 1
        height = level + depth
        whole = (sibling + 1) << height <= size
        path.append(get(height, sibling) if whole else _range_root(sibling << height, size, get))
    for depth in range(inner, index.bit_length()):
        if index >> depth & 1:
            path.append(get(level + depth, (index >> depth) - 1))
    return path


def _range_root(begin: int, end: int, get: HashGetter) -> bytes:
    """The root over the leaves from `begin` to `end`, where `begin` is a multiple of every power of two that fits."""
    hashes = []
    while begin < end:
        level = (end - begin).bit_length() - 1
        hashes.append(get(level, begin >> level))
        begin += 1 << level
    return _join(hashes)


def _join(hashes: Sequence[bytes]) -> bytes:
    node = hashes[-1]
    for left in reversed(hashes[:-1]):
        node = node_hash(left, node)
    return node


def _trailing_zeros(number: int) -> int:
    return (number & -number).bit_length() - 1


def _verify_trivial(old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    if proof:
        raise _consistency_error(f"the proof from {old_size} to {new_size} must be empty and has {len(proof)} hashes")
    if old_size == 0 and old_root != EMPTY_ROOT:
        raise _consistency_error("an empty tree has another root than the one given")
    if old_size == new_size and old_root != new_root:
        raise _consistency_error(f"two trees of {old_size} leaves have different roots")


def _inclusion_error(message: str) -> ProofError:
    return ProofError(message, code="inclusion-proof", hint="ask the log for a proof at the size of this checkpoint")


def _consistency_error(message: str) -> ProofError:
    return ProofError(
        message,
        code="consistency-proof",
        hint="if the proof was fetched for these two sizes, the log has rewritten its history: keep both checkpoints",
    )
