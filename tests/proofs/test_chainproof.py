"""What a block proves, against a block that py-evm executed and answers that geth gave."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import rlp as reference
from eth.chains.base import MiningChain
from eth.db.atomic import AtomicDB
from eth.vm.forks.prague import PragueVM
from eth_keys import keys
from eth_utils import keccak
from hypothesis import given, settings
from hypothesis import strategies as st
from trie import HexaryTrie

from mooring.errors import ProofError
from mooring.proofs.chainproof import (
    Account,
    Log,
    TransactionReceipt,
    decode_receipt,
    verify_account,
    verify_receipt,
    verify_receipt_log,
    verify_storage,
)
from mooring.proofs.header import Header
from mooring.proofs.rlp import Item, encode, encode_scalar
from mooring.proofs.trie import EMPTY_ROOT

VECTORS = Path(__file__).parent / "vectors"
SENDER = keys.PrivateKey(b"\1" * 32)
CONTRACT = b"\xcc" * 20
TOPICS = (b"\x33" * 32, b"\x22" * 32)
DATA = b"\x11" * 32
# sstore(7, 42); mstore(0, DATA); log2(0, 32, TOPICS); log0(0, 0)
CODE = bytes.fromhex(
    "602a600755" + "7f" + "11" * 32 + "600052" + "7f" + "22" * 32 + "7f" + "33" * 32 + "60206000a2" + "60006000a000"
)
COUNT = 140  # indices from 128 on have keys of two bytes


@dataclass(frozen=True)
class Block:
    header: Header
    receipts: tuple[bytes, ...]
    database: AtomicDB

    def nodes(self, index: int) -> list[bytes]:
        trie = HexaryTrie({})
        for place, encoded in enumerate(self.receipts):
            trie[reference.encode(place)] = encoded
        assert trie.root_hash == self.header.receipts_root
        return nodes(trie, reference.encode(index))

    def account(self, address: bytes) -> list[bytes]:
        return nodes(HexaryTrie(self.database, self.header.state_root), keccak(address))

    def storage(self, slot: int) -> list[bytes]:
        root = reference.decode(HexaryTrie(self.database, self.header.state_root)[keccak(CONTRACT)])[2]
        return nodes(HexaryTrie(self.database, root), keccak(slot.to_bytes(32, "big")))


def nodes(trie: HexaryTrie, key: bytes) -> list[bytes]:
    encoded = [reference.encode(node) for node in trie.get_proof(key)]
    return [node for place, node in enumerate(encoded) if place == 0 or len(node) >= 32]


@pytest.fixture(scope="module")
def block() -> Block:
    """A Prague block of 140 transactions to a contract that stores and logs; the odd ones are legacy, one fails."""
    database = AtomicDB()
    account = {"balance": 10**20, "nonce": 0, "code": b"", "storage": {}}
    contract = {"balance": 0, "nonce": 1, "code": CODE, "storage": {index: index for index in range(1, 5)}}
    chain = MiningChain.configure("Chain", vm_configuration=((0, PragueVM),), chain_id=1337).from_genesis(
        database,
        {"difficulty": 0, "gas_limit": 30_000_000, "timestamp": 1, "extra_data": b""},
        {SENDER.public_key.to_canonical_address(): account, CONTRACT: contract},
    )
    build = chain.get_vm().get_transaction_builder()
    transactions = []
    for nonce in range(COUNT):
        fields = {"nonce": nonce, "gas": 21_001 if nonce == 9 else 100_000, "to": CONTRACT, "value": 0, "data": b""}
        if nonce % 2:
            unsigned = chain.create_unsigned_transaction(gas_price=10**10, **fields)
            transactions.append(unsigned.as_signed_transaction(SENDER, chain_id=1337))
        else:
            fees = {"max_priority_fee_per_gas": 1, "max_fee_per_gas": 10**10}
            unsigned = build.new_unsigned_dynamic_fee_transaction(chain_id=1337, access_list=(), **fees, **fields)
            transactions.append(unsigned.as_signed_transaction(SENDER))
    result, receipts, *_ = chain.mine_all(transactions, timestamp=20)
    header = Header(reference.encode(result.imported_block.header))
    assert header.hash == result.imported_block.hash
    return Block(header, tuple(receipt.encode() for receipt in receipts), database)


def code_of(call: object) -> str:
    with pytest.raises(ProofError) as caught:
        call()  # type: ignore[operator]
    assert caught.value.hint
    return caught.value.code


# --- receipts ---


@pytest.mark.parametrize("index", [0, 1, 2, 127, 128, 139])
def test_a_log_is_proved_from_the_header_of_a_block_that_py_evm_executed(block: Block, index: int) -> None:
    log = verify_receipt_log(block.header, index, block.nodes(index), 0, address=CONTRACT, topics=TOPICS, data=DATA)
    assert log == Log(CONTRACT, TOPICS, DATA)
    assert verify_receipt_log(block.header, index, block.nodes(index), 1, address=CONTRACT, topics=()) == Log(
        CONTRACT, (), b""
    )
    assert verify_receipt(block.header, index, block.nodes(index)).type == (0 if index % 2 else 2)


def test_a_log_that_is_not_the_expected_one_is_refused(block: Block) -> None:
    proof = block.nodes(4)

    def ask(
        position: int = 0, address: bytes = CONTRACT, topics: tuple[bytes, ...] = TOPICS, data: bytes | None = DATA
    ) -> Log:
        return verify_receipt_log(block.header, 4, proof, position, address=address, topics=topics, data=data)

    assert ask() == ask(data=None) == ask(topics=TOPICS[:1]) == ask(topics=())
    for wrong in (
        lambda: ask(position=1),
        lambda: ask(position=2),
        lambda: ask(position=-1),
        lambda: ask(address=b"\xcd" * 20),
        lambda: ask(topics=TOPICS[::-1]),
        lambda: ask(topics=(*TOPICS, b"\0" * 32)),
        lambda: ask(data=DATA[:-1]),
        lambda: ask(data=b""),
    ):
        assert code_of(wrong) == "receipt-log"


def test_a_transaction_that_failed_proves_no_log(block: Block) -> None:
    assert verify_receipt(block.header, 9, block.nodes(9)) == TransactionReceipt(0, False, ())
    assert (
        code_of(lambda: verify_receipt_log(block.header, 9, block.nodes(9), 0, address=CONTRACT, topics=()))
        == "receipt-log"
    )


def test_the_proof_of_one_transaction_proves_nothing_about_another(block: Block) -> None:
    assert verify_receipt(block.header, 3, block.nodes(3)).succeeded
    assert code_of(lambda: verify_receipt(block.header, 5, block.nodes(3))) == "trie-proof"


def test_a_transaction_beyond_the_block_is_refused_even_with_a_proof_of_absence(block: Block) -> None:
    assert code_of(lambda: verify_receipt(block.header, COUNT, block.nodes(COUNT))) == "receipt"
    assert code_of(lambda: verify_receipt(block.header, -1, block.nodes(0))) == "receipt"


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_byte_of_a_receipt_proof_can_change(block: Block, data: st.DataObject) -> None:
    proof = block.nodes(130)
    place = data.draw(st.integers(0, len(proof) - 1))
    bent = bytearray(proof[place])
    bent[data.draw(st.integers(0, len(bent) - 1))] ^= data.draw(st.integers(1, 255))
    proof[place] = bytes(bent)
    assert code_of(lambda: verify_receipt(block.header, 130, proof)) == "trie-proof"


@pytest.mark.parametrize("name", ["Hoodi block 411443", "execution-apis hive chain block 9"])
def test_a_real_block_with_one_plain_transfer_proves_its_receipt(name: str) -> None:
    """geth's receipt: legacy, status 1, 21,000 gas, no logs; the trie is this one leaf under the key rlp(0) = 0x80."""
    (vector,) = (v for v in json.loads((VECTORS / "headers.json").read_text())["headers"] if v["name"].startswith(name))
    parts = [encode_scalar(part) if isinstance(part, int) else bytes.fromhex(part) for part in vector["fields"]]
    header = Header(encode(tuple(parts)))
    receipt = encode((b"\1", encode_scalar(21_000), bytes(256), ()))
    leaf = encode((b"\x20\x80", receipt))
    assert verify_receipt(header, 0, [leaf]) == TransactionReceipt(0, True, ())
    assert code_of(lambda: verify_receipt(header, 1, [leaf])) == "receipt"
    assert code_of(lambda: verify_receipt(header, 0, [leaf[:-1] + b"\xc1"])) == "trie-proof"


