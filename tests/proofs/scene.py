"""A deployment's evidence without its processes: real keys, trees, checkpoints, headers, receipts, events and entries.

A `Story` is what happened; `bundle()` and `trust()` make of it what a verifier is given. Nothing is faked: keys have
fixed seeds, tries and headers are made with `trie` and `rlp`, events with `eth_abi`, entries of the log ledger by its
own writer. Tests change the story, or the bundle.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import sha256
from itertools import groupby
from typing import Any

import eth_abi
import rlp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from eth_utils import keccak
from tests.ledger.accounts import Accounts
from trie import HexaryTrie

from mooring.ledger.entry import sign as sign_call
from mooring.ledger.entry import write as write_entry
from mooring.ledger.facts import NO_WORD, asset_id, org_id, origin_id, version_id
from mooring.ledger.port import Call
from mooring.ledger.tlog import log_chain
from mooring.proofs import merkle
from mooring.proofs.anchor import BlockEvidence, LogEvidence
from mooring.proofs.bundle import MEDIA_TYPE, Bundle, Entry, Opening
from mooring.proofs.checkpoint import Checkpoint, cosign, read_checkpoint, sign_checkpoint
from mooring.proofs.dsse import Envelope, Signature, pae
from mooring.proofs.header import Header
from mooring.proofs.keys import PublicKey, checksum_address
from mooring.proofs.note import COSIGNATURE, Note, VerifierKey
from mooring.proofs.report import Claim, Outcome, Report
from mooring.proofs.trust import MEDIA_TYPE as TRUST_TYPE
from mooring.proofs.trust import Trust, TrustedKey, TrustedLedger, TrustedLog, TrustedWitness
from mooring.proofs.verify import verify
from mooring.records.digest import sha256 as digest_of
from mooring.records.instant import format_time
from mooring.records.manifest import Manifest, Resource
from mooring.records.predicates import Approval, Block, Dataset, Deployment, Evaluation, Model, Predicate
from mooring.records.receipt import Receipt, commit_input, commit_output
from mooring.records.statement import PAYLOAD_TYPE, Statement, Subject

DEPLOYMENT = "mooring.test/ward"
RECORDS, RECEIPTS, LEDGER_LOG = f"{DEPLOYMENT}/records", f"{DEPLOYMENT}/receipts", f"{DEPLOYMENT}/ledger"
ORGS = ("auditor", "hospital", "lab")
T0 = 1_780_000_000  # 2026-05-28T20:26:40Z
NOW = T0 + 86_400
CHAIN, CHAIN_ID = "eip155:31337", 31337
LOG_CHAIN = log_chain(LEDGER_LOG)
REGISTRY, ANCHOR = checksum_address(b"\xa1" * 20), checksum_address(b"\xb2" * 20)
CONTRACTS = {"AssetRegistry": REGISTRY, "CheckpointAnchor": ANCHOR}
ACCOUNTS = Accounts()
DATA, MODEL = "biopsies", "tumour"
NAME = f"{MODEL}@1"
POLICY = digest_of(b"policy")

EVENTS: dict[str, tuple[str, tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]] = {
    "Proposed": (
        "AssetRegistry",
        (("version", "bytes32"), ("asset", "uint256"), ("proposer", "address")),
        (("manifest", "bytes32"), ("attestation", "bytes32"), ("label", "string"), ("parents", "bytes32[]")),
    ),
    "Approved": (
        "AssetRegistry",
        (("version", "bytes32"), ("org", "bytes32"), ("approver", "address")),
        (("evidence", "bytes32"), ("approvals", "uint8")),
    ),
    "StatusChanged": (
        "AssetRegistry",
        (("version", "bytes32"),),
        (("from", "uint8"), ("to", "uint8"), ("actor", "address"), ("reason", "bytes32")),
    ),
    "CurrentChanged": ("AssetRegistry", (("asset", "uint256"),), (("from", "bytes32"), ("to", "bytes32"))),
    "Anchored": ("CheckpointAnchor", (("originId", "bytes32"),), (("size", "uint64"), ("root", "bytes32"))),
}
"""Name → contract, indexed parameters, the others: as the contracts declare them."""


@cache
def private(name: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(sha256(f"mooring test key {name}".encode()).digest())


@cache
def public(name: str) -> PublicKey:
    return PublicKey.from_raw("ed25519", raw(name))


def raw(name: str) -> bytes:
    return private(name).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def log_key(origin: str) -> VerifierKey:
    return VerifierKey(origin, raw(f"log {origin}"))


def witness_key(org: str) -> VerifierKey:
    return VerifierKey(f"{org}.test/witness", raw(f"{org} witness"), COSIGNATURE)


def at(minutes: float) -> str:
    return format_time(T0 + round(60 * minutes))


def manifest(content: str) -> Manifest:
    return Manifest.of([Resource("file.bin", digest_of(content.encode()), len(content))])


DATA_MANIFEST, MODEL_MANIFEST = manifest("rows"), manifest("weights")
DATA_VERSION, MODEL_VERSION = version_id(asset_id(DATA), "1"), version_id(asset_id(MODEL), "1")


def statement(predicate: Predicate, of: Manifest = MODEL_MANIFEST, name: str = "") -> Statement:
    return Statement(Subject(name or f"{predicate.name}@{predicate.version}", of.digest), predicate)  # type: ignore[union-attr]  # those of versions


def envelope(said: Statement | bytes, *signers: str, payload_type: str = PAYLOAD_TYPE) -> bytes:
    """Sign with the named attestation keys."""
    payload = said if isinstance(said, bytes) else said.to_bytes()
    covered = pae(payload_type, payload)
    made = tuple(Signature(private(name).sign(covered), public(name).keyid) for name in signers)
    return Envelope(payload_type, payload, made).to_bytes()


DATASET = statement(Dataset(DATA, "1", at(1), "clinic", "CC-BY-4.0"), DATA_MANIFEST)
EVALUATION = statement(Evaluation(MODEL, "1", at(2), DATA_MANIFEST.digest, {"accuracy": 0.97}, "hold-out"))
TRAINED = statement(
    Model(MODEL, "1", at(3), "onnx", (DATA_MANIFEST.digest,), "0" * 40, {"C": 1.0}, evaluation=EVALUATION.digest)
)


def approval(org: str, minutes: float = 4, decision: str = "approve") -> Statement:
    return statement(Approval(MODEL, "1", at(minutes), org, decision))


DEPLOYED = statement(Deployment(MODEL, "1", at(7), "ward 3", ("diagnosis",), POLICY))


@dataclass(frozen=True)
class Happening:
    """An event: its block, its transaction in it, name and arguments; `by` is the contract's address."""

    block: int
    name: str
    args: Mapping[str, Any]
    transaction: int = 1
    by: str = ""

    @property
    def topics(self) -> tuple[bytes, ...]:
        _, indexed, plain = EVENTS[self.name]
        signature = f"{self.name}({','.join(kind for _, kind in indexed + plain)})"
        words = (eth_abi.encode([kind], [self.args[name]]) for name, kind in indexed)
        return (keccak(signature.encode()), *words)

    @property
    def data(self) -> bytes:
        plain = EVENTS[self.name][2]
        return eth_abi.encode([kind for _, kind in plain], [self.args[name] for name, _ in plain])

    @property
    def log(self) -> list[Any]:
        emitter = self.by or CONTRACTS[EVENTS[self.name][0]]
        return [bytes.fromhex(emitter[2:]), list(self.topics), self.data]


