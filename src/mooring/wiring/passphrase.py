"""Where the key store's passphrase comes from: the environment, a file for local use, or a person."""

from __future__ import annotations

import getpass
import os
import secrets
import sys
from collections.abc import Callable, Mapping

from mooring.errors import ConfigError
from mooring.storage.atomic import create, translating
from mooring.wiring.home import Home

__all__ = ["make_local", "source"]

_VARIABLE = "MOORING_PASSPHRASE"
_LIMIT = 4096


def source(home: Home, environment: Mapping[str, str] = os.environ) -> Callable[[], str]:
    """Return what asks for the passphrase once: MOORING_PASSPHRASE, else the local file, else the terminal."""

    def ask() -> str:
        if environment.get(_VARIABLE):
            return environment[_VARIABLE]
        if home.passphrase.exists():
            return _read(home)
        if sys.stdin.isatty():
            return getpass.getpass("Passphrase of the key store: ")
        raise ConfigError(
            "the key store's passphrase is needed",
            code="passphrase-missing",
            hint=f"set {_VARIABLE}, or use a terminal",
        )

    return ask


def make_local(home: Home) -> None:
    """Write a random passphrase beside the keys, readable by this user only: for a deployment on one machine."""
    if not home.passphrase.exists():
        create(home.passphrase, secrets.token_urlsafe(32).encode() + b"\n")


def _read(home: Home) -> str:
    with translating(f"read {home.passphrase}"):
        if home.passphrase.stat().st_mode & 0o077:
            raise ConfigError(
                f"others may read {home.passphrase}", code="passphrase-exposed", hint=f"chmod 600 {home.passphrase}"
            )
        with home.passphrase.open("rb") as file:
            data = file.read(_LIMIT)
    try:
        return data.decode().rstrip("\n")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{home.passphrase} is not UTF-8", code="passphrase-format", hint="restore it as mooring init made it"
        ) from error
