"""Sending: simulated first, kept before sent, sent again until mined, its fees raised when it is stuck."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mooring.errors import LedgerError, LedgerLied, LedgerRefused, LedgerUnknown
from mooring.ledger.chain import Chain, failure, revert_data
from mooring.ledger.header import hex_bytes
from mooring.ledger.jsonrpc import RpcError
from mooring.ledger.outbox import Attempt, Entry, Order, Outbox
from mooring.ledger.port import Signer, Submission
from mooring.ledger.refusal import Refusal, refused
from mooring.ledger.transaction import Draft, Fees, sign

__all__ = ["Dispatch", "Pace", "Wanted"]

_GWEI = 10**9
_TRANSFER_GAS = 21_000
_RESENT_AT_ONCE = 100
_RENEWED_WITHIN_S = 3 * 86_400.0
_LOST_S = 0.5
"""How soon what the node has lost, in a reorganisation or from a full pool, is sent again."""
_REHEARSED_AT_ONCE = 50
_KNOWN = (
    "already known",
    "known transaction",
    "already imported",
    "alreadyknown",
    "already exists",
    "nonce too low",
    "nonce is too low",
    "oldnonce",
    "replacement transaction underpriced",
)


@dataclass(frozen=True, slots=True)
class Pace:
    """When to act, in seconds, and the most that is ever offered, in wei per gas.

    A transaction is sent again after `resend_s`, and its fees are raised after `stuck_s`. A call that must wait for
    others to be in a block waits at most `settle_s`.
    """

    resend_s: float = 5.0
    stuck_s: float = 45.0
    settle_s: float = 120.0
    fee_cap: int = 2_000 * _GWEI


@dataclass(frozen=True, slots=True)
class Wanted:
    """An order before its gas is known; `asked` names it in messages, `refusal` reads its contract's revert data."""

    order: Order
    asked: str
    refusal: Callable[[bytes], Refusal]


