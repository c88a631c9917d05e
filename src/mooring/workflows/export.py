"""Export: collect everything that proves a version and its answers into one bundle, and write the trust root."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mooring.errors import NotFoundError, WorkflowError
from mooring.ledger.port import Event
from mooring.ledger.registry import RegistryState, Version, origin_id
from mooring.proofs.anchor import BlockEvidence, LogEvidence
from mooring.proofs.bundle import MEDIA_TYPE, Bundle, Entry, Opening
from mooring.proofs.checkpoint import read_checkpoint
from mooring.proofs.header import Header
from mooring.records.digest import Digest, sha256
from mooring.records.predicates import Block
from mooring.records.receipt import Receipt
from mooring.records.statement import Statement, Subject
from mooring.storage.log import LogStore
from mooring.workflows.attest import envelope_of
from mooring.workflows.deployment import Deployment
from mooring.workflows.serve import parse_entry
from mooring.workflows.versions import find

__all__ = ["export_version", "observe"]

_REGISTRATIONS = ("urn:mooring:dataset:v1", "urn:mooring:model:v1")


def export_version(
    deployment: Deployment,
    name: str,
    *,
    receipts: Sequence[int] = (),
    among: Sequence[int] = (),
    openings: Sequence[Opening] = (),
) -> Bundle:
    """Return the bundle of a version: its provenance, approvals, status, and the receipts with these indexes.

    Of the entries `among` those are taken that are this version's receipts: the log holds refusals and other versions'
    receipts too. Raises WorkflowError `not-anchored` naming the log if something is not anchored, `not-its-receipt` for
    an index in `receipts` that is something else.
    """
    state = deployment.follow()
    version = find(state, name)
    family = [version, *_ancestors(state, version)]
    events = [event for event in deployment.events() if event.args.get("version") in {item.id for item in family}]
    parts = [_logged(deployment, state, deployment.records_origin, _attestations(deployment, state, family))]
    wanted = _its_receipts(deployment, version, name, receipts, among) if receipts or among else []
    if wanted:
        parts.append(_logged(deployment, state, deployment.receipts_origin, wanted))
    anchors = [anchor for _, _, anchor in parts]
    evidence = [deployment.ledger.prove(event) for event in _final(deployment, (*_bundled(events), *anchors))]
    blocks = tuple(item for item in evidence if isinstance(item, BlockEvidence))
    return Bundle(
        MEDIA_TYPE,
        entries=tuple(entry for entries, _, _ in parts for entry in entries),
        checkpoints=tuple(note for _, note, _ in parts),
        blocks=blocks,
        leaves=tuple(dict.fromkeys(item for item in evidence if isinstance(item, LogEvidence))),
        observations=observe(deployment, blocks),
        manifests=(deployment.blobs.read_all(Digest("sha256", version.manifest)),),
        openings=tuple(openings),
    )


def _its_receipts(
    deployment: Deployment, version: Version, name: str, receipts: Sequence[int], among: Sequence[int]
) -> list[int]:
    """Return the indexes of a version's receipts, sorted."""
    found = []
    with deployment.read_log(deployment.receipts_origin) as log:
        for index in sorted({*receipts, *among}):
            if index >= log.size:
                found.append(index)  # refused below, as not anchored
                continue
            entry = parse_entry(log.entry(index))
            if isinstance(entry, Receipt) and _is_of(entry, version, name):
                found.append(index)
            elif index in receipts:
                raise WorkflowError(
                    f"entry {index} of {log.origin} is no receipt of {name}",
                    code="not-its-receipt",
                    hint="see it with: mooring log entry receipts INDEX",
                )
    return found


def _is_of(receipt: Receipt, version: Version, name: str) -> bool:
    """Tell whether a receipt is of this version, and not of another one with the same bytes."""
    return (f"{receipt.model}@{receipt.version}", receipt.manifest.value) == (name, version.manifest)


