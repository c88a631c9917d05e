"""Deploying the contracts on a chain: once, however often it is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mooring.errors import LedgerError, LedgerRefused, LedgerUnknown
from mooring.ledger.confirmation import Confirmation
from mooring.ledger.deployment import Deployment, creation_code, interface
from mooring.ledger.dispatch import Wanted
from mooring.ledger.evm import EvmSettings, Line, connect
from mooring.ledger.jsonrpc import Transport
from mooring.ledger.outbox import Order
from mooring.ledger.port import Finality, Outcome, Signer, State, Submission
from mooring.ledger.transaction import Draft, created_address
from mooring.proofs.keccak import keccak256
from mooring.proofs.keys import checksum_address

__all__ = ["Founded", "deploy"]

_TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True)
class Founded:
    """Where the contracts stand, the first block that holds one, and what their creation cost in gas."""

    contracts: Mapping[str, str]
    start_block: int
    gas: Mapping[str, int]


def deploy(
    transport: Transport,
    settings: EvmSettings,
    signer: Signer,
    account: str,
    collection: str,
    members: Sequence[tuple[str, bytes, int]],
    threshold: int,
    timeout_s: float = _TIMEOUT_S,
) -> Founded:
    """Create the contracts, paid for by `account`, for these founding members (address, organisation, roles).

    The same arguments with the same outbox give the same contracts. Raises LedgerRefused where the contract refuses
    the members, LedgerUnknown `deploy-pending` if it is not mined in time: deploy again, and it goes on.
    """
    line = connect(transport, settings, signer)
    try:
        arguments = {"AssetRegistry": (collection, tuple(members), threshold), "CheckpointAnchor": ()}
        wanted = [_wanted(line, signer, account, name, creation_code(name, *args)) for name, args in arguments.items()]
        submissions = line.dispatch.submit(wanted)
        outcomes = [_mined(line, one, timeout_s, verified=settings.verify_receipts) for one in submissions]
        contracts = {n: _address(line, s, o) for n, s, o in zip(arguments, submissions, outcomes, strict=True)}
        Deployment(contracts).check_code(line.chain)
    finally:
        line.outbox.close()
    gas = {name: outcome.cost for name, outcome in zip(arguments, outcomes, strict=True)}
    return Founded(contracts, min(outcome.block or 0 for outcome in outcomes), gas)


def _wanted(line: Line, signer: Signer, account: str, name: str, code: bytes) -> Wanted:
    sender = bytes.fromhex(signer.address(account)[2:])
    order = Order(f"deploy/{name}/{keccak256(sender + code).hex()}", account, sender, Draft(b"", code, 0))
    return Wanted(order, f"creation of {name}", interface(name).decode_revert)


def _mined(line: Line, submission: Submission, timeout_s: float, *, verified: bool) -> Outcome:
    confirmation = Confirmation(line.chain, line.outbox, line.dispatch, None, line.final, verified=verified)
    outcome = confirmation.confirm(submission, Finality.INCLUDED, timeout_s)
    if outcome.state == State.REFUSED:
        raise LedgerRefused(
            f"the contract was not created: {outcome.reason}",
            code="deploy-refused",
            hint="look at the transaction on the chain; deploy again with another account or more gas",
        )
    if outcome.state not in (State.INCLUDED, State.FINAL):
        raise LedgerUnknown(
            f"the contract's creation is {outcome.state} after {timeout_s:.0f} s {outcome.reason}",
            code="deploy-pending",
            hint="deploy again with the same arguments: it goes on where it stands",
        )
    return outcome


def _address(line: Line, submission: Submission, outcome: Outcome) -> str:
    """Return where the transaction that was mined has created its contract."""
    entry = line.outbox.find(submission.key)
    attempts = {f"0x{a.signed.hash.hex()}": a.nonce for a in line.outbox.attempts(submission.key)}
    if entry is None or outcome.reference not in attempts:
        raise LedgerError("the outbox lost the deployment", code="outbox-corrupt", hint="restore it from a backup")
    return checksum_address(created_address(entry.order.sender, attempts[outcome.reference]))
