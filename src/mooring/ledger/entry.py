"""An entry of the log that serves as a ledger: a call signed by its sender, and the events it caused.

Canonical JSON (RFC 8785) of one object:

    type       `mooring.proofs.leaves.LEAF_TYPE`, whose module reads entries offline
    call       what the sender signed: {ledger, contract, method, args, key}; `ledger` is the log's CAIP-2 id
    sender     EIP-55 address of the signer
    publicKey  its secp256k1 point, 33 bytes in hex
    signature  r || s || v (v 27 or 28) in hex, over the EIP-191 digest of the canonical JSON of `call`
    time       Unix seconds by the writer's clock
    events     what the rules made of it: [{contract, name, args}], args by name

Values: text and booleans as themselves, numbers as {"int": decimal}, bytes as {"hex": digits}, tuples as lists. The
first entry calls AssetRegistry.constructor(collection, members, threshold) and founds the ledger.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coincurve import PublicKey

from mooring.errors import LedgerLied, ProofError, RecordError
from mooring.ledger.governance import Effects
from mooring.ledger.port import Call, Signer, Value
from mooring.proofs.eip import eip191_digest
from mooring.proofs.keccak import keccak256
from mooring.proofs.keys import checksum_address
from mooring.proofs.leaves import LEAF_TYPE
from mooring.records import canonical
from mooring.records.canonical import Json

__all__ = ["MAX_ENTRY", "LogCall", "content_of", "read", "sign", "write"]

MAX_ENTRY = 65_535
_FIELDS = {"type", "call", "sender", "publicKey", "signature", "time", "events"}
_CALL_FIELDS = {"ledger", "contract", "method", "args", "key"}
_MAX_INT = 1 << 256
_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0  # SEC 2 §2.4.1, EIP-2


@dataclass(frozen=True, slots=True)
class LogCall:
    """A signed call: the ledger it is meant for, the call (its `sender` is an address here), key and signature.

    `body` is the canonical JSON of what was signed.
    """

    ledger: str
    call: Call
    body: bytes
    public_key: bytes
    signature: bytes

    @property
    def content(self) -> bytes:
        """What may not change under one key."""
        return self.body + self.call.sender.encode()


def content_of(ledger: str, call: Call) -> bytes:
    """Return what may not change under one key; the call's sender is an address."""
    return canonical.encode(_call(ledger, call)) + call.sender.encode()


def sign(signer: Signer, ledger: str, call: Call) -> LogCall:
    """Sign a call as its sender's account; the result names the sender by address."""
    address = signer.address(call.sender)
    named = Call(call.contract, call.method, call.args, address, call.key)
    body = canonical.encode(_call(ledger, named))
    digest = eip191_digest(body)
    raw = signer.sign_digest(call.sender, digest)
    public_key = PublicKey.from_signature_and_message(raw, digest, hasher=None).format()
    signed = LogCall(ledger, named, body, public_key, raw[:64] + bytes([raw[64] + 27]))
    _verify(signed)
    return signed


def write(signed: LogCall, time_s: int, contract: str, effects: Effects) -> bytes:
    """Return the entry's bytes; raises RecordError `entry-size` if the log could not keep it."""
    events: list[Json] = [{"contract": contract, "name": n, "args": _fields(args)} for n, args in effects]
    data = canonical.encode(
        {
            "type": LEAF_TYPE,
            "call": _call(signed.ledger, signed.call),
            "sender": signed.call.sender,
            "publicKey": signed.public_key.hex(),
            "signature": signed.signature.hex(),
            "time": time_s,
            "events": events,
        }
    )
    if len(data) > MAX_ENTRY:
        raise RecordError(
            f"the call makes an entry of {len(data)} bytes, more than {MAX_ENTRY}",
            code="entry-size",
            hint="name fewer parents, or shorten labels",
        )
    return data


