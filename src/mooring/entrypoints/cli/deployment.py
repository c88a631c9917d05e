"""Commands for a deployment as a whole: init, doctor, demo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mooring.entrypoints.cli.context import context_of
from mooring.entrypoints.cli.evidence import read_text

__all__ = ["demo", "doctor", "init"]

_LIMIT = 1024 * 1024


def init(
    ctx: typer.Context,
    name: Annotated[str, typer.Option(help="The deployment's name; it begins the logs' names.")] = "mooring.local/demo",
    ledger: Annotated[
        str, typer.Option(help="embedded:///chain, http(s)://… of any EVM node, or tlog:///ledger.")
    ] = "embedded:///chain",
    config: Annotated[
        Path | None, typer.Option(help="A whole configuration, for real use: organisations, roles, ledger.")
    ] = None,
) -> None:
    """Found a deployment: by itself for one machine with three organisations, or from a file for real use."""
    from mooring.wiring.founding import found, local_config
    from mooring.wiring.home import find_home

    context = context_of(ctx)
    text = local_config(name, ledger) if config is None else read_text(config, _LIMIT)
    founded = found(find_home(context.home), text, local=config is None, say=context.output.note)
    context.output.result(founded)
    context.output.note("next: mooring up, or mooring dataset register …")


def doctor(ctx: typer.Context) -> None:
    """Look at everything that a deployment needs and say what is wrong and what to do."""
    from mooring.entrypoints.checkup import check
    from mooring.wiring.home import find_home

    context = context_of(ctx)
    findings = check(find_home(context.home))
    context.output.table(findings, ("what", "state", "detail", "hint"), "nothing was checked")
    raise typer.Exit(0 if all(finding.state == "ok" for finding in findings) else 1)


def demo(
    ctx: typer.Context,
    out: Annotated[Path, typer.Option(help="Where bundle, trust root, transcript and page go.")] = Path("out"),
    ledger: Annotated[
        str, typer.Option(help="embedded:///chain, http(s)://… of any EVM node, or tlog:///ledger.")
    ] = "embedded:///chain",
    predictions: Annotated[int, typer.Option(help="How many predictions to ask for.", min=10, max=100_000)] = 1000,
) -> None:
    """Take one model through its whole life on a real ledger, and prove it offline."""
    from mooring.entrypoints.demo.script import run

    context = context_of(ctx)
    outcome = run(out, ledger, predictions, print if not context.output.as_json else lambda _: None)
    if context.output.as_json:
        context.output.result(outcome)
    raise typer.Exit(0 if outcome["ok"] else 1)
