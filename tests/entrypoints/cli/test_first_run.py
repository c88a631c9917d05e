"""The first minutes: no deployment, nobody named, a passphrase that is wrong, missing or exposed."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.entrypoints.commandline import Cli, mooring

COMMANDS = (
    ("model", "list"),
    ("anchor",),
    ("log", "show"),
    ("key", "list"),
    ("policy", "show"),
    ("export", "a@1"),
    ("dataset", "read", "a@1"),
    ("up",),
    ("serve",),
)


@pytest.fixture
def nowhere(tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with no deployment in it or above."""
    folder = tmp_path / "nowhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_without_a_deployment_every_command_says_how_to_make_one(nowhere: Path, words: tuple[str, ...]) -> None:
    done = mooring(*words)
    assert (done.code, done.out) == (2, "")
    assert done.err == f"error: no deployment at {nowhere / '.mooring'} [no-deployment]\n  hint: run: mooring init\n"
    problem = mooring("--json", *words).problem
    assert (problem["error"], problem["definite"], problem["exit"]) == ("no-deployment", True, 2)
    assert not list(nowhere.iterdir())


def test_one_command_founds_a_deployment_in_the_folder_and_others_find_it_from_below(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = mooring("init")
    assert done.code == 0, done.err
    assert "hospital=alice, lab=bob, auditor=carol" in done.out
    assert "next: mooring up" in done.err
    below = nowhere / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert mooring("model", "list").out == "nothing is registered yet\n"
    again = mooring("--json", "init")
    assert again.value["home"] == str(nowhere / ".mooring")
    assert again.err == ""


def test_the_environment_says_which_deployment_and_who_acts(
    cli: Cli, nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOORING_HOME", str(cli.home))
    monkeypatch.setenv("MOORING_AS", "alice")
    (nowhere / "rows.csv").write_text("1,2\n")
    assert mooring("--json", "dataset", "register", "rows.csv", "--name", "cells@1").value["new"]
    assert mooring("--as", "mallory", "dataset", "register", "rows.csv", "--name", "cells@2").code == 4


def test_who_acts_must_be_said_where_there_are_several(registered: Cli) -> None:
    assert registered.refused("model", "approve", "tumour@1") == (2, "actor-missing")
    hint = registered("model", "approve", "tumour@1").err
    assert "--as or set MOORING_AS: alice, bob, carol" in hint


def test_an_unknown_member_is_answered_with_the_members(registered: Cli) -> None:
    assert registered.refused("model", "approve", "tumour@1", as_="mallory") == (4, "unknown-member")
    assert "act as one of: alice, bob, carol" in registered("model", "approve", "tumour@1", as_="mallory").err


def test_the_only_member_of_a_deployment_acts_without_being_named(nowhere: Path) -> None:
    config = nowhere / "one.toml"
    config.write_text(
        'deployment = "example.org/one"\nthreshold = 1\n'
        '[[organisation]]\nname = "solo"\nmember = [{ name = "ann", roles = ["publisher", "approver"] }]\n'
    )
    (nowhere / "rows.csv").write_text("1,2\n")
    # a configuration is for real use: the passphrase is not made up
    assert mooring("--json", "init", "--config", config).problem["error"] == "passphrase-missing"
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("MOORING_PASSPHRASE", "correct horse battery staple")
        assert mooring("init", "--config", config).code == 0
        made = mooring("--json", "dataset", "register", "rows.csv", "--name", "cells@1")
        assert made.value["new"]
    assert not (nowhere / ".mooring" / "passphrase").exists()
    assert mooring("--json", "model", "list").problem["error"] == "passphrase-missing"


def test_a_wrong_passphrase_is_refused(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOORING_PASSPHRASE", "wrong")
    assert cli.refused("model", "list") == (1, "passphrase")


def test_an_exposed_passphrase_is_refused_with_the_remedy(cli: Cli) -> None:
    path = cli.home / "passphrase"
    path.chmod(0o644)
    assert cli.refused("model", "list") == (2, "passphrase-exposed")
    assert f"hint: chmod 600 {path}" in cli("model", "list").err
    path.chmod(0o600)
    assert cli("model", "list").code == 0


def test_a_lost_passphrase_is_missed(cli: Cli) -> None:
    (cli.home / "passphrase").unlink()
    assert cli.refused("model", "list") == (2, "passphrase-missing")


def test_keys_in_the_environment_are_named_when_they_lack(cli: Cli) -> None:
    config = cli.home / "mooring.toml"
    config.write_text(config.read_text().replace("[ledger]", '[storage]\nkeys = "env:"\n[ledger]'))
    code, slug = cli.refused("model", "list")
    assert (code, slug) == (4, "key-not-found")


@pytest.mark.parametrize(
    ("given", "instead", "named"),
    [
        ("threshold = 2", "threshold = 9", "threshold 9"),
        ("threshold = 2", "thershold = 2", "thershold"),
        ('url = "embedded:///chain"', 'url = "chain"', "ledger.url"),
        ('name = "bob"', 'name = "Bob"', "organisation[1].member[0].name"),
    ],
)
def test_a_configuration_that_was_edited_badly_is_refused_by_file_and_field(
    cli: Cli, given: str, instead: str, named: str
) -> None:
    config = cli.home / "mooring.toml"
    config.write_text(config.read_text().replace(given, instead))
    assert cli.refused("model", "list") == (2, "config")
    assert f"{config}: " in cli("model", "list").err
    assert named in cli("model", "list").err


@pytest.mark.parametrize("words", [("--name", "with space"), ("--ledger", "ftp://x"), ("--ledger", "")])
def test_init_with_words_that_mean_nothing_leaves_nothing_behind(nowhere: Path, words: tuple[str, str]) -> None:
    assert mooring("--json", "init", *words).problem["error"] == "config"
    assert not list(nowhere.iterdir())


def test_init_where_a_deployment_is_says_so(cli: Cli) -> None:
    assert cli.refused("init", "--name", "mooring.local/other") == (2, "deployment-exists")
    assert cli.ok("init")["deployment"] == "mooring.local/demo"


def test_a_configuration_that_is_no_text_or_not_there_is_refused(nowhere: Path) -> None:
    assert mooring("--json", "init", "--config", "missing.toml").problem["error"] == "file"
    (nowhere / "bytes.toml").write_bytes(b"\xff\xfe")
    assert mooring("--json", "init", "--config", "bytes.toml").problem["error"] == "encoding"
    (nowhere / "big.toml").write_bytes(b"#" * (1024 * 1024 + 1))
    assert mooring("--json", "init", "--config", "big.toml").problem["error"] == "file-size"
    (nowhere / "none.toml").write_text("nothing = 1")
    assert mooring("--json", "init", "--config", "none.toml").problem["error"] == "config"
    assert not (nowhere / ".mooring").exists()
