"""What the log costs as it grows: durable appends, sealing, proofs, reading, opening, and verifying all of it.

Run `python benchmarks/log.py` (about two minutes), `--quick` for 100,000 entries at most, `--json` for programs. Every
figure is measured on the machine that runs it; nothing else should run on it meanwhile. "Cold" is the first proof after
the log was opened: nothing of the tree is in the process, the files are in the operating system's cache. The slope is
the exponent b of time ~ size**b, least squares over the sizes, with its standard error: 0 is flat, 1 is linear.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mooring.proofs.checkpoint import open_checkpoint
from mooring.proofs.merkle import leaf_hash, root_of_leaves, verify_inclusion
from mooring.proofs.note import Signature, VerifierKey, sign
from mooring.storage.filelog import FileLog

ORIGIN = "mooring.local/benchmark/receipts"
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(32))
KEY = VerifierKey(ORIGIN, PRIVATE.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
SIZES = [1_000, 10_000, 100_000, 1_000_000]
COMMIT = 64
PROOFS = 2_000
COLD = 25

UNITS = {
    "append_per_s": "durable appends/s, 64 per commit",
    "commit_us": "one commit of 64, median, µs",
    "commit_p99_us": "one commit of 64, p99, µs",
    "seal_all_ms": "seal all of it at once, ms",
    "seal_100_ms": "seal 100 more, ms",
    "open_ms": "open, ms",
    "inclusion_cold_us": "inclusion proof, cold, µs",
    "inclusion_warm_us": "inclusion proof, warm, µs",
    "consistency_warm_us": "consistency proof, warm, µs",
    "entry_us": "read one sealed entry, µs",
    "first_lookup_ms": "find by leaf hash, first time, ms",
    "lookup_us": "find by leaf hash, later, µs",
    "scrub_ms": "scrub, ms",
    "verify_all_s": "verify every entry against one root, s",
    "verify_one_us": "verify one inclusion proof, µs",
}
TARGETS: dict[str, tuple[float, str]] = {
    "append_per_s": (100_000, "at least"),
    "inclusion_cold_us": (1_000, "below"),
    "inclusion_warm_us": (50, "below"),
    "verify_all_s": (20, "below"),
}


def signer(text: str) -> list[Signature]:
    return [sign(text, KEY, PRIVATE.sign)]


def timed(work: Callable[[], Any]) -> float:
    """Seconds."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def each(work: Callable[[int], Any], indexes: list[int]) -> float:
    """Median microseconds."""
    return statistics.median(timed(lambda index=index: work(index)) for index in indexes) * 1e6  # type: ignore[misc]


def measure(folder: Path, size: int, entry_bytes: int) -> dict[str, float]:
    """All figures for a new log of this size."""
    randomness = random.Random(size)
    entries = [(b"receipt %d " % index).ljust(entry_bytes, b".") for index in range(size)]
    indexes = [randomness.randrange(size) for _ in range(PROOFS)]
    with FileLog(folder, ORIGIN) as log:
        commits = [timed(lambda at=at: log.append(entries[at : at + COMMIT])) for at in range(0, size, COMMIT)]  # type: ignore[misc]
        seal_all = timed(lambda: log.seal(signer))
        checkpoint = open_checkpoint(log.checkpoint() or b"", KEY).checkpoint
        log.append([b"%d" % index for index in range(100)])
        seal_100 = timed(lambda: log.seal(signer))
        scrub = timed(log.scrub)
    cold, opening = [], []
    for index in indexes[:COLD]:
        began = time.perf_counter()
        with FileLog(folder, ORIGIN) as log:
            opening.append(time.perf_counter() - began)
            cold.append(timed(lambda index=index: log.inclusion(index, size)))  # type: ignore[misc]
    with FileLog(folder, ORIGIN) as log:
        for index in indexes:
            log.inclusion(index, size)
        proofs = [log.inclusion(index, size) for index in indexes]
        figures = {
            "inclusion_warm_us": each(lambda index: log.inclusion(index, size), indexes),
            "consistency_warm_us": each(lambda index: log.consistency(index, size), indexes),
            "entry_us": each(log.entry, indexes[:200]),
            "first_lookup_ms": timed(lambda: log.leaf_index(leaf_hash(entries[0]))) * 1e3,
            "lookup_us": each(lambda index: log.leaf_index(leaf_hash(entries[index])), indexes[:200]),
        }
    verified = each(
        lambda at: verify_inclusion(leaf_hash(entries[indexes[at]]), indexes[at], size, proofs[at], checkpoint.root),
        list(range(PROOFS)),
    )
    return figures | {
        "append_per_s": size / sum(commits),
        "commit_us": statistics.median(commits) * 1e6,
        "commit_p99_us": statistics.quantiles(commits, n=100, method="inclusive")[98] * 1e6,
        "seal_all_ms": seal_all * 1e3,
        "seal_100_ms": seal_100 * 1e3,
        "open_ms": statistics.median(opening) * 1e3,
        "inclusion_cold_us": statistics.median(cold) * 1e6,
        "scrub_ms": scrub * 1e3,
        "verify_all_s": timed(lambda: verify_all(entries, checkpoint.root)),
        "verify_one_us": verified,
    }