def read(data: bytes, ledger: str) -> tuple[LogCall, int, Effects]:
    """Return the call, the time and the events; raises LedgerLied `log-entry` unless all of it holds together."""
    try:
        fields = canonical.decode(data, limit=MAX_ENTRY)
        signed, time_s, effects = _parse(fields)
        if canonical.encode(fields) != data:
            raise ValueError("it is not in canonical form")
        if signed.ledger != ledger:
            raise ValueError(f"it was signed for ledger {signed.ledger}")
        _verify(signed)
    except (RecordError, ProofError, ValueError, KeyError, TypeError) as error:
        raise LedgerLied(
            f"an entry of the ledger's log is not a signed call: {error}",
            code="log-entry",
            hint="the log was written to by another program, or altered: compare it with a witness's copy",
        ) from error
    return signed, time_s, effects


def _verify(signed: LogCall) -> None:
    """Recover the key from the signature and compare: a tenth of the time that `proofs.keys` takes to verify it.

    A replay verifies every entry. Offline verifiers use `proofs.leaves`, and both accept the same signatures.
    """
    raw, digest = signed.signature, eip191_digest(signed.body)
    if len(raw) != 65 or raw[64] not in (27, 28) or int.from_bytes(raw[32:64], "big") > _HALF_ORDER:
        raise ValueError("its signature is not r || s || v with v 27 or 28 and s in the lower half (EIP-2)")
    try:
        key = PublicKey.from_signature_and_message(raw[:64] + bytes([raw[64] - 27]), digest, hasher=None)
    except Exception as error:  # coincurve raises bare exceptions
        raise ValueError(f"no key made its signature: {error}") from error
    if key.format() != signed.public_key:
        raise ValueError("its signature is not by the key that it names")
    address = checksum_address(keccak256(key.format(compressed=False)[1:])[12:])
    if address != signed.call.sender:
        raise ValueError(f"its key is that of {address}, not of {signed.call.sender}")


def _call(ledger: str, call: Call) -> dict[str, Json]:
    args = [_value(item) for item in call.args]
    return {"ledger": ledger, "contract": call.contract, "method": call.method, "args": args, "key": call.key}


def _parse(fields: Any) -> tuple[LogCall, int, Effects]:
    if set(fields) != _FIELDS or set(fields["call"]) != _CALL_FIELDS or fields["type"] != LEAF_TYPE:
        raise ValueError("it has other fields, or is of another type")
    said, time_s = fields["call"], fields["time"]
    if not isinstance(time_s, int) or isinstance(time_s, bool) or time_s < 0:
        raise ValueError("its time is no number of seconds")
    names = [fields["sender"], *(said[name] for name in ("ledger", "contract", "method", "key"))]
    if not all(isinstance(name, str) for name in names):
        raise ValueError("a name is no text")
    args = tuple(_parse_value(item) for item in said["args"])
    call = Call(said["contract"], said["method"], args, fields["sender"], said["key"])
    body = canonical.encode(said)
    signed = LogCall(said["ledger"], call, body, bytes.fromhex(fields["publicKey"]), bytes.fromhex(fields["signature"]))
    return signed, time_s, tuple(_parse_event(event, call.contract) for event in fields["events"])


def _parse_event(event: Any, contract: str) -> tuple[str, Mapping[str, Value]]:
    if set(event) != {"contract", "name", "args"} or event["contract"] != contract:
        raise ValueError("an event has other fields, or is of another contract")
    return event["name"], {name: _parse_value(value) for name, value in event["args"].items()}


def _fields(args: Mapping[str, Value]) -> dict[str, Json]:
    return {name: _value(value) for name, value in args.items()}


def _value(value: Value) -> Json:
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, tuple):
        return [_value(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return {"int": str(int(value))}
    return value


def _parse_value(value: Any) -> Value:
    if isinstance(value, list):
        return tuple(_parse_value(item) for item in value)
    if isinstance(value, str | bool):
        return value
    if isinstance(value, dict) and len(value) == 1:
        return _tagged(*next(iter(value.items())))
    raise ValueError(f"a value is {type(value).__name__}")


def _tagged(tag: str, text: Any) -> Value:
    if not isinstance(text, str):
        raise ValueError("a tagged value is no text")
    if tag == "hex" and bytes.fromhex(text).hex() == text:
        return bytes.fromhex(text)
    if tag == "int" and len(text) <= 78 and str(int(text)) == text and 0 <= int(text) < _MAX_INT:
        return int(text)
    raise ValueError(f"a value is tagged {tag!r} and does not fit it")
