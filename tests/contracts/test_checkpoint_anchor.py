"""The anchor: origins nobody can take, sizes that only grow, inclusion checked on-chain against RFC 6962 trees."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from eth_abi import encode
from eth_utils import keccak, to_checksum_address
from hypothesis import given, settings
from hypothesis import strategies as st
from localchain import Chain, Contract, Refused, address
from people import ACCOUNTS, digest

ORIGIN = "mooring.local/demo/records"
EMPTY = hashlib.sha256(b"").digest()
MAX = 2**64 - 1


def text(who: str) -> str:
    return to_checksum_address(address(who)).lower()


def refuses(anchor: Contract, error: str, who: str, name: str, *args: Any) -> tuple[Any, ...]:
    with pytest.raises(Refused) as caught:
        anchor.send(who, name, *args)
    assert caught.value.name == error
    return caught.value.values


# The tree as RFC 6962 section 2.1 defines it, by recursion: slow, and obviously right.


def root_of(leaves: list[bytes]) -> bytes:
    if not leaves:
        return EMPTY
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + root_of(leaves[:split]) + root_of(leaves[split:])).digest()


def path_of(index: int, leaves: list[bytes]) -> list[bytes]:
    if len(leaves) <= 1:
        return []
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if index < split:
        return [*path_of(index, leaves[:split]), root_of(leaves[split:])]
    return [*path_of(index - split, leaves[split:]), root_of(leaves[:split])]


def leaf_hash(leaf: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + leaf).digest()


def opened(anchor: Contract, leaves: list[bytes], origin: str = ORIGIN) -> bytes:
    result: bytes = anchor.send("ann", "open", origin, len(leaves), root_of(leaves)).result
    return result


# Open


def test_whoever_opens_an_origin_writes_it(anchor: Contract) -> None:
    outcome = anchor.send("ann", "open", ORIGIN, 3, digest("r"))
    origin_id = keccak(encode(["address", "string"], [address("ann"), ORIGIN]))
    assert outcome.result == origin_id
    assert outcome.events == (
        ("OriginOpened", {"originId": origin_id, "writer": text("ann"), "origin": ORIGIN}),
        ("Anchored", {"originId": origin_id, "size": 3, "root": digest("r")}),
    )
    assert anchor.call("latest", origin_id) == (text("ann"), 3, digest("r"))


def test_nobody_opens_an_origin_twice_and_nobody_in_anothers_name(anchor: Contract) -> None:
    mine = opened(anchor, [b"a"])
    assert refuses(anchor, "OriginExists", "ann", "open", ORIGIN, 1, digest("r")) == (mine,)
    theirs = anchor.send("eve", "open", ORIGIN, 9, digest("forged")).result
    assert theirs != mine
    assert anchor.call("latest", mine) == (text("ann"), 1, root_of([b"a"]))


def test_an_origin_handed_over_is_not_opened_again(anchor: Contract) -> None:
    mine = opened(anchor, [b"a"])
    anchor.send("ann", "handOver", mine, address("ben"))
    refuses(anchor, "OriginExists", "ann", "open", ORIGIN, 1, digest("r"))


def test_an_origin_has_1_to_256_bytes(anchor: Contract) -> None:
    assert anchor.send("ann", "open", "o" * 256, 1, digest("r")).result
    for origin in ("", "o" * 257):
        assert refuses(anchor, "BadLength", "ann", "open", origin, 1, digest("r")) == (len(origin),)


def test_an_empty_log_has_the_empty_root_and_no_other_has_it(anchor: Contract) -> None:
    assert anchor.call("EMPTY_ROOT") == EMPTY
    for size, root in ((0, digest("r")), (0, bytes(32)), (1, bytes(32)), (1, EMPTY)):
        assert refuses(anchor, "BadRoot", "ann", "open", ORIGIN, size, root) == (size, root)
    mine = opened(anchor, [])
    assert anchor.call("latest", mine) == (text("ann"), 0, EMPTY)
    refuses(anchor, "BadRoot", "ann", "anchor", mine, 1, EMPTY)
    refuses(anchor, "BadRoot", "ann", "anchor", mine, 1, bytes(32))


def test_an_unknown_origin_reads_as_nothing(anchor: Contract) -> None:
    assert anchor.call("latest", digest("x")) == ("0x" + "00" * 20, 0, bytes(32))


# Anchor


def test_a_larger_checkpoint_takes_the_place_of_the_last(anchor: Contract) -> None:
    mine = opened(anchor, [b"a"])
    outcome = anchor.send("ann", "anchor", mine, 2, digest("r2"))
    assert outcome.events == (("Anchored", {"originId": mine, "size": 2, "root": digest("r2")}),)
    assert anchor.call("latest", mine) == (text("ann"), 2, digest("r2"))


@pytest.mark.parametrize("size", [0, 4, 5])
def test_a_checkpoint_that_does_not_grow_is_refused(anchor: Contract, size: int) -> None:
    mine = opened(anchor, [b"x"] * 5)
    assert refuses(anchor, "NotGrowing", "ann", "anchor", mine, size, digest("r")) == (mine, 5, size)


def test_a_log_may_grow_to_the_largest_size_and_no_further(anchor: Contract) -> None:
    mine = opened(anchor, [b"a"])
    anchor.send("ann", "anchor", mine, MAX, digest("r"))
    refuses(anchor, "NotGrowing", "ann", "anchor", mine, MAX, digest("s"))


def test_only_the_writer_anchors(anchor: Contract) -> None:
    mine = opened(anchor, [b"a"])
    assert refuses(anchor, "NotWriter", "eve", "anchor", mine, 2, digest("r")) == (mine, text("eve"))
    assert refuses(anchor, "UnknownOrigin", "ann", "anchor", digest("x"), 2, digest("r")) == (digest("x"),)


def test_the_steady_state_costs_less_than_45_000_gas(anchor: Contract) -> None:
    mine = opened(anchor, [b"a"])
    outcome = anchor.send("ann", "anchor", mine, 2**63 + 0x01010101010101, digest("r"))
    assert outcome.gas <= 45_000
    assert len(outcome.written) == 2


# Hand over


def test_a_log_is_handed_over_and_keeps_its_id(anchor: Contract) -> None:
    mine = opened(anchor, [b"a"])
    outcome = anchor.send("ann", "handOver", mine, address("ben"))
    assert outcome.events == (("HandedOver", {"originId": mine, "from": text("ann"), "to": text("ben")}),)
    refuses(anchor, "NotWriter", "ann", "anchor", mine, 2, digest("r"))
    anchor.send("ben", "anchor", mine, 2, digest("r"))
    assert anchor.call("latest", mine) == (text("ben"), 2, digest("r"))


def test_a_log_is_handed_over_by_its_writer_to_another_account(anchor: Contract) -> None:
    mine = opened(anchor, [b"a"])
    refuses(anchor, "NotWriter", "eve", "handOver", mine, address("eve"))
    refuses(anchor, "UnknownOrigin", "ann", "handOver", digest("x"), address("ben"))
    assert refuses(anchor, "BadWriter", "ann", "handOver", mine, bytes(20)) == ("0x" + "00" * 20,)
    assert refuses(anchor, "BadWriter", "ann", "handOver", mine, address("ann")) == (text("ann"),)


# Inclusion


def test_every_leaf_of_every_small_tree_is_proved_and_at_no_other_place(anchor: Contract) -> None:
    for size in range(1, 11):
        leaves = [bytes([i]) for i in range(size)]
        mine = opened(anchor, leaves, f"size {size}")
        for index, leaf in enumerate(leaves):
            path = path_of(index, leaves)
            places = [at for at in range(size + 1) if anchor.call("verifyInclusion", mine, leaf_hash(leaf), at, path)]
            assert places == [index]


@settings(max_examples=40, deadline=None)
@given(data=st.data(), size=st.integers(1, 400))
def test_a_leaf_is_proved_and_nothing_close_to_its_proof_is(data: st.DataObject, size: int) -> None:
    anchor = Chain(*ACCOUNTS).deploy("CheckpointAnchor")
    leaves = [i.to_bytes(2, "big") for i in range(size)]
    index = data.draw(st.integers(0, size - 1))
    path, leaf = path_of(index, leaves), leaf_hash(leaves[index])
    mine = opened(anchor, leaves)
    assert anchor.call("verifyInclusion", mine, leaf, index, path) is True
    forgeries = [
        (digest("x"), leaf, index, path),
        (mine, leaf_hash(b"another"), index, path),
        (mine, leaves[index].ljust(32, b"\0"), index, path),
        (mine, leaf, size, path),
        (mine, leaf, MAX, path),
        (mine, leaf, index + (1 << max(len(path), 1)), path),
        (mine, leaf, index, [*path, digest("x")]),
        (mine, leaf, index, [digest("x"), *path]),
    ]
    if path:
        at, bit = data.draw(st.integers(0, len(path) - 1)), data.draw(st.integers(0, 255))
        flipped = (int.from_bytes(path[at], "big") ^ 1 << bit).to_bytes(32, "big")
        forgeries += [
            (mine, leaf, index, path[:-1]),
            (mine, leaf, index, path[1:]),
            (mine, leaf, index, [*path[:at], flipped, *path[at + 1 :]]),
            (mine, leaf, index ^ 1, path),
        ]
    assert [anchor.call("verifyInclusion", *forged) for forged in forgeries] == [False] * len(forgeries)


def test_the_root_of_a_larger_tree_is_no_leaf_of_it(anchor: Contract) -> None:
    leaves = [b"a", b"b", b"c", b"d"]
    mine = opened(anchor, leaves)
    assert anchor.call("verifyInclusion", mine, root_of(leaves), 0, []) is False
    assert anchor.call("verifyInclusion", mine, root_of(leaves[:2]), 0, [root_of(leaves[2:])]) is False


def test_a_path_longer_than_the_size_allows_is_refused_even_where_it_leads_to_the_root(anchor: Contract) -> None:
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    understated = anchor.send("ann", "open", ORIGIN, 1, root_of([b"a", b"b"])).result
    assert anchor.call("verifyInclusion", understated, right, 0, [left]) is False
    anchor.send("ann", "anchor", understated, 2, root_of([b"a", b"b"]))
    assert anchor.call("verifyInclusion", understated, right, 1, [left]) is True


def test_inclusion_is_checked_against_the_latest_checkpoint_only(anchor: Contract) -> None:
    leaves = [bytes([i]) for i in range(7)]
    mine = opened(anchor, leaves[:5])
    old = (mine, leaf_hash(leaves[4]), 4, path_of(4, leaves[:5]))
    assert anchor.call("verifyInclusion", *old) is True
    anchor.send("ann", "anchor", mine, 7, root_of(leaves))
    assert anchor.call("verifyInclusion", *old) is False
    assert anchor.call("verifyInclusion", mine, leaf_hash(leaves[4]), 4, path_of(4, leaves)) is True


def test_nothing_is_included_in_an_empty_log(anchor: Contract) -> None:
    mine = opened(anchor, [])
    assert anchor.call("verifyInclusion", mine, EMPTY, 0, []) is False


def test_a_proof_for_a_log_of_the_largest_size_is_read_to_its_end(anchor: Contract) -> None:
    mine = opened(anchor, [b"a"])
    path = [digest(f"sibling {i}") for i in range(64)]
    node = leaf_hash(b"z")
    for level, sibling in enumerate(path):
        last = MAX - 1 >> level
        ours = 2**63 >> level
        right = ours & 1 == 1 or ours == last
        node = hashlib.sha256(b"\x01" + (sibling + node if right else node + sibling)).digest()
    anchor.send("ann", "anchor", mine, MAX, node)
    assert anchor.call("verifyInclusion", mine, leaf_hash(b"z"), 2**63, path) is True
    assert anchor.call("verifyInclusion", mine, leaf_hash(b"z"), 2**63, path[:-1]) is False
