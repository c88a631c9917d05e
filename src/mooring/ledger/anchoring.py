"""The rules of anchored logs, as the contract `CheckpointAnchor` has them."""

from __future__ import annotations

from mooring.ledger.facts import NO_WORD, NOBODY, Origin, origin_id
from mooring.ledger.governance import Effect, Effects
from mooring.ledger.lifecycle import require_length
from mooring.ledger.refusal import deny
from mooring.ledger.registry import RegistryState
from mooring.proofs.merkle import EMPTY_ROOT

__all__ = ["anchor", "hand_over", "open_origin"]


def open_origin(state: RegistryState, sender: str, origin: str, size: int, root: bytes) -> Effects:
    """Open a log that the sender writes."""
    require_length(origin)
    _require_root(size, root)
    identity = origin_id(sender, origin)
    if identity in state.origins:
        raise deny("OriginExists", originId=identity)
    opened: Effect = ("OriginOpened", {"originId": identity, "writer": sender, "origin": origin})
    return (opened, _anchored(identity, size, root))


def anchor(state: RegistryState, sender: str, identity: bytes, size: int, root: bytes) -> Effects:
    """Anchor a larger checkpoint."""
    origin = _written(state, sender, identity)
    if size <= origin.size:
        raise deny("NotGrowing", originId=identity, size=origin.size, offered=size)
    _require_root(size, root)
    return (_anchored(identity, size, root),)


def hand_over(state: RegistryState, sender: str, identity: bytes, writer: str) -> Effects:
    """Let another account write the log."""
    _written(state, sender, identity)
    if writer in (NOBODY, sender):
        raise deny("BadWriter", writer=writer)
    return (("HandedOver", {"originId": identity, "from": sender, "to": writer}),)


def _written(state: RegistryState, sender: str, identity: bytes) -> Origin:
    origin = state.origins.get(identity)
    if origin is None:
        raise deny("UnknownOrigin", originId=identity)
    if origin.writer != sender:
        raise deny("NotWriter", originId=identity, account=sender)
    return origin


def _anchored(identity: bytes, size: int, root: bytes) -> Effect:
    return ("Anchored", {"originId": identity, "size": size, "root": root})


def _require_root(size: int, root: bytes) -> None:
    if root == NO_WORD or (size == 0) != (root == EMPTY_ROOT):
        raise deny("BadRoot", size=size, root=root)
