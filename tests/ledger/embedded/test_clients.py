"""Clients that were not written here: web3.py over HTTP, and anvil as a second opinion on every result."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import rlp
from eth_hash.auto import keccak
from trie import HexaryTrie
from web3 import Web3
from web3.exceptions import ContractCustomError, TransactionNotFound, Web3RPCError
from web3.logs import DISCARD

from mooring.ledger.contracts import artifact
from mooring.ledger.embedded.server import serve

_ANVIL = Path(__file__).parents[3] / "contracts/node_modules/.bin/anvil"
ROOTS = [bytes([number]) * 32 for number in range(1, 4)]


@pytest.fixture
def web3(chain: Any) -> Iterator[Web3]:
    with serve(chain.node) as running:
        yield Web3(Web3.HTTPProvider(running.url))


class Caller:
    """Sends a contract's functions from one key and waits for the receipts, as any web3.py program does."""

    def __init__(self, web3: Web3, key: Any) -> None:
        self.web3, self.key = web3, key

    def send(self, call: Any, **fields: Any) -> Any:
        nonce = self.web3.eth.get_transaction_count(self.key.address, "pending")
        transaction = call.build_transaction({"from": self.key.address, "nonce": nonce, **fields})
        sent = self.web3.eth.send_raw_transaction(self.key.sign_transaction(transaction).raw_transaction)
        return self.web3.eth.wait_for_transaction_receipt(sent, timeout=20, poll_latency=0.01)

    def deploy(self, name: str, *arguments: Any) -> Any:
        compiled = artifact(name)
        factory = self.web3.eth.contract(abi=list(compiled.abi), bytecode=compiled.bytecode)
        receipt = self.send(factory.constructor(*arguments))
        assert receipt.status == 1
        return self.web3.eth.contract(address=receipt.contractAddress, abi=list(compiled.abi))


def test_web3_deploys_a_contract_calls_it_and_reads_its_events(web3: Web3, keys: list[Any]) -> None:
    caller = Caller(web3, keys[6])  # has no funds
    anchor = caller.deploy("CheckpointAnchor")
    receipt = caller.send(anchor.functions.open("mooring.local/test", 5, ROOTS[0]))
    (opened,) = anchor.events.OriginOpened().process_receipt(receipt, errors=DISCARD)
    origin = opened.args.originId
    caller.send(anchor.functions.anchor(origin, 9, ROOTS[1]))
    assert anchor.functions.latest(origin).call() == [keys[6].address, 9, ROOTS[1]]
    assert anchor.functions.latest(origin).call(block_identifier=receipt.blockNumber) == [keys[6].address, 5, ROOTS[0]]
    events = anchor.events.Anchored().get_logs(from_block=0, argument_filters={"originId": origin})
    assert [event.args["size"] for event in events] == [5, 9]


def test_web3_is_told_the_reason_of_a_refusal(web3: Web3, keys: list[Any]) -> None:
    caller = Caller(web3, keys[0])
    anchor = caller.deploy("CheckpointAnchor")
    receipt = caller.send(anchor.functions.open("mooring.local/test", 5, ROOTS[0]))
    origin = anchor.events.OriginOpened().process_receipt(receipt, errors=DISCARD)[0].args.originId
    with pytest.raises(ContractCustomError) as refusal:
        anchor.functions.anchor(origin, 5, ROOTS[1]).call({"from": keys[0].address})
    (error,) = [item for item in artifact("CheckpointAnchor").abi if item.get("name") == "NotGrowing"]
    signature = f"NotGrowing({','.join(one['type'] for one in error['inputs'])})"
    assert str(refusal.value.data)[:10] == "0x" + keccak(signature.encode())[:4].hex()
    with pytest.raises(ContractCustomError):
        anchor.functions.anchor(origin, 5, ROOTS[1]).estimate_gas({"from": keys[0].address})
    failed = caller.send(anchor.functions.anchor(origin, 5, ROOTS[1]), gas=200_000)
    assert failed.status == 0


def test_web3_is_refused_what_the_chain_refuses(web3: Web3, keys: list[Any]) -> None:
    assert web3.eth.chain_id == 31337
    assert web3.eth.accounts == []
    assert not web3.eth.syncing
    with pytest.raises(TransactionNotFound):
        web3.eth.get_transaction(bytes(32))
    fields = {"to": keys[0].address, "value": 1, "gas": 21_000, "gasPrice": 0, "nonce": 0, "chainId": 31337}
    unpaid = keys[7].sign_transaction(fields).raw_transaction
    with pytest.raises(Web3RPCError, match="insufficient funds"):
        web3.eth.send_raw_transaction(unpaid)


def test_web3s_copy_of_a_header_has_the_blocks_hash(web3: Web3, keys: list[Any]) -> None:
    Caller(web3, keys[0]).deploy("CheckpointAnchor")
    block = web3.eth.get_block("latest")
    fields = [
        block.parentHash, block.sha3Uncles, bytes.fromhex(block.miner[2:]), block.stateRoot, block.transactionsRoot,
        block.receiptsRoot, block.logsBloom, block.difficulty, block.number, block.gasLimit, block.gasUsed,
        block.timestamp, block.extraData, block.mixHash, block.nonce, block.baseFeePerGas, block.withdrawalsRoot,
        block.blobGasUsed, block.excessBlobGas, block.parentBeaconBlockRoot,
        bytes.fromhex(block.requestsHash[2:]) if isinstance(block.requestsHash, str) else block.requestsHash,
    ]  # fmt: skip
    assert keccak(rlp.encode([field if isinstance(field, int) else bytes(field) for field in fields])) == block.hash


