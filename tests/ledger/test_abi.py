"""ABI encoding against eth-abi's own values, the Solidity specification's examples, and malformed bytes."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from mooring.errors import ConfigError, LedgerError, LedgerRefused
from mooring.ledger.abi import Interface, selector
from mooring.ledger.deployment import interface, shipped
from mooring.ledger.port import Value
from mooring.ledger.refusal import Refusal, deny, kebab, refused
from mooring.ledger.registry import NOBODY
from mooring.ledger.wire import governance_call
from mooring.proofs.keys import checksum_address

REGISTRY = interface("AssetRegistry")
WORD = b"\x01" * 32

words = st.binary(min_size=32, max_size=32)
addresses = st.binary(min_size=20, max_size=20).map(checksum_address)


def _parameter(name: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, **more}


def test_selectors_are_those_of_the_solidity_abi_specification() -> None:
    assert selector("baz(uint32,bool)").hex() == "cdcd77c0"
    assert selector("sam(bytes,bool,uint256[])").hex() == "a5643bf2"


def test_a_call_is_encoded_as_the_specification_shows_it() -> None:
    baz = Interface(
        "Foo", [{"type": "function", "name": "baz", "inputs": [_parameter("x", "uint32"), _parameter("y", "bool")]}]
    )
    expected = "cdcd77c0" + "45".rjust(64, "0") + "1".rjust(64, "0")
    assert baz.encode_call("baz", (69, True)).hex() == expected


@given(account=addresses, org=words, roles=st.integers(0, 255), threshold=st.integers(0, 255))
def test_governance_calls_are_the_contracts_own_calldata(account: str, org: bytes, roles: int, threshold: int) -> None:
    for method, args in (
        ("setMember", (account, org, roles)),
        ("setThreshold", (threshold,)),
        ("setPolicy", (threshold << 200, org)),
        ("revoke", (org, org)),
    ):
        assert governance_call(method, *args) == REGISTRY.encode_call(method, args)


@given(
    st.lists(st.tuples(addresses, words, st.integers(0, 255)).map(tuple), max_size=4).map(tuple), st.text(max_size=40)
)
def test_nested_values_come_back_as_they_went(members: tuple[tuple[str, bytes, int], ...], name: str) -> None:
    encoded = REGISTRY.encode_constructor((name, members, 2))
    member = _parameter(
        "m", "tuple[]", components=[_parameter(n, k) for n, k in (("a", "address"), ("o", "bytes32"), ("r", "uint8"))]
    )
    outputs = [_parameter("c", "string"), member, _parameter("t", "uint8")]
    echo = Interface("Echo", [{"type": "function", "name": "echo", "inputs": [], "outputs": outputs}])
    assert echo.decode_result("echo", (), encoded) == (name, members, 2)


def test_two_methods_of_one_name_are_told_apart_by_their_arguments() -> None:
    version, token = (WORD, WORD), (checksum_address(b"\x02" * 20), 7)
    assert REGISTRY.encode_call("approve", version)[:4] == selector("approve(bytes32,bytes32)")
    assert REGISTRY.encode_call("approve", token)[:4] == selector("approve(address,uint256)")


@pytest.mark.parametrize(
    ("method", "args"),
    [
        ("activate", (WORD[:31],)),
        ("activate", (WORD + b"\x00",)),
        ("activate", ("0x" + "00" * 32,)),
        ("activate", (7,)),
        ("setThreshold", (256,)),
        ("setThreshold", (-1,)),
        ("setThreshold", ("1",)),
        ("setMember", ("0x12", WORD, 1)),
        ("setMember", ("x" * 42, WORD, 1)),
        ("propose", (1, "1", WORD, WORD, (WORD, WORD[:5]))),
        ("propose", (1, "1", WORD, WORD, WORD)),
        ("propose", (1, b"1", WORD, WORD, ())),
        ("propose", (1, "\ud800", WORD, WORD, ())),
        ("approve", (1, 1)),
    ],
)
def test_values_that_do_not_fit_are_refused_and_never_filled_up(method: str, args: tuple[Value, ...]) -> None:
    with pytest.raises(LedgerRefused) as caught:
        REGISTRY.encode_call(method, args)
    assert caught.value.code == "arguments"


def test_the_constructor_refuses_members_that_do_not_fit() -> None:
    for members in (((NOBODY, WORD[:3], 1),), ((NOBODY, WORD),), (NOBODY,)):
        with pytest.raises(LedgerRefused):
            REGISTRY.encode_constructor(("name", members, 1))
    with pytest.raises(LedgerRefused, match="1 arguments where 3 are needed"):
        REGISTRY.encode_constructor(("name",))


def test_a_method_that_does_not_exist_is_named_with_those_that_do() -> None:
    for method, args in (("mint", ()), ("activate", ())):
        with pytest.raises(ConfigError, match="has no method") as caught:
            REGISTRY.encode_call(method, args)
        assert "activate(bytes32)" in caught.value.hint


def test_an_event_is_read_by_name_and_one_of_another_contract_is_not() -> None:
    topics = [REGISTRY.topic("Approved"), WORD, b"\x02" * 32, bytes(12) + b"\x03" * 20]
    log = REGISTRY.decode_log(topics, encode(["bytes32", "uint8"], [WORD, 2]))
    assert log is not None
    assert (log.name, list(log.args)) == ("Approved", ["version", "org", "approver", "evidence", "approvals"])
    assert log.args["approver"] == checksum_address(b"\x03" * 20)
    assert REGISTRY.decode_log([b"\x00" * 32], b"") is None
    assert REGISTRY.decode_log([], b"") is None


def test_an_indexed_text_is_its_hash() -> None:
    said = Interface(
        "Said", [{"type": "event", "name": "Said", "inputs": [_parameter("text", "string", indexed=True)]}]
    )
    log = said.decode_log([said.topic("Said"), WORD], b"")
    assert log is not None
    assert log.args == {"text": WORD}


@pytest.mark.parametrize("data", [b"", b"\x01" * 31, b"\xff" * 64])
def test_a_malformed_event_is_an_error_and_not_half_an_event(data: bytes) -> None:
    topics = [REGISTRY.topic("StatusChanged"), WORD]
    with pytest.raises(LedgerError) as caught:
        REGISTRY.decode_log(topics, data)
    assert caught.value.code == "abi"
    with pytest.raises(LedgerError):
        REGISTRY.decode_log([*topics, WORD], b"")


def test_text_that_is_not_utf_8_is_shown_and_stops_nobody() -> None:
    topics = [REGISTRY.topic("AssetCreated"), WORD, bytes(32)]
    log = REGISTRY.decode_log(topics, encode(["uint8", "bytes"], [1, b"a\xff"]))
    assert log is not None
    assert log.args["name"] == "a\\xff"


def test_a_custom_error_has_its_name_and_arguments() -> None:
    data = selector("AlreadyApproved(bytes32,bytes32)") + WORD + b"\x02" * 32
    refusal = REGISTRY.decode_revert(data)
    assert (refusal.name, refusal.code) == ("AlreadyApproved", "already-approved")
    assert str(refusal) == f"AlreadyApproved(version=0x{'01' * 32}, org=0x{'02' * 32})"


@pytest.mark.parametrize(
    ("data", "code", "shown"),
    [
        (b"", "reverted", "revert()"),
        (selector("Error(string)") + encode(["string"], ["no"]), "error", "Error(message=no)"),
        (selector("Panic(uint256)") + encode(["uint256"], [17]), "panic", "Panic(code=17)"),
        (b"\x01\x02\x03\x04\x05", "reverted", "revert(data=0102030405)"),
        (selector("AlreadyApproved(bytes32,bytes32)"), "reverted", "revert(data="),
    ],
)
def test_revert_data_of_any_kind_say_what_they_can(data: bytes, code: str, shown: str) -> None:
    refusal = REGISTRY.decode_revert(data)
    assert refusal.code == code
    assert str(refusal).startswith(shown)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("AlreadyApproved", "already-approved"),
        ("ERC721NonexistentToken", "erc721-nonexistent-token"),
        ("ERC2981InvalidTokenRoyalty", "erc2981-invalid-token-royalty"),
        ("NotOfOrganisation", "not-of-organisation"),
        ("Unchanged", "unchanged"),
    ],
)
def test_error_names_become_codes(name: str, code: str) -> None:
    assert kebab(name) == code
    assert refused(Refusal(name), "a call").code == deny(name).code == code


def test_a_refusal_shows_tuples_and_unnamed_values() -> None:
    assert str(Refusal("Odd", (("", (1, b"\x02")),))) == "Odd((1, 0x02))"


def test_the_interface_has_every_event_that_the_state_is_folded_from() -> None:
    from mooring.ledger.registry import _HANDLERS

    for name in ("AssetRegistry", "CheckpointAnchor"):
        declared = {item["name"] for item in shipped(name).abi if item["type"] == "event"}
        assert {event for contract, event in _HANDLERS if contract == name} == declared


def test_every_custom_error_has_a_code_of_its_own() -> None:
    names = {
        str(item["name"])
        for n in ("AssetRegistry", "CheckpointAnchor")
        for item in shipped(n).abi
        if item["type"] == "error"
    }
    assert len({kebab(name) for name in names}) == len(names)
