"""The EVM adapter: any chain that speaks Ethereum's JSON-RPC, the embedded one included, behind the ledger port."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mooring.errors import ConfigError, LedgerError
from mooring.ledger.chain import Chain, failure, revert_data
from mooring.ledger.confirmation import Confirmation
from mooring.ledger.deployment import Deployment, interface
from mooring.ledger.dispatch import Dispatch, Pace, Wanted
from mooring.ledger.evidence import StateEvidence, block_evidence, state_evidence
from mooring.ledger.header import Header
from mooring.ledger.jsonrpc import RpcError, Transport
from mooring.ledger.logbook import Logbook
from mooring.ledger.outbox import Order, Outbox
from mooring.ledger.port import (
    Call,
    Cursor,
    Event,
    Finality,
    LedgerProfile,
    Outcome,
    Query,
    Signer,
    Step,
    Submission,
    Value,
)
from mooring.ledger.pursuit import Pursuit
from mooring.ledger.refusal import refused
from mooring.ledger.transaction import Draft
from mooring.proofs.anchor import LedgerEvidence
from mooring.records.caip import evm_chain

__all__ = ["EvmLedger", "EvmSettings", "connect"]

_TAG_DEPTH = 64
"""Blocks that a profile states where the chain says itself what is final: two epochs of Ethereum's beacon chain."""


@dataclass(frozen=True, slots=True)
class EvmSettings:
    """How a chain is used.

    `chain_id` None takes what the node says (a chain of our own). `finality_depth` None takes the node's "finalized"
    block. `start_block` is the contracts' first block. `widest` is the most blocks asked for at once. Headers and
    receipts are hashed again unless the chain encodes them in a way of its own.
    """

    outbox: Path
    contracts: Mapping[str, str] = field(default_factory=dict)
    chain_id: int | None = None
    finality_depth: int | None = 0
    operators: int = 1
    kind: str = "evm"
    start_block: int = 0
    widest: int = 10_000
    verify_headers: bool = True
    verify_receipts: bool = True
    pace: Pace = field(default_factory=Pace)


@dataclass(frozen=True, slots=True)
class Line:
    """A chain that was checked, with everything that does not need to know the contracts."""

    chain: Chain
    chain_id: int
    outbox: Outbox
    dispatch: Dispatch
    final: Callable[[Header], int]


def connect(
    transport: Transport,
    settings: EvmSettings,
    signer: Signer,
    clock: Callable[[], float] = time.time,
    pause: Callable[[float], None] = time.sleep,
) -> Line:
    """Check the chain's id and finality, and open its outbox; raises ConfigError `chain-id`, `finality`."""
    chain = Chain(transport, verify_headers=settings.verify_headers)
    chain_id = _checked_id(chain, settings.chain_id)
    final = _finality(chain, settings.finality_depth)
    # A chain that was reset has the same id and another first block: what was sent to the old one is not for the new.
    name = f"eip155:{chain_id}/{chain.need_header(0).name}"
    outbox = Outbox(settings.outbox, name, clock)
    return Line(chain, chain_id, outbox, Dispatch(chain, chain_id, outbox, signer, settings.pace, clock, pause), final)


