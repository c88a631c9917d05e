"""Contract events from log topics and data: the few shapes that a bundle carries, decoded strictly.

Source: Solidity contract ABI specification, "Events" and "Strict encoding mode".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from mooring.errors import ProofError
from mooring.proofs.keccak import keccak256
from mooring.proofs.keys import checksum_address

__all__ = ["EVENTS", "Field", "Shape", "decode_event", "origin_id"]

Field: TypeAlias = int | str | bytes | tuple[bytes, ...]
_Read: TypeAlias = Callable[[bytes, int], Field]
_MAX_ITEMS = 10_000


@dataclass(frozen=True, slots=True)
class Shape:
    """An event's name and its parameters: (type, name, indexed), in order."""

    name: str
    parameters: tuple[tuple[str, str, bool], ...]
    topic: bytes = field(init=False)

    def __post_init__(self) -> None:
        signature = f"{self.name}({','.join(kind for kind, _, _ in self.parameters)})"
        object.__setattr__(self, "topic", keccak256(signature.encode()))


def _shape(declaration: str) -> Shape:
    """Read `Name(type [indexed] name, …)` as Solidity writes it."""
    name, _, rest = declaration.partition("(")
    words = [parameter.split() for parameter in rest.rstrip(")").split(", ")]
    return Shape(name, tuple((word[0], word[-1], "indexed" in word) for word in words))


EVENTS: Mapping[bytes, Shape] = {
    shape.topic: shape
    for shape in map(
        _shape,
        (
            "Proposed(bytes32 indexed version, uint256 indexed asset, address indexed proposer, bytes32 manifest, "
            "bytes32 attestation, string label, bytes32[] parents)",
            "Approved(bytes32 indexed version, bytes32 indexed org, address indexed approver, bytes32 evidence, "
            "uint8 approvals)",
            "StatusChanged(bytes32 indexed version, uint8 from, uint8 to, address actor, bytes32 reason)",
            "KeyRegistered(bytes32 indexed keyid, bytes32 indexed org, uint64 notBefore, uint64 notAfter)",
            "Anchored(bytes32 indexed originId, uint64 size, bytes32 root)",
        ),
    )
}
"""First topic → shape, for the events that bundles carry."""


def decode_event(topics: Sequence[bytes], data: bytes) -> tuple[str, Mapping[str, Field]]:
    """Return an event's name and arguments; raises ProofError `event` for an unknown or malformed one."""
    shape = EVENTS.get(topics[0]) if topics else None
    if shape is None:
        raise _refuse("its first topic is no known event")
    indexed = [parameter for parameter in shape.parameters if parameter[2]]
    if len(indexed) != len(topics) - 1 or any(len(topic) != 32 for topic in topics):
        raise _refuse(f"{shape.name} has {len(topics)} topics")
    values = {name: _word(kind, topic, 0) for (kind, name, _), topic in zip(indexed, topics[1:], strict=True)}
    plain = [parameter for parameter in shape.parameters if not parameter[2]]
    values |= {name: _read(kind, data, 32 * position) for position, (kind, name, _) in enumerate(plain)}
    return shape.name, values


def origin_id(writer: str, origin: str) -> bytes:
    """Return the anchor contract's id of an origin: keccak256(abi.encode(address writer, string origin))."""
    text = origin.encode()
    head = bytes(12) + bytes.fromhex(writer[2:]) + (64).to_bytes(32, "big") + len(text).to_bytes(32, "big")
    return keccak256(head + text + bytes(-len(text) % 32))


def _read(kind: str, data: bytes, at: int) -> Field:
    if kind not in ("string", "bytes32[]"):
        return _word(kind, data, at)
    start = _number(data, at)
    count = _number(data, start)
    start += 32
    if count > _MAX_ITEMS:
        raise _refuse(f"a {kind} of {count} items")
    if kind == "bytes32[]":
        return tuple(_slice(data, start + 32 * i, 32) for i in range(count))
    padding = _slice(data, start + count, -count % 32)
    try:
        text = _slice(data, start, count).decode()
    except UnicodeDecodeError as error:
        raise _refuse("a string that is not UTF-8") from error
    if any(padding):
        raise _refuse("dirty padding")
    return text


def _word(kind: str, data: bytes, at: int) -> Field:
    word = _slice(data, at, 32)
    if kind == "bytes32":
        return word
    bits = 160 if kind == "address" else int(kind.removeprefix("uint"))
    number = int.from_bytes(word, "big")
    if number >> bits:
        raise _refuse(f"a {kind} beyond its range")
    return checksum_address(word[12:]) if kind == "address" else number


def _number(data: bytes, at: int) -> int:
    return int.from_bytes(_slice(data, at, 32), "big")


def _slice(data: bytes, at: int, length: int) -> bytes:
    if at + length > len(data):
        raise _refuse(f"its data of {len(data)} bytes end before byte {at + length}")
    return data[at : at + length]


def _refuse(what: str) -> ProofError:
    return ProofError(f"event: {what}", code="event", hint="it is not an event of the contracts in the trust root")