def verify_all(entries: list[bytes], root: bytes) -> None:
    """What an auditor does who holds every receipt: hash them all up to the anchored root."""
    if root_of_leaves(map(leaf_hash, entries)) != root:
        raise SystemExit("the root does not match: the benchmark is wrong")


def slope(sizes: list[int], values: list[float]) -> tuple[float, float]:
    """The exponent and its standard error."""
    x, y = [math.log(size) for size in sizes], [math.log(value) for value in values]
    if len(x) < 3:
        return math.nan, math.nan
    mean_x, mean_y = statistics.fmean(x), statistics.fmean(y)
    spread = sum((one - mean_x) ** 2 for one in x)
    exponent = sum((one - mean_x) * (other - mean_y) for one, other in zip(x, y, strict=True)) / spread
    errors = [other - mean_y - exponent * (one - mean_x) for one, other in zip(x, y, strict=True)]
    return exponent, math.sqrt(sum(error * error for error in errors) / (len(x) - 2) / spread)


def verdict(name: str, value: float) -> str:
    """The target and whether it is met, at the largest size."""
    if name not in TARGETS:
        return ""
    target, sense = TARGETS[name]
    met = value >= target if sense == "at least" else value < target
    return f"{sense} {target:,g}: {'met' if met else 'MISSED'}"


def table(figures: dict[int, dict[str, float]]) -> str:
    sizes = list(figures)
    lines = [f"{'':44}" + "".join(f"{size:>12,}" for size in sizes) + "   slope            target at the largest"]
    for name, unit in UNITS.items():
        values = [figures[size][name] for size in sizes]
        exponent, error = slope(sizes, values)
        row = "".join(f"{value:>12,.{0 if value >= 1000 else 1 if value >= 10 else 3}f}" for value in values)
        lines.append(f"{unit:44}{row}   {exponent:+.2f} ± {error:.2f}    {verdict(name, values[-1])}".rstrip())
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="100,000 entries at most")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--entry-bytes", type=int, default=300, help="bytes in an entry (300)")
    parser.add_argument("--folder", type=Path, help="where to put the logs (a temporary folder)")
    options = parser.parse_args()
    load, figures = os.getloadavg()[0], {}
    for size in SIZES[:3] if options.quick else SIZES:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            print(f"measuring {size:,} entries", file=sys.stderr)
            figures[size] = measure(Path(folder) / "log", size, options.entry_bytes)
    machine = f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} cores"
    machine += f", load before {load:.1f}"
    if options.json:
        slopes = {name: slope(list(figures), [figures[size][name] for size in figures]) for name in UNITS}
        print(
            json.dumps({"machine": machine, "entry_bytes": options.entry_bytes, "figures": figures, "slopes": slopes})
        )
    else:
        print(machine)
        print(table(figures))


if __name__ == "__main__":
    main()
