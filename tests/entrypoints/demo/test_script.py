"""The main job, whole: on the embedded chain, on a log, and on a development node."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.entrypoints.commandline import mooring, process
from tests.ledger.places import anvil_process

FILES = {
    "bundle-after-erasure.json",
    "bundle.json",
    "deployment",
    "index.html",
    "transcript.txt",
    "trust.json",
    "tumour-1.onnx",
    "tumour-2.onnx",
}
CHANGED = {
    "weights in the blob store": {"blob-corrupt"},
    "attestation in the bundle": {"inclusion-proof"},
    "tile of the receipts log": {"tile"},
    "receipt in the bundle": {"inclusion-proof"},
    "inclusion path in the bundle": {"inclusion-proof"},
    "row in the index": {"index-corrupt", "index-differs"},
}
TOLD = (
    "569 rows read back",
    "the same rows again: the same record",
    "activation before any approval: refused, policy-denied",
    "alice approves her own proposal: refused, own-proposal",
    "lab approves a second time: refused, already-approved",
    "auditor approves: 2 of 2, tumour@1 is approved",
    "50 answers in",
    "their indexes have no gap",
    "by one guardian alone",
    "tumour@1 is served by default again",
    "568 rows can be read, 1 cannot, by anybody",
    "erasing them again: refused, person-unknown",
    "all as it should be",
)


def demonstrated(out: Path, ledger: str) -> dict[str, Any]:
    done = mooring("--json", "demo", "--out", out, "--ledger", ledger, "--predictions", 50)
    assert (done.code, done.err) == (0, ""), (done, (out / "transcript.txt").exists())
    outcome: dict[str, Any] = done.value
    assert (outcome["ok"], outcome["failures"]) == (True, [])
    assert {name: reason in CHANGED[name] for name, reason in outcome["refusals"].items()} == dict.fromkeys(
        CHANGED, True
    )
    assert {path.name for path in out.iterdir()} == FILES
    transcript = (out / "transcript.txt").read_text()
    for words in TOLD:
        assert words in transcript, words
    assert "UNEXPECTED" not in transcript
    page = (out / "index.html").read_text()
    assert "<script" not in page
    assert "suspended" in page
    return outcome


def proved(out: Path, name: str) -> dict[str, Any]:
    done = mooring("--json", "verify", out / name, "--trust", out / "trust.json")
    report: dict[str, Any] = done.value
    assert (done.code, report["outcome"]) == (0, "proved"), report
    return report


@pytest.mark.slow
def test_the_main_job_is_done_on_the_embedded_chain(tmp_path: Path) -> None:
    out = tmp_path / "out"
    outcome = demonstrated(out, "embedded:///chain")
    assert outcome["unit"] == "gas"
    assert outcome["cost"] > 5_000_000
    report = proved(out, "bundle.json")
    names = [claim["name"] for claim in report["claims"]]
    assert (names.count("answer"), names.count("receipt")) == (50, 50)
    proved(out, "bundle-after-erasure.json")
    # the deployment stays: another process goes on with it
    child = process("--json", "--home", out / "deployment", "model", "list")
    listed, err = child.communicate(timeout=60)
    assert child.returncode == 0, err
    statuses = {row["version"]: row["status"] for row in json.loads(listed)}
    assert statuses == {"breast-cancer@1": "proposed", "tumour@1": "active", "tumour@2": "suspended"}
    for path in out.rglob("*"):
        assert (
            not path.is_file()
            or b"patient-0042" not in path.read_bytes()
            or path.name
            in (
                "transcript.txt",
                "index.html",
            )
        )


@pytest.mark.slow
def test_the_main_job_is_done_on_a_witnessed_log(tmp_path: Path) -> None:
    outcome = demonstrated(tmp_path / "out", "tlog:///ledger")
    assert outcome["unit"] == "bytes"
    limits = proved(tmp_path / "out", "bundle.json")["limits"]
    assert any("a log: it catches" in limit for limit in limits)


@pytest.mark.slow
@pytest.mark.node
@pytest.mark.parametrize("options", [(), ("--block-time", "1"), ("--block-base-fee-per-gas", "0")], ids=" ".join)
def test_the_main_job_is_done_on_a_development_node(tmp_path: Path, options: tuple[str, ...]) -> None:
    with anvil_process(*options) as url:
        outcome = demonstrated(tmp_path / "out", url)
    assert outcome["unit"] == "gas"
    assert "gave ours ether" in (tmp_path / "out" / "transcript.txt").read_text()
    assert proved(tmp_path / "out", "bundle.json")["claims"][0]["about"].startswith("eip155:31337")
