from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from eth.chains.base import Chain as EvmChain
from eth.db.atomic import AtomicDB
from eth.db.chain import ChainDB
from eth.vm.forks.prague import PragueVM
from eth.vm.forks.prague.blocks import PragueBlock
from eth_utils import ValidationError

from mooring.ledger.embedded import block as module

TARGET = "0x" + "42" * 20


def _reexecuted(chain: Any) -> int:
    """Import every block into another, empty py-evm chain with all of its checks on; returns the last number."""
    history, database = chain.node.history, AtomicDB()
    for key, value in chain.node.database.rows("SELECT k, v FROM kv WHERE length(k) = 32"):
        if key in _nodes(chain.node.database, history.header(0).state_root):
            database[key] = value
    ChainDB(database).persist_header(history.header(0))
    configured = EvmChain.configure(vm_configuration=((0, PragueVM),), chain_id=chain.node.chain_id)
    other = configured(database)
    for number in range(1, chain.node.head.block_number + 1):
        header = history.header(number)
        other.import_block(PragueBlock(header, history.transactions(header), (), ()))
    assert other.get_canonical_head().hash == chain.node.head.hash
    return int(chain.node.head.block_number)


def _nodes(database: Any, root: bytes) -> set[bytes]:
    """The nodes of the genesis state: with two accounts there is one level below the root."""
    import rlp

    found = {root}
    for child in rlp.decode(database[root]):
        if isinstance(child, bytes) and len(child) == 32 and child in database:
            found.add(child)
    return found


def test_every_block_passes_the_machines_own_import_with_all_checks(chain: Any, keeper: bytes) -> None:
    contract = chain.deploy()
    for number in range(3):
        words = [chain.send(to=contract, data=bytes([number, *range(31)])), chain.send(key=1, to=TARGET, value=5)]
        words.append(chain.send(to=contract, gas=60_000))  # reverts
        for tx_hash in words:
            chain.mined(tx_hash)
    assert _reexecuted(chain) >= 4


def test_a_tampered_block_does_not_pass_that_import(chain: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    chain.mined(chain.send(to=TARGET, value=1))
    header = chain.node.history.header(1)
    history = chain.node.history
    forged = header.copy(gas_used=header.gas_used + 1)
    monkeypatch.setattr(history, "header", lambda number: forged if number == 1 else type(history).header(history, 0))
    with pytest.raises(ValidationError, match="Mismatch between locally executed block"):
        _reexecuted(chain)


def test_a_transaction_that_breaks_the_machine_is_left_out_and_the_rest_is_mined(
    open_chain: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = open_chain(block_interval_s=0.2)
    contract = chain.deploy()
    apply, broken = PragueVM.apply_transaction, (13).to_bytes(32, "big")

    def fail_on_thirteen(self: Any, header: Any, transaction: Any) -> Any:
        result = apply(self, header, transaction)  # half of the work is done when it fails
        if transaction.data == broken:
            raise ArithmeticError("a defect of the machine")
        return result

    monkeypatch.setattr(PragueVM, "apply_transaction", fail_on_thirteen)
    first = chain.send(key=1, to=contract, data=(1).to_bytes(32, "big"))
    doomed = chain.send(key=2, to=contract, data=broken)
    last = chain.send(key=3, to=contract, data=(2).to_bytes(32, "big"))
    assert chain.mined(first)["blockNumber"] == chain.mined(last)["blockNumber"]
    assert "a defect of the machine" in (chain.node.refusal(doomed) or "")
    logs = chain.rpc.request("eth_getLogs", [{"fromBlock": "0x0", "address": contract}])
    assert [int(log["data"], 16) for log in logs] == [1, 2]
    monkeypatch.undo()
    chain.nonces[2] = 0
    chain.mined(chain.send(key=2, to=contract, data=broken))


def test_a_block_takes_a_limited_number_of_transactions(chain: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_TRANSACTIONS", 3)
    results = chain.node.send_raw_transactions([chain.sign(to=TARGET) for _ in range(7)])
    blocks = [int(chain.mined(tx_hash)["blockNumber"], 16) for tx_hash in results]
    assert [blocks.count(number) for number in (1, 2, 3)] == [3, 3, 1]


def test_a_failed_call_is_in_the_block_with_its_gas_and_without_its_effects(chain: Any) -> None:
    contract = chain.deploy()
    failed = chain.mined(chain.send(to=contract, gas=60_000))
    done = chain.mined(chain.send(to=contract, data=bytes(31) + b"\1"))
    assert (failed["status"], failed["logs"]) == ("0x0", [])
    assert (done["status"], len(done["logs"])) == ("0x1", 1)
    assert 21_000 < int(failed["gasUsed"], 16) < 60_000
