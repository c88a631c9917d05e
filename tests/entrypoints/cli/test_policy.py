"""Policies on the command line: checked without a deployment, voted in by the quorum, shown and tried out."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.entrypoints.commandline import Cli, mooring
from tests.workflows.stage import MODEL

from mooring.policy import DEFAULT_POLICY

OTHER = DEFAULT_POLICY + "\n// the second edition\n"
CLOSED = '@id("nobody")\nforbid (principal, action, resource);\n'


def write(text: str, name: str = "policy.cedar") -> Path:
    Path(name).write_text(text)
    return Path(name)


def test_a_policy_is_checked_without_a_deployment(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(DEFAULT_POLICY).absolute()
    (tmp_path / "nowhere").mkdir()
    monkeypatch.chdir(tmp_path / "nowhere")
    checked = mooring("--json", "policy", "check", path).value
    assert checked["digest"].startswith("sha256:")
    assert "only-active-versions-serve" in checked["rules"]
    assert "digest" in mooring("policy", "check", path).out


@pytest.mark.parametrize(
    "text",
    [
        "",
        "permit",
        "permit (principal, action, resource);",
        '@id("x")\npermit (principal, action == Action::"fly", resource);',
        '@id("x")\npermit (principal, action, resource) when { resource.colour == "red" };',
        '@id("x")\npermit (principal, action, resource);\n@id("x")\nforbid (principal, action, resource);',
    ],
)
def test_a_policy_that_cannot_be_used_is_refused_and_never_voted_on(cli: Cli, text: str) -> None:
    path = write(text)
    code, slug = cli.refused("policy", "check", path)
    assert (code, slug.startswith("policy-")) == (2, True)
    assert cli.refused("policy", "set", path, as_="alice") == (code, slug)


def test_a_policy_file_that_is_not_there_or_no_text_is_refused(cli: Cli) -> None:
    assert cli.refused("policy", "check", "missing.cedar") == (2, "file")
    Path("bytes.cedar").write_bytes(b"\xff")
    assert cli.refused("policy", "check", "bytes.cedar") == (2, "policy-syntax")
    Path("big.cedar").write_bytes(b"/" * (1024 * 1024 + 1))
    assert cli.refused("policy", "check", "big.cedar") == (2, "file-size")


def test_a_policy_is_in_force_once_the_quorum_has_voted(cli: Cli) -> None:
    path = write(OTHER)
    first = cli.ok("policy", "set", path, as_="alice")
    assert (first["votes"], first["needed"], first["passed"]) == (1, 2, False)
    assert cli.refused("policy", "set", path, as_="alice") == (3, "already-voted")
    assert cli("policy", "show").out != f"{OTHER}\n"
    assert cli.ok("policy", "set", path, as_="bob")["passed"]
    assert cli("policy", "show").out == f"{OTHER}\n"
    shown = cli.ok("policy", "show")
    assert (shown["text"], shown["digest"]) == (OTHER, cli.ok("policy", "check", path)["digest"])
    assert cli.ok("policy", "set", path, as_="carol")["cost"] == 0
    assert cli.refused("policy", "set", path) == (2, "actor-missing")


def test_an_asset_has_a_policy_of_its_own(active: Cli) -> None:
    path = write(CLOSED)
    for member in ("alice", "bob"):
        active.ok("policy", "set", path, "--asset", "tumour", as_=member)
    assert active("policy", "show", "tumour").out == f"{CLOSED}\n"
    assert active("policy", "show").out != f"{CLOSED}\n"
    tried = active.json("policy", "test", MODEL, "--purpose", "diagnosis")
    assert (tried.code, tried.value["rule"]) == (3, "nobody")
    assert active.refused("policy", "set", path, "--asset", "lung", as_="alice") == (4, "unknown-asset")


def test_a_request_is_tried_out_against_the_policy_in_force(active: Cli) -> None:
    allowed = active.json("policy", "test", MODEL, "--purpose", "diagnosis", "--caller", "alice")
    assert (allowed.code, allowed.value["allowed"]) == (0, True)
    denied = active.json("policy", "test", MODEL, "--purpose", "marketing")
    assert (denied.code, denied.value["allowed"]) == (3, False)
    assert "purpose-of-the-deployment" in denied.value["rule"]
    shown = active("policy", "test", MODEL, "--purpose", "marketing")
    assert shown.code == 3
    assert shown.out.startswith("denied: ")
    assert active("policy", "test", MODEL, "--purpose", "diagnosis").out.startswith("allowed: ")
    assert active.refused("policy", "test", "tumour@9") == (4, "unknown-version")


def test_the_whole_default_policy_is_at_hand_in_the_folder(cli: Cli) -> None:
    assert (cli.home / "policy.cedar").read_text() == cli.ok("policy", "show")["text"] == DEFAULT_POLICY
