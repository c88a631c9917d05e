"""The command tree and its global options."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mooring import __version__
from mooring.entrypoints.cli.context import Context
from mooring.entrypoints.cli.lazy import LazyGroup
from mooring.entrypoints.cli.output import EXIT_CODES, Output
from mooring.errors import MooringError

__all__ = ["app", "run"]

_HELP = "Tie a deployed AI model to evidence that a stranger verifies offline."
_EPILOG = "Exit codes: " + "; ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items()) + "."

app = typer.Typer(
    name="mooring",
    cls=LazyGroup,
    help=_HELP,
    epilog=_EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(value: bool) -> None:
    if value:
        print(__version__)
        raise typer.Exit


@app.callback()
def options(
    ctx: typer.Context,
    home: Annotated[
        Path | None,
        typer.Option(help="The deployment's folder; else .mooring here or above.", envvar="MOORING_HOME"),
    ] = None,
    as_: Annotated[
        str | None, typer.Option("--as", help="The member who acts.", envvar="MOORING_AS", metavar="MEMBER")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON value.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no notes.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Read the options that stand before the command."""
    ctx.obj = Context(home, as_, Output(as_json=as_json, quiet=quiet))


def run() -> None:
    """Run the command line; every MooringError becomes a message and an exit code."""
    output = Output(as_json="--json" in sys.argv)
    try:
        sys.exit(app(standalone_mode=False) or 0)
    except MooringError as error:
        sys.exit(output.fail(error))
    except typer.Abort:
        sys.exit(130)
    except typer.TyperException as error:
        sys.exit(_usage(error))
    except typer.Exit as error:
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()  # the reader has gone; nothing more can be said
        sys.exit(141)


def _usage(error: typer.TyperException) -> int:
    """Show what is wrong with the command's words, with the usage line where there is one."""
    show = getattr(error, "show", None)
    if show is None:
        print(f"error: {error}", file=sys.stderr)
    else:
        show()
    return 2
