"""What offline verification costs: import, a typical bundle, 1,000 receipts, and 10⁶ receipts against one anchor.

Run `python benchmarks/verify.py` (about a minute), `--quick` for 100,000 receipts, `--json` for programs. Every figure
is measured on the machine that runs it; nothing else should run on it meanwhile. Bundles are real (see
tests/proofs/scene.py): Ed25519 signatures, Merkle paths, headers, receipt tries. Import and bundle are measured in
fresh processes, each of which reads the files as a verifier would; the medians are printed, beside their limits.
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
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.proofs import scene

from mooring.proofs.checkpoint import open_checkpoint
from mooring.proofs.merkle import leaf_hash, root_of_leaves
from mooring.proofs.receiptline import ReceiptLine, read_receipt
from mooring.records.receipt import Receipt

RECEIPTS = 1_000_000
CHUNK = 50_000
PROCESSES = 15

UNITS = {
    "import_ms": ("import mooring.proofs and mooring.proofs.verify, fresh process, ms", 150.0),
    "bundle_first_ms": ("typical bundle, first of a process, ms", 30.0),
    "bundle_ms": ("typical bundle, median of a process, ms", 30.0),
    "thousand_ms": ("bundle of 1,000 receipts, ms", None),
    "receipt_us": ("of which each receipt, µs", None),
    "hashed_s": ("receipts against one anchored checkpoint: hashed, s", 20.0),
    "parsed_s": ("the same, and each parsed and its place checked, s", 20.0),
    "read_us": ("parsing one receipt, µs", None),
    "read_slowly_us": ("parsing one receipt by the general reader, µs", None),
}
"""Figure → what it is, and the limit that it has to keep."""

PROBE = """
import json, statistics, sys, time
begun = time.perf_counter()
import mooring.proofs
import mooring.proofs.verify
imported = time.perf_counter()
from mooring.proofs.trust import Trust
bundle, trust = (open(path, "rb").read() for path in sys.argv[1:3])
times = []
for _ in range(int(sys.argv[3])):
    start = time.perf_counter()
    report = mooring.proofs.verify.verify_bytes(bundle, Trust.from_bytes(trust), now_s=int(sys.argv[4]))
    times.append(time.perf_counter() - start)
assert report.outcome == "proved", report.refuted()
print(json.dumps({"import": imported - begun, "first": times[0], "median": statistics.median(times)}))
"""


def typical() -> scene.Story:
    """7 attestations, 12 events in 6 blocks that 3 organisations saw: a version suspended and approved again."""
    moved, approval = scene.moved, scene.approval
    second = {name: approval(name, 10) for name in ("lab", "auditor")}
    data, model, lab, auditor, passed, active = scene.life()
    back = [
        moved(11, scene.ACTIVE, scene.SUSPENDED, "auditor", reason=b"\1" * 32),
        *(
            replace(scene.approved(12, name, 1 + i, said.digest.value), transaction=i)
            for i, (name, said) in enumerate(second.items())
        ),
        replace(moved(12, scene.SUSPENDED, scene.APPROVED, "auditor"), transaction=1),
        moved(14, scene.APPROVED, scene.ACTIVE),
    ]
    happenings = [
        replace(data, block=6, transaction=0),
        model,
        lab,
        *(replace(e, block=8, transaction=2) for e in (auditor, passed)),
    ]
    statements = [*scene.Story().statements[:5], *((said, (name,)) for name, said in second.items())]
    happenings += [replace(active, block=8, transaction=3), *back]
    return scene.Story(happenings=happenings, statements=statements, answers=[], shown=(), openings=())


def thousand() -> scene.Story:
    return replace(scene.Story(), answers=[scene.answer(i) for i in range(1000)], shown=tuple(range(1000)), openings=())


def probe(story: scene.Story, processes: int, rounds: int) -> dict[str, float]:
    """Verify a story's bundle in fresh processes; medians over the processes, in ms."""
    with tempfile.TemporaryDirectory() as folder:
        bundle, trust = Path(folder, "bundle.json"), Path(folder, "trust.json")
        bundle.write_bytes(story.bundle().to_bytes())
        trust.write_bytes(story.trust().to_bytes())
        command = [sys.executable, "-c", PROBE, str(bundle), str(trust), str(rounds), str(scene.NOW)]
        runs = [json.loads(subprocess.check_output(command)) for _ in range(processes)]
    return {name: 1000 * statistics.median(run[name] for run in runs) for name in runs[0]}