class Dispatch:
    """Sends for any number of callers; the outbox keeps them and their processes from disturbing each other."""

    def __init__(
        self,
        chain: Chain,
        chain_id: int,
        outbox: Outbox,
        signer: Signer,
        pace: Pace,
        clock: Callable[[], float] = time.time,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._chain, self._chain_id, self._outbox, self._signer = chain, chain_id, outbox, signer
        self._pace, self._clock, self._pause = pace, clock, pause

    def submit(self, wanted: Sequence[Wanted]) -> tuple[Submission, ...]:
        """Send each call once per key, in order; raises as the port's `submit` does.

        What one account sends in a row is sent at once, and its nonces keep it in order; the next account's calls wait
        until those before them are in a block.
        """
        rest, submitted = list(wanted), list[Submission]()
        while rest:
            self._await_all(submitted)
            ready, refusal = self._ready(_run(rest))
            if not ready:  # perhaps because of something that was on its way, sent by another thread or process
                self._settle()
                ready, refusal = self._ready(_run(rest))
            if not ready and refusal is not None:
                raise refusal
            submitted += self._keep_and_send(ready)
            rest = rest[len(ready) :]
        return tuple(submitted)

    def resume(self) -> None:
        """Send again what a process that died has left unsent."""
        for sender in self._outbox.senders():
            attempts = [self._newest(entry) for entry in self._outbox.unsent(sender)]
            self._note(attempts, self._chain.send([attempt.signed.raw for attempt in attempts]))

    def nudge(self, entry: Entry) -> None:
        """Help an entry that no block holds yet: send it again, or raise the fees of what holds its sender up."""
        mined = self._chain.nonce(entry.order.sender, "latest")
        first = next(iter(self._outbox.waiting(entry.order.sender, mined)), None)
        if first is None or first.nonce > entry.nonce:
            return  # mined a moment ago, or its nonce was taken by a transaction from elsewhere
        newest = self._newest(first)
        stuck = self._clock() - newest.made_s >= self._pace.stuck_s
        (known,) = self._chain.known([newest.signed.hash])
        if stuck and first.nonce > mined:
            self._fill(first.order, mined)
        if stuck and newest.sent_s is not None:
            self._replace(first, newest)
        wait_s = self._pace.resend_s if known else min(_LOST_S, self._pace.resend_s)
        if newest.sent_s is None or self._clock() - newest.sent_s >= wait_s:
            self._resend(entry)

    def renew(self, entry: Entry) -> bool:
        """Give an entry another nonce, because a transaction from elsewhere finally took its own.

        False if it is too old for that: nodes forget receipts in time, so it may have been mined after all.
        """
        if self._clock() - entry.made_s > _RENEWED_WITHIN_S:
            return False
        newest, fees = self._newest(entry), self._fees()
        nonce = self._chain.nonce(entry.order.sender, "pending")
        made = self._outbox.amend(
            entry.order.key,
            newest.signed,
            lambda moved: self._sign(moved.order, moved.nonce, fees),
            nonce=lambda _: nonce,
        )
        if made:
            self._resend(self._outbox.find(entry.order.key) or entry)
        return True

    # simulation

    def _ready(self, wanted: Sequence[Wanted]) -> tuple[list[Order], LedgerError | None]:
        """Return the orders at the head of one account's run that may be sent now, and why the next may not."""
        known = [self._outbox.check(item.order) for item in wanted]
        fresh = [item for item, entry in zip(wanted, known, strict=True) if entry is None]
        gas = iter(self._gas(fresh))
        ready: list[Order] = []
        for item, entry in zip(wanted, known, strict=True):
            needed = 0 if entry else next(gas, None)
            if needed is None:
                break
            if isinstance(needed, RpcError):
                return ready, _refusal(item, needed)
            ready.append(replace(item.order, draft=replace(item.order.draft, gas=needed)))
        return ready, None

    def _gas(self, fresh: Sequence[Wanted]) -> list[int | RpcError]:
        """Return the gas to give each call after those before it, as far as the node can tell at once."""
        messages = [(item.order.sender, item.order.draft.to, item.order.draft.data) for item in fresh]
        used = self._chain.rehearse(messages) if len(messages) > 1 else None
        if used is not None:  # what was used may be a fifth less than what is needed meanwhile (EIP-3529)
            return [one if isinstance(one, RpcError) else _ample(one + one // 4) for one in used]
        estimates = self._chain.estimate(messages[:1])
        return [one if isinstance(one, RpcError) else _ample(one) for one in estimates]

    def _await_all(self, submitted: Sequence[Submission]) -> None:
        """Wait until what was submitted is in a block; raises LedgerUnknown `predecessor-pending`."""
        entries = [entry for entry in (self._outbox.find(one.key) for one in submitted[-1:]) if entry is not None]
        if not self._mined(entries):
            raise LedgerUnknown(
                f"the call under key {submitted[-1].key!r} is not in a block yet; those after it were not sent",
                code="predecessor-pending",
                hint="submit all of them again, under the same keys, once it is",
            )

    def _settle(self) -> None:
        """Wait for what is on its way now, as long as the pace allows."""
        self._mined(self._in_flight())

    def _mined(self, entries: Sequence[Entry]) -> bool:
        """Wait until blocks hold these entries, and help them; False if the time for that is up."""
        until, rest_s = self._clock() + self._pace.settle_s, 0.01
        while entries := self._flying(entries):
            if self._clock() >= until:
                return False
            for last in {entry.order.sender: entry for entry in entries}.values():
                self.nudge(last)
            self._pause(rest_s)
            rest_s = min(1.0, 1.5 * rest_s)
        return True

    def _flying(self, entries: Sequence[Entry]) -> list[Entry]:
        """Return those that no block holds yet, by nonce."""
        open_ones = sorted((entry for entry in entries if entry.block is None), key=lambda entry: entry.nonce)
        counts = {sender: self._chain.nonce(sender, "latest") for sender in {one.order.sender for one in open_ones}}
        return [entry for entry in open_ones if counts[entry.order.sender] <= entry.nonce]

    # sending

    def _keep_and_send(self, orders: Sequence[Order]) -> list[Submission]:
        fresh = [order for order in orders if self._outbox.find(order.key) is None]
        if fresh:
            fees = self._fees()
            self._check_funds(fresh, fees)
            nonces = {sender: self._chain.nonce(sender, "pending") for sender in {order.sender for order in fresh}}
            self._outbox.add(fresh, nonces.__getitem__, lambda order, nonce: self._sign(order, nonce, fees))
        self._send([self._newest(entry) for entry in self._unsent(orders)])
        return [self._submission(order.key) for order in orders]

    def _submission(self, key: str) -> Submission:
        return Submission(key, f"0x{self._outbox.attempts(key)[0].signed.hash.hex()}")

    def _unsent(self, orders: Sequence[Order]) -> list[Entry]:
        """Return what the node was never seen to take: first what would hold the orders up, then they, in order."""
        place = {order.key: number for number, order in enumerate(orders)}
        senders = dict.fromkeys(order.sender for order in orders)
        unsent = [entry for sender in senders for entry in self._outbox.unsent(sender)]
        return sorted(unsent, key=lambda entry: place.get(entry.order.key, -1))

    def _resend(self, entry: Entry) -> None:
        """Send an entry and whatever stands before it; what the node says against it now is no news."""
        waiting = [item for item in self._waiting(entry.order.sender) if item.nonce <= entry.nonce]
        attempts = [self._newest(item) for item in waiting[:_RESENT_AT_ONCE]]
        self._note(attempts, self._chain.send([attempt.signed.raw for attempt in attempts]))

    def _send(self, attempts: Sequence[Attempt]) -> None:
        """Send what is kept; raises LedgerUnknown if the node did not take it: it stays kept, and is sent again."""
        if not attempts:
            return
        try:
            answers = self._chain.send([attempt.signed.raw for attempt in attempts])
        except LedgerLied:
            raise
        except LedgerError as error:
            raise _unanswered(error.message) from error
        complaint = self._note(attempts, answers)
        if complaint is not None:
            raise _unanswered(complaint.message) from complaint

    def _note(self, attempts: Sequence[Attempt], answers: Sequence[Any]) -> RpcError | None:
        """Keep which transactions the node has taken; return its first complaint about another."""
        taken, complaint = [], None
        for attempt, answer in zip(attempts, answers, strict=True):
            if not isinstance(answer, RpcError):
                _check_hash(attempt, answer)
                taken.append(attempt.signed.hash)
            elif _says(answer, _KNOWN):  # it, or another with its nonce: `confirm` finds out which
                taken.append(attempt.signed.hash)
            else:
                complaint = complaint or answer
        if taken:
            self._outbox.sent(taken)
        return complaint

    def _replace(self, entry: Entry, newest: Attempt) -> None:
        asked = self._chain.fees()
        fees = newest.fees.raised().at_least(asked)
        if fees.max_fee > self._pace.fee_cap or not (newest.fees.max_fee or asked.max_fee):
            return  # it waits: the chain asks for more than may be spent, or takes no fees at all
        made = self._outbox.amend(entry.order.key, newest.signed, lambda now: self._sign(now.order, now.nonce, fees))
        if made:
            self._resend(entry)

    def _fill(self, blocked: Order, gap: int) -> None:
        """Close a gap that was left by a transaction from elsewhere: send nothing to ourselves under its nonce."""
        if self._chain.nonce(blocked.sender, "pending") > gap:
            return  # somebody's transaction waits there
        order = Order(
            f"gap/0x{blocked.sender.hex()}/{gap}",
            blocked.account,
            blocked.sender,
            Draft(blocked.sender, b"", _TRANSFER_GAS),
        )
        fees = self._fees()
        (entry,) = self._outbox.add(
            [order], lambda _: gap, lambda item, nonce: self._sign(item, nonce, fees), exactly=True
        )
        self._resend(entry)

    def _newest(self, entry: Entry) -> Attempt:
        return self._outbox.attempts(entry.order.key)[-1]

    def _waiting(self, sender: bytes) -> list[Entry]:
        return self._outbox.waiting(sender, self._chain.nonce(sender, "latest"))

    def _in_flight(self) -> list[Entry]:
        return [entry for sender in self._outbox.senders() for entry in self._waiting(sender)]

    def _sign(self, order: Order, nonce: int, fees: Fees) -> Attempt:
        signed = sign(self._signer, order.account, self._chain_id, nonce, order.draft, fees)
        return Attempt(signed, nonce, fees, self._clock(), None)

    def _fees(self) -> Fees:
        fees = self._chain.fees()
        if fees.max_fee > self._pace.fee_cap:
            raise LedgerRefused(
                f"the chain asks for {fees.max_fee} wei per gas, more than the {self._pace.fee_cap} that may be spent",
                code="fee-cap",
                hint="wait, or raise `fee_cap` in the ledger's configuration; nothing was sent",
            )
        return fees

    def _check_funds(self, orders: Sequence[Order], fees: Fees) -> None:
        """Refuse what a sender cannot pay for, before anything is kept; a chain without fees is not asked."""
        for sender in {order.sender for order in orders} if fees.max_fee else ():
            needed = sum(order.draft.gas for order in orders if order.sender == sender) * fees.max_fee
            held = self._chain.balance(sender)
            if held < needed:
                raise LedgerRefused(
                    f"account 0x{sender.hex()} holds {held} wei, and up to {needed} may be needed",
                    code="insufficient-funds",
                    hint="send it some of the chain's currency; nothing was sent",
                )


def _run(wanted: Sequence[Wanted]) -> Sequence[Wanted]:
    """Return the calls at the head that one account sends in a row."""
    sender = wanted[0].order.sender
    others = (number for number, item in enumerate(wanted) if item.order.sender != sender)
    return wanted[: min(next(others, len(wanted)), _REHEARSED_AT_ONCE)]


def _ample(estimate: int) -> int:
    """Return gas with room for what changes until it is mined: a vote that completes a quorum costs more."""
    return estimate + estimate // 4 + 60_000


def _refusal(item: Wanted, error: RpcError) -> LedgerError:
    data = revert_data(error)
    return failure("eth_estimateGas", error) if data is None else refused(item.refusal(data), item.asked)


def _check_hash(attempt: Attempt, answer: Any) -> None:
    if hex_bytes(answer, "transaction hash", 32) != attempt.signed.hash:
        raise LedgerLied(
            f"the node calls transaction 0x{attempt.signed.hash.hex()} {answer}",
            code="send-hash",
            hint="ask another node: this one has not sent what it was given",
        )


def _says(error: RpcError, phrases: Sequence[str]) -> bool:
    return any(phrase in error.message.lower() for phrase in phrases)


def _unanswered(why: str) -> LedgerUnknown:
    return LedgerUnknown(
        f"the call is kept, but the node has not taken it yet: {why}",
        code="send-unanswered",
        hint="submit it again under the same key, or `confirm` that key: the same bytes are sent until they are mined",
    )
