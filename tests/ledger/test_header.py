"""Headers and receipts as a node tells them, parsed strictly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ledger.accounts import Accounts
from tests.ledger.places import embedded_place

from mooring.errors import LedgerError, LedgerLied
from mooring.ledger.header import ReceiptTrie, bloom_has, hex_bytes, parse_header, parse_log, parse_receipt, quantity
from mooring.ledger.port import Call, Finality
from mooring.ledger.registry import NOBODY
from mooring.proofs.chainproof import verify_receipt
from mooring.proofs.header import Header as ProofHeader


@pytest.fixture(scope="module")
def block(tmp_path_factory: pytest.TempPathFactory, accounts: Accounts) -> Iterator[tuple[Any, Any]]:
    """A block with several transactions, and its receipts, as the embedded node tells them."""
    with embedded_place(tmp_path_factory.mktemp("header"), accounts) as place:
        ledger = place.ledger()
        calls = [Call("AssetRegistry", "createAsset", (1, f"{n}", NOBODY, 0), "a0", f"{n}") for n in range(3)]
        outcome = [ledger.confirm(one, Finality.FINAL, 20) for one in ledger.submit(calls)][-1]
        ledger.close()
        name = outcome.block_hash
        yield place.rpc("eth_getBlockByHash", name, False), place.rpc("eth_getBlockReceipts", name)


def _malformed(action: Any, value: Any) -> None:
    with pytest.raises(LedgerError) as caught:
        action(value)
    assert caught.value.code == "rpc-malformed"


def test_a_header_is_encoded_so_that_it_hashes_to_its_name_and_proofs_read_it(block: tuple[Any, Any]) -> None:
    header = parse_header(block[0])
    offline = ProofHeader(header.rlp)
    assert (offline.hash, offline.number, offline.receipts_root) == (header.hash, header.number, header.receipts_root)
    assert header.name == block[0]["hash"]


def test_any_changed_field_changes_the_hash_and_a_missing_one_is_malformed(block: tuple[Any, Any]) -> None:
    for name, value in block[0].items():
        if name in ("size", "transactions", "uncles", "withdrawals", "totalDifficulty"):
            continue
        changed = {**block[0], name: f"{value[:-1]}{'1' if value[-1] != '1' else '2'}"}
        with pytest.raises(LedgerLied) as caught:
            parse_header(changed)
        assert caught.value.code == "header-hash"
    assert parse_header({**block[0], "gasUsed": "0x1"}, verified=False)
    for name in ("number", "parentHash", "logsBloom", "hash", "timestamp"):
        _malformed(parse_header, {**block[0], name: None})
    _malformed(parse_header, [])


def test_receipts_hash_to_the_headers_root_and_prove_each_of_them(block: tuple[Any, Any]) -> None:
    header, receipts = parse_header(block[0]), [parse_receipt(one) for one in block[1]]
    trie = ReceiptTrie(header, receipts)
    for receipt in receipts:
        proved = verify_receipt(ProofHeader(header.rlp), receipt.index, trie.proof(receipt.index))
        assert [log.data for log in proved.logs] == [log.data for log in receipt.logs]
    addresses = {log.address for receipt in receipts for log in receipt.logs}
    assert [log.index for log in trie.logs(addresses)] == list(range(2 * len(receipts)))
    assert trie.logs(set()) == []


@pytest.mark.parametrize("change", [{"status": "0x0"}, {"cumulativeGasUsed": "0x1"}, {"logs": []}, {"type": "0x1"}])
def test_a_changed_receipt_does_not_hash_to_the_root(block: tuple[Any, Any], change: dict[str, Any]) -> None:
    receipts = [parse_receipt({**one, **change}) for one in block[1]]
    with pytest.raises(LedgerLied) as caught:
        ReceiptTrie(parse_header(block[0]), receipts)
    assert caught.value.code == "receipts-root"


def test_a_receipt_left_out_does_not_hash_to_the_root(block: tuple[Any, Any]) -> None:
    with pytest.raises(LedgerLied):
        ReceiptTrie(parse_header(block[0]), [parse_receipt(one) for one in block[1][:-1]])


@pytest.mark.parametrize(
    "change",
    [
        {"status": None},
        {"logs": None},
        {"logs": [7]},
        {"logsBloom": "0x00"},
        {"transactionHash": "0x12"},
        {"type": "two"},
    ],
)
def test_a_malformed_receipt_is_refused(block: tuple[Any, Any], change: dict[str, Any]) -> None:
    _malformed(parse_receipt, {**block[1][0], **change})


@pytest.mark.parametrize("change", [{"topics": None}, {"topics": ["0x00"] * 5}, {"address": "0x12"}, {"logIndex": 7}])
def test_a_malformed_log_is_refused(block: tuple[Any, Any], change: dict[str, Any]) -> None:
    _malformed(parse_log, {**block[1][0]["logs"][0], **change})


def test_a_bloom_holds_what_was_put_in_and_hardly_anything_else(block: tuple[Any, Any]) -> None:
    header = parse_header(block[0])
    log = parse_receipt(block[1][0]).logs[0]
    assert bloom_has(header.bloom, log.address)
    assert all(bloom_has(header.bloom, topic) for topic in log.topics)
    assert sum(bloom_has(header.bloom, bytes([number]) * 20) for number in range(200)) < 5
    assert not bloom_has(bytes(256), log.address)


def test_a_deposit_of_the_op_stack_is_encoded_with_its_own_fields(block: tuple[Any, Any]) -> None:
    plain = parse_receipt({**block[1][0], "type": "0x7e"})
    deposit = parse_receipt({**block[1][0], "type": "0x7e", "depositNonce": "0x5", "depositReceiptVersion": "0x1"})
    assert deposit.encoded[:1] == plain.encoded[:1] == b"\x7e"
    assert deposit.encoded.endswith(b"\x05\x01")


@given(st.integers(0, 2**256 - 1))
def test_quantities_come_back_as_they_went(number: int) -> None:
    assert quantity(hex(number), "number") == number


@pytest.mark.parametrize(
    "value", [None, 7, "7", "0x", "0xg", "-0x1", "0x" + "f" * 65, "0x_1", "0x1 ", "0x1\n", ["0x1"]]
)
def test_what_is_no_quantity_is_refused(value: Any) -> None:
    _malformed(lambda one: quantity(one, "number"), value)


@pytest.mark.parametrize("value", [None, 7, "12", "0x1", "0xgg", "0x1234", "0x12 ", "0x 12"])
def test_what_is_no_data_of_its_size_is_refused(value: Any) -> None:
    _malformed(lambda one: hex_bytes(one, "data", 1), value)
    assert hex_bytes("0x12", "data", 1) == b"\x12"
