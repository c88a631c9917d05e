"""Questions put to the state of a block: balances, code, storage, calls and the gas that a call needs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from mooring.errors import LedgerRefused
from mooring.ledger.embedded.database import ChainDatabase
from mooring.ledger.embedded.evm import (
    AccountDB,
    Accounts,
    Computation,
    Header,
    Machine,
    OutOfGas,
    PragueVM,
    Revert,
    SpoofTransaction,
    UnsignedDynamicFeeTransaction,
    ValidationError,
    machine,
)
from mooring.ledger.embedded.transaction import MAX_GAS, call_gas_floor, intrinsic_gas

__all__ = ["CallRequest", "Outcome", "accounts", "call", "estimate"]

_TOLERANCE = 0.015  # of the estimate: the error that Ethereum's clients accept too


@dataclass(frozen=True, slots=True)
class CallRequest:
    """A transaction that is only imagined: `to` is empty for a creation, fees are in wei per gas."""

    sender: bytes = bytes(20)
    to: bytes = b""
    gas: int = MAX_GAS
    value: int = 0
    data: bytes = b""
    max_fee: int = 0
    max_tip: int = 0
    access_list: tuple[tuple[bytes, tuple[int, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call did: `failure` is empty if it succeeded, `output` is then its return data, else its revert data."""

    output: bytes
    gas_used: int
    failure: str = ""
    reverted: bool = False
    starved: bool = False


def accounts(database: ChainDatabase, header: Header) -> Accounts:
    """The accounts as the block left them."""
    return AccountDB(database, header.state_root)


def call(database: ChainDatabase, header: Header, chain_id: int, request: CallRequest) -> Outcome:
    """Run the call on the state that the block left, with the block's number and time; nothing is kept.

    Raises `LedgerRefused` if the sender cannot pay, or if the gas does not even cover the data.
    """
    create = not request.to
    needed = intrinsic_gas(request.data, create=create, access_list=request.access_list)
    if request.gas < max(needed, call_gas_floor(request.data)):
        raise _refused(f"intrinsic gas too low: have {request.gas}, want {needed}")
    vm = machine(database, header, chain_id)
    transaction: Any = SpoofTransaction(_unsigned(vm, chain_id, request), from_=request.sender)
    try:
        computation = vm.state.apply_transaction(transaction)
    except ValidationError as error:
        raise _refused(f"insufficient funds for gas * price + value: {error}") from error
    return _outcome(computation, PragueVM.finalize_gas_used(transaction, computation))


def estimate(database: ChainDatabase, header: Header, chain_id: int, request: CallRequest) -> Outcome:
    """The outcome with the least gas with which the call succeeds, within 1.5 %; or the outcome of its failure."""

    def attempt(gas: int) -> Outcome:
        return call(database, header, chain_id, replace(request, gas=gas))

    high = request.gas
    best = attempt(high)
    if best.failure:
        return best
    low = best.gas_used - 1
    guesses = [best.gas_used, (best.gas_used + 2_300) * 64 // 63]  # EIP-150 keeps 1/64 back, a transfer adds a stipend
    while high - low > 1 and high - low > _TOLERANCE * high:
        gas = guesses.pop(0) if guesses else (low + high) // 2
        if not low < gas < high:
            continue
        if attempt(gas).failure:
            low = gas
        else:
            high = gas
    return Outcome(best.output, high)


def _unsigned(vm: Machine, chain_id: int, request: CallRequest) -> UnsignedDynamicFeeTransaction:
    """The request as py-evm wants it."""
    return UnsignedDynamicFeeTransaction(
        chain_id=chain_id,
        nonce=vm.state.get_nonce(request.sender),
        max_priority_fee_per_gas=request.max_tip,
        max_fee_per_gas=request.max_fee,
        gas=request.gas,
        to=request.to,
        value=request.value,
        data=request.data,
        access_list=request.access_list,
    )


def _outcome(computation: Computation, gas_used: int) -> Outcome:
    """Read the result out of py-evm's computation."""
    if not computation.is_error:
        return Outcome(bytes(computation.output), gas_used)
    error = computation.error
    if isinstance(error, Revert):
        return Outcome(bytes(computation.output), gas_used, "execution reverted", reverted=True)
    if isinstance(error, OutOfGas):
        return Outcome(b"", gas_used, "out of gas", starved=True)
    return Outcome(b"", gas_used, f"{type(error).__name__}: {error}")


def _refused(message: str) -> LedgerRefused:
    return LedgerRefused(message, code="call-refused", hint="Correct the sender, the value or the gas.")
