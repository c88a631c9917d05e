"""Verification as a stranger does it: another process, no network, one file and a trust root."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mooring.errors import WorkflowError

__all__ = ["Offline", "verify_offline"]

_TIMEOUT_S = 120
_NO_SOCKETS = """
import sys
def refuse(event, args):
    if event.startswith("socket."):
        raise RuntimeError("the verifier asked for the network: " + event)
sys.addaudithook(refuse)
from mooring.entrypoints.cli import main
main()
"""


@dataclass(frozen=True, slots=True)
class Offline:
    """What the other process said: its report, its exit code, how its network was taken away, and its time."""

    report: dict[str, Any]
    code: int
    isolation: str
    seconds: float


def verify_offline(bundle: Path, trust: Path) -> Offline:
    """Run `mooring verify` in a process without network: a network namespace of its own where the system allows one,
    else an audit hook that forbids every socket."""
    isolation, prefix = _isolation()
    arguments = ["--json", "verify", str(bundle), "--trust", str(trust)]
    begun = time.perf_counter()
    done = subprocess.run(  # noqa: S603  # our own interpreter and arguments
        [*prefix, sys.executable, "-c", _NO_SOCKETS, *arguments],
        capture_output=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    seconds = time.perf_counter() - begun
    try:
        return Offline(json.loads(done.stdout), done.returncode, isolation, seconds)
    except ValueError as error:
        reason = done.stderr.decode(errors="replace")[-500:]
        raise WorkflowError(f"the verifier said nothing: {reason}", code="verify-failed", hint="report it") from error


def _isolation() -> tuple[str, list[str]]:
    """Return how a process loses its network here: namespaces need no root on most systems."""
    unshare = shutil.which("unshare")
    for flags in (["-n"], ["-rn"]):
        if unshare and _works([unshare, *flags]):
            return f"unshare {flags[0]}, and no sockets", [unshare, *flags]
    return "an audit hook that forbids sockets", []


def _works(prefix: list[str]) -> bool:
    done = subprocess.run([*prefix, sys.executable, "-c", ""], capture_output=True, check=False, timeout=_TIMEOUT_S)  # noqa: S603
    return done.returncode == 0
