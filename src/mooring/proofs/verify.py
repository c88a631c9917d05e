"""The offline verifier: a bundle and a trust root in, a report out; nothing else is read.

Evidence is checked from the outside in: the ledger's blocks, the logs' checkpoints, the entries of the logs, and last
what these say about models, approvals and answers. A claim rests only on claims that were proved before it, and what no
claim rests on is shown as open: nothing in a bundle is passed over in silence.
"""

from __future__ import annotations

from mooring.errors import MooringError
from mooring.proofs.answerclaims import openings, receipts
from mooring.proofs.bundle import Bundle
from mooring.proofs.case import Case
from mooring.proofs.ledgerclaims import blocks, leaves, unused
from mooring.proofs.logclaims import anchors, attestations, checkpoints, manifests
from mooring.proofs.report import Claim, Outcome, Report
from mooring.proofs.trust import Trust
from mooring.proofs.versionclaims import versions

__all__ = ["verify", "verify_bytes"]

_STEPS = (blocks, checkpoints, leaves, anchors, attestations, manifests, versions, receipts, openings, unused)


def verify_bytes(bundle: bytes, trust: Trust, *, now_s: int | None = None) -> Report:
    """Verify a bundle file; one that does not parse gives a report with a refuted `format` claim."""
    try:
        parsed = Bundle.from_bytes(bundle)
    except MooringError as error:
        claim = Claim("format", "bundle", Outcome.REFUTED, error.message, code=error.code, hint=error.hint)
        return Report((claim,))
    return verify(parsed, trust, now_s=now_s)


def verify(bundle: Bundle, trust: Trust, *, now_s: int | None = None) -> Report:
    """Return what the bundle proves from this trust root.

    `now_s` (Unix seconds) lets evidence from the future be refused; without it times are not compared with a clock.
    """
    case = Case(bundle, trust, trust.keyring(), now_s)
    for step in _STEPS:
        step(case)
    return Report(tuple(case.claims), _limits(trust, now_s))


def _limits(trust: Trust, now_s: int | None) -> tuple[str, ...]:
    limits = [
        "a bundle shows what was, never that nothing else was: who made it may have left things out",
        "a statement names no deployment: one that was signed for another under the same key looks the same",
    ]
    if trust.custodians == 1:
        limits.append(
            "one party holds all keys of this trust root: signatures of several organisations prove its word only"
        )
    if trust.ledger.kind == "tlog":
        limits.append("the ledger is a log: it catches a breach of the rules afterwards and stops nobody")
    if now_s is None:
        limits.append("no clock was given: nothing was refused for being from the future")
    return tuple(limits)
