from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import rlp
from eth_hash.auto import keccak
from trie import HexaryTrie

from mooring.ledger.embedded import methods as module
from mooring.ledger.embedded.rpc import (
    INVALID_PARAMS,
    LIMIT_EXCEEDED,
    METHOD_NOT_FOUND,
    REVERTED,
    SERVER_ERROR,
    RpcError,
)

TARGET = "0x" + "42" * 20
WORD = "0x" + "00" * 31 + "07"
HASH = "0x" + "11" * 32
HEADER = {  # Yellow Paper §4.4 and EIPs 1559, 4895, 4844, 4788, 7685: the header's RLP, in order; True for a number
    "parentHash": False, "sha3Uncles": False, "miner": False, "stateRoot": False, "transactionsRoot": False,
    "receiptsRoot": False, "logsBloom": False, "difficulty": True, "number": True, "gasLimit": True, "gasUsed": True,
    "timestamp": True, "extraData": False, "mixHash": False, "nonce": False, "baseFeePerGas": True,
    "withdrawalsRoot": False, "blobGasUsed": True, "excessBlobGas": True, "parentBeaconBlockRoot": False,
    "requestsHash": False,
}  # fmt: skip


def _bytes(value: str) -> bytes:
    return bytes.fromhex(value[2:])


def _header_hash(block: dict[str, Any]) -> str:
    """The block's hash, from what JSON-RPC says of its header and nothing else."""
    fields = [int(block[name], 16) if number else _bytes(block[name]) for name, number in HEADER.items()]
    return "0x" + keccak(rlp.encode(fields)).hex()


def _refused(chain: Any, method: str, *params: Any) -> RpcError:
    with pytest.raises(RpcError) as refusal:
        chain.rpc.request(method, list(params))
    return refusal.value


@pytest.fixture
def used(chain: Any) -> Any:
    """A chain with the keeper deployed in block 1 and called in block 2; `chain.contract` is its address."""
    chain.contract = chain.deploy()
    chain.called = chain.send(to=chain.contract, data=_bytes(WORD), maxFeePerGas=9, maxPriorityFeePerGas=4)
    chain.mined(chain.called)
    return chain


def test_the_node_says_what_it_is(chain: Any) -> None:
    assert chain.rpc.request("web3_clientVersion", []).startswith("mooring/v")
    assert chain.rpc.request("net_version", []) == "31337"
    assert chain.rpc.request("eth_chainId", []) == "0x7a69"
    assert chain.rpc.request("eth_syncing", []) is False
    assert chain.rpc.request("eth_accounts", []) == []
    assert chain.rpc.request("eth_gasPrice", []) == "0x0"
    assert chain.rpc.request("eth_maxPriorityFeePerGas", []) == "0x0"
    assert chain.rpc.request("eth_blockNumber", []) == "0x0"


@pytest.mark.parametrize("method", ["eth_sign", "eth_sendTransaction", "debug_traceCall", "", "eth_CHAINID"])
def test_a_method_that_is_not_there_is_refused(chain: Any, method: str) -> None:
    assert _refused(chain, method).code == METHOD_NOT_FOUND


