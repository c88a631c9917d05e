"""Data sets on the command line: registered, read back, and people erased from them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.entrypoints.commandline import Cli
from tests.workflows.stage import CSV, DATA, MODEL


def write(name: str, data: bytes) -> Path:
    path = Path(name)
    path.write_bytes(data)
    return path


def test_a_file_is_registered_and_again_the_same(cli: Cli) -> None:
    path = write("rows.csv", b"1,2\n")
    words = (
        *("dataset", "register", path, "--name", "images@1"),
        *("--source", "a camera", "--licence", "CC0-1.0", "--description", "two rows"),
    )
    made = cli.ok(*words, as_="alice")
    assert (made["name"], made["version"], made["new"], made["log_index"]) == ("images", "1", True, 0)
    assert cli.ok(*words, as_="alice") == {**made, "new": False, "cost": 0}
    assert [row["version"] for row in cli.ok("dataset", "list")] == ["images@1"]
    write("rows.csv", b"3,4\n")
    assert cli.refused(*words, as_="alice") == (3, "version-exists")


def test_a_folder_is_registered_whatever_the_order_of_its_files(cli: Cli) -> None:
    Path("a").mkdir()
    Path("b").mkdir()
    for name in ("x", "y", "z"):
        write(f"a/{name}", name.encode())
    for name in ("z", "y", "x"):
        write(f"b/{name}", name.encode())
    first = cli.ok("dataset", "register", "a", "--name", "images@1", as_="alice")
    second = cli.ok("dataset", "register", "b", "--name", "images@1", as_="alice")
    assert (second["new"], second["manifest"]) == (False, first["manifest"])


def test_a_table_about_people_is_sealed_and_read_back(cli: Cli) -> None:
    path = write("people.csv", CSV)
    words = ("dataset", "register", path, "--name", DATA, "--subject-column", "patient")
    made = cli.ok(*words, as_="alice")
    assert cli.ok(*words, as_="alice") == {**made, "new": False, "cost": 0}
    done = cli("dataset", "read", DATA)
    assert sorted(done.out.splitlines()) == sorted(CSV.decode().splitlines())
    assert done.err == "12 rows read, 0 erased\n"
    assert cli("dataset", "read", DATA, "--out", "back.csv").out == ""
    assert sorted(Path("back.csv").read_bytes().splitlines()) == sorted(CSV.splitlines())


@pytest.mark.parametrize(
    ("data", "column"),
    [
        (CSV, "nobody"),
        (b"", "patient"),
        (b"patient\n", "patient"),
        (b"patient,size\nperson-1,\xff\n", "patient"),
        (b"patient,size\nperson-1\n", "patient"),
        (b"patient,patient\nperson-1,person-2\n", "patient"),
    ],
)
def test_what_is_no_table_about_people_is_refused(cli: Cli, data: bytes, column: str) -> None:
    words = ("dataset", "register", write("people.csv", data), "--name", DATA, "--subject-column", column)
    assert cli.refused(*words, as_="alice")[0] == 1
    assert cli.ok("model", "list") == []
    assert cli.ok("log", "show")[0]["sequenced"] == 0


def test_a_table_must_be_one_file(cli: Cli) -> None:
    Path("folder").mkdir()
    words = ("--name", DATA, "--subject-column", "patient")
    assert cli.refused("dataset", "register", "folder", *words, as_="alice") == (2, "file")
    assert cli.refused("dataset", "register", "nowhere.csv", *words, as_="alice") == (2, "file")


def test_only_a_publisher_registers(cli: Cli) -> None:
    path = write("rows.csv", b"1\n")
    assert cli.refused("dataset", "register", path, "--name", "images@1", as_="carol") == (3, "missing-role")
    assert cli.ok("dataset", "list") == []


def test_files_are_not_read_as_a_table(registered: Cli) -> None:
    path = write("rows.csv", b"1\n")
    registered.ok("dataset", "register", path, "--name", "images@1", as_="alice")
    assert registered.refused("dataset", "read", "images@1") == (3, "not-a-table")
    assert registered.refused("dataset", "read", "cells@9") == (4, "unknown-version")
    assert registered.refused("dataset", "read", DATA, "--out", "no/where/rows.csv") == (1, "path-vanished")


def test_data_sets_are_listed_and_models_are_not(registered: Cli) -> None:
    shown = registered("dataset", "list").out
    assert DATA in shown
    assert MODEL not in shown


def test_nothing_is_listed_where_nothing_is(cli: Cli) -> None:
    assert cli("dataset", "list").out == "no data set is registered yet\n"
    assert cli("model", "list").out == "nothing is registered yet\n"
    assert cli.ok("dataset", "list") == cli.ok("model", "list") == []


def test_an_erased_person_is_gone_from_every_place_and_the_rest_stays(registered: Cli) -> None:
    registered.ok("anchor")
    registered.ok("export", MODEL, "--out", "before.json", "--trust", "trust.json")
    gone = registered.ok("erase", "person-04", "--reason", "asked for it", "--yes", as_="alice")
    assert gone["keys"] == 1
    done = registered("dataset", "read", DATA)
    assert "person-04" not in done.out
    assert done.err == "11 rows read, 1 erased\n"
    assert registered.refused("erase", "person-04", "--reason", "again", "--yes", as_="alice") == (1, "person-unknown")
    assert registered.json("verify", "before.json", "--trust", "trust.json").code in (0, 8)
    kept = [path for path in registered.home.rglob("*") if path.is_file()]
    assert not any(b"person-04" in path.read_bytes() for path in kept)
    said = registered("log", "entry", "records", gone["log_index"]).out
    assert "person-04" not in said
    assert registered.ok("doctor")[5]["state"] == "ok"


def test_an_erasure_is_asked_back_and_can_be_declined(registered: Cli) -> None:
    declined = registered("erase", "person-04", "--reason", "x", as_="alice", typed="n\n")
    assert declined.code == 130
    assert registered("erase", "person-04", "--reason", "x", as_="alice", typed="").code == 130
    assert "person-04" in registered("dataset", "read", DATA).out
    assert registered("erase", "person-04", "--reason", "x", as_="alice", typed="y\n").code == 0
    assert "person-04" not in registered("dataset", "read", DATA).out


def test_an_erasure_needs_a_reason_and_somebody_who_asks(registered: Cli) -> None:
    assert registered("erase", "person-04", "--yes", as_="alice").code == 2
    assert registered.refused("erase", "person-04", "--reason", "x", "--yes") == (2, "actor-missing")
    assert registered.refused("erase", "person-99", "--reason", "x", "--yes", as_="alice") == (1, "person-unknown")