def observe(deployment: Deployment, blocks: Iterable[BlockEvidence]) -> tuple[bytes, ...]:
    """Return, for each block, the signed observation of every organisation whose key is here.

    The blocks come from our own ledger connection, which has checked that they are final.
    """
    observations = []
    organisations = sorted({actor.organisation for actor in deployment.actors.values()})
    for encoded in dict.fromkeys(block.header for block in blocks):
        statement = _block_statement(deployment, Header(encoded))
        for organisation in organisations:
            if f"{organisation}-attest" in deployment.keys.names():
                observations.append(envelope_of(deployment, statement, organisation).to_bytes())
    return tuple(observations)


def _block_statement(deployment: Deployment, header: Header) -> Statement:
    chain = deployment.ledger.profile.chain
    roots = header.state_root + header.receipts_root
    block = Block(
        chain,
        header.number,
        "0x" + header.hash.hex(),
        "0x" + header.state_root.hex(),
        "0x" + header.receipts_root.hex(),
        deployment.now(),
    )
    return Statement(Subject(f"{chain}/block/{header.number}", sha256(roots)), block)


def _ancestors(state: RegistryState, version: Version) -> list[Version]:
    """Return every version that this one was made from, directly or not, each once."""
    found: dict[bytes, Version] = {}
    waiting = list(version.parents)
    while waiting:
        parent = state.versions[waiting.pop()]
        if parent.id not in found:
            found[parent.id] = parent
            waiting += parent.parents
    return list(found.values())


def _bundled(events: Iterable[Event]) -> list[Event]:
    return [event for event in events if event.name in ("Proposed", "Approved", "StatusChanged")]


def _final(deployment: Deployment, events: Iterable[Event]) -> list[Event]:
    final = deployment.final()
    found = list(events)
    waiting = [event for event in found if event.block > final]
    if waiting:
        raise WorkflowError(
            f"{waiting[0].name} stands in block {waiting[0].block}, and the ledger is final up to {final}",
            code="not-final",
            hint="wait for more blocks, then export again",
        )
    return found


def _attestations(deployment: Deployment, state: RegistryState, family: Iterable[Version]) -> list[int]:
    """Return the log indexes of what was attested of these versions.

    Of several registrations (an attempt that was given up, the same bytes under another name) only the one that the
    ledger names counts.
    """
    found = set()
    for version in family:
        name = f"{state.assets[version.asset].name}@{version.label}"
        digest, registration = str(Digest("sha256", version.manifest)), version.attestation.hex()
        for row in deployment.index.attestations(origin=deployment.records_origin, subject=name, digest=digest):
            if row.predicate_type not in _REGISTRATIONS or row.payload_digest == registration:
                found.add(row.index)
    return sorted(found)


def _logged(
    deployment: Deployment, state: RegistryState, origin: str, indexes: Sequence[int]
) -> tuple[list[Entry], bytes, Event]:
    """Return entries with their paths to an anchored checkpoint of the log, that checkpoint, and its event."""
    note, event = _anchored(deployment, state, origin, max(indexes, default=-1))
    size = read_checkpoint(note)[0].size
    with deployment.read_log(origin) as log:
        return [_entry(log, origin, index, size) for index in indexes], note, event


def _entry(log: LogStore, origin: str, index: int, size: int) -> Entry:
    return Entry(origin, index, log.entry(index), tuple(log.inclusion(index, size)))


def _anchored(deployment: Deployment, state: RegistryState, origin: str, last: int) -> tuple[bytes, Event]:
    """Return the oldest anchored checkpoint that covers the entry `last`, and its event.

    The oldest dates the entries best: what a key signed before its end is proved to be older. An anchor whose cosigned
    note is not here is passed over, since a later one proves the same.
    """
    writer = deployment.keys.address(deployment.anchorer)
    wanted = origin_id(writer, origin)
    for event in deployment.events():
        if event.name != "Anchored" or event.args["originId"] != wanted:
            continue
        size = event.args["size"]
        assert isinstance(size, int)
        if size > last:
            try:
                return deployment.notes.find(origin, size), event
            except NotFoundError:
                continue
    held = state.origins.get(wanted)
    raise WorkflowError(
        f"entry {last} of {origin} is not anchored: the ledger has {held.size if held else 0} of its entries",
        code="not-anchored",
        hint="run: mooring anchor",
    )
