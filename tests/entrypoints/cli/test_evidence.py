"""Evidence on the command line: anchored, exported, and verified by a process that has nothing but two files."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.entrypoints.commandline import Cli, mooring
from tests.workflows.stage import MODEL, PURPOSE

from mooring.proofs.bundle import Bundle
from mooring.records.receipt import Receipt, commit_input, commit_output
from mooring.storage.filelog import FileLog
from mooring.wiring.home import Home
from mooring.wiring.session import open_session
from mooring.workflows.serve import ReceiptLine, encode_line

SALT, REQUEST, RESPONSE = b"s" * 32, b'{"inputs":[]}', b'{"outputs":[]}'


def receipts(cli: Cli, count: int) -> Path:
    """Write receipts as the gateway does, and what a client holds of them."""
    with open_session(Home(cli.home)) as session:
        deployment = session.deployment
        served = session.models().version("tumour", "1")
        origin = deployment.receipts_origin
        log = FileLog(session.home.log(origin), origin)
        for index in range(log.size, log.size + count):
            line = ReceiptLine(
                batch=1,
                caller="anonymous",
                index=index,
                input=commit_input(SALT, REQUEST).hex(),
                manifest=str(served.manifest),
                model="tumour",
                origin=origin,
                output=commit_output(SALT, RESPONSE).hex(),
                policy=str(served.policy),
                purpose=PURPOSE,
                time="2026-11-23T00:00:00Z",
                version="1",
            )
            assert Receipt.from_bytes(encode_line(line)).index == index
            log.append([encode_line(line)])
        log.close()
    parts = {"salt": SALT, "request": REQUEST, "response": RESPONSE}
    encoded = {name: base64.b64encode(data).decode() for name, data in parts.items()}
    path = Path("answers.jsonl")
    path.write_text("".join(json.dumps({"index": index, **encoded}) + "\n" for index in range(count)))
    return path


def exported(cli: Cli) -> tuple[Path, Path]:
    cli.ok("anchor")
    made = cli.ok("export", MODEL, "--out", "bundle.json", "--trust", "trust.json")
    assert made["bytes"] == Path("bundle.json").stat().st_size
    return Path("bundle.json"), Path("trust.json")


def test_logs_are_anchored_once(active: Cli) -> None:
    (first,) = active.ok("anchor")
    assert (first["size"], first["new"], first["cost"] > 0) == (6, True, True)
    (second,) = active.ok("anchor")
    assert (second["size"], second["new"]) == (6, False)
    assert "mooring.local/demo/records" in active("anchor").out


def test_nothing_to_anchor_is_said(cli: Cli) -> None:
    assert cli("anchor").out == "nothing to anchor yet\n"
    assert cli.ok("anchor") == []


def test_an_active_version_is_exported_and_proved(active: Cli) -> None:
    bundle, trust = exported(active)
    report = mooring("--json", "verify", bundle, "--trust", trust)
    assert (report.code, report.value["outcome"]) == (0, "proved")
    shown = mooring("verify", bundle, "--trust", trust)
    assert shown.code == 0
    assert "outcome: proved" in shown.out
    assert "This does not prove:" in shown.out
    assert "one party holds all keys" in shown.out
    every = mooring("verify", bundle, "--trust", trust, "--all").out
    assert "from contract 0x" in every
    assert len(every) > len(shown.out)


def test_the_trust_root_in_the_folder_serves_as_well(active: Cli) -> None:
    bundle, _ = exported(active)
    assert mooring("verify", bundle, "--trust", active.home / "trust.json").code == 0


def test_receipts_and_answers_are_exported_with_their_version(active: Cli) -> None:
    answers = receipts(active, 12)
    assert active.refused("export", MODEL, "--receipt", "3") == (3, "not-anchored")
    active.ok("anchor")
    words = ("export", MODEL, "--receipt", 3, "--receipt", 5, "--receipts", "7-9", "--out", "b.json")
    active.ok(*words, "--trust", "trust.json")
    kept = [e.index for e in Bundle.from_bytes(Path("b.json").read_bytes()).entries if e.origin.endswith("/receipts")]
    assert kept == [3, 5, 7, 8, 9]
    report = mooring("--json", "verify", "b.json", "--trust", "trust.json")
    assert report.code == 0, report.value
    active.ok("export", MODEL, "--answers", answers, "--out", "a.json")
    report = mooring("--json", "verify", "a.json", "--trust", "trust.json")
    names = [claim["name"] for claim in report.value["claims"] if claim["outcome"] == "proved"]
    assert (report.code, names.count("answer"), names.count("receipt")) == (0, 12, 12)
    assert "12 times" in mooring("verify", "a.json", "--trust", "trust.json").out


def test_an_answer_that_was_another_is_refuted(active: Cli) -> None:
    answers = receipts(active, 1)
    value = json.loads(answers.read_text())
    answers.write_text(json.dumps({**value, "response": base64.b64encode(b"another").decode()}))
    active.ok("anchor")
    active.ok("export", MODEL, "--answers", answers, "--out", "a.json", "--trust", "trust.json")
    report = mooring("--json", "verify", "a.json", "--trust", "trust.json")
    assert report.code == 7
    assert "response-commitment" in [claim["code"] for claim in report.value["claims"]]
    assert "reason: response-commitment" in mooring("verify", "a.json", "--trust", "trust.json").out


@pytest.mark.parametrize(
    ("given", "slug"),
    [
        (("--receipts", "9"), "range"),
        (("--receipts", "9-3"), "range"),
        (("--receipts", "a-b"), "range"),
        (("--receipts", "0-99999999999999999"), "range"),
        (("--receipts", "0-5000000"), "range"),
        (("--receipts", "٣-٤"), "range"),
        (("--answers", "missing.jsonl"), "file"),
    ],
)
def test_receipts_that_are_asked_for_wrongly_are_refused(active: Cli, given: tuple[str, str], slug: str) -> None:
    active.ok("anchor")
    assert active.refused("export", MODEL, *given) == (2, slug)
    assert not Path("bundle.json").exists()


@pytest.mark.parametrize(
    "line",
    [
        b"\xff",
        b"{",
        b"[]",
        b"3",
        b"{}",
        b'{"index": "x", "salt": "", "request": "", "response": ""}',
        b'{"index": 0, "salt": "!", "request": "", "response": ""}',
        b'{"index": 0, "salt": null, "request": "", "response": ""}',
        b'{"index": 0, "salt": "", "request": ""}',
        b'{"index": -1, "salt": "", "request": "", "response": ""}',
    ],
)
def test_answers_that_are_none_are_refused(active: Cli, line: bytes) -> None:
    active.ok("anchor")
    Path("answers.jsonl").write_bytes(line + b"\n")
    code, slug = active.refused("export", MODEL, "--answers", "answers.jsonl")
    assert (code, slug) in ((2, "answers"), (2, "encoding"))


def test_a_version_before_any_anchor_or_unknown_is_not_exported(active: Cli) -> None:
    assert active.refused("export", MODEL) == (3, "not-anchored")
    active.ok("anchor")
    assert active.refused("export", "tumour@9") == (4, "unknown-version")
    assert active.refused("export", MODEL, "--out", "no/where/bundle.json") == (1, "path-vanished")
    assert active.refused("export", MODEL, "--out", ".") == (2, "file")
    assert active("export", MODEL, "--receipt", "-1").code == 2


def test_a_bundle_without_evidence_for_a_claim_is_not_proved(registered: Cli) -> None:
    bundle, trust = exported(registered)
    done = mooring("verify", bundle, "--trust", trust)
    assert done.code == 8
    assert "NOT PROVED" in done.out
    assert "outcome: not-proved" in done.out


def test_a_changed_bundle_or_trust_root_is_refuted(active: Cli) -> None:
    bundle, trust = exported(active)
    data = bundle.read_bytes()
    bundle.write_bytes(data.replace(b'"path":["', b'"path":["A', 1))
    assert mooring("verify", bundle, "--trust", trust).code == 7
    bundle.write_bytes(data[:-20])
    assert mooring("--json", "verify", bundle, "--trust", trust).value["outcome"] == "refuted"
    bundle.write_bytes(data)
    other = json.loads(trust.read_bytes())
    other["keys"] = [key for key in other["keys"] if key["organisation"] != "lab"]
    other["approvalsRequired"] = other["ledger"]["observersRequired"] = 2
    other["witnesses"], other["witnessesRequired"] = other["witnesses"][:2], 2
    trust.write_text(json.dumps(other, separators=(",", ":"), sort_keys=True))
    assert mooring("verify", bundle, "--trust", trust).code in (7, 8)


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff", b"[]", b"not json"])
def test_what_is_no_trust_root_or_bundle_is_refused(active: Cli, data: bytes) -> None:
    bundle, trust = exported(active)
    Path("bad.json").write_bytes(data)
    done = mooring("--json", "verify", bundle, "--trust", "bad.json")
    assert (done.code, done.problem["error"]) == (7, "trust")
    report = mooring("--json", "verify", "bad.json", "--trust", trust)
    assert (report.code, report.value["claims"][0]["name"]) == (7, "format")


def test_files_that_are_not_there_or_too_long_are_named(active: Cli) -> None:
    bundle, trust = exported(active)
    for words in ((bundle, "--trust", "missing.json"), ("missing.json", "--trust", trust)):
        problem = mooring("--json", "verify", *words).problem
        assert (problem["exit"], problem["error"], "missing.json" in problem["message"]) == (2, "file", True)
    Path("long.json").write_bytes(b" " * (4 * 1024 * 1024 + 1))
    assert mooring("--json", "verify", bundle, "--trust", "long.json").problem["error"] == "file-size"
    assert mooring("verify", bundle).code == 2


HOOKED = """
import sys
forbidden = ("web3", "eth", "eth_account", "eth_abi", "eth_utils", "eth_keys", "httpx", "httpcore", "sqlalchemy",
             "sqlite3", "uvicorn", "starlette", "onnxruntime", "numpy", "py_ecc", "coincurve", "obstore", "cedarpy")