BLOOM = bytes(256)
LOG: tuple[Item, ...] = (CONTRACT, TOPICS, DATA)


def receipt_of(
    kind: bytes = b"\2", status: Item = b"\1", gas: Item = b"\5", bloom: Item = BLOOM, logs: Item = (LOG,), *more: Item
) -> bytes:
    return kind + encode((status, gas, bloom, logs, *more))


def test_receipts_of_every_type_are_read() -> None:
    expected = (Log(CONTRACT, TOPICS, DATA),)
    for kind in range(1, 128):
        assert decode_receipt(receipt_of(bytes([kind]))) == TransactionReceipt(kind, True, expected)
    assert decode_receipt(receipt_of(b"")) == TransactionReceipt(0, True, expected)
    assert decode_receipt(receipt_of(status=b"")) == TransactionReceipt(2, False, expected)
    four = (CONTRACT, (b"\1" * 32,) * 4, b"")
    assert len(decode_receipt(receipt_of(logs=(four,))).logs[0].topics) == 4


def test_fields_that_rollups_add_are_ignored_in_typed_receipts_and_refused_in_legacy_ones() -> None:
    deposit = receipt_of(b"\x7e", b"\1", b"\5", BLOOM, (LOG,), b"\7", b"\1")  # OP Stack: depositNonce, version
    assert decode_receipt(deposit).logs == (Log(CONTRACT, TOPICS, DATA),)
    assert code_of(lambda: decode_receipt(deposit[1:])) == "receipt"


