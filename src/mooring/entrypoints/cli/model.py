"""Commands for models: register, approve, activate, suspend, roll back, retire, revoke, look back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mooring.entrypoints.cli.artifacts import parse_metrics, parse_parameters
from mooring.entrypoints.cli.context import context_of
from mooring.records.predicates import Evaluation, Model
from mooring.workflows import approve as approving
from mooring.workflows import deploy, look, register

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True)

Version = Annotated[str, typer.Argument(help="The version, like tumour-model@1.", metavar="NAME@VERSION")]
Reason = Annotated[str, typer.Option(help="Why, in words; its digest goes on the ledger.")]


@app.command(name="register")
def register_(
    ctx: typer.Context,
    path: Annotated[Path, typer.Argument(help="The model's file or folder.")],
    version: Annotated[str, typer.Option("--name", help="What it will be called.", metavar="NAME@VERSION")],
    dataset: Annotated[list[str], typer.Option(help="A data set that it was trained on; repeatable.")],
    code_commit: Annotated[str, typer.Option(help="The commit of the training code.")],
    format_: Annotated[str, typer.Option("--format", help="The model's format.")] = "onnx",
    parameter: Annotated[list[str] | None, typer.Option(help="A training parameter, NAME=VALUE; repeatable.")] = None,
    metric: Annotated[list[str] | None, typer.Option(help="An evaluation result, NAME=NUMBER; repeatable.")] = None,
    method: Annotated[str, typer.Option(help="How it was evaluated, in words.")] = "held-out test set",
    parent: Annotated[list[str] | None, typer.Option(help="A model that it was made from; repeatable.")] = None,
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
) -> None:
    """Register a model with its provenance; the same bytes again give the same record."""
    context = context_of(ctx)
    name, label = look.split(version)
    with context.session() as session:
        actor = context.act(session)
        deployment = session.deployment
        with context.output.progress(f"hashing {path.name}", None) as progress:
            manifest = session.keep(path, progress)
        now = deployment.now()
        data = tuple(look.manifest_of(deployment, item) for item in dataset)
        metrics = parse_metrics(metric or [])
        evaluation = Evaluation(name, label, now, data[0], metrics, method) if metrics else None
        predicate = Model(
            name,
            label,
            now,
            format_,
            data,
            code_commit,
            parse_parameters(parameter or []),
            None if evaluation is None else register.evaluation_digest(manifest, evaluation),
            tuple(look.manifest_of(deployment, item) for item in parent or ()),
            description,
        )
        context.output.result(register.register_model(deployment, actor, manifest, predicate, evaluation))


@app.command()
def approve(
    ctx: typer.Context,
    version: Version,
    refuse: Annotated[bool, typer.Option("--refuse", help="Record a refusal instead.")] = False,
    comment: Annotated[str, typer.Option(help="Why, in words.")] = "",
) -> None:
    """Approve a version for your organisation, or record that you refuse it."""
    context = context_of(ctx)
    decision = "refuse" if refuse else "approve"
    with context.session() as session:
        actor = context.act(session)
        context.output.result(approving.approve(session.deployment, actor, version, decision=decision, comment=comment))


@app.command()
def activate(
    ctx: typer.Context,
    version: Version,
    purpose: Annotated[list[str], typer.Option(help="What it may be used for; repeatable.")],
    environment: Annotated[str, typer.Option(help="Where it is deployed.")] = "production",
) -> None:
    """Put an approved version into service."""
    context = context_of(ctx)
    with context.session() as session:
        actor = context.act(session)
        policy = session.policy_for(version)
        changed = deploy.activate(
            session.deployment, actor, version, policy, environment=environment, purposes=tuple(purpose)
        )
        context.output.result(changed)


@app.command()
def suspend(ctx: typer.Context, version: Version, reason: Reason) -> None:
    """Stop a version at once; any guardian may. It needs the quorum's approval to come back."""
    _change(ctx, "suspend", version, reason)


@app.command()
def rollback(ctx: typer.Context, version: Version, reason: Reason) -> None:
    """Serve another active version by default: the one named."""
    _change(ctx, "rollback", version, reason)


@app.command()
def retire(ctx: typer.Context, version: Version, reason: Reason) -> None:
    """End a version's service for good."""
    _change(ctx, "retire", version, reason)


@app.command()
def revoke(ctx: typer.Context, version: Version, reason: Reason) -> None:
    """Vote to revoke a version for good, with the same words as the others; the quorum's last vote revokes it."""
    _change(ctx, "revoke", version, reason)


@app.command()
def incident(
    ctx: typer.Context,
    version: Version,
    summary: Annotated[str, typer.Option(help="What went wrong.")],
    severity: Annotated[str, typer.Option(help="low, medium, high or critical.")] = "high",
    action: Annotated[list[str] | None, typer.Option(help="What was done; repeatable.")] = None,
) -> None:
    """Attest that something went wrong with a version, and what was done."""
    context = context_of(ctx)
    with context.session() as session:
        actor = context.act(session)
        attested = deploy.report_incident(
            session.deployment, actor, version, severity=severity, summary=summary, actions=tuple(action or ())
        )
        context.output.result({"log_index": attested.index, "attestation": str(attested.digest)})


@app.command(name="list")
def list_(ctx: typer.Context) -> None:
    """List every version of every model and data set with its status."""
    context = context_of(ctx)
    with context.session() as session:
        rows = look.versions(session.deployment)
        columns = ("version", "kind", "status", "approvals", "current", "manifest")
        context.output.table(rows, columns, "nothing is registered yet")


@app.command()
def history(ctx: typer.Context, version: Version) -> None:
    """Show everything that the ledger and the log say of a version, in order."""
    context = context_of(ctx)
    with context.session() as session:
        rows = look.history(session.deployment, version)
        context.output.table(rows, ("time", "where", "what", "who", "detail"), "nothing is known of it")


@app.command()
def lineage(ctx: typer.Context, version: Version) -> None:
    """Show what a version was made from, and what was made from it."""
    context = context_of(ctx)
    with context.session() as session:
        found = look.lineage(session.deployment, version)
        lines = [f"{'  ' * row.depth}{row.relation:<9} {row.version} ({row.status})" for row in found]
        context.output.result(found, lines)


def _change(ctx: typer.Context, verb: str, version: str, reason: str) -> None:
    verbs = {"suspend": deploy.suspend, "rollback": deploy.rollback, "retire": deploy.retire, "revoke": deploy.revoke}
    context = context_of(ctx)
    with context.session() as session:
        context.output.result(verbs[verb](session.deployment, context.act(session), version, reason))
