from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from eth_hash.auto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from mooring.errors import BusyError, CorruptError, StorageError
from mooring.ledger.embedded import database as module
from mooring.ledger.embedded.database import ChainDatabase, Overlay


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chain.sqlite"


@pytest.fixture
def database(path: Path) -> Iterator[ChainDatabase]:
    opened = ChainDatabase(path)
    yield opened
    opened.close()


@contextlib.contextmanager
def _failing() -> Iterator[None]:
    """A block that fails half-way."""
    with pytest.raises(ZeroDivisionError):
        yield


def test_what_is_written_is_read_after_reopening(database: ChainDatabase, path: Path) -> None:
    node = b"a node" * 9
    database.write({b"name": b"value", keccak(node): node})
    database[b"name"] = b"other"
    database.close()
    again = ChainDatabase(path)
    assert again[b"name"] == b"other"
    assert again[keccak(node)] == node
    assert keccak(node) in again
    again.close()


def test_a_key_that_is_not_there_is_a_key_error(database: ChainDatabase) -> None:
    with pytest.raises(KeyError):
        database[b"nothing"]
    with pytest.raises(KeyError):
        del database[b"nothing"]
    assert b"nothing" not in database


def test_a_deleted_key_is_gone(database: ChainDatabase) -> None:
    node = b"a node" * 9
    database[keccak(node)] = node
    assert database[keccak(node)] == node
    del database[keccak(node)]
    with pytest.raises(KeyError):
        database[keccak(node)]


def test_a_batch_is_kept_whole(database: ChainDatabase) -> None:
    database[b"old"] = b"1"
    with database.atomic_batch() as batch:
        batch[b"a"] = b"1"
        batch[b"b"] = b"2"
        del batch[b"old"]
        assert b"a" not in database
    assert (database[b"a"], database[b"b"]) == (b"1", b"2")
    assert b"old" not in database


def test_a_batch_that_fails_leaves_nothing(database: ChainDatabase) -> None:
    with _failing(), database.atomic_batch() as batch:
        batch[b"a"] = b"1"
        raise ZeroDivisionError
    assert b"a" not in database


def test_a_transaction_that_fails_leaves_nothing_of_its_parts(database: ChainDatabase) -> None:
    with _failing(), database.transaction() as sql:
        database.write({b"a": b"1"})
        sql.execute("INSERT INTO pending VALUES (1, x'00', x'00')")
        raise ZeroDivisionError
    assert b"a" not in database
    assert database.rows("SELECT * FROM pending") == []


def test_nobody_reads_what_is_not_committed(database: ChainDatabase) -> None:
    seen: list[bool] = []
    with database.transaction():
        database.write({b"a": b"1"})
        reader = threading.Thread(target=lambda: seen.append(b"a" in database))
        reader.start()
        reader.join()
    assert seen == [False]
    assert b"a" in database


def test_a_changed_byte_in_a_node_is_found_when_it_is_read(database: ChainDatabase, path: Path) -> None:
    node = b"a node" * 9
    database[keccak(node)] = node
    database[b"name"] = b"value"
    database.close()
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE kv SET v = ? WHERE k = ?", (b"b" + node[1:], keccak(node)))
    raw.close()
    again = ChainDatabase(path)
    assert again[b"name"] == b"value"
    with pytest.raises(CorruptError, match=r"chain\.sqlite holds a value that does not match its key") as found:
        again[keccak(node)]
    assert found.value.code == "chain-corrupt"
    again.close()


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b"SQLite format 3\0" + b"\xff" * 5_000])
def test_a_file_that_is_no_database_is_reported_with_its_name_and_a_remedy(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(CorruptError, match=r"chain\.sqlite") as found:
        ChainDatabase(path)
    assert "restore the folder from a backup" in found.value.hint


def test_another_programs_database_is_left_alone(path: Path) -> None:
    with sqlite3.connect(path) as raw:
        raw.execute("CREATE TABLE notes (text)")
    raw.close()
    with pytest.raises(CorruptError, match="is not a chain of this version"):
        ChainDatabase(path)


def test_a_chain_of_a_later_version_is_left_alone(database: ChainDatabase, path: Path) -> None:
    with database.transaction() as sql:
        sql.execute("PRAGMA user_version=99")
    database.close()
    with pytest.raises(CorruptError, match="schema 99"):
        ChainDatabase(path)


def test_a_sound_file_passes_the_check_and_a_damaged_one_does_not(database: ChainDatabase, path: Path) -> None:
    database.write({number.to_bytes(4, "big"): bytes(500) for number in range(2_000)})
    database.check()
    database.close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2)
        file.write(b"\xff" * 8_192)
    again = ChainDatabase(path)
    with pytest.raises(CorruptError, match="is damaged"):
        again.check()
    again.close()