def account(org: str) -> str:
    return ACCOUNTS.address(org)


def proposed(block: int, said: Statement, parents: Sequence[bytes] = (), **changes: Any) -> Happening:
    predicate: Any = said.predicate
    args = {
        "version": version_id(asset_id(predicate.name), predicate.version),
        "asset": asset_id(predicate.name),
        "proposer": account("hospital"),
        "manifest": said.subject.digest.value,
        "attestation": said.digest.value,
        "label": predicate.version,
        "parents": tuple(parents),
    }
    return Happening(block, "Proposed", args | changes)


def approved(block: int, org: str, count: int, evidence: bytes | None = None, **changes: Any) -> Happening:
    said = approval(org).digest.value if evidence is None else evidence
    args = {
        "version": MODEL_VERSION,
        "org": org_id(org),
        "approver": account(org),
        "evidence": said,
        "approvals": count,
    }
    return Happening(block, "Approved", args | changes)


def moved(block: int, before: int, after: int, by: str = "hospital", **changes: Any) -> Happening:
    args = {"version": MODEL_VERSION, "from": before, "to": after, "actor": account(by), "reason": NO_WORD}
    return Happening(block, "StatusChanged", args | changes)


PROPOSED, APPROVED, ACTIVE, SUSPENDED, REVOKED, RETIRED = range(1, 7)


