"""The log ledger's state: every entry read again, its signature verified and its events decided again by the rules."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from mooring.errors import ConfigError, LedgerLied, LedgerRefused
from mooring.ledger.entry import LogCall, read
from mooring.ledger.governance import Effects
from mooring.ledger.port import Call, Event
from mooring.ledger.registry import RegistryState
from mooring.ledger.rules import decide, found
from mooring.proofs.merkle import CompactRange, leaf_hash

__all__ = ["FOUNDING", "LogBlock", "LogReplay"]

FOUNDING = "constructor"
_REGISTRY = "AssetRegistry"


@dataclass(frozen=True, slots=True)
class LogBlock:
    """One entry as a block: its events, the log's root with it as the last entry, its leaf hash, time and size."""

    events: tuple[Event, ...]
    root: bytes
    leaf: bytes
    time: int
    size: int

    @property
    def name(self) -> str:
        """The root as the port writes it: it names the entry and everything before it."""
        return f"0x{self.root.hex()}"

    @property
    def reference(self) -> str:
        """The leaf hash as the port writes it."""
        return f"0x{self.leaf.hex()}"


class LogReplay:
    """The entries taken so far, and the state after them."""

    def __init__(self, ledger: str) -> None:
        self._ledger = ledger
        self._range = CompactRange()
        self._contents: dict[str, tuple[int, bytes]] = {}
        self.blocks: list[LogBlock] = []
        self.state = RegistryState()

    def extend(self, entries: Iterable[bytes]) -> None:
        """Take entries in; raises LedgerLied `log-entry` for one that the rules would not have allowed."""
        for data in entries:
            signed, time_s, recorded = read(data, self._ledger)
            try:
                effects = self.decide(signed.call)
            except (LedgerRefused, ConfigError) as error:
                raise self._lied(f"the rules refuse its call: {error.message}") from error
            if signed.call.key in self._contents:
                raise self._lied(f"its key {signed.call.key!r} was used before")
            if effects != recorded:
                raise self._lied("it records other events than its call causes")
            self.take(signed, data, time_s, effects)

    def decide(self, call: Call) -> Effects:
        """Return the events of a call (its sender is an address) on the present state; raises as `rules.decide`."""
        founding = (call.contract, call.method) == (_REGISTRY, FOUNDING)
        if founding and not self.blocks:
            return _found(call)
        if not self.blocks or founding:
            raise ConfigError(
                "the ledger was founded already" if self.blocks else "the ledger has no members yet",
                code="not-founded" if not self.blocks else "founded",
                hint="found it once, with its first members, before anything else",
            )
        return decide(self.state, call, call.sender)

    def take(self, signed: LogCall, data: bytes, time_s: int, effects: Effects) -> LogBlock:
        """Count an entry whose events were decided on the present state."""
        leaf, index = leaf_hash(data), len(self.blocks)
        self._range.append(leaf)
        root, contract = self._range.root(), signed.call.contract
        name, reference = f"0x{root.hex()}", f"0x{leaf.hex()}"
        events = tuple(
            Event(contract, event, args, index, name, position, reference, time_s)
            for position, (event, args) in enumerate(effects)
        )
        for event in events:
            self.state.apply(event)
        block = LogBlock(events, root, leaf, time_s, len(data))
        self.blocks.append(block)
        self._contents[signed.call.key] = (index, signed.content)
        return block

    def find(self, key: str) -> int | None:
        """Return the entry that a key stands for."""
        known = self._contents.get(key)
        return None if known is None else known[0]

    def same(self, key: str, content: bytes) -> bool:
        """Tell whether a known key stands for this content."""
        return self._contents[key][1] == content

    def state_at(self, size: int) -> RegistryState:
        """Return the state after the first `size` entries."""
        if size == len(self.blocks):
            return self.state
        state = RegistryState()
        for block in self.blocks[:size]:
            for event in block.events:
                state.apply(event)
        return state

    def _lied(self, why: str) -> LedgerLied:
        return LedgerLied(
            f"entry {len(self.blocks)} of the ledger's log breaks its rules: {why}",
            code="log-entry",
            hint="the log was written to by another program, or altered: compare it with a witness's copy",
        )


def _found(call: Call) -> Effects:
    """Return the founding's events; its arguments are (collection, members, threshold)."""
    values: Any = call.args
    try:
        _, members, threshold = values
        seats = [(str(account), bytes(org), int(roles)) for account, org, roles in members]
        return found(seats, int(threshold))
    except (TypeError, ValueError) as error:
        raise LedgerRefused(
            f"the founding members cannot be read: {error}",
            code="arguments",
            hint="give (collection, ((account, organisation, roles), …), threshold)",
        ) from error
