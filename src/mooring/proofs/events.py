"""Contract events from log topics and data: the few shapes that a bundle carries, decoded strictly.

Source: Solidity contract ABI specification, "Events" and "Strict encoding mode".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from mooring.errors import ProofError
from mooring.proofs.keccak import keccak256
from mooring.proofs.keys import checksum_address

__all__ = ["EVENTS", "Field", "Shape", "asset_id", "check_event", "decode_event", "origin_id", "version_id"]

Field: TypeAlias = int | str | bytes | tuple[bytes, ...]
_MAX_SIZE = 1 << 20


@dataclass(frozen=True, slots=True)
class Shape:
    """An event: the contract that emits it, its name and its parameters: (type, name, indexed), in order."""

    contract: str
    name: str
    parameters: tuple[tuple[str, str, bool], ...]
    topic: bytes = field(init=False)

    def __post_init__(self) -> None:
        signature = f"{self.name}({','.join(kind for kind, _, _ in self.parameters)})"
        object.__setattr__(self, "topic", keccak256(signature.encode()))


def _shape(contract: str, declaration: str) -> Shape:
    """Read `Name(type [indexed] name, …)` as Solidity writes it."""
    name, _, rest = declaration.partition("(")
    words = [parameter.split() for parameter in rest.rstrip(")").split(", ")]
    return Shape(contract, name, tuple((word[0], word[-1], "indexed" in word) for word in words))


EVENTS: Mapping[str, Shape] = {
    shape.name: shape
    for shape in (
        _shape(
            "AssetRegistry",
            "Proposed(bytes32 indexed version, uint256 indexed asset, address indexed proposer, bytes32 manifest, "
            "bytes32 attestation, string label, bytes32[] parents)",
        ),
        _shape(
            "AssetRegistry",
            "Approved(bytes32 indexed version, bytes32 indexed org, address indexed approver, bytes32 evidence, "
            "uint8 approvals)",
        ),
        _shape(
            "AssetRegistry",
            "StatusChanged(bytes32 indexed version, uint8 from, uint8 to, address actor, bytes32 reason)",
        ),
        _shape("CheckpointAnchor", "Anchored(bytes32 indexed originId, uint64 size, bytes32 root)"),
    )
}
"""Name → shape, for the events that bundles carry."""

_BY_TOPIC = {shape.topic: shape for shape in EVENTS.values()}


def decode_event(topics: Sequence[bytes], data: bytes) -> tuple[Shape, dict[str, Field]]:
    """Return an event's shape and arguments; raises ProofError `event` for an unknown or malformed one.

    The encoding is the one that Solidity writes, and no other of the same values.
    """
    shape = _BY_TOPIC.get(topics[0]) if topics else None
    if shape is None:
        raise _refuse("its first topic is no known event")
    indexed = [parameter for parameter in shape.parameters if parameter[2]]
    if len(indexed) != len(topics) - 1 or any(len(topic) != 32 for topic in topics):
        raise _refuse(f"{shape.name} has {len(topics)} topics, or one that is not 32 bytes")
    values = {name: _word(kind, topic, 0) for (kind, name, _), topic in zip(indexed, topics[1:], strict=True)}
    plain = [parameter for parameter in shape.parameters if not parameter[2]]
    tail = 32 * len(plain)
    for position, (kind, name, _) in enumerate(plain):
        if kind in ("string", "bytes32[]"):
            values[name], tail = _dynamic(kind, data, 32 * position, tail)
        else:
            values[name] = _word(kind, data, 32 * position)
    if tail != len(data):
        raise _refuse(f"{len(data)} bytes of data, where {tail} are needed")
    return shape, values


def check_event(shape: Shape, values: Mapping[str, object]) -> None:
    """Return if these are the arguments of such an event, in type and range; raises ProofError `event`."""
    if values.keys() != {name for _, name, _ in shape.parameters}:
        raise _refuse(f"the arguments of {shape.name} are {', '.join(values)[:200]}")
    for kind, name, _ in shape.parameters:
        if not _fits(kind, values[name]):
            raise _refuse(f"{name} of {shape.name} is no {kind}")


def asset_id(name: str) -> int:
    """Return the registry's id of an asset: keccak256 of its name, as a number."""
    return int.from_bytes(keccak256(name.encode()), "big")


def version_id(asset: int, label: str) -> bytes:
    """Return the registry's id of a version: keccak256(abi.encode(uint256 asset, string label))."""
    return keccak256(asset.to_bytes(32, "big") + _text_tail(label))


def origin_id(writer: str, origin: str) -> bytes:
    """Return the anchor contract's id of an origin: keccak256(abi.encode(address writer, string origin))."""
    return keccak256(bytes(12) + bytes.fromhex(writer[2:]) + _text_tail(origin))


def _text_tail(text: str) -> bytes:
    """The rest of abi.encode(word, text): the text's offset, length and padded bytes."""
    data = text.encode()
    return (64).to_bytes(32, "big") + len(data).to_bytes(32, "big") + data + bytes(-len(data) % 32)


def _dynamic(kind: str, data: bytes, at: int, tail: int) -> tuple[Field, int]:
    """Return the string or list whose offset stands at `at` and whose bytes begin at `tail`, and where they end."""
    if _number(data, at) != tail:
        raise _refuse(f"a {kind} is not where Solidity puts it")
    count, start = _number(data, tail), tail + 32
    if count > _MAX_SIZE:
        raise _refuse(f"a {kind} of {count} items")
    if kind == "bytes32[]":
        return tuple(_slice(data, start + 32 * i, 32) for i in range(count)), start + 32 * count
    end = start + count + -count % 32
    if any(_slice(data, start + count, end - start - count)):
        raise _refuse("a string with dirty padding")
    try:
        return _slice(data, start, count).decode(), end
    except UnicodeDecodeError as error:
        raise _refuse("a string that is not UTF-8") from error


def _word(kind: str, data: bytes, at: int) -> Field:
    word = _slice(data, at, 32)
    if kind == "bytes32":
        return word
    number = int.from_bytes(word, "big")
    if number >> _bits(kind):
        raise _refuse(f"a {kind} beyond its range")
    return checksum_address(word[12:]) if kind == "address" else number


def _bits(kind: str) -> int:
    return 160 if kind == "address" else int(kind.removeprefix("uint"))


def _fits(kind: str, value: object) -> bool:
    match kind, value:
        case "bytes32", bytes():
            return len(value) == 32
        case "bytes32[]", tuple():
            return all(_fits("bytes32", item) for item in value)
        case "string", str():
            return True
        case "address", str():
            return len(value) == 42 and value.startswith("0x")
        case _, bool():
            return False
        case _, int():
            return kind.startswith("uint") and 0 <= value < 1 << _bits(kind)
    return False


def _number(data: bytes, at: int) -> int:
    return int.from_bytes(_slice(data, at, 32), "big")


def _slice(data: bytes, at: int, length: int) -> bytes:
    if at + length > len(data):
        raise _refuse(f"its data of {len(data)} bytes end before byte {at + length}")
    return data[at : at + length]


def _refuse(what: str) -> ProofError:
    return ProofError(f"event: {what}", code="event", hint="it is not an event of the contracts in the trust root")
