"""Hashing: the digests of the standards, every change noticed, the first difference named."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
from blake3 import blake3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mooring.errors import CorruptError, NotFoundError, StorageError
from mooring.records.digest import Digest
from mooring.records.manifest import Manifest, Resource
from mooring.storage import hashing
from mooring.storage.hashing import SHARD, Algorithm, hash_file, hash_tree, verify_tree

ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)
MIB = 1 << 20


def reference(data: bytes, algorithm: Algorithm, shard: int = SHARD) -> Digest:
    """The digest as the module's documentation defines it, computed in one piece."""
    if algorithm == "sha256":
        return Digest(algorithm, hashlib.sha256(data).digest())
    if algorithm == "blake3":
        return Digest(algorithm, blake3(data).digest())
    shards = b"".join(hashlib.sha256(data[at : at + shard]).digest() for at in range(0, len(data), shard))
    sizes = shard.to_bytes(8, "big") + len(data).to_bytes(8, "big")
    return Digest(algorithm, hashlib.sha256(b"mooring/sha256-sharded/v1\0" + sizes + shards).digest())


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """One large file, some small ones and an empty one."""
    folder = tmp_path / "model"
    (folder / "data").mkdir(parents=True)
    (folder / "weights.onnx").write_bytes(os.urandom(20 * MIB + 3))
    (folder / "data" / "empty").write_bytes(b"")
    for number in range(5):
        (folder / "data" / f"{number}.txt").write_bytes(os.urandom(number * 1000 + 1))
    return folder


@pytest.mark.parametrize("threads", [1, 3, None])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_tree_hashes_to_the_digests_of_its_files(model: Path, algorithm: Algorithm, threads: int | None) -> None:
    manifest = hash_tree(model, algorithm=algorithm, threads=threads)
    assert {resource.name: resource.digest for resource in manifest.resources} == {
        path.relative_to(model).as_posix(): reference(path.read_bytes(), algorithm)
        for path in model.rglob("*")
        if path.is_file()
    }
    verify_tree(manifest, model, threads=threads)


@given(size=st.integers(0, 3 * 10**6), algorithm=st.sampled_from(ALGORITHMS))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_size_hashes_as_defined(tmp_path: Path, size: int, algorithm: Algorithm) -> None:
    (tmp_path / "one").write_bytes(b"1")
    (tmp_path / "file").write_bytes(bytes(size))
    manifest = hash_tree(tmp_path, algorithm=algorithm, shard_size=10**6)
    found = manifest.find("file")
    assert found is not None
    assert found.digest == reference(bytes(size), algorithm, 10**6)