def life() -> list[Happening]:
    """Data set and model registered, approved by lab and auditor, activated."""
    return [
        proposed(5, DATASET),
        proposed(6, TRAINED, [DATA_VERSION]),
        approved(8, "lab", 1),
        approved(9, "auditor", 2),
        moved(9, PROPOSED, APPROVED, "auditor"),
        moved(11, APPROVED, ACTIVE),
    ]


def answer(index: int, minutes: float = 15, **changes: Any) -> bytes:
    """A receipt, canonical."""
    salt, request, response = opened(index)
    fields = {
        "batch": 1,
        "caller": "ward-3",
        "index": index,
        "input": commit_input(salt, request).hex(),
        "manifest": MODEL_MANIFEST.digest,
        "model": MODEL,
        "origin": RECEIPTS,
        "output": commit_output(salt, response).hex(),
        "policy": POLICY,
        "purpose": "diagnosis",
        "time": at(minutes),
        "version": "1",
    }
    return Receipt(**(fields | changes)).to_bytes()


def opened(index: int) -> tuple[bytes, bytes, bytes]:
    """Salt, request and response of an answer."""
    return sha256(b"salt %d" % index).digest(), b'{"inputs":[%d]}' % index, b'{"outputs":[%d]}' % (index % 2)


def opening(index: int) -> Opening:
    return Opening(RECEIPTS, index, *opened(index))


class Tree:
    """A log's tree over entries."""

    def __init__(self, entries: Sequence[bytes]) -> None:
        self.entries = list(entries)
        self._rows = [[merkle.leaf_hash(entry) for entry in entries]]
        while len(self._rows[-1]) > 1:
            row = self._rows[-1]
            pairs = zip(row[::2], row[1::2], strict=False)  # an odd last one has no parent yet
            self._rows.append([merkle.node_hash(left, right) for left, right in pairs])

    def get(self, level: int, index: int) -> bytes:
        return self._rows[level][index]

    @property
    def root(self) -> bytes:
        return merkle.root_of(len(self.entries), self.get)

    def path(self, index: int) -> tuple[bytes, ...]:
        return tuple(merkle.inclusion_path(index, len(self.entries), self.get))


def seal(origin: str, tree: Tree, witnesses: Iterable[str] = ORGS, time_s: int = T0 + 1200) -> bytes:
    """A checkpoint of the tree, signed by the log and cosigned by the witnesses of these organisations."""
    checkpoint = Checkpoint(origin, len(tree.entries), tree.root)
    note = sign_checkpoint(checkpoint, log_key(origin), private(f"log {origin}").sign)
    found, parsed = read_checkpoint(note)
    signatures = [cosign(note, witness_key(org), private(f"{org} witness").sign, time_s) for org in witnesses]
    return str(Note(found.text, (*parsed.signatures, *signatures))).encode()


class Chain:
    """Blocks that hold these events, each beside a transaction that has nothing to do with them."""

    def __init__(self, happenings: Iterable[Happening], seed: bytes = b"", times: Mapping[int, int] | None = None):
        self.transactions: dict[tuple[int, int], list[Happening]] = {}
        for happening in happenings:
            self.transactions.setdefault((happening.block, happening.transaction), []).append(happening)
        self.headers: dict[int, bytes] = {}
        self.tries: dict[int, HexaryTrie] = {}
        parent = keccak(b"genesis" + seed)
        for number in range(1, max((block for block, _ in self.transactions), default=0) + 1):
            self._mine(number, parent, (times or {}).get(number, T0 + 60 * number))
            parent = keccak(self.headers[number])

    def _mine(self, number: int, parent: bytes, time_s: int) -> None:
        trie = HexaryTrie({})
        last = max((place for block, place in self.transactions if block == number), default=0)
        for place in range(max(2, last) + 1):
            logs = [happening.log for happening in self.transactions.get((number, place), ())]
            logs = logs or [[b"\xcc" * 20, [keccak(b"Transfer(address,address,uint256)")], b""]]
            trie[rlp.encode(place)] = b"\x02" + rlp.encode([b"\x01", 21_000 * (place + 1), bytes(256), logs])
        self.tries[number] = trie
        self.headers[number] = rlp.encode(header_fields(number, parent, trie.root_hash, time_s))

    def evidence(self, happening: Happening, chain: str = CHAIN) -> BlockEvidence:
        logs = self.transactions[happening.block, happening.transaction]
        trie = self.tries[happening.block]
        proof = tuple(rlp.encode(node) for node in trie.get_proof(rlp.encode(happening.transaction)))
        return BlockEvidence(
            chain,
            happening.by or CONTRACTS[EVENTS[happening.name][0]],
            self.headers[happening.block],
            happening.transaction,
            logs.index(happening),
            proof,
        )


