"""Confirming: what became of a submission, said only as strongly as the chain's own commitments allow."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from mooring.errors import LedgerError, LedgerLied
from mooring.ledger.chain import Chain, revert_data
from mooring.ledger.deployment import Deployment
from mooring.ledger.dispatch import Dispatch
from mooring.ledger.header import Header, Receipt, hex_bytes
from mooring.ledger.outbox import Entry, Outbox
from mooring.ledger.port import Event, Finality, Outcome, State, Submission
from mooring.ledger.refusal import Refusal

__all__ = ["Confirmation", "FinalityRule"]

_CHEAP = 64
"""Transactions in a block up to which its receipts are fetched and hashed at once, and not only when it is final."""
_SURE_S = 2.0
_RANK = {State.UNKNOWN: -1, State.PENDING: 0, State.INCLUDED: 1, State.FINAL: 2, State.REFUSED: 2}


FinalityRule: TypeAlias = Callable[[Header], int]
"""Returns the number of the newest final block, given the head; -1 if none is."""


class Confirmation:
    """Asks for receipts, verifies them unless `verified` is False, and helps what is stuck."""

    def __init__(
        self,
        chain: Chain,
        outbox: Outbox,
        dispatch: Dispatch,
        deployment: Deployment | None,
        final: FinalityRule,
        *,
        verified: bool = True,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._chain, self._outbox, self._dispatch = chain, outbox, dispatch
        self._deployment, self._final, self._verify = deployment, final, verified
        self._clock, self._pause = clock, pause
        self._seen_taken: dict[str, float] = {}

    def confirm(self, submission: Submission, level: Finality, timeout_s: float) -> Outcome:
        """Wait as the port's `confirm` does; a node that does not answer makes the outcome unknown, never failed."""
        deadline, rest_s = self._clock() + timeout_s, 0.01
        while True:
            outcome = self._attempt(submission, level)
            left = deadline - self._clock()
            if _RANK[outcome.state] >= level or left <= 0:
                return outcome
            self._pause(min(rest_s, left))
            rest_s = min(1.0, 1.5 * rest_s)

    def _attempt(self, submission: Submission, level: Finality) -> Outcome:
        entry = self._entry(submission)
        try:
            outcome = self._look(submission, entry, level)
            if entry is not None and outcome.block is None:
                outcome = replace(outcome, reason=self._help(entry, known=outcome.state == State.PENDING))
        except LedgerLied:
            raise
        except LedgerError as error:
            return Outcome(State.UNKNOWN, submission.reference, reason=f"{error.code}: {error.message}")
        return outcome

    def _entry(self, submission: Submission) -> Entry | None:
        entry = self._outbox.find(submission.key)
        if entry is None and submission.reference:
            entry = self._outbox.find_hash(hex_bytes(submission.reference, "submission's reference", 32))
        if entry is None and not submission.reference:
            raise LedgerError(
                f"nothing was ever submitted here under key {submission.key!r}",
                code="unknown-submission",
                hint="use the outbox of the process that submitted it, or submit it now",
            )
        return entry

    def _look(self, submission: Submission, entry: Entry | None, level: Finality) -> Outcome:
        hashes = self._hashes(submission, entry)
        receipts = self._chain.receipts(hashes)
        for receipt in (found for found in receipts if found is not None):
            header = self._chain.header(receipt.block)
            if header is not None and header.hash == receipt.block_hash:
                return self._mined(entry, receipt, header, level)
        known = any(self._chain.known(hashes))
        return Outcome(State.PENDING if known else State.UNKNOWN, submission.reference)

    def _hashes(self, submission: Submission, entry: Entry | None) -> Sequence[bytes]:
        if entry is None:
            return [hex_bytes(submission.reference, "submission's reference", 32)]
        return [attempt.signed.hash for attempt in self._outbox.attempts(entry.order.key)]

    def _mined(self, entry: Entry | None, receipt: Receipt, header: Header, level: Finality) -> Outcome:
        final = receipt.block <= self._final(self._chain.need_header("latest"))
        if self._verify and (final or len(header.transactions) <= _CHEAP):
            receipt = self._verified(receipt, header)
        if final and entry is not None:
            self._outbox.settle(entry.order.key, receipt.block)
        reference, name = f"0x{receipt.transaction.hex()}", header.name
        if receipt.ok:
            state = State.FINAL if final else State.INCLUDED
            return Outcome(state, reference, receipt.block, name, receipt.gas_used, "", self._events(receipt, header))
        # A refusal may still be undone by a reorganisation, so it answers a question about finality only when final.
        state = State.REFUSED if final or level < Finality.FINAL else State.PENDING
        return Outcome(state, reference, receipt.block, name, receipt.gas_used, self._reason(entry, receipt))

    def _verified(self, receipt: Receipt, header: Header) -> Receipt:
        """Return the receipt as the block commits to it; raises LedgerLied `receipt-invented`, `receipts-root`."""
        held = self._chain.block_receipts([header])[0].receipts.get(receipt.transaction)
        if held is None or (held.index, held.encoded) != (receipt.index, receipt.encoded):
            raise LedgerLied(
                f"the receipt of 0x{receipt.transaction.hex()} is not the one that block {header.number} commits to",
                code="receipt-invented",
                hint="ask another node: this one invents or changes receipts",
            )
        return held

    def _events(self, receipt: Receipt, header: Header) -> tuple[Event, ...]:
        if self._deployment is None:
            return ()
        events = (self._deployment.event(log, header.timestamp) for log in receipt.logs)
        return tuple(event for event in events if event is not None)

    def _reason(self, entry: Entry | None, receipt: Receipt) -> str:
        """Return why it failed, by running it again before and after its block, as good as that can tell."""
        if entry is None:
            return "reverted"
        draft = entry.order.draft
        if receipt.gas_used >= draft.gas:
            return "out-of-gas"
        message = (entry.order.sender, draft.to, draft.data)
        for block in (receipt.block - 1, receipt.block):  # the state between the two, in the block, cannot be asked for
            error = self._chain.replay(message, draft.gas, block)
            data = revert_data(error) if error is not None else None
            if data is not None and self._deployment is not None:
                return str(self._deployment.refusal(draft.to, data))
        return str(Refusal(""))

    def _help(self, entry: Entry, *, known: bool) -> str:
        """Send again, raise fees, or take another nonce once ours is certainly lost to a transaction from elsewhere.

        Returns what stands in the way, if something does.
        """
        if entry.block is not None:
            return f"seen-final: it was final in block {entry.block}, of which the node does not tell any more"
        if known or not self._taken(entry):
            self._dispatch.nudge(entry)
            return ""
        now = self._clock()
        if now - self._seen_taken.setdefault(entry.order.key, now) < _SURE_S:
            return f"nonce-taken: another transaction has nonce {entry.nonce}"
        del self._seen_taken[entry.order.key]
        if self._dispatch.renew(entry):
            return f"nonce-taken: another transaction had nonce {entry.nonce}; sent again with the next"
        return f"nonce-taken: nonce {entry.nonce} was used so long ago that the node may have forgotten by what"

    def _taken(self, entry: Entry) -> bool:
        """Tell whether a final block holds a transaction with the entry's nonce."""
        final = self._final(self._chain.need_header("latest"))
        return final >= 0 and self._chain.nonce(entry.order.sender, final) > entry.nonce
