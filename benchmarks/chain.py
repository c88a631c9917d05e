"""What the embedded chain costs: transactions a second, opening, receipts and logs as the chain grows.

Run `python benchmarks/chain.py` (about three minutes), `--quick` for a chain of 1,000 blocks at most, `--json` for
programs. Every figure is measured on the machine that runs it; nothing else should run on it meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx
from eth_account import Account
from eth_utils import to_checksum_address

from mooring.ledger.embedded import block
from mooring.ledger.embedded.node import EmbeddedNode
from mooring.ledger.embedded.server import serve
from mooring.ledger.embedded.transport import LocalTransport

CHAIN_ID = 31_337
KEY = Account.from_key(bytes(31) + b"\1")
RUNTIME = bytes.fromhex("60003580600055806000523390602060" + "00a200")  # keep a word in slot 0 and log it
INIT = bytes.fromhex(f"60{len(RUNTIME):02x}8060093d393df3") + RUNTIME
COMMITS = 300
LOOKUPS = 100


@dataclass
class Report:
    """The figures: milliseconds unless the name says otherwise; `growth` by number of blocks."""

    machine: str
    commit_ms: dict[str, float] = field(default_factory=dict)
    import_ms: float = 0.0
    transactions_per_s: dict[str, float] = field(default_factory=dict)
    alone_ms: float = 0.0
    growth: dict[int, dict[str, float]] = field(default_factory=dict)


class Bench:
    """One chain in a folder of its own, and a contract on it that logs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.nonce = 0
        self.node = self.open()
        receipt = self.mined(self.sign(to=None, data=INIT))
        self.contract = to_checksum_address(receipt["contractAddress"])

    def open(self) -> EmbeddedNode:
        return EmbeddedNode.open(self.folder, chain_id=CHAIN_ID, genesis_accounts={}, block_interval_s=0.0)

    @property
    def rpc(self) -> LocalTransport:
        return LocalTransport(self.node)

    def sign(self, *, to: str | None = "", data: bytes) -> str:
        """A signed call of the contract, or a creation if `to` is None."""
        fields: dict[str, Any] = {"chainId": CHAIN_ID, "nonce": self.nonce, "gas": 200_000, "value": 0, "data": data}
        if to is not None:
            fields["to"] = to or self.contract
        self.nonce += 1
        fields |= {"maxFeePerGas": 0, "maxPriorityFeePerGas": 0}
        return "0x" + bytes(KEY.sign_transaction(fields).raw_transaction).hex()

    def calls(self, count: int) -> list[str]:
        return [self.sign(data=self.nonce.to_bytes(32, "big")) for _ in range(count)]

    def mined(self, raw: str) -> Any:
        sent = self.rpc.request("eth_sendRawTransaction", [raw])
        self.node.wait_mined(bytes.fromhex(sent[2:]), 60)
        return self.rpc.request("eth_getTransactionReceipt", [sent])


def timed(action: Callable[[], object]) -> float:
    """Milliseconds that the action takes."""
    start = time.perf_counter()
    action()
    return (time.perf_counter() - start) * 1_000


def median(action: Callable[[int], object], times: int) -> float:
    """The median of several runs, in milliseconds."""
    return statistics.median(timed(lambda number=number: action(number)) for number in range(times))


def commit_cost(folder: Path) -> dict[str, float]:
    """A commit of one pending transaction with each setting of `synchronous`."""
    from mooring.ledger.embedded.database import ChainDatabase

    costs = {}
    for setting in ("NORMAL", "FULL"):
        database = ChainDatabase(folder / f"{setting}.sqlite")
        database._writer.execute(f"PRAGMA synchronous={setting}")

        def commit(number: int, database: ChainDatabase = database) -> None:
            with database.transaction() as sql:
                sql.execute("INSERT INTO pending VALUES (?, ?, ?)", (number, os.urandom(32), bytes(180)))

        costs[setting] = median(commit, COMMITS)
        database.close()
    return costs


def throughput(bench: Bench, count: int) -> dict[str, float]:
    """Calls a second from signed bytes to the block that holds the last, all sent at once."""
    rates = {}
    raws = bench.calls(count)
    rates["local"] = _rate(
        bench, raws, lambda part: bench.rpc.batch([("eth_sendRawTransaction", [raw]) for raw in part])
    )
    raws = bench.calls(count)
    with serve(bench.node) as server, httpx.Client(timeout=60) as client:

        def post(part: list[str]) -> list[Any]:
            calls = [
                {"jsonrpc": "2.0", "id": number, "method": "eth_sendRawTransaction", "params": [raw]}
                for number, raw in enumerate(part)
            ]
            return [answer["result"] for answer in client.post(server.url, json=calls).json()]

        rates["http"] = _rate(bench, raws, post)
    return rates


