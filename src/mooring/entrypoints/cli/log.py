"""Commands for the logs."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from mooring.entrypoints.cli.context import context_of
from mooring.proofs.checkpoint import read_checkpoint

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True)

Which = Annotated[str, typer.Argument(help="Which log: records or receipts.", metavar="LOG")]


@app.command()
def show(ctx: typer.Context) -> None:
    """Show how far each log is sequenced, sealed and anchored."""
    context = context_of(ctx)
    with context.session() as session:
        columns = ("origin", "sequenced", "sealed", "anchored", "witnesses")
        context.output.table(session.logs(), columns, "there are no logs")


@app.command()
def checkpoint(ctx: typer.Context, which: Which) -> None:
    """Print a log's newest signed checkpoint (C2SP tlog-checkpoint)."""
    context = context_of(ctx)
    with context.session() as session:
        note = session.checkpoint(which)
    found, _ = read_checkpoint(note)
    value = {"origin": found.origin, "size": found.size, "root": found.root.hex(), "note": note.decode()}
    context.output.result(value, [note.decode().rstrip("\n")])


@app.command()
def entry(
    ctx: typer.Context, which: Which, index: Annotated[int, typer.Argument(help="The entry's index.", min=0)]
) -> None:
    """Print one entry."""
    context = context_of(ctx)
    with context.session() as session, session.read(which) as log:
        data = log.entry(index)
    context.output.result(json.loads(data), [data.decode()])


@app.command()
def verify(ctx: typer.Context, which: Which) -> None:
    """Read a whole log again and check every segment, tile and bundle."""
    context = context_of(ctx)
    with context.session() as session, session.read(which) as log:
        context.output.result(log.scrub())


@app.command(name="rebuild-index")
def rebuild_index(ctx: typer.Context) -> None:
    """Drop the index and fill it again from the log and the ledger."""
    context = context_of(ctx)
    with context.session(rebuild=True) as session:
        context.output.result({"attestations": session.attestations(), "digest": session.index_digest()})
