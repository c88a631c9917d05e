"""The trust root: all that a verifier believes, in one file; everything else is proved from it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mooring.errors import ProofError, RecordError
from mooring.proofs.keys import PublicKey
from mooring.proofs.note import COSIGNATURE, ED25519, VerifierKey, parse_vkey
from mooring.records import canonical
from mooring.records.shape import from_json, to_json

__all__ = ["MEDIA_TYPE", "Trust", "TrustedKey", "TrustedLedger", "TrustedLog", "TrustedWitness"]

MEDIA_TYPE = "application/vnd.mooring.trust+json;version=1"
_LIMIT = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """An attestation key (`kind:base64 SPKI`) of an organisation, valid from and until Unix seconds (0: open)."""

    key: str
    organisation: str
    not_before: int = 0
    not_after: int = 0

    @property
    def public(self) -> PublicKey:
        """The key itself."""
        return PublicKey.from_text(self.key)

    def covers(self, time_s: int) -> bool:
        """Whether the key was valid at that time."""
        return self.not_before <= time_s and (not self.not_after or time_s <= self.not_after)


@dataclass(frozen=True, slots=True)
class TrustedLog:
    """A log's origin, its C2SP verifier key, and the id of its origin at the anchor contract (hex, or empty)."""

    origin: str
    vkey: str
    origin_id: str = ""


@dataclass(frozen=True, slots=True)
class TrustedWitness:
    """A witness's C2SP cosignature key and the organisation behind it."""

    vkey: str
    organisation: str


@dataclass(frozen=True, slots=True)
class TrustedLedger:
    """The ledger: its CAIP-2 id, how many independent operators produce it, and what on it is believed.

    On an EVM chain, a block counts as final when `observers_required` organisations of the trust root signed its roots.
    On a log (`tlog`), `log` is its verifier key, and the witnesses of the trust root cosign it.
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
        if self.operators < 1:
            raise _refuse("ledger.operators", str(self.operators), "at least 1")
        addresses = (self.registry, self.anchor) if self.kind == "evm" else ()
        if any(re.fullmatch("0x[0-9a-fA-F]{40}", address) is None for address in addresses):
            raise _refuse("ledger.registry or ledger.anchor", str(addresses), "addresses of 40 hex digits")


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
        if self.custodians < 1 or self.approvals_required < 1:
            raise _refuse("custodians or approvalsRequired", "less than 1", "at least 1")
        for key in self.keys:
            _ = key.public
        _distinct("logs", [log.origin for log in self.logs])
        _distinct("keys", [key.public.keyid for key in self.keys])
        if not 0 <= self.witnesses_required <= len({witness.organisation for witness in self.witnesses}):
            raise _refuse("witnessesRequired", str(self.witnesses_required), "at most one of each organisation")
        if not 0 <= self.ledger.observers_required <= len({key.organisation for key in self.keys}):
            raise _refuse("observersRequired", str(self.ledger.observers_required), "at most one of each organisation")
        _ = self.log_keys, self.witness_keys

    @classmethod
    def from_bytes(cls, data: bytes) -> Trust:
        """Parse a trust root; raises ProofError `trust` naming the field."""
        try:
            return from_json(cls, canonical.decode(data, limit=_LIMIT), "trust")
        except RecordError as error:
            raise ProofError(error.message, code="trust", hint=error.hint or "get the trust root again") from error

    def to_bytes(self) -> bytes:
        """Return the canonical bytes."""
        return canonical.encode(to_json(self))

    @property
    def public_keys(self) -> Mapping[str, PublicKey]:
        """Key id → key, for every attestation key."""
        return {trusted.public.keyid: trusted.public for trusted in self.keys}

    def key(self, keyid: str) -> TrustedKey:
        """Return the trusted key of that id; raises ProofError `unknown-key`."""
        for trusted in self.keys:
            if trusted.public.keyid == keyid:
                return trusted
        raise ProofError(f"key {keyid} is not in the trust root", code="unknown-key", hint="add it if you trust it")

    @property
    def log_keys(self) -> Mapping[str, VerifierKey]:
        """Origin → the log's verifier key."""
        return {log.origin: _vkey(log.vkey, ED25519) for log in self.logs}

    @property
    def witness_keys(self) -> Mapping[VerifierKey, str]:
        """Witness key → organisation."""
        return {_vkey(witness.vkey, COSIGNATURE): witness.organisation for witness in self.witnesses}

    def log(self, origin: str) -> TrustedLog:
        """Return the trusted log of that origin; raises ProofError `unknown-log`."""
        for log in self.logs:
            if log.origin == origin:
                return log
        raise ProofError(f"log {origin!r:.120} is not in the trust root", code="unknown-log", hint="add it if trusted")


def _vkey(text: str, kind: int) -> VerifierKey:
    key = parse_vkey(text)
    if key.type != kind:
        raise _refuse("vkey", text[:80], f"a key of signature type {kind:#04x}")
    return key


def _distinct(field: str, names: list[str]) -> None:
    if len(set(names)) != len(names):
        raise _refuse(field, "one of them twice", "each once")


def _refuse(field: str, value: str, hint: str) -> ProofError:
    return ProofError(f"trust root: {field} is {value!r:.120}", code="trust", hint=f"expected {hint}")
