"""A service in a process of its own, as people run it, and a client of its gateway."""

from __future__ import annotations

import base64
import queue
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from tests.entrypoints.commandline import process
from tests.workflows.stage import PURPOSE

__all__ = ["Running", "ask", "decode", "up"]

BODY = b'{"inputs":[{"name":"features","datatype":"FP32","shape":[1,2],"data":[1.5,2.5]}]}'


@dataclass
class Running:
    """A running service: what it said so far, and where it answers."""

    child: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)
    _said: queue.Queue[str] = field(default_factory=queue.Queue)

    def __post_init__(self) -> None:
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def gateway(self) -> str:
        return self._where("gateway").removesuffix("/v2")

    @property
    def chain(self) -> str:
        return self._where("chain")

    def hear(self, word: str, timeout_s: float = 60.0) -> str:
        """Wait until it says something with this word."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            for line in self.lines:
                if word in line:
                    return line
            try:
                self.lines.append(self._said.get(timeout=0.1))
            except queue.Empty:
                assert self.child.poll() is None or not self._said.empty(), (self.child.returncode, self.lines)
        raise AssertionError(f"it never said {word!r}: {self.lines}")

    def stop(self, number: int = signal.SIGTERM, timeout_s: float = 60.0) -> int:
        """Ask it to stop, and return its exit code."""
        self.child.send_signal(number)
        return self.child.wait(timeout_s)

    def _where(self, what: str) -> str:
        found = re.search(r"http://\S+", self.hear(f"{what} "))
        assert found
        return found[0]

    def _listen(self) -> None:
        assert self.child.stderr is not None
        for line in self.child.stderr:
            self._said.put(line.rstrip("\n"))


@contextmanager
def up(home: Path, *words: object, verb: str = "up") -> Iterator[Running]:
    """Run a service over a deployment until the block ends."""
    port = () if "--no-gateway" in words or "--port" in words else ("--port", "0")
    running = Running(process("--home", home, verb, *port, *words))
    try:
        running.hear("ready")
        yield running
    finally:
        if running.child.poll() is None:
            running.child.kill()
        running.child.wait()
        for pipe in (running.child.stdout, running.child.stderr):
            assert pipe is not None
            pipe.close()


def ask(
    url: str, model: str = "tumour", *, client: httpx.Client | None = None, purpose: str = PURPOSE
) -> httpx.Response:
    """Ask the gateway for one prediction."""
    http = client or httpx.Client(timeout=30, trust_env=False)
    try:
        return http.post(
            f"{url}/v2/models/{model}/infer",
            content=BODY,
            headers={"content-type": "application/json", "mooring-purpose": purpose},
        )
    finally:
        if client is None:
            http.close()


def decode(text: str) -> bytes:
    """Decode a receipt or salt from its header."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