@pytest.mark.parametrize(
    "broken",
    [
        receipt_of(status=b"\2"),
        receipt_of(status=b"\x01" * 32),  # before Byzantium: a state root
        receipt_of(status=()),
        receipt_of(bloom=BLOOM[1:]),
        receipt_of(bloom=()),
        receipt_of(logs=b"x"),
        receipt_of(logs=(b"log",)),
        receipt_of(logs=((CONTRACT, TOPICS),)),
        receipt_of(logs=((CONTRACT, TOPICS, DATA, b""),)),
        receipt_of(logs=((CONTRACT, TOPICS, (DATA,)),)),
        receipt_of(logs=((CONTRACT[1:], TOPICS, DATA),)),
        receipt_of(logs=((CONTRACT, b"", DATA),)),
        receipt_of(logs=((CONTRACT, (b"short",), DATA),)),
        receipt_of(logs=((CONTRACT, (b"\1" * 32,) * 5, DATA),)),
        b"\2" + encode((b"\1", b"", BLOOM)),
        b"\2" + encode(b"receipt"),
        encode(b"receipt" * 9),
    ],
)
def test_a_malformed_receipt_is_refused(broken: bytes) -> None:
    assert code_of(lambda: decode_receipt(broken)) == "receipt"


@pytest.mark.parametrize(
    "broken",
    [b"", b"\0" + receipt_of(b""), b"\x80" + receipt_of(b""), b"\2", receipt_of() + b"\0", receipt_of(gas=b"\0")],
)
def test_a_receipt_that_is_not_canonical_is_refused(broken: bytes) -> None:
    assert code_of(lambda: decode_receipt(broken)) == "rlp"


# --- state ---


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


@pytest.mark.parametrize(("slot", "value"), [(7, 42), (1, 1), (4, 4), (5, 0), (2**256 - 1, 0)])
def test_storage_is_proved_present_and_absent_from_a_state_root(block: Block, slot: int, value: int) -> None:
    account = block.account(CONTRACT)
    root = block.header.state_root
    assert verify_storage(root, CONTRACT, word(slot), account, block.storage(slot)) == value
    assert code_of(lambda: verify_storage(root, CONTRACT, word(slot), account, block.storage(slot)[:-1]))
    assert code_of(lambda: verify_storage(keccak(root), CONTRACT, word(slot), account, block.storage(slot)))


def test_an_account_is_proved_with_its_four_fields_or_proved_absent(block: Block) -> None:
    root = block.header.state_root
    sender = SENDER.public_key.to_canonical_address()
    proved = verify_account(root, sender, block.account(sender))
    assert proved is not None
    assert (proved.nonce, proved.storage_root, proved.code_hash) == (COUNT, EMPTY_ROOT, keccak(b""))
    assert 0 < proved.balance < 10**20
    assert verify_account(root, b"\xee" * 20, block.account(b"\xee" * 20)) is None
    assert code_of(lambda: verify_account(root, b"\xee" * 20, block.account(sender))) == "trie-proof"


