"""One state change on the ledger, asked for once however often the workflow runs."""

from __future__ import annotations

from hashlib import sha256

from mooring.errors import LedgerRefused, LedgerUnknown
from mooring.ledger.port import Call, Finality, Outcome, State, Value
from mooring.ledger.registry import RegistryState
from mooring.ledger.rules import decide
from mooring.workflows.deployment import Actor, Deployment

__all__ = ["call_key", "check_call", "election", "transact"]


def call_key(contract: str, method: str, args: tuple[Value, ...], sender: str, occasion: str) -> str:
    """Return the idempotency key of a call: the same act on the same occasion is done once."""
    return sha256(repr((contract, method, args, sender, occasion)).encode()).hexdigest()


def election(state: RegistryState) -> str:
    """Return what tells this point in the quorum's votes apart from all others: a vote that lapsed is cast anew."""
    ballots = sorted((action.hex(), len(ballot.votes)) for action, ballot in state.open_ballots().items())
    return f"{state.epoch}/{sorted(state.nonces.items())}/{ballots}"


def check_call(
    deployment: Deployment, state: RegistryState, actor: Actor, method: str, args: tuple[Value, ...]
) -> None:
    """Raise what the registry's rules would refuse a call with: what is refused here is not attested first."""
    decide(state, Call("AssetRegistry", method, args, actor.name, ""), deployment.keys.address(actor.name))


def transact(
    deployment: Deployment, sender: str, contract: str, method: str, args: tuple[Value, ...], occasion: str = ""
) -> Outcome:
    """Submit a call and wait until the ledger includes it.

    `occasion` tells apart the times at which the same call is meant anew. Raises LedgerRefused with the contract's
    reason, or LedgerUnknown when time is up: running the same workflow again finds out and does nothing twice.
    """
    key = call_key(contract, method, args, sender, occasion)
    (submission,) = deployment.ledger.submit([Call(contract, method, args, sender, key)])
    outcome = deployment.ledger.confirm(submission, Finality.INCLUDED, deployment.confirm_timeout_s)
    if outcome.state is State.REFUSED:
        raise LedgerRefused(
            f"{contract}.{method} was refused: {outcome.reason}", code="refused", hint="see what the ledger's rule asks"
        )
    if outcome.state in (State.UNKNOWN, State.PENDING):
        raise LedgerUnknown(
            f"{contract}.{method} was sent ({outcome.reference}) and is {outcome.state} after "
            f"{deployment.confirm_timeout_s:g} s",
            code="unconfirmed",
            hint="run the same command again: it finds out what became of it and sends nothing twice",
        )
    return outcome
