"""The log store when things go wrong: kill -9, full disks, broken disks, rot and hands in every file."""

from __future__ import annotations

import errno
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mooring.errors import CorruptError, MooringError, NotFoundError, StorageError
from mooring.proofs.checkpoint import open_checkpoint
from mooring.proofs.merkle import leaf_hash, root_of_leaves, verify_inclusion
from mooring.proofs.note import Signature, VerifierKey, sign
from mooring.storage.filelog import FileLog

ORIGIN = "mooring.test/demo/receipts"
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(32))
KEY = VerifierKey(ORIGIN, PRIVATE.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
KILLS = int(os.environ.get("MOORING_KILLS", "20"))


def signer(text: str) -> list[Signature]:
    return [sign(text, KEY, PRIVATE.sign)]


def entry(index: int) -> bytes:
    return b"entry %d " % index + b"x" * (index * 7919 % 400)


def entries(start: int, stop: int) -> list[bytes]:
    return [entry(index) for index in range(start, stop)]


def refused(
    kind: type[MooringError], code: str, work: Callable[..., Any], *arguments: Any, **named: Any
) -> MooringError:
    with pytest.raises(kind) as caught:
        work(*arguments, **named)
    assert caught.value.code == code
    assert caught.value.hint
    return caught.value


def opened(folder: Path, **named: Any) -> FileLog:
    return FileLog(folder, ORIGIN, segment_bytes=1 << 16, **named)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "log"


def segments(folder: Path) -> list[Path]:
    return sorted((folder / "segments").iterdir())


def whole(log: FileLog, size: int) -> None:
    """The log holds exactly these entries, in all its forms."""
    assert log.size == size
    assert log.root(size) == root_of_leaves(map(leaf_hash, entries(0, size)))
    assert list(log.entries(0, size)) == entries(0, size)
    assert log.scrub().size == size


def until_refused(log: FileLog, size: int, step: int) -> tuple[int, StorageError]:
    """Append until the log refuses; return its size then, and the refusal."""
    while True:
        try:
            log.append(entries(size, size + step))
        except StorageError as error:
            return size, error
        size += step


# --- kill -9 ----------------------------------------------------------------------------------------------------------

WRITER = """
import os, random, sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from {module} import entries, opened, signer
randomness = random.Random(int(sys.argv[3]))
with opened(Path(sys.argv[1])) as log:
    while True:
        size = log.size
        log.append(entries(size, size + randomness.randint(1, 64)))
        os.write(1, b"%d\\n" % log.size)
        if randomness.random() < 0.1:
            log.seal(signer)
            os.write(1, b"%d sealed\\n" % log.sealed)
"""


def acknowledged(folder: Path, seed: int, alive_s: float) -> tuple[int, int]:
    """Write under load in another process, kill it, and return the size and the sealed size that it told us of."""
    here = Path(__file__)
    command = [sys.executable, "-c", WRITER.format(module=here.stem), str(folder), str(here.parent), str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        lines = [writer.stdout.readline()]
        time.sleep(alive_s)
        writer.send_signal(signal.SIGKILL)
        lines += writer.stdout.read().splitlines()
    assert writer.returncode == -signal.SIGKILL
    numbers = [line.split() for line in lines if line.strip()]
    sizes = [int(words[0]) for words in numbers]
    return sizes[-1], max((int(words[0]) for words in numbers if len(words) > 1), default=0)


@pytest.mark.slow
@pytest.mark.timeout(60 + 10 * KILLS)
def test_kill_9_at_random_moments_loses_nothing_that_was_acknowledged(folder: Path) -> None:
    randomness, sealed = random.Random(2026), 0
    for seed in range(KILLS):
        size, sealed_now = acknowledged(folder, seed, randomness.uniform(0.0, 0.25))
        sealed = max(sealed, sealed_now)
        with opened(folder, read_only=True) as reader:
            assert reader.size >= size
        with opened(folder) as log:
            assert log.size >= size
            assert log.sealed >= sealed
            whole(log, log.size)
            if log.checkpoint() is not None:
                checkpoint = open_checkpoint(log.checkpoint() or b"", KEY).checkpoint
                assert log.root(checkpoint.size) == checkpoint.root


def test_a_reader_beside_a_busy_writer_sees_only_what_is_whole(folder: Path) -> None:
    here = Path(__file__)
    command = [sys.executable, "-c", WRITER.format(module=here.stem), str(folder), str(here.parent), "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        acknowledged = int(writer.stdout.readline())
        with opened(folder, read_only=True) as reader:
            sizes = [reader.size]
            assert sizes[0] >= acknowledged
            began = time.monotonic()
            while time.monotonic() - began < 1.5:
                size = reader.size
                verify_inclusion(
                    leaf_hash(entry(size - 1)), size - 1, size, reader.inclusion(size - 1, size), reader.root(size)
                )
                assert list(reader.entries(max(size - 700, 0), size)) == entries(max(size - 700, 0), size)
                reader.scrub()
                sizes.append(reader.refresh())
        writer.send_signal(signal.SIGKILL)
        writer.stdout.read()
    assert sizes == sorted(sizes)
    assert sizes[-1] > sizes[0]


# --- power loss -------------------------------------------------------------------------------------------------------


def crashed(folder: Path, batches: list[int]) -> tuple[bytes, int]:
    """A log whose last append was written and not acknowledged: its one segment, and where that append begins."""
    with FileLog(folder, ORIGIN) as log:
        size = 0
        for count in batches:
            before = segments(folder)[0].read_bytes().rstrip(b"\0") if size else b""
            log.append(entries(size, size + count))
            size += count
    data = bytearray(segments(folder)[0].read_bytes())
    end = len(data.rstrip(b"\0"))
    mark = data.rfind(data[16:24])  # the salt
    assert mark >= end - 16
    data[mark : mark + 16] = bytes(16)
    return bytes(data), -(-len(before) // 16) * 16


def test_a_torn_tail_is_cut_and_the_log_goes_on(folder: Path) -> None:
    data, begin = crashed(folder, [3, 5, 40])
    end = len(data.rstrip(b"\0"))
    for cut in [begin, begin + 1, begin + 31, begin + 32, begin + 200, (begin + end) // 2, end - 17]:
        segments(folder)[0].write_bytes(data[:cut] + bytes(len(data) - cut))
        with FileLog(folder, ORIGIN, read_only=True) as reader:
            assert reader.size == 8
        with FileLog(folder, ORIGIN) as log:
            whole(log, 8)
            log.append(entries(8, 20))
            whole(log, 20)


def test_a_tail_torn_in_its_head_alone_is_cut(folder: Path) -> None:
    """Pages reach the disk in any order: the first one of the append is missing, later ones are there."""
    data, begin = crashed(folder, [3, 100])
    segments(folder)[0].write_bytes(data[:begin] + bytes(4096 - begin) + data[4096:])
    with FileLog(folder, ORIGIN) as log:
        whole(log, 3)
        log.append(entries(3, 10))
    with FileLog(folder, ORIGIN) as log:
        whole(log, 10)


def test_a_last_append_that_is_whole_is_kept_and_acknowledged(folder: Path) -> None:
    data, _ = crashed(folder, [3, 5])
    segments(folder)[0].write_bytes(data)
    with FileLog(folder, ORIGIN, read_only=True) as reader:
        assert reader.size == 3  # not durable for certain, so a reader does not show it
    with FileLog(folder, ORIGIN) as log:
        whole(log, 8)
        with FileLog(folder, ORIGIN, read_only=True) as reader:
            assert reader.size == 8


def test_damage_to_the_last_acknowledged_append_is_corruption_and_nothing_is_cut(folder: Path) -> None:
    with FileLog(folder, ORIGIN) as log:
        log.append(entries(0, 3))
        log.append(entries(3, 6))
    path = segments(folder)[0]
    good = path.read_bytes()
    bad = good.replace(entry(4), b"ENTRY" + entry(4)[5:])
    path.write_bytes(bad)
    error = refused(CorruptError, "segment-frame", FileLog, folder, ORIGIN)
    assert path.name in error.message
    assert path.read_bytes() == bad
    path.write_bytes(good)
    with FileLog(folder, ORIGIN) as log:
        whole(log, 6)


def test_damage_between_good_appends_is_corruption_and_nothing_is_cut(folder: Path) -> None:
    with FileLog(folder, ORIGIN) as log:
        for index in range(6):
            log.append([entry(index)])
    path = segments(folder)[0]
    bad = path.read_bytes().replace(entry(2), b"\0" * len(entry(2)))
    path.write_bytes(bad)
    refused(CorruptError, "segment-frame", FileLog, folder, ORIGIN)
    refused(CorruptError, "segment-frame", FileLog, folder, ORIGIN, read_only=True)
    assert path.read_bytes() == bad


def test_a_missing_segment_is_corruption(folder: Path) -> None:
    with opened(folder) as log:
        for index in range(0, 1200, 40):
            log.append(entries(index, index + 40))
        log.seal(signer)
        log.append(entries(1200, 1240))
    paths = segments(folder)
    assert len(paths) > 3
    for gone in (paths[0], paths[1], paths[-1]):
        kept = gone.read_bytes()
        gone.unlink()
        if gone == paths[-1]:
            refused(CorruptError, "segment-missing", opened, folder)
        else:
            with opened(folder) as log:
                refused(CorruptError, "segment-missing", log.scrub)
            refused(CorruptError, "segment-missing", opened, folder, rebuild=True)
        gone.write_bytes(kept)
    with opened(folder) as log:
        whole(log, 1240)


def test_a_broken_segment_with_others_behind_it_is_corruption(folder: Path) -> None:
    with opened(folder) as log:
        for index in range(0, 1200, 40):
            log.append(entries(index, index + 40))
    first = segments(folder)[0]
    data = bytearray(first.read_bytes())
    data[-16:] = bytes(16)
    first.write_bytes(data)
    refused(CorruptError, "segment-frame", opened, folder)


def test_a_stranger_among_the_segments_is_corruption(folder: Path) -> None:
    with opened(folder) as log:
        log.append(entries(0, 3))
    first = segments(folder)[0]
    for name in ("notes.txt", "0000000000000000000٣"):
        (first.parent / name).write_bytes(b"")
        refused(CorruptError, "segment-name", opened, folder)
        (first.parent / name).unlink()
    first.rename(first.parent / f"{7:020d}")
    refused(CorruptError, "segment-missing", opened, folder)
    (first.parent / f"{7:020d}").rename(first)
    shutil.copy(first, first.parent / f"{3:020d}")
    refused(CorruptError, "segment-header", opened, folder)


# --- disks that are full or broken ------------------------------------------------------------------------------------


def test_a_full_disk_refuses_appends_and_seals_loses_nothing_and_recovers(small_disk: Path) -> None:
    filler = small_disk / "filler"
    filler.write_bytes(bytes(3 << 19))
    with opened(small_disk / "log") as log:
        size, error = until_refused(log, 0, 50)
        assert (error.code, error.definite) == ("disk-full", True)
        assert size > 0
        refused(StorageError, "disk-full", log.append, entries(size, size + 50))
        assert log.size == size
        assert list(log.entries(0, size)) == entries(0, size)
        refused(StorageError, "disk-full", log.seal, signer)
        assert log.checkpoint() is None
        with opened(small_disk / "log", read_only=True) as reader:
            assert reader.size == size
        filler.unlink()
        log.append(entries(size, size + 50))
        whole(log, size + 50)
        assert open_checkpoint(log.seal(signer), KEY).checkpoint.size == size + 50
        whole(log, size + 50)
    with opened(small_disk / "log") as log:
        whole(log, size + 50)


LIMITED = """
import resource, sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from {module} import entries, whole, FileLog, ORIGIN, StorageError
resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, resource.RLIM_INFINITY))
with FileLog(Path(sys.argv[1]), ORIGIN) as log:
    size = 0
    try:
        while True:
            log.append(entries(size, size + 100))
            size += 100
    except StorageError as error:
        print(error.code, error.definite, log.size == size > 0)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    log.append(entries(size, size + 100))
    whole(log, size + 100)
"""


def test_a_limit_on_file_size_refuses_appends_and_the_log_goes_on_when_it_is_lifted(folder: Path) -> None:
    here = Path(__file__)
    command = [sys.executable, "-c", LIMITED.format(module=here.stem), str(folder), str(here.parent)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("disk-full True True\n", 0), done.stderr


class Disk:
    """The real system calls, of which one can be told to fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.failing: set[str] = set()
        self.half = False
        for name in ("pwrite", "fdatasync", "fsync", "ftruncate"):
            monkeypatch.setattr(os, name, self._wrap(name, getattr(os, name)))

    def _wrap(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            if name not in self.failing:
                return real(*arguments)
            if name == "pwrite" and self.half:
                self.half = False
                return real(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2], arguments[2])
            raise OSError(errno.ENOSPC if name == "pwrite" else errno.EIO, "injected")

        return call


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def test_half_a_write_that_cannot_be_taken_back_closes_the_log_until_it_is_reopened(folder: Path, disk: Disk) -> None:
    with FileLog(folder, ORIGIN) as log:
        log.append(entries(0, 3))
        disk.failing, disk.half = {"pwrite"}, True
        assert refused(StorageError, "disk-full", log.append, entries(3, 40)).definite
        disk.failing = set()
        refused(StorageError, "log-broken", log.append, entries(3, 40))
        assert list(log.entries(0, 3)) == entries(0, 3)
    with FileLog(folder, ORIGIN) as log:
        whole(log, 3)
        log.append(entries(3, 40))
        whole(log, 40)


def test_half_a_write_is_taken_back_and_the_log_goes_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FileLog(folder, ORIGIN) as log:
        log.append(entries(0, 3))
        real, calls = os.pwrite, iter([True, False])

        def half_then_full(fd: int, data: Any, offset: int) -> int:
            first = next(calls, None)
            if first is None:
                return real(fd, data, offset)
            if not first:
                raise OSError(errno.ENOSPC, "injected")
            return real(fd, bytes(data)[:700], offset)

        monkeypatch.setattr(os, "pwrite", half_then_full)
        assert refused(StorageError, "disk-full", log.append, entries(3, 40)).definite
        assert log.append(entries(3, 5)) == range(3, 5)
        whole(log, 5)
    with FileLog(folder, ORIGIN) as log:
        whole(log, 5)


def test_a_disk_that_cannot_sync_leaves_it_open_whether_the_append_happened(folder: Path, disk: Disk) -> None:
    with FileLog(folder, ORIGIN) as log:
        log.append(entries(0, 3))
        disk.failing = {"fdatasync"}
        assert not refused(StorageError, "io", log.append, entries(3, 6)).definite
        disk.failing = set()
        refused(StorageError, "log-broken", log.append, entries(6, 9))
        assert log.size == 3
    with FileLog(folder, ORIGIN) as log:
        whole(log, 6)  # here it did: the caller finds its entries by their leaf hash
        assert log.leaf_index(leaf_hash(entry(4))) == 4


@pytest.mark.parametrize("failing", ["fsync", "ftruncate", "pwrite"])
def test_a_segment_that_cannot_be_started_refuses_the_append_and_the_next_one_succeeds(
    folder: Path, disk: Disk, failing: str
) -> None:
    with FileLog(folder, ORIGIN, segment_bytes=4096) as log:
        size = 0
        while len(segments(folder)) < 2:
            log.append(entries(size, size + 1))
            size += 1
        disk.failing = {failing}
        size, _ = until_refused(log, size, 1)
        disk.failing = set()
        for _ in range(60):
            if failing == "pwrite":
                break
            log.append(entries(size, size + 1))
            size += 1
    with FileLog(folder, ORIGIN, segment_bytes=4096) as log:
        log.append(entries(size, size + 30))
        whole(log, size + 30)


def test_an_interrupted_append_closes_the_log_until_it_is_reopened(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fdatasync

    def interrupted(fd: int) -> None:
        real(fd)
        raise KeyboardInterrupt

    with FileLog(folder, ORIGIN) as log:
        log.append(entries(0, 3))
        monkeypatch.setattr(os, "fdatasync", interrupted)
        with pytest.raises(KeyboardInterrupt):
            log.append(entries(3, 50))
        monkeypatch.setattr(os, "fdatasync", real)
        refused(StorageError, "log-broken", log.append, entries(3, 4))
    with FileLog(folder, ORIGIN) as log:
        whole(log, 50)


def test_an_append_interrupted_after_it_was_durable_closes_the_log_too(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FileLog(folder, ORIGIN) as log:
        log.append(entries(0, 3))

        def interrupted(leaves: bytes) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(log._tree, "extend", interrupted)
            with pytest.raises(KeyboardInterrupt):
                log.append(entries(3, 5))
        refused(StorageError, "log-broken", log.append, entries(5, 6))
    with FileLog(folder, ORIGIN) as log:
        whole(log, 5)


def test_a_seal_that_fails_on_the_disk_can_be_done_again(folder: Path, disk: Disk) -> None:
    with opened(folder) as log:
        log.append(entries(0, 300))
        first = log.seal(signer)
        log.append(entries(300, 700))
        disk.failing = {"fsync"}
        refused(StorageError, "io", log.seal, signer)
        assert (folder / "public" / "checkpoint").read_bytes() == log.checkpoint() == first
        disk.failing = set()
        assert open_checkpoint(log.seal(signer), KEY).checkpoint.size == 700
        whole(log, 700)


def test_what_a_crashed_seal_left_behind_does_no_harm(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(folder) as log:
        log.append(entries(0, 300))
        log.seal(signer)
        log.append(entries(300, 700))

        def crash(data: bytes) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(log._files, "write_checkpoint", crash)
        with pytest.raises(KeyboardInterrupt):
            log.seal(signer)
    (folder / "staging" / "tile-3").write_bytes(b"half")
    with opened(folder) as log:
        assert not list((folder / "staging").iterdir())
        assert log.sealed == 300
        whole(log, 700)
        log.append(entries(700, 710))
        log.seal(signer)
        whole(log, 710)


# --- rot and hands ----------------------------------------------------------------------------------------------------


@pytest.fixture
def kept(folder: Path) -> Iterator[FileLog]:
    """A log with old partial tiles, full tiles, two segments, and entries behind the checkpoint."""
    with FileLog(folder, ORIGIN, segment_bytes=1 << 15) as log:
        for start, stop in [(0, 100), (100, 260), (260, 265)]:
            log.append([entry(index)[:60] for index in range(start, stop)])
            log.seal(signer)
        log.append([entry(index)[:60] for index in range(265, 700)])
        log.append([entry(index)[:60] for index in range(700, 703)])
        yield log


def stored(folder: Path) -> list[Path]:
    return sorted(path for name in ("segments", "public") for path in (folder / name).rglob("*") if path.is_file())


def flipped(path: Path, good: bytes, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(bytes([good[at] ^ 0x40]))


def test_scrub_names_the_file_of_every_changed_byte(kept: FileLog, folder: Path) -> None:
    """Every byte class of every file: all of the small ones, every 97th and all heads and ends of the others."""
    assert kept.scrub().size == 703
    for path in stored(folder):
        good = path.read_bytes()
        last = len(good.rstrip(b"\0"))
        places = {
            *range(0, len(good), 397),
            *range(0, min(130, len(good)), 7),
            *range(max(last - 20, 0), min(last + 3, len(good))),
        }
        for at in sorted(places):
            flipped(path, good, at)
            with pytest.raises(CorruptError) as caught:
                kept.scrub()
            named = path.relative_to(folder / "public").as_posix() if "public" in path.parts else path.name
            assert named in caught.value.message, (named, at)
            path.write_bytes(good)
    assert kept.scrub().size == 703


@pytest.mark.parametrize("change", ["shorter", "longer", "empty", "gone"])
def test_scrub_names_the_file_that_is_cut_grown_or_gone(kept: FileLog, folder: Path, change: str) -> None:
    needed = {
        "tile/0/000",
        "tile/0/001.p/9",
        "tile/1/000.p/1",
        "tile/entries/000",
        "tile/entries/001.p/9",
        "checkpoint",
    }
    for path in stored(folder):
        good = path.read_bytes()
        name = path.relative_to(folder / "public").as_posix() if "public" in path.parts else path.name
        last = len(good.rstrip(b"\0"))
        if change == "gone":
            if "public" in path.parts and name not in needed:
                continue  # an old partial tile may be gone
            path.unlink()
        else:
            path.write_bytes({"shorter": good[: last - 1], "longer": good + b"!", "empty": b""}[change])
        with pytest.raises((CorruptError, NotFoundError)) as caught:
            kept.scrub()
        assert name in caught.value.message or change == "gone"
        path.write_bytes(good)
    assert kept.scrub().size == 703


@pytest.mark.parametrize(
    "name", ["tile/0/009", "tile/entries/000.p/7", "tile/0/000.tmp", "tile/7/000.p/1", "tile/index.html"]
)
def test_scrub_names_a_file_that_does_not_belong(kept: FileLog, folder: Path, name: str) -> None:
    path = folder / "public" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(32))
    with pytest.raises(CorruptError) as caught:
        kept.scrub()
    assert name in caught.value.message


def test_readers_never_hand_out_what_was_changed(kept: FileLog, folder: Path) -> None:
    root = kept.root(265)
    kept.close()
    with FileLog(folder, ORIGIN, segment_bytes=1 << 15) as log:
        bundle = folder / "public" / "tile" / "entries" / "000"
        good = bundle.read_bytes()
        bundle.write_bytes(good.replace(b"entry 17 ", b"entry 71 "))
        refused(CorruptError, "entry", log.entry, 17)
        refused(CorruptError, "entry", lambda: list(log.entries(0, 20)))
        assert log.entry(18) == entry(18)[:60]
        bundle.write_bytes(good[:-1])
        refused(CorruptError, "bundle", log.entry, 255)
        bundle.write_bytes(good)
    with FileLog(folder, ORIGIN, segment_bytes=1 << 15) as log:
        tile = folder / "public" / "tile" / "0" / "000"
        good = tile.read_bytes()
        flipped(tile, good, 40 * 32)
        error = refused(CorruptError, "tile", log.inclusion, 3, 265)
        assert "tile/0/000" in error.message
        tile.write_bytes(good[:-32])
        refused(CorruptError, "tile", log.inclusion, 3, 265)
        tile.write_bytes(good)
        verify_inclusion(leaf_hash(entry(3)[:60]), 3, 265, log.inclusion(3, 265), root)


def test_a_changed_edge_tile_is_found_when_the_log_is_opened(kept: FileLog, folder: Path) -> None:
    kept.close()
    for name in ("tile/0/001.p/9", "tile/1/000.p/1"):
        path = folder / "public" / name
        good = path.read_bytes()
        flipped(path, good, 5)
        refused(CorruptError, "tile", FileLog, folder, ORIGIN)
        path.write_bytes(good[:-1])
        refused(CorruptError, "tile", FileLog, folder, ORIGIN)
        path.write_bytes(good)
    with FileLog(folder, ORIGIN) as log:
        assert log.scrub().sealed == 265


def test_a_changed_entry_behind_the_checkpoint_is_not_handed_out(kept: FileLog, folder: Path) -> None:
    path = segments(folder)[-1]
    path.write_bytes(path.read_bytes().replace(b"entry 701 ", b"entry 107 "))
    refused(CorruptError, "segment-frame", kept.entry, 701)
    path.unlink()
    refused(StorageError, "path-vanished", kept.entry, 701)
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