def test_every_method_refuses_a_wrong_number_of_parameters(chain: Any) -> None:
    for method in module.table(chain.node):
        refusal = _refused(chain, method, *[None] * 9)
        assert (refusal.code, refusal.message[:8]) == (INVALID_PARAMS, "expected")


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("eth_getBalance", ["0x12", "latest"]),
        ("eth_getBalance", [TARGET, "newest"]),
        ("eth_getBalance", [TARGET, "0x01"]),
        ("eth_getBalance", [TARGET, {}]),
        ("eth_getBalance", [TARGET, {"blockHash": HASH, "blockNumber": "0x0"}]),
        ("eth_getBalance", [TARGET, 0]),
        ("eth_getStorageAt", [TARGET, "0x00", "latest"]),
        ("eth_getBlockByNumber", ["latest", "yes"]),
        ("eth_getBlockByNumber", [{"blockNumber": "0x0"}, False]),
        ("eth_getBlockByHash", ["0x11", False]),
        ("eth_getTransactionByHash", ["0x11"]),
        ("eth_sendRawTransaction", ["f86b"]),
        ("eth_sendRawTransaction", [None]),
        ("eth_call", ["0x"]),
        ("eth_call", [{"to": TARGET, "form": TARGET}]),
        ("eth_call", [{"to": TARGET, "data": "0x01", "input": "0x02"}]),
        ("eth_call", [{"to": TARGET, "gasPrice": "0x1", "maxFeePerGas": "0x1"}]),
        ("eth_call", [{"to": TARGET, "maxFeePerGas": "0x1", "maxPriorityFeePerGas": "0x2"}]),
        ("eth_call", [{"to": TARGET, "value": 1}]),
        ("eth_call", [{"to": TARGET, "accessList": {}}]),
        ("eth_call", [{"to": TARGET, "accessList": [{"address": TARGET, "storageKeys": ["0x1"]}]}]),
        ("eth_call", [{"to": TARGET, "accessList": [{"address": TARGET, "storageKeys": {}}]}]),
        ("eth_getLogs", [{"fromBlock": "0x2", "toBlock": "0x1"}]),
        ("eth_getLogs", [{"blockHash": HASH, "fromBlock": "0x1"}]),
        ("eth_getLogs", [{"topics": [None] * 5}]),
        ("eth_getLogs", [{"topics": ["0x11"]}]),
        ("eth_getLogs", [{"topics": [[HASH] * 1_001]}]),
        ("eth_getLogs", [{"address": [TARGET] * 1_001}]),
        ("eth_getLogs", [{"adress": TARGET}]),
        ("eth_getProof", [TARGET, "0x0", "latest"]),
        ("eth_getProof", [TARGET, ["0x0"] * 1_025, "latest"]),
        ("eth_feeHistory", ["0x0", "latest"]),
        ("eth_feeHistory", ["0x401", "latest"]),
        ("eth_feeHistory", [True, "latest"]),
        ("eth_feeHistory", ["0x1", "latest", [50, 20]]),
        ("eth_feeHistory", ["0x1", "latest", [101]]),
        ("eth_feeHistory", ["0x1", "latest", [True]]),
        ("eth_feeHistory", ["0x1", "latest", "50"]),
    ],
)
def test_a_parameter_that_cannot_be_read_is_refused(chain: Any, method: str, params: list[Any]) -> None:
    assert _refused(chain, method, *params).code == INVALID_PARAMS


def test_state_is_read_as_each_block_left_it(used: Any) -> None:
    ask = used.rpc.request
    assert ask("eth_getStorageAt", [used.contract, "0x0", "latest"]) == WORD
    assert ask("eth_getStorageAt", [used.contract, "0x" + "00" * 32, "0x1"]) == "0x" + "00" * 32
    assert ask("eth_getCode", [used.contract, "earliest"]) == "0x"
    assert ask("eth_getCode", [used.contract]) != "0x"
    sender = "0x" + used.address().hex()
    assert ask("eth_getTransactionCount", [sender, "0x1"]) == "0x1"
    assert ask("eth_getTransactionCount", [sender, "finalized"]) == "0x2"
    assert ask("eth_getBalance", [sender, {"blockNumber": "0x0"}]) == hex(10**18)
    block = ask("eth_getBlockByNumber", ["0x1", False])
    assert ask("eth_getBalance", [sender, {"blockHash": block["hash"], "requireCanonical": True}]) == hex(10**18)


def test_the_pending_count_includes_the_pool(chain: Any) -> None:
    sender = "0x" + chain.address().hex()
    chain.send(nonce=1, to=TARGET)
    assert chain.rpc.request("eth_getTransactionCount", [sender, "pending"]) == "0x0"
    chain.mined(chain.send(nonce=0, to=TARGET))
    assert chain.rpc.request("eth_getTransactionCount", [sender, "pending"]) == "0x2"


