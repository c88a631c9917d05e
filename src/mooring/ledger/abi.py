"""Contract interfaces: calls, results, events and errors to and from ABI bytes (Solidity ABI specification)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from eth_abi.codec import ABICodec
from eth_abi.decoding import StringDecoder
from eth_abi.exceptions import DecodingError, EncodingError
from eth_abi.registry import BaseEquals, registry

from mooring.errors import ConfigError, LedgerError, LedgerRefused
from mooring.ledger.port import Value
from mooring.ledger.refusal import Refusal
from mooring.proofs.keccak import keccak256
from mooring.proofs.keys import checksum_address

__all__ = ["Function", "Interface", "Log", "selector"]

_ERROR_STRING = bytes.fromhex("08c379a0")  # Error(string)
_PANIC = bytes.fromhex("4e487b71")  # Panic(uint256)
_WORD = re.compile(r"bytes(\d+)")
_ARRAY = re.compile(r"(.+)\[(\d*)\]")


def selector(signature: str) -> bytes:
    """Return the 4-byte selector of a canonical signature such as `approve(bytes32,bytes32)`."""
    return keccak256(signature.encode())[:4]


@dataclass(frozen=True, slots=True)
class Log:
    """A decoded event: the arguments by name, in declaration order."""

    name: str
    args: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Function:
    """A named tuple type on the wire: a function's inputs, an event, an error."""

    name: str
    names: tuple[str, ...]
    types: tuple[str, ...]
    outputs: tuple[str, ...] = ()
    indexed: tuple[bool, ...] = ()

    @property
    def signature(self) -> str:
        """The canonical signature, from which selectors and topics are hashed."""
        return f"{self.name}({','.join(self.types)})"


class Interface:
    """One contract's functions, events and errors, read from its JSON ABI."""

    def __init__(self, name: str, abi: Sequence[Mapping[str, Any]]) -> None:
        self.name = name
        self._functions: dict[str, list[Function]] = {}
        self._events: dict[bytes, Function] = {}
        self._errors: dict[bytes, Function] = {}
        self._constructor = Function("constructor", (), ())
        for item in abi:
            self._add(item)

    def _add(self, item: Mapping[str, Any]) -> None:
        kind, entry = item.get("type"), _entry(item)
        if kind == "function":
            self._functions.setdefault(entry.name, []).append(entry)
        elif kind == "event" and not item.get("anonymous"):
            self._events[keccak256(entry.signature.encode())] = entry
        elif kind == "error":
            self._errors[selector(entry.signature)] = entry
        elif kind == "constructor":
            self._constructor = entry

    def function(self, method: str, args: Sequence[Value]) -> Function:
        """Return the function that these arguments fit; raises ConfigError `no-such-method`."""
        found = [entry for entry in self._functions.get(method, ()) if len(entry.types) == len(args)]
        if len(found) > 1:  # overloads, such as the two called `approve`: the arguments tell them apart
            found = [entry for entry in found if all(map(_codec().is_encodable, entry.types, args))] or found[:1]
        if found:
            return found[0]
        known = ", ".join(sorted(e.signature for entries in self._functions.values() for e in entries))
        raise ConfigError(
            f"{self.name} has no method {method!r} with {len(args)} arguments",
            code="no-such-method",
            hint=f"it has {known}",
        )

    def topic(self, event: str) -> bytes:
        """Return an event's first topic."""
        return next(topic for topic, entry in self._events.items() if entry.name == event)

    def encode_call(self, method: str, args: Sequence[Value]) -> bytes:
        """Return calldata; raises LedgerRefused `arguments` where a value does not fit its type."""
        entry = self.function(method, args)
        return selector(entry.signature) + self._encode(entry, args)

    def encode_constructor(self, args: Sequence[Value]) -> bytes:
        """Return the arguments that follow the creation code."""
        return self._encode(self._constructor, args)

    def decode_result(self, method: str, args: Sequence[Value], data: bytes) -> tuple[Value, ...]:
        """Return what the function called so returned, as plain values; raises LedgerError `abi`."""
        return _decode(self.function(method, args).outputs, data)

    def decode_log(self, topics: Sequence[bytes], data: bytes) -> Log | None:
        """Return the event, or None if this interface does not know its topic; raises LedgerError `abi`."""
        entry = self._events.get(topics[0]) if topics else None
        if entry is None:
            return None
        plain = [t for t, is_topic in zip(entry.types, entry.indexed, strict=True) if not is_topic]
        hashed = [_topic_type(t) for t, is_topic in zip(entry.types, entry.indexed, strict=True) if is_topic]
        if len(hashed) != len(topics) - 1:
            raise _malformed(f"event {entry.name} with {len(topics)} topics")
        values = iter(_decode(plain, data))
        words = iter([_decode((t,), word)[0] for t, word in zip(hashed, topics[1:], strict=True)])
        return Log(
            entry.name,
            {n: next(words if is_topic else values) for n, is_topic in zip(entry.names, entry.indexed, strict=True)},
        )

    def decode_revert(self, data: bytes) -> Refusal:
        """Return the custom error in revert data; one that is not known keeps its bytes, in hex."""
        entry = self._errors.get(data[:4]) or _BUILTIN.get(data[:4])
        if entry is None:
            return Refusal("", (("data", data[:256].hex()),) if data else ())
        try:
            values = _decode(entry.types, data[4:])
        except LedgerError:
            return Refusal("", (("data", data[:256].hex()),))
        return Refusal(entry.name, tuple(zip(entry.names, values, strict=True)))

    def _encode(self, entry: Function, args: Sequence[Value]) -> bytes:
        if len(args) != len(entry.types):
            raise _unfit(self.name, entry, f"{len(args)} arguments where {len(entry.types)} are needed")
        for kind, value in zip(entry.types, args, strict=True):
            _check_sizes(self.name, entry, kind, value)
        try:
            encoded: bytes = _codec().encode(entry.types, args)
        except (EncodingError, ValueError, TypeError, OverflowError) as error:
            raise _unfit(self.name, entry, str(error)) from error
        return encoded