def receipts(count: int) -> Iterator[list[bytes]]:
    """Receipts 0 to `count`, in lists: one real receipt, with its index and commitments changed."""
    before, after = scene.answer(0).split(b'"index":0,')
    for first in range(0, count, CHUNK):
        chunk = []
        for index in range(first, min(count, first + CHUNK)):
            digits = b"%064x" % (index * 0x9E3779B97F4A7C15)
            chunk.append(before + b'"index":%d,"input":"%b"' % (index, digits) + after[after.index(b",") :])
        yield chunk


def against_one_anchor(count: int, read: Callable[[bytes], ReceiptLine] | None) -> float:
    """Seconds to verify `count` receipts under one cosigned checkpoint, without the time to make them."""
    leaves: list[bytes] = []
    spent = 0.0
    for chunk in receipts(count):
        begun = time.perf_counter()
        leaves += map(leaf_hash, chunk)
        if read is not None:
            first = len(leaves) - len(chunk)
            for place, line in enumerate(map(read, chunk), first):
                assert (line.origin, line.place) == (scene.RECEIPTS, place)
        spent += time.perf_counter() - begun
    root = root_of_leaves(leaves)
    note = _sealed(count, root)
    begun = time.perf_counter()
    opened = open_checkpoint(note, scene.log_key(scene.RECEIPTS), [scene.witness_key(org) for org in scene.ORGS], 2)
    assert opened.checkpoint.size == len(leaves)
    assert opened.checkpoint.root == root_of_leaves(leaves)
    return spent + time.perf_counter() - begun


def _sealed(size: int, root: bytes) -> bytes:
    class Known(scene.Tree):
        """A tree of which only size and root are needed."""

        def __init__(self) -> None:
            self.entries = range(size)  # type: ignore[assignment]  # its length alone

        @property
        def root(self) -> bytes:
            return root

    return scene.seal(scene.RECEIPTS, Known())


def each_us(read: Callable[[bytes], Any], count: int) -> float:
    """The median time of reading one receipt."""
    (chunk,) = receipts(min(count, CHUNK))
    times = []
    for start in range(0, len(chunk), 1000):
        part = chunk[start : start + 1000]
        begun = time.perf_counter()
        for data in part:
            read(data)
        times.append((time.perf_counter() - begun) / len(part))
    return 1e6 * statistics.median(times)


def measure(count: int, processes: int) -> dict[str, float]:
    small, large = probe(typical(), processes, 30), probe(thousand(), 3, 5)
    return {
        "import_ms": small["import"],
        "bundle_first_ms": small["first"],
        "bundle_ms": small["median"],
        "thousand_ms": large["median"],
        "receipt_us": large["median"] - small["median"],  # ms for 1,000: µs for one
        "hashed_s": against_one_anchor(count, None),
        "parsed_s": against_one_anchor(count, read_receipt),
        "read_us": each_us(read_receipt, 20_000),
        "read_slowly_us": each_us(Receipt.from_bytes, 2_000),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="100,000 receipts, 5 processes")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    count, processes = (100_000, 5) if options.quick else (RECEIPTS, PROCESSES)
    bundle = typical().bundle()
    about = {
        "machine": f"{os.cpu_count()} × {platform.machine()}, Python {platform.python_version()}",
        "receipts": count,
        "typical_bundle": f"{len(bundle.entries)} attestations, {len(bundle.blocks)} events, "
        f"{len({block.header for block in bundle.blocks})} blocks, {len(bundle.observations)} observations, "
        f"{len(bundle.to_bytes())} bytes",
    }
    figures = {name: round(value, 2) for name, value in measure(count, processes).items()}
    if options.json:
        limits = {name: limit for name, (_, limit) in UNITS.items() if limit is not None}
        print(json.dumps(about | {"figures": figures, "limits": limits}, indent=1))
        return
    print(f"{about['machine']}\ntypical bundle: {about['typical_bundle']}\nreceipts under one anchor: {count:,}\n")
    for name, value in figures.items():
        what, limit = UNITS[name]
        print(f"{value:10.2f}  {what}" + (f" (limit {limit:g}: {value / limit:.0%} of it)" if limit else ""))


if __name__ == "__main__":
    main()
