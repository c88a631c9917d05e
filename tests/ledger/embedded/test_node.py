from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from eth_hash.auto import keccak

from mooring.errors import BusyError, ConfigError, CorruptError, LedgerError, LedgerRefused, StorageError
from mooring.ledger.embedded import block
from mooring.ledger.embedded.genesis import GAS_TARGET
from mooring.ledger.embedded.node import EmbeddedNode
from mooring.ledger.embedded.proof import get_proof
from mooring.ledger.embedded.rpc import RpcError

TARGET = "0x" + "42" * 20


def test_a_member_without_funds_can_act(chain: Any) -> None:
    receipt = chain.mined(chain.send(key=5, to=TARGET))
    assert receipt["status"] == "0x1"
    assert receipt["effectiveGasPrice"] == "0x0"


def test_a_member_without_funds_cannot_send_what_it_does_not_have(chain: Any) -> None:
    with pytest.raises(LedgerRefused, match="insufficient funds") as refusal:
        chain.send(key=5, to=TARGET, value=1)
    assert refusal.value.code == "insufficient-funds"
    assert refusal.value.definite


def test_an_offered_fee_must_be_covered(chain: Any) -> None:
    with pytest.raises(LedgerRefused, match="insufficient funds"):
        chain.send(key=5, to=TARGET, maxFeePerGas=1)


def test_value_moves_and_offered_tips_are_paid(chain: Any) -> None:
    chain.mined(chain.send(to=TARGET, value=7, gas=21_000, maxFeePerGas=3, maxPriorityFeePerGas=2))
    assert chain.rpc.request("eth_getBalance", [TARGET]) == "0x7"
    sender = "0x" + chain.address().hex()
    assert int(chain.rpc.request("eth_getBalance", [sender]), 16) == 10**18 - 7 - 2 * 21_000


def test_the_same_bytes_are_accepted_again_before_and_after_they_are_mined(chain: Any) -> None:
    raw = chain.sign(to=TARGET)
    first = chain.node.send_raw_transaction(raw)
    assert chain.node.send_raw_transaction(raw) == first
    chain.mined(first)
    head = chain.node.head.block_number
    assert chain.node.send_raw_transaction(raw) == first
    assert chain.node.waiting == 0
    assert chain.node.head.block_number == head


def test_other_bytes_under_a_used_nonce_are_refused(chain: Any) -> None:
    chain.mined(chain.send(to=TARGET))
    with pytest.raises(LedgerRefused, match="nonce too low") as refusal:
        chain.send(nonce=0, to=TARGET, gas=50_000)
    assert refusal.value.code == "nonce-too-low"


def test_transactions_wait_for_the_nonces_before_theirs(chain: Any) -> None:
    later = [chain.send(nonce=nonce, to=TARGET) for nonce in (3, 1, 2)]
    assert not chain.node.wait_mined(later[1], 0.1)
    assert chain.node.next_nonce(chain.address()) == 0
    first = chain.send(nonce=0, to=TARGET)
    for tx_hash in (first, *later):
        chain.mined(tx_hash)
    assert chain.node.next_nonce(chain.address()) == 4


def test_a_pending_transaction_is_replaced_by_one_that_offers_ten_percent_more(chain: Any) -> None:
    old = chain.send(nonce=1, to=TARGET, maxFeePerGas=100, maxPriorityFeePerGas=100)
    with pytest.raises(LedgerRefused, match="replacement transaction underpriced"):
        chain.send(nonce=1, to=TARGET, maxFeePerGas=109, maxPriorityFeePerGas=109)
    new = chain.send(nonce=1, to=TARGET, maxFeePerGas=110, maxPriorityFeePerGas=110)
    chain.mined(chain.send(nonce=0, to=TARGET))
    chain.mined(new)
    assert chain.rpc.request("eth_getTransactionByHash", ["0x" + old.hex()]) is None


def test_a_replacement_survives_a_restart_and_the_replaced_does_not(chain: Any, open_chain: Callable[..., Any]) -> None:
    old = chain.send(nonce=1, to=TARGET)
    new = chain.send(nonce=1, to=TARGET, maxFeePerGas=1, maxPriorityFeePerGas=1)
    chain.node.close()
    again = open_chain()
    assert again.node.pooled(old) is None
    assert again.node.pooled(new) is not None


