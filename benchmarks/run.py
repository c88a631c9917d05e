"""Run every benchmark in turn, keep what they measured, and fill the tables of docs/benchmarks.md and README.md.

    python benchmarks/run.py [--only NAME,…] [--quick] [--render] [--results FILE] [--page FILE …]

`--quick` measures small sizes, to see that everything works: it writes no page. `--render` measures nothing and fills
the pages again from the results file. A benchmark that misses an aim still counts; one that fails leaves the figures of
its last run in place.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
RESULTS = HERE / "results.json"
PAGES = (ROOT / "docs/benchmarks.md", ROOT / "README.md")
NOTHING = "*Not measured yet.*"
Result = dict[str, Any]  # Any: what a benchmark printed as JSON


@dataclass(frozen=True, slots=True)
class Suite:
    """One script: its name in pages and results, its quick arguments, how its result becomes Markdown.

    With `to_file` it writes its JSON to the file named after `--json`, else to standard output.
    """

    name: str
    script: str
    quick: tuple[str, ...]
    render: Callable[[Result], str]
    to_file: bool = False

    @property
    def command(self) -> str:
        """What a reader types to run it alone."""
        return f".venv/bin/python benchmarks/{self.script}"


# --- Tables -----------------------------------------------------------------------------------------------------------


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; every column but the first is aligned to the right."""
    lines = [f"| {' | '.join(head)} |", f"| --- |{' ---: |' * (len(head) - 1)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def number(value: float) -> str:
    """Return a figure with three digits that mean something."""
    if value != value:
        return "—"
    size = abs(value)
    return f"{value:,.{0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3}f}"


def met(yes: bool) -> str:
    """Return whether an aim was met, as a word."""
    return "met" if yes else "**missed**"


def gateway(result: Result) -> str:
    """Requests a second by server and connections, then the aims."""
    rows = [
        (
            row["server"],
            f"{row['connections']}",
            number(row["rate"]),
            number(row["p50_us"] / 1000),
            number(row["p99_us"] / 1000),
        )
        for row in result["rows"]
    ]
    aims = [
        (aim["name"], f"{'≤' if aim['most'] else '≥'} {aim['bound']:g}", number(aim["reached"]), met(aim["met"]))
        for aim in result["targets"]
    ]
    measured = table(("server", "connections", "requests/s", "p50, ms", "p99, ms"), rows)
    quiet = f"{result['measurements']} measurements, of which other programs disturbed {result['disturbed']}."
    return f"{measured}\n\n{table(('aim', 'bound', 'reached', ''), aims)}\n\n{quiet}"


def kill(result: Result) -> str:
    """How many were killed, held, lost."""
    words = {
        "kills": "SIGKILLs at random moments",
        "receipts_held": "receipts that clients held",
        "receipts_lost": "of these, not found and proved after their round",
        "receipts_lost_after_all_kills": "of these, not found and proved after all rounds",
    }
    return table(("what", "count"), [(text, f"{result[name]:,}") for name, text in words.items()])


LOG = {
    "append_per_s": ("durable appends/s, 64 a commit", "≥ 100,000", lambda value: value >= 100_000),
    "commit_us": ("one commit of 64, median, µs", "", None),
    "commit_p99_us": ("one commit of 64, p99, µs", "", None),
    "seal_100_ms": ("seal 100 more entries, ms", "", None),
    "open_ms": ("open, ms", "", None),
    "inclusion_cold_us": ("inclusion proof, cold, µs", "< 1,000", lambda value: value < 1000),
    "inclusion_warm_us": ("inclusion proof, warm, µs", "< 50", lambda value: value < 50),
    "consistency_warm_us": ("consistency proof, warm, µs", "", None),
    "entry_us": ("read one sealed entry, µs", "", None),
    "lookup_us": ("find an entry by its leaf hash, µs", "", None),
    "verify_one_us": ("verify one inclusion proof, µs", "", None),
    "verify_all_s": ("verify every entry against one root, s", "< 20", lambda value: value < 20),
}


def log(result: Result) -> str:
    """The figures by size, their slope, and the aims at the largest size."""
    sizes = sorted(result["figures"], key=int)
    rows = []
    for name, (text, aim, holds) in LOG.items():
        values = [result["figures"][size][name] for size in sizes]
        slope, error = result["slopes"][name]
        verdict = f"{aim}: {met(holds(values[-1]))}" if holds else ""
        rows.append((text, *map(number, values), f"{slope:+.2f} ± {error:.2f}", verdict))
    return table(("figure", *(f"{int(size):,}" for size in sizes), "slope", "aim at the largest"), rows)


def hashing(result: Result) -> str:
    """Medians and ratios of both workloads."""
    rows = []
    for work in result["results"]:
        for row in work["rows"]:
            aim = "" if row["target"] is None else f"≥ {row['target']:g}: {met(row['ratio'] >= row['target'])}"
            what = f"{work['files']:,} file{'s' if work['files'] > 1 else ''}, {work['bytes'] / 1e6:,.0f} MB"
            rows.append(
                (row["contender"], what, number(row["median_s"]), number(row["gb_per_s"]), f"{row['ratio']:.2f} ×", aim)
            )
    return table(("hashing", "of", "median, s", "GB/s", "beside the default", "aim"), rows)


def gas(result: Result) -> str:
    """Each operation beside its floor and EAS attest; what deployments cost."""
    attest = result["cited"]["EAS attest"]["gas"]
    rows = [
        (row["operation"], f"{row['gas']:,}", f"{row['floor']:,}", f"{row['ratio']:.2f}", f"{row['gas'] / attest:.0%}")
        for row in result["operations"]
    ]
    rows += [(f"deploy {name}", f"{spent:,}", "", "", "") for name, spent in result["deployments"].items()]
    cited = "; ".join(f"{name} {entry['gas']:,} ({entry['source']})" for name, entry in result["cited"].items())
    aims = "; ".join(result["missed"]) or "all met: propose at most 1.2 × its floor, anchor at most 45,000"
    head = ("operation", "gas", "floor", "ratio", "of EAS `attest`")
    return f"{table(head, rows)}\n\nCited: {cited}. Aims: {aims}."


def chain(result: Result) -> str:
    """What the embedded chain costs, and how that grows with its blocks."""
    rows = [
        ("calls a second, in the process", number(result["transactions_per_s"]["local"])),
        ("calls a second, over JSON-RPC", number(result["transactions_per_s"]["http"])),
        ("one call sent alone, to its receipt, ms", number(result["alone_ms"])),
        ("one durable commit, ms", number(result["commit_ms"]["FULL"])),
    ]
    sizes = sorted(result["growth"], key=int)
    names = list(result["growth"][sizes[0]])
    grown = [(name.replace("_", " "), *(number(result["growth"][size][name]) for size in sizes)) for name in names]
    return f"{table(('figure', ''), rows)}\n\n{table(('by blocks', *(f'{int(s):,}' for s in sizes)), grown)}"


VERIFY = {
    "import_ms": "import the verifier, fresh process, ms",
    "bundle_first_ms": "the bundle, first of a process, ms",
    "bundle_ms": "the bundle, median of a process, ms",
    "thousand_ms": "a bundle of 1,000 receipts, ms",
    "receipt_us": "of which each receipt, µs",
    "hashed_s": "{receipts:,} receipts against one anchored checkpoint, hashed, s",
    "parsed_s": "the same, each parsed and its place checked, s",
}


def verify(result: Result) -> str:
    """The figures beside their limits."""
    rows = []
    for name, text in VERIFY.items():
        value, limit = result["figures"][name], result["limits"].get(name)
        aim = "" if limit is None else f"< {limit:g}: {met(value < limit)}"
        rows.append((text.format(receipts=result["receipts"]), number(value), aim))
    return f"{table(('verifying', '', 'aim'), rows)}\n\nThe bundle: {result['typical_bundle']}."


SUITES = (
    Suite("gas", "gas.py", (), gas),
    Suite("log", "log.py", ("--quick",), log),
    Suite("chain", "chain.py", ("--quick",), chain),
    Suite("hashing", "hashing.py", ("--size", "50000000", "--files", "200", "--rounds", "2"), hashing),
    Suite("verify", "verify.py", ("--quick",), verify),
    Suite("kill", "kill.py", ("--rounds", "3"), kill),
    Suite("gateway", "gateway/compare.py", ("--repeats", "1", "--seconds", "1"), gateway, to_file=True),
)


# --- Measuring --------------------------------------------------------------------------------------------------------


def machine() -> Result:
    """Return what ran: cores, processor, memory, system, Python, and the load before."""
    model = re.search(r"model name\s*:\s*(.+)", _read("/proc/cpuinfo"))
    memory = re.search(r"MemTotal:\s*(\d+)", _read("/proc/meminfo"))
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": model[1] if model else platform.machine(),
        "memory_gib": round(int(memory[1]) / 2**20, 1) if memory else 0,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
    }


