"""The Merkle tree, against a recursive reading of RFC 6962, published vectors, and every corruption we thought of."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mooring.errors import ProofError
from mooring.proofs.merkle import (
    EMPTY_ROOT,
    MAX_SIZE,
    CompactRange,
    consistency_path,
    inclusion_path,
    leaf_hash,
    node_hash,
    root_from_inclusion,
    root_of,
    root_of_leaves,
    verify_consistency,
    verify_inclusion,
)

VECTORS = Path(__file__).parent / "vectors"
LARGEST = 600


def entry(index: int) -> bytes:
    return b"entry %d" % index


@cache
def mth(begin: int, end: int) -> bytes:
    """MTH(D[begin:end]) as RFC 6962 section 2.1 defines it."""
    if end == begin:
        return sha256(b"").digest()
    if end - begin == 1:
        return sha256(b"\x00" + entry(begin)).digest()
    middle = begin + split(end - begin)
    return sha256(b"\x01" + mth(begin, middle) + mth(middle, end)).digest()


def split(count: int) -> int:
    """The largest power of two smaller than count."""
    power = 1
    while power * 2 < count:
        power *= 2
    return power


def path(index: int, begin: int, end: int) -> list[bytes]:
    """PATH(m, D[n]) of RFC 6962 section 2.1.1."""
    if end - begin == 1:
        return []
    middle = begin + split(end - begin)
    if index < middle:
        return [*path(index, begin, middle), mth(middle, end)]
    return [*path(index, middle, end), mth(begin, middle)]


def subproof(old: int, begin: int, end: int, complete: bool) -> list[bytes]:
    """SUBPROOF(m, D[n], b) of RFC 6962 section 2.1.2."""
    if old == end:
        return [] if complete else [mth(begin, end)]
    middle = begin + split(end - begin)
    if old <= middle:
        return [*subproof(old, begin, middle, complete), mth(middle, end)]
    return [*subproof(old, middle, end, False), mth(begin, middle)]


def get(level: int, index: int) -> bytes:
    return mth(index << level, (index + 1) << level)


def refused(code: str, work: Callable[..., Any], *arguments: Any) -> str:
    with pytest.raises(ProofError) as caught:
        work(*arguments)
    assert caught.value.code == code
    assert caught.value.hint
    return caught.value.message


def vectors(name: str) -> Any:
    return json.loads((VECTORS / f"{name}.json").read_text())


def unhex(hashes: list[str]) -> list[bytes]:
    return [bytes.fromhex(item) for item in hashes]


def test_every_inclusion_proof_up_to_70_leaves_is_the_one_of_rfc_6962_and_verifies() -> None:
    for size in range(1, 71):
        for index in range(size):
            proof = inclusion_path(index, size, get)
            assert proof == path(index, 0, size)
            verify_inclusion(leaf_hash(entry(index)), index, size, proof, mth(0, size))


def test_every_consistency_proof_up_to_70_leaves_is_the_one_of_rfc_6962_and_verifies() -> None:
    for new in range(1, 71):
        for old in range(1, new + 1):
            proof = consistency_path(old, new, get)
            assert proof == subproof(old, 0, new, True)
            verify_consistency(old, mth(0, old), new, mth(0, new), proof)


@settings(deadline=None)
@given(st.integers(1, LARGEST), st.data())
def test_inclusion_holds_for_the_right_leaf_and_place_alone(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof, root, leaf = inclusion_path(index, size, get), mth(0, size), leaf_hash(entry(index))
    verify_inclusion(leaf, index, size, proof, root)
    other = data.draw(st.integers(0, size).filter(lambda at: at != index))
    refused("inclusion-proof", verify_inclusion, leaf, other, size, proof, root)
    refused("inclusion-proof", verify_inclusion, leaf_hash(entry(other)), index, size, proof, root)
    refused("inclusion-proof", verify_inclusion, leaf, index, size, proof, mth(0, size + 1))


@settings(deadline=None)
@given(st.integers(1, LARGEST), st.data())
def test_an_inclusion_proof_with_any_bit_hash_or_place_changed_is_refused(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    leaf, root = leaf_hash(entry(index)), mth(0, size)
    for wrong in damaged(inclusion_path(index, size, get), data):
        refused("inclusion-proof", verify_inclusion, leaf, index, size, wrong, root)


@settings(deadline=None)
@given(st.integers(1, LARGEST), st.data())
def test_a_consistency_proof_with_any_bit_hash_or_place_changed_is_refused(new: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, new))
    proof = consistency_path(old, new, get)
    verify_consistency(old, mth(0, old), new, mth(0, new), proof)
    for wrong in damaged(proof, data):
        refused("consistency-proof", verify_consistency, old, mth(0, old), new, mth(0, new), wrong)
    refused("consistency-proof", verify_consistency, old, mth(0, new + 1), new, mth(0, new), proof)
    refused("consistency-proof", verify_consistency, old, mth(0, old), new, mth(0, new + 1), proof)


def damaged(proof: list[bytes], data: st.DataObject) -> list[list[bytes]]:
    """The same proof with a hash too many, too few, cut, swapped, or off by one bit."""
    extra = data.draw(st.binary(min_size=32, max_size=32))
    found = [[*proof, extra], [extra, *proof], [*proof, b""], [b"", *proof]]
    if proof:
        at = data.draw(st.integers(0, len(proof) - 1))
        bit = data.draw(st.integers(0, 255))
        flipped = (int.from_bytes(proof[at], "big") ^ 1 << bit).to_bytes(32, "big")
        found += [proof[:-1], proof[1:], [*proof[:at], flipped, *proof[at + 1 :]]]
        found += [
            [*proof[:at], proof[at][:-1], *proof[at + 1 :]],
            [*proof[:at], *proof[at : at + 1] * 2, *proof[at + 1 :]],
        ]
    if len(proof) > 1:
        found += [[*proof[1:], proof[0]]]
    return found


def test_a_rewritten_history_has_no_consistency_proof() -> None:
    forged = [leaf_hash(b"forged") if index == 3 else leaf_hash(entry(index)) for index in range(20)]
    refused(
        "consistency-proof", verify_consistency, 10, mth(0, 10), 20, root_of_leaves(forged), subproof(10, 0, 20, True)
    )


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 1), (5, 5), (-1, 5), (0, -1), (0, MAX_SIZE + 1)])
def test_a_leaf_outside_the_tree_has_no_proof(index: int, size: int) -> None:
    refused("inclusion-proof", inclusion_path, index, size, get)
    refused("inclusion-proof", verify_inclusion, bytes(32), index, size, [], bytes(32))


@pytest.mark.parametrize(("old", "new"), [(2, 1), (-1, 5), (1, MAX_SIZE + 1)])
def test_a_tree_that_shrinks_or_cannot_be_has_no_consistency_proof(old: int, new: int) -> None:
    refused("consistency-proof", consistency_path, old, new, get)
    refused("consistency-proof", verify_consistency, old, bytes(32), new, bytes(32), [])


def test_the_largest_tree_has_proofs_of_63_hashes() -> None:
    proof = inclusion_path(0, MAX_SIZE, lambda level, index: bytes(32))
    assert len(proof) == 63
    root = root_from_inclusion(bytes(32), 0, MAX_SIZE, proof)
    verify_inclusion(bytes(32), 0, MAX_SIZE, proof, root)


def test_every_tree_extends_the_empty_one_which_must_have_its_own_root() -> None:
    assert consistency_path(0, 7, get) == []
    verify_consistency(0, EMPTY_ROOT, 7, mth(0, 7), [])
    verify_consistency(0, EMPTY_ROOT, 0, EMPTY_ROOT, [])
    refused("consistency-proof", verify_consistency, 0, mth(0, 1), 7, mth(0, 7), [])
    refused("consistency-proof", verify_consistency, 0, EMPTY_ROOT, 7, mth(0, 7), [mth(0, 7)])


def test_two_trees_of_one_size_must_have_one_root() -> None:
    assert consistency_path(7, 7, get) == []
    verify_consistency(7, mth(0, 7), 7, mth(0, 7), [])
    refused("consistency-proof", verify_consistency, 7, mth(0, 7), 7, mth(0, 8), [])
    refused("consistency-proof", verify_consistency, 7, mth(0, 7), 7, mth(0, 7), [mth(0, 7)])


def test_a_proof_that_lacks_everything_is_refused() -> None:
    refused("consistency-proof", verify_consistency, 3, mth(0, 3), 7, mth(0, 7), [])
    refused("consistency-proof", verify_consistency, 4, mth(0, 4), 7, mth(0, 7), [])


def test_a_leaf_or_root_that_is_not_32_bytes_is_refused() -> None:
    refused("inclusion-proof", verify_inclusion, b"", 0, 1, [], b"")
    refused("consistency-proof", verify_consistency, 1, b"", 1, b"", [])


def test_a_leaf_is_never_taken_for_a_node() -> None:
    left, right = leaf_hash(b"left"), leaf_hash(b"right")
    assert leaf_hash(left + right) != node_hash(left, right)
    assert leaf_hash(b"\x01" + left + right) != node_hash(left, right)


@settings(deadline=None)
@given(st.integers(0, LARGEST))
def test_all_ways_to_the_root_agree(size: int) -> None:
    leaves = [leaf_hash(entry(index)) for index in range(size)]
    grown = CompactRange()
    for leaf in leaves:
        grown.append(leaf)
    assert root_of(size, get) == root_of_leaves(leaves) == grown.root() == mth(0, size)
    assert grown.size == size
    again = CompactRange(size, grown.hashes)
    again.append(leaf_hash(entry(size)))
    assert again.root() == mth(0, size + 1)


@pytest.mark.parametrize("size", [-1, MAX_SIZE + 1])
def test_a_size_that_cannot_be_has_no_root(size: int) -> None:
    refused("tree-size", root_of, size, get)
    refused("compact-range", CompactRange, size, [])


def test_a_right_edge_needs_one_hash_for_each_bit_of_its_size() -> None:
    assert CompactRange(6, [mth(0, 4), mth(4, 6)]).root() == mth(0, 6)
    refused("compact-range", CompactRange, 6, [mth(0, 4)])


def test_entries_are_not_taken_for_leaf_hashes() -> None:
    refused("leaf-hash", root_of_leaves, [b"entry"])


def test_rfc_6962_section_2_1_3_example() -> None:
    """The tree of seven leaves that the RFC draws, with its names."""
    a, b, c, d, e, f, j = (leaf_hash(entry(index)) for index in range(7))
    g, h, i = node_hash(a, b), node_hash(c, d), node_hash(e, f)
    k, l = node_hash(g, h), node_hash(i, j)  # noqa: E741 - the RFC's name
    assert root_of(7, get) == node_hash(k, l)
    paths = {0: [b, h, l], 3: [c, g, l], 4: [f, j, k], 6: [i, k]}
    assert {index: inclusion_path(index, 7, get) for index in paths} == paths
    proofs = {3: [c, d, g, l], 4: [l], 6: [i, j, k]}
    assert {old: consistency_path(old, 7, get) for old in proofs} == proofs


def test_transparency_dev_merkle_roots() -> None:
    golden = vectors("merkle")
    leaves = [leaf_hash(item) for item in unhex(golden["leaves"])]
    assert [root_of_leaves(leaves[:size]) for size in range(1, 9)] == unhex(golden["roots"])


@pytest.mark.parametrize("case", vectors("merkle")["inclusion"], ids=lambda case: f"{case['leaf']}-{case['size']}")
def test_transparency_dev_merkle_inclusion(case: dict[str, Any]) -> None:
    golden = vectors("merkle")
    leaf = leaf_hash(unhex(golden["leaves"])[case["leaf"] - 1])
    root = unhex(golden["roots"])[case["size"] - 1]
    verify_inclusion(leaf, case["leaf"] - 1, case["size"], unhex(case["proof"]), root)
    refused("inclusion-proof", verify_inclusion, leaf, case["leaf"], case["size"], unhex(case["proof"]), root)


@pytest.mark.parametrize("case", vectors("merkle")["consistency"], ids=lambda case: f"{case['old']}-{case['new']}")
def test_transparency_dev_merkle_consistency(case: dict[str, Any]) -> None:
    roots = unhex(vectors("merkle")["roots"])
    old, new, proof = roots[case["old"] - 1], roots[case["new"] - 1], unhex(case["proof"])
    verify_consistency(case["old"], old, case["new"], new, proof)
    refused("consistency-proof", verify_consistency, case["old"], EMPTY_ROOT, case["new"], new, proof)


def test_golang_tlog_argon2020_real_certificate_transparency_proofs() -> None:
    golden = vectors("argon2020")
    root, old_root = base64.b64decode(golden["root"]), base64.b64decode(golden["old_root"])
    leaf = leaf_hash(base64.b64decode(golden["entry"]))
    inclusion = [base64.b64decode(item) for item in golden["inclusion"]]
    verify_inclusion(leaf, golden["index"], golden["size"], inclusion, root)
    refused("inclusion-proof", verify_inclusion, leaf, golden["index"] + 1, golden["size"], inclusion, root)
    consistency = [base64.b64decode(item) for item in golden["consistency"]]
    verify_consistency(golden["old_size"], old_root, golden["size"], root, consistency)
    refused(
        "consistency-proof", verify_consistency, golden["old_size"] + 1, old_root, golden["size"], root, consistency
    )


def test_torchwood_witness_test_consistency() -> None:
    """Sizes 1, 3 and 5 of the Sigsum log in github.com/FiloSottile/torchwood internal/witness/witness_test.go."""

    def unbase(*items: str) -> list[bytes]:
        return [base64.b64decode(item) for item in items]

    one, three, five = unbase(
        "KgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "RcCI1Nk56ZcSmIEfIn0SleqtV7uvrlXNccFx595Iwl0=",
        "QrtXrQZCCvpIgsSmOsah7HdICzMLLyDfxToMql9WTjY=",
    )
    second, third, pair, fifth = unbase(
        "KgEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "KgIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "+fUDV+k970B4I3uKrqJM4aP1lloPZP8mvr2Z4wRw2LI=",
        "KgQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    )
    verify_consistency(1, one, 3, three, [second, third])
    verify_consistency(1, one, 5, five, [second, pair, fifth])
    refused("consistency-proof", verify_consistency, 1, one, 5, five, [second, third, fifth])
    refused("consistency-proof", verify_consistency, 1, one, 3, five, [second, third])
