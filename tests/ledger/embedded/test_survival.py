"""The chain outlives its process: killed at random moments, reopened, nothing acknowledged is missing."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

_WRITER = """
import sys, threading
from eth_account import Account
from mooring.ledger.embedded.node import EmbeddedNode

folder, seed, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
node = EmbeddedNode.open(folder, chain_id=31337, genesis_accounts={}, block_interval_s=0.0)
print("open", node.head.block_number, flush=True)
out = threading.Lock()

def write(number):
    key = Account.from_key(bytes([0] * 30 + [1, number + 1]))
    nonce = node.next_nonce(bytes.fromhex(key.address[2:]))
    while True:
        raw = key.sign_transaction({
            "chainId": 31337, "nonce": nonce, "gas": 60_000, "maxFeePerGas": 0, "maxPriorityFeePerGas": 0,
            "value": 0, "to": "0x" + "42" * 20, "data": seed.to_bytes(4, "big") + nonce.to_bytes(4, "big"),
        }).raw_transaction
        tx_hash = node.send_raw_transaction(bytes(raw))
        with out:
            print(tx_hash.hex(), number, nonce, flush=True)
        nonce += 1

for number in range(threads):
    threading.Thread(target=write, args=(number,), daemon=True).start()
threading.Event().wait()
"""


def _write_until_killed(folder: Path, seed: int, delay_s: float, threads: int = 2) -> list[tuple[bytes, int, int]]:
    """Let a process write and kill it `delay_s` after its first word; returns what it acknowledged."""
    command = [sys.executable, "-c", textwrap.dedent(_WRITER), str(folder), str(seed), str(threads)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("open")
        lines: list[str] = []
        reader = threading.Thread(target=lambda: lines.extend(process.stdout))  # type: ignore[arg-type]
        reader.start()
        time.sleep(delay_s)
        os.kill(process.pid, signal.SIGKILL)
        reader.join()
    whole = [line.split() for line in lines if line.endswith("\n")]
    return [(bytes.fromhex(tx_hash), int(number), int(nonce)) for tx_hash, number, nonce in whole]


def _survives(rounds: int, folder: Path, open_chain: Callable[..., Any]) -> None:
    """Kill a writer again and again, then look for every acknowledged transaction."""
    moments = random.Random(7)
    acknowledged: list[tuple[bytes, int, int]] = []
    for seed in range(rounds):
        acknowledged += _write_until_killed(folder, seed, moments.uniform(0.0, 0.4))
    chain = open_chain(block_interval_s=60.0)
    for tx_hash, _, _ in acknowledged:
        assert chain.node.pooled(tx_hash) or chain.node.history.find(tx_hash), tx_hash.hex()
    chain.node.database.check()
    chain.node.close()
    again = open_chain()
    for tx_hash, number, nonce in acknowledged:
        receipt = again.mined(tx_hash)
        assert (receipt["status"], receipt["from"]) == ("0x1", "0x" + again.address(number).hex())
        assert again.node.history.transaction(again.node.history.find(tx_hash)).nonce == nonce
    assert len(acknowledged) >= rounds
    parent = bytes(32)
    for number in range(again.node.head.block_number + 1):
        header = again.node.history.header(number)
        assert header.parent_hash == parent
        assert len(again.node.history.receipts(header)) == len(again.node.history.transactions(header))
        parent = header.hash


def test_nothing_acknowledged_is_lost_when_the_process_is_killed(folder: Path, open_chain: Callable[..., Any]) -> None:
    _survives(2, folder, open_chain)


@pytest.mark.slow
def test_nothing_acknowledged_is_lost_when_the_process_is_killed_twenty_times(
    folder: Path, open_chain: Callable[..., Any]
) -> None:
    _survives(20, folder, open_chain)


@pytest.mark.parametrize("moment", ["write", "commit"])
def test_a_process_that_dies_inside_a_blocks_commit_leaves_the_block_before_it(
    folder: Path, open_chain: Callable[..., Any], moment: str
) -> None:
    script = f"""
    import os, sys
    from eth_account import Account
    from mooring.ledger.embedded.database import ChainDatabase
    from mooring.ledger.embedded.node import EmbeddedNode
    node = EmbeddedNode.open(sys.argv[1], chain_id=31337, genesis_accounts={{}}, block_interval_s=0.2)
    key = Account.from_key(bytes([0] * 30 + [1, 1]))
    raw = key.sign_transaction({{"chainId": 31337, "nonce": 0, "gas": 21000, "maxFeePerGas": 0,
        "maxPriorityFeePerGas": 0, "value": 0, "to": "0x" + "42" * 20}}).raw_transaction
    print(node.send_raw_transaction(bytes(raw)).hex(), flush=True)
    write = ChainDatabase.write
    def die(self, changes):
        if {moment!r} == "commit":
            write(self, changes)
        os.kill(os.getpid(), 9)
    ChainDatabase.write = die
    node.wait_mined(bytes(32), 30)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script), str(folder)], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    chain = open_chain(block_interval_s=60.0)
    assert chain.node.head.block_number == 0
    assert chain.node.pooled(bytes.fromhex(done.stdout.strip())) is not None
    chain.node.close()
    assert open_chain().mined(bytes.fromhex(done.stdout.strip()))["blockNumber"] == "0x1"


def test_a_second_process_is_refused_and_then_continues_the_same_chain(chain: Any, folder: Path) -> None:
    script = """
    import sys
    from mooring.errors import BusyError
    from mooring.ledger.embedded.node import EmbeddedNode
    try:
        node = EmbeddedNode.open(sys.argv[1], chain_id=31337, genesis_accounts={})
    except BusyError as error:
        print(error.message, "|", error.hint)
    else:
        print(node.head.block_number)
        node.close()
    """

    def second() -> str:
        command = [sys.executable, "-c", textwrap.dedent(script), str(folder)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    chain.mined(chain.send(to="0x" + "42" * 20))
    assert f"held by process {os.getpid()}" in second()
    chain.node.close()
    assert second() == "1\n"
