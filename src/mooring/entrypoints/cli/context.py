"""What every command has: the deployment that is meant, who acts, and how to print."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from mooring.entrypoints.cli.output import Output
from mooring.errors import ConfigError

if TYPE_CHECKING:
    from mooring.wiring.session import Session
    from mooring.workflows.deployment import Actor

__all__ = ["Context", "context_of"]


@dataclass(frozen=True, slots=True)
class Context:
    """The global options."""

    home: Path | None
    actor: str | None
    output: Output

    @contextmanager
    def session(self, *, rebuild: bool = False) -> Iterator[Session]:
        """Open the deployment for the length of one command; `rebuild` fills its index anew."""
        from mooring.wiring.home import find_home
        from mooring.wiring.session import open_session

        with open_session(find_home(self.home), rebuild=rebuild) as session:
            yield session

    def act(self, session: Session) -> Actor:
        """Return the member who acts: `--as`, or the only member of the deployment."""
        actors = session.deployment.actors
        if self.actor is not None:
            return session.deployment.actor(self.actor)
        if len(actors) == 1:
            return next(iter(actors.values()))
        raise ConfigError(
            "who acts is not said", code="actor-missing", hint=f"give --as or set MOORING_AS: {', '.join(actors)}"
        )


def context_of(ctx: typer.Context) -> Context:
    """Return the global options of a running command."""
    found = ctx.find_object(Context)
    assert found is not None
    return found
