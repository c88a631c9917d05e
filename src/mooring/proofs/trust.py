"""The trust root: all that a verifier believes, in one file; everything else is proved from it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mooring.errors import ProofError, RecordError
from mooring.proofs.keys import PublicKey, checksum_address
from mooring.proofs.note import COSIGNATURE, ED25519, VerifierKey, parse_vkey
from mooring.records import canonical
from mooring.records.caip import parse_chain
from mooring.records.instant import parse_time
from mooring.records.shape import from_json, to_json

__all__ = ["MEDIA_TYPE", "Keyring", "Trust", "TrustedKey", "TrustedLedger", "TrustedLog", "TrustedWitness"]

MEDIA_TYPE = "application/vnd.mooring.trust+json;version=1"
_LIMIT = 4 * 1024 * 1024
_LAST_SECOND = parse_time("9999-12-31T23:59:59Z")
_MOST = {"keys": 4096, "logs": 256, "witnesses": 99}  # of 100 signatures on a note, one is the log's
_ORGANISATION = re.compile(r"[^\s](.{0,254}[^\s])?")


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """An attestation key (`kind:base64 SPKI`) of an organisation, valid from and until Unix seconds (0: open)."""

    key: str
    organisation: str
    not_before: int = 0
    not_after: int = 0

    def __post_init__(self) -> None:
        _check_organisation(self.organisation)
        if not (0 <= self.not_before <= _LAST_SECOND and 0 <= self.not_after <= _LAST_SECOND):
            raise _refuse("keys: time", f"{self.not_before} to {self.not_after}", "Unix seconds of the years to 9999")

    def covers(self, time_s: int) -> bool:
        """Whether the key was valid at that time."""
        return self.not_before <= time_s and (not self.not_after or time_s <= self.not_after)


@dataclass(frozen=True, slots=True)
class TrustedLog:
    """A log's origin, its C2SP verifier key, and the id of its origin at the anchor contract (hex, or empty)."""

    origin: str
    vkey: str
    origin_id: str = ""

    def __post_init__(self) -> None:
        if re.fullmatch("([0-9a-f]{64})?", self.origin_id) is None:
            raise _refuse("logs: originId", self.origin_id, "64 lower-case hex digits, or nothing")


@dataclass(frozen=True, slots=True)
class TrustedWitness:
    """A witness's C2SP cosignature key and the organisation behind it."""

    vkey: str
    organisation: str

    def __post_init__(self) -> None:
        _check_organisation(self.organisation)


@dataclass(frozen=True, slots=True)
class TrustedLedger:
    """The ledger: its CAIP-2 id, how many independent operators produce it, and what on it is believed.

    On an EVM chain, a block counts as final when `observers_required` organisations of the trust root signed its roots;
    `registry` and `anchor` are its contracts. On a log (`tlog`), `log` is its verifier key, and the witnesses of the
    trust root cosign it.
    """

    chain: str
    kind: str
    operators: int
    finality_depth: int = 0
    observers_required: int = 0
    registry: str = ""
    anchor: str = ""
    log: str = ""

    def __post_init__(self) -> None:
        if self.kind not in ("evm", "tlog"):
            raise _refuse("ledger.kind", self.kind, "evm or tlog")
        if self.operators < 1 or self.finality_depth < 0:
            raise _refuse("ledger.operators or finalityDepth", f"{self.operators}, {self.finality_depth}", "1 and 0 up")
        if (_chain_number(self.chain) is None) == (self.kind == "evm"):
            raise _refuse("ledger.chain", self.chain, f"the CAIP-2 id of a ledger of kind {self.kind}")
        contracts = (self.registry, self.anchor)
        if self.kind == "evm":
            self._check_contracts(contracts)
        elif any(contracts) or not self.log:
            raise _refuse("ledger.registry, anchor or log", str((*contracts, self.log)), "the log's key alone")

    def _check_contracts(self, contracts: tuple[str, ...]) -> None:
        for address in contracts:
            digits = address.removeprefix("0x")
            if re.fullmatch("[0-9a-fA-F]{40}", digits) is None or checksum_address(bytes.fromhex(digits)) != address:
                raise _refuse("ledger.registry or anchor", address, "an address with its checksum (EIP-55)")
        if self.observers_required < 1:
            raise _refuse("ledger.observersRequired", str(self.observers_required), "1 or more: else no block is final")
        if self.log:
            raise _refuse("ledger.log", self.log, "nothing on an EVM chain")