def test_a_block_beyond_the_head_is_null_or_an_error(chain: Any) -> None:
    assert chain.rpc.request("eth_getBlockByNumber", ["0x64", False]) is None
    assert chain.rpc.request("eth_getBlockByHash", [HASH, False]) is None
    assert chain.rpc.request("eth_getBlockReceipts", ["0x64"]) is None
    assert chain.rpc.request("eth_getBlockReceipts", [HASH]) is None
    assert chain.rpc.request("eth_getTransactionByHash", [HASH]) is None
    assert chain.rpc.request("eth_getTransactionReceipt", [HASH]) is None
    assert _refused(chain, "eth_getBalance", TARGET, "0x64").message == "header not found: 0x64"
    assert _refused(chain, "eth_call", {"to": TARGET}, {"blockHash": HASH}).code == SERVER_ERROR


def test_a_clients_copy_of_each_header_has_the_blocks_hash(used: Any) -> None:
    parent = "0x" + "00" * 32
    for number in range(3):
        block = used.rpc.request("eth_getBlockByNumber", [hex(number), False])
        assert _header_hash(block) == block["hash"]
        assert block["parentHash"] == parent
        parent = block["hash"]
        assert used.rpc.request("eth_getBlockByHash", [parent, False]) == block
    assert _header_hash({**block, "gasUsed": "0x1"}) != parent


def test_tags_name_the_newest_block_or_the_first(used: Any) -> None:
    newest = used.rpc.request("eth_getBlockByNumber", ["0x2", False])
    for tag in ("latest", "pending", "safe", "finalized"):
        assert used.rpc.request("eth_getBlockByNumber", [tag, False]) == newest
    assert used.rpc.request("eth_getBlockByNumber", ["earliest", False])["number"] == "0x0"


def test_a_full_block_holds_its_transactions(used: Any) -> None:
    block = used.rpc.request("eth_getBlockByNumber", ["0x2", True])
    (transaction,) = block["transactions"]
    assert transaction == used.rpc.request("eth_getTransactionByHash", ["0x" + used.called.hex()])
    assert (transaction["maxFeePerGas"], transaction["gasPrice"]) == ("0x9", "0x4")
    assert (transaction["input"], transaction["to"]) == (WORD, used.contract)
    bare = used.rpc.request("eth_getBlockByNumber", ["0x2"])
    assert bare["transactions"] == [transaction["hash"]]
    assert bare["size"] == block["size"]


def test_a_pending_transaction_has_no_block(chain: Any) -> None:
    tx_hash = chain.send(nonce=3, to=TARGET, maxFeePerGas=9, maxPriorityFeePerGas=4)
    view = chain.rpc.request("eth_getTransactionByHash", ["0x" + tx_hash.hex()])
    assert (view["blockHash"], view["blockNumber"], view["transactionIndex"]) == (None, None, None)
    assert (view["nonce"], view["gasPrice"]) == ("0x3", "0x9")
    assert chain.rpc.request("eth_getTransactionReceipt", ["0x" + tx_hash.hex()]) is None


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_a_transaction_of_each_type_is_shown_so_that_it_can_be_encoded_again(chain: Any, kind: int) -> None:
    fields: dict[str, Any] = {"gasPrice": 3} if kind < 2 else {"maxFeePerGas": 5, "maxPriorityFeePerGas": 3}
    if kind:
        fields["accessList"] = [{"address": TARGET, "storageKeys": [HASH]}]
    raw = chain.sign(to=TARGET, **fields)
    tx_hash = chain.node.send_raw_transaction(raw)
    receipt = chain.mined(tx_hash)
    view = chain.rpc.request("eth_getTransactionByHash", ["0x" + tx_hash.hex()])
    assert view["type"] == receipt["type"] == hex(kind)
    assert view["gasPrice"] == receipt["effectiveGasPrice"] == "0x3"
    assert _encoded(view) == raw
    assert view["chainId"] == "0x7a69"