def test_an_account_without_storage_holds_zero_and_a_missing_account_is_refused(block: Block) -> None:
    root = block.header.state_root
    sender = SENDER.public_key.to_canonical_address()
    assert verify_storage(root, sender, word(7), block.account(sender), []) == 0
    absent = block.account(b"\xee" * 20)
    assert code_of(lambda: verify_storage(root, b"\xee" * 20, word(7), absent, [])) == "account"


@pytest.mark.parametrize("place", range(2))
def test_the_account_proofs_that_geth_gave_hold(place: int) -> None:
    vector = json.loads((VECTORS / "account_proofs.json").read_text())["proofs"][place]
    proof = [bytes.fromhex(node) for node in vector["accountProof"]]
    address, root = bytes.fromhex(vector["address"]), keccak(proof[0])
    expected = Account(
        vector["nonce"], vector["balance"], bytes.fromhex(vector["storageHash"]), bytes.fromhex(vector["codeHash"])
    )
    assert verify_account(root, address, proof) == expected
    assert code_of(lambda: verify_account(root, address[::-1], proof)) == "trie-proof"
    for slot in vector["storageProof"]:
        storage = [bytes.fromhex(node) for node in slot["proof"]]
        assert verify_storage(root, address, word(slot["key"]), proof, storage) == slot["value"]
        with pytest.raises(ProofError, match="ends before"):
            verify_storage(root, address, word(2), proof, storage)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_byte_of_a_storage_proof_can_change(block: Block, data: st.DataObject) -> None:
    proofs = [block.account(CONTRACT), block.storage(7)]
    proof = data.draw(st.sampled_from(proofs))
    place = data.draw(st.integers(0, len(proof) - 1))
    bent = bytearray(proof[place])
    bent[data.draw(st.integers(0, len(bent) - 1))] ^= data.draw(st.integers(1, 255))
    proof[place] = bytes(bent)
    assert code_of(lambda: verify_storage(block.header.state_root, CONTRACT, word(7), *proofs)) == "trie-proof"


def single(key: bytes, value: bytes) -> tuple[bytes, list[bytes]]:
    """The root and proof of a trie with one leaf."""
    leaf = encode((b"\x20" + keccak(key), value))
    return keccak(leaf), [leaf]


def account_with(value: bytes) -> tuple[bytes, list[bytes]]:
    return single(CONTRACT, value)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ((b"\1", b"", EMPTY_ROOT), "account"),
        ((b"\1", b"", EMPTY_ROOT, keccak(b""), b""), "account"),
        (b"account", "account"),
        ((b"\1", b"", EMPTY_ROOT[1:], keccak(b"")), "account"),
        ((b"\1", b"", EMPTY_ROOT, ()), "account"),
        ((b"\0", b"", EMPTY_ROOT, keccak(b"")), "rlp"),
        ((b"\1" * 9, b"", EMPTY_ROOT, keccak(b"")), "rlp"),
        ((b"\1", (), EMPTY_ROOT, keccak(b"")), "rlp"),
    ],
)
def test_a_malformed_account_is_refused(fields: Item, code: str) -> None:
    root, proof = account_with(encode(fields))
    assert code_of(lambda: verify_account(root, CONTRACT, proof)) == code
    good_root, good = account_with(encode((b"\1", b"", EMPTY_ROOT, keccak(b""))))
    assert verify_account(good_root, CONTRACT, good) == Account(1, 0, EMPTY_ROOT, keccak(b""))


@pytest.mark.parametrize(
    ("value", "code"),
    [(encode(b""), "storage"), (encode(b"\0"), "rlp"), (encode(b"\1" * 33), "rlp"), (encode((b"\1",)), "rlp")],
)
def test_a_stored_word_that_is_zero_or_no_number_is_refused(value: bytes, code: str) -> None:
    def ask(stored: bytes) -> int:
        storage_root, storage = single(word(7), stored)
        root, proof = account_with(encode((b"\1", b"", storage_root, keccak(b""))))
        return verify_storage(root, CONTRACT, word(7), proof, storage)

    assert ask(encode(b"\1" * 32)) == int.from_bytes(b"\1" * 32, "big")
    assert code_of(lambda: ask(value)) == code


def test_addresses_and_slots_of_another_length_are_refused(block: Block) -> None:
    root, account = block.header.state_root, block.account(CONTRACT)
    assert code_of(lambda: verify_account(root, CONTRACT[1:], account)) == "account"
    assert code_of(lambda: verify_storage(root, CONTRACT, b"\7", account, block.storage(7))) == "storage"
