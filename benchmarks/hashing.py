"""Hashing a model beside model-signing 1.1.1, its default (SHA-256 of each file), in an environment of its own.

    python benchmarks/hashing.py [--size BYTES] [--files N] [--rounds N] [--threads N] [--json]

One large file and many small ones, all in the page cache. Every round times each contender once, in an order that
rotates; the figures are medians, and the ratios are theirs. The baseline runs in `.bench/model-signing`, which is made
at the first run; it is warmed up and timed by its own clock, so that its start does not count.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
import venv
from collections.abc import Callable
from pathlib import Path

from mooring.storage.hashing import Algorithm, hash_tree

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".bench" / "model-signing"
REQUIREMENTS = ("model-signing==1.1.1", "pyOpenSSL")  # it imports OpenSSL and does not require it
BASELINE = "model-signing 1.1.1, default"
TARGETS = {("large", "blake3"): 6.0, ("large", "sha256-sharded"): 1.9}
OURS: tuple[Algorithm, ...] = ("blake3", "sha256-sharded", "sha256")
TENSOR = 64 << 20

SERVER = """
import sys, time
from model_signing import hashing
print("ready", flush=True)
for line in sys.stdin:
    start = time.perf_counter()
    hashing.hash(line.rstrip("\\n"))
    print(time.perf_counter() - start, flush=True)
"""


class Baseline:
    """model-signing in a process of its own, told by path what to hash."""

    def __init__(self) -> None:
        python = ENVIRONMENT / "bin" / "python"
        if not (ENVIRONMENT / "complete").exists():
            venv.create(ENVIRONMENT, with_pip=True, clear=True)
            subprocess.run([python, "-m", "pip", "install", "-qqq", *REQUIREMENTS], check=True)
            (ENVIRONMENT / "complete").touch()
        self._process = subprocess.Popen(
            [python, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self._answer()

    def hash(self, path: Path) -> float:
        """Return how many seconds hashing took by the process's own clock."""
        assert self._process.stdin
        self._process.stdin.write(f"{path}\n")
        return float(self._answer())

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def _answer(self) -> str:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"the baseline ended with {self._process.wait()}")
        return line


def ours(path: Path, algorithm: Algorithm, threads: int | None) -> float:
    """Return how many seconds our hashing took."""
    start = time.perf_counter()
    hash_tree(path, algorithm=algorithm, threads=threads)
    return time.perf_counter() - start


def write_large(folder: Path, size: int) -> Path:
    """Write one file of random bytes, a tensor at a time as frameworks save them.

    How a file was written decides how large the pages of the cache are; pages of a file that was read from the disk
    are as large as these.
    """
    folder.mkdir()
    with (folder / "model.safetensors").open("wb", buffering=0) as file:
        for start in range(0, size, TENSOR):
            file.write(os.urandom(min(TENSOR, size - start)))
        os.fsync(file.fileno())  # the disk must not be busy with it while we measure
    return folder


def write_small(folder: Path, count: int) -> Path:
    """Write so many files of 1 to 8 KiB, a hundred to a folder."""
    for number in range(count):
        inner = folder / f"{number // 100:04}"
        inner.mkdir(parents=True, exist_ok=True)
        (inner / f"{number % 100:02}.txt").write_bytes(os.urandom(1024 * (1 + number % 8)))
    os.sync()
    return folder


def measure(contenders: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Time every contender once per round, each round in another order, after a round that does not count."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    names = list(contenders)
    for number in range(-1, rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            taken = contenders[name]()
            if number >= 0:
                times[name].append(taken)
    return times


def report(work: str, size: int, count: int, times: dict[str, list[float]]) -> dict[str, object]:
    """Return medians and ratios of one workload."""
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    rows = [
        {
            "contender": name,
            "median_s": medians[name],
            "least_s": min(times[name]),
            "times_s": times[name],
            "gb_per_s": size / medians[name] / 1e9,
            "ratio": medians[BASELINE] / medians[name],
            "target": TARGETS.get((work, name)),
        }
        for name in times
    ]
    return {"work": work, "files": count, "bytes": size, "rows": rows}


def show(result: dict[str, object]) -> None:
    """Print one workload as a table."""
    print(f"\n{result['files']} file(s), {result['bytes']} bytes")
    rows = result["rows"]
    assert isinstance(rows, list)
    for row in rows:
        verdict = "" if row["target"] is None else f"   target >= {row['target']}: {judge(row)}"
        speed = f"{row['median_s']:8.3f} s  {row['gb_per_s']:6.2f} GB/s  {row['ratio']:5.2f} x"
        print(f"  {row['contender']:<30}{speed}{verdict}")


def judge(row: dict[str, float]) -> str:
    """Return whether a row reaches its target."""
    return "reached" if row["ratio"] >= row["target"] else "MISSED"


def main() -> None:
    """Run both workloads and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=2 * 10**9, help="bytes of the large file")
    parser.add_argument("--files", type=int, default=10_000, help="how many small files")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=None, help="at most so many cores for ours (default: all)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    results = run(options.size, options.files, options.rounds, options.threads)
    if options.json:
        print(json.dumps({"cores": os.cpu_count(), "load": os.getloadavg(), "results": results}, indent=1))
        return
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {options.rounds} rounds, medians")
    for result in results:
        show(result)


def run(size: int, files: int, rounds: int, threads: int | None) -> list[dict[str, object]]:
    """Return the report of both workloads."""
    baseline = Baseline()
    results = []
    with tempfile.TemporaryDirectory(prefix="mooring-hashing-") as folder:
        large, small = write_large(Path(folder) / "large", size), write_small(Path(folder) / "small", files)
        bytes_small = sum(path.stat().st_size for path in small.rglob("*.txt"))
        for work, path, count, total in (("large", large, 1, size), ("small", small, files, bytes_small)):
            contenders: dict[str, Callable[[], float]] = {BASELINE: lambda path=path: baseline.hash(path)}
            for algorithm in OURS:
                contenders[algorithm] = lambda path=path, algorithm=algorithm: ours(path, algorithm, threads)
            results.append(report(work, total, count, measure(contenders, rounds)))
    baseline.close()
    return results


if __name__ == "__main__":
    main()