def _encoded(view: dict[str, Any]) -> bytes:
    """The signed bytes, from what JSON-RPC says of a transaction (EIPs 155, 2930, 1559)."""
    number = {name: int(view[name], 16) for name in ("nonce", "gas", "value", "v", "r", "s", "gasPrice", "chainId")}
    call = [_bytes(view["to"] or "0x"), number["value"], _bytes(view["input"])]
    signature = [number["v"], number["r"], number["s"]]
    if view["type"] == "0x0":
        return rlp.encode([number["nonce"], number["gasPrice"], number["gas"], *call, *signature])
    keys = [[_bytes(one["address"]), [_bytes(key) for key in one["storageKeys"]]] for one in view["accessList"]]
    if view["type"] == "0x1":
        fees = [number["gasPrice"]]
    else:
        fees = [int(view["maxPriorityFeePerGas"], 16), int(view["maxFeePerGas"], 16)]
    fields = [number["chainId"], number["nonce"], *fees, number["gas"], *call, keys, *signature]
    return bytes([int(view["type"], 16)]) + rlp.encode(fields)


def _receipt_bytes(receipt: dict[str, Any]) -> bytes:
    """A receipt's leaf of the trie, from JSON-RPC (EIP-2718)."""
    logs = [
        [_bytes(log["address"]), [_bytes(topic) for topic in log["topics"]], _bytes(log["data"])]
        for log in receipt["logs"]
    ]
    body = rlp.encode(
        [int(receipt["status"], 16), int(receipt["cumulativeGasUsed"], 16), _bytes(receipt["logsBloom"]), logs]
    )
    kind = int(receipt["type"], 16)
    return (bytes([kind]) if kind else b"") + body


def test_receipts_and_transactions_give_the_roots_of_their_block(open_chain: Callable[..., Any]) -> None:
    chain = open_chain(block_interval_s=0.3)
    contract = chain.deploy()
    fields = [{"data": _bytes(WORD)}, {"gasPrice": 0, "data": _bytes(HASH)}, {"gas": 60_000}, {"data": bytes(32)}]
    for key, one in enumerate(fields):
        last = chain.send(key=key, to=contract, **one)
    number = chain.mined(last)["blockNumber"]
    receipts = chain.rpc.request("eth_getBlockReceipts", [number])
    block = chain.rpc.request("eth_getBlockByNumber", [number, True])
    assert len(receipts) == 4
    assert chain.rpc.request("eth_getBlockReceipts", [block["hash"]]) == receipts
    roots = []
    for leaves in (map(_receipt_bytes, receipts), map(_encoded, block["transactions"])):
        tree = HexaryTrie({})
        for index, leaf in enumerate(leaves):
            tree[rlp.encode(index)] = leaf
        roots.append("0x" + tree.root_hash.hex())
    assert roots == [block["receiptsRoot"], block["transactionsRoot"]]
    for receipt in receipts:
        assert chain.rpc.request("eth_getTransactionReceipt", [receipt["transactionHash"]]) == receipt
    assert sum(int(receipt["gasUsed"], 16) for receipt in receipts) == int(block["gasUsed"], 16)
    assert [log["logIndex"] for receipt in receipts for log in receipt["logs"]] == ["0x0", "0x1", "0x2"]


def test_a_creations_receipt_names_the_contract(chain: Any) -> None:
    sender = "0x" + chain.address().hex()
    contract = chain.deploy()
    expected = keccak(rlp.encode([_bytes(sender), 0]))[12:]  # Yellow Paper §7
    assert contract == "0x" + expected.hex()
    plain = chain.mined(chain.send(to=TARGET))
    assert plain["contractAddress"] is None


