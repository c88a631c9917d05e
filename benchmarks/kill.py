"""Kill the gateway with SIGKILL at random moments under load: is every receipt that a client holds found afterwards?

    python benchmarks/kill.py [--rounds 100] [--connections 16] [--seed 7] [--json]

Each round starts the gateway as a process on the same receipts log, asks over many connections at once, kills it at a
random moment, opens the log again, and looks every receipt of a complete answer up: same bytes at its index, proved
against a freshly sealed checkpoint. Exit code 1 if one is missing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "gateway"))

from deployment import FEATURES, Published, open_log, train  # noqa: E402  # beside this script

from mooring.proofs import merkle  # noqa: E402
from mooring.proofs.checkpoint import open_checkpoint  # noqa: E402
from mooring.records.receipt import Receipt, commit_input, commit_output  # noqa: E402

START_S = 60.0
LONGEST_S = 1.0


def request() -> tuple[bytes, bytes]:
    """Return one HTTP request and its body."""
    tensor = {"name": "X", "shape": [1, FEATURES], "datatype": "FP32", "data": [n / 7 for n in range(FEATURES)]}
    body = json.dumps({"inputs": [tensor]}).encode()
    head = f"POST /v2/models/triage/infer HTTP/1.1\r\nHost: test\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body, body


async def ask(port: int, held: list[tuple[bytes, bytes, bytes]]) -> None:
    """Ask on one connection until it breaks; keep receipt, salt and response of each complete answer."""
    sent, _ = request()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while True:
            writer.write(sent)
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            fields = dict(line.split(": ", 1) for line in head.splitlines()[1:-1])
            body = await reader.readexactly(int(fields["content-length"]))
            if head.startswith("HTTP/1.1 200"):
                evidence = (urlsafe_b64decode(fields[name] + "==") for name in ("mooring-receipt", "mooring-salt"))
                held.append((*evidence, body))
    except (OSError, asyncio.IncompleteReadError):
        return


async def load(port: int, connections: int, seconds: float, process: subprocess.Popen[bytes]) -> list[Any]:
    """Ask on many connections, and kill the process after `seconds`."""
    held: list[tuple[bytes, bytes, bytes]] = []
    tasks = [asyncio.create_task(ask(port, held)) for _ in range(connections)]
    await asyncio.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()
    await asyncio.gather(*tasks)
    return held


def start(model: Path, folder: Path, port: int) -> subprocess.Popen[bytes]:
    """Start the gateway, and wait until it listens."""
    command = [sys.executable, str(HERE / "gateway/mooring_server.py"), str(model), str(folder), "--port", str(port)]
    process = subprocess.Popen(command)
    last = time.monotonic() + START_S
    while time.monotonic() < last and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return process
    process.kill()
    raise SystemExit("the gateway did not start")


def missing(folder: Path, held: list[tuple[bytes, bytes, bytes]]) -> int:
    """Return how many of these receipts are not in the log, or do not open to what was sent and received."""
    _, body = request()
    lost = 0
    with open_log(folder) as log:
        published = Published(log, folder)
        signed = open_checkpoint(published.seal(), published.key).checkpoint
        for entry, salt, response in held:
            receipt = Receipt.from_bytes(entry)
            found = receipt.index < log.size and log.entry(receipt.index) == entry
            opens = (
                receipt.input == commit_input(salt, body).hex()
                and receipt.output == commit_output(salt, response).hex()
            )
            if not (found and opens):
                lost += 1
                continue
            path = log.inclusion(receipt.index, signed.size)
            merkle.verify_inclusion(merkle.leaf_hash(entry), receipt.index, signed.size, path, signed.root)
    return lost


def free_port() -> int:
    """Return a port that is free at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> int:
    """Run the rounds; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    chance = random.Random(args.seed)
    everything: list[tuple[bytes, bytes, bytes]] = []
    lost = 0
    with tempfile.TemporaryDirectory() as place:
        model, folder = Path(place, "model.onnx"), Path(place, "receipts")
        model.write_bytes(train())
        for number in range(1, args.rounds + 1):
            port = free_port()
            process = start(model, folder, port)
            held = asyncio.run(load(port, args.connections, chance.uniform(0.02, LONGEST_S), process))
            lost += missing(folder, held)
            everything += held
            if not args.json:
                print(
                    f"\r{number}/{args.rounds} kills, {len(everything)} receipts held, {lost} lost", end="", flush=True
                )
        lost_later = missing(folder, everything)
    result = {
        "kills": args.rounds,
        "receipts_held": len(everything),
        "receipts_lost": lost,
        "receipts_lost_after_all_kills": lost_later,
        "seed": args.seed,
    }
    print(json.dumps(result) if args.json else f"\nafter all kills, {lost_later} of all receipts are lost")
    return 1 if lost or lost_later or not everything else 0


if __name__ == "__main__":
    raise SystemExit(main())
