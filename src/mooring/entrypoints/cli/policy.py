"""Commands for the policy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mooring.entrypoints.cli.context import context_of
from mooring.entrypoints.cli.evidence import read_file
from mooring.workflows import govern

__all__ = ["app"]

_LIMIT = 1024 * 1024

app = typer.Typer(no_args_is_help=True)

File = Annotated[Path, typer.Argument(help="A Cedar policy; each rule has an @id.")]


@app.command()
def check(ctx: typer.Context, path: File) -> None:
    """Parse a policy and validate it against the schema; needs no deployment."""
    from mooring.wiring.policies import read_policy

    context = context_of(ctx)
    policy = read_policy(read_file(path, _LIMIT))
    context.output.result({"digest": str(policy.digest), "rules": list(policy.rules)})


@app.command(name="set")
def set_(
    ctx: typer.Context,
    path: File,
    asset: Annotated[str, typer.Option(help="For one asset only; else for all that have none of their own.")] = "",
) -> None:
    """Vote to put a policy in force; the quorum's last vote does."""
    from mooring.wiring.policies import read_policy

    context = context_of(ctx)
    policy = read_policy(read_file(path, _LIMIT))
    with context.session() as session:
        context.output.result(govern.set_policy(session.deployment, context.act(session), policy, asset))


@app.command()
def show(
    ctx: typer.Context,
    asset: Annotated[str, typer.Argument(help="The asset whose policy is shown; else that of all.")] = "",
) -> None:
    """Print the policy that the ledger names."""
    context = context_of(ctx)
    with context.session() as session:
        policy = session.policy(asset)
        context.output.result(
            {"digest": str(policy.digest), "rules": list(policy.rules), "text": policy.text}, [policy.text]
        )


@app.command(name="test")
def try_(
    ctx: typer.Context,
    version: Annotated[str, typer.Argument(help="The version that is asked.", metavar="NAME@VERSION")],
    caller: Annotated[str, typer.Option(help="Who asks.")] = "anonymous",
    purpose: Annotated[str, typer.Option(help="For what.")] = "inference",
) -> None:
    """Say what the policy in force would decide about a request, and by which rule."""
    context = context_of(ctx)
    with context.session() as session:
        verdict = session.verdict(version, caller, purpose)
        words = "allowed" if verdict.allowed else "denied"
        context.output.result(verdict, [f"{words}: {verdict.rule}", f"policy {verdict.policy}"])
    raise typer.Exit(0 if verdict.allowed else 3)