def test_a_call_returns_data_and_keeps_nothing(used: Any) -> None:
    other = "0x" + "00" * 31 + "09"
    assert used.rpc.request("eth_call", [{"to": used.contract, "data": other}, "latest"]) == other
    assert used.rpc.request("eth_call", [{"to": used.contract, "input": other}]) == other
    assert used.rpc.request("eth_getStorageAt", [used.contract, "0x0", "latest"]) == WORD
    assert used.rpc.request("eth_call", [{"to": used.contract, "data": other}, "earliest"]) == "0x"


def test_an_access_list_makes_a_call_dearer_by_its_entries(used: Any) -> None:
    plain = {"to": TARGET}
    listed = plain | {"accessList": [{"address": used.contract, "storageKeys": [HASH]}, {"address": TARGET}]}
    assert used.rpc.request("eth_estimateGas", [plain]) == hex(21_000)
    assert used.rpc.request("eth_estimateGas", [listed]) == hex(21_000 + 2 * 2_400 + 1_900)  # EIP-2930


def test_a_revert_is_code_three_with_its_data_and_reason(used: Any) -> None:
    for method in ("eth_call", "eth_estimateGas"):
        refusal = _refused(used, method, {"to": used.contract})
        assert refusal.code == REVERTED
        assert refusal.message == "execution reverted: empty"
        assert refusal.data[:10] == "0x08c379a0"


def test_a_revert_without_a_reason_has_its_data_alone(chain: Any) -> None:
    contract = chain.deploy(bytes.fromhex("6308c379a060e01b60005260046000fd"))  # the selector and nothing after it
    refusal = _refused(chain, "eth_call", {"to": contract})
    assert (refusal.message, refusal.data) == ("execution reverted", "0x08c379a0")
    other = chain.deploy(bytes.fromhex("60006000fd"))
    assert _refused(chain, "eth_call", {"to": other}).data == "0x"


def test_a_call_that_fails_otherwise_is_a_server_error(chain: Any) -> None:
    contract = chain.deploy(b"\xfe")
    refusal = _refused(chain, "eth_call", {"to": contract})
    assert refusal.code == SERVER_ERROR
    assert "InvalidInstruction" in refusal.message


def test_a_call_needs_gas_and_funds(used: Any) -> None:
    short = _refused(used, "eth_call", {"to": used.contract, "data": WORD, "gas": "0x5208"})
    assert short.message.startswith("intrinsic gas too low")
    starved = _refused(used, "eth_call", {"to": used.contract, "data": WORD, "gas": "0x5500"})
    assert starved.message == "out of gas"
    poor = _refused(used, "eth_call", {"from": TARGET, "to": used.contract, "data": WORD, "value": "0x1"})
    assert poor.message.startswith("insufficient funds")
    priced = _refused(used, "eth_call", {"from": TARGET, "to": used.contract, "data": WORD, "gasPrice": "0x1"})
    assert priced.message.startswith("insufficient funds")


def test_an_estimate_is_enough_and_a_little_less_is_not(used: Any) -> None:
    request = {"to": used.contract, "data": WORD}
    estimate = int(used.rpc.request("eth_estimateGas", [request, "0x1"]), 16)
    assert used.rpc.request("eth_call", [request | {"gas": hex(estimate)}, "0x1"]) == WORD
    assert used.rpc.request("eth_estimateGas", [request | {"gas": hex(estimate)}, "0x1"]) == hex(estimate)
    with pytest.raises(RpcError, match="out of gas"):
        used.rpc.request("eth_call", [request | {"gas": hex(int(estimate * 0.985))}, "0x1"])


