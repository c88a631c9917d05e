"""Execution block headers: what a block hash commits to (Yellow Paper §4.4; fields up to Prague, EIP-7685)."""

from __future__ import annotations

from dataclasses import dataclass, field

from mooring.errors import ProofError
from mooring.proofs.keccak import keccak256
from mooring.proofs.rlp import Item, decode, decode_scalar

__all__ = ["Header"]

_NUMBER = -1
_ANY = -2
_FIELDS = (  # name and size in bytes, in the order of the header
    ("parentHash", 32),
    ("ommersHash", 32),
    ("beneficiary", 20),
    ("stateRoot", 32),
    ("transactionsRoot", 32),
    ("receiptsRoot", 32),
    ("logsBloom", 256),
    ("difficulty", _NUMBER),
    ("number", _NUMBER),
    ("gasLimit", _NUMBER),
    ("gasUsed", _NUMBER),
    ("timestamp", _NUMBER),
    ("extraData", _ANY),
    ("mixHash", 32),
    ("nonce", 8),
    ("baseFeePerGas", _NUMBER),  # London, EIP-1559
    ("withdrawalsRoot", 32),  # Shanghai, EIP-4895
    ("blobGasUsed", _NUMBER),  # Cancun, EIP-4844
    ("excessBlobGas", _NUMBER),
    ("parentBeaconBlockRoot", 32),  # Cancun, EIP-4788
    ("requestsHash", 32),  # Prague, EIP-7685
)
_FRONTIER = 15  # the number of fields the first headers had
_MAX_SIZE = 64 << 10  # about 600 bytes on Ethereum; more where extraData holds the validators' seals


@dataclass(frozen=True, slots=True)
class Header:
    """A block header, read from the RLP bytes whose Keccak-256 is the block hash; `timestamp` is in Unix seconds.

    Fields added after Prague stay in `encoded` unread, so the hash holds. Raises ProofError "rlp" or "header".
    """

    encoded: bytes = field(repr=False)
    hash: bytes = field(init=False, compare=False)
    number: int = field(init=False, compare=False)
    timestamp: int = field(init=False, compare=False)
    parent_hash: bytes = field(init=False, compare=False)
    state_root: bytes = field(init=False, compare=False)
    receipts_root: bytes = field(init=False, compare=False)

    def __post_init__(self) -> None:
        fields = _read(self.encoded)
        parsed = {
            "hash": keccak256(self.encoded),
            "number": decode_scalar(fields["number"]),
            "timestamp": decode_scalar(fields["timestamp"]),
            "parent_hash": fields["parentHash"],
            "state_root": fields["stateRoot"],
            "receipts_root": fields["receiptsRoot"],
        }
        for name, value in parsed.items():
            object.__setattr__(self, name, value)


def _read(encoded: bytes) -> dict[str, bytes]:
    if len(encoded) > _MAX_SIZE:
        raise _malformed(f"it has {len(encoded)} bytes, more than {_MAX_SIZE}")
    items = decode(encoded)
    if isinstance(items, bytes) or len(items) < _FRONTIER:
        raise _malformed(f"it is no list of at least {_FRONTIER} fields")
    return {name: _field(name, size, item) for (name, size), item in zip(_FIELDS, items, strict=False)}


def _field(name: str, size: int, item: Item) -> bytes:
    if not isinstance(item, bytes):
        raise _malformed(f"{name} is a list")
    if size == _NUMBER:
        decode_scalar(item)
    elif size != _ANY and len(item) != size:
        raise _malformed(f"{name} has {len(item)} bytes, not {size}")
    return item


def _malformed(what: str) -> ProofError:
    return ProofError(
        f"block header: {what}",
        code="header",
        hint="Give the RLP of an Ethereum execution block header, as debug_getRawHeader returns it.",
    )