def measure(suite: Suite, *, quick: bool) -> Result:
    """Run one benchmark and return its record; raises SystemExit if it gives no result."""
    arguments = [sys.executable, str(HERE / suite.script), *(suite.quick if quick else ()), "--json"]
    before, begun = machine(), time.time()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "result.json"
        done = subprocess.run(
            [*arguments, *([str(file)] if suite.to_file else [])], stdout=subprocess.PIPE, check=False
        )
        text = file.read_text() if file.exists() else done.stdout.decode()
    try:
        result = json.loads(text)
    except ValueError as error:
        raise SystemExit(f"{suite.name}: exit code {done.returncode} and no result") from error
    return {
        "command": suite.command,
        "quick": quick,
        "date": time.strftime("%Y-%m-%d", time.gmtime(begun)),
        "seconds": round(time.time() - begun),
        "exit": done.returncode,
        "machine": before,
        "result": result,
    }


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""  # another system: the line is left out


# --- Pages ------------------------------------------------------------------------------------------------------------


def filled(page: str, results: Mapping[str, Result]) -> str:
    """Return a page with every table and figure that the results give; the others stay."""
    for suite in SUITES:
        if suite.name in results:
            between = re.compile(f"(<!-- begin: {suite.name} -->\n).*?(\n<!-- end: {suite.name} -->)", re.DOTALL)
            body = section(suite, results[suite.name])
            page = between.sub(lambda found, body=body: found[1] + body + found[2], page)  # type: ignore[misc]
    for name, text in figures(results).items():
        mark = re.compile(f"(<!-- figure: {re.escape(name)} -->).*?(<!-- /figure -->)", re.DOTALL)
        page = mark.sub(lambda found, text=text: found[1] + text + found[2], page)  # type: ignore[misc]
    return page


