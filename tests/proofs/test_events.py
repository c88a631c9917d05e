"""Contract events: what eth-abi encodes is read back, in the one encoding that Solidity writes, and nothing else is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

import eth_abi
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.proofs.scene import EVENTS as DECLARED
from tests.proofs.scene import TRAINED, Happening, account, approved, moved, proposed

from mooring.errors import ProofError
from mooring.ledger import facts
from mooring.proofs.events import EVENTS, asset_id, check_event, decode_event, origin_id, version_id

PROPOSED = proposed(1, TRAINED, [b"\1" * 32, b"\2" * 32])
ANCHORED = Happening(1, "Anchored", {"originId": b"\3" * 32, "size": 2**64 - 1, "root": b"\4" * 32})
SAMPLES = [PROPOSED, approved(1, "lab", 2), moved(1, 2, 3), ANCHORED]
HEAD = 32 * 4  # manifest, attestation, and the offsets of label and parents

word = st.binary(min_size=32, max_size=32)


def refused(topics: tuple[bytes, ...], data: bytes) -> str:
    with pytest.raises(ProofError) as caught:
        decode_event(topics, data)
    assert caught.value.code == "event"
    return caught.value.message


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_an_event_is_read_with_its_contract_and_arguments(sample: Happening) -> None:
    shape, args = decode_event(sample.topics, sample.data)
    assert (shape.contract, shape.name, args) == (DECLARED[sample.name][0], sample.name, sample.args)
    check_event(shape, args)


@given(st.text(max_size=300), st.lists(word, max_size=70), word, st.integers(0, 2**256 - 1))
def test_whatever_the_contract_can_emit_is_read_back(
    label: str, parents: list[bytes], manifest: bytes, asset: int
) -> None:
    sample = proposed(1, TRAINED, parents, label=label, manifest=manifest, asset=asset)
    assert decode_event(sample.topics, sample.data)[1] == sample.args


@given(st.integers(0, len(PROPOSED.data) - 1), st.integers(1, 255))
def test_a_changed_byte_is_another_event_or_none(place: int, change: int) -> None:
    data = PROPOSED.data[:place] + bytes([PROPOSED.data[place] ^ change]) + PROPOSED.data[place + 1 :]
    try:
        _, args = decode_event(PROPOSED.topics, data)
    except ProofError:
        return
    kinds = [kind for _, kind in DECLARED["Proposed"][2]]
    assert args != PROPOSED.args
    assert eth_abi.encode(kinds, [args[name] for name, _ in DECLARED["Proposed"][2]]) == data


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_data_that_is_cut_or_has_more_behind_it_is_refused(sample: Happening) -> None:
    for size in range(len(sample.data)):
        refused(sample.topics, sample.data[:size])
    refused(sample.topics, sample.data + bytes(32))


def test_an_unknown_event_or_none_at_all_is_refused() -> None:
    other = Happening(1, "CurrentChanged", {"asset": 1, "from": bytes(32), "to": bytes(32)})
    for topics in ((), other.topics):
        assert "no known event" in refused(topics, other.data)


def test_topics_are_as_many_as_are_indexed_and_32_bytes_each() -> None:
    assert "4 topics" in refused((*PROPOSED.topics[:3], PROPOSED.topics[3][1:]), PROPOSED.data)
    assert "3 topics" in refused(PROPOSED.topics[:3], PROPOSED.data)
    assert "5 topics" in refused((*PROPOSED.topics, bytes(32)), PROPOSED.data)


@pytest.mark.parametrize(
    ("place", "put", "what"),
    [
        (HEAD - 64, (HEAD + 32).to_bytes(32, "big"), "not where Solidity puts it"),
        (HEAD - 32, (HEAD).to_bytes(32, "big"), "not where Solidity puts it"),
        (HEAD, (2**255).to_bytes(32, "big"), "items"),
        (HEAD + 32, b"\xff", "not UTF-8"),
        (HEAD + 32 + 31, b"\1", "dirty padding"),
        (HEAD + 64, (2**20 + 1).to_bytes(32, "big"), "items"),
        (HEAD + 64, (3).to_bytes(32, "big"), "end before"),
    ],
)
def test_another_layout_of_the_same_values_is_refused(place: int, put: bytes, what: str) -> None:
    assert what in refused(PROPOSED.topics, PROPOSED.data[:place] + put + PROPOSED.data[place + len(put) :])


def test_numbers_and_addresses_stay_in_their_range() -> None:
    sample = moved(1, 2, 3)
    assert "uint8" in refused(sample.topics, b"\1" + sample.data[1:])
    dirty = (*PROPOSED.topics[:3], b"\1" + PROPOSED.topics[3][1:])
    assert "address" in refused(dirty, PROPOSED.data)


@pytest.mark.parametrize(
    "changes",
    [
        {"version": b"\1" * 31},
        {"version": "11" * 32},
        {"asset": -1},
        {"asset": 2**256},
        {"asset": True},
        {"asset": "1"},
        {"proposer": b"\1" * 20},
        {"proposer": "alice"},
        {"proposer": "0xab"},
        {"proposer": "x" * 42},
        {"version": 1},
        {"label": 1},
        {"parents": 1},
        {"proposer": 1},
        {"label": b"1"},
        {"parents": [b"\1" * 32]},
        {"parents": (b"\1" * 31,)},
        {"parents": ("1",)},
        {"more": 1},
    ],
    ids=str,
)
def test_arguments_of_another_type_range_or_name_are_refused(changes: Mapping[str, Any]) -> None:
    with pytest.raises(ProofError) as caught:
        check_event(EVENTS["Proposed"], PROPOSED.args | changes)
    assert caught.value.code == "event"


def test_arguments_that_are_missing_are_refused() -> None:
    check_event(EVENTS["Proposed"], PROPOSED.args)
    with pytest.raises(ProofError):
        check_event(EVENTS["Proposed"], {"version": b"\1" * 32})


@pytest.mark.parametrize("name", [*EVENTS])
def test_the_shapes_are_those_of_the_compiled_contracts(name: str) -> None:
    shape = EVENTS[name]
    artifact = json.loads(
        resources.files("mooring.ledger.contracts").joinpath("build", f"{shape.contract}.json").read_text()
    )
    (event,) = [item for item in artifact["abi"] if item["type"] == "event" and item["name"] == name]
    inputs = tuple((item["type"], item["name"], item["indexed"]) for item in event["inputs"])
    assert shape.parameters == inputs


@given(st.text(max_size=100), st.text(max_size=100))
def test_ids_are_those_that_the_registry_computes(name: str, label: str) -> None:
    assert asset_id(name) == facts.asset_id(name)
    assert version_id(asset_id(name), label) == facts.version_id(facts.asset_id(name), label)
    abi = eth_abi.encode(["address", "string"], [account("lab"), label])
    assert origin_id(account("lab"), label) == facts.keccak256(abi)
    assert version_id(7, label) == facts.keccak256(eth_abi.encode(["uint256", "string"], [7, label]))
