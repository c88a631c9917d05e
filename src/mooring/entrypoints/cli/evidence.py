"""Commands for evidence: anchor, export, verify offline."""

from __future__ import annotations

import base64
import json
import re
import time
from pathlib import Path
from typing import Annotated

import typer

from mooring.entrypoints.cli.context import context_of
from mooring.errors import ConfigError
from mooring.proofs.bundle import MAX_BUNDLE, Opening
from mooring.proofs.report import Claim, Outcome, Report
from mooring.proofs.trust import Trust
from mooring.proofs.verify import verify_bytes

__all__ = ["anchor", "export", "read_file", "read_text", "verify"]

_MARKS = {Outcome.PROVED: "proved    ", Outcome.NOT_PROVED: "NOT PROVED", Outcome.REFUTED: "REFUTED   "}
_MANY = 3
_TRUST_LIMIT = 4 * 1024 * 1024
_NUMBER = re.compile("[0-9]{1,16}")
_MOST_RECEIPTS = 1_000_000
_EXITS = {Outcome.PROVED: 0, Outcome.NOT_PROVED: 8, Outcome.REFUTED: 7}


def anchor(ctx: typer.Context) -> None:
    """Seal the logs, have them witnessed, and write their checkpoints on the ledger.

    A log that another process writes (the receipts of a running gateway) is anchored at its newest checkpoint.
    """
    context = context_of(ctx)
    with context.session() as session:
        rows = session.anchor()
        context.output.table(rows, ("origin", "size", "new", "block", "cost", "reference"), "nothing to anchor yet")


def export(
    ctx: typer.Context,
    version: Annotated[str, typer.Argument(help="The version.", metavar="NAME@VERSION")],
    out: Annotated[Path, typer.Option(help="Where to write the bundle.")] = Path("bundle.json"),
    trust: Annotated[Path | None, typer.Option(help="Also write the trust root here.")] = None,
    receipt: Annotated[list[int] | None, typer.Option(help="Index of a receipt to include; repeatable.", min=0)] = None,
    receipts: Annotated[str, typer.Option(help="The version's receipts in this range, like 0-999.")] = "",
    answers: Annotated[
        Path | None, typer.Option(help="JSON lines of a client: index, salt, request, response (base64).")
    ] = None,
) -> None:
    """Write one file that proves a version, its approvals and its answers offline."""
    from mooring.workflows.export import export_version

    context = context_of(ctx)
    with context.session() as session:
        openings = _openings(answers, session.deployment.receipts_origin) if answers else ()
        wanted, among = [*(receipt or ()), *(opening.index for opening in openings)], _range(receipts)
        bundle = export_version(session.deployment, version, receipts=wanted, among=among, openings=openings)
        session.write(out, bundle.to_bytes())
        if trust is not None:
            session.write(trust, session.write_trust().to_bytes())
        size = {"bundle": str(out), "bytes": len(bundle.to_bytes()), "entries": len(bundle.entries)}
        context.output.result(size)


def verify(
    ctx: typer.Context,
    bundle: Annotated[Path, typer.Argument(help="The bundle to verify.", metavar="BUNDLE")],
    trust: Annotated[Path, typer.Option(help="The trust root: all that is believed.", metavar="FILE")],
    all_claims: Annotated[bool, typer.Option("--all", help="Show every claim and what it rests on.")] = False,
) -> None:
    """Verify a bundle offline: no network, no database, no trust but the trust root."""
    context = context_of(ctx)
    root = Trust.from_bytes(read_file(trust, _TRUST_LIMIT).rstrip(b"\n"))
    report = verify_bytes(read_file(bundle, MAX_BUNDLE), root, now_s=int(time.time()))
    context.output.result(report.to_json(), _lines(report, all_claims))
    raise typer.Exit(_EXITS[report.outcome])


def read_file(path: Path, limit: int) -> bytes:
    """Read a file of at most `limit` bytes; raises ConfigError naming it."""
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", code="file", hint="check the path") from error
    if len(data) > limit:
        raise ConfigError(f"{path} has more than {limit} bytes", code="file-size", hint="is it the right file?")
    return data


def read_text(path: Path, limit: int) -> str:
    """Read a UTF-8 file of at most `limit` bytes; raises ConfigError naming it."""
    try:
        return read_file(path, limit).decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8: {error}", code="encoding", hint="save it as UTF-8") from error


def _range(text: str) -> range:
    if not text:
        return range(0)
    first, dash, last = text.partition("-")
    if not (dash and _NUMBER.fullmatch(first) and _NUMBER.fullmatch(last) and int(first) <= int(last)):
        raise ConfigError(f"--receipts {text[:40]!r}", code="range", hint="give FIRST-LAST, like 0-999")
    wanted = range(int(first), int(last) + 1)
    if len(wanted) > _MOST_RECEIPTS:
        raise ConfigError(
            f"--receipts {text} asks for {len(wanted):,} receipts", code="range", hint=f"at most {_MOST_RECEIPTS:,}"
        )
    return wanted


def _openings(path: Path, origin: str) -> tuple[Opening, ...]:
    lines = read_text(path, MAX_BUNDLE).splitlines()
    try:
        return tuple(_opening(json.loads(line), origin) for line in lines if line)
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{path} is no list of answers: {error!r}", code="answers", hint="one JSON object a line"
        ) from error


def _opening(value: dict[str, str], origin: str) -> Opening:
    parts = [base64.b64decode(value[name], validate=True) for name in ("salt", "request", "response")]
    index = int(value["index"])
    if index < 0:
        raise ValueError(f"index {index}")
    return Opening(origin, index, *parts)


def _lines(report: Report, all_claims: bool) -> list[str]:
    """What people read: each claim on a line, many of a kind as one, and then all that is not proved."""
    lines = []
    for name in dict.fromkeys(claim.name for claim in report.claims):
        claims = [claim for claim in report.claims if claim.name == name]
        proved = [claim for claim in claims if claim.outcome is Outcome.PROVED]
        if len(proved) > _MANY and not all_claims:
            lines.append(f"{_MARKS[Outcome.PROVED]}  {name:<12} {len(proved)} times, such as: {proved[0].says}")
            claims = [claim for claim in claims if claim not in proved]
        lines += [line for claim in claims for line in _claim(claim, all_claims)]
    limits = dict.fromkeys(limit for claim in report.claims for limit in claim.limits)
    unproved = [f"  - {limit}" for limit in (*limits, *report.limits)]
    return [*lines, "", *(["This does not prove:", *unproved, ""] if unproved else []), f"outcome: {report.outcome}"]


def _claim(claim: Claim, all_claims: bool) -> list[str]:
    lines = [f"{_MARKS[claim.outcome]}  {claim.name:<12} {claim.about}: {claim.says}"]
    if all_claims and claim.root:
        lines.append(f"{'':25}from {claim.root}")
    if claim.code:
        lines.append(f"{'':25}reason: {claim.code}")
    if claim.hint and claim.outcome is not Outcome.PROVED:
        lines.append(f"{'':25}hint: {claim.hint}")
    return lines