def test_known_digests_of_the_standards(tmp_path: Path) -> None:
    """FIPS 180-4 example "abc"; the BLAKE3 paper's test vector for the one byte 0."""
    (tmp_path / "abc").write_bytes(b"abc")
    (tmp_path / "zero").write_bytes(b"\0")
    assert str(hash_file(tmp_path / "abc").digest) == (
        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
    assert str(hash_file(tmp_path / "zero", algorithm="blake3").digest) == (
        "blake3:2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213"
    )


@pytest.mark.parametrize("size", [10**6 - 1, 10**9 + 1])
def test_a_shard_size_out_of_bounds_is_refused(model: Path, size: int) -> None:
    assert hash_tree(model, algorithm="sha256-sharded", shard_size=10**6)
    with pytest.raises(StorageError) as caught:
        hash_tree(model, algorithm="sha256-sharded", shard_size=size)
    assert caught.value.code == "shard-size"


def test_the_shard_size_is_bound_into_the_digest(model: Path) -> None:
    manifest = hash_tree(model, algorithm="sha256-sharded", shard_size=10**6)
    verify_tree(manifest, model, shard_size=10**6)
    with pytest.raises(CorruptError):
        verify_tree(manifest, model)


def test_a_folder_is_no_file(model: Path) -> None:
    assert hash_file(model / "weights.onnx").name == "weights.onnx"
    with pytest.raises(StorageError) as caught:
        hash_file(model)
    assert caught.value.code == "artifact-kind"
    with pytest.raises(NotFoundError):
        hash_file(model / "nowhere")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_progress_grows_to_the_whole(model: Path, algorithm: Algorithm) -> None:
    seen: list[tuple[int, int]] = []
    manifest = hash_tree(model, algorithm=algorithm, progress=lambda done, total: seen.append((done, total)))
    total = sum(resource.size for resource in manifest.resources)
    assert seen[-1] == (total, total)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


Change = Callable[[Path], object]
DIFFERENCES: dict[str, tuple[Change, str, str]] = {
    "a flipped byte": (lambda m: flip(m / "weights.onnx", 10 * MIB), "artifact-differs", "weights.onnx"),
    "the last byte flipped": (lambda m: flip(m / "weights.onnx", 20 * MIB + 2), "artifact-differs", "weights.onnx"),
    "a byte more": (lambda m: append(m / "data" / "3.txt", b"+"), "artifact-differs", "data/3.txt"),
    "a byte less": (lambda m: os.truncate(m / "data" / "3.txt", 3000), "artifact-differs", "data/3.txt"),
    "a missing file": (lambda m: (m / "data" / "2.txt").unlink(), "artifact-missing", "data/2.txt"),
    "an extra file": (lambda m: (m / "data" / "9.txt").write_bytes(b"x"), "artifact-extra", "data/9.txt"),
    "a renamed file": (lambda m: (m / "data" / "1.txt").rename(m / "data" / "z"), "artifact-missing", "data/1.txt"),
}


def flip(path: Path, where: int) -> None:
    with path.open("r+b") as file:
        file.seek(where)
        byte = file.read(1)
        file.seek(where)
        file.write(bytes([byte[0] ^ 1]))


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("difference", DIFFERENCES.values(), ids=DIFFERENCES.keys())
def test_a_difference_is_refused_and_named(
    model: Path, difference: tuple[Change, str, str], algorithm: Algorithm
) -> None:
    change, code, name = difference
    manifest = hash_tree(model, algorithm=algorithm)
    change(model)
    with pytest.raises(CorruptError) as caught:
        verify_tree(manifest, model)
    assert caught.value.code == code
    assert caught.value.message.startswith(name + " of ")


def test_of_many_differences_the_first_by_name_is_named(model: Path) -> None:
    manifest = hash_tree(model)
    for name in ("3.txt", "1.txt", "2.txt"):
        flip(model / "data" / name, 0)
    with pytest.raises(CorruptError, match=r"^data/1\.txt of"):
        verify_tree(manifest, model)


def test_one_file_may_have_been_renamed_but_not_changed(model: Path, tmp_path: Path) -> None:
    manifest = hash_tree(model / "weights.onnx")
    downloaded = tmp_path / "download.tmp"
    downloaded.write_bytes((model / "weights.onnx").read_bytes())
    verify_tree(manifest, downloaded)
    flip(downloaded, 5)
    with pytest.raises(CorruptError, match=r"download\.tmp"):
        verify_tree(manifest, downloaded)


def test_commitments_are_not_looked_for_on_the_disk(model: Path) -> None:
    hidden = Resource("people.rows/000000", Digest("commitment-sha256", bytes(32)), 128)
    manifest = Manifest.of([*hash_tree(model).resources, hidden])
    verify_tree(manifest, model)
    (model / "people.rows").mkdir()
    (model / "people.rows" / "000000").write_bytes(bytes(128))
    with pytest.raises(CorruptError, match="is not in the manifest"):
        verify_tree(manifest, model)


def change_once(change: Callable[[], object]) -> Callable[[int, int], None]:
    """A progress callback that changes something at its first call."""
    pending = [change]

    def progress(done: int, total: int) -> None:
        if pending:
            pending.pop()()

    return progress


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(
    "how", ["grows", "shrinks", "is rewritten at the same size", "is replaced by a copy", "is removed"]
)
def test_a_file_that_changes_while_it_is_hashed_is_refused(model: Path, algorithm: Algorithm, how: str) -> None:
    path = model / "weights.onnx"
    writer = path.open("r+b")  # held open, so no lease is to be had; a writer that comes later is tested below

    def change() -> None:
        if how == "grows":
            append(path, b"+")
        elif how == "shrinks":
            writer.truncate(MIB)
        elif how == "is rewritten at the same size":
            time.sleep(0.02)  # beyond the clock tick of file times
            writer.seek(0)
            writer.write(b"changed")
            writer.flush()
        elif how == "is replaced by a copy":
            copy = model.parent / "copy"
            copy.write_bytes(path.read_bytes())
            copy.replace(path)
        else:
            path.unlink()

    with writer, pytest.raises(StorageError) as caught:
        hash_tree(path, algorithm=algorithm, progress=change_once(change))
    assert caught.value.code == "artifact-changing"
    assert "weights.onnx" in caught.value.message


def test_a_file_that_shrinks_under_a_folder_walk_is_refused(model: Path) -> None:
    """The walk saw one size, opening sees another."""
    changed = change_once(lambda: append(model / "weights.onnx", b"+"))
    with pytest.raises(StorageError) as caught:
        hash_tree(model, threads=1, progress=changed)
    assert caught.value.code == "artifact-changing"


def test_a_writer_who_comes_while_a_file_is_mapped_waits_and_does_not_kill_us(model: Path) -> None:
    path = model / "weights.onnx"
    expected = reference(path.read_bytes(), "blake3")
    done = threading.Event()

    def truncate() -> None:
        os.truncate(path, 10)
        done.set()

    writer = threading.Thread(target=truncate)

    def start_writer() -> None:
        writer.start()
        assert not done.wait(0.3)  # it waits for our lease to end

    assert outcome(path, start_writer) in (
        expected,
        "artifact-changing",
    )  # changing: it was let in before our last look
    writer.join(10)
    assert path.stat().st_size == 10


def test_a_writer_who_waits_stops_a_long_hash(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "_WINDOW", MIB)
    path = model / "weights.onnx"
    writer = threading.Thread(target=os.truncate, args=(path, 10))

    def start_writer() -> None:
        writer.start()
        time.sleep(0.3)

    with pytest.raises(StorageError) as caught:
        hash_file_with(path, start_writer)
    assert caught.value.code == "artifact-changing"
    writer.join(10)
    assert not writer.is_alive()


def outcome(path: Path, change: Callable[[], object]) -> Digest | str:
    try:
        return hash_file_with(path, change)
    except StorageError as error:
        return error.code


def hash_file_with(path: Path, change: Callable[[], object]) -> Digest:
    (resource,) = hash_tree(path, algorithm="blake3", progress=change_once(change)).resources
    return resource.digest


def test_ten_thousand_small_files_are_quick(tmp_path: Path) -> None:
    for folder in range(100):
        (tmp_path / f"{folder:02}").mkdir()
        for number in range(100):
            (tmp_path / f"{folder:02}" / f"{number:02}").write_bytes(b"%d" % (folder * 100 + number) * 10)
    start = time.perf_counter()
    manifest = hash_tree(tmp_path)
    taken = time.perf_counter() - start
    print(f"10,000 small files in {taken:.2f} s")
    assert len(manifest.resources) == 10_000
    assert taken < 10  # some 0.5 s on an idle core
