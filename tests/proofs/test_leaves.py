"""Entries of the log ledger: what its writer writes is read, and what another hand changed is not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from tests.proofs.scene import (
    ACCOUNTS,
    LEDGER_LOG,
    LOG_CHAIN,
    NOW,
    ORGS,
    T0,
    TRAINED,
    Happening,
    Story,
    Tree,
    account,
    anchored_id,
    approved,
    evidence_of,
    log_entry,
    log_key,
    moved,
    proposed,
    seal,
    witness_key,
)

from mooring.errors import ProofError
from mooring.ledger.entry import read as read_entry
from mooring.ledger.entry import sign, write
from mooring.ledger.port import Call
from mooring.proofs.leaves import LEAF_TYPE, open_ledger, read_leaf, verify_place
from mooring.proofs.note import VerifierKey
from mooring.records import canonical

GROUP = [approved(9, "auditor", 2), moved(9, 1, 2, "auditor")]
ENTRY = log_entry(GROUP, "call-1", T0)
KEY = log_key(LEDGER_LOG)
WITNESSES = {witness_key(org): org for org in ORGS}


def refused(entry: bytes, chain: str = LOG_CHAIN) -> ProofError:
    with pytest.raises(ProofError) as caught:
        read_leaf(entry, chain)
    assert caught.value.hint
    return caught.value


def changed(change: Mapping[str, Any], *path: str | int) -> bytes:
    """The entry with fields of the object at `path` changed (None: left out)."""
    value: Any = canonical.decode(ENTRY)
    place = value
    for step in path:
        place = place[step]
    place |= change
    for name in [name for name, content in place.items() if content is None]:
        del place[name]
    return canonical.encode(value)


@pytest.mark.parametrize(
    "group",
    [GROUP, [proposed(1, TRAINED, [b"\1" * 32])], [moved(1, 2, 3)], Story(tlog=True).anchors()[:1]],
    ids=["approve", "propose", "activate", "anchor"],
)
def test_an_entry_gives_the_call_s_account_its_time_and_its_events(group: list[Happening]) -> None:
    entry = log_entry(group, "key", T0 + 5)
    leaf = read_leaf(entry, LOG_CHAIN)
    signed, time_s, effects = read_entry(entry, LOG_CHAIN)
    assert (leaf.ledger, leaf.sender, leaf.time) == (LOG_CHAIN, signed.call.sender, time_s)
    assert list(leaf.events) == [(name, dict(args)) for name, args in effects]
    assert list(leaf.events) == [(happening.name, happening.args) for happening in group]


def test_events_that_no_bundle_carries_keep_their_place_and_are_not_read() -> None:
    call = sign(ACCOUNTS, LOG_CHAIN, Call("AssetRegistry", "setApprovalForAll", (), "lab", "k"))
    effects = (("ApprovalForAll", {"approved": True}), ("StatusChanged", moved(1, 1, 4, "lab").args))
    leaf = read_leaf(write(call, T0, "AssetRegistry", effects), LOG_CHAIN)
    assert [(name, bool(args)) for name, args in leaf.events] == [("ApprovalForAll", False), ("StatusChanged", True)]


def test_an_entry_of_another_ledger_is_refused() -> None:
    assert "signed for ledger" in refused(ENTRY, f"{LOG_CHAIN[:-1]}0").message


@pytest.mark.parametrize(
    "entry",
    [b"", b"[]", b"{}", b"\xff", ENTRY + b" ", b"[" * 1000, b" " * 65_536, ENTRY.replace(b'"method":', b'"method": ')],
    ids=range(8),
)
def test_bytes_that_are_no_canonical_entry_are_refused(entry: bytes) -> None:
    assert refused(entry).code == "leaf"


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"type": "urn:other"}, ()),
        ({"more": 1}, ()),
        ({"time": None}, ()),
        ({"time": "1"}, ()),
        ({"time": True}, ()),
        ({"time": 1.5}, ()),
        ({"events": {}}, ()),
        ({"events": [1]}, ()),
        ({"sender": account("hospital")}, ()),
        ({"publicKey": "00"}, ()),
        ({"publicKey": ACCOUNTS.key("lab").public_key.format().hex()}, ()),
        ({"publicKey": ACCOUNTS.key("auditor").public_key.format().hex().upper()}, ()),
        ({"signature": "zz"}, ()),
        ({"signature": " 00"}, ()),
        ({"more": 1}, ("call",)),
        ({"key": None}, ("call",)),
        ({"more": 1}, ("events", 0)),
        ({"args": []}, ("events", 0)),
        ({"contract": "CheckpointAnchor"}, ("events", 0)),
        ({"evidence": {"hex": "11" * 31}}, ("events", 0, "args")),
        ({"evidence": {"hex": "AA" * 32}}, ("events", 0, "args")),
        ({"evidence": {"hex": "11" * 32, "int": "1"}}, ("events", 0, "args")),
        ({"evidence": "11" * 32}, ("events", 0, "args")),
        ({"evidence": None}, ("events", 0, "args")),
        ({"evidence": True}, ("events", 0, "args")),
        ({"approvals": {"int": "02"}}, ("events", 0, "args")),
        ({"approvals": {"int": "256"}}, ("events", 0, "args")),
        ({"approvals": {"int": "-1"}}, ("events", 0, "args")),
        ({"approvals": {"int": "9" * 79}}, ("events", 0, "args")),
        ({"approvals": 2}, ("events", 0, "args")),
        ({"approvals": [1]}, ("events", 0, "args")),
        ({"approver": account("lab")}, ("events", 0, "args")),
        ({"actor": account("lab")}, ("events", 1, "args")),
    ],
    ids=str,
)
def test_an_entry_with_one_thing_changed_is_refused(change: Mapping[str, Any], path: tuple[str | int, ...]) -> None:
    assert refused(changed(change, *path)).code in ("leaf", "event", "key-format")


@pytest.mark.parametrize(
    "value",
    [True, None, 1.5, {"hex": "11", "int": "1"}, {"int": "1", "x": ""}, {"float": "1"}, {"int": "01"}, {}],
    ids=str,
)
def test_a_value_of_no_known_tag_is_no_value(value: Any) -> None:
    content: Any = canonical.decode(ENTRY)
    content["events"][0]["args"]["evidence"] = value
    error = refused(canonical.encode(content))
    assert (error.code, "a value " in error.message) == ("leaf", True)


@pytest.mark.parametrize(
    "change", [{"method": "suspend"}, {"contract": "AssetRegistrY"}, {"key": "call-2"}, {"args": []}]
)
def test_a_call_that_its_sender_did_not_sign_is_refused(change: Mapping[str, Any]) -> None:
    error = refused(changed(change, "call"))
    assert error.code == "signature" or "an event is of" in error.message


def test_a_list_of_words_holds_words_only() -> None:
    entry = log_entry([proposed(1, TRAINED, [b"\1" * 32])], "key", T0)
    for word in ({"hex": "11"}, {"int": "1"}, {"hex": "11" * 32, "more": "1"}, "11" * 32):
        value: Any = canonical.decode(entry)
        value["events"][0]["args"]["parents"] = [word]
        error = refused(canonical.encode(value))
        assert (error.code, "in a list" in error.message) in (("leaf", True), ("event", False))
    value["events"][0]["args"]["parents"] = ["11" * 32]
    assert "a value in a list" in refused(canonical.encode(value)).message


def test_an_event_of_the_other_contract_is_refused_even_if_the_call_was_to_it() -> None:
    call = sign(ACCOUNTS, LOG_CHAIN, Call("AssetRegistry", "anchor", (), "anchorer", "k"))
    anchored = {"originId": anchored_id(LEDGER_LOG), "size": 1, "root": bytes(32)}
    entry = write(call, T0, "AssetRegistry", (("Anchored", anchored),))
    assert "no event of" in refused(entry).message


def test_a_negative_or_absent_clock_is_the_caller_s_to_judge() -> None:
    assert read_leaf(changed({"time": -1}), LOG_CHAIN).time == -1
    assert LEAF_TYPE in ENTRY.decode()


def open_code(data: bytes, key: VerifierKey = KEY) -> str:
    with pytest.raises(ProofError) as caught:
        open_ledger(data, key, WITNESSES, 2, NOW)
    return caught.value.code


def test_a_checkpoint_of_the_ledger_needs_its_key_and_enough_organisations() -> None:
    tree = Tree([ENTRY])
    opened, named = open_ledger(seal(LEDGER_LOG, tree, ("lab", "auditor")), KEY, WITNESSES, 2, NOW)
    assert (opened.checkpoint.root, named) == (tree.root, ["auditor", "lab"])
    assert open_ledger(seal(LEDGER_LOG, tree, ()), KEY, WITNESSES, 0, None)[1] == []
    assert open_code(seal(LEDGER_LOG, tree, ("lab",))) == "quorum"
    assert open_code(seal(LEDGER_LOG, tree, ("lab", "lab"))) == "quorum"
    assert open_code(seal(LEDGER_LOG, tree), replace(KEY, name="ledger.example")) == "checkpoint-signature"
    assert open_code(seal(LEDGER_LOG, tree, time_s=NOW + 301)) == "cosignature-future"


def test_an_entry_stands_at_its_place_under_its_own_logs_checkpoint() -> None:
    (evidence, _) = evidence_of([ENTRY, log_entry([moved(1, 2, 3)], "k", T0)])
    sealed, _ = open_ledger(evidence.checkpoint, KEY, WITNESSES, 2, NOW)
    verify_place(evidence, sealed)
    for change, code in (
        ({"index": 1}, "inclusion-proof"),
        ({"index": -1}, "inclusion-proof"),
        ({"path": ()}, "inclusion-proof"),
        ({"entry": ENTRY[:-1]}, "inclusion-proof"),
        ({"origin": "ledger.example"}, "leaf"),
    ):
        with pytest.raises(ProofError) as caught:
            verify_place(replace(evidence, **change), sealed)  # type: ignore[arg-type]  # by name
        assert caught.value.code == code