def header_fields(number: int, parent: bytes, receipts_root: bytes, time_s: int) -> list[Any]:
    """A header's 21 fields, as of Prague."""
    words = [
        keccak(b"%s %d" % (name, number)) for name in (b"ommers", b"state", b"transactions", b"mix", b"withdrawals")
    ]
    head: list[Any] = [parent, words[0], b"\xfe" * 20, words[1], words[2], receipts_root, bytes(256), 0, number]
    middle: list[Any] = [30_000_000, 63_000, time_s, b"test", words[3], bytes(8)]
    return [*head, *middle, 7, words[4], 0, 0, bytes(32), sha256(b"requests").digest()]


def observation(encoded: bytes, *signers: str, created: str = at(25), **changes: Any) -> bytes:
    """An organisation's statement that it saw this block as final."""
    header = Header(encoded)
    fields = {
        "chain": CHAIN,
        "number": header.number,
        "block_hash": f"0x{header.hash.hex()}",
        "state_root": f"0x{header.state_root.hex()}",
        "receipts_root": f"0x{header.receipts_root.hex()}",
        "created": created,
    } | changes
    block = Block(**fields)
    roots = bytes.fromhex(block.state_root[2:] + block.receipts_root[2:])
    return envelope(Statement(Subject(f"{block.chain}/block/{block.number}", digest_of(roots)), block), *signers)


METHODS = {"Proposed": "propose", "Approved": "approve", "StatusChanged": "activate", "Anchored": "anchor"}


def log_entry(group: Sequence[Happening], key: str, time_s: int, sender: str = "") -> bytes:
    """The log ledger's entry of a call that caused these events."""
    first = group[0]
    speaker = next((first.args[name] for name in ("proposer", "approver", "actor") if name in first.args), "")
    caller = sender or next((org for org in ORGS if account(org) == speaker), "anchorer")
    contract = EVENTS[first.name][0]
    call = Call(contract, METHODS[first.name], (first.args.get("version", b""),), caller, key)
    effects = tuple((happening.name, happening.args) for happening in group)
    return write_entry(sign_call(ACCOUNTS, LOG_CHAIN, call), time_s, contract, effects)


