"""What is proved of answers: that they were logged, and which bytes went in and out."""

from __future__ import annotations

import re
from collections.abc import Callable

from mooring.errors import ProofError, RecordError
from mooring.proofs.bundle import Entry, Opening
from mooring.proofs.case import Case
from mooring.proofs.checkpoint import MAX_SKEW_S
from mooring.proofs.logclaims import included, late
from mooring.proofs.receiptline import ReceiptLine, read_receipt
from mooring.records.instant import parse_time
from mooring.records.predicates import Model
from mooring.records.receipt import commit_input, commit_output

__all__ = ["openings", "receipts"]

_LIMIT = (
    "a receipt proves what was logged, not that the computation was right; time and policy are what the gateway states"
)
_NO_ANSWER = re.compile(rb'"kind":"(refusal|recovery)"')
_EARLY = ("", "proposed", "approved")


def receipts(case: Case) -> None:
    """Which answers the log of receipts holds."""
    models = {
        (str(signed.statement.subject.digest), signed.statement.subject.name)
        for signed in case.signed
        if isinstance(signed.statement.predicate, Model)
    }
    for entry in case.bundle.entries:
        if entry.origin.endswith("/receipts"):
            about = f"{entry.origin}#{entry.index}"
            with case.refuting("receipt", about, "the answer was logged"):
                included(case, entry)
                _receipt(case, entry, about, models)


def _receipt(case: Case, entry: Entry, about: str, models: set[tuple[str, str]]) -> None:
    receipt = _read(entry)
    if (receipt.origin, receipt.place) != (entry.origin, entry.index):
        raise ProofError(
            f"the receipt says it is {receipt.origin}#{receipt.place}", code="receipt-place", hint="it was moved"
        )
    time_s = parse_time(receipt.time)
    if case.now_s is not None and time_s > case.now_s + MAX_SKEW_S:
        raise ProofError(f"it is dated {receipt.time}", code="receipt-future", hint="compare the clocks")
    model = f"{receipt.model}@{receipt.version}"
    if (receipt.manifest, model) not in models:
        case.leave("receipt", about, f"{model} answered", "no attestation of that model is in the bundle")
        return
    case.receipts[entry.origin, entry.index] = receipt
    says = f"{model} answered {receipt.caller} for {receipt.purpose} at {receipt.time} under policy {receipt.policy}"
    limits = (_LIMIT, late(time_s, case.anchored.get(entry.origin)), _service(case, model, time_s))
    case.prove("receipt", about, says, "log key; the model's attestation", *limits)


def _read(entry: Entry) -> ReceiptLine:
    try:
        return read_receipt(entry.data)
    except RecordError as error:
        other = _NO_ANSWER.search(entry.data)
        if other is None:
            raise
        raise ProofError(
            f"entry {entry.index} is a {other[1].decode()}, which answers nothing",
            code="receipt-kind",
            hint="export the indexes of answers alone",
        ) from error


def _service(case: Case, model: str, time_s: int) -> str:
    """What the ledger does not show of the version's service at that time; empty if it was active.

    A ledger's clock may run ahead of the gateway's, so that a version may seem to have answered just before it began.
    """
    life = case.lives.get(model)
    if life is None:
        return "the bundle does not show that the version is registered"
    status = life.at(time_s)
    if status == "active" or (status in _EARLY and life.activated(time_s, time_s + MAX_SKEW_S)):
        return ""
    return f"by the ledger's clock the version was not active then, but {status or 'not registered yet'}"


def openings(case: Case) -> None:
    """Which bytes the answers consisted of, where a client has disclosed them."""
    for opening in case.bundle.openings:
        about = f"{opening.origin}#{opening.index}"
        with case.refuting("answer", about, "these are the bytes that were answered"):
            _opened(case.receipts, opening)
            case.once("opening", opening.origin, opening.index)
            case.prove(
                "answer", about, "request and response are the ones of this receipt", "the receipt's commitments"
            )


def _opened(receipts: dict[tuple[str, int], ReceiptLine], opening: Opening) -> None:
    receipt = receipts.get((opening.origin, opening.index))
    if receipt is None:
        raise ProofError(f"no proved receipt {opening.origin}#{opening.index}", code="receipt-missing", hint="add it")
    checks: tuple[tuple[str, str, Callable[[bytes, bytes], bytes], bytes], ...] = (
        ("request", receipt.input, commit_input, opening.request),
        ("response", receipt.output, commit_output, opening.response),
    )
    for name, expected, commit, body in checks:
        if commit(opening.salt, body).hex() != expected:
            raise ProofError(
                f"the {name} is not the one that receipt {opening.index} commits to",
                code=f"{name}-commitment",
                hint="compare the exact bytes that were sent; the salt belongs to one receipt",
            )
