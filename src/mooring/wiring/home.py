"""A deployment's folder: where everything of it lies."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mooring.errors import ConfigError

__all__ = ["Home", "find_home"]

_FOLDER = ".mooring"


@dataclass(frozen=True, slots=True)
class Home:
    """The paths of one deployment, all below `path`."""

    path: Path

    @property
    def config(self) -> Path:
        """The configuration, written once by `mooring init`, then only by people."""
        return self.path / "mooring.toml"

    @property
    def contracts(self) -> Path:
        """The addresses of the contracts: what `mooring init` found or deployed."""
        return self.path / "contracts.json"

    @property
    def keys(self) -> Path:
        """The key store."""
        return self.path / "keys"

    @property
    def passphrase(self) -> Path:
        """The key store's passphrase, for local use only."""
        return self.path / "passphrase"

    @property
    def secrets(self) -> Path:
        """Data keys of people."""
        return self.path / "secrets.sqlite"

    @property
    def index(self) -> Path:
        """The index, if it is SQLite."""
        return self.path / "index.sqlite"

    @property
    def outbox(self) -> Path:
        """Submitted transactions."""
        return self.path / "outbox.sqlite"

    @property
    def policy(self) -> Path:
        """The policy text at hand."""
        return self.path / "policy.cedar"

    @property
    def notes(self) -> Path:
        """Anchored checkpoints."""
        return self.path / "checkpoints"

    @property
    def trust(self) -> Path:
        """The trust root as this deployment states it."""
        return self.path / "trust.json"

    def log(self, origin: str) -> Path:
        """The folder of a log."""
        return self.path / "logs" / origin.rpartition("/")[2]

    def witness(self, organisation: str) -> Path:
        """What a witness remembers."""
        return self.path / "witnesses" / organisation

    def resolve(self, location: str) -> Path:
        """Return a configured path; a relative one starts at the deployment's folder."""
        return self.path / location


def find_home(given: Path | None, environment: Mapping[str, str] = os.environ) -> Home:
    """Return the deployment that is meant: the one given, MOORING_HOME, or `.mooring` here or above.

    Without any of them it is `.mooring` here, which may not exist yet.
    """
    if given is not None:
        return Home(given.absolute())
    if environment.get("MOORING_HOME"):
        return Home(Path(environment["MOORING_HOME"]).absolute())
    try:
        here = Path.cwd()
    except FileNotFoundError as error:
        raise ConfigError("the current folder is gone", code="no-folder", hint="cd to one that exists") from error
    for folder in (here, *here.parents):
        if (folder / _FOLDER / "mooring.toml").is_file():
            return Home(folder / _FOLDER)
    return Home(here / _FOLDER)