def _entry(item: Mapping[str, Any]) -> Function:
    inputs = item.get("inputs", ())
    return Function(
        item.get("name", "constructor"),
        tuple(p["name"] for p in inputs),
        tuple(_type(p) for p in inputs),
        tuple(_type(p) for p in item.get("outputs", ())),
        tuple(bool(p.get("indexed")) for p in inputs),
    )


def _type(parameter: Mapping[str, Any]) -> str:
    """Return the canonical type of a JSON ABI parameter: tuples spelled out."""
    text: str = parameter["type"]
    if not text.startswith("tuple"):
        return text
    return f"({','.join(_type(part) for part in parameter['components'])}){text[len('tuple') :]}"


def _topic_type(text: str) -> str:
    """Dynamic values stand in a topic as their hash (ABI specification, "Encoding of indexed event parameters")."""
    return "bytes32" if text in ("string", "bytes") or text.endswith((")", "]")) else text


def _decode(types: Sequence[str], data: bytes) -> tuple[Value, ...]:
    try:
        values = _codec().decode(types, data)
    except (DecodingError, ValueError, OverflowError) as error:
        raise _malformed(f"{len(data)} bytes as ({','.join(types)}): {error}") from error
    return tuple(_plain(text, value) for text, value in zip(types, values, strict=True))


def _plain(text: str, value: Any) -> Value:
    """Return a decoded value as the port has it: tuples for lists, EIP-55 addresses."""
    array = _ARRAY.fullmatch(text)
    if array is not None:
        return tuple(_plain(array[1], item) for item in value)
    if text.startswith("("):
        return tuple(_plain(part, item) for part, item in zip(_split(text), value, strict=True))
    if text == "address":
        return checksum_address(bytes.fromhex(value[2:]))
    plain: Value = value
    return plain


@cache
def _split(text: str) -> tuple[str, ...]:
    """Return the parts of a tuple type: commas that stand in no inner bracket separate them."""
    parts, depth = [""], 0
    for letter in text[1:-1]:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return tuple(parts)


@cache
def _codec() -> Any:
    """Return the codec; text that is not UTF-8 is shown escaped, so that nobody can stop a follower with it."""
    untyped: Any = registry  # eth-abi's registry and decoders carry no types
    decoder: Any = StringDecoder
    equals: Any = BaseEquals
    own = untyped.copy()
    own.unregister_decoder("string")
    own.register_decoder(equals("string"), decoder(handle_string_errors="backslashreplace"), label="string")
    return ABICodec(own)


def _check_sizes(contract: str, entry: Function, kind: str, value: Value) -> None:
    """Refuse words that are too short: the codec would fill them up, and so change their meaning."""
    array, word = _ARRAY.fullmatch(kind), _WORD.fullmatch(kind)
    if array is not None and isinstance(value, tuple | list):
        for item in value:
            _check_sizes(contract, entry, array[1], item)
    elif kind.startswith("(") and isinstance(value, tuple | list):
        for part, item in zip(_split(kind), value, strict=False):
            _check_sizes(contract, entry, part, item)
    elif word is not None and (not isinstance(value, bytes) or len(value) != int(word[1])):
        raise _unfit(contract, entry, f"{value!r} is no {kind}")


def _unfit(contract: str, entry: Function, why: str) -> LedgerRefused:
    return LedgerRefused(
        f"{contract}.{entry.name} cannot be called so: {why[:300]}",
        code="arguments",
        hint=f"its signature is {entry.signature}; words are 32 bytes, addresses EIP-55 strings",
    )


def _malformed(what: str) -> LedgerError:
    return LedgerError(
        f"the ledger returned what the contract's interface does not allow: {what[:300]}",
        code="abi",
        hint="compare the contract addresses in the configuration with the deployment",
    )


def _builtins() -> Iterable[tuple[bytes, Function]]:
    yield _ERROR_STRING, Function("Error", ("message",), ("string",))
    yield _PANIC, Function("Panic", ("code",), ("uint256",))


_BUILTIN = dict(_builtins())
