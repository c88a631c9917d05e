"""The command line: `mooring`."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command line; exits with a code of `mooring.entrypoints.cli.output.EXIT_CODES`."""
    from mooring.entrypoints.cli.app import run

    run()