@dataclass
class Story:
    """What happened, who observed and witnessed it, and how it is shown."""

    tlog: bool = False
    happenings: list[Happening] = field(default_factory=life)
    statements: list[tuple[Statement, tuple[str, ...]]] = field(
        default_factory=lambda: [
            (DATASET, ("hospital",)),
            (EVALUATION, ("hospital",)),
            (TRAINED, ("hospital",)),
            (approval("lab"), ("lab",)),
            (approval("auditor"), ("auditor",)),
            (DEPLOYED, ("hospital",)),
        ]
    )
    answers: list[bytes] = field(default_factory=lambda: [answer(index) for index in range(5)])
    shown: tuple[int, ...] = (1, 3)
    openings: tuple[int, ...] = (3,)
    anchor_block: int = 20
    observers: tuple[str, ...] = ORGS
    witnesses: tuple[str, ...] = ORGS
    seed: bytes = b""

    @property
    def entries(self) -> list[bytes]:
        return [envelope(said, *signers) for said, signers in self.statements]

    @property
    def logs(self) -> dict[str, Tree]:
        logs = {RECORDS: Tree(self.entries)}
        return logs | {RECEIPTS: Tree(self.answers)} if self.answers else logs

    def anchors(self) -> list[Happening]:
        """The anchors of both logs, in one block."""
        return [
            Happening(
                self.anchor_block,
                "Anchored",
                {"originId": anchored_id(origin), "size": len(tree.entries), "root": tree.root},
                place,
            )
            for place, (origin, tree) in enumerate(self.logs.items())
        ]

    def chain(self, **options: Any) -> Chain:
        return Chain([*self.happenings, *self.anchors()], self.seed, **options)

    def bundle(self) -> Bundle:
        logs = self.logs
        entries = [Entry(RECORDS, i, data, logs[RECORDS].path(i)) for i, data in enumerate(logs[RECORDS].entries)]
        entries += [Entry(RECEIPTS, i, self.answers[i], logs[RECEIPTS].path(i)) for i in self.shown]
        blocks = () if self.tlog else self.blocks()
        return Bundle(
            MEDIA_TYPE,
            entries=tuple(entries),
            checkpoints=tuple(seal(origin, tree, self.witnesses) for origin, tree in logs.items()),
            blocks=blocks,
            leaves=self.leaves() if self.tlog else (),
            observations=self.observations(blocks),
            manifests=(MODEL_MANIFEST.to_bytes(),),
            openings=tuple(map(opening, self.openings)),
        )

    def blocks(self) -> tuple[BlockEvidence, ...]:
        chain = self.chain()
        return tuple(chain.evidence(happening) for happening in (*self.happenings, *self.anchors()))

    def observations(self, blocks: Iterable[BlockEvidence]) -> tuple[bytes, ...]:
        headers = dict.fromkeys(evidence.header for evidence in blocks)
        return tuple(observation(header, org) for header in headers for org in self.observers)

    def ledger_entries(self) -> list[bytes]:
        happenings = [*self.happenings, *self.anchors()]
        calls = [list(group) for _, group in groupby(happenings, lambda item: (item.block, item.transaction))]
        return [log_entry(group, f"call-{i}", T0 + 60 * group[0].block) for i, group in enumerate(calls)]

    def leaves(self) -> tuple[LogEvidence, ...]:
        return evidence_of(self.ledger_entries(), self.witnesses)

    def trust(self, **changes: Any) -> Trust:
        fields: dict[str, Any] = {
            "media_type": TRUST_TYPE,
            "deployment": DEPLOYMENT,
            "custodians": 3,
            "approvals_required": 2,
            "witnesses_required": 2,
            "keys": tuple(TrustedKey(public(org).to_text(), org) for org in ORGS),
            "logs": tuple(
                TrustedLog(origin, str(log_key(origin)), anchored_id(origin).hex()) for origin in (RECORDS, RECEIPTS)
            ),
            "witnesses": tuple(TrustedWitness(str(witness_key(org)), org) for org in ORGS),
            "ledger": log_ledger() if self.tlog else evm_ledger(),
        }
        return Trust(**(fields | changes))


def evidence_of(entries: Sequence[bytes], witnesses: Iterable[str] = ORGS) -> tuple[LogEvidence, ...]:
    """Each entry of a ledger log, under a checkpoint of all of them."""
    tree = Tree(entries)
    note = seal(LEDGER_LOG, tree, witnesses)
    return tuple(LogEvidence(LOG_CHAIN, LEDGER_LOG, entry, i, tree.path(i), note) for i, entry in enumerate(entries))


def anchored_id(origin: str) -> bytes:
    return origin_id(account("anchorer"), origin)


def evm_ledger(**changes: Any) -> TrustedLedger:
    fields = {"chain": CHAIN, "kind": "evm", "operators": 4, "finality_depth": 2, "observers_required": 2}
    return TrustedLedger(**(fields | {"registry": REGISTRY, "anchor": ANCHOR} | changes))  # type: ignore[arg-type]  # by name


def log_ledger(**changes: Any) -> TrustedLedger:
    fields = {"chain": LOG_CHAIN, "kind": "tlog", "operators": 2, "log": str(log_key(LEDGER_LOG))}
    return TrustedLedger(**(fields | changes))  # type: ignore[arg-type]  # by name


def shown(report: Report, name: str, about: str = "") -> list[Claim]:
    """The claims of this kind whose subject contains `about`."""
    return [claim for claim in report.claims if claim.name == name and about in claim.about]


def refusals(report: Report) -> set[tuple[str, str]]:
    """Kind and code of each refuted claim."""
    return {(claim.name, claim.code) for claim in report.refuted()}


def left(report: Report) -> set[str]:
    """The kinds of claims that are not proved."""
    return {claim.name for claim in report.claims if claim.outcome is Outcome.NOT_PROVED}


def verified(story: Story, **changes: Any) -> Report:
    """The report on a story; `changes` are made to its bundle."""
    return verify(replace(story.bundle(), **changes), story.trust(), now_s=NOW)
