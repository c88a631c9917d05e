"""The gateway against MLServer, and against itself without receipts, over the same ONNX model.

    python benchmarks/gateway/compare.py [--repeats 5] [--seconds 5] [--json FILE] [--without-mlserver]

Server on one core, wrk on another. All servers run throughout; each is measured in turn, in the same order within every
repeat, so that a slow minute of the machine hits all of them. A measurement during which other programs took more than
6 % of the machine is repeated, and said to be disturbed if it stays so. Figures are medians over repeats, ratios are
medians of the ratios within a repeat. MLServer runs in an environment of its own (.bench/mlserver), made from pinned
requirements.

`mooring` is the gateway as the service runs it: receipts durable before each answer, batching, and a signed checkpoint
every second. `plain` is the same server without receipts and without batching.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import venv
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE))

from deployment import FEATURES, train  # noqa: E402  # beside this script

CONNECTIONS = (1, 16, 64)
START_S = 120.0
QUIET = 0.06  # of the machine: what other programs may take during a measurement
ROW = [n * 1.2345 for n in range(1, FEATURES + 1)]


@dataclass(frozen=True)
class Contender:
    """A server under test: its name, its command, its environment's extra variables, its folder and port."""

    name: str
    command: list[str]
    port: int
    folder: Path


@dataclass(frozen=True)
class Server:
    """A contender that runs, and what it answered first."""

    contender: Contender
    process: subprocess.Popen[bytes]
    answer: Any


def main() -> int:
    """Measure, print, and return 1 if a target is missed."""
    args = _arguments()
    _require_tools()
    with tempfile.TemporaryDirectory(dir=args.folder) as place, ExitStack() as stack:
        model = Path(place, "model.onnx")
        model.write_bytes(train())
        contenders = _contenders(Path(place), model, with_mlserver=not args.without_mlserver)
        servers = [stack.enter_context(_running(contender)) for contender in contenders]
        _require_equal(servers)
        runs = _measure(servers, args)
    result = _summarise(runs)
    print(_table(result))
    if args.json:
        Path(args.json).write_text(json.dumps({"runs": runs, **result}, indent=1) + "\n")
    return 0 if all(target["met"] for target in result["targets"]) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5, help="of load for each measurement")
    parser.add_argument("--attempts", type=int, default=10, help="at a measurement that other programs disturb")
    parser.add_argument("--json", help="write every measurement to this file")
    parser.add_argument("--folder", default=None, help="where the receipts log is written (a real disk)")
    parser.add_argument("--without-mlserver", action="store_true")
    return parser.parse_args()


def _require_tools() -> None:
    for tool, package in (("wrk", "wrk"), ("taskset", "util-linux")):
        if shutil.which(tool) is None:
            raise SystemExit(f"{tool} is missing: apt-get install {package}")
    if len(os.sched_getaffinity(0)) < 2:
        raise SystemExit("two cores are needed: one for the server, one for the load")


def _contenders(place: Path, model: Path, *, with_mlserver: bool) -> list[Contender]:
    ports = iter(range(19100, 19200))

    def ours(name: str, *options: str) -> Contender:
        port, folder = next(ports), place / name.replace(" ", "-")
        script = str(HERE / "mooring_server.py")
        return Contender(
            name, [sys.executable, script, str(model), str(folder), "--port", str(port), *options], port, place
        )

    contenders = [
        ours("mooring", "--seal", "1"),
        ours("receipts and batching"),
        ours("receipts, no batching", "--no-batching"),
        ours("plain", "--no-batching", "--log", "none"),
        ours("batching, no receipts", "--log", "none"),
    ]
    if with_mlserver:
        contenders.append(_mlserver(place / "mlserver", model, next(ports)))
    return contenders


