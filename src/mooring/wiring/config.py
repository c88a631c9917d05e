"""The configuration file `mooring.toml`: read once, checked whole, never changed by the program."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec

from mooring.errors import ConfigError
from mooring.wiring.bounds import problems

__all__ = [
    "ANCHORER",
    "ROLES",
    "Anchoring",
    "Config",
    "Gateway",
    "LedgerConfig",
    "Member",
    "Organisation",
    "Storage",
    "load",
    "parse",
]

ANCHORER = "anchorer"
"""The key whose account writes checkpoints on the ledger."""

ROLES = {"publisher": 1, "approver": 2, "operator": 4, "guardian": 8}
"""Role name → bit in the registry."""

_LIMIT = 1024 * 1024


class Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A person or service of an organisation; its chain account is the key of the same name in the key store.

    `account` is the account's address where the key is held elsewhere.
    """

    name: str
    roles: tuple[str, ...]
    account: str = ""


class Organisation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An organisation and its members; `<name>-attest` and `<name>-witness` are its keys in the key store.

    Where these are held elsewhere, `attest_key` (`kind:base64 SPKI`) and `witness_key` (a C2SP vkey) are their public
    parts.
    """

    name: str
    members: tuple[Member, ...] = msgspec.field(name="member")
    attest_key: str = ""
    witness_key: str = ""


class LedgerConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which ledger, how deep is final, and how stale a view of it may be."""

    url: str = "embedded:///chain"
    chain_id: int = 20231
    operators: int = 1
    finality_depth: int = 0
    interval_s: float = 0.25
    max_staleness_s: float = 5.0
    confirm_timeout_s: float = 60.0


class Storage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where bytes are kept: blobs (`file:folder`, `s3://bucket/prefix`), index (SQLAlchemy URL, or empty: SQLite here),
    keys (`file:` for encrypted files here, `env:` for the environment)."""

    blobs: str = "file:blobs"
    index: str = ""
    keys: str = "file:"


class Anchoring(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When logs are sealed and anchored: every so many seconds, or when so many entries wait."""

    seal_interval_s: float = 1.0
    anchor_interval_s: float = 30.0
    batch: int = 10_000


class Gateway(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The gateway's address, limits and callers (name → SHA-256 of the bearer token, in hex).

    `purpose` is that of requests that name none; a deployment must name it as one of its own to serve them.

    `otlp_endpoint` is where OpenTelemetry spans go (OTLP over HTTP; empty: nowhere), for `trace_share` of the requests.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    purpose: str = "inference"
    max_body: int = 1024 * 1024
    max_rows: int = 4096
    queue: int = 1024
    timeout_s: float = 10.0
    micro_batch: int = 64
    callers: dict[str, str] = {}
    otlp_endpoint: str = ""
    trace_share: float = 0.01


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A deployment.

    `threshold` organisations approve a version. `custodians` is how many independent parties hold the private keys, as
    the author states; trust roots repeat it.
    """

    deployment: str
    organisations: tuple[Organisation, ...] = msgspec.field(name="organisation")
    threshold: int = 2
    custodians: int = 1
    witnesses_required: int = 0
    observers_required: int = 1
    ledger: LedgerConfig = LedgerConfig()
    storage: Storage = Storage()
    partition: Anchoring = Anchoring()
    gateway: Gateway = Gateway()

    def member(self, name: str) -> tuple[Organisation, Member]:
        """Return a member with its organisation; raises ConfigError `unknown-member`."""
        for organisation in self.organisations:
            for member in organisation.members:
                if member.name == name:
                    return organisation, member
        known = ", ".join(member.name for organisation in self.organisations for member in organisation.members)
        raise ConfigError(f"there is no member {name!r}", code="unknown-member", hint=f"--as one of: {known}")


def load(path: Path) -> Config:
    """Read a configuration file; raises ConfigError naming the file, the field and the remedy."""
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise ConfigError(f"no deployment at {path.parent}", code="no-deployment", hint="run: mooring init") from error
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", code="config-unreadable", hint="check it") from error
    return parse(data, str(path))


def parse(data: bytes, name: str = "mooring.toml") -> Config:
    """Read a configuration from TOML bytes."""
    if len(data) > _LIMIT:
        raise _refuse(name, f"{len(data)} bytes", f"at most {_LIMIT}")
    try:
        config = msgspec.convert(tomllib.loads(data.decode()), Config)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _refuse(name, str(error), "valid TOML 1.0 in UTF-8") from error
    except msgspec.ValidationError as error:
        raise _refuse(name, str(error), "the fields that docs/guide.md lists") from error
    for what, wanted in problems(config, ROLES):
        raise _refuse(name, what, wanted)
    return config


def _refuse(file: str, what: str, wanted: str) -> ConfigError:
    return ConfigError(f"{file}: {what}", code="config", hint=f"expected {wanted}")
