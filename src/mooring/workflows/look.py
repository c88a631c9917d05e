"""Look: what is known of versions, from the followed ledger and the log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mooring.ledger.port import Event, Value
from mooring.ledger.registry import RegistryState, Status, Version
from mooring.records.digest import Digest
from mooring.records.instant import format_time
from mooring.workflows.deployment import Deployment
from mooring.workflows.versions import find, split

__all__ = ["HistoryLine", "LineageLine", "VersionLine", "history", "lineage", "manifest_of", "split", "versions"]

_Near = Callable[[RegistryState, Version], list[Version]]
_KINDS = {1: "data set", 2: "model"}
_LEDGER_EVENTS = ("Proposed", "Approved", "StatusChanged")


@dataclass(frozen=True, slots=True)
class VersionLine:
    """One version as a list shows it."""

    version: str
    kind: str
    status: str
    approvals: str
    current: str
    manifest: str


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One thing that happened to a version: on the ledger, or attested in the log."""

    time: str
    where: str
    what: str
    who: str
    detail: str


@dataclass(frozen=True, slots=True)
class LineageLine:
    """A relative of a version: `relation` is itself, made from, or led to; `depth` is how far away."""

    version: str
    relation: str
    depth: int
    status: str


def versions(deployment: Deployment) -> list[VersionLine]:
    """Return every version, by asset and in the order of registration."""
    state = deployment.follow()
    current = set(state.current.values())
    lines = []
    for asset in sorted(state.assets.values(), key=lambda asset: asset.name):
        for item in asset.versions:
            version = state.versions[item]
            counted = f"{len(version.counted)} of {state.threshold}"
            mark = "yes" if item in current else ""
            manifest = f"sha256:{version.manifest.hex()}"
            name = f"{asset.name}@{version.label}"
            lines.append(VersionLine(name, _KINDS.get(asset.kind, "?"), _word(version), counted, mark, manifest))
    return lines


def manifest_of(deployment: Deployment, name: str) -> Digest:
    """Return the manifest digest of a registered version."""
    return Digest("sha256", find(deployment.follow(), name).manifest)


def history(deployment: Deployment, name: str) -> list[HistoryLine]:
    """Return what the ledger and the log say of a version, in the order of their times."""
    state = deployment.follow()
    version = find(state, name)
    who = _names(deployment)
    lines = [_ledger_line(event, version, who) for event in deployment.events() if _about(event, version)]
    manifest = str(Digest("sha256", version.manifest))
    for row in deployment.index.attestations(digest=manifest):
        kind = row.predicate_type.split(":")[2]
        lines.append(HistoryLine(row.time, f"log #{row.index}", kind, who.get(row.keyid, row.keyid[:16]), row.subject))
    return sorted(lines, key=lambda line: line.time)


def lineage(deployment: Deployment, name: str) -> list[LineageLine]:
    """Return a version, everything that it was made from, and everything that was made from it."""
    state = deployment.follow()
    version = find(state, name)
    above = [LineageLine(n, "made from", d, s) for n, d, s in _walk(state, version, _parents)]
    below = [LineageLine(n, "led to", d, s) for n, d, s in _walk(state, version, _children)]
    return [LineageLine(name, "itself", 0, _word(version)), *above, *below]


def _walk(state: RegistryState, start: Version, near: _Near) -> Iterator[tuple[str, int, str]]:
    seen, waiting = {start.id}, [(start, 0)]
    while waiting:
        version, depth = waiting.pop(0)
        for item in near(state, version):
            if item.id not in seen:
                seen.add(item.id)
                waiting.append((item, depth + 1))
                yield _name(state, item), depth + 1, _word(item)


def _parents(state: RegistryState, version: Version) -> list[Version]:
    return [state.versions[parent] for parent in version.parents]


def _children(state: RegistryState, version: Version) -> list[Version]:
    return [item for item in state.versions.values() if version.id in item.parents]


def _about(event: Event, version: Version) -> bool:
    if event.name == "CurrentChanged":
        return version.id in (event.args["from"], event.args["to"])
    return event.name in _LEDGER_EVENTS and event.args.get("version") == version.id


def _ledger_line(event: Event, version: Version, who: dict[str, str]) -> HistoryLine:
    actor = next((str(event.args[n]) for n in ("actor", "approver", "proposer") if n in event.args), "")
    what, detail = event.name, ""
    if event.name == "StatusChanged":
        what = f"{_status(event.args['from'])} → {_status(event.args['to'])}"
    elif event.name == "CurrentChanged":
        what = "served by default" if event.args["to"] == version.id else "no longer served by default"
    elif event.name == "Approved":
        detail = f"{_number(event.args['approvals'])} organisations"
    where = f"ledger {event.block}"
    return HistoryLine(format_time(event.time), where, what, who.get(actor, actor), detail)


def _names(deployment: Deployment) -> dict[str, str]:
    """Return who stands behind accounts and attestation keys that are known here."""
    names: dict[str, str] = {}
    held = set(deployment.keys.names())
    for actor in deployment.actors.values():
        if actor.name in held:
            names[deployment.keys.address(actor.name)] = f"{actor.name} ({actor.organisation})"
        if f"{actor.organisation}-attest" in held:
            names[deployment.keys.public(f"{actor.organisation}-attest").keyid] = actor.organisation
    return names


def _status(value: Value) -> str:
    return Status(_number(value)).name.lower()


def _number(value: Value) -> int:
    assert isinstance(value, int)
    return value


def _word(version: Version) -> str:
    return Status(version.status).name.lower()


def _name(state: RegistryState, version: Version) -> str:
    return f"{state.assets[version.asset].name}@{version.label}"
