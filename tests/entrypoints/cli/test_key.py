"""Keys on the command line: made, imported, registered, rotated, revoked."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.entrypoints.commandline import Cli
from tests.workflows.stage import DATA, MODEL

from mooring.records.instant import format_time


def row(cli: Cli, name: str) -> dict[str, str]:
    found: dict[str, str] = next(item for item in cli.ok("key", "list") if item["name"] == name)
    return found


def test_keys_are_listed_with_what_the_ledger_says_of_them(cli: Cli) -> None:
    rows = {item["name"]: item for item in cli.ok("key", "list")}
    assert len(rows) == 12
    assert rows["hospital-attest"]["registered"] != ""
    assert rows["alice"]["account"].startswith("0x")
    assert rows["log-records"]["registered"] == ""
    header, *lines = cli("key", "list").out.splitlines()
    assert header.split()[0] == "NAME"
    assert len(lines) == 12


@pytest.mark.parametrize("kind", ["ed25519", "p256", "secp256k1"])
def test_a_key_is_made_once(cli: Cli, kind: str) -> None:
    made = cli.ok("key", "create", "spare", "--kind", kind)
    assert row(cli, "spare")["keyid"] == made["keyid"]
    assert cli.refused("key", "create", "spare", "--kind", kind) == (1, "key-exists")


def test_a_key_of_another_kind_or_name_is_not_made(cli: Cli) -> None:
    assert cli.refused("key", "create", "spare", "--kind", "rsa") == (2, "key-kind")
    assert cli.refused("key", "create", "Spare Key", "--kind", "p256")[1] == "key-name"
    assert cli.refused("key", "create", "../spare", "--kind", "p256")[1] == "key-name"
    assert cli("key", "create", "spare").code == 2


def test_a_private_key_is_imported_and_no_other_file(cli: Cli) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    Path("key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    made = cli.ok("key", "import", "spare", "key.pem")
    assert made["kind"] == "p256"
    assert cli.refused("key", "import", "spare", "key.pem") == (1, "key-exists")
    Path("other.pem").write_text("no key at all")
    assert cli.refused("key", "import", "other", "other.pem")[0] == 1
    assert cli.refused("key", "import", "other", "missing.pem") == (2, "file")
    Path("big.pem").write_bytes(b"x" * 70_000)
    assert cli.refused("key", "import", "other", "big.pem") == (2, "file-size")


def test_the_public_part_is_printed_as_configurations_hold_it(cli: Cli) -> None:
    shown = cli.ok("key", "public", "lab-attest")
    assert shown["public"].startswith("ed25519:")
    assert cli("key", "public", "lab-attest").out == f"{shown['public']}\n"
    assert cli.refused("key", "public", "nobody") == (4, "key-not-found")


def test_a_key_is_registered_with_an_end_and_only_ones_own(cli: Cli) -> None:
    cli.ok("key", "create", "spare", "--kind", "ed25519")
    made = cli.ok("key", "register", "spare", "--until", "2030-01-01T00:00:00Z", as_="alice")
    assert (made["organisation"], made["new"], made["not_after"]) == ("hospital", True, 1893456000)
    assert not cli.ok("key", "register", "spare", as_="alice")["new"]
    assert cli.refused("key", "register", "spare", as_="bob") == (3, "key-exists")
    assert cli.refused("key", "register", "nobody", as_="bob") == (4, "key-not-found")
    cli.ok("key", "create", "other", "--kind", "ed25519")
    for until in ("tomorrow", "2030-01-01", "2030-13-01T00:00:00Z"):
        assert cli.refused("key", "register", "other", "--until", until, as_="bob")[0] == 2
    assert cli.refused("key", "register", "other", "--until", "2020-01-01T00:00:00Z", as_="bob") == (3, "bad-window")


def test_after_a_rotation_old_attestations_still_count_and_new_ones_bear_the_new_key(active: Cli) -> None:
    old = row(active, "hospital-attest")["keyid"]
    active.ok("anchor")
    active.ok("export", MODEL, "--out", "before.json")
    made = active.ok("key", "rotate", as_="alice")
    assert (made["organisation"], made["new"]) == ("hospital", True)
    assert row(active, "hospital-attest")["keyid"] == made["keyid"] != old
    active.ok("export", MODEL, "--out", "after.json", "--trust", "trust.json")
    for name in ("before.json", "after.json"):
        done = active.json("verify", name, "--trust", "trust.json")
        assert done.code == 0, [claim for claim in done.value["claims"] if claim["outcome"] != "proved"]
    incident = active.ok("model", "incident", MODEL, "--summary", "x", as_="alice")
    said = active.ok("log", "entry", "records", incident["log_index"])
    assert [signature["keyid"] for signature in said["signatures"]] == [made["keyid"]]
    assert active.ok("doctor")[3]["state"] == "ok"


def test_what_an_ended_key_signed_is_open_and_never_refuted_where_only_a_later_anchor_dates_it(active: Cli) -> None:
    active.ok("anchor")
    active.ok("key", "rotate", as_="alice")
    active.ok("model", "incident", MODEL, "--summary", "x", as_="alice")
    active.ok("anchor")
    active.ok("export", MODEL, "--out", "mixed.json", "--trust", "trust.json")
    done = active.json("verify", "mixed.json", "--trust", "trust.json")
    left = [claim for claim in done.value["claims"] if claim["outcome"] != "proved"]
    # a bundle holds one checkpoint of each log: the ledger dates statements that it does not name by that alone
    assert (done.code, {claim["name"] for claim in left}) == (8, {"attestation"})
    assert all("its key ended at" in claim["hint"] for claim in left)


def test_a_revoked_key_attests_nothing_until_another_is_registered(active: Cli) -> None:
    keyid = row(active, "lab-attest")["keyid"]
    assert active.refused("key", "revoke", keyid, as_="alice") == (3, "not-of-organisation")
    a_while_ago = format_time(int(time.time()) - 5)
    done = active.ok("key", "revoke", keyid, "--from", a_while_ago, as_="carol")
    assert done["keyid"] == keyid
    assert active.refused("model", "incident", MODEL, "--summary", "x", as_="bob") == (3, "key-time")
    assert active.ok("model", "incident", MODEL, "--summary", "x", as_="alice")
    findings = {item["what"]: item for item in active.json("doctor").value}
    assert (findings["keys"]["state"], "lab-attest" in findings["keys"]["detail"]) == ("bad", True)
    active.ok("key", "rotate", as_="bob")
    assert active.ok("model", "incident", MODEL, "--summary", "x", as_="bob")
    assert active.json("doctor").code == 0


def test_a_key_is_revoked_from_a_time_on_by_people_too(cli: Cli) -> None:
    keyid = row(cli, "lab-attest")["keyid"]
    done = cli("key", "revoke", keyid, "--from", "2040-01-01T00:00:00Z", as_="bob")
    assert done.code == 0
    assert keyid in done.out
    assert cli.refused("key", "revoke", "ab" * 32, as_="bob") == (4, "unknown-key")
    for bad in ("ab", "xyz", keyid[:-1], ""):
        assert cli.refused("key", "revoke", bad, as_="bob") == (2, "keyid")
    assert cli.refused("key", "revoke", keyid, "--from", "yesterday", as_="bob")[0] == 2


def test_an_attestation_by_a_key_that_is_not_registered_is_refused(registered: Cli) -> None:
    from mooring.wiring.home import Home
    from mooring.wiring.session import open_session

    with open_session(Home(registered.home)) as session:
        session.deployment.keys.rotate("lab-attest")  # type: ignore[attr-defined]  # behind the ledger's back
    assert registered.refused("model", "approve", MODEL, as_="bob") == (3, "key-unregistered")
    assert "mooring key register lab-attest" in registered("model", "approve", MODEL, as_="bob").err
    registered.ok("key", "register", "lab-attest", as_="bob")
    assert registered.ok("model", "approve", MODEL, as_="bob")["approvals"] == 1


def test_an_expired_key_attests_nothing(registered: Cli) -> None:
    from mooring.wiring.home import Home
    from mooring.wiring.session import open_session

    with open_session(Home(registered.home)) as session:
        session.deployment.keys.rotate("lab-attest")  # type: ignore[attr-defined]  # behind the ledger's back
    registered.ok("key", "register", "lab-attest", "--until", format_time(int(time.time()) + 2), as_="bob")
    time.sleep(3)
    assert registered.refused("model", "approve", DATA, as_="bob") == (3, "key-time")