def test_an_estimate_covers_gas_that_is_held_back_and_refunded(chain: Any) -> None:
    keeper = chain.deploy()
    # Calls the keeper with a word, then reverts if that failed: EIP-150 holds 1/64 back at the inner call.
    caller = chain.deploy(
        bytes.fromhex("600160005260006000602060006000" + "73" + keeper[2:] + "5af1602e5760006000fd5b00")
    )
    request = {"to": caller}
    estimate = int(chain.rpc.request("eth_estimateGas", [request]), 16)
    assert chain.mined(chain.send(to=caller, gas=estimate))["status"] == "0x1"
    chain.mined(chain.send(to=keeper, data=bytes(31) + b"\1"))
    clearing = {"to": keeper, "data": "0x" + "00" * 32}  # clears the slot: refunded only after all was paid (EIP-3529)
    estimate = int(chain.rpc.request("eth_estimateGas", [clearing]), 16)
    tight = chain.rpc.request("eth_estimateGas", [clearing | {"gas": hex(estimate + 400)}])
    assert int(tight, 16) <= estimate + 400
    receipt = chain.mined(chain.send(to=keeper, data=bytes(32), gas=estimate))
    assert receipt["status"] == "0x1"
    assert int(receipt["gasUsed"], 16) < estimate


def test_the_estimate_of_a_transfer_and_of_a_creation_is_exact(chain: Any) -> None:
    assert chain.rpc.request("eth_estimateGas", [{"to": TARGET}]) == hex(21_000)
    creation = {"from": "0x" + chain.address(3).hex(), "data": "0x" + "60006000f3"}
    assert chain.rpc.request("eth_estimateGas", [creation]) == hex(53_000 + 2 * 4 + 3 * 16 + 2 + 6)


def test_an_estimate_beyond_the_given_gas_is_refused(used: Any) -> None:
    request = {"to": used.contract, "data": WORD, "gas": hex(22_000)}
    assert _refused(used, "eth_estimateGas", request).message == "gas required exceeds allowance (22000)"


def test_an_accepted_transaction_is_acknowledged_by_its_hash(chain: Any) -> None:
    raw = chain.sign(to=TARGET)
    assert chain.rpc.request("eth_sendRawTransaction", ["0x" + raw.hex()]) == "0x" + keccak(raw).hex()


def test_a_refused_transaction_says_why_in_the_words_of_ethereums_clients(chain: Any) -> None:
    chain.mined(chain.send(to=TARGET))
    refusal = _refused(chain, "eth_sendRawTransaction", "0x" + chain.sign(nonce=0, to=TARGET, gas=50_000).hex())
    assert refusal.code == SERVER_ERROR
    assert refusal.message.startswith("nonce too low")
    assert refusal.data["code"] == "nonce-too-low"
    assert refusal.data["definite"] is True
    assert refusal.data["hint"]


def test_logs_are_found_by_range_hash_address_and_topic(used: Any) -> None:
    caller = "0x" + "00" * 12 + used.address().hex()
    block = used.rpc.request("eth_getBlockByNumber", ["0x2", False])
    (log,) = used.rpc.request("eth_getLogs", [{"fromBlock": "earliest", "toBlock": "latest"}])
    assert log == {
        "address": used.contract, "topics": [WORD, caller], "data": WORD, "blockNumber": "0x2",
        "blockHash": block["hash"], "blockTimestamp": block["timestamp"], "logIndex": "0x0", "removed": False,
        "transactionHash": "0x" + used.called.hex(), "transactionIndex": "0x0",
    }  # fmt: skip
    found = [
        {"blockHash": block["hash"]},
        {"fromBlock": "0x2", "toBlock": "0x2"},
        {},
        {"address": used.contract},
        {"address": [TARGET, used.contract], "topics": [WORD]},
        {"topics": [None, caller]},
        {"topics": [[HASH, WORD], [caller]]},
        {"topics": [[], None]},
        {"topics": [[None, HASH]]},
        {"fromBlock": "0x0", "toBlock": "0xffff"},
    ]
    for wanted in found:
        assert used.rpc.request("eth_getLogs", [wanted]) == [log], wanted
    absent = [
        {"toBlock": "0x1", "fromBlock": "0x0"},
        {"address": TARGET},
        {"topics": [HASH]},
        {"topics": [caller]},
        {"topics": [WORD, caller, None]},
        {"fromBlock": "0x3", "toBlock": "0x5"},
    ]
    for wanted in absent:
        assert used.rpc.request("eth_getLogs", [wanted]) == [], wanted
    assert _refused(used, "eth_getLogs", {"blockHash": HASH}).message == "unknown block"