def section(suite: Suite, record: Result) -> str:
    """Return the table of one benchmark with the machine that made it."""
    host = record["machine"]
    line = (
        f"*{record['date']}, {host['cores']} cores of {host['processor']}, {host['memory_gib']} GiB, {host['system']}, "
        f"Python {host['python']}, load before {host['load']}, {record['seconds']} s: `{record['command']}`*"
    )
    return f"{suite.render(record['result'])}\n\n{line}"


def figures(results: Mapping[str, Result]) -> dict[str, str]:
    """Return the single figures that the README shows, by name."""
    found: dict[str, str] = {}
    aims = {aim["name"]: aim["reached"] for aim in _result(results, "gateway").get("targets", ())}
    for name, aim, unit in (
        ("gateway-64", "requests/s ÷ MLServer's, 64", " ×"),
        ("gateway-16", "requests/s ÷ MLServer's, 16", " ×"),
        ("gateway-1", "requests/s ÷ MLServer's, 1", " ×"),
        ("gateway-added-ms", "ms added at one connection", " ms"),
    ):
        if aim in aims:
            found[name] = f"{aims[aim]:.2f}{unit}"
    killed = _result(results, "kill")
    if killed:
        found["kill"] = f"{killed['kills']} kills, {killed['receipts_held']:,} receipts held, "
        found["kill"] += f"{killed['receipts_lost_after_all_kills']} lost"
    sizes = _result(results, "log").get("figures", {})
    if sizes:
        largest = sizes[max(sizes, key=int)]
        found["log-appends"] = f"{largest['append_per_s']:,.0f}/s"
        found["log-proof"] = f"{largest['inclusion_warm_us']:.0f} µs"
    verified = _result(results, "verify").get("figures", {})
    if verified:
        found["verify-bundle"] = f"{verified['bundle_first_ms']:.0f} ms"
        found["verify-million"] = f"{verified['parsed_s']:.1f} s"
    operations = {row["operation"]: row for row in _result(results, "gas").get("operations", ())}
    for name, operation in (("gas-propose", "propose, one parent"), ("gas-anchor", "anchor")):
        if operation in operations:
            found[name] = f"{operations[operation]['gas']:,}"
    large = [work for work in _result(results, "hashing").get("results", ()) if work["work"] == "large"]
    found |= {f"hash-{row['contender']}": f"{row['ratio']:.1f} ×" for work in large for row in work["rows"]}
    return found


def _result(results: Mapping[str, Result], name: str) -> Result:
    result: Result = results.get(name, {}).get("result", {})
    return result


def main() -> int:
    """Measure what is asked for, write the results, fill the pages; 1 if a benchmark missed an aim or failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help=f"some of {', '.join(suite.name for suite in SUITES)}")
    parser.add_argument("--quick", action="store_true", help="small sizes; the pages stay as they are")
    parser.add_argument("--render", action="store_true", help="measure nothing, fill the pages from the results file")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--page", type=Path, action="append", help="a page to fill (docs/benchmarks.md and README.md)")
    options = parser.parse_args()
    only = [name for name in options.only.split(",") if name]
    unknown = set(only) - {suite.name for suite in SUITES}
    if unknown:
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    results: dict[str, Result] = json.loads(options.results.read_text()) if options.results.exists() else {}
    failed = [] if options.render else run(only, options.quick, options.results, results)
    if not options.quick:
        for page in options.page or PAGES:
            page.write_text(filled(page.read_text(), results))
    for line in failed:
        print(line, file=sys.stderr)
    return 1 if failed else 0


def run(only: Sequence[str], quick: bool, file: Path, results: dict[str, Result]) -> list[str]:
    """Measure into `results`, saved after each benchmark; return what failed or missed an aim."""
    failed = []
    for suite in SUITES:
        if only and suite.name not in only:
            continue
        print(f"{suite.name}: {suite.command}", file=sys.stderr)
        try:
            record = measure(suite, quick=quick)
        except SystemExit as error:
            failed.append(str(error))
            continue
        if record["exit"]:
            failed.append(f"{suite.name}: an aim was missed (exit code {record['exit']})")
        if quick:
            print(suite.render(record["result"]))
        else:
            results[suite.name] = record
            file.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    return failed


if __name__ == "__main__":
    sys.exit(main())