def test_a_full_disk_is_reported_and_nothing_is_kept(database: ChainDatabase) -> None:
    with database.transaction() as sql:
        pages = sql.execute("PRAGMA page_count").fetchone()[0]
    database._writer.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(StorageError, match="no space is left") as found:
        database.write({number.to_bytes(4, "big"): bytes(500) for number in range(100)})
    assert found.value.code == "chain-full"
    assert bytes(4) not in database
    database._writer.execute("PRAGMA max_page_count=100000")
    database.write({bytes(4): b"1"})
    assert database[bytes(4)] == b"1"


def test_a_program_that_locks_the_file_is_reported(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BUSY_TIMEOUT_S", 0.05)
    database = ChainDatabase(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(BusyError, match="locked by another program"):
        database.write({b"a": b"1"})
    other.execute("ROLLBACK")
    other.close()
    database.write({b"a": b"1"})
    database.close()


def test_a_folder_that_is_not_there_is_reported(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="could not be used") as found:
        ChainDatabase(tmp_path / "missing" / "chain.sqlite")
    assert found.value.code == "chain-io"


def test_a_closed_database_refuses_and_is_closed_again_without_harm(database: ChainDatabase) -> None:
    database.close()
    database.close()
    with pytest.raises(StorageError, match="is closed"):
        database.rows("SELECT 1")
    with pytest.raises(StorageError, match="is closed"):
        database.write({b"a": b"1"})


def test_an_acknowledged_write_is_synced_to_the_disk(database: ChainDatabase) -> None:
    with database.transaction() as sql:
        assert sql.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert sql.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL


def test_old_nodes_leave_the_memory_and_are_read_from_the_file(
    database: ChainDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CACHED_NODES", 4)
    nodes = [bytes([number]) * 40 for number in range(10)]
    database.write({keccak(node): node for node in nodes})
    assert [database[keccak(node)] for node in nodes] == nodes
    assert len(database._cache) == 4
    assert [database[keccak(node)] for node in nodes] == nodes


_KEYS = st.binary(min_size=1, max_size=3)
_STEPS = st.lists(st.tuples(st.sampled_from(["set", "delete", "batch", "fail"]), _KEYS, st.binary(max_size=4)))


@given(steps=_STEPS)
@settings(max_examples=50, deadline=None)
def test_an_overlay_shows_its_changes_and_leaves_what_is_below(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, bytes, bytes]]
) -> None:
    below = ChainDatabase(tmp_path_factory.mktemp("overlay") / "chain.sqlite")
    below[b"\0"] = b"below"
    overlay = Overlay(below)
    model: dict[bytes, bytes] = {}
    for step, key, value in steps:
        if step == "set":
            overlay[key] = model[key] = value
        elif step == "batch":
            with overlay.atomic_batch() as batch:
                batch[key] = value
            model[key] = value
        elif step == "fail":
            with _failing(), overlay.atomic_batch() as batch:
                batch[key] = value
                raise ZeroDivisionError
        elif key in model:
            del overlay[key]
            del model[key]
        else:
            with pytest.raises(KeyError):
                del overlay[key]
    for key in {b"\0", *model}:
        assert overlay[key] == model.get(key, b"below")
        assert key in overlay
    assert overlay.changes == model
    assert below.rows("SELECT k, v FROM kv") == [(b"\0", b"below")]
    below.close()