@dataclass(frozen=True, slots=True)
class Keyring:
    """The keys of a trust root, parsed once for one verification.

    `keys` and `holders` are by key id, `logs` by origin; `witnesses` gives the organisation behind each key, `ledger`
    the key of the log that serves as the ledger, `chain_ids` the EVM chains for which typed data may be signed.
    """

    keys: Mapping[str, PublicKey]
    holders: Mapping[str, TrustedKey]
    logs: Mapping[str, VerifierKey]
    witnesses: Mapping[VerifierKey, str]
    ledger: VerifierKey | None
    chain_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Trust:
    """A trust root.

    `custodians` is how many independent parties hold the private keys below, as its author states: signatures of many
    keys in one hand prove no more than one. `approvals_required` is how many organisations must approve a version.
    """

    media_type: str
    deployment: str
    custodians: int
    approvals_required: int
    witnesses_required: int
    keys: tuple[TrustedKey, ...]
    logs: tuple[TrustedLog, ...]
    witnesses: tuple[TrustedWitness, ...]
    ledger: TrustedLedger

    def __post_init__(self) -> None:
        if self.media_type != MEDIA_TYPE:
            raise _refuse("mediaType", self.media_type, MEDIA_TYPE)
        for field, most in _MOST.items():
            if len(getattr(self, field)) > most:
                raise _refuse(field, f"{len(getattr(self, field))} items", f"at most {most}")
        self._check_logs()
        self._check_numbers()
        _check_owners(self, self.keyring())

    @classmethod
    def from_bytes(cls, data: bytes) -> Trust:
        """Parse a trust root; raises ProofError: `trust` naming the field, `key-format` or `note-key` for a key."""
        try:
            return from_json(cls, canonical.decode(data, limit=_LIMIT), "trust")
        except RecordError as error:
            raise ProofError(error.message, code="trust", hint=error.hint) from error

    def to_bytes(self) -> bytes:
        """Return the canonical bytes."""
        return canonical.encode(to_json(self))

    @property
    def organisations(self) -> frozenset[str]:
        """The organisations whose attestation keys are trusted."""
        return frozenset(key.organisation for key in self.keys)

    @property
    def witnessing(self) -> frozenset[str]:
        """The organisations that witness logs."""
        return frozenset(witness.organisation for witness in self.witnesses)

    def keyring(self) -> Keyring:
        """Parse every key; raises ProofError `trust`, `key-format` or `note-key`."""
        parsed = [(PublicKey.from_text(trusted.key), trusted) for trusted in self.keys]
        number = _chain_number(self.ledger.chain)
        return Keyring(
            {key.keyid: key for key, _ in parsed},
            {key.keyid: trusted for key, trusted in parsed},
            {log.origin: _vkey(log.vkey, ED25519) for log in self.logs},
            {_vkey(witness.vkey, COSIGNATURE): witness.organisation for witness in self.witnesses},
            _vkey(self.ledger.log, ED25519) if self.ledger.log else None,
            () if number is None else (number,),
        )

    def _check_logs(self) -> None:
        _check_distinct("logs: origin", [log.origin for log in self.logs])
        _check_distinct("logs: originId", [log.origin_id for log in self.logs if log.origin_id])
        for log in self.logs:
            if not self.deployment or not log.origin.startswith(f"{self.deployment}/"):
                raise _refuse("logs: origin", log.origin, f"a log of the deployment {self.deployment!r:.120}")

    def _check_numbers(self) -> None:
        if self.custodians < 1:
            raise _refuse("custodians", str(self.custodians), "at least 1")
        signing, witnessing = len(self.organisations), len(self.witnessing)
        for field, number, least, most in (
            ("approvalsRequired", self.approvals_required, 1, signing),
            ("witnessesRequired", self.witnesses_required, 0, witnessing),
            ("ledger.observersRequired", self.ledger.observers_required, 0, signing),
        ):
            if not least <= number <= most:
                raise _refuse(field, str(number), f"{least} to {most}: organisations count, each once")


def _check_owners(trust: Trust, keyring: Keyring) -> None:
    """Refuse a key that is there twice, or that would let one party speak as two."""
    for field, found, listed in (
        ("keys", len(keyring.keys), len(trust.keys)),
        ("witnesses", len({key.public_key for key in keyring.witnesses}), len(trust.witnesses)),
    ):
        if found != listed:
            raise _refuse(field, "one of them twice", "each key once")
    owners: dict[bytes, str] = {}
    for raw, owner in _owned(keyring):
        if owners.setdefault(raw, owner) != owner:
            raise _refuse("keys", f"one key of {owners[raw]} and of {owner}", "a key of its own for each of them")


def _owned(keyring: Keyring) -> Iterable[tuple[bytes, str]]:
    """Each Ed25519 key as 32 bytes, and who signs with it."""
    for keyid, key in keyring.keys.items():
        if key.kind == "ed25519":
            yield key.spki[-32:], f"organisation {keyring.holders[keyid].organisation}"  # RFC 8410 §4: the key ends it
    for witness, organisation in keyring.witnesses.items():
        yield witness.public_key, f"organisation {organisation}"
    for log in (*keyring.logs.values(), keyring.ledger):
        if log is not None:
            yield log.public_key, "the logs"


def _chain_number(chain: str) -> int | None:
    """The number of an EVM chain, None for a chain of another kind."""
    try:
        namespace, reference = parse_chain(chain)
    except RecordError as error:
        raise _refuse("ledger.chain", chain, "a CAIP-2 id") from error
    if namespace != "eip155":
        return None
    if re.fullmatch("[1-9][0-9]{0,19}", reference) is None:
        raise _refuse("ledger.chain", chain, "eip155: and a number")
    return int(reference)


def _vkey(text: str, kind: int) -> VerifierKey:
    key = parse_vkey(text)
    if key.type != kind:
        raise _refuse("vkey", text, f"a key of signature type {kind:#04x}")
    return key


def _check_distinct(field: str, names: list[str]) -> None:
    if len(set(names)) != len(names):
        raise _refuse(field, "one of them twice", "each once")


def _check_organisation(name: str) -> None:
    if _ORGANISATION.fullmatch(name) is None or not name.isprintable():
        raise _refuse("organisation", name, "a name of 1 to 256 printable characters")


def _refuse(field: str, value: str, hint: str) -> ProofError:
    return ProofError(f"trust root: {field} is {value!r:.120}", code="trust", hint=f"expected {hint}")