def _rate(bench: Bench, raws: list[str], send: Callable[[list[str]], list[Any]]) -> float:
    start = time.perf_counter()
    for first in range(0, len(raws), 500):
        last = send(raws[first : first + 500])[-1]
    if not bench.node.wait_mined(bytes.fromhex(last[2:]), 600):
        raise TimeoutError("the last call was not mined")
    return len(raws) / (time.perf_counter() - start)


def grow(bench: Bench, blocks: int) -> None:
    """Add blocks of one call each until the chain has this many."""
    usual, block.MAX_TRANSACTIONS = block.MAX_TRANSACTIONS, 1
    try:
        while (missing := blocks - bench.node.head.block_number) > 0:
            raws = bench.calls(min(missing, 1_000))
            sent = bench.rpc.batch([("eth_sendRawTransaction", [raw]) for raw in raws])
            bench.node.wait_mined(bytes.fromhex(sent[-1][2:]), 600)
    finally:
        block.MAX_TRANSACTIONS = usual


def measure(bench: Bench) -> dict[str, float]:
    """Opening, lookups and log queries on the chain as it is."""
    height = int(bench.node.head.block_number)
    rpc, everything = bench.rpc, {"fromBlock": "0x0", "address": bench.contract}
    topics = [log["topics"][0] for log in rpc.request("eth_getLogs", [{**everything, "toBlock": hex(LOOKUPS)}])]
    step = max(1, height // LOOKUPS)
    hashes = [
        rpc.request("eth_getBlockByNumber", [hex(number), False])["transactions"][0]
        for number in range(2, height, step)
    ]

    def logs(expected: int, **wanted: object) -> None:
        found = rpc.request("eth_getLogs", [everything | wanted])
        if len(found) != expected:
            raise ValueError(f"{len(found)} logs for {wanted}, expected {expected}")

    answer = {
        "receipt_ms": median(lambda n: rpc.request("eth_getTransactionReceipt", [hashes[n % len(hashes)]]), LOOKUPS),
        "one_log_ms": median(lambda n: logs(1, topics=[topics[n % len(topics)]]), LOOKUPS),
        "newest_logs_ms": median(lambda _: logs(1, fromBlock=hex(height)), LOOKUPS),
        "ninety_logs_ms": median(lambda _: logs(90, fromBlock=hex(height - 89)), 10),
        "no_log_ms": median(lambda _: logs(0, topics=["0x" + "ff" * 32]), LOOKUPS),
        "proof_ms": median(lambda _: rpc.request("eth_getProof", [bench.contract, ["0x0"], "latest"]), 20),
    }
    bench.node.close()
    answer["file_bytes_per_block"] = (bench.folder / "chain.sqlite").stat().st_size / height
    start = time.perf_counter()
    bench.node = bench.open()
    answer["open_ms"] = (time.perf_counter() - start) * 1_000
    return answer


def import_cost() -> float:
    """Milliseconds of the first import, in a process of its own, beside an empty process."""
    empty = min(timed(lambda: subprocess.run([sys.executable, "-c", ""], check=True)) for _ in range(3))
    command = [sys.executable, "-c", "from mooring.ledger.embedded.node import EmbeddedNode"]
    return min(timed(lambda: subprocess.run(command, check=True)) for _ in range(3)) - empty


def run(sizes: list[int], calls: int) -> Report:
    """All figures, in the order in which they are printed."""
    report = Report(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory() as folder:
        report.commit_ms = commit_cost(Path(folder))
        report.import_ms = import_cost()
        bench = Bench(Path(folder) / "chain")
        for size in sizes:
            grow(bench, size)
            report.growth[size] = measure(bench)
        report.alone_ms = median(lambda _: bench.mined(bench.calls(1)[0]), 50)
        report.transactions_per_s = throughput(bench, calls)
        bench.node.close()
    return report


def show(report: Report) -> None:
    """Print the figures as a table."""
    print(f"embedded chain on {report.machine}")
    print(f"  a durable commit      {report.commit_ms['FULL']:9.2f} ms  ({report.commit_ms['NORMAL']:.2f} ms unsynced)")
    print(f"  first import          {report.import_ms:9.0f} ms")
    print(f"  one call, sent alone  {report.alone_ms:9.1f} ms to its receipt")
    for way, rate in report.transactions_per_s.items():
        print(f"  calls, {way:<5} batches  {rate:9.0f} /s")
    names = list(next(iter(report.growth.values())))
    print("  " + "blocks".ljust(22) + "".join(f"{size:>10,}" for size in report.growth))
    for name in names:
        print(f"  {name:<22}" + "".join(f"{figures[name]:>10.2f}" for figures in report.growth.values()))


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="stop at 1,000 blocks")
    options = parser.parse_args()
    report = run([100, 1_000] if options.quick else [100, 1_000, 10_000], 500 if options.quick else 2_000)
    print(json.dumps(asdict(report), indent=2)) if options.json else show(report)


if __name__ == "__main__":
    main()
