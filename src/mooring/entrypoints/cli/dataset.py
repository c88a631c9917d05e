"""Commands for data sets and the people in them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mooring.entrypoints.cli.context import context_of
from mooring.entrypoints.cli.evidence import read_file
from mooring.records.predicates import Dataset
from mooring.workflows import look, people
from mooring.workflows.register import register_dataset

__all__ = ["app", "erase"]

_CSV_LIMIT = 1024 * 1024 * 1024

app = typer.Typer(no_args_is_help=True)


@app.command()
def register(
    ctx: typer.Context,
    path: Annotated[Path, typer.Argument(help="The data set's file or folder.")],
    version: Annotated[str, typer.Option("--name", help="What it will be called.", metavar="NAME@VERSION")],
    subject_column: Annotated[
        str | None, typer.Option(help="CSV about people: the column that names them; rows are encrypted per person.")
    ] = None,
    source: Annotated[str, typer.Option(help="Where it came from.")] = "unstated",
    licence: Annotated[str, typer.Option(help="Its licence, as an SPDX id.")] = "NOASSERTION",
    description: Annotated[str, typer.Option(help="What it is.")] = "",
) -> None:
    """Register a data set; the same bytes again give the same record."""
    context = context_of(ctx)
    name, label = look.split(version)
    with context.session() as session:
        actor, deployment = context.act(session), session.deployment
        predicate = Dataset(name, label, deployment.now(), source, licence, description=description)
        if subject_column is not None:
            csv = read_file(path, _CSV_LIMIT)
            result = people.register_table(deployment, actor, csv, subject_column, predicate)
        else:
            with context.output.progress(f"keeping {path.name}", None) as progress:
                manifest = session.keep(path, progress)
            result = register_dataset(deployment, actor, manifest, predicate)
        context.output.result(result)


@app.command()
def read(
    ctx: typer.Context,
    version: Annotated[str, typer.Argument(help="A sealed table.", metavar="NAME@VERSION")],
    out: Annotated[Path | None, typer.Option(help="Where to write the CSV; else to standard output.")] = None,
) -> None:
    """Decrypt the rows of a sealed table whose people were not erased."""
    context = context_of(ctx)
    with context.session() as session:
        table = people.read_table(session.deployment, version)
    if out is None:
        typer.echo(table.to_csv().decode(), nl=False)
    else:
        session.write(out, table.to_csv())
    context.output.note(f"{len(table.rows)} rows read, {table.erased} erased")


@app.command(name="list")
def list_(ctx: typer.Context) -> None:
    """List every data set."""
    context = context_of(ctx)
    with context.session() as session:
        rows = [row for row in look.versions(session.deployment) if row.kind == "data set"]
        context.output.table(rows, ("version", "status", "manifest"), "no data set is registered yet")


def erase(
    ctx: typer.Context,
    person: Annotated[str, typer.Argument(help="Who: exactly as the subject column names them.")],
    reason: Annotated[str, typer.Option(help="Why, without naming them: it goes into the log.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Erase a person: destroy their key, so that none of their rows can be read again. It cannot be undone."""
    context = context_of(ctx)
    if not yes:
        typer.confirm("This cannot be undone. Destroy this person's key?", abort=True)
    with context.session() as session:
        context.output.result(people.erase_person(session.deployment, context.act(session), person, reason))
