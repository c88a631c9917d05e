"""Predicates: what a statement may say of its subject.

Type URIs are `urn:mooring:<name>:v1`. Times are RFC 3339 in UTC, as the signer states them; they prove nothing until an
anchor bounds them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

from mooring.errors import RecordError
from mooring.records.caip import parse_chain
from mooring.records.digest import Digest
from mooring.records.instant import check_time

__all__ = [
    "PREDICATES",
    "Approval",
    "Block",
    "Dataset",
    "Deployment",
    "Erasure",
    "Evaluation",
    "Incident",
    "Model",
    "Parameter",
    "Predicate",
    "ReceiptBatch",
    "StatusChange",
    "check_label",
    "check_origin",
    "check_time",
    "predicate_type",
]

Parameter: TypeAlias = str | int | float | bool
"""What a training parameter may be."""

_LABEL = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_ORIGIN = re.compile("[!-*,-~]{1,256}")


def check_label(field_name: str, value: str) -> None:
    """Refuse a name or version that is not 1 to 64 of a-z 0-9 . _ - (RecordError `label`)."""
    if _LABEL.fullmatch(value) is None:
        raise RecordError(
            f"{field_name} {value[:80]!r} is not a label",
            code="label",
            hint="use 1 to 64 of a-z, 0-9, '.', '_', '-', starting with a letter or digit",
        )


def check_origin(field_name: str, value: str) -> None:
    """Refuse a log's origin that could not name a C2SP key: printable ASCII, no space, no + (RecordError `origin`)."""
    if _ORIGIN.fullmatch(value) is None:
        raise RecordError(
            f"{field_name} {value[:80]!r} is not a log's origin",
            code="origin",
            hint="use 1 to 256 printable ASCII characters without space and +, like example.org/log",
        )


@dataclass(frozen=True, slots=True)
class _Versioned:
    """A version of a named asset, and when the signer says the statement was made."""

    name: str
    version: str
    created: str

    def __post_init__(self) -> None:
        check_label("name", self.name)
        check_label("version", self.version)
        check_time("created", self.created)


@dataclass(frozen=True, slots=True)
class Dataset(_Versioned):
    """A data set: where it came from, under which licence, about how many people (0: none)."""

    source: str
    licence: str
    people: int = 0
    rows: int = 0
    description: str = ""

    def __post_init__(self) -> None:
        _Versioned.__post_init__(self)
        if self.people < 0 or self.rows < 0:
            raise RecordError(
                f"a data set of {self.people} people in {self.rows} rows", code="dataset", hint="give counts from 0 up"
            )


@dataclass(frozen=True, slots=True)
class Model(_Versioned):
    """A model and how it was made: data sets by manifest digest, code commit, parameters, evaluation."""

    format: str
    datasets: tuple[Digest, ...]
    code_commit: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    evaluation: Digest | None = None
    parents: tuple[Digest, ...] = ()
    description: str = ""

    def __post_init__(self) -> None:
        _Versioned.__post_init__(self)
        object.__setattr__(self, "parameters", MappingProxyType(dict(self.parameters)))


@dataclass(frozen=True, slots=True)
class Evaluation(_Versioned):
    """Measured quality of a model on a data set, with the method in words."""

    dataset: Digest
    metrics: Mapping[str, float]
    method: str

    def __post_init__(self) -> None:
        _Versioned.__post_init__(self)
        object.__setattr__(self, "metrics", MappingProxyType(dict(self.metrics)))


@dataclass(frozen=True, slots=True)
class Approval(_Versioned):
    """One organisation's decision on a version: approve or refuse, and why."""

    organisation: str
    decision: str
    comment: str = ""

    def __post_init__(self) -> None:
        _Versioned.__post_init__(self)
        if self.decision not in ("approve", "refuse"):
            raise RecordError(f"decision {self.decision!r:.40}", code="decision", hint="approve or refuse")


@dataclass(frozen=True, slots=True)
class Deployment(_Versioned):
    """A version was put into service, in an environment, for stated purposes, under a policy."""

    environment: str
    purposes: tuple[str, ...]
    policy: Digest | None = None


@dataclass(frozen=True, slots=True)
class StatusChange(_Versioned):
    """A version went from one status to another; `reference` is the ledger transaction that made it so."""

    before: str
    after: str
    reason: str
    reference: str


@dataclass(frozen=True, slots=True)
class Incident(_Versioned):
    """Something went wrong with a version in service: how bad, seen when, what was done."""

    severity: str
    summary: str
    detected: str
    actions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _Versioned.__post_init__(self)
        check_time("detected", self.detected)
        if self.severity not in ("low", "medium", "high", "critical"):
            raise RecordError(f"severity {self.severity!r:.40}", code="severity", hint="low, medium, high or critical")


@dataclass(frozen=True, slots=True)
class ReceiptBatch:
    """The receipts [start, stop) of a log, as sealed by the checkpoint whose note has this digest."""

    origin: str
    start: int
    stop: int
    checkpoint: Digest
    created: str

    def __post_init__(self) -> None:
        check_origin("origin", self.origin)
        check_time("created", self.created)
        if not 0 <= self.start < self.stop:
            raise RecordError(f"receipts [{self.start}, {self.stop})", code="receipt-range", hint="start below stop")


@dataclass(frozen=True, slots=True)
class Erasure:
    """A person's key was destroyed; it names neither the person nor anything that leads back to them."""

    reason: str
    keys: int
    created: str

    def __post_init__(self) -> None:
        check_time("created", self.created)
        if self.keys < 1:
            raise RecordError(f"erasure of {self.keys} keys", code="erasure", hint="at least one key is destroyed")


@dataclass(frozen=True, slots=True)
class Block:
    """An observer saw this block as final on its own node; the subject's digest is that of the header's roots."""

    chain: str
    number: int
    block_hash: str
    state_root: str
    receipts_root: str
    created: str

    def __post_init__(self) -> None:
        parse_chain(self.chain)
        check_time("created", self.created)
        if self.number < 0:
            raise RecordError(f"block number {self.number}", code="block", hint="blocks count from 0")
        for name in ("block_hash", "state_root", "receipts_root"):
            if re.fullmatch("0x[0-9a-f]{64}", getattr(self, name)) is None:
                raise RecordError(f"{name} {getattr(self, name)!r:.80}", code="block", hint="0x and 64 hex digits")


Predicate: TypeAlias = (
    Dataset | Model | Evaluation | Approval | Deployment | StatusChange | ReceiptBatch | Erasure | Incident | Block
)

PREDICATES: Mapping[str, type[Predicate]] = {
    "urn:mooring:dataset:v1": Dataset,
    "urn:mooring:model:v1": Model,
    "urn:mooring:evaluation:v1": Evaluation,
    "urn:mooring:approval:v1": Approval,
    "urn:mooring:deployment:v1": Deployment,
    "urn:mooring:status-change:v1": StatusChange,
    "urn:mooring:receipt-batch:v1": ReceiptBatch,
    "urn:mooring:erasure:v1": Erasure,
    "urn:mooring:incident:v1": Incident,
    "urn:mooring:block:v1": Block,
}
"""Type URI → predicate class."""

_TYPES = {kind: uri for uri, kind in PREDICATES.items()}


def predicate_type(predicate: Predicate) -> str:
    """Return a predicate's type URI."""
    return _TYPES[type(predicate)]
