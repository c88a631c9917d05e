"""The doctor's findings: everything that a deployment needs, looked at one by one."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass

from mooring.errors import MooringError
from mooring.wiring.home import Home
from mooring.wiring.session import Session, open_session

__all__ = ["Finding", "check"]

_LEAST_FREE = 1 << 30


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: `state` is ok, warning or bad."""

    what: str
    state: str
    detail: str
    hint: str = ""


def check(home: Home) -> list[Finding]:
    """Look at a deployment; what cannot be opened at all is the only finding then."""
    findings = [_python(), _disk(home)]
    try:
        with open_session(home) as session:
            checks = (_ledger, _keys, _blobs, _logs, _index, _policy, _trust)
            return findings + [_guarded(look, session) for look in checks]
    except MooringError as error:
        return [*findings, Finding("deployment", "bad", f"{error.message} [{error.code}]", error.hint)]


def _guarded(look: Callable[[Session], Finding], session: Session) -> Finding:
    try:
        return look(session)
    except MooringError as error:
        return Finding(look.__name__.strip("_"), "bad", f"{error.message} [{error.code}]", error.hint)


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("python", "ok" if sys.version_info >= (3, 11) else "bad", version, "")


def _disk(home: Home) -> Finding:
    folder = next(path for path in (home.path, *home.path.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    low = free < _LEAST_FREE
    return Finding("disk", "warning" if low else "ok", f"{free >> 20:,} MiB free", "free some space" if low else "")


def _ledger(session: Session) -> Finding:
    session.deployment.follow()
    last = session.follower.last
    profile = session.deployment.ledger.profile
    head = f"head {last.head}, final {last.final}" if last else "not followed"
    if profile.operators == 1:
        return Finding("ledger", "ok", f"{profile.chain}, {head}; one operator produces it")
    return Finding("ledger", "ok", f"{profile.chain}, {head}; {profile.operators} operators")


def _keys(session: Session) -> Finding:
    state, keys = session.deployment.follow(), session.deployment.keys
    held = [name for name in keys.names() if name.endswith("-attest")]
    now_s = session.deployment.clock_ns() // 1_000_000_000
    unready = [name for name in held if not state.key_valid(bytes.fromhex(keys.public(name).keyid), now_s)]
    if unready:
        return Finding("keys", "bad", f"not valid on the ledger now: {', '.join(unready)}", "mooring key register NAME")
    return Finding("keys", "ok", f"{len(keys.names())} keys, {len(held)} of them attest and are registered")


def _blobs(session: Session) -> Finding:
    return Finding("blobs", "ok", f"{sum(1 for _ in session.deployment.blobs.list()):,} blobs")


def _logs(session: Session) -> Finding:
    lines = session.logs()
    words = [f"{line.origin.rpartition('/')[2]} {line.sequenced:,} (anchored {line.anchored:,})" for line in lines]
    waiting = sum(line.sequenced - line.anchored for line in lines)
    hint = "run: mooring anchor" if waiting else ""
    return Finding("logs", "ok", ", ".join(words), hint)


def _index(session: Session) -> Finding:
    session.check_index()
    return Finding("index", "ok", f"same rows as log and ledger give, digest {session.index_digest()[:16]}")


def _policy(session: Session) -> Finding:
    policy = session.policy("")
    return Finding("policy", "ok", f"{policy.digest}, {len(policy.rules)} rules")


def _trust(session: Session) -> Finding:
    kept = session.kept_trust()
    if kept.to_bytes() != session.trust().to_bytes():
        return Finding("trust", "warning", "trust.json is out of date", "mooring export --trust, and hand it out again")
    one = " held by one party" if kept.custodians == 1 else ""
    return Finding("trust", "ok", f"{len(kept.keys)} keys{one}, {len(kept.witnesses)} witnesses")
