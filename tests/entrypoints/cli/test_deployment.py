"""Commands for a deployment as a whole: founded, and looked over by the doctor."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.entrypoints.commandline import Cli, mooring
from tests.workflows.stage import MODEL

from mooring.entrypoints.demo import script

LOOKED_AT = ["python", "disk", "ledger", "keys", "blobs", "logs", "index", "policy", "trust"]


def findings(cli: Cli) -> dict[str, dict[str, str]]:
    done = cli.json("doctor")
    found = {item["what"]: item for item in done.value}
    assert done.code == (0 if all(item["state"] == "ok" for item in found.values()) else 1)
    return found


def test_a_sound_deployment_is_found_sound(active: Cli) -> None:
    found = findings(active)
    assert list(found) == LOOKED_AT
    assert {item["state"] for item in found.values()} == {"ok"}
    shown = active("doctor")
    assert shown.code == 0
    assert shown.out.split()[:4] == ["WHAT", "STATE", "DETAIL", "HINT"]


def test_what_waits_for_an_anchor_is_hinted_at(active: Cli) -> None:
    assert findings(active)["logs"]["hint"] == "run: mooring anchor"
    active.ok("anchor")
    assert findings(active)["logs"]["hint"] == ""


def test_without_a_deployment_the_doctor_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MOORING_HOME", raising=False)
    done = mooring("--json", "doctor")
    found = {item["what"]: item for item in done.value}
    assert done.code == 1
    assert (found["deployment"]["state"], found["deployment"]["hint"]) == ("bad", "run: mooring init")


@pytest.mark.parametrize(
    ("file", "data", "what", "slug"),
    [
        ("mooring.toml", b"deployment = ", "deployment", "config"),
        ("mooring.toml", b"\xff", "deployment", "config"),
        ("contracts.json", b"{", "deployment", "config"),
        ("contracts.json", None, "deployment", "no-deployment"),
        ("chain/chain.sqlite", b"garbage" * 1000, "deployment", "chain-corrupt"),
        ("index.sqlite", b"garbage" * 1000, "deployment", "index-corrupt"),
        ("outbox.sqlite", b"garbage" * 1000, "deployment", "outbox-corrupt"),
        ("secrets.sqlite", b"garbage" * 1000, "deployment", ""),
        ("trust.json", b"{}", "trust", "trust"),
        ("trust.json", b"garbage", "trust", "trust"),
        ("trust.json", None, "trust", "unknown-trust"),
        ("keys/alice.key.json", b"{}", "deployment", ""),
        ("keys/lab-attest.key.json", None, "trust", ""),
    ],
)
def test_a_damaged_or_lost_file_is_found_and_named(
    active: Cli, file: str, data: bytes | None, what: str, slug: str
) -> None:
    path = active.home / file
    for leftover in path.parent.glob(f"{path.name}-*"):
        leftover.unlink()
    path.unlink()
    if data is not None:
        path.write_bytes(data)
    found = findings(active)
    bad = {name: item for name, item in found.items() if item["state"] == "bad"}
    assert bad, found
    if slug:
        assert what in bad, bad
        assert f"[{slug}]" in bad[what]["detail"]
        assert bad[what]["hint"]


def test_a_trust_root_that_is_out_of_date_is_a_warning(active: Cli) -> None:
    path = active.home / "trust.json"
    value = json.loads(path.read_bytes())
    value["custodians"] = 3
    path.write_text(json.dumps(value, separators=(",", ":"), sort_keys=True) + "\n")
    assert findings(active)["trust"]["state"] == "warning"
    active.ok("anchor")
    active.ok("export", MODEL, "--trust", "trust.json")
    assert findings(active)["trust"]["state"] == "ok"


def test_a_policy_whose_text_is_lost_is_found(active: Cli) -> None:
    from mooring.wiring.home import Home
    from mooring.wiring.session import open_session

    with open_session(Home(active.home)) as session:
        session.blob_path(session.policy("").digest).unlink()
    assert findings(active)["policy"]["state"] == "bad"


def test_the_demo_never_removes_what_it_did_not_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def refused(*make: str) -> None:
        for name in make:
            path = tmp_path / "out" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir() if name.endswith("/") else path.write_text("precious")
        problem = mooring("--json", "demo", "--out", "out").problem
        assert (problem["exit"], problem["error"]) == (2, "out-in-use")
        assert all((tmp_path / "out" / name).exists() for name in make)

    refused("thesis.txt")
    (tmp_path / "out" / "thesis.txt").unlink()
    refused("transcript.txt")
    (tmp_path / "out" / "transcript.txt").unlink()
    refused("deployment/values.yaml")
    refused("deployment/mooring.toml", "thesis.txt")
    (tmp_path / "file").write_text("precious")
    assert mooring("--json", "demo", "--out", "file").problem["error"] == "out-in-use"
    assert (tmp_path / "file").read_text() == "precious"


def test_the_demo_replaces_an_earlier_one(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "deployment" / "keys").mkdir(parents=True)
    (out / "deployment" / "mooring.toml").touch()
    (out / "bundle.json").touch()
    (tmp_path / "kept").write_text("precious")
    (out / "trust.json").symlink_to(tmp_path / "kept")
    script._clear(out)
    assert (list(out.iterdir()), (tmp_path / "kept").read_text()) == ([], "precious")
    script._clear(tmp_path / "new" / "folder")
    assert (tmp_path / "new" / "folder").is_dir()


def test_a_demo_that_fails_exits_with_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = {"ok": False, "failures": ["x"]}
    monkeypatch.setattr(script, "run", lambda out, ledger, predictions, show: outcome)
    assert mooring("demo", "--out", tmp_path / "out").code == 1
    failed = mooring("--json", "demo", "--out", tmp_path / "out")
    assert (failed.code, failed.value) == (1, outcome)
    outcome["ok"] = True
    assert mooring("demo", "--out", tmp_path / "out").code == 0