def test_a_replacement_that_comes_while_its_rival_is_being_included_is_dropped(
    chain: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    build, late = block.build, []

    def build_and_replace(*arguments: Any) -> Any:
        draft = build(*arguments)
        if not late:
            late.append(chain.send(nonce=0, to=TARGET, maxFeePerGas=1, maxPriorityFeePerGas=1))
        return draft

    monkeypatch.setattr(block, "build", build_and_replace)
    chain.mined(chain.send(nonce=0, to=TARGET))
    assert chain.node.pooled(late[0]) is None
    assert chain.node.history.find(late[0]) is None
    assert chain.node.database.rows("SELECT * FROM pending") == []
    chain.mined(chain.send(nonce=1, to=TARGET))


def test_a_transaction_that_became_invalid_is_dropped_and_the_others_are_mined(chain: Any) -> None:
    spend = chain.sign(nonce=1, to=TARGET, value=10**18, gas=21_000)  # affordable only before nonce 0 is mined
    doomed = chain.node.send_raw_transaction(spend)
    other = chain.sign(key=1, to=TARGET)
    results = chain.node.send_raw_transactions([chain.sign(nonce=0, to=TARGET, value=1), other])
    for tx_hash in results:
        assert chain.mined(tx_hash)["status"] == "0x1"
    assert "enough balance" in (chain.node.refusal(doomed) or "")
    assert chain.node.pooled(doomed) is None
    assert not chain.node.wait_mined(doomed, 0)


def test_a_batch_reports_each_refusal_in_its_place(chain: Any) -> None:
    good, bad = chain.sign(to=TARGET), b"\x02junk"
    results = chain.node.send_raw_transactions([bad, good, bad])
    assert [isinstance(result, LedgerRefused) for result in results] == [True, False, True]
    chain.mined(results[1])


def test_a_thousand_transactions_in_one_batch_are_all_mined_in_order(chain: Any, keeper: bytes) -> None:
    contract = chain.deploy()
    raws = [chain.sign(to=contract, data=number.to_bytes(32, "big")) for number in range(1_000)]
    hashes = chain.node.send_raw_transactions(raws)
    assert all(isinstance(tx_hash, bytes) for tx_hash in hashes)
    assert chain.mined(hashes[-1])["status"] == "0x1"
    logs = chain.rpc.request("eth_getLogs", [{"fromBlock": "earliest", "address": contract}])
    assert [int(log["data"], 16) for log in logs] == list(range(1_000))
    assert chain.node.head.base_fee_per_gas == 0


def test_many_threads_send_interleaved_nonces_and_nothing_is_lost(chain: Any) -> None:
    raws = {key: [chain.sign(key=key, nonce=nonce, to=TARGET) for nonce in range(30)] for key in range(6)}
    accepted: list[bytes] = []

    def send(key: int, parity: int) -> None:
        for raw in reversed(raws[key][parity::2]):
            accepted.append(chain.node.send_raw_transaction(raw))

    threads = [threading.Thread(target=send, args=(key, parity)) for key in raws for parity in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(accepted)) == 180
    for tx_hash in accepted:
        assert chain.mined(tx_hash)["status"] == "0x1"


def test_no_block_exceeds_the_gas_target_so_the_base_fee_stays_zero(chain: Any) -> None:
    burner = chain.deploy(b"\xfe")  # the invalid instruction burns all of its gas
    hashes = chain.node.send_raw_transactions([chain.sign(to=burner, gas=10_000_000) for _ in range(4)])
    receipts = [chain.mined(tx_hash) for tx_hash in hashes]
    assert {receipt["status"] for receipt in receipts} == {"0x0"}
    for number in range(1, chain.node.head.block_number + 1):
        header = chain.node.history.header(number)
        assert header.gas_used <= GAS_TARGET
        assert header.base_fee_per_gas == 0
    assert len({receipt["blockNumber"] for receipt in receipts}) >= 2


def test_block_time_moves_at_least_a_second_a_block(chain: Any) -> None:
    for _ in range(3):
        chain.mined(chain.send(to=TARGET))
    times = [chain.node.history.header(number).timestamp for number in range(4)]
    assert times == [1_800_000_000 + number for number in range(4)]


def test_block_time_follows_the_clock_when_that_is_ahead(open_chain: Callable[..., Any]) -> None:
    now = [1_900_000_000.0]
    chain = open_chain(clock=lambda: now[0])
    now[0] += 500
    chain.mined(chain.send(to=TARGET))
    assert chain.node.head.timestamp == 1_900_000_500


def test_transactions_that_arrive_together_share_a_block(open_chain: Callable[..., Any]) -> None:
    chain = open_chain(block_interval_s=0.3)
    hashes = [chain.send(key=key, to=TARGET) for key in range(5)]
    assert len({chain.mined(tx_hash)["blockNumber"] for tx_hash in hashes}) == 1


def test_the_chain_is_the_same_after_it_is_closed_and_opened(chain: Any, open_chain: Callable[..., Any]) -> None:
    contract = chain.deploy()
    word = (7).to_bytes(32, "big")
    sent = chain.send(to=contract, data=word)
    before = chain.mined(sent)
    waiting = chain.send(nonce=9, to=TARGET)
    chain.node.close()
    again = open_chain(genesis_accounts={})
    assert again.mined(sent) == before
    assert again.node.pooled(waiting) is not None
    assert again.rpc.request("eth_getStorageAt", [contract, "0x0", "latest"]) == "0x" + word.hex()


def test_what_was_accepted_is_mined_by_the_next_process_to_open_the_chain(
    open_chain: Callable[..., Any],
) -> None:
    first = open_chain(block_interval_s=60.0)
    sent = first.send(to=TARGET)
    first.node.close()
    assert open_chain().mined(sent)["status"] == "0x1"


def test_another_chain_id_is_refused_on_an_existing_chain(chain: Any, open_chain: Callable[..., Any]) -> None:
    chain.node.close()
    with pytest.raises(ConfigError, match="has id 31337, not 1") as refusal:
        open_chain(chain_id=1)
    assert refusal.value.code == "chain-id"


@pytest.mark.parametrize("chain_id", [0, -1, 2**63])
def test_a_chain_id_out_of_range_is_refused(open_chain: Callable[..., Any], chain_id: int) -> None:
    with pytest.raises(ConfigError, match="out of range"):
        open_chain(chain_id=chain_id)


@pytest.mark.parametrize("accounts", [{b"short": 1}, {b"\1" * 20: -1}, {b"\1" * 20: 2**256}])
def test_an_unusable_genesis_account_is_refused_and_leaves_no_chain(
    open_chain: Callable[..., Any], accounts: dict[bytes, int]
) -> None:
    with pytest.raises(ConfigError, match="genesis account"):
        open_chain(genesis_accounts=accounts)
    assert open_chain().node.head.block_number == 0


def test_a_second_opening_is_refused_while_the_first_lasts(chain: Any, open_chain: Callable[..., Any]) -> None:
    with pytest.raises(BusyError, match="held by process"):
        open_chain()
    chain.node.close()
    assert open_chain().node.head.block_number == 0


def test_a_closed_node_takes_nothing_in(chain: Any) -> None:
    raw = chain.sign(to=TARGET)
    chain.node.close()
    with pytest.raises(StorageError) as refusal:
        chain.node.send_raw_transaction(raw)
    assert refusal.value.code == "chain-closed"
    with pytest.raises(StorageError, match="the chain is closed"):
        chain.node.history.header(0)


def test_a_lost_last_block_is_found_at_once(chain: Any, open_chain: Callable[..., Any]) -> None:
    chain.mined(chain.send(to=TARGET))
    head = chain.node.head.hash
    with chain.node.database.transaction() as sql:
        sql.execute("DELETE FROM kv WHERE k = ?", (head,))
    chain.node.close()
    with pytest.raises(CorruptError, match="lost its last block") as found:
        open_chain()
    assert "backup" in found.value.hint
    assert "chain.sqlite" in found.value.message


def test_a_lost_state_root_is_found_at_once(chain: Any, open_chain: Callable[..., Any]) -> None:
    root = chain.node.head.state_root
    with chain.node.database.transaction() as sql:
        sql.execute("DELETE FROM kv WHERE k = ?", (root,))
    chain.node.close()
    with pytest.raises(CorruptError, match="lost the state of block 0"):
        open_chain()


@pytest.mark.parametrize("change", ["UPDATE pending SET raw = x'02'", "UPDATE pending SET hash = zeroblob(32)"])
def test_a_damaged_pending_transaction_is_found_at_once(
    chain: Any, open_chain: Callable[..., Any], change: str
) -> None:
    chain.send(nonce=5, to=TARGET)
    with chain.node.database.transaction() as sql:
        sql.execute(change)
    chain.node.close()
    with pytest.raises(CorruptError, match="pending transaction"):
        open_chain()


def _fill_the_disk(node: Any) -> int:
    """Forbid the file to grow by another page, as a full disk does; returns the limit that was there."""
    with node.database.transaction() as sql:
        pages = sql.execute("PRAGMA page_count").fetchone()[0]
    return int(node.database._writer.execute(f"PRAGMA max_page_count={pages}").fetchone()[0])


def test_a_full_disk_refuses_a_transaction_and_says_so(chain: Any) -> None:
    _fill_the_disk(chain.node)
    raws = [chain.sign(nonce=nonce, to=TARGET, data=b"\1" * 5_000, gas=500_000) for nonce in range(1, 20)]
    results = chain.node.send_raw_transactions(raws)
    assert {result.code for result in results} == {"chain-full"}
    assert chain.node.waiting == 0


def _await_fault(node: Any) -> None:
    """Return once a block could not be made."""
    with node._changed:
        assert node._changed.wait_for(lambda: node._fault is not None, 20)


def test_a_full_disk_stops_blocks_and_the_chain_goes_on_once_there_is_space(
    chain: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mooring.ledger.embedded.node._RETRY_S", 0.05)
    contract = chain.deploy()
    waiting = [chain.send(nonce=nonce, to=contract, data=bytes([nonce] * 32)) for nonce in range(2, 60)]
    _fill_the_disk(chain.node)
    missing = chain.send(nonce=1, to=contract, data=b"\1" * 32)  # fits into the pool's last page, its block does not
    _await_fault(chain.node)
    assert not chain.node.wait_mined(missing, 0)
    with pytest.raises(LedgerError, match="makes no blocks: no space is left") as refusal:
        chain.send(key=1, to=TARGET)
    assert refusal.value.code == "chain-stopped"
    chain.node.database._writer.execute("PRAGMA max_page_count=1000000")
    for tx_hash in (missing, *waiting):
        assert chain.mined(tx_hash)["status"] == "0x1"
    chain.nonces[1] = 0
    chain.mined(chain.send(key=1, to=TARGET))


def test_a_full_disk_keeps_the_transaction_that_would_have_been_replaced(chain: Any) -> None:
    old = chain.send(nonce=1, to=TARGET)
    _fill_the_disk(chain.node)
    with pytest.raises(StorageError, match="no space is left"):
        chain.send(nonce=1, to=TARGET, data=b"\1" * 50_000, gas=3_000_000, maxFeePerGas=1, maxPriorityFeePerGas=1)
    assert chain.node.pooled(old) is not None
    assert chain.node.waiting == 1


def test_a_defect_stops_the_chain_aloud_and_loses_nothing(chain: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mooring.ledger.embedded.node._RETRY_S", 0.05)
    monkeypatch.setattr(block, "build", lambda *arguments: 1 / 0)
    sent = chain.send(to=TARGET)
    _await_fault(chain.node)
    with pytest.raises(LedgerError, match="ZeroDivisionError"):
        chain.send(key=1, to=TARGET)
    monkeypatch.undo()
    chain.mined(sent)


def test_a_damaged_state_stops_the_chain_and_blames_no_transaction(
    chain: Any, open_chain: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mooring.ledger.embedded.node._RETRY_S", 0.05)
    contract = chain.deploy()
    code = keccak(chain.node.database[keccak(bytes.fromhex(chain.rpc.request("eth_getCode", [contract])[2:]))])
    with chain.node.database.transaction() as sql:
        sql.execute("DELETE FROM kv WHERE k = ?", (code,))
    chain.node.close()
    again = open_chain()
    sent = again.send(nonce=1, to=contract, data=bytes(32))
    _await_fault(again.node)
    with pytest.raises(LedgerError, match="has lost part of the state"):
        again.send(key=1, to=TARGET)
    assert again.node.pooled(sent) is not None
    with pytest.raises(RpcError, match="has lost part of the state") as refusal:
        again.rpc.request("eth_getCode", [contract])
    assert refusal.value.data["code"] == "chain-corrupt"


def test_a_lost_account_is_reported_to_its_sender(chain: Any, open_chain: Callable[..., Any]) -> None:
    for key in range(6):
        chain.mined(chain.send(key=key, to=TARGET))
    node = get_proof(chain.node.database, chain.node.head, chain.address(3), []).nodes[-1]
    with chain.node.database.transaction() as sql:
        sql.execute("DELETE FROM kv WHERE k = ?", (keccak(node),))
    chain.node.close()
    again = open_chain()
    with pytest.raises(CorruptError, match="has lost part of the state"):
        again.send(key=3, nonce=1, to=TARGET)
    again.mined(again.send(key=4, nonce=1, to=TARGET))


def test_only_the_newest_refusals_are_remembered(chain: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mooring.ledger.embedded.node._REMEMBERED", 2)
    chain.node._remember({bytes([number]) * 32: f"reason {number}" for number in range(4)})
    assert [chain.node.refusal(bytes([number]) * 32) for number in range(4)] == [None, None, "reason 2", "reason 3"]


def test_the_chain_is_closed_at_the_end_of_a_with_block(folder: Path, keys: list[Any]) -> None:
    for _ in range(2):
        with EmbeddedNode.open(folder, chain_id=31_337, genesis_accounts={}) as node:
            assert node.head.block_number == 0


def test_a_folder_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="cannot be made") as refusal:
        EmbeddedNode.open(tmp_path / "file" / "chain", chain_id=1, genesis_accounts={})
    assert refusal.value.code == "chain-folder"
    with EmbeddedNode.open(tmp_path / "new" / "chain", chain_id=1, genesis_accounts={}):
        assert (tmp_path / "new" / "chain" / "chain.sqlite").exists()
