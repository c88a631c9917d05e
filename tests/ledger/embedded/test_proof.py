from __future__ import annotations

from typing import Any

import pytest
import rlp
from eth_hash.auto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st
from trie import HexaryTrie

from mooring.errors import CorruptError
from mooring.ledger.embedded.proof import AccountProof, get_proof

EMPTY_ROOT = bytes.fromhex(
    "56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"
)  # Yellow Paper, appendix D
EMPTY_CODE = bytes.fromhex("c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470")  # EIP-1052


def _verified(proof: AccountProof, state_root: bytes) -> None:
    """Check a proof with the foreign `trie` library alone, as EIP-1186 says."""
    account = rlp.encode([proof.nonce, proof.balance, proof.storage_root, proof.code_hash])
    nodes = [rlp.decode(node) for node in proof.nodes]
    found = HexaryTrie.get_from_proof(state_root, keccak(proof.address), nodes)
    assert found == account or (found == b"" and (proof.nonce, proof.balance) == (0, 0))
    for slot in proof.slots:
        if proof.storage_root == EMPTY_ROOT:
            assert (slot.nodes, slot.value) == ((), 0)
            continue
        nodes = [rlp.decode(node) for node in slot.nodes]
        found = HexaryTrie.get_from_proof(proof.storage_root, keccak(slot.slot.to_bytes(32, "big")), nodes)
        assert found == (rlp.encode(slot.value) if slot.value else b"")


def _many_slots() -> bytes:
    """Code that writes each word of its call data to the slot of that number."""
    return bytes.fromhex("60005b80361115601b5780358055602001600256000000000000005b00")


@pytest.fixture
def filled(chain: Any) -> tuple[Any, bytes]:
    """A contract with fifty slots, each holding its own number, on a chain with a few accounts."""
    contract = chain.deploy(_many_slots())
    words = b"".join(number.to_bytes(32, "big") for number in range(1, 51))
    receipt = chain.mined(chain.send(to=contract, data=words, gas=5_000_000))
    assert receipt["status"] == "0x1"
    for key in range(6):
        chain.mined(chain.send(key=key, to="0x" + bytes([key] * 20).hex()))
    return chain, bytes.fromhex(contract[2:])


def test_what_is_there_is_proved_and_what_is_absent_is_proved_absent(filled: tuple[Any, bytes]) -> None:
    chain, contract = filled
    head = chain.node.head
    proof = get_proof(chain.node.database, head, contract, [0, 1, 25, 50, 51, 2**256 - 1])
    assert [slot.value for slot in proof.slots] == [0, 1, 25, 50, 0, 0]
    assert proof.nonce == 1
    _verified(proof, head.state_root)
    rich = get_proof(chain.node.database, head, chain.address(), [])
    assert (rich.balance, rich.code_hash, rich.storage_root) == (10**18, EMPTY_CODE, EMPTY_ROOT)
    _verified(rich, head.state_root)
    nobody = get_proof(chain.node.database, head, b"\x99" * 20, [7])
    assert (nobody.nonce, nobody.balance, nobody.storage_root) == (0, 0, EMPTY_ROOT)
    _verified(nobody, head.state_root)


@given(address=st.binary(min_size=20, max_size=20), slots=st.lists(st.integers(0, 60), max_size=4))
@settings(max_examples=50, deadline=None)
def test_any_account_is_proved_at_any_block(filled_once: tuple[Any, bytes], address: bytes, slots: list[int]) -> None:
    chain, contract = filled_once
    for number in (0, 1, int(chain.node.head.block_number)):
        header = chain.node.history.header(number)
        for asked in (address, contract):
            _verified(get_proof(chain.node.database, header, asked, slots), header.state_root)


@pytest.fixture(scope="module")
def filled_once(tmp_path_factory: pytest.TempPathFactory, keys: list[Any], make_chain: Any) -> Any:
    chain = make_chain(tmp_path_factory.mktemp("proof"))
    contract = chain.deploy(_many_slots())
    words = b"".join(number.to_bytes(32, "big") for number in range(1, 51))
    chain.mined(chain.send(to=contract, data=words, gas=5_000_000))
    yield chain, bytes.fromhex(contract[2:])
    chain.node.close()


def test_a_proof_of_another_value_does_not_verify(filled: tuple[Any, bytes]) -> None:
    chain, contract = filled
    proof = get_proof(chain.node.database, chain.node.head, contract, [25])
    forged = AccountProof(
        proof.address, proof.balance + 1, proof.nonce, proof.storage_root, proof.code_hash, proof.nodes, ()
    )
    with pytest.raises(AssertionError):
        _verified(forged, chain.node.head.state_root)


def test_a_small_storage_has_one_node(chain: Any) -> None:
    contract = bytes.fromhex(chain.deploy()[2:])
    chain.mined(chain.send(to="0x" + contract.hex(), data=bytes(31) + b"\7"))
    proof = get_proof(chain.node.database, chain.node.head, contract, [0, 1])
    assert [slot.value for slot in proof.slots] == [7, 0]
    _verified(proof, chain.node.head.state_root)


def test_a_lost_node_is_reported(filled: tuple[Any, bytes]) -> None:
    chain, contract = filled
    proof = get_proof(chain.node.database, chain.node.head, contract, [25])
    lost = keccak(proof.slots[0].nodes[-1])
    del chain.node.database[lost]
    with pytest.raises(CorruptError, match="lost part of the state"):
        get_proof(chain.node.database, chain.node.head, contract, [25])
