"""Logs on the command line: shown, read, checked, and the index made anew from them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.entrypoints.commandline import Cli
from tests.workflows.stage import MODEL

ORIGIN = "mooring.local/demo/records"


def test_how_far_each_log_is_shows_in_the_order_of_its_way(active: Cli) -> None:
    records, receipts = active.ok("log", "show")
    assert (records["origin"], records["sequenced"], records["sealed"], records["anchored"]) == (ORIGIN, 6, 0, 0)
    assert (receipts["sequenced"], receipts["witnesses"]) == (0, 0)
    active.ok("anchor")
    records, _ = active.ok("log", "show")
    assert (records["sealed"], records["anchored"], records["witnesses"]) == (6, 6, 3)
    assert ORIGIN in active("log", "show").out


def test_the_newest_checkpoint_is_a_signed_note(active: Cli) -> None:
    assert active.refused("log", "checkpoint", "records") == (4, "unknown-checkpoint")
    active.ok("anchor")
    found = active.ok("log", "checkpoint", "records")
    assert (found["origin"], found["size"], len(found["root"])) == (ORIGIN, 6, 64)
    printed = active("log", "checkpoint", "records").out
    assert printed == found["note"]
    assert printed.startswith(f"{ORIGIN}\n6\n")


def test_an_entry_is_printed_as_it_is(active: Cli) -> None:
    value = active.ok("log", "entry", "records", "0")
    assert json.loads(active("log", "entry", "records", "0").out) == value
    assert active.refused("log", "entry", "records", "6")[0] == 4
    assert active.refused("log", "entry", "receipts", "0")[0] == 4


@pytest.mark.parametrize("words", [("checkpoint",), ("entry", "0"), ("verify",)])
def test_there_are_two_logs_and_no_other(active: Cli, words: tuple[str, ...]) -> None:
    verb, *rest = words
    assert active.refused("log", verb, "letters", *rest) == (4, "unknown-log")


def test_a_sound_log_is_checked_and_a_changed_byte_is_found(active: Cli) -> None:
    active.ok("anchor")
    checked = active.ok("log", "verify", "records")
    assert checked["size"] == 6 or 6 in checked.values()
    tile = next(
        path for path in (active.home / "logs" / "records" / "public" / "tile" / "0").rglob("*") if path.is_file()
    )
    tile.chmod(0o644)
    data = bytearray(tile.read_bytes())
    data[5] ^= 1
    tile.write_bytes(data)
    code, slug = active.refused("log", "verify", "records")
    assert (code, slug) == (7, "tile")


def test_a_log_that_is_gone_is_not_found(active: Cli) -> None:
    import shutil

    shutil.rmtree(active.home / "logs" / "receipts")
    code, _ = active.refused("log", "verify", "receipts")
    assert code in (1, 4)


def test_the_index_is_rebuilt_to_the_same_digest_after_every_loss(active: Cli) -> None:
    before = active.ok("log", "rebuild-index")
    assert before["attestations"] == 6
    index = active.home / "index.sqlite"
    for damage in (b"", b"garbage" * 1000, None):
        for path in active.home.glob("index.sqlite*"):
            path.unlink()
        if damage is not None:
            index.write_bytes(damage)
        if damage:
            assert active.refused("model", "list")[0] == 7
            findings = {item["what"]: item for item in active.json("doctor").value}
            assert "rebuild-index" in findings["deployment"]["hint"]
        assert active.ok("log", "rebuild-index") == before
        assert active.ok("doctor")[6]["state"] == "ok"
    assert [row["status"] for row in active.ok("model", "list")] == ["proposed", "active"]


def test_a_row_that_was_changed_behind_our_back_is_found_by_the_doctor_and_repaired(active: Cli) -> None:
    import sqlite3

    before = active.ok("log", "rebuild-index")
    with sqlite3.connect(active.home / "index.sqlite") as sql:
        names = [row[0] for row in sql.execute("SELECT name FROM sqlite_master WHERE name LIKE '%attestation%'")]
        sql.execute(f"UPDATE {names[0]} SET subject = 'tumour@9' WHERE subject = '{MODEL}'")
    findings = {item["what"]: item for item in active.json("doctor").value}
    assert (findings["index"]["state"], "rebuild-index" in findings["index"]["hint"]) == ("bad", True)
    assert active.ok("log", "rebuild-index") == before
    assert active.json("doctor").code == 0


def test_what_is_printed_for_people_names_the_digest(active: Cli) -> None:
    assert "digest" in active("log", "rebuild-index").out
    assert Path(active.home / "index.sqlite").exists()