class EvmLedger:
    """The port over one deployment of the contracts; threads and processes may share its outbox file.

    `transport` is closed by who made it. Raises ConfigError `chain-id`, `contracts`, `no-contract`, `wrong-contract`.
    """

    def __init__(
        self,
        transport: Transport,
        settings: EvmSettings,
        signer: Signer,
        clock: Callable[[], float] = time.time,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._deployment, self._signer = Deployment(settings.contracts), signer
        line = connect(transport, settings, signer, clock, pause)
        self._chain, self._outbox, self._dispatch, self._final = line.chain, line.outbox, line.dispatch, line.final
        depth = settings.finality_depth
        self._profile = LedgerProfile(
            evm_chain(line.chain_id),
            settings.kind,
            settings.operators,
            True,
            _TAG_DEPTH if depth is None else depth,
            self._deployment.contracts,
        )
        try:
            self._deployment.check_code(self._chain)
            self._dispatch.resume()
        except BaseException:
            self.close()
            raise
        self._confirmation = Confirmation(
            self._chain,
            self._outbox,
            self._dispatch,
            self._deployment,
            self._final,
            verified=settings.verify_receipts,
            pause=pause,
        )
        logbook = Logbook(self._chain, self._deployment, settings.widest, verified=settings.verify_receipts)
        self._pursuit = Pursuit(self._chain, logbook, self._final, depth, settings.start_block)

    @property
    def profile(self) -> LedgerProfile:
        """What this chain is, as configured and as checked."""
        return self._profile

    def close(self) -> None:
        """Let go of the outbox."""
        self._outbox.close()

    def submit(self, calls: Sequence[Call]) -> tuple[Submission, ...]:
        """Send calls as the port says; all are simulated first, so a refusal costs nothing and is definite."""
        return self._dispatch.submit([self._wanted(call) for call in calls])

    def confirm(self, submission: Submission, level: Finality, timeout_s: float) -> Outcome:
        """Wait as the port says; an empty `reference` is looked up by key, also after a crash."""
        return self._confirmation.confirm(submission, level, timeout_s)

    def read(self, query: Query, level: Finality = Finality.INCLUDED) -> tuple[Value, ...]:
        """Ask a contract's view; raises LedgerRefused where it reverts."""
        asked, to = interface(query.contract), self._deployment.address(query.contract)
        block: int | str = "latest" if level < Finality.FINAL else self._final_block()
        try:
            data = self._chain.call(to, asked.encode_call(query.method, query.args), block)
        except RpcError as error:
            reverted = revert_data(error)
            if reverted is None:
                raise failure("eth_call", error) from error
            raise refused(self._deployment.refusal(to, reverted), f"{query.contract}.{query.method}") from error
        return asked.decode_result(query.method, query.args, data)

    def follow(self, cursor: Cursor | None, limit: int = 1000) -> Step:
        """Return the next step, as the port says."""
        return self._pursuit.step(cursor, limit)

    def prove(self, event: Event) -> LedgerEvidence:
        """Return evidence from the block's header and receipts; raises LedgerError `event-gone`."""
        return block_evidence(self._chain, self._profile.chain, self._profile.contracts[event.contract], event)

    def state_proof(self, address: str, slots: Sequence[bytes], block: int) -> StateEvidence:
        """Return evidence of a contract's storage at a block; raises LedgerError `rpc-error` where the node cannot."""
        return state_evidence(self._chain, self._profile.chain, address, slots, block)

    def _wanted(self, call: Call) -> Wanted:
        to = self._deployment.address(call.contract)
        data = interface(call.contract).encode_call(call.method, call.args)
        sender = bytes.fromhex(self._signer.address(call.sender)[2:])
        order = Order(call.key, call.sender, sender, Draft(to, data, 0))
        return Wanted(order, f"{call.contract}.{call.method}", lambda error: self._deployment.refusal(to, error))

    def _final_block(self) -> int:
        final = self._final(self._chain.need_header("latest"))
        if final < 0:
            raise LedgerError(
                "no block is final yet", code="not-final", hint="wait until more blocks stand on the first"
            )
        return final


def _checked_id(chain: Chain, configured: int | None) -> int:
    found = chain.chain_id()
    if configured not in (None, found):
        raise ConfigError(
            f"`chain_id` is {configured}, and the node is on chain {found}",
            code="chain-id",
            hint="correct the node's address or `chain_id`; nothing was sent",
        )
    return found


def _finality(chain: Chain, depth: int | None) -> Callable[[Header], int]:
    """Return the rule that says which block is final; raises ConfigError `finality`."""
    if depth is not None and depth < 0:
        raise ConfigError(
            f"`finality_depth` is {depth}", code="finality", hint="give 0 or more blocks, or leave it out"
        )
    if depth is not None:
        return lambda head: max(-1, head.number - depth)
    try:
        chain.header("finalized")
    except LedgerError as error:
        if error.code != "rpc-error":
            raise
        raise ConfigError(
            "`finality_depth` is not set, and the node does not say which block is final",
            code="finality",
            hint="set `finality_depth` to the number of blocks after which this chain is never reorganised",
        ) from error
    return lambda head: _finalized(chain)


def _finalized(chain: Chain) -> int:
    header = chain.header("finalized")
    return -1 if header is None else header.number
