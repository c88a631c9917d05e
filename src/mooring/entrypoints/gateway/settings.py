"""The gateway's settings: bounds, time-outs, callers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from mooring.errors import ConfigError

__all__ = ["ANONYMOUS", "PURPOSE", "GatewaySettings"]

ANONYMOUS = "anonymous"
"""The caller who shows no token."""

PURPOSE = re.compile("[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}")
"""What a purpose may be called."""

_HASH = re.compile("[0-9a-f]{64}")
_POSITIVE = (
    "max_body",
    "max_header",
    "max_rows",
    "max_in_flight",
    "max_connections",
    "max_batch",
    "max_models",
    "request_timeout_s",
    "read_timeout_s",
    "keep_alive_s",
    "drain_s",
    "probe_interval_s",
    "reload_after_s",
)


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """Bounds and choices; the defaults suit small models on one core.

    `callers`: SHA-256 of a bearer token in lower-case hex → caller. `max_body`, `max_header`: bytes. `max_rows`: rows
    of one request. `max_in_flight`: requests between arrival and answer; one more is answered 503, and so is one more
    connection than `max_connections`. `batching`: run waiting requests of one model together, `max_batch` rows at most;
    a request waits for others no longer than `max_wait_s`, and not at all once no more arrive. `inline_run_s`: a model
    that takes longer runs in a thread. `non_finite_models`: models that take NaN and infinities. `unrecorded`: answer
    without receipts, for measuring only.
    """

    callers: Mapping[str, str] = field(default_factory=dict)
    default_purpose: str = "inference"
    max_body: int = 4 * 1024 * 1024
    max_header: int = 16 * 1024
    max_rows: int = 1024
    max_in_flight: int = 1024
    max_connections: int = 4096
    max_models: int = 16
    batching: bool = True
    max_batch: int = 64
    max_wait_s: float = 0.002
    inline_run_s: float = 0.002
    non_finite_models: frozenset[str] = frozenset()
    request_timeout_s: float = 30.0
    read_timeout_s: float = 10.0
    keep_alive_s: float = 30.0
    drain_s: float = 30.0
    probe_interval_s: float = 1.0
    reload_after_s: float = 5.0
    publish_log: bool = True
    unrecorded: bool = False

    def __post_init__(self) -> None:
        for name in _POSITIVE:
            if getattr(self, name) <= 0:
                raise _refuse(name, getattr(self, name), "a number above 0")
        for name in ("max_wait_s", "inline_run_s"):
            if getattr(self, name) < 0:
                raise _refuse(name, getattr(self, name), "0 or more seconds")
        if PURPOSE.fullmatch(self.default_purpose) is None:
            raise _refuse("default_purpose", self.default_purpose, "1 to 64 of letters, digits and . _ : / -")
        for digest, caller in self.callers.items():
            if _HASH.fullmatch(digest) is None:
                raise _refuse("callers", digest, "the SHA-256 of a token in lower-case hex")
            if not 0 < len(caller) <= 256 or not caller.isprintable() or caller == ANONYMOUS:
                raise _refuse("callers", caller, f"a printable name other than {ANONYMOUS!r}")


def _refuse(name: str, value: object, wanted: str) -> ConfigError:
    return ConfigError(f"gateway setting {name} is {value!r:.80}", code="gateway-setting", hint=f"give {wanted}")
