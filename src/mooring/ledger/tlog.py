"""The ledger without a chain: a witnessed transparency log whose rules are kept by this software alone.

Every entry is a "block": its number is its index, its hash the log's root with it as the last entry. It is accepted
when it is durable, included when a checkpoint covers it, final when enough witnesses have cosigned that checkpoint.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from hashlib import sha256
from threading import RLock

from mooring.errors import (
    BusyError,
    ConfigError,
    LedgerError,
    LedgerLied,
    LedgerRefused,
    LedgerUnknown,
    MooringError,
    ProofError,
    RecordError,
    StorageError,
)
from mooring.ledger import entry
from mooring.ledger.answers import answer
from mooring.ledger.ledgerlog import LedgerLog, SealSigner, Witness
from mooring.ledger.logreplay import FOUNDING, LogReplay
from mooring.ledger.port import (
    Call,
    Cursor,
    Event,
    Finality,
    LedgerProfile,
    Outcome,
    Query,
    Signer,
    State,
    Step,
    Submission,
    Value,
)
from mooring.ledger.registry import RegistryState
from mooring.proofs.anchor import LedgerEvidence, LogEvidence
from mooring.proofs.checkpoint import open_checkpoint, read_checkpoint
from mooring.proofs.leaves import read_leaf
from mooring.proofs.merkle import verify_inclusion
from mooring.proofs.note import VerifierKey
from mooring.records.caip import chain_id

__all__ = ["TlogLedger", "TlogSettings", "log_chain"]

_CAVEAT = "only this software refuses it: a log stops no stranger, it shows what they did"
_RANK = {State.UNKNOWN: -1, State.PENDING: 0, State.INCLUDED: 1, State.FINAL: 2}


def log_chain(origin: str) -> str:
    """Return the CAIP-2 id of a log that serves as a ledger."""
    return chain_id("tlog", sha256(origin.encode()).hexdigest()[:32])


@dataclass(frozen=True, slots=True)
class TlogSettings:
    """The log's key and how it signs, who witnesses it, and how many of them make an entry final.

    `operators` is how many independent parties produce the log, as configured; `seal` None only reads.
    """

    log_key: VerifierKey
    seal: SealSigner | None = None
    witness_keys: tuple[VerifierKey, ...] = ()
    witnesses: tuple[Witness, ...] = ()
    witnesses_required: int = 0
    operators: int = 1


class TlogLedger:
    """The port over a log. `write` lends the log to write to, for the time of one submission; None lends `log` itself.

    Threads may share it. Raises LedgerLied `log-entry`, `log-forked`, `log-shrunk` where the log is not what it was, or
    holds what the rules forbid.
    """

    def __init__(
        self,
        log: LedgerLog,
        settings: TlogSettings,
        signer: Signer,
        write: Callable[[], AbstractContextManager[LedgerLog]] | None = None,
        clock: Callable[[], float] = time.time,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._log, self._settings, self._signer = log, settings, signer
        self._write = write or (lambda: nullcontext(log))
        self._clock, self._pause = clock, pause
        self._lock = RLock()
        self._chain = log_chain(log.origin)
        self._replay = LogReplay(self._chain)
        self._final_size = 0
        self._complaint = ""
        self._catch_up(log)

    @property
    def profile(self) -> LedgerProfile:
        """What this log is: it enforces nothing."""
        return LedgerProfile(self._chain, "tlog", self._settings.operators, False, 0, {})

    def found(self, account: str, collection: str, members: Sequence[tuple[str, bytes, int]], threshold: int) -> None:
        """Write the first entry; the same founding again changes nothing, another raises LedgerRefused `key-reused`."""
        args: tuple[Value, ...] = (collection, tuple(members), threshold)
        self.submit([Call("AssetRegistry", FOUNDING, args, account, FOUNDING)])

    def submit(self, calls: Sequence[Call]) -> tuple[Submission, ...]:
        """Append calls as the port says; a refusal comes from this software's rules alone."""
        with self._lock, self._write() as log:
            self._catch_up(log)
            try:
                staged, submissions, refusal = self._stage(calls)
                self._append(log, staged)
            except BaseException:
                self._replay = LogReplay(self._chain)  # it counts what is not in the log: read that again
                raise
            self._seal(log)
        if refusal is not None:
            raise refusal
        return tuple(submissions)

    def confirm(self, submission: Submission, level: Finality, timeout_s: float) -> Outcome:
        """Wait as the port says; what is missing, a checkpoint or cosignatures, is asked for meanwhile."""
        deadline, rest_s = time.monotonic() + timeout_s, 0.05
        while True:
            outcome = self._look(submission)
            left = deadline - time.monotonic()
            if _RANK[outcome.state] >= level or left <= 0:
                return outcome
            if outcome.state != State.UNKNOWN and self._seal_now() and _RANK[self._look(submission).state] >= level:
                continue
            self._pause(min(rest_s, left))
            rest_s = min(2.0, 2 * rest_s)

    def read(self, query: Query, level: Finality = Finality.INCLUDED) -> tuple[Value, ...]:
        """Answer from the state at the level."""
        with self._lock:
            self._catch_up(self._log)
            return answer(self._state(level), query)

    def follow(self, cursor: Cursor | None, limit: int = 1000) -> Step:
        """Return the next sealed entries; a log never unwinds."""
        with self._lock:
            self._catch_up(self._log)
            first, sealed = self._after(cursor), min(self._log.sealed, len(self._replay.blocks))
            last = min(sealed, first + max(1, limit)) - 1
            events = tuple(event for block in self._replay.blocks[first : last + 1] for event in block.events)
            head_time = self._replay.blocks[sealed - 1].time if sealed else 0
            moved = Cursor(((last, self._replay.blocks[last].name),)) if last >= first else cursor or Cursor()
            return Step(events, None, moved, sealed - 1, self._final_size - 1, head_time, last >= sealed - 1)

    def prove(self, event: Event) -> LedgerEvidence:
        """Return the entry with its inclusion proof under the newest checkpoint, verified."""
        with self._lock:
            self._catch_up(self._log)
            self._require(event)
            data = self._log.checkpoint()
            if data is None or event.block >= self._log.sealed:
                raise LedgerError(
                    f"no checkpoint covers entry {event.block} yet", code="not-sealed", hint="confirm it first"
                )
            checkpoint = self._opened(data, required=0)
            (leaf,) = self._log.entries(event.block, event.block + 1)
            path = tuple(self._log.inclusion(event.block, checkpoint[0]))
            block = self._replay.blocks[event.block]
            try:
                read_leaf(leaf, self._chain)
                verify_inclusion(block.leaf, event.block, checkpoint[0], path, checkpoint[1])
            except ProofError as error:
                raise _lied("log-forked", f"entry {event.block} is not under its checkpoint: {error}") from error
            return LogEvidence(self._chain, self._log.origin, leaf, event.block, path, data)

    # deciding and appending

    def _stage(self, calls: Sequence[Call]) -> tuple[list[bytes], list[Submission], MooringError | None]:
        """Decide calls in order, each on the state that those before it leave; stop at the first that is refused."""
        staged: list[bytes] = []
        submissions: list[Submission] = []
        for call in calls:
            try:
                data = self._decided(call)
            except (LedgerRefused, ConfigError) as error:
                return staged, submissions, _without_force(error)
            if data is not None:
                staged.append(data)
            index = self._replay.find(call.key)
            assert index is not None
            submissions.append(Submission(call.key, self._replay.blocks[index].reference))
        return staged, submissions, None

    def _decided(self, call: Call) -> bytes | None:
        """Return the new entry for a call, counted in the replay already; None if its key is known."""
        address = self._signer.address(call.sender)
        named = Call(call.contract, call.method, call.args, address, call.key)
        if self._replay.find(call.key) is not None:
            if not self._replay.same(call.key, entry.content_of(self._chain, named)):
                raise LedgerRefused(
                    f"key {call.key!r} already stands for another call",
                    code="key-reused",
                    hint="use a key of its own for every call",
                )
            return None
        effects = self._replay.decide(named)
        signed, time_s = entry.sign(self._signer, self._chain, call), int(self._clock())
        try:
            data = entry.write(signed, time_s, call.contract, effects)
        except RecordError as error:
            raise LedgerRefused(error.message, code=error.code, hint=error.hint) from error
        self._replay.take(signed, data, time_s, effects)
        return data

    def _append(self, log: LedgerLog, staged: Sequence[bytes]) -> None:
        """Make staged entries durable."""
        if not staged:
            return
        try:
            log.append(staged)
        except StorageError as error:
            if error.definite:
                raise LedgerError(error.message, code=error.code, hint=error.hint) from error
            raise LedgerUnknown(
                f"{error.message}; the entries may be in the log",
                code="append-unknown",
                hint="submit again under the same keys: what is there already is found",
            ) from error
        self._check_root(log)

    def _seal_now(self) -> bool:
        """Try to seal for somebody who waits; False if this ledger only reads, or another process writes."""
        if self._settings.seal is None:
            return False
        try:
            with self._lock, self._write() as log:
                self._seal(log)
        except BusyError as error:
            self._complaint = f"{error.code}: {error.message}"
            return False
        return True

    def _seal(self, log: LedgerLog) -> None:
        """Seal what is durable and ask the witnesses who have not cosigned.

        What fails here takes nothing back: it is tried again, and shown, by `confirm`.
        """
        if self._settings.seal is None or log.size == 0:
            return
        self._complaint = ""
        try:
            data = log.checkpoint()
            if data is None or log.sealed < log.size:
                data = log.seal(self._settings.seal)
            if self._settings.witnesses_required and self._cosigned(data) is None:
                data = self._ask_witnesses(log, data)
        except StorageError as error:
            self._complaint = f"{error.code}: {error.message}"
            return
        self._note_final(data)

    def _ask_witnesses(self, log: LedgerLog, data: bytes) -> bytes:
        text = read_checkpoint(data)[0].text
        for witness in self._settings.witnesses:
            try:
                signatures = witness(data, log.consistency)
            except MooringError as error:
                self._complaint = f"{error.code}: {error.message}"
                continue
            if signatures:
                data = log.cosign(text, signatures)
        return data

    # looking

    def _look(self, submission: Submission) -> Outcome:
        with self._lock:
            self._catch_up(self._log)
            index = self._replay.find(submission.key)
            if index is None and not submission.reference:
                raise LedgerError(
                    f"nothing was ever submitted here under key {submission.key!r}",
                    code="unknown-submission",
                    hint="submit it now: what is not in the log has not happened",
                )
            if index is None:
                return Outcome(State.UNKNOWN, submission.reference)
            block = self._replay.blocks[index]
            if index < self._final_size:
                state = State.FINAL
            else:
                state = State.INCLUDED if index < self._log.sealed else State.PENDING
            reason = "" if state == State.FINAL else self._complaint
            return Outcome(state, block.reference, index, block.name, block.size, reason, block.events)

    def _catch_up(self, log: LedgerLog) -> None:
        """Read what the log has and the replay has not, and check that the rest is still what it was."""
        log.refresh()
        known = len(self._replay.blocks)
        if log.size < known:
            raise _lied("log-shrunk", f"the log has {log.size} entries, and had {known}")
        if known:
            self._check_root(log)
        self._replay.extend(log.entries(known, log.size))
        self._check_root(log)
        self._note_final(log.checkpoint())

    def _check_root(self, log: LedgerLog) -> None:
        size = len(self._replay.blocks)
        if size and log.root(size) != self._replay.blocks[-1].root:
            raise _lied("log-forked", f"the first {size} entries of the log are not those that were read before")

    def _note_final(self, data: bytes | None) -> None:
        size = self._cosigned(data) if data is not None else None
        if size is not None and size > self._final_size:
            self._final_size = size

    def _cosigned(self, data: bytes) -> int | None:
        """Return the checkpoint's size if enough witnesses cosigned it."""
        try:
            return self._opened(data, self._settings.witnesses_required)[0]
        except LedgerLied as error:
            if isinstance(error.__cause__, ProofError) and error.__cause__.code == "cosignature-quorum":
                return None
            raise

    def _opened(self, data: bytes, required: int) -> tuple[int, bytes]:
        """Return size and root of a checkpoint that the log's key signed."""
        keys = self._settings.witness_keys
        try:
            signed = open_checkpoint(
                data, self._settings.log_key, keys, required, int(self._clock()), origin=self._log.origin
            )
        except ProofError as error:
            raise _lied("log-checkpoint", f"its checkpoint does not hold: {error.message}") from error
        return signed.checkpoint.size, signed.checkpoint.root

    def _state(self, level: Finality) -> RegistryState:
        sizes = {Finality.ACCEPTED: len(self._replay.blocks), Finality.INCLUDED: self._log.sealed}
        return self._replay.state_at(min(sizes.get(level, self._final_size), len(self._replay.blocks)))

    def _after(self, cursor: Cursor | None) -> int:
        """Return the entry after the cursor; raises LedgerLied if the log is another than the one it was made on."""
        if cursor is None or not cursor.trail:
            return 0
        block, name = cursor.trail[-1]
        if block >= len(self._replay.blocks):
            raise _lied("log-shrunk", f"entry {block} was followed, and the log has {len(self._replay.blocks)}")
        if self._replay.blocks[block].name != name:
            raise _lied("log-forked", f"entry {block}, or one before it, is not the one that was followed")
        return block + 1

    def _require(self, event: Event) -> None:
        blocks = self._replay.blocks
        if event.block >= len(blocks) or event not in blocks[event.block].events:
            raise LedgerError(
                f"event {event.name} at entry {event.block} is not in the log",
                code="event-gone",
                hint="it comes from another log, or was altered",
            )


def _without_force(error: LedgerRefused | ConfigError) -> MooringError:
    if not isinstance(error, LedgerRefused):
        return error
    return LedgerRefused(f"{error.message} ({_CAVEAT})", code=error.code, hint=error.hint)


def _lied(code: str, what: str) -> LedgerLied:
    return LedgerLied(
        f"the ledger's log contradicts what it said before: {what}",
        code=code,
        hint="stop: compare the log with its witnesses' copies",
    )
