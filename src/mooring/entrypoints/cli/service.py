"""Commands that stay: up (chain, gateway and anchoring in one process) and serve (the gateway alone)."""

from __future__ import annotations

from typing import Annotated

import typer

from mooring.entrypoints.cli.context import context_of

__all__ = ["serve", "up"]

Host = Annotated[str | None, typer.Option(help="Where the gateway listens; else as configured.")]
Port = Annotated[int | None, typer.Option(help="The gateway's port, 0 for any; else as configured.")]


def up(
    ctx: typer.Context,
    host: Host = None,
    port: Port = None,
    rpc_port: Annotated[int, typer.Option(help="Port of the chain's JSON-RPC on loopback, 0 for any.")] = 0,
    gateway: Annotated[bool, typer.Option("--gateway/--no-gateway", help="Serve models too.")] = True,
) -> None:
    """Run the deployment: the embedded chain for other commands, the gateway, sealing and anchoring.

    While it runs, other commands find it by themselves.
    """
    from mooring.entrypoints.service import run

    context = context_of(ctx)
    with context.session() as session:
        run(session, context.output.note, host=host, port=port, rpc_port=rpc_port, chain=True, gateway=gateway)


def serve(ctx: typer.Context, host: Host = None, port: Port = None) -> None:
    """Serve models over HTTP (Open Inference Protocol), with a receipt for each answer."""
    from mooring.entrypoints.service import run

    context = context_of(ctx)
    with context.session() as session:
        run(session, context.output.note, host=host, port=port, rpc_port=0, chain=False, gateway=True)
