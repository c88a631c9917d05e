"""Merkle-Patricia proofs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from eth_utils import keccak
from hypothesis import given, settings
from hypothesis import strategies as st
from trie import HexaryTrie

from mooring.errors import ProofError
from mooring.proofs.rlp import Item, encode
from mooring.proofs.trie import EMPTY_ROOT, verify

VECTORS = json.loads((Path(__file__).parent / "vectors/trie.json").read_text())


def prove(trie: HexaryTrie, key: bytes) -> list[bytes]:
    """The nodes that eth_getProof would give: those on the way to `key` that are not inside their parent."""
    nodes = [encode(as_item(node)) for node in trie.get_proof(key)]
    return [node for place, node in enumerate(nodes) if place == 0 or len(node) >= 32]


def as_item(node: object) -> Item:
    return tuple(as_item(part) for part in node) if isinstance(node, list | tuple) else bytes(node)


def refusal(root: bytes, key: bytes, nodes: list[bytes]) -> str:
    with pytest.raises(ProofError) as caught:
        verify(root, key, nodes)
    assert caught.value.code in ("trie-proof", "rlp")
    assert caught.value.hint
    return caught.value.message


def text(value: str) -> bytes:
    return bytes.fromhex(value[2:]) if value.startswith("0x") else value.encode()


def built(name: str, group: str = "plain") -> tuple[HexaryTrie, dict[bytes, bytes | None], bytes]:
    vector = VECTORS[group][name]
    trie, state = HexaryTrie({}), {}
    for key, value in vector["in"]:
        place = keccak(text(key)) if group == "secure" else text(key)
        state[place] = None if value is None else text(value)
        if value is None:
            del trie[place]
        else:
            trie[place] = text(value)
    return trie, state, bytes.fromhex(vector["root"])


@pytest.mark.parametrize(("group", "name"), [(group, name) for group in ("plain", "secure") for name in VECTORS[group]])
def test_each_key_of_the_ethereum_tests_is_proved_present_or_absent_against_the_published_root(
    group: str, name: str
) -> None:
    trie, state, root = built(name, group)
    assert None in state.values() or name != "emptyValues"
    for key, value in state.items():
        nodes = prove(trie, key)
        assert verify(root, key, nodes) == value
        assert refusal(root[:31] + bytes([root[31] ^ 1]), key, nodes)


KEYS = st.binary(min_size=0, max_size=4)
STATES = st.dictionaries(KEYS, st.binary(min_size=1, max_size=40), min_size=1, max_size=30)


@settings(deadline=None)
@given(STATES, KEYS)
def test_random_tries_prove_exactly_what_they_hold(state: dict[bytes, bytes], other: bytes) -> None:
    trie = HexaryTrie({})
    for key, value in state.items():
        trie[key] = value
    for key in (*state, other):
        assert verify(trie.root_hash, key, prove(trie, key)) == state.get(key)


@settings(deadline=None)
@given(STATES, KEYS, st.data())
def test_a_proof_with_any_byte_flipped_any_node_dropped_doubled_or_moved_is_refused(
    state: dict[bytes, bytes], other: bytes, data: st.DataObject
) -> None:
    trie = HexaryTrie({})
    for key, value in state.items():
        trie[key] = value
    key = data.draw(st.sampled_from([*state, other]))
    nodes = prove(trie, key)
    verify(trie.root_hash, key, nodes)
    place = data.draw(st.integers(0, len(nodes) - 1))
    bent = bytearray(nodes[place])
    bent[data.draw(st.integers(0, len(bent) - 1))] ^= data.draw(st.integers(1, 255))
    assert refusal(trie.root_hash, key, [*nodes[:place], bytes(bent), *nodes[place + 1 :]])
    assert refusal(trie.root_hash, key, nodes[:place] + nodes[place + 1 :])
    assert refusal(trie.root_hash, key, [*nodes[: place + 1], *nodes[place:]])
    if len(nodes) > 1:
        assert refusal(trie.root_hash, key, nodes[::-1])


@settings(deadline=None)
@given(STATES)
def test_a_proof_for_one_key_never_proves_another_value_for_another_key(state: dict[bytes, bytes]) -> None:
    trie = HexaryTrie({})
    for key, value in state.items():
        trie[key] = value
    proofs = {key: prove(trie, key) for key in state}
    for proved, nodes in proofs.items():
        for key in state:
            try:
                assert verify(trie.root_hash, key, nodes) == state[key]
            except ProofError:
                assert key != proved


def test_the_empty_trie_holds_nothing() -> None:
    assert keccak(b"\x80") == EMPTY_ROOT
    assert verify(EMPTY_ROOT, b"key", []) is None
    assert verify(EMPTY_ROOT, b"key", [b"\x80"]) is None
    assert refusal(EMPTY_ROOT, b"key", [b"\x80", b"\x80"])
    assert refusal(keccak(b"x"), b"key", [])
    assert "not by a hash" in refusal(b"", b"key", [])


# --- malformed nodes under a root that says so: a prover that controls the root must still not confuse us ---

KEY = bytes.fromhex("1234")
LONG = b"v" * 40
BRANCH: list[Item] = [b""] * 17


def walk(*nodes: Item, key: bytes = KEY) -> bytes | None:
    encoded = [encode(node) for node in nodes]
    return verify(keccak(encoded[0]), key, encoded)


def malformed(*nodes: Item, key: bytes = KEY) -> str:
    encoded = [encode(node) for node in nodes]
    return refusal(keccak(encoded[0]), key, encoded)


def branch(**children: Item) -> Item:
    """A branch from digits ("_1" …) and "value" to what stands there."""
    node = list(BRANCH)
    for name, child in children.items():
        node[16 if name == "value" else int(name[1:], 16)] = child
    return tuple(node)


def test_a_leaf_at_the_root_is_the_whole_proof() -> None:
    assert walk((bytes.fromhex("201234"), LONG)) == LONG
    assert walk((bytes.fromhex("201235"), LONG)) is None
    assert walk((bytes.fromhex("2012"), LONG)) is None


def test_a_leaf_that_holds_nothing_or_a_list_is_refused() -> None:
    assert "holds nothing" in malformed((bytes.fromhex("201234"), b""))
    assert "value is a list" in malformed((bytes.fromhex("201234"), (b"x",)))


def test_a_value_in_a_branch_counts_where_the_key_ends() -> None:
    assert walk(branch(value=LONG), key=b"") == LONG
    assert walk(branch(), key=b"") is None
    assert "value is a list" in malformed(branch(value=(b"x",)), key=b"")


def test_an_extension_is_followed_or_proves_absence() -> None:
    assert walk((bytes.fromhex("001234"), branch(value=b"v"))) == b"v"
    assert walk((bytes.fromhex("001235"), keccak(b"x"))) is None
    assert walk((bytes.fromhex("112f"), keccak(b"x"))) is None


def test_an_extension_that_leads_nowhere_or_has_no_path_is_refused() -> None:
    assert "leads nowhere" in malformed((bytes.fromhex("001234"), b""))
    assert "0 items" in malformed((bytes.fromhex("001234"), ()))
    assert "no path" in malformed((b"\x00", keccak(b"x")))
    assert walk((bytes.fromhex("20"), LONG), key=b"") == LONG


@pytest.mark.parametrize("prefix", ["", "01", "0f1234", "40", "4123", "2f1234", "f0"])
def test_a_path_without_a_valid_hex_prefix_is_refused(prefix: str) -> None:
    assert "hex prefix" in malformed((bytes.fromhex(prefix), LONG))


def test_a_path_that_is_a_list_is_refused() -> None:
    assert "hex prefix" in malformed(((b"\x20",), LONG))


@pytest.mark.parametrize("count", [0, 1, 3, 16, 18])
def test_a_node_that_is_neither_pair_nor_branch_is_refused(count: int) -> None:
    assert f"{count} items" in malformed((b"\x20",) * count)


def test_a_node_that_is_no_list_is_refused() -> None:
    assert "no list" in malformed(b"x" * 40)


def test_a_child_named_by_anything_but_a_hash_is_refused() -> None:
    assert "31 bytes" in malformed(branch(_1=b"h" * 31))
    assert "33 bytes" in malformed(branch(_1=b"h" * 33))


def test_a_child_inside_its_parent_must_be_shorter_than_a_hash() -> None:
    short = (bytes.fromhex("3234"), b"v" * 26)
    assert len(encode(short)) == 31
    assert walk(branch(_1=short)) == b"v" * 26
    assert walk(branch(_1=short), key=bytes.fromhex("1235")) is None
    assert "inside its parent" in malformed(branch(_1=(bytes.fromhex("3234"), b"v" * 27)))


def test_an_empty_list_is_no_absent_child() -> None:
    assert walk(branch(_2=keccak(b"x"))) is None
    assert "0 items" in malformed(branch(_1=()))


def test_nodes_after_absence_was_shown_are_refused() -> None:
    assert "not on the way" in malformed(branch(_2=keccak(b"x")), b"x")
