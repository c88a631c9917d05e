"""What members of a deployment do in tests, in a line each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.workflows.stage import MODEL, PURPOSE, onnx_model

from mooring.proofs import dsse
from mooring.records.manifest import Manifest
from mooring.records.predicates import Dataset, Evaluation, Model
from mooring.records.statement import Statement
from mooring.wiring.session import Session
from mooring.workflows import deploy, register
from mooring.workflows.approve import Approved, approve
from mooring.workflows.register import Registered

__all__ = ["activate", "again", "agree", "dataset", "files", "logged", "model", "versions"]


def files(session: Session, folder: Path, **contents: bytes) -> Manifest:
    """Keep an artifact with these files: `name_ext` gives `name.ext`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in contents.items():
        (folder / name.replace("_", ".")).write_bytes(data)
    return session.keep(folder, lambda _: None)


def dataset(
    session: Session, folder: Path, name: str, *, by: str = "alice", data: bytes = b"1,2\n", created: str = ""
) -> Registered:
    """Register a data set of one file."""
    deployment = session.deployment
    asset, _, label = name.partition("@")
    manifest = files(session, folder, rows_csv=data)
    said = Dataset(asset, label, created or deployment.now(), "made up", "CC0-1.0")
    return register.register_dataset(deployment, deployment.actor(by), manifest, said)


def model(
    session: Session,
    folder: Path,
    name: str,
    data: Sequence[Registered] = (),
    *,
    by: str = "alice",
    factor: float = 1.0,
    metrics: dict[str, float] | None = None,
    parents: Sequence[Registered] = (),
) -> Registered:
    """Register a model of one ONNX file."""
    deployment = session.deployment
    asset, _, label = name.partition("@")
    manifest = files(session, folder, model_onnx=onnx_model(factor))
    now, datasets = deployment.now(), tuple(made.manifest for made in data)
    evaluation = Evaluation(asset, label, now, datasets[0], metrics, "held out") if metrics else None
    digest = None if evaluation is None else register.evaluation_digest(manifest, evaluation)
    above = tuple(made.manifest for made in parents)
    said = Model(asset, label, now, "onnx", datasets, "c0ffee", {"factor": factor}, digest, above)
    return register.register_model(deployment, deployment.actor(by), manifest, said, evaluation)


def agree(session: Session, name: str = MODEL, by: Sequence[str] = ("bob", "carol")) -> list[Approved]:
    """Approve a version, one organisation after the other."""
    return [approve(session.deployment, session.deployment.actor(member), name) for member in by]


def activate(session: Session, name: str = MODEL, by: str = "alice", purposes: Sequence[str] = (PURPOSE,)) -> Any:
    """Put a version into service."""
    deployment = session.deployment
    policy = session.policy_for(name)
    return deploy.activate(
        deployment, deployment.actor(by), name, policy, environment="production", purposes=tuple(purposes)
    )


def again(session: Session, name: str = MODEL) -> None:
    """Bring an approved version through a whole suspension, until it is active again."""
    agree(session, name)
    activate(session, name)


def logged(session: Session) -> list[Statement]:
    """Return every statement in the log of records, in order."""
    deployment = session.deployment
    with deployment.read_log(deployment.records_origin) as log:
        entries = list(log.entries(0, log.size))
    return [Statement.from_bytes(dsse.Envelope.from_canonical(entry).payload) for entry in entries]


def versions(session: Session) -> dict[str, str]:
    """Return every version's status by name."""
    from mooring.workflows import look

    return {line.version: line.status for line in look.versions(session.deployment)}
