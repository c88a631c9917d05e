"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from pathlib import Path

import pytest

from mooring.errors import StorageError
from mooring.storage.atomic import create, replace, storage_error, sync_directory, translating


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "disk-full"),
        (errno.EDQUOT, "disk-full"),
        (errno.EACCES, "permission-denied"),
        (errno.EROFS, "read-only"),
        (errno.ENOENT, "path-vanished"),
        (errno.ELOOP, "symlink"),
        (errno.EMFILE, "too-many-files"),
        (errno.EIO, "io"),
    ],
)
def test_what_the_system_says_becomes_a_code_with_a_remedy(number: int, code: str) -> None:
    error = storage_error(OSError(number, os.strerror(number)), "write /x")
    assert error.code == code
    assert error.hint
    assert error.message == f"could not write /x: {os.strerror(number)}"


def test_only_errors_of_the_system_are_translated() -> None:
    with pytest.raises(StorageError) as caught, translating("read /x", definite=False):
        raise FileNotFoundError(errno.ENOENT, "No such file")
    assert caught.value.definite is False
    with pytest.raises(ValueError, match="mine"), translating("read /x"):
        raise ValueError("mine")


def test_a_file_is_replaced_whole_with_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "file"
    replace(path, b"old")
    replace(path, b"new" * 1000, mode=0o640)
    assert path.read_bytes() == b"new" * 1000
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_readers_see_the_old_bytes_or_the_new_ones(tmp_path: Path) -> None:
    path = tmp_path / "file"
    wanted = {bytes([n]) * 100_000 for n in range(2)}
    replace(path, bytes(100_000))
    stop = threading.Event()
    seen: set[bytes] = set()

    def read() -> None:
        while not stop.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(100):
        replace(path, bytes([number % 2]) * 100_000)
    stop.set()
    reader.join()
    assert seen <= wanted


def test_a_file_that_exists_is_not_created_again(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert create(path, b"first") is True
    assert create(path, b"second") is False
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("write", [replace, create])
def test_a_folder_that_is_not_there_is_named(tmp_path: Path, write: object) -> None:
    assert callable(write)
    with pytest.raises(StorageError) as caught:
        write(tmp_path / "nowhere" / "file", b"x")
    assert (caught.value.code, caught.value.definite) == ("path-vanished", True)
    assert "nowhere/file" in caught.value.message


def test_a_file_cannot_take_the_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError):
        replace(tmp_path / "folder", b"x")
    assert create(tmp_path / "folder", b"x") is False
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize("write", [replace, create])
def test_a_full_disk_leaves_what_was_there(small_disk: Path, write: object) -> None:
    assert callable(write)
    replace(small_disk / "file", b"old")
    with pytest.raises(StorageError) as caught:
        write(small_disk / "file", bytes(4 << 20))
    assert caught.value.code == "disk-full"
    assert (small_disk / "file").read_bytes() == b"old"
    assert [path.name for path in small_disk.iterdir()] == ["file"]


def test_doubt_about_durability_is_told_as_doubt(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    sync_directory(tmp_path / "folder")
    shutil.rmtree(tmp_path / "folder")
    with pytest.raises(StorageError) as caught:
        sync_directory(tmp_path / "folder")
    assert caught.value.definite is False
