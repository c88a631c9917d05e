"""Statements: in-toto Statement v1 with the typed predicates of this room.

Source: in-toto Attestation Framework, spec/v1/statement.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from mooring.errors import RecordError
from mooring.records import canonical
from mooring.records.canonical import Json
from mooring.records.digest import Digest, sha256
from mooring.records.predicates import PREDICATES, Predicate, predicate_type
from mooring.records.shape import from_json, to_json

__all__ = ["PAYLOAD_TYPE", "STATEMENT_TYPE", "Statement", "Subject"]

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
_LIMIT = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Subject:
    """What a statement is about: a name, and the digest of its manifest."""

    name: str
    digest: Digest

    def __post_init__(self) -> None:
        if not 0 < len(self.name) <= 512:
            raise RecordError(f"subject name {self.name[:80]!r}", code="subject", hint="give 1 to 512 characters")


@dataclass(frozen=True, slots=True)
class Statement:
    """A claim about one subject, made with one predicate."""

    subject: Subject
    predicate: Predicate

    @property
    def predicate_type(self) -> str:
        """The predicate's type URI."""
        return predicate_type(self.predicate)

    def to_bytes(self) -> bytes:
        """Return the canonical JSON that is signed; raises RecordError if it would not read back as this statement."""
        data = canonical.encode(self._to_json())
        if _parse(data) != self:
            raise _refuse("does not read back as itself: a field holds a value of another type than it declares")
        return data

    def _to_json(self) -> Json:
        subject: Json = {"name": self.subject.name, "digest": {self.subject.digest.algorithm: self.subject.digest.hex}}
        return {
            "_type": STATEMENT_TYPE,
            "subject": [subject],
            "predicateType": self.predicate_type,
            "predicate": to_json(self.predicate),
        }

    @property
    def digest(self) -> Digest:
        """The SHA-256 of the signed bytes."""
        return sha256(self.to_bytes())

    @classmethod
    def from_bytes(cls, data: bytes) -> Statement:
        """Parse and check a statement; raises RecordError if it is malformed or not exactly canonical."""
        statement = _parse(data)
        if canonical.encode(statement._to_json()) != data:
            raise RecordError("statement bytes are not canonical", code="not-canonical", hint="write them by RFC 8785")
        return statement


def _parse(data: bytes) -> Statement:
    value = canonical.decode(data, limit=_LIMIT)
    if not isinstance(value, dict) or set(value) != {"_type", "subject", "predicateType", "predicate"}:
        raise _refuse("needs exactly _type, subject, predicateType and predicate")
    if value["_type"] != STATEMENT_TYPE:
        raise _refuse(f"_type is {value['_type']!r:.80}, not {STATEMENT_TYPE}")
    kind = PREDICATES.get(str(value["predicateType"]))
    if kind is None:
        raise _refuse(f"predicateType {value['predicateType']!r:.80} is unknown; known: {', '.join(PREDICATES)}")
    return Statement(_subject(value["subject"]), from_json(kind, value["predicate"], "predicate"))


def _subject(value: Json) -> Subject:
    match value:
        case [{"name": str(name), "digest": {**digests}, **rest}] if len(digests) == 1 and not rest:
            ((algorithm, text),) = digests.items()
            return Subject(name, Digest.parse(f"{algorithm}:{text}"))
    raise _refuse("subject is not a list of one {name, digest: {algorithm: hex}}")


def _refuse(what: str) -> RecordError:
    return RecordError(f"statement {what}", code="statement", hint="see in-toto Statement v1")
