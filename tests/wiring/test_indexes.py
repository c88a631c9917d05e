"""The index is derived: lost, damaged or wrong, it is filled again from log and ledger to the same rows."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from tests.workflows.stage import MODEL, Stages

from mooring.errors import CorruptError
from mooring.wiring.config import load
from mooring.wiring.home import Home
from mooring.wiring.indexes import open_index
from mooring.wiring.session import open_session


def digest(home: Path, *, rebuild: bool = False) -> str:
    with open_session(Home(home), rebuild=rebuild) as session:
        session.deployment.follow()
        return session.index_digest()


def test_a_lost_index_is_filled_again_by_itself(stages: Stages, tmp_path: Path) -> None:
    home = stages.copy("active", tmp_path / "h")
    before = digest(home)
    for path in home.glob("index.sqlite*"):
        path.unlink()
    assert digest(home) == before


@pytest.mark.parametrize("damage", ["garbage", "cut", "pages", "rows", "another"])
def test_a_damaged_index_is_noticed_or_rebuilt_to_the_same_digest(stages: Stages, tmp_path: Path, damage: str) -> None:
    home = stages.copy("active", tmp_path / "h")
    before, path = digest(home), home / "index.sqlite"
    data = path.read_bytes()
    if damage == "garbage":
        path.write_bytes(b"not a database at all " * 500)
    elif damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "pages":
        path.write_bytes(data[:4096] + b"\xaa" * (len(data) - 4096))
    elif damage == "rows":
        with sqlite3.connect(path) as sql:
            sql.execute(f"DELETE FROM {attestations(sql)}")
    else:
        path.unlink()
        with sqlite3.connect(path) as sql:
            sql.execute("CREATE TABLE somebody_elses (x)")
    if damage in ("garbage", "cut", "pages"):
        with pytest.raises(CorruptError), open_session(Home(home)) as session:
            session.check_index()
    assert digest(home, rebuild=True) == before
    with open_session(Home(home)) as session:
        session.check_index()


def attestations(sql: sqlite3.Connection) -> str:
    rows = sql.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE '%attestation%'").fetchall()
    return str(rows[0][0])


def test_a_changed_row_is_noticed(stages: Stages, tmp_path: Path) -> None:
    home = stages.copy("active", tmp_path / "h")
    with sqlite3.connect(home / "index.sqlite") as sql:
        table = attestations(sql)
        sql.execute(f"UPDATE {table} SET subject = 'tumour@9' WHERE subject = '{MODEL}'")
    with open_session(Home(home)) as session, pytest.raises(CorruptError) as caught:
        session.check_index()
    assert caught.value.code in ("index-differs", "index-corrupt")


def test_an_index_somewhere_else_is_used(home: Path, tmp_path: Path) -> None:
    text = (home / "mooring.toml").read_text()
    place = tmp_path / "elsewhere.sqlite"
    (home / "mooring.toml").write_text(text.replace("[ledger]", f'[storage]\nindex = "sqlite:///{place}"\n[ledger]'))
    before = digest(home)
    assert place.exists()
    (home / "mooring.toml").write_text(text)
    assert digest(home) == before


def test_an_index_is_opened_without_its_rows_where_that_is_asked_for(stages: Stages, tmp_path: Path) -> None:
    home = stages.copy("active", tmp_path / "h")
    config = load(home / "mooring.toml")
    with open_index(Home(home), config) as index:
        assert index.events() != ()
    with open_index(Home(home), config, empty=True) as index:
        assert index.events() == ()
