"""What is proved of answers: that they were logged, and which bytes went in and out."""

from __future__ import annotations

from collections.abc import Callable

from mooring.errors import ProofError
from mooring.proofs.attestation import Signed
from mooring.proofs.bundle import Entry, Opening
from mooring.proofs.case import Case
from mooring.proofs.logclaims import included
from mooring.records.digest import Digest
from mooring.records.predicates import Model
from mooring.records.receipt import Receipt, commit_input, commit_output

__all__ = ["openings", "receipts"]


def receipts(case: Case) -> None:
    """Which answers the log of receipts holds."""
    for entry in case.bundle.entries:
        if entry.origin.endswith("/receipts"):
            with case.refuting("receipt", f"{entry.origin}#{entry.index}", "the answer was logged"):
                included(case, entry)
                _receipt(case, entry)


def _receipt(case: Case, entry: Entry) -> None:
    receipt = Receipt.from_bytes(entry.data)
    if (receipt.origin, receipt.index) != (entry.origin, entry.index):
        raise ProofError(
            f"the receipt says it is {receipt.origin}#{receipt.index}", code="receipt-place", hint="it was moved"
        )
    about = f"{entry.origin}#{entry.index}"
    model = f"{receipt.model}@{receipt.version}"
    if not any(_is_model(signed, receipt.manifest, model) for signed in case.signed):
        case.leave("receipt", about, f"{model} answered", "no attestation of that model is in the bundle")
        return
    case.receipts[entry.origin, entry.index] = receipt
    case.prove(
        "receipt",
        about,
        f"{model} answered {receipt.caller} for {receipt.purpose} at {receipt.time}",
        "log key; the model's attestation",
        "a receipt proves what was logged, not that the computation was right",
    )


def _is_model(signed: Signed, manifest: Digest, name: str) -> bool:
    subject = signed.statement.subject
    return isinstance(signed.statement.predicate, Model) and (subject.digest, subject.name) == (manifest, name)


def openings(case: Case) -> None:
    """Which bytes the answers consisted of, where a client has disclosed them."""
    for opening in case.bundle.openings:
        about = f"{opening.origin}#{opening.index}"
        with case.refuting("answer", about, "these are the bytes that were answered"):
            _opened(case.receipts, opening)
            case.prove(
                "answer", about, "request and response are the ones of this receipt", "the receipt's commitments"
            )


def _opened(receipts: dict[tuple[str, int], Receipt], opening: Opening) -> None:
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