def test_too_many_logs_are_refused_and_fewer_blocks_are_answered(used: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_LOGS", 1)
    assert len(used.rpc.request("eth_getLogs", [{"fromBlock": "0x0"}])) == 1
    used.mined(used.send(to=used.contract, data=_bytes(WORD)))
    refusal = _refused(used, "eth_getLogs", {"fromBlock": "0x0"})
    assert refusal.code == LIMIT_EXCEEDED
    assert len(used.rpc.request("eth_getLogs", [{"fromBlock": "0x3"}])) == 1


def test_a_proof_over_json_verifies_against_the_header(used: Any) -> None:
    slots = ["0x0", "0x" + "00" * 31 + "05"]
    proof = used.rpc.request("eth_getProof", [used.contract, slots, "latest"])
    block = used.rpc.request("eth_getBlockByNumber", ["latest", False])
    account = rlp.encode(
        [int(proof["nonce"], 16), int(proof["balance"], 16), _bytes(proof["storageHash"]), _bytes(proof["codeHash"])]
    )
    nodes = [rlp.decode(_bytes(node)) for node in proof["accountProof"]]
    key = keccak(_bytes(used.contract))
    assert HexaryTrie.get_from_proof(_bytes(block["stateRoot"]), key, nodes) == account
    assert [(slot["key"], slot["value"]) for slot in proof["storageProof"]] == list(
        zip(slots, ["0x7", "0x0"], strict=True)
    )
    nodes = [rlp.decode(_bytes(node)) for node in proof["storageProof"][0]["proof"]]
    found = HexaryTrie.get_from_proof(_bytes(proof["storageHash"]), keccak(bytes(32)), nodes)
    assert rlp.decode(found) == b"\x07"


def test_the_fee_history_has_one_entry_a_block_and_one_fee_more(used: Any) -> None:
    history = used.rpc.request("eth_feeHistory", ["0x2", "latest", [0, 50, 100]])
    block = used.rpc.request("eth_getBlockByNumber", ["0x2", False])
    assert history["oldestBlock"] == "0x1"
    assert history["baseFeePerGas"] == ["0x0"] * 3
    assert history["gasUsedRatio"][1] == int(block["gasUsed"], 16) / 60_000_000
    assert history["reward"] == [["0x0"] * 3, ["0x4"] * 3]
    everything = used.rpc.request("eth_feeHistory", [1_024, "latest"])
    assert everything["oldestBlock"] == "0x0"
    assert len(everything["gasUsedRatio"]) == 3
    assert "reward" not in everything


def test_the_fee_history_weighs_tips_by_the_gas_they_paid_for(open_chain: Callable[..., Any], keys: list[Any]) -> None:
    rich = {bytes.fromhex(key.address[2:]): 10**18 for key in keys[:2]}
    chain = open_chain(block_interval_s=0.3, genesis_accounts=rich)
    fields = {"to": TARGET, "gas": 300_000}
    chain.send(maxFeePerGas=9, maxPriorityFeePerGas=9, **fields)  # 21,000 gas
    chain.mined(chain.send(key=1, maxFeePerGas=2, maxPriorityFeePerGas=1, data=b"\1" * 2_000, **fields))  # 101,000
    history = chain.rpc.request("eth_feeHistory", ["0x1", "latest", [0, 50, 80, 90, 100]])
    assert history["reward"] == [["0x1", "0x1", "0x1", "0x9", "0x9"]]


def test_the_fee_history_of_an_empty_block_has_no_tips(chain: Any) -> None:
    assert chain.rpc.request("eth_feeHistory", ["0x1", "earliest", [50]])["reward"] == [["0x0"]]
