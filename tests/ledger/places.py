"""Places where the contracts can stand in tests: the embedded chain, and anvil."""

from __future__ import annotations

import contextlib
import itertools
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.ledger.accounts import Accounts, founders

from mooring.errors import LedgerError
from mooring.ledger.dispatch import Pace
from mooring.ledger.embedded import EmbeddedNode, LocalTransport, serve
from mooring.ledger.evm import EvmLedger, EvmSettings
from mooring.ledger.founding import Founded, deploy
from mooring.ledger.jsonrpc import HttpTransport, Transport

__all__ = ["CHAIN_ID", "Place", "anvil_place", "anvil_process", "embedded_place", "free_port", "served_place"]

CHAIN_ID = 31_337
ANVIL = Path(__file__).parents[2] / "contracts/node_modules/.bin/anvil"


@dataclass
class Place:
    """A chain that tests may use, and how to open ledgers on it."""

    transport: Transport
    folder: Path
    accounts: Accounts
    depth: int
    url: str = ""
    rpc: Callable[..., Any] = field(init=False)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.rpc = lambda method, *params: self.transport.request(method, list(params))

    def settings(self, **changes: Any) -> EvmSettings:
        outbox = self.folder / f"outbox-{next(self._numbers)}.sqlite"
        settings = EvmSettings(outbox, chain_id=CHAIN_ID, finality_depth=self.depth, pace=Pace(settle_s=10.0))
        return replace(settings, **changes)

    def found(
        self, members: Sequence[tuple[str, bytes, int]] | None = None, threshold: int = 2, **changes: Any
    ) -> tuple[EvmSettings, Founded]:
        """Deploy the contracts afresh, and return settings with which to use them."""
        settings = self.settings(**changes)
        seats = founders(self.accounts) if members is None else members
        name = f"Test {next(self._numbers)}"
        founded = deploy(self.transport, settings, self.accounts, "deployer", name, seats, threshold)
        return replace(settings, contracts=founded.contracts, start_block=founded.start_block), founded

    def ledger(self, settings: EvmSettings | None = None, transport: Transport | None = None) -> EvmLedger:
        return EvmLedger(transport or self.transport, settings or self.found()[0], self.accounts)


@contextlib.contextmanager
def embedded_place(folder: Path, accounts: Accounts) -> Iterator[Place]:
    with EmbeddedNode.open(folder / "chain", chain_id=CHAIN_ID, genesis_accounts={}, block_interval_s=0.0) as node:
        yield Place(LocalTransport(node), folder, accounts, depth=0)


@contextlib.contextmanager
def served_place(folder: Path, accounts: Accounts) -> Iterator[Place]:
    """An embedded chain that other processes, and proxies, reach over HTTP."""
    with (
        EmbeddedNode.open(folder / "chain", chain_id=CHAIN_ID, genesis_accounts={}, block_interval_s=0.0) as node,
        serve(node) as server,
    ):
        yield Place(LocalTransport(node), folder, accounts, depth=0, url=server.url)


@contextlib.contextmanager
def anvil_place(folder: Path, accounts: Accounts, *options: str, depth: int = 4) -> Iterator[Place]:
    """An anvil on which every account that tests use by name is rich."""
    with anvil_process(*options) as url:
        transport = HttpTransport([url])
        for name in ("deployer", *(f"{x}{n}" for x in "abcdefgh" for n in range(3))):
            transport.request("anvil_setBalance", [accounts.address(name), hex(10**21)])
        yield Place(transport, folder, accounts, depth, url)
        transport.close()


@contextlib.contextmanager
def anvil_process(*options: str) -> Iterator[str]:
    """Run anvil on a free port of the loopback interface, and return its URL once it answers."""
    port = free_port()
    command = [
        str(ANVIL),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--chain-id",
        str(CHAIN_ID),
        "--silent",
        *options,
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_up(url)
        yield url
    finally:
        process.terminate()
        process.wait(10)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_up(url: str) -> None:
    transport = HttpTransport([url], attempts=1)
    for _ in range(200):
        with contextlib.suppress(LedgerError):
            transport.request("eth_chainId", [])
            transport.close()
            return
        time.sleep(0.05)
    raise RuntimeError(f"anvil did not start at {url}")
