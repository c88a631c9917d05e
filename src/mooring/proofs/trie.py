"""Merkle-Patricia proofs: what a trie holds under a key, or that it holds nothing (Yellow Paper, appendix D).

A proof is the list of nodes from the root towards the key, as `eth_getProof` (EIP-1186) returns it. Nodes of less than
32 bytes stand inside their parent and are not listed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mooring.errors import ProofError
from mooring.proofs.keccak import keccak256
from mooring.proofs.rlp import Item, decode, encode

__all__ = ["EMPTY_ROOT", "verify"]

EMPTY_ROOT = bytes.fromhex("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421")  # keccak256(rlp(""))


def verify(root: bytes, key: bytes, nodes: Sequence[bytes]) -> bytes | None:
    """Return the value under `key` in the trie with this `root`, or None if the proof shows that there is none.

    Raises ProofError "trie-proof" if a node is missing, wrong, malformed or superfluous. State tries are keyed by
    hashes: the caller hashes.
    """
    if root == EMPTY_ROOT and tuple(nodes) in ((), (b"\x80",)):  # clients write the proof of nothing both ways
        return None
    unread = iter(nodes)
    value = _walk(root, key.hex(), unread)
    if next(unread, None) is not None:
        raise _refused("it holds nodes that are not on the way to the key")
    return value


def _walk(child: Item, path: str, unread: Iterator[bytes]) -> bytes | None:
    """Follow `path`, in hex digits, down from `child`: each turn takes at least one digit or returns."""
    while True:
        node = _resolve(child, unread)
        if len(node) == 17:
            if not path:
                return _value(node[16]) or None
            child, path = node[int(path[0], 16)], path[1:]
        elif len(node) == 2:
            is_leaf, segment = _segment(node[0])
            if is_leaf:
                return _leaf(node[1]) if segment == path else None
            if not path.startswith(segment):
                return None
            child, path = node[1], path[len(segment) :]
            if child == b"":
                raise _refused("an extension leads nowhere")
        else:
            raise _refused(f"a node has {len(node)} items, not 2 or 17")
        if child == b"":
            return None


def _resolve(child: Item, unread: Iterator[bytes]) -> tuple[Item, ...]:
    """The node that `child` names by hash, or is."""
    if isinstance(child, tuple):
        if len(encode(child)) >= 32:
            raise _refused("a node of 32 bytes or more stands inside its parent")
        return child
    if len(child) != 32:
        raise _refused(f"a node is named by {len(child)} bytes, not by a hash")
    encoded = next(unread, None)
    if encoded is None:
        raise _refused("it ends before the key is reached")
    if keccak256(encoded) != child:
        raise _refused("a node does not have the hash its parent names")
    node = decode(encoded)
    if isinstance(node, bytes):
        raise _refused("a node is no list")
    return node


def _segment(item: Item) -> tuple[bool, str]:
    """Undo the hex-prefix encoding (Yellow Paper, appendix C): whether it is a leaf, and its digits."""
    digits = item.hex() if isinstance(item, bytes) else ""
    is_leaf, is_odd = digits[:1] in ("2", "3"), digits[:1] in ("1", "3")
    if not is_odd and digits[:2] not in ("00", "20"):
        raise _refused("a path does not start with a hex prefix")
    segment = digits[1:] if is_odd else digits[2:]
    if not is_leaf and not segment:
        raise _refused("an extension has no path")
    return is_leaf, segment


def _leaf(item: Item) -> bytes:
    value = _value(item)
    if not value:
        raise _refused("a leaf holds nothing")
    return value


def _value(item: Item) -> bytes:
    if not isinstance(item, bytes):
        raise _refused("a value is a list")
    return item


def _refused(what: str) -> ProofError:
    return ProofError(
        f"Merkle-Patricia proof: {what}",
        code="trie-proof",
        hint="Fetch the proof again for the block whose root you trust; refuse the claim if it stays wrong.",
    )
