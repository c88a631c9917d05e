"""The contracts' rules in Python: what a call would do to a state, or why it is refused.

Refusals have the codes of the contracts' custom errors in kebab case, the same that the EVM adapter gives.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mooring.errors import ConfigError, LedgerRefused
from mooring.ledger import anchoring, governance, lifecycle
from mooring.ledger.governance import Effects
from mooring.ledger.port import Call, Value
from mooring.ledger.registry import RegistryState
from mooring.proofs.keys import checksum_address

__all__ = ["decide", "fitted", "found"]

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_UINT = re.compile(r"uint(\d+)")


@dataclass(frozen=True, slots=True)
class _Method:
    """A method's parameter types and its rule, which takes the state, the sender and the arguments."""

    types: tuple[str, ...]
    rule: Callable[..., Effects]


def decide(state: RegistryState, call: Call, sender: str) -> Effects:
    """Return the events that the call causes, in the contract's order; `sender` is an EIP-55 address.

    Raises LedgerRefused with the contract's error, LedgerRefused `arguments` for values that do not fit, ConfigError
    `no-such-method`.
    """
    method = _method(call)
    return method.rule(state, sender, *fitted(method.types, call.args, f"{call.contract}.{call.method}"))


def found(members: Sequence[tuple[str, bytes, int]], threshold: int) -> Effects:
    """Return the events with which a registry begins: founding members (account, organisation, roles), threshold."""
    return governance.found(members, threshold)


def fitted(types: Sequence[str], args: Sequence[Value], asked: str) -> list[Any]:
    """Return the arguments as the rules compare them; raises LedgerRefused `arguments` where one is not of its type."""
    for kind, value in zip(types, args, strict=True):
        if not _fits(kind, value):
            raise LedgerRefused(
                f"{asked} cannot be called so: {value!r} is no {kind}"[:400],
                code="arguments",
                hint="words are 32 bytes, addresses EIP-55 strings, numbers not negative and in range",
            )
    return [_canonical(kind, value) for kind, value in zip(types, args, strict=True)]


def _canonical(kind: str, value: Value) -> Value:
    return checksum_address(bytes.fromhex(str(value)[2:])) if kind == "address" else value


def _method(call: Call) -> _Method:
    named = [m for m in _METHODS.get((call.contract, call.method), ()) if len(m.types) == len(call.args)]
    fitting = [m for m in named if all(map(_fits, m.types, call.args))]
    if named:
        return (fitting or named)[0]
    raise ConfigError(
        f"{call.contract} has no method {call.method!r} with {len(call.args)} arguments that changes its state",
        code="no-such-method",
        hint=f"it has {', '.join(sorted(m for c, m in _METHODS if c == call.contract)) or 'none: check its name'}",
    )


def _fits(kind: str, value: Value) -> bool:
    uint = _UINT.fullmatch(kind)
    if uint is not None:
        return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << int(uint[1])
    if kind == "bytes32[]":
        return isinstance(value, tuple) and all(_fits("bytes32", item) for item in value)
    if kind == "address":
        return isinstance(value, str) and _ADDRESS.fullmatch(value) is not None
    if kind == "string":
        return isinstance(value, str) and not any("\ud800" <= letter <= "\udfff" for letter in value)
    return isinstance(value, bool) if kind == "bool" else isinstance(value, bytes) and _sized(kind, value)


def _sized(kind: str, value: bytes) -> bool:
    return kind == "bytes" or len(value) == 32


def _safe_transfer(state: RegistryState, sender: str, giver: str, to: str, token: int, data: bytes = b"") -> Effects:
    """Accounts of a log are no contracts, so there is nobody to ask whether they can hold a token."""
    return lifecycle.transfer(state, sender, giver, to, token)


_REGISTRY: Mapping[str, Sequence[_Method]] = {
    "setMember": [_Method(("address", "bytes32", "uint8"), governance.set_member)],
    "setThreshold": [_Method(("uint8",), governance.set_threshold)],
    "retract": [_Method(("bytes32",), governance.retract)],
    "registerKey": [_Method(("bytes32", "uint64", "uint64"), governance.register_key)],
    "revokeKey": [_Method(("bytes32", "uint64"), governance.revoke_key)],
    "createAsset": [_Method(("uint8", "string", "address", "uint96"), lifecycle.create_asset)],
    "propose": [_Method(("uint256", "string", "bytes32", "bytes32", "bytes32[]"), lifecycle.propose)],
    "approve": [
        _Method(("bytes32", "bytes32"), lifecycle.approve),
        _Method(("address", "uint256"), lifecycle.approve_token),
    ],
    "approveRound": [_Method(("bytes32", "uint32", "bytes32"), lifecycle.approve_round)],
    "activate": [_Method(("bytes32",), lifecycle.activate)],
    "suspend": [_Method(("bytes32", "bytes32"), lifecycle.suspend)],
    "rollback": [_Method(("uint256", "bytes32", "bytes32"), lifecycle.rollback)],
    "retire": [_Method(("bytes32", "bytes32"), lifecycle.retire)],
    "revoke": [_Method(("bytes32", "bytes32"), lifecycle.revoke)],
    "setPolicy": [_Method(("uint256", "bytes32"), lifecycle.set_policy)],
    "setApprovalForAll": [_Method(("address", "bool"), lifecycle.set_approval_for_all)],
    "transferFrom": [_Method(("address", "address", "uint256"), lifecycle.transfer)],
    "safeTransferFrom": [
        _Method(("address", "address", "uint256"), _safe_transfer),
        _Method(("address", "address", "uint256", "bytes"), _safe_transfer),
    ],
}
_ANCHOR: Mapping[str, Sequence[_Method]] = {
    "open": [_Method(("string", "uint64", "bytes32"), anchoring.open_origin)],
    "anchor": [_Method(("bytes32", "uint64", "bytes32"), anchoring.anchor)],
    "handOver": [_Method(("bytes32", "address"), anchoring.hand_over)],
}
_METHODS = {("AssetRegistry", name): methods for name, methods in _REGISTRY.items()} | {
    ("CheckpointAnchor", name): methods for name, methods in _ANCHOR.items()
}