def watch(event, args):
    if event.startswith("socket.") or event in ("subprocess.Popen", "os.system", "sqlite3.connect"):
        raise RuntimeError("the verifier did " + event)
    if event == "open" and isinstance(args[1], str) and any(letter in args[1] for letter in "wax+"):
        raise RuntimeError("the verifier wrote " + str(args[0]))
    if event == "import" and args[0].partition(".")[0] in forbidden:
        raise RuntimeError("the verifier imported " + args[0])
sys.addaudithook(watch)
sys.dont_write_bytecode = True
from mooring.entrypoints.cli import main
try:
    main()
finally:
    loaded = {name.partition(".")[0] for name in sys.modules}
    assert not loaded & set(forbidden), loaded & set(forbidden)
    rooms = {name.split(".")[1] for name in sys.modules if name.startswith("mooring.") and name.count(".")}
    assert rooms <= {"errors", "records", "proofs", "entrypoints"}, rooms
"""


def alone(*words: object, prefix: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process that may neither write nor open a socket nor load a client."""
    command = [*prefix, sys.executable, "-c", HOOKED, *map(str, words)]
    # no home, no deployment: there are the two files alone
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MOORING", "HOME"))}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)


def test_the_verifier_needs_no_network_no_database_and_no_ethereum(active: Cli, tmp_path: Path) -> None:
    bundle, trust = exported(active)
    shutil.rmtree(active.home)
    done = alone("--json", "verify", bundle, "--trust", trust)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["outcome"] == "proved"
    bundle.write_bytes(bundle.read_bytes()[:-9])
    assert alone("verify", bundle, "--trust", trust).returncode == 7


def test_the_verifier_works_in_a_network_namespace_of_its_own(active: Cli) -> None:
    unshare = shutil.which("unshare")
    flags = next(
        (
            flag
            for flag in ("-n", "-rn")
            if unshare and subprocess.run([unshare, flag, "true"], capture_output=True, check=False).returncode == 0
        ),
        None,
    )
    if unshare is None or flags is None:
        pytest.skip("this system allows no network namespace")
    bundle, trust = exported(active)
    done = alone("--json", "verify", bundle, "--trust", trust, prefix=(unshare, flags))
    assert done.returncode == 0, done.stderr
