"""Data keys: kept, found again, and gone for good when they are destroyed."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mooring.errors import BusyError, CorruptError, ErasedError, MooringError, NotFoundError, StorageError
from mooring.storage.datakeys import DataKeys
from mooring.storage.port import SecretStore, Tombstone

WRAPPING = bytes(range(32))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "subjects.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[DataKeys]:
    times = iter(range(1000, 2000))
    store = DataKeys(path, WRAPPING, now_ns=lambda: next(times))
    yield store
    store.close()


def raw(path: Path) -> bytes:
    """Every byte of every file beside the store."""
    return b"".join(file.read_bytes() for file in sorted(path.parent.iterdir()))


def stored(path: Path, name: str) -> tuple[bytes, bytes]:
    with sqlite3.connect(path) as db:
        return db.execute("SELECT wrapped, handle FROM secret WHERE name = ?", (name,)).fetchone()


def test_it_keeps_the_promises_of_the_port(store: DataKeys) -> None:
    port: SecretStore = store
    (key,) = port.create(["a"])
    assert port.get("a") == key


def test_a_key_is_the_same_in_the_next_process(store: DataKeys, path: Path) -> None:
    keys = store.create(["a", "b"], [b"A" * 32, b"B" * 32])
    assert len(set(keys)) == 2
    assert [len(key) for key in keys] == [32, 32]
    again = DataKeys(path, WRAPPING)
    assert again.get("a") == keys[0]
    assert again.get_many(["b", "a"]) == {"a": keys[0], "b": keys[1]}
    again.close()


def test_keys_are_not_on_the_disk_in_the_clear_and_the_file_is_private(store: DataKeys, path: Path) -> None:
    (key,) = store.create(["a"])
    assert key not in raw(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert key.hex() not in repr(store)


def test_a_handle_finds_the_name_and_an_unknown_one_finds_nothing(store: DataKeys) -> None:
    store.create(["a", "b"], [b"A" * 32, b"B" * 32])
    assert store.find([b"A" * 32, b"C" * 32]) == {b"A" * 32: "a"}
    assert store.find([]) == {}


def test_an_unknown_name_is_not_found(store: DataKeys) -> None:
    store.create(["a"])
    for ask in (lambda: store.get("b"), lambda: store.get_many(["a", "b"]), lambda: store.destroy("b")):
        with pytest.raises(NotFoundError) as caught:
            ask()
        assert caught.value.code == "secret-not-found"


@pytest.mark.parametrize(
    ("names", "handles"),
    [(["new", "a"], []), (["new", "new"], []), (["new"], [b"A" * 32]), (["new", "more"], [b"N" * 32, b"N" * 32])],
)
def test_a_name_or_handle_in_use_is_refused_and_none_of_the_call_is_kept(
    store: DataKeys, names: list[str], handles: list[bytes]
) -> None:
    (key,) = store.create(["a"], [b"A" * 32])
    with pytest.raises(StorageError) as caught:
        store.create(names, handles)
    assert caught.value.code == "secret-exists"
    assert store.get("a") == key
    with pytest.raises(NotFoundError):
        store.get("new")


@pytest.mark.parametrize(("names", "code"), [([""], "secret-name"), (["x" * 129], "secret-name")])
def test_a_name_out_of_bounds_is_refused(store: DataKeys, names: list[str], code: str) -> None:
    assert len(store.create(["x" * 128])) == 1
    with pytest.raises(StorageError) as caught:
        store.create(names)
    assert caught.value.code == code


def test_handles_must_be_as_many_as_names(store: DataKeys) -> None:
    with pytest.raises(StorageError) as caught:
        store.create(["a", "b"], [b"A" * 32])
    assert caught.value.code == "secret-handles"


def test_a_destroyed_key_is_erased_and_leaves_name_and_time(store: DataKeys) -> None:
    store.create(["a", "b"], [b"A" * 32, b"B" * 32])
    assert store.destroy("b") == Tombstone("b", 1000)
    with pytest.raises(ErasedError) as caught:
        store.get("b")
    assert caught.value.code == "erased"
    assert list(store.get_many(["a", "b"])) == ["a"]
    assert store.find([b"A" * 32, b"B" * 32]) == {b"A" * 32: "a"}
    assert store.tombstones() == (Tombstone("b", 1000),)


def test_destroying_again_changes_nothing(store: DataKeys) -> None:
    store.create(["a"])
    assert store.destroy("a") == store.destroy("a")


def test_a_destroyed_name_is_never_used_again_but_its_handle_may_be(store: DataKeys) -> None:
    store.create(["a"], [b"A" * 32])
    store.destroy("a")
    with pytest.raises(ErasedError):
        store.create(["z", "a"])
    with pytest.raises(NotFoundError):
        store.get("z")
    store.create(["b"], [b"A" * 32])
    assert store.find([b"A" * 32]) == {b"A" * 32: "b"}


@pytest.mark.parametrize("count", [1, 3, 2000])
def test_no_byte_of_a_destroyed_key_or_handle_is_left_in_any_file(store: DataKeys, path: Path, count: int) -> None:
    names = [f"subject-{number:06}" for number in range(count)]
    store.create(names, [os.urandom(32) for _ in names])
    victim = names[count // 2]
    wrapped, handle = stored(path, victim)
    assert wrapped in raw(path)
    assert handle in raw(path)
    store.destroy(victim)
    left = raw(path)
    # In pieces too: a moved page may keep a part of what lay on it.
    pieces = [part[start : start + 8] for part in (wrapped, handle) for start in range(0, len(part) - 7, 4)]
    assert [piece.hex() for piece in pieces if piece in left] == []
    assert victim.encode() in left
    assert len(store.get_many(names)) == count - 1


def test_a_key_destroyed_by_one_process_is_gone_for_another_that_had_it_open(store: DataKeys, path: Path) -> None:
    store.create(["a"])
    other = DataKeys(path, WRAPPING)
    other.get("a")
    store.destroy("a")
    with pytest.raises(ErasedError):
        other.get("a")
    other.close()


def test_a_destroyed_key_stays_destroyed_when_the_process_is_killed_at_once(store: DataKeys, path: Path) -> None:
    store.create(["a"])
    wrapped, _ = stored(path, "a")
    script = f"""
        import os, signal
        from pathlib import Path
        from mooring.storage.datakeys import DataKeys
        DataKeys(Path({str(path)!r}), bytes(range(32))).destroy("a")
        os.kill(os.getpid(), signal.SIGKILL)
    """
    assert subprocess.run([sys.executable, "-c", textwrap.dedent(script)]).returncode == -9
    with pytest.raises(ErasedError):
        store.get("a")
    assert wrapped not in raw(path)


def test_traces_that_a_crash_left_are_removed_when_the_store_is_next_opened(store: DataKeys, path: Path) -> None:
    """Killed between the commit and the new file: the space in the file is zeroed, but still there."""
    names = [f"subject-{number:04}" for number in range(500)]
    store.create(names)
    size = path.stat().st_size
    script = f"""
        import os, signal
        from pathlib import Path
        from mooring.storage.datakeys import DataKeys

        class Killed(DataKeys):
            def _clean(self):
                os.kill(os.getpid(), signal.SIGKILL)

        Killed(Path({str(path)!r}), bytes(range(32))).rewrap(bytes(32))
    """
    assert subprocess.run([sys.executable, "-c", textwrap.dedent(script)]).returncode == -9
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT count(*) FROM meta WHERE name = 'unclean'").fetchone() == (1,)
    DataKeys(path, bytes(32)).close()
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT count(*) FROM meta WHERE name = 'unclean'").fetchone() == (0,)
        assert db.execute("PRAGMA freelist_count").fetchone() == (0,)
    assert path.stat().st_size <= size


def test_a_reader_that_does_not_end_delays_the_cleaning_and_not_the_erasure(store: DataKeys, path: Path) -> None:
    store.create(["a", "b"])
    store._db.execute("PRAGMA busy_timeout = 50")
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("PRAGMA journal_mode")

    def hold() -> None:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM secret").fetchone()

    original = store._clean

    def clean() -> None:
        hold()  # it comes just after the key was destroyed
        original()

    store._clean = clean  # type: ignore[method-assign]  # the interleaving, not the work
    with pytest.raises(BusyError) as caught:
        store.destroy("a")
    assert caught.value.definite is False
    with pytest.raises(ErasedError):
        store.get("a")
    reader.close()
    store._clean = original  # type: ignore[method-assign]
    store.destroy("a")


def test_another_wrapping_key_is_refused(store: DataKeys, path: Path) -> None:
    store.create(["a"])
    for key in (bytes(32), bytes(31)):
        with pytest.raises(StorageError) as caught:
            DataKeys(path, key)
        assert caught.value.code == "wrapping-key"


def test_rewrapping_keeps_every_key_and_shuts_out_the_old_wrapping_key(store: DataKeys, path: Path) -> None:
    keys = store.create(["a", "b", "c"], [b"A" * 32, b"B" * 32, b"C" * 32])
    store.destroy("c")
    before = [stored(path, name)[0] for name in ("a", "b")]
    store.rewrap(b"\x01" * 32)
    assert store.get_many(["a", "b"]) == {"a": keys[0], "b": keys[1]}
    assert not [wrapped for wrapped in before if wrapped in raw(path)]
    assert store.tombstones() == (Tombstone("c", 1000),)
    with pytest.raises(StorageError):
        DataKeys(path, WRAPPING)
    again = DataKeys(path, b"\x01" * 32)
    assert again.get("a") == keys[0]
    again.close()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE secret SET wrapped = (SELECT wrapped FROM secret WHERE name = 'b') WHERE name = 'a'",
        "UPDATE secret SET wrapped = x'00' WHERE name = 'a'",
        "UPDATE secret SET handle = x'00' WHERE name = 'a'",
        "UPDATE secret SET handle = NULL WHERE name = 'a'",
    ],
)
def test_a_key_moved_to_another_name_or_handle_is_refused(store: DataKeys, path: Path, change: str) -> None:
    store.create(["a", "b"], [b"A" * 32, b"B" * 32])
    with sqlite3.connect(path) as db:
        db.execute(change)
    with pytest.raises(CorruptError) as caught:
        store.get("a")
    assert caught.value.code == "data-keys-corrupt"
    assert len(store.get("b")) == 32


@pytest.mark.parametrize("where", [0, 100, 4096 + 3])
def test_a_damaged_file_is_refused_and_the_remedy_warns_of_backups(store: DataKeys, path: Path, where: int) -> None:
    store.create([f"subject-{number}" for number in range(200)])
    store.close()
    data = bytearray(path.read_bytes())
    data[where : where + 64] = os.urandom(64)
    path.write_bytes(bytes(data))
    with pytest.raises(CorruptError) as caught:  # noqa: PT012
        damaged = DataKeys(path, WRAPPING)
        damaged.get_many([f"subject-{number}" for number in range(200)])
    assert caught.value.code == "data-keys-corrupt"
    assert "erasure" in caught.value.hint


def test_a_file_that_is_no_store_is_refused(path: Path) -> None:
    path.write_text("not a database, but long enough to look at\n" * 100)
    with pytest.raises(CorruptError):
        DataKeys(path, WRAPPING)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError) as caught:
        DataKeys(tmp_path / "nowhere" / "keys.sqlite", WRAPPING)
    assert caught.value.code == "path-vanished"


def test_a_folder_that_vanished_is_named_and_no_key_is_lost_in_it(store: DataKeys, path: Path) -> None:
    store.create(["a"])
    path.rename(path.with_name("elsewhere"))
    with pytest.raises(StorageError, match="gone") as caught:
        store.create(["b"])
    assert caught.value.code == "path-vanished"
    path.with_name("elsewhere").rename(path)
    assert len(store.create(["b"])) == 1


def test_a_writer_that_does_not_end_is_an_error_and_not_a_hang(
    store: DataKeys, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store._db.execute("PRAGMA busy_timeout = 50")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(BusyError) as caught:
        store.create(["a"])
    assert caught.value.code == "data-keys-busy"
    other.execute("ROLLBACK")
    other.close()
    assert len(store.create(["a"])) == 1


def test_a_full_disk_is_named_and_no_key_of_the_call_is_kept(small_disk: Path) -> None:
    store = DataKeys(small_disk / "keys.sqlite", WRAPPING)
    (kept,) = store.create(["kept"])
    names = [f"{number:0100}" for number in range(20_000)]
    with pytest.raises(StorageError) as caught:
        store.create(names)
    assert caught.value.code == "disk-full"
    assert store.get("kept") == kept
    with pytest.raises(NotFoundError):
        store.get(names[0])
    store.close()


def test_threads_share_a_store(store: DataKeys) -> None:
    failed: list[MooringError] = []

    def work(offset: int) -> None:
        try:
            for number in range(20):
                (key,) = store.create([f"{offset}-{number}"])
                assert store.get(f"{offset}-{number}") == key
        except MooringError as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(offset,)) for offset in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_a_hundred_thousand_keys_are_quick(store: DataKeys) -> None:
    names = [f"{number:032x}" for number in range(100_000)]
    start = time.perf_counter()
    store.create(names, [os.urandom(32) for _ in names])
    created = time.perf_counter()
    assert len(store.get_many(names)) == 100_000
    read = time.perf_counter()
    store.destroy(names[5])
    assert created - start < 8  # some 0.9 s on an idle core
    assert read - created < 8  # some 0.5 s
    assert time.perf_counter() - read < 8  # some 0.3 s
