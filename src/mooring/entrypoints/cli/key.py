"""Commands for keys."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mooring.entrypoints.cli.context import context_of
from mooring.entrypoints.cli.evidence import read_file
from mooring.records.instant import format_time, parse_time
from mooring.workflows import govern

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The key's name in the key store.")]


@app.command(name="list")
def list_(ctx: typer.Context) -> None:
    """List the keys of the key store, and what the ledger says of them."""
    context = context_of(ctx)
    with context.session() as session:
        state, store = session.deployment.follow(), session.deployment.keys
        rows = []
        for name in store.names():
            public = store.public(name)
            known = state.keys.get(bytes.fromhex(public.keyid))
            address = public.address if public.kind == "secp256k1" else ""
            since = "" if known is None else format_time(known.not_before)
            rows.append(
                {"name": name, "kind": public.kind, "keyid": public.keyid, "account": address, "registered": since}
            )
        context.output.table(rows, ("name", "kind", "keyid", "account", "registered"), "the key store is empty")


@app.command()
def create(
    ctx: typer.Context, name: Name, kind: Annotated[str, typer.Option(help="ed25519, p256 or secp256k1.")]
) -> None:
    """Make a key."""
    context = context_of(ctx)
    with context.session() as session:
        public = session.create_key(name, kind)
        context.output.result({"name": name, "kind": public.kind, "keyid": public.keyid})


@app.command(name="import")
def import_(
    ctx: typer.Context, name: Name, pem: Annotated[Path, typer.Argument(help="A PEM file, unencrypted.")]
) -> None:
    """Keep an existing private key."""
    context = context_of(ctx)
    with context.session() as session:
        public = session.import_key(name, read_file(pem, 65_536))
        context.output.result({"name": name, "kind": public.kind, "keyid": public.keyid})


@app.command()
def public(ctx: typer.Context, name: Name) -> None:
    """Print a key's public part: `kind:base64`, as configurations and trust roots hold it."""
    context = context_of(ctx)
    with context.session() as session:
        found = session.deployment.keys.public(name)
        context.output.result({"name": name, "keyid": found.keyid, "public": found.to_text()}, [found.to_text()])


@app.command()
def register(
    ctx: typer.Context,
    name: Name,
    until: Annotated[str | None, typer.Option(help="When it expires, like 2027-01-01T00:00:00Z; else never.")] = None,
) -> None:
    """Register a key on the ledger as an attestation key of your organisation."""
    context = context_of(ctx)
    with context.session() as session:
        actor = context.act(session)
        end = govern.FOREVER if until is None else parse_time(until)
        context.output.result(govern.register_key(session.deployment, actor, name, not_after=end))
        session.update_trust()


@app.command()
def rotate(ctx: typer.Context) -> None:
    """Replace your organisation's attestation key: make a new one, register it, and revoke the old from now on."""
    context = context_of(ctx)
    with context.session() as session:
        context.output.result(session.rotate_key(context.act(session)))


@app.command()
def revoke(
    ctx: typer.Context,
    keyid: Annotated[str, typer.Argument(help="The key's id: 64 hex digits.")],
    since: Annotated[str | None, typer.Option("--from", help="From when, like 2026-11-23T00:00:00Z; else now.")] = None,
) -> None:
    """Revoke an attestation key: your organisation's, or as a guardian anyone's."""
    context = context_of(ctx)
    with context.session() as session:
        start = None if since is None else parse_time(since)
        outcome = govern.revoke_key(session.deployment, context.act(session), keyid, from_s=start)
        context.output.result({"keyid": keyid, "transaction": outcome.reference, "cost": outcome.cost})
        session.update_trust()