def _mlserver(folder: Path, model: Path, port: int) -> Contender:
    """Write MLServer's configuration; its grpc and metrics ports are moved out of the way."""
    shutil.copytree(HERE / "mlserver", folder)
    settings = {
        "debug": False,
        "parallel_workers": 0,
        "host": "127.0.0.1",
        "http_port": port,
        "grpc_port": port + 1000,
        "metrics_port": port + 2000,
    }
    described = {
        "name": "triage",
        "implementation": "onnx_model.OnnxModel",
        "parameters": {"uri": str(model), "version": "v1"},
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    (folder / "model-settings.json").write_text(json.dumps(described))
    return Contender("mlserver", [str(_environment() / "bin/mlserver"), "start", str(folder)], port, folder)


def _environment() -> Path:
    """Return MLServer's environment, made if it is not there."""
    folder = ROOT / ".bench" / "mlserver"
    if not (folder / "bin/mlserver").exists():
        venv.create(folder, with_pip=True, clear=True)
        install = [str(folder / "bin/pip"), "install", "--quiet", "-r", str(HERE / "mlserver/requirements.txt")]
        subprocess.run(install, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return folder


@contextmanager
def _running(contender: Contender) -> Iterator[Server]:
    """Start a server on the first core, and have it answer one request."""
    command = ["taskset", "-c", str(min(os.sched_getaffinity(0))), *contender.command]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with Path(contender.folder, f"{contender.port}.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=contender.folder, stdout=log, stderr=log, env=environment)
        try:
            yield Server(contender, process, _first_answer(contender, process))
        finally:
            process.terminate()
            process.wait(30)


def _first_answer(contender: Contender, process: subprocess.Popen[bytes]) -> Any:
    tensor = {"name": "X", "shape": [1, FEATURES], "datatype": "FP32", "data": ROW}
    request = urllib.request.Request(
        f"http://127.0.0.1:{contender.port}/v2/models/triage/infer",
        json.dumps({"inputs": [tensor]}).encode(),
        {"Content-Type": "application/json"},
    )
    last = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < last:
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return json.load(response)
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    raise SystemExit(f"{contender.name} did not start; see {contender.folder}/{contender.port}.log")


def _require_equal(servers: list[Server]) -> None:
    """The same request must have the same answer everywhere, or nothing is compared."""
    answers = [{output["name"]: output["data"] for output in server.answer["outputs"]} for server in servers]
    for server, found in zip(servers, answers, strict=True):
        pairs = zip(found["probabilities"], answers[0]["probabilities"], strict=True)
        if found["label"] != answers[0]["label"] or any(abs(a - b) > 1e-6 for a, b in pairs):
            raise SystemExit(f"{server.contender.name} answers {found}, the first server {answers[0]}")


def _measure(servers: list[Server], args: argparse.Namespace) -> list[dict[str, Any]]:
    runs: list[dict[str, Any]] = []
    for server in servers:
        _load(server.contender, 16, 2)
    for repeat in range(args.repeats):
        for connections in CONNECTIONS:
            for server in servers:
                found = _quiet_load(servers, server, connections, args)
                runs.append({"repeat": repeat, "server": server.contender.name, "connections": connections, **found})
                what = f"{repeat + 1}/{args.repeats} {connections:3} connections  {server.contender.name:24}"
                print(f"{what} {found['rate']:9,.0f}/s  others' load {found['foreign']:.0%}", file=sys.stderr)
    return runs


def _quiet_load(servers: list[Server], server: Server, connections: int, args: argparse.Namespace) -> dict[str, float]:
    """Load one server; once more, up to a bound, if other programs took the machine's time meanwhile."""
    found: dict[str, float] = {}
    for attempt in range(1, args.attempts + 1):
        before = _times(servers)
        found = _load(server.contender, connections, args.seconds)
        busy, own = (after - earlier for after, earlier in zip(_times(servers), before, strict=True))
        found["foreign"] = max(0.0, busy - own) / (found["seconds"] * (os.cpu_count() or 1))
        found["attempts"] = attempt
        if found["foreign"] <= QUIET:
            break
        time.sleep(1)
    return found


def _times(servers: list[Server]) -> tuple[float, float]:
    """Return CPU seconds so far: of the whole machine, and of the servers and the load."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    tick = os.sysconf("SC_CLK_TCK")
    busy = (sum(fields) - fields[3] - fields[4]) / tick  # all but idle and waiting for a disk
    children = os.times()
    own = children.user + children.system + children.children_user + children.children_system
    for server in servers:
        stat = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
        own += (int(stat[11]) + int(stat[12])) / tick
    return busy, own


def _load(contender: Contender, connections: int, seconds: int) -> dict[str, float]:
    core = str(max(os.sched_getaffinity(0)))
    wrk = ["wrk", "-t1", "--timeout", "20s", f"-c{connections}", f"-d{seconds}s", "-s", str(HERE / "infer.lua")]
    command = ["taskset", "-c", core, *wrk, f"http://127.0.0.1:{contender.port}"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found: dict[str, float] = json.loads(output.strip().splitlines()[-1])
    if found["failed"]:
        raise SystemExit(f"{contender.name}: {found['failed']} requests failed")
    return {**found, "rate": found["requests"] / found["seconds"]}


def _summarise(runs: list[dict[str, Any]]) -> dict[str, Any]:
    rows = []
    for connections in CONNECTIONS:
        for server in dict.fromkeys(run["server"] for run in runs):
            mine = [run for run in runs if run["server"] == server and run["connections"] == connections]
            figures = {key: statistics.median(run[key] for run in mine) for key in ("rate", "p50_us", "p99_us")}
            rows.append({"connections": connections, "server": server, **figures})
    disturbed = sum(run["foreign"] > QUIET for run in runs)
    return {"rows": rows, "targets": list(_targets(runs)), "measurements": len(runs), "disturbed": disturbed}


def _targets(runs: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the targets of this benchmark with what was reached."""

    def ratio(key: str, a: str, b: str, connections: int) -> float:
        values = {(run["server"], run["repeat"]): run[key] for run in runs if run["connections"] == connections}
        return statistics.median(values[a, n] / values[b, n] for (name, n) in values if name == a)

    if any(run["server"] == "mlserver" for run in runs):
        for connections, least in ((64, 8.0), (16, 5.0), (1, 1.0)):
            yield _target(
                f"requests/s ÷ MLServer's, {connections}", ratio("rate", "mooring", "mlserver", connections), least
            )
        for connections in CONNECTIONS:
            yield _target(
                f"MLServer's p99 ÷ p99, {connections}", ratio("p99_us", "mlserver", "mooring", connections), 1.0
            )
    yield _target("kept with receipts, 64", ratio("rate", "receipts, no batching", "plain", 64), 0.80)
    yield _target("kept with receipts and batching, 64", ratio("rate", "receipts and batching", "plain", 64), 0.95)
    medians = {
        name: statistics.median(run["p50_us"] for run in runs if run["server"] == name and run["connections"] == 1)
        for name in ("receipts and batching", "plain")
    }
    yield _target(
        "ms added at one connection", (medians["receipts and batching"] - medians["plain"]) / 1000, 0.3, most=True
    )


def _target(name: str, reached: float, bound: float, *, most: bool = False) -> dict[str, Any]:
    return {
        "name": name,
        "reached": reached,
        "bound": bound,
        "most": most,
        "met": reached <= bound if most else reached >= bound,
    }


def _table(result: dict[str, Any]) -> str:
    lines = ["| connections | server | requests/s | p50 ms | p99 ms |", "|---:|---|---:|---:|---:|"]
    for row in result["rows"]:
        times = f"{row['p50_us'] / 1000:.2f} | {row['p99_us'] / 1000:.2f}"
        lines.append(f"| {row['connections']} | {row['server']} | {row['rate']:,.0f} | {times} |")
    lines += ["", "| target | bound | reached | |", "|---|---:|---:|---|"]
    lines += [
        f"| {target['name']} | {'≤' if target['most'] else '≥'} {target['bound']:g} | {target['reached']:.2f} | "
        f"{'met' if target['met'] else 'MISSED'} |"
        for target in result["targets"]
    ]
    lines += ["", f"{result['measurements']} measurements, of which other programs disturbed {result['disturbed']}."]
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