def test_web3s_proof_of_storage_verifies_against_the_header(web3: Web3, keys: list[Any]) -> None:
    caller = Caller(web3, keys[0])
    anchor = caller.deploy("CheckpointAnchor")
    caller.send(anchor.functions.open("mooring.local/test", 5, ROOTS[0]))
    proof = web3.eth.get_proof(anchor.address, [0, 1, 2], "latest")
    root = web3.eth.get_block("latest").stateRoot
    account = rlp.encode([proof.nonce, proof.balance, bytes(proof.storageHash), bytes(proof.codeHash)])
    nodes = [rlp.decode(bytes(node)) for node in proof.accountProof]
    assert HexaryTrie.get_from_proof(root, keccak(bytes.fromhex(anchor.address[2:])), nodes) == account
    assert keccak(web3.eth.get_code(anchor.address)) == bytes(proof.codeHash)


class Recorder(Caller):
    """Runs one story on a chain and writes down all that the chain answered, without what differs by nature."""

    def __init__(self, web3: Web3, key: Any) -> None:
        super().__init__(web3, key)
        self.answers: list[Any] = []

    def send(self, call: Any, **fields: Any) -> Any:
        receipt = super().send(call, **fields)
        logs = [(log.address, [bytes(topic) for topic in log.topics], bytes(log.data)) for log in receipt.logs]
        self.answers.append((receipt.status, receipt.gasUsed, receipt.contractAddress, bytes(receipt.logsBloom), logs))
        return receipt

    def ask(self, call: Any, **fields: Any) -> None:
        try:
            self.answers.append(call.call({"from": self.key.address, **fields}))
        except ContractCustomError as error:
            self.answers.append(error.data)


def _story(web3: Web3, key: Any) -> list[Any]:
    """Both contracts, calls that succeed, calls that are refused, and plain data."""
    teller = Recorder(web3, key)
    anchor = teller.deploy("CheckpointAnchor")
    receipt = teller.send(anchor.functions.open("mooring.local/test", 1, ROOTS[0]), gas=300_000)
    origin = anchor.events.OriginOpened().process_receipt(receipt, errors=DISCARD)[0].args.originId
    for size in (2, 2, 7):
        teller.send(anchor.functions.anchor(origin, size, ROOTS[1]), gas=300_000)
    teller.ask(anchor.functions.latest(origin))
    teller.ask(anchor.functions.anchor(origin, 3, ROOTS[2]))
    teller.ask(anchor.functions.verifyInclusion(origin, ROOTS[1], 0, []))
    members = [(key.address, keccak(b"org"), 15)]
    registry = teller.deploy("AssetRegistry", "Assets", members, 1)
    teller.send(registry.functions.createAsset(2, "model", key.address, 250), gas=500_000)
    teller.send(registry.functions.createAsset(2, "model", key.address, 250), gas=500_000)
    asset = int.from_bytes(keccak(b"model"), "big")
    teller.send(registry.functions.propose(asset, "1.0", ROOTS[0], ROOTS[1], []), gas=800_000)
    version = keccak(web3.codec.encode(["uint256", "string"], [asset, "1.0"]))
    teller.send(registry.functions.approve(version, ROOTS[2]), gas=500_000)  # one's own proposal: refused
    teller.send(registry.functions.suspend(version, ROOTS[2]), gas=500_000)
    teller.ask(registry.functions.versionOf(version))
    teller.ask(registry.functions.ownerOf(asset))
    teller.answers.append(bytes(web3.eth.get_code(registry.address)))
    teller.answers.append([int(web3.eth.get_storage_at(registry.address, slot).hex(), 16) for slot in range(12)])
    return teller.answers


@pytest.fixture
def anvil() -> Iterator[Web3]:
    """A real anvil with Prague's rules and no base fee."""
    command = [str(_ANVIL), "--port", "0", "--chain-id", "31337", "--hardfork", "prague"]
    command += ["--block-base-fee-per-gas", "0", "--gas-limit", "60000000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "NO_COLOR": "1"}) as process:
        assert process.stdout is not None
        for line in process.stdout:
            found = re.search(r"Listening on (127\.0\.0\.1:\d+)", line)
            if found:
                break
        yield Web3(Web3.HTTPProvider(f"http://{found.group(1)}"))
        process.kill()


@pytest.mark.node
def test_another_virtual_machine_gives_the_same_gas_logs_results_and_storage(
    web3: Web3, anvil: Web3, keys: list[Any]
) -> None:
    anvil.provider.make_request("anvil_setBalance", [keys[0].address, hex(10**18)])
    ours, theirs = _story(web3, keys[0]), _story(anvil, keys[0])
    for place, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        assert one == other, place
    assert {answer[0] for answer in ours if isinstance(answer, tuple)} == {0, 1}
